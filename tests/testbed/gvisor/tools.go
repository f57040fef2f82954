//go:build tools

// Package tools names the commands that the testbed builds, so that go.mod pins all they need.
package tools

import (
	_ "gvisor.dev/gvisor/runsc"
	_ "gvisor.dev/gvisor/shim"
)

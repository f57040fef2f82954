// Command node holds the testbed's own parts of a node: `node devices` is a device plugin that simulates accelerators,
// and `node times` and `node record` say when each container ran, as containerd has it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  node devices DIR NAME=COUNT…   offer COUNT simulated devices of each resource NAME to the kubelet that watches DIR
  node times SOCKET              print every container that the runtime at SOCKET knows, as JSON
  node record SOCKET FILE        keep FILE up to date with the same, removed containers included`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) >= 3 && args[0] == "devices":
		return serveDevices(ctx, args[1], args[2:])
	case len(args) == 2 && args[0] == "times":
		return printTimes(ctx, args[1], os.Stdout)
	case len(args) == 3 && args[0] == "record":
		return record(ctx, args[1], args[2])
	default:
		return fmt.Errorf("unknown arguments\n%s", usage)
	}
}

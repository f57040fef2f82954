// Package sys replaces github.com/containerd/containerd/sys's OOM score calls in the vendored copy that the gVisor shim
// is built from. Lowering a score needs CAP_SYS_RESOURCE, which many virtual machines and containers lack, and the shim
// would refuse to start without it; a score that could not be lowered does no harm in a testbed.
package sys

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

const (
	// OOMScoreAdjMin is the score of a process the kernel never ends for memory.
	OOMScoreAdjMin = -1000
	// OOMScoreAdjMax is the score of the first process the kernel ends for memory.
	OOMScoreAdjMax = 1000
)

// AdjustOOMScore is SetOOMScore: the original only adds a rule for user namespaces.
func AdjustOOMScore(pid, score int) error { return SetOOMScore(pid, score) }

// SetOOMScore sets the score of a process and takes a refusal for want of rights as done.
func SetOOMScore(pid, score int) error {
	err := os.WriteFile(path(pid), []byte(strconv.Itoa(score)), 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// GetOOMScoreAdj reads the score of a process.
func GetOOMScoreAdj(pid int) (int, error) {
	text, err := os.ReadFile(path(pid))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func path(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/oom_score_adj" }

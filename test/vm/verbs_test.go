//go:build vm

package vm

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestVerbs is Linux's own initiators, and lunette by an adapter of the same kernel: software iWARP, another at each end; and software RoCE, one for both.
func TestVerbs(t *testing.T) {
	t.Parallel()
	for _, adapter := range []string{"siw", "rxe"} {
		t.Run(adapter, func(t *testing.T) {
			bed{image: "initiators", seconds: "1500", script: "rdma.sh " + adapter + " verbs", others: []string{"attach.sh"}, flaw: lateAnswer, fill: func(t *testing.T, dir string) {
				withVerbs(t, "build", "-trimpath", "-o", filepath.Join(dir, "lunette"), "../../cmd/lunette")
			}}.run(t)
		})
	}
}

// TestVerbsSuite is the suite of providers of RDMA, over adapters of the guest's kernel.
func TestVerbsSuite(t *testing.T) {
	bed{image: "initiators", seconds: "1500", script: "verbs.sh", fill: func(t *testing.T, dir string) {
		withVerbs(t, "test", "-c", "-trimpath", "-o", filepath.Join(dir, "verbs"), "../../network/rdma/verbs")
	}}.run(t)
}

// withVerbs has the go command make a program that uses adapters, which takes the headers of rdma-core. The program is linked to this machine's C
// library: the guest has the same release.
func withVerbs(t *testing.T, command string, args ...string) {
	t.Helper()
	if _, err := os.Stat("/usr/include/rdma/rdma_cma.h"); err != nil {
		t.Skip("NOT TESTED: the headers of rdma-core are missing: run test/install/debian.sh verbs")
	}
	cmd := exec.Command("go", append([]string{command, "-tags", "verbs"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v: %s", command, err, out)
	}
}

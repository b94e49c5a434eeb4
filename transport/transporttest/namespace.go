package transporttest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The interfaces of a namespace that InNamespace makes: they are the ends of one cable.
const (
	VethTarget    = "lun0"
	VethInitiator = "lun1"
)

const namespaceEnv = "LUNETTE_TEST_NAMESPACE"

// InNamespace runs the test that calls it again, in a process of its own with a network namespace of its own, where there are the two interfaces
// VethTarget and VethInitiator with the MTU; there it returns true, and in the first process false, when all is over. It skips the test, and says so, where there may be no
// namespaces.
func InNamespace(t *testing.T, mtu int) bool {
	t.Helper()
	if os.Getenv(namespaceEnv) == t.Name() {
		for _, args := range vethCommands(mtu) {
			if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
				t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
			}
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: a network namespace needs root: this test has not run")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("SKIPPED: interfaces are made with ip(8) of iproute2: this test has not run: %v", err)
	}
	// Each part of the name is a pattern of its own.
	parts := strings.Split(t.Name(), "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	args := []string{"-test.run=" + strings.Join(parts, "/"), "-test.v=" + strconv.FormatBool(testing.Verbose()), "-test.count=1"}
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "-test.timeout=") || strings.HasPrefix(a, "-test.cpuprofile=") {
			args = append(args, a)
		}
	}
	c := exec.Command("/proc/self/exe", args...)
	c.Env = append(os.Environ(), namespaceEnv+"="+t.Name())
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	switch text := strings.TrimSpace(out.String()); {
	case err != nil && c.ProcessState == nil:
		t.Skipf("SKIPPED: no network namespace can be made here: this test has not run: %v", err)
	case err != nil:
		t.Errorf("in the namespace: %v\n%s", err, text)
	default:
		t.Logf("in the namespace:\n%s", text)
	}
	return false
}

// vethCommands are what ip(8) has to do.
func vethCommands(mtu int) [][]string {
	all := [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", VethTarget, "address", "02:00:00:00:aa:01", "type", "veth", "peer", "name", VethInitiator, "address", "02:00:00:00:bb:01"},
	}
	for _, i := range []string{VethTarget, VethInitiator} {
		all = append(all, []string{"link", "set", i, "mtu", fmt.Sprint(mtu), "up"})
	}
	return all
}

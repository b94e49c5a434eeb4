package sg

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGoing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	for state, want := range map[string]HostStatus{
		"running\n": HostError, "blocked\n": HostError, "quiesce\n": HostError,
		"cancel\n": HostNoConnect, "deleted\n": HostNoConnect, "offline\n": HostNoConnect, "transport-offline\n": HostNoConnect, "": HostNoConnect,
	} {
		if err := os.WriteFile(file, []byte(state), 0o600); err != nil {
			t.Fatal(err)
		}
		d := common{state: file}
		if got := d.going(Result{Host: HostError}); got.Host != want {
			t.Errorf("%q: %v", state, got.Host)
		}
		if got := d.going(Result{Host: HostTimeOut}); got.Host != HostTimeOut {
			t.Errorf("%q: a time-out has become %v", state, got.Host)
		}
	}
	d := common{state: filepath.Join(t.TempDir(), "none")}
	if got := d.going(Result{Host: HostError}); got.Host != HostNoConnect {
		t.Errorf("a device that sysfs has not any more: %v", got.Host)
	}
	if got := (&common{}).going(Result{Host: HostError}); got.Host != HostError {
		t.Errorf("without sysfs: %v", got.Host)
	}
}

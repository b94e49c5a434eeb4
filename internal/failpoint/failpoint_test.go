package failpoint_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A program is killed at the place that is named, and only if it was built for that.
func TestHere(t *testing.T) {
	for _, tags := range []string{"", "failpoint"} {
		bin := filepath.Join(t.TempDir(), "main")
		if out, err := exec.Command("go", "build", "-tags", tags, "-o", bin, "testdata/main.go").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for place, want := range map[string]string{"": "abab", "a": "", "b": "a", "a:2": "ab", "*:4": "aba", "c": "abab", "a:3": "abab"} {
			c := exec.Command(bin)
			c.Env = append(os.Environ(), "LUNETTE_FAILPOINT="+place)
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			if killed := errors.As(err, &exit) && exit.ExitCode() == -1; tags == "" && (string(out) != "abab" || err != nil) ||
				tags != "" && (string(out) != want || killed != (want != "abab")) {
				t.Errorf("%q at %q: %q, %v, want %q", tags, place, out, err, want)
			}
		}
	}
}

package kind

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/target"
)

// secretFile makes a file with a secret.
func secretFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// authOf is a value of the option auth: a user, and who we prove to be, if mutual is not empty.
func authOf(user, mutual string) model.Values {
	v := model.Values{"users": []any{model.Values{"user": "guest", "secret-file": user}}}
	if mutual != "" {
		v["mutual"] = model.Values{"user": "us", "secret-file": mutual}
	}
	return v
}

// No secret proves both who an initiator is and who we are, whatever targets they are of; an owner
// that is refused has what it had.
func TestSecretsOfANode(t *testing.T) {
	a, b := secretFile(t, "a", "correct horse battery"), secretFile(t, "b", "another secret of mine")
	a2 := secretFile(t, "a2", "correct horse battery")
	var s secrets
	put := func(name string, v model.Values) error {
		t.Helper()
		o, err := load(name, v)
		if err != nil {
			t.Fatal(err)
		}
		s.begin(nil)
		if err = s.check(o); err == nil {
			s.set(o)
		}
		if err != nil && strings.Contains(err.Error(), "horse") {
			t.Errorf("the error %v shows the secret", err)
		}
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	refused := func(err error, want ...string) {
		t.Helper()
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%v does not have %q", err, w)
			}
		}
	}
	must(put("discovery", nil))
	must(put("target one", authOf(a, "")))
	refused(put("target two", authOf(b, a2)), `target two, which proves itself as "us" (`+a2, `the user "guest" of target one (`+a)
	must(put("target two", authOf(b, ""))) // what was refused is not there
	must(put("target three", authOf(a, "")))
	refused(put("target two", authOf(b, a2)), "the same secret")
	refused(put("discovery", authOf(b, a)), "discovery, which proves itself")
	s.drop("target three")
	refused(put("target one", authOf(a, b)), `"guest" of target two`)
	must(put("target two", authOf(a, "")))
	must(put("target one", authOf(a, b)))
	refused(put("target two", authOf(b, "")), `target one, which proves itself as "us"`)

	if _, err := load("target five", authOf(filepath.Join(t.TempDir(), "none"), "")); err == nil {
		t.Error("a file that is not there")
	}
	if text := fmt.Sprintf("%+v %v", s.all, s.all["target one"].users); strings.Contains(text, "horse") {
		t.Error("the secrets show")
	}
}

// A target that would have a secret of both directions is not changed, and one that is removed takes
// its secrets along.
func TestPrepareTargetComparesSecrets(t *testing.T) {
	a, b := secretFile(t, "a", "correct horse battery"), secretFile(t, "b", "another secret of mine")
	made, err := newNode(plugin.NodeConfig{Values: model.Values{"discovery": model.Values{"auth": authOf(a, "")}}})
	if err != nil {
		t.Fatal(err)
	}
	n := made.(*node)
	defer func() {
		if err := n.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	set := func(name string, auth model.Values) error {
		t.Helper()
		scsiTarget, err := target.NewTarget("iqn.2026-11.io.lunette:" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Prepare(plugin.NodeConfig{Values: model.Values{"discovery": model.Values{"auth": authOf(a, "")}}}); err != nil {
			t.Fatal(err)
		}
		show, err := n.PrepareTarget(plugin.Target{Name: scsiTarget.Name, SCSI: scsiTarget, Values: model.Values{"auth": auth}})
		if err == nil {
			show()
		}
		return err
	}
	if err := set("one", authOf(b, a)); err == nil || !strings.Contains(err.Error(), "of discovery") {
		t.Errorf("the secret of discovery: %v", err)
	}
	if err := n.RemoveTarget("iqn.2026-11.io.lunette:one", func() {}); err == nil {
		t.Error("a target that was refused is shown")
	}
	if err := set("one", authOf(b, "")); err != nil {
		t.Error(err)
	}
	if err := set("two", authOf(a, b)); err == nil {
		t.Error("the secret of another target")
	}
	if err := n.RemoveTarget("iqn.2026-11.io.lunette:one", func() {}); err != nil {
		t.Error(err)
	}
	if err := set("two", authOf(a, b)); err != nil {
		t.Error(err)
	}
}

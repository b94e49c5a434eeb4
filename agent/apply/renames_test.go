package apply_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// TestKeptFollowsNames: what a unit keeps beside the generations is found by its new name when the change is
// committed, and not before.
func TestKeptFollowsNames(t *testing.T) {
	d, err := state.Open(t.TempDir()+"/state", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := &runner{generations: d, mayTry: true}
	e := serve(t, d, r)
	defer e.Close()
	unit := d.Unit("a")
	if err := unit.Do(func(path string) error { return os.WriteFile(path, []byte("kept"), 0o600) }); err != nil {
		t.Fatal(err)
	}
	name := "a"
	expect := func(what, want string) {
		t.Helper()
		if text, err := os.ReadFile(d.UnitRecord(want)); err != nil || string(text) != "kept" {
			t.Errorf("%s: %q, %v", what, text, err)
		}
		name = want
	}
	rename := func(to string, try time.Duration) apply.Request {
		text := strings.NewReplacer("name: "+name+"\n", "name: "+to+"\n", "{0: "+name+"}", "{0: "+to+"}").Replace(string(e.Current().Document.Text()))
		return apply.Request{Text: []byte(text), Try: try}
	}
	do := func(_ *apply.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(e.Apply(t.Context(), rename("b", 0)))
	expect("applied", "b")
	do(e.Apply(t.Context(), rename("c", time.Hour)))
	expect("tried", "b")
	do(e.Revert(t.Context(), ""))
	expect("reverted", "b")
	do(e.Apply(t.Context(), rename("c", time.Hour)))
	do(e.Confirm(t.Context(), ""))
	expect("confirmed", "c")
	do(e.Rollback(t.Context(), 1, apply.Request{}))
	expect("rolled back", "a")
	if err := unit.Do(func(path string) error { _, err := os.Stat(path); return err }); err != nil {
		t.Error(err)
	}
}

// TestKeptGoesWithItsUnit: what a unit has kept is forgotten when it is removed for good, so that another unit of
// the name does not inherit it; a try that removes it forgets nothing before it is confirmed.
func TestKeptGoesWithItsUnit(t *testing.T) {
	d, err := state.Open(t.TempDir()+"/state", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := &runner{generations: d, mayTry: true}
	e := serve(t, d, r)
	defer e.Close()
	names := make(map[string]bool)
	for _, k := range e.Current().Document.Keys(model.UnitObject) {
		names[k.Name] = true
		if err := d.Unit(k.Name).Do(func(path string) error { return os.WriteFile(path, []byte("kept"), 0o600) }); err != nil {
			t.Fatal(err)
		}
	}
	there := func(what string, want bool) {
		t.Helper()
		for name := range names {
			if _, err := os.Stat(d.UnitRecord(name)); (err == nil) != want {
				t.Errorf("%s: what %s has kept: %v", what, name, err)
			}
		}
	}
	none := apply.Request{Text: []byte("version: 1\nportals: []\n"), Try: time.Hour, Confirm: []plan.Confirm{plan.ConfirmDeleteData, plan.ConfirmEndSessions, plan.ConfirmReplace}}
	do := func(_ *apply.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	there("at first", true)
	do(e.Apply(t.Context(), none))
	there("tried", true)
	do(e.Revert(t.Context(), ""))
	there("reverted", true)
	do(e.Apply(t.Context(), none))
	do(e.Confirm(t.Context(), ""))
	there("confirmed", false)
}

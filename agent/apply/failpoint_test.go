package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// day is what the process does that is killed. Each thing is done with an engine; some make a file, and some
// leave another generation.
var day = []struct {
	name           string
	makes, commits bool
	do             func(e *apply.Engine) error
}{
	{"apply", true, true, func(e *apply.Engine) error { return done(e, text(base("second"))) }},
	{"edit", false, true, func(e *apply.Engine) error {
		return done(e, apply.Request{Edits: []model.Edit{{Op: model.MergeObject, Key: targetX, Body: []byte(`{"alias": "third"}`)}}})
	}},
	{"rename", false, true, func(e *apply.Engine) error {
		was := string(e.Current().Document.Text())
		return done(e, text([]byte(strings.NewReplacer("name: a\n", "name: b\n", "0: a", "0: b").Replace(was))))
	}},
	{"reload", false, false, func(e *apply.Engine) error { return done(e, apply.Request{Reload: true}) }},
	{"try", true, false, func(e *apply.Engine) error { return done(e, tried(base("fourth"))) }},
	{"confirm", false, true, func(e *apply.Engine) error { _, err := e.Confirm(context.Background(), ""); return err }},
	{"try again", true, false, func(e *apply.Engine) error { return done(e, tried(base("fifth"))) }},
	{"revert", false, false, func(e *apply.Engine) error { _, err := e.Revert(context.Background(), ""); return err }},
	{"rollback", false, true, func(e *apply.Engine) error { return done(e, apply.Request{Rollback: 1}) }},
}

func done(e *apply.Engine, r apply.Request) error {
	r.Confirm = []plan.Confirm{plan.ConfirmEndSessions, plan.ConfirmReplace, plan.ConfirmDeleteData}
	_, err := e.Apply(context.Background(), r)
	return err
}

// live is the process: it does what the day has, and says when each begins.
func live(t *testing.T, dir string) {
	d, err := state.Open(dir, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{generations: d, mayTry: true}
	e := serve(t, d, r)
	for i, x := range day {
		fmt.Printf("begin %d\n", i)
		r.makes, r.onPrepare = nil, nil
		if x.makes {
			file := made(dir, i)
			r.makes = []state.Made{{Path: file}}
			r.onPrepare = func() {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := x.do(e); err != nil {
			t.Fatal(x.name, err)
		}
	}
	e.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wrong) > 0 {
		t.Fatal(r.wrong)
	}
}

func made(dir string, i int) string { return filepath.Join(dir, fmt.Sprintf("made%d", i)) }

// TestKilledAnywhere: a process that is killed at each failpoint that it comes to, one after the other, leaves a
// directory that has the document before what it was doing or the one after, and the files of that.
func TestKilledAnywhere(t *testing.T) {
	const variable, places = "LUNETTE_TEST_DAY", "LUNETTE_FAILPOINT"
	if dir := os.Getenv(variable); dir != "" {
		live(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("it builds the test once more")
	}
	bin := filepath.Join(t.TempDir(), "apply.test")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "failpoint", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for n := 1; ; n++ {
		dir := filepath.Join(t.TempDir(), "state")
		cmd := exec.CommandContext(t.Context(), bin, "-test.run=^TestKilledAnywhere$")
		cmd.Env = append(os.Environ(), variable+"="+dir, fmt.Sprintf("%s=*:%d", places, n))
		out, err := cmd.Output()
		var exit *exec.ExitError
		switch {
		case err == nil && n < len(day)*4:
			t.Fatalf("there are only %d places", n-1)
		case err == nil:
			t.Logf("%d places", n-1)
			return
		case !errors.As(err, &exit) || exit.ExitCode() != -1:
			t.Fatalf("%d: %v: %s", n, err, out)
		}
		at := bytes.Count(out, []byte("begin")) - 1 // what it was doing; -1: starting
		examine(t, n, dir, at)
	}
}

// examine looks at what a process has left that was killed while it did what the day has at a place.
func examine(t *testing.T, n int, dir string, at int) {
	t.Helper()
	d, err := state.Open(dir, state.Options{})
	if err != nil {
		t.Fatalf("%d: %v", n, err)
	}
	defer d.Close()
	for _, m := range d.Unfinished() {
		if err := state.TakeBack(m); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	if err := d.Cleared(); err != nil {
		t.Fatalf("%d: %v", n, err)
	}
	before := uint64(1)
	for i := range max(at, 0) {
		if day[i].commits {
			before++
		}
	}
	s, ok := d.Current()
	now := s.Generation
	switch {
	case at < 0 && now > 1, at >= 0 && now != before && (now != before+1 || !day[at].commits):
		t.Errorf("%d: generation %d after %d", n, now, before)
	case !ok && at >= 0:
		t.Errorf("%d: there is no generation", n)
	}
	// A file is there if the change that has made it is a generation: of a try, that is one of the next.
	for i, x := range day[:at+1] {
		kept := x.commits && (i < at || now > before) ||
			x.name == "try" && (at > i+1 || at == i+1 && now > before)
		if x.makes && there(made(dir, i)) != kept {
			t.Errorf("%d: generation %d, in %q: what %q has made is there: %v", n, now, day[at].name, x.name, !kept)
		}
	}
	e := serve(t, d, &runner{generations: d, mayTry: true})
	defer e.Close()
	if r, err := e.Apply(t.Context(), text(append(base("after"), "# all\n"...))); err != nil || r.Generation != max(now, 1)+1 {
		t.Errorf("%d: %v, %v", n, r, err)
	}
}

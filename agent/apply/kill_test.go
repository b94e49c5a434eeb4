package apply_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/state"
)

// killed is where the process that is killed keeps its state.
const killed = "LUNETTE_TEST_TRY"

// TestTryKilled: a process that is killed while a change is tried leaves a directory from which the next
// serves what was before, and takes back what was made.
func TestTryKilled(t *testing.T) {
	if dir := os.Getenv(killed); dir != "" {
		tryForever(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "state")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTryKilled$")
	cmd.Env = append(os.Environ(), killed+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "it is tried\n" {
		t.Errorf("%q, %v", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed

	d, err := state.Open(dir, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if file := filepath.Join(dir, "made"); len(d.Unfinished()) != 1 || d.Unfinished()[0].Path != file || !there(file) {
		t.Fatal(d.Unfinished(), there(file))
	} else if err := state.TakeBack(d.Unfinished()[0]); err != nil || there(file) {
		t.Fatal(err)
	}
	if err := d.Cleared(); err != nil {
		t.Fatal(err)
	}
	e := serve(t, d, &runner{generations: d, mayTry: true})
	defer e.Close()
	if s := e.Current(); s.Generation != 1 || s.Document.Targets[0].Alias != "first" {
		t.Error(s)
	}
	if r, err := e.Apply(t.Context(), text(base("second"))); err != nil || r.Generation != 2 {
		t.Error(r, err)
	}
}

// serve makes an engine on a directory.
func serve(t *testing.T, d *state.Dir, r *runner) *apply.Engine {
	document, err := apply.Load(d, schema(), func() (*model.Document, error) { return model.Read("", base("first"), schema()) })
	if err != nil {
		t.Fatal(err)
	}
	r.running = string(document.Text())
	e, err := apply.New(apply.Config{Runner: r, Generations: d, Schema: schema(), Document: document, Author: "start"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// tryForever tries a change that makes a file, and waits to be killed.
func tryForever(t *testing.T, dir string) {
	d, err := state.Open(dir, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "made")
	r := &runner{generations: d, mayTry: true, makes: []state.Made{{Path: file}}}
	r.onPrepare = func() {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := serve(t, d, r)
	if _, err := e.Apply(t.Context(), tried(base("tried"))); err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("it is tried\n")
	select {}
}

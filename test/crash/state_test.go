//go:build crash

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// startsWithin is how long a daemon may take to answer.
const startsWithin = 20 * time.Second

// failing builds a lunette that has failpoints.
func failing(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lunette")
	if out, err := exec.Command("go", "build", "-tags", "failpoint", "-o", path, "../../cmd/lunette").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// failpoints are all places in the program at which it can be killed.
func failpoints(t *testing.T) []string {
	t.Helper()
	place := regexp.MustCompile(`failpoint\.Here\("([^"]+)"\)`)
	found := make(map[string]bool)
	for _, dir := range []string{"agent", "daemon"} {
		err := filepath.WalkDir("../../"+dir, func(path string, e os.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range place.FindAllSubmatch(text, -1) {
				found[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(found) < 15 {
		t.Fatalf("only %d failpoints were found", len(found))
	}
	return slices.Sorted(maps.Keys(found))
}

// A keeper is a daemon with a state directory, which is killed and started again.
type keeper struct {
	t       *testing.T
	program string
	dir     string // of the files of its units
	state   string
	socket  string
	place   string // the file that says at which failpoint it is killed

	cmd     *exec.Cmd
	ended   chan struct{} // is closed when the process has ended
	printed bytes.Buffer
	client  *client.Client

	now        document // what it serves
	generation uint64
}

// newKeeper starts one, with its first document.
func newKeeper(t *testing.T, program string) *keeper {
	t.Helper()
	top := t.TempDir()
	k := &keeper{t: t, program: program, dir: filepath.Join(top, "disks"), state: filepath.Join(top, "state"),
		socket: filepath.Join(top, "socket"), place: filepath.Join(top, "failpoint"), now: firstDocument(), generation: 1}
	if err := errors.Join(os.Mkdir(k.dir, 0o700), os.WriteFile(filepath.Join(top, "first.yaml"), k.now.text(k.dir), 0o600)); err != nil {
		t.Fatal(err)
	}
	k.client = client.New(k.socket)
	t.Cleanup(k.kill)
	if err := k.start("--config", filepath.Join(top, "first.yaml")); err != nil {
		t.Fatal(err)
	}
	k.check("the first start", k.now)
	return k
}

// killAt has the daemon killed at a failpoint; "": at none.
func (k *keeper) killAt(place string) {
	k.t.Helper()
	next := k.place + ".new"
	if err := errors.Join(os.WriteFile(next, []byte(place), 0o600), os.Rename(next, k.place)); err != nil {
		k.t.Fatal(err)
	}
}

// start starts the daemon, and waits until it answers; the error is that it has ended before.
func (k *keeper) start(flags ...string) error {
	k.t.Helper()
	k.printed.Reset()
	k.cmd = exec.Command(k.program, append([]string{"serve", "--state", k.state, "--socket", k.socket}, flags...)...)
	k.cmd.Env = append(os.Environ(), "LUNETTE_FAILPOINT=@"+k.place)
	k.cmd.Stdout, k.cmd.Stderr = &k.printed, &k.printed
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	cmd, ended := k.cmd, make(chan struct{})
	k.ended = ended
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	for stop := time.Now().Add(startsWithin); time.Now().Before(stop); {
		if v, err := k.client.Version(context.Background()); err == nil && v.PID == cmd.Process.Pid {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("it has ended: %v, and printed:\n%s", cmd.ProcessState, &k.printed)
		case <-time.After(2 * time.Millisecond):
		}
	}
	k.kill()
	k.t.Fatalf("it does not answer, and has printed:\n%s", &k.printed)
	return nil
}

// kill ends the daemon.
func (k *keeper) kill() {
	if k.cmd != nil {
		_ = k.cmd.Process.Kill() // it may have ended
		<-k.ended
	}
}

// apply asks for a document. Killed: the daemon has ended instead of answering.
func (k *keeper) apply(what string, d document) (killed bool) {
	k.t.Helper()
	return k.try(what, d, 0)
}

// try is apply of a document that is taken back after a time, if that is not 0.
func (k *keeper) try(what string, d document, until time.Duration) (killed bool) {
	k.t.Helper()
	r := client.ApplyRequest{Text: d.text(k.dir), Options: client.Options{Comment: what, Try: until, Confirm: []plan.Confirm{
		plan.ConfirmEndSessions, plan.ConfirmReplace, plan.ConfirmDeleteData, plan.ConfirmRestart}}}
	ctx, cancel := context.WithTimeout(context.Background(), startsWithin)
	defer cancel()
	_, err := k.client.Apply(ctx, r)
	return k.killedBy(what, err)
}

// killedBy reports that the daemon has ended instead of giving an answer, and not an answer that is an error.
func (k *keeper) killedBy(what string, err error) bool {
	k.t.Helper()
	if err == nil {
		return false
	}
	select {
	case <-k.ended:
		return true
	case <-time.After(startsWithin):
		k.t.Fatalf("%s: %v; it has printed:\n%s", what, err, &k.printed)
		return false
	}
}

// changes makes the daemon serve another document.
func (k *keeper) changes(what string, d document) {
	k.t.Helper()
	if bytes.Equal(d.text(k.dir), k.now.text(k.dir)) {
		return
	}
	if k.apply(what, d) {
		k.t.Fatalf("%s: it was killed, and has printed:\n%s", what, &k.printed)
	}
	k.now = d
	k.generation++
	for name := range k.left(d) { // of units that have gone: their data is nobody's to remove but ours
		if err := os.Remove(filepath.Join(k.dir, name)); err != nil {
			k.t.Fatal(err)
		}
	}
}

// disks are the files that there are, with their sizes in MiB.
func (k *keeper) disks() map[string]int {
	k.t.Helper()
	all := make(map[string]int)
	names, err := os.ReadDir(k.dir)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range names {
		info, err := e.Info()
		if err != nil {
			k.t.Fatal(err)
		}
		all[e.Name()] = int(info.Size() >> 20)
	}
	return all
}

// left are the files that a document does not name.
func (k *keeper) left(d document) map[string]int {
	all := k.disks()
	for name := range d.disks() {
		delete(all, name)
	}
	return all
}

// settles finds which of two documents the daemon serves, after a crash in the change from the one to the
// other: exactly one of them, in all that it shows. Acknowledged: it can only be the new one.
func (k *keeper) settles(what string, from, to document, acknowledged bool) {
	k.t.Helper()
	status, err := k.client.Status(context.Background())
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	switch status.Meta.Generation {
	case k.generation:
		if acknowledged {
			k.t.Fatalf("%s: it serves generation %d, and the next was acknowledged", what, k.generation)
		}
		k.now = from
	case k.generation + 1:
		k.now = to
		k.generation++
	default:
		k.t.Fatalf("%s: it serves generation %d, after %d", what, status.Meta.Generation, k.generation)
	}
	k.check(what, k.now)
}

// check checks that the daemon serves d, and nothing else.
func (k *keeper) check(what string, d document) {
	k.t.Helper()
	ctx := context.Background()
	status, err := k.client.Status(ctx)
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	if status.Meta.Generation != k.generation || len(status.Conditions) > 0 || status.Directory != k.state {
		k.t.Errorf("%s: it stands at %+v", what, status)
	}
	if text, _, err := k.client.Config(ctx, model.YAML); err != nil || !bytes.Equal(text, d.text(k.dir)) {
		k.t.Errorf("%s: %v, it serves\n%s\nand not\n%s", what, err, text, d.text(k.dir))
	}
	if history, err := k.client.History(ctx); err != nil || len(history) == 0 || history[0].Generation != k.generation {
		k.t.Errorf("%s: %v: %v", what, history, err)
	}
	units, err := k.client.Units(ctx)
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	var names []string
	for _, u := range units {
		names = append(names, u.Name)
	}
	slices.Sort(names)
	if want := slices.Sorted(maps.Keys(d.units)); !slices.Equal(names, want) {
		k.t.Errorf("%s: it has the units %v, and not %v", what, names, want)
	}
	targets, err := k.client.Targets(ctx)
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
	have := make(map[string][]string)
	for _, t := range targets {
		var luns []string
		for _, l := range t.LUNs {
			luns = append(luns, l.Unit)
		}
		have[strings.TrimPrefix(t.Name, targetPrefix)] = luns
		if len(t.Portals) != len(d.portals) {
			k.t.Errorf("%s: %s is at %v, and not at %v", what, t.Name, t.Portals, d.portals)
		}
	}
	if !maps.EqualFunc(have, d.targets, slices.Equal) {
		k.t.Errorf("%s: it has the targets %v, and not %v", what, have, d.targets)
	}
	if disks := k.disks(); !maps.Equal(disks, d.disks()) {
		k.t.Errorf("%s: there are the files %v, and not %v; it has printed:\n%s", what, disks, d.disks(), &k.printed)
	}
	if k.t.Failed() {
		k.t.FailNow()
	}
}

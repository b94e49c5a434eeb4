package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/test/plugin/pipe"
	"github.com/lunette-io/lunette/transport/loopback"
)

// An estate is a daemon with its state that is changed as a whole, and what is expected of it.
type estate struct {
	t      *rapid.T
	draw   drawing
	dir    string
	p      *pipe.Process
	reg    Registry
	schema model.Schema
	kept   *state.Dir
	d      *Daemon

	doc      *model.Document // what is served
	tried    *model.Document // what was served before; nil: nothing is tried
	holds    holding
	visitors []*visitor
	written  int
}

// start starts the daemon on what is kept.
func (w *estate) start() {
	var err error
	if w.kept, err = state.Open(filepath.Join(w.dir, "state"), state.Options{}); err != nil {
		w.t.Fatal(err)
	}
	if all := w.kept.Unfinished(); len(all) > 0 {
		for _, m := range all {
			if err := state.TakeBack(m); err != nil && !errors.Is(err, state.ErrLeft) {
				w.t.Fatal(err)
			}
		}
		if err := w.kept.Cleared(); err != nil {
			w.t.Fatal(err)
		}
	}
	doc, err := apply.Load(w.kept, w.schema, func() (*model.Document, error) { return w.doc, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	w.doc, w.tried = doc, nil
	w.holds.memory = nil
	w.holds.follow(&plan.Plan{}, doc)
	if w.d, err = Start(context.Background(), doc, w.reg, Options{
		Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(w.dir, "s"), Generations: w.kept, Author: "test", Strict: true,
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *estate) stop() {
	if err := errors.Join(w.d.Stop(context.Background()), w.kept.Close()); err != nil {
		w.t.Fatal(err)
	}
	for _, v := range w.visitors {
		if _, err := attentions(v, 0); !errors.Is(err, loopback.ErrDropped) {
			w.t.Fatalf("a session is still there behind the end: %v", err)
		}
	}
	w.visitors = nil
}

// files are those of the units, with their sizes, and the text that is current.
func (w *estate) files() string {
	var b strings.Builder
	entries, err := os.ReadDir(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !e.IsDir() {
			fmt.Fprintf(&b, "%s %d\n", e.Name(), info.Size())
		}
	}
	return b.String() + w.d.engine.Current().ETag
}

// mayFail predicts whether a document can be served, from what is: the error that is to be expected, or nothing.
func (w *estate) mayFail(now *model.Document) string {
	open := make(map[string]*model.Unit)
	for i := range w.doc.Units {
		open[w.doc.Units[i].Store.Values.String("path")] = &w.doc.Units[i]
	}
	for i := range now.Units {
		u := &now.Units[i]
		path, size := u.Store.Values.String("path"), int64(u.Store.Values.Size("size"))
		if u.Store.Kind == "broken" {
			return "broken"
		}
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		holder := open[path]
		switch {
		case err != nil && size == 0:
			return "does not exist"
		case err != nil || size == 0 || size == info.Size():
		case holder == nil:
			return "not the"
		case holder.Store.Values.Bool("sync") != u.Store.Values.Bool("sync"):
			return "opened in another way"
		}
	}
	for _, p := range now.Portals {
		if p.Address.Text == occupied {
			return "is there already"
		}
	}
	return ""
}

// same looks that nothing has changed, and nobody was told anything.
func (w *estate) same(before string) {
	if after := w.files(); after != before {
		w.t.Fatalf("something has changed: before\n%s\nafter\n%s", before, after)
	}
	w.quiet(&plan.Plan{}, w.doc)
	w.shown()
}

// quiet looks that nobody was told anything but what a plan says that has led from old to what is now.
func (w *estate) quiet(p *plan.Plan, old *model.Document) {
	for _, v := range w.visitors {
		for lun := range 4 {
			if got, err := attentions(v, lun); err != nil || len(got) > 0 && !told(p, v, lun, old, w.doc) {
				w.t.Fatalf("%s of %s is told %v of LUN %d, %v; the plan is %+v", v.guest, v.target, got, lun, err, p.Steps)
			}
		}
	}
}

// change asks for a change to a document, which is right, without what it needs, and then with it.
func (w *estate) change(r apply.Request, now *model.Document) {
	before := w.files()
	ctx := context.Background()
	dry := r
	dry.DryRun, dry.Try = true, 0
	res, err := w.d.engine.Apply(ctx, dry)
	if err != nil {
		w.t.Fatal(err)
	}
	p := res.Plan
	w.same(before)
	erased := ""
	if r.Try == 0 && w.draw.seldom(3) {
		if r.Delete, erased = w.goes(p); erased != "" {
			dry.Delete = r.Delete
			if res, err = w.d.engine.Apply(ctx, dry); err != nil {
				w.t.Fatal(err)
			}
			p = res.Plan
		}
	}
	r.Digest = p.Digest
	if r.Try != 0 && resizes(p) {
		if _, err := w.d.engine.Apply(ctx, r); !errors.As(err, new(*apply.RequestError)) {
			w.t.Fatalf("another size is tried: %v", err)
		}
		w.same(before)
		r.Try = 0
	}
	for i := range p.Confirms() {
		less := r
		less.Confirm = slices.Delete(p.Confirms(), i, i+1)
		if _, err := w.d.engine.Apply(ctx, less); !errors.As(err, new(*apply.NeedsConfirmError)) {
			w.t.Fatalf("with %v, of %v: %v", less.Confirm, p.Confirms(), err)
		}
		w.same(before)
	}
	r.Confirm = p.Confirms()
	why := w.mayFail(now)
	if (why == "" || why == "is there already") && slices.ContainsFunc(now.Units, func(u model.Unit) bool { return erased != "" && u.Store.Values.String("path") == erased }) {
		why = "cannot be removed"
	}
	watchers := w.bystanders(p, now)
	res, err = w.d.engine.Apply(ctx, r)
	for _, x := range watchers {
		if err := x.end(); err != nil {
			w.t.Fatalf("%v; the plan is %+v", err, p.Steps)
		}
	}
	if why != "" && (len(p.Steps) > 0 || err != nil) {
		if err == nil || !strings.Contains(err.Error(), why) {
			w.t.Fatalf("%v, and it is to be %q; the plan is %+v", err, why, p.Steps)
		}
		w.same(before)
		return
	}
	if err != nil || len(res.Conditions) > 0 {
		w.t.Fatalf("%v, %+v; the plan is %+v", err, res, p.Steps)
	}
	old := w.doc
	w.doc = w.d.engine.Current().Document
	if string(w.doc.Text()) != string(now.Text()) && !p.Empty() {
		w.t.Fatalf("the document is\n%s\nand not\n%s", w.doc.Text(), now.Text())
	}
	w.done(res.Plan, old)
	if _, err := os.Stat(erased); erased != "" && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatalf("%s is to be deleted: %v", erased, err)
	}
	if r.Try != 0 && res.Changed {
		w.tried = old
		return
	}
	again, err := w.d.engine.Apply(ctx, apply.Request{Text: w.doc.Text()})
	if err != nil || again.Changed || !again.Plan.Empty() {
		w.t.Fatalf("the same again: %+v, %v", again, err)
	}
}

// done looks at what a change has done, as its plan says.
func (w *estate) done(p *plan.Plan, old *model.Document) {
	ended := make(map[string]bool)
	for _, s := range p.Steps {
		for _, x := range s.Sessions {
			ended[x.ID] = true
		}
	}
	w.visitors = slices.DeleteFunc(w.visitors, func(v *visitor) bool {
		if !ended[v.id] {
			return false
		}
		if _, err := attentions(v, 0); !errors.Is(err, loopback.ErrDropped) {
			w.t.Fatalf("a session that the plan ends is still there: %v", err)
		}
		return true
	})
	w.d.units.working.Wait()
	w.holds.follow(p, w.doc)
	w.quiet(p, old)
}

// bystanders read at LUNs that a change does not concern.
func (w *estate) bystanders(p *plan.Plan, now *model.Document) (all []*watcher) {
	for _, v := range w.visitors {
		ends := slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
			return slices.ContainsFunc(s.Sessions, func(x plan.Session) bool { return x.ID == v.id })
		})
		after := sees(now, v.target, v.guest)
		for lun, x := range sees(w.doc, v.target, v.guest) {
			if _, stays := after[lun]; len(all) < 3 && stays && !ends && !told(p, v, lun, w.doc, now) {
				all = append(all, w.watch(v, x))
			}
		}
	}
	return all
}

// shown compares what the daemon shows with the document.
func (w *estate) shown() {
	var got, want []string
	for _, u := range w.d.Units() {
		got = append(got, u.Name)
	}
	for _, t := range w.d.Targets() {
		got = append(got, fmt.Sprint(t.Name, t.Alias, t.LUNs))
	}
	for _, p := range w.d.portals.load() {
		got = append(got, p.key+" "+p.spec.String())
	}
	for _, s := range w.d.Sessions() {
		got = append(got, s.ID+s.Initiator+s.Target)
	}
	for _, u := range w.doc.Units {
		want = append(want, u.Names...)
	}
	for _, t := range w.doc.Targets {
		luns := []string{}
		for _, l := range (&served{spec: t}).luns() {
			luns = append(luns, fmt.Sprintf("%d=%s", l.Number, l.Unit))
		}
		want = append(want, fmt.Sprint(t.Name, t.Alias, luns))
	}
	for i, key := range w.doc.PortalKeys() {
		want = append(want, key.Name+" "+w.doc.Portals[i].String())
	}
	for _, v := range w.visitors {
		want = append(want, v.id+v.guest+v.target)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || string(w.d.doc().Text()) != string(w.doc.Text()) || string(w.d.engine.Current().Document.Text()) != string(w.doc.Text()) {
		w.t.Fatalf("shown is\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	kept, _ := w.kept.Current()
	counts := w.doc
	if w.tried != nil {
		counts = w.tried
	}
	if string(kept.Text) != string(counts.Text()) {
		w.t.Fatalf("kept is\n%s", kept.Text)
	}
	if s := w.d.engine.Status(); slices.ContainsFunc(s.Conditions, func(c apply.Condition) bool { return c.Type != apply.PendingRestart }) {
		w.t.Fatalf("conditions are %+v", s.Conditions)
	}
}

// estates lets do do something with daemons, each with a state of its own, of which nothing may be left.
func estates(t *testing.T, do func(w *estate)) {
	top := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		leaks := goleak.IgnoreCurrent()
		descriptors := open(t)
		n++
		w := &estate{t: t, dir: filepath.Join(top, fmt.Sprint(n)), p: pipe.New()}
		w.draw = drawing{t, w.dir}
		w.holds.places = make(map[string]map[int]int)
		if err := os.Mkdir(w.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(w.dir)
		for _, name := range []string{"s0", "s1"} {
			if err := os.WriteFile(filepath.Join(w.dir, name), []byte("a secret of "+name), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"f0", "f1"} {
			if err := os.WriteFile(filepath.Join(w.dir, name), make([]byte, 64<<10), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		w.reg = with(w.p).With(broken)
		w.schema = w.reg.Schema()
		w.p.Occupy(occupied)
		var err error
		if w.doc, err = model.Read("", []byte(`version: 1
units: [{name: u0, store: {kind: memory, size: 64K}}]
targets: [{name: "`+wholeTarget+`t0", luns: {0: u0}}]
portals: [{kind: pipe+process, address: /p0, slots: 100}]
limits: {stop-timeout: 5s, memory: 64M}
`), w.schema); err != nil {
			t.Fatal(err)
		}
		w.start()
		do(w)
		w.stop()
		if n := w.p.Opened(); n != 0 {
			t.Fatalf("%d networks are open", n)
		}
		if err := goleak.Find(leaks); err != nil {
			t.Fatal(err)
		}
		if now := open(t); now != descriptors && n > 1 { // the first opens what the process keeps
			t.Fatalf("open are\n%s\nand were\n%s", now, descriptors)
		}
	})
}

// Documents, edits, tries, rollbacks, logins and restarts in any order do what plans say, and nothing else: who
// is not concerned reads right data all the time and is told nothing, what is refused has changed nothing, and
// nothing is left behind.
func TestWholeDaemon(t *testing.T) {
	estates(t, func(w *estate) {
		for range rapid.IntRange(10, 35).Draw(w.t, "steps") {
			w.step()
			w.shown()
			for _, v := range w.visitors {
				w.verify(v)
			}
		}
	})
}

package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

// A gate is a filter whose reads wait while it is shut, whatever becomes of who reads: as those of a disk that does
// not answer.
type gate struct {
	mu     sync.Mutex
	shut   chan struct{} // nil: it is open
	waits  chan struct{} // gets something when a read waits
	closed int           // stores
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) kind() plugin.Filter {
	return plugin.Filter{About: plugin.About{Name: "gate", Help: "For tests."}, Wrap: func(s store.Store, _ model.Values) (plugin.Wrapped, error) {
		return plugin.Wrapped{Store: gated{s, g}}, nil
	}}
}

type gated struct {
	store.Store
	g *gate
}

func (s gated) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	s.g.mu.Lock()
	shut := s.g.shut
	s.g.mu.Unlock()
	if shut != nil {
		s.g.waits <- struct{}{}
		<-shut
	}
	return s.Store.ReadAt(ctx, into, off)
}

func (s gated) Close() error {
	s.g.mu.Lock()
	s.g.closed++
	s.g.mu.Unlock()
	return s.Store.Close()
}

// hangText is a document of a target whose unit does not answer, unless it is left out, and of one that does.
func hangText(alias, timeout string, hung, unit bool) string {
	text := "version: 1\nunits:\n- {name: by, store: {kind: memory, size: 1M}}\n"
	if unit {
		text += "- {name: a, store: {kind: memory, size: 1M}, filters: [{kind: gate}]}\n"
	}
	text += fmt.Sprintf("targets:\n- {name: %q, alias: %q, luns: {0: by}}\n", closed, alias)
	if hung {
		text += fmt.Sprintf("- {name: %q, luns: {0: a}}\n", disks)
	}
	return text + "portals: [{kind: pipe+process, address: /lab, slots: 100}]\nlimits: {stop-timeout: " + timeout + "}\n"
}

// A target is removed whose session has a command at a disk that does not answer: other changes go on meanwhile, also
// those of the same target and its unit; what has not ended in its time is a condition, until the disk answers.
func TestChangesWhileSomethingHangs(t *testing.T) {
	t.Chdir(t.TempDir())
	g := &gate{waits: make(chan struct{}, 8)}
	p := pipe.New()
	reg := with(p).With(g.kind())
	doc, err := model.Read("", []byte(hangText("x", "60s", true, true)), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, reg, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		g.open()
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	change := func(text string) (*apply.Result, error) {
		return d.engine.Apply(ctx, apply.Request{Text: []byte(text), Confirm: []plan.Confirm{plan.ConfirmEndSessions, plan.ConfirmDeleteData}})
	}
	must := func(text string) {
		t.Helper()
		if r, err := change(text); err != nil || len(r.Conditions) > 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	by := startLoad(ctx, guest(t, p, "/lab", closed), 0, 0)
	hang := func() {
		s, err := p.Login("/lab", disks, "guest:me")
		if err != nil {
			t.Fatal(err)
		}
		g.close()
		go func() { _, _ = blockOf(ctx, s, 0, 0, nil) }()
		<-g.waits
	}

	// It answers before the time is over.
	hang()
	first := make(chan error, 1)
	go func() {
		r, err := change(hangText("x", "60s", false, true))
		if err == nil && len(r.Conditions) > 0 {
			err = fmt.Errorf("%+v", r.Conditions)
		}
		first <- err
	}()
	for d.engine.Current().Generation == 1 {
		time.Sleep(time.Millisecond)
	}
	for i := range 5 {
		must(hangText(fmt.Sprint("y", i), "60s", false, true))
	}
	must(hangText("y", "60s", true, true)) // the target comes again, as another
	second := guest(t, p, "/lab", disks)
	must(hangText("y", "1s", true, true))
	by.moves(t)
	select {
	case err := <-first:
		t.Fatalf("the first change has ended, and its session cannot have: %v", err)
	default:
	}
	g.open()
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if _, err := blockOf(ctx, second, 0, 0, nil); err != nil {
		t.Error(err)
	}
	_ = second.Close()

	// It does not: and its unit goes as well.
	hang()
	r, err := change(hangText("z", "1s", false, false))
	if err != nil || len(r.Conditions) == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	key := model.Key{Kind: model.TargetObject, Name: disks}
	ending := func() bool {
		return slices.ContainsFunc(d.engine.Status().Conditions, func(c apply.Condition) bool { return c.Key == key && c.Type == apply.Ending })
	}
	if !ending() {
		t.Errorf("no condition: %+v", d.engine.Status().Conditions)
	}
	must(hangText("zz", "1s", false, false))
	if strings.Contains(fmt.Sprint(d.Units()), "{a ") {
		t.Errorf("it is shown: %v", d.Units())
	}
	by.moves(t)
	g.open()
	for len(d.engine.Status().Conditions) > 0 {
		if ctx.Err() != nil {
			t.Fatalf("it does not end: %+v", d.engine.Status().Conditions)
		}
		time.Sleep(10 * time.Millisecond)
	}
	by.end(t)
	if g.closed != 1 {
		t.Errorf("%d stores are closed", g.closed)
	}
}

// While a unit still leaves its file, since a read at it does not end, the file goes to another: that waits until the first change has ended, and
// the file is open then.
func TestFileGoesOnWhileItIsLeft(t *testing.T) {
	for first, spec := range map[string]string{
		"to memory":             "{name: a, store: {kind: memory, size: 1M}}",
		"as another device":     "{name: a, store: {kind: file, path: f, size: 1M}, device: {kind: disk, settings: shared}}",
		"opened in another way": "{name: a, store: {kind: file, path: f, size: 1M, sync: true}}",
		"to another file":       "{name: a, store: {kind: file, path: g, size: 1M}}",
	} {
		for second, units := range map[string]string{
			"another unit":        "{name: b, store: {kind: file, path: f, size: 1M}}",
			"another unit beside": "{name: b, store: {kind: file, path: f, size: 1M}}, {name: a, store: {kind: memory, size: 2M}}",
			"itself":              "{name: a, store: {kind: file, path: f, size: 1M}, device: {kind: disk, revision: '7'}}",
		} {
			t.Run(first+", "+second, func(t *testing.T) { fileGoesOn(t, spec, units) })
		}
	}
}

func fileGoesOn(t *testing.T, first, second string) {
	t.Chdir(t.TempDir())
	g := &gate{waits: make(chan struct{}, 8)}
	p := pipe.New()
	reg := with(p).With(g.kind())
	text := func(units, lun string) string {
		return fmt.Sprintf("version: 1\nunits: [%s]\ntargets: [{name: %q, luns: {0: %s}}]\nportals: [{kind: pipe+process, address: /lab, slots: 100}]\nlimits: {stop-timeout: 60s}\n", units, disks, lun)
	}
	doc, err := model.Read("", []byte(text("{name: a, store: {kind: file, path: f, size: 1M}, filters: [{kind: gate}]}", "a")), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, reg, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		g.open()
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	s := guest(t, p, "/lab", disks)
	g.close()
	go func() { _, _ = blockOf(t.Context(), s, 0, 0, nil) }()
	<-g.waits
	ended := make(chan error, 2)
	change := func(text string) {
		_, err := d.engine.Apply(t.Context(), apply.Request{Text: []byte(text), Confirm: []plan.Confirm{plan.ConfirmEndSessions, plan.ConfirmDeleteData, plan.ConfirmReplace}})
		ended <- err
	}
	go change(text(first, "a"))
	for d.engine.Current().Generation == 1 {
		time.Sleep(time.Millisecond)
	}
	go change(text(second, second[len("{name: "):][:1]))
	time.Sleep(250 * time.Millisecond) // it may have begun, or not
	g.open()
	for range 2 {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	after := guest(t, p, "/lab", disks)
	if _, err := blockOf(t.Context(), after, 0, 0, filled(1)[:512]); err != nil {
		t.Error(err)
	}
	_ = after.Close()
}

package apply_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// schema has kinds that there are not.
func schema() model.Schema {
	return model.Schema{
		Kinds: []model.Kind{
			{Axis: "store", Name: "vault", Options: []model.Option{
				{Name: "path", Type: model.Path, Exclusive: true},
				{Name: "size", Type: model.Bytes, Change: model.Growing},
			}},
			{Axis: "store", Name: "mist", Volatile: true, Options: []model.Option{{Name: "size", Type: model.Bytes, Default: "1M", Change: model.Growing}}},
			{Axis: "device", Name: "slab", Options: []model.Option{{Name: "block-size", Type: model.Bytes, Default: "512"}}},
			{Axis: "transport", Name: "rope+tcp", Listen: model.HostPort("tcp", 3260)},
		},
		Document: []model.Option{{Name: "rope", Type: model.Group, Options: []model.Option{{Name: "reactors", Type: model.Int}}}},
	}
}

const iqn = "iqn.2026-11.io.test:"

// base is a small document; alias is what its target is called.
func base(alias string) []byte {
	return fmt.Appendf(nil, "version: 1\nunits:\n- name: a\n  store: {kind: vault, path: /a}\ntargets:\n- name: %sx\n  alias: %q\n  luns: {0: a}\n", iqn, alias)
}

// A runner is what runs, and runs nothing. It notes what is wrong with the order in which it is called.
type runner struct {
	generations state.Generations

	mu       sync.Mutex
	running  string // the text that is served
	open     int    // transitions that have not ended
	wrong    []string
	prepared int // how many transitions were
	last     apply.Transition

	busy atomic.Int32

	// What goes wrong next.
	prepareErr, cancelErr, retireErr error
	makes                            []state.Made
	hold                             chan struct{} // Prepare waits for it, or for the end of its context
	holdRetire                       chan struct{} // Retire as well
	conditions                       []apply.Condition
	sessions                         []plan.Session
	mayTry                           bool // what is published need not be committed
	onPrepare, onPublish             func()
}

func (r *runner) note(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

func (r *runner) Ends(old *model.Target, new *model.Document) (all []plan.Session) {
	for _, t := range new.Targets {
		if t.Name == old.Name {
			return nil
		}
	}
	return r.sessions
}

func (r *runner) Shrinks(old, new *model.Unit) bool { return false }

func (r *runner) Conditions() []apply.Condition {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conditions
}

// once notes that two calls are under way, until what it returns is called.
func (r *runner) once(what string) func() {
	if r.busy.Add(1) != 1 {
		r.mu.Lock()
		r.note("%s while another call is under way", what)
		r.mu.Unlock()
	}
	return func() { r.busy.Add(-1) }
}

func (r *runner) Prepare(ctx context.Context, t apply.Transition) (apply.Prepared, error) {
	defer r.once("Prepare")()
	r.mu.Lock()
	if got := string(t.Old.Text()); got != r.running {
		r.note("the way from %q, and %q runs", got, r.running)
	}
	hold, err, makes := r.hold, r.prepareErr, r.makes
	r.last = t
	r.mu.Unlock()
	t.Progress(len(t.Plan.Steps) / 2)
	for _, m := range makes {
		if err := t.Makes(m); err != nil {
			return nil, err
		}
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	if r.onPrepare != nil {
		r.onPrepare()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prepared++
	r.open++
	return &prepared{runner: r, t: t}, nil
}

type prepared struct {
	*runner
	t     apply.Transition
	state string // "", published, retired, canceled
}

func (p *prepared) is(from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state != from {
		p.note("it is %q and becomes %q", p.state, to)
	}
	p.state = to
	if to == "retired" || to == "canceled" {
		p.open--
	}
}

func (p *prepared) Publish() {
	defer p.once("Publish")()
	p.is("", "published")
	if p.onPublish != nil {
		p.onPublish()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = string(p.t.New.Text())
	if s, _ := p.generations.Current(); !p.mayTry && string(s.Text) != p.running {
		p.note("%q is published, and %q is committed", p.running, s.Text)
	}
}

func (p *prepared) Retire(ctx context.Context) error {
	defer p.once("Retire")()
	p.mu.Lock()
	hold, err := p.holdRetire, p.retireErr
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return &apply.EndingError{Key: model.Key{Kind: model.UnitObject, Name: "a"}, Err: errors.New("a task is under way")}
		}
	}
	if err != nil {
		return err
	}
	p.is("published", "retired")
	return nil
}

func (p *prepared) Cancel() error {
	defer p.once("Cancel")()
	p.is("", "canceled")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancelErr
}

// set changes what goes wrong next.
func (r *runner) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// A disk is generations that outlive those who use them, and fail as they are told.
type disk struct {
	all     []state.Stored
	journal []state.Made
	taken   []state.Made // what was taken back at starts

	commitErr, beginErr, abortErr error
}

// start opens d for one life of a daemon. Those who used it before cannot any more.
func (d *disk) start() *life {
	d.taken = append(d.taken, d.journal...)
	d.journal = nil
	return &life{disk: d}
}

type life struct {
	*disk
	mu   sync.Mutex
	busy bool
	dead bool
}

func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

var errDead = errors.New("the daemon is dead")

func (l *life) Current() (state.Stored, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return state.Stored{}, false
	}
	return l.all[len(l.all)-1], true
}

func (l *life) History() ([]state.Meta, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []state.Meta
	for i := range l.all {
		all = append(all, l.all[len(l.all)-1-i].Meta)
	}
	return all, nil
}

func (l *life) Load(generation uint64) (state.Stored, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation == 0 || generation > uint64(len(l.all)) {
		return state.Stored{}, fmt.Errorf("generation %d: %w", generation, state.ErrNotFound)
	}
	return l.all[generation-1], nil
}

func (l *life) Begin() (state.Transaction, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.dead:
		return nil, errDead
	case l.beginErr != nil:
		return nil, l.beginErr
	case l.busy:
		return nil, state.ErrBusy
	}
	l.busy, l.journal = true, nil
	return &transaction{life: l}, nil
}

type transaction struct {
	*life
	ended, committed bool
}

func (t *transaction) Makes(m state.Made) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.dead {
		return state.ErrEnded
	}
	t.journal = append(t.journal, m)
	return nil
}

func (t *transaction) Commit(text []byte, m state.Meta) (state.Meta, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.dead:
		return m, errDead
	case t.ended:
		return m, state.ErrEnded
	}
	t.ended, t.busy = true, false
	if t.commitErr != nil {
		return m, t.commitErr
	}
	t.committed, t.journal = true, nil
	m.Parent = uint64(len(t.all))
	m.Generation = m.Parent + 1
	t.all = append(t.all, state.Stored{Meta: m, Text: text})
	return m, nil
}

func (t *transaction) Abort() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.dead:
		return errDead
	case t.committed:
		return state.ErrEnded
	case t.abortErr != nil:
		return t.abortErr
	}
	if !t.ended {
		t.busy = false
	}
	t.ended, t.journal = true, nil
	return nil
}

// A bench is an engine with what it works with.
type bench struct {
	*apply.Engine
	r *runner
	l *life
	d *disk
}

// start makes an engine on a disk. first is the document of an empty one.
func start(t interface {
	Helper()
	Fatal(...any)
}, d *disk, first []byte) *bench {
	t.Helper()
	l := d.start()
	document, err := apply.Load(l, schema(), func() (*model.Document, error) { return model.Read("", first, schema()) })
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{generations: l, running: string(document.Text())}
	e, err := apply.New(apply.Config{Runner: r, Generations: l, Schema: schema(), Document: document, Author: "start"})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{e, r, l, d}
}

// fresh is an engine on an empty disk, which ends with the test.
func fresh(t *testing.T) *bench {
	b := start(t, &disk{}, base("first"))
	t.Cleanup(func() {
		b.Close()
		b.check(t)
	})
	return b
}

// check finds what is wrong after all operations have ended.
func (b *bench) check(t interface {
	Helper()
	Error(...any)
}) {
	t.Helper()
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	if len(b.r.wrong) > 0 {
		t.Error(strings.Join(b.r.wrong, "\n"))
		b.r.wrong = nil
	}
	if got := string(b.Current().Document.Text()); got != b.r.running {
		t.Error("shown is", got, "and this runs:", b.r.running)
	}
}

// alias is that of the only target.
func (b *bench) alias() string { return b.Current().Document.Targets[0].Alias }

// text is a request for a whole document.
func text(doc []byte) apply.Request { return apply.Request{Text: doc, Author: "ann"} }

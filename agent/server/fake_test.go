package server

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const document = "# mine\nversion: 1\nunits: # all\n  - name: a\n    store: {kind: memory, size: 1M}\n"

// A fakeAgent notes what it is asked for, and answers what a test wants.
type fakeAgent struct {
	doc    *model.Document
	events chan apply.Event // that come from now on
	past   []apply.Event    // without a gap
	gap    *apply.GapError  // before them
	work   func(ctx context.Context) error

	mu       sync.Mutex
	err      error
	requests []apply.Request
	authors  []string
	canceled []string
}

// testSchema is what invented plugins say of themselves.
func testSchema() model.Schema {
	return model.Schema{Kinds: []model.Kind{
		{Axis: "store", Name: "memory", Options: []model.Option{{Name: "size", Type: model.Bytes, Help: "how much"}}},
		{Axis: "device", Name: "d"},
		{Axis: "transport", Name: "x+y", Listen: model.HostPort("tcp", 3260)},
	}}
}

func newFake(t *testing.T) *fakeAgent {
	t.Helper()
	doc, err := model.Read("", []byte(document), testSchema())
	if err != nil {
		t.Fatal(err)
	}
	return &fakeAgent{doc: doc, events: make(chan apply.Event)}
}

// fails makes the next requests end with an error.
func (f *fakeAgent) fails(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// last is the last request.
func (f *fakeAgent) last() apply.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) == 0 {
		return apply.Request{}
	}
	return f.requests[len(f.requests)-1]
}

func (f *fakeAgent) Apply(ctx context.Context, r apply.Request) (*apply.Result, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	err := f.err
	f.mu.Unlock()
	if f.work != nil {
		if err := f.work(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return &apply.Result{Plan: &plan.Plan{Steps: []plan.Step{}}, Generation: 8, Changed: !r.DryRun, ETag: "after"}, nil
}

func (f *fakeAgent) Start(r apply.Request) apply.Operation {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	return apply.Operation{ID: "1", Kind: "apply", Author: r.Author, Phase: "waiting", Cancel: true}
}

func (f *fakeAgent) decide(author string) (*apply.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.authors = append(f.authors, author)
	return &apply.Result{Plan: &plan.Plan{Steps: []plan.Step{}}, Generation: 9, ETag: "after"}, f.err
}

func (f *fakeAgent) Confirm(_ context.Context, author string) (*apply.Result, error) {
	return f.decide(author)
}

func (f *fakeAgent) Revert(_ context.Context, author string) (*apply.Result, error) {
	return f.decide(author)
}

func (f *fakeAgent) Cancel(id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.canceled = append(f.canceled, id)
	return id == "1"
}

func (f *fakeAgent) Current() *apply.Snapshot {
	return &apply.Snapshot{Meta: state.Meta{Generation: 7}, Document: f.doc, ETag: "now"}
}

func (f *fakeAgent) Status() apply.Status {
	s := apply.Status{Meta: state.Meta{Generation: 7}, ETag: "now"}
	if n := len(f.past); n > 0 {
		s.Sequence = f.past[n-1].Sequence
	}
	return s
}

func (f *fakeAgent) Operations() []apply.Operation {
	return []apply.Operation{{ID: "2", Phase: "done"}, {ID: "1", Phase: "planning", Cancel: true}}
}

func (f *fakeAgent) Operation(id string) (apply.Operation, bool) {
	for _, o := range f.Operations() {
		if o.ID == id {
			return o, true
		}
	}
	return apply.Operation{}, false
}

func (f *fakeAgent) Watch(ctx context.Context, from uint64) iter.Seq2[apply.Event, error] {
	return func(yield func(apply.Event, error) bool) {
		if f.gap != nil && from != 0 && from < f.gap.Next && !yield(apply.Event{}, f.gap) {
			return
		}
		for _, e := range f.past {
			if from != 0 && e.Sequence >= from && !yield(e, nil) {
				return
			}
		}
		for {
			select {
			case e, ok := <-f.events:
				if !ok || !yield(e, nil) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// generations are those of a fake.
type generations struct{}

func (generations) History() ([]state.Meta, error) {
	return []state.Meta{{Generation: 7, Author: "root (uid 0)"}, {Generation: 6}}, nil
}

func (generations) Load(n uint64) (state.Stored, error) {
	return state.Stored{Meta: state.Meta{Generation: n}, Text: []byte(document)}, nil
}

// An operator has one session and one unit.
type operator struct {
	mu   sync.Mutex
	done []string
}

func (o *operator) do(what, kind, name, want string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if name != want {
		return &apply.NotFoundError{Key: model.Key{Kind: model.ObjectKind(kind), Name: name}}
	}
	o.done = append(o.done, what+" "+name)
	return nil
}

func (o *operator) DropSession(_ context.Context, transport, id string) error {
	return o.do("drop", "session", transport+" "+id, "iscsi a/b")
}

func (o *operator) Reservations(_ context.Context, unit string) (api.Reservations, error) {
	return api.Reservations{Unit: unit, Registrations: []api.Registration{{Initiator: "i", Key: "0x0000000000000001"}}}, o.do("show", "unit", unit, "box/a")
}

func (o *operator) ClearReservations(_ context.Context, unit string) error {
	return o.do("clear", "unit", unit, "box/a")
}

func (o *operator) Actions(_ context.Context, unit string) ([]api.Action, error) {
	return []api.Action{
		{Name: "look", Help: "Looks.", Arguments: []api.Argument{}},
		{Name: "turn", Help: "Turns it.", Changes: true, Arguments: []api.Argument{{Name: "times", Type: "number", Required: true, Help: "how often"}}},
	}, o.do("actions", "unit", strings.TrimSuffix(unit, "/a"), "box")
}

func (o *operator) Act(_ context.Context, r ActRequest) (any, error) {
	if err := o.do(r.Action, "unit", strings.TrimSuffix(r.Unit, "/a"), "box"); err != nil {
		return nil, err
	}
	v, err := model.Arguments(r.Arguments, []model.Option{{Name: "times", Type: model.Int, Required: r.Action == "turn", Help: "how often"}})
	if err != nil {
		return nil, err
	}
	if v.Int("times") > 9 {
		return nil, errors.New("it is stuck: oil it")
	}
	if r.Action == "look" {
		return nil, nil
	}
	return map[string]any{"turned": v.Int("times"), "by": r.Author}, nil
}

// whole is a configuration with all that there can be.
func whole(f *fakeAgent) Config {
	return Config{
		Source: nothing{}, Agent: f, History: generations{}, Operator: new(operator),
		Schema: func() ([]byte, error) { return []byte(`{"type": "object"}`), nil },
	}
}

// serve serves on a socket, and returns a client of it.
func serve(t *testing.T, c Config) (*client.Client, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	socket, err := Listen(path, "")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(socket, c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return client.New(path), path
}

// asRoot is a context of requests from root.
func asRoot(ctx context.Context) context.Context {
	return context.WithValue(ctx, peerKey{}, peer{uid: 0, known: true})
}

// soon is long enough for everything that does not hang.
const soon = 20 * time.Second

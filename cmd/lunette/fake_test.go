package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/initiator/sg/attached"
)

var _ daemonAPI = (*client.Client)(nil)

// A fakeDaemon says what a test has put into it, and notes what it is asked.
type fakeDaemon struct {
	objects    map[model.Key]string
	schema     string
	steps      []plan.Step // of the plan of every change
	err        error       // of every change, once
	conflicts  int         // how many changes fail at first, since the object was changed
	asked      []string
	status     apply.Status
	history    []state.Meta
	events     []apply.Event
	operations []apply.Operation
	sessions   []api.Session
	results    map[string]string // of actions, in JSON
	devices    []attached.Unit   // that are attached to the machine
	users      []string          // of the devices that have a driver
}

func (f *fakeDaemon) note(format string, args ...any) {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
}

// changed is what becomes of a change.
func (f *fakeDaemon) changed(what string, o client.Options) (*apply.Result, error) {
	text := what
	for _, x := range []struct{ name, value string }{
		{"match", o.Match}, {"digest", o.Digest}, {"confirm", fmt.Sprint(o.Confirm)}, {"delete", fmt.Sprint(o.Delete)}, {"comment", o.Comment},
	} {
		if x.value != "" && x.value != "[]" {
			text += " " + x.name + "=" + x.value
		}
	}
	if o.Try > 0 {
		text += " try=" + o.Try.String()
	}
	if o.DryRun {
		text += " dry-run"
	}
	f.note("%s", text)
	p := &plan.Plan{From: 7, Digest: "d1", Steps: f.steps}
	switch err := f.err; {
	case f.conflicts > 0 && !o.DryRun:
		f.conflicts--
		return nil, &client.ConflictError{Message: "the object has changed meanwhile", Generation: 8}
	case err != nil:
		f.err = nil
		return nil, err
	case o.DryRun:
		return &apply.Result{Plan: p, Generation: 7}, nil
	case lacks(p, o.Confirm):
		return nil, &client.NeedsConfirmError{Message: "it needs your confirmation", Plan: p}
	}
	r := &apply.Result{Plan: p, Generation: 7}
	if !p.Empty() {
		r.Generation, r.Changed = 8, true
	}
	if o.Try > 0 {
		r.TryUntil = time.Date(2026, 11, 29, 12, 0, 0, 0, time.Local)
	}
	return r, nil
}

func (f *fakeDaemon) Config(_ context.Context, x model.Format) ([]byte, string, error) {
	if x == model.JSON {
		return []byte(`{"version":1,"units":[{"name":"db"}]}`), `"e0"`, nil
	}
	return []byte("# mine\nversion: 1\nunits: [{name: db}]\n"), `"e0"`, nil
}

func (f *fakeDaemon) Schema(context.Context) ([]byte, error) { return []byte(f.schema), nil }

func (f *fakeDaemon) Apply(_ context.Context, r client.ApplyRequest) (*apply.Result, error) {
	return f.changed(fmt.Sprintf("PUT %q", r.Text), r.Options)
}

func (f *fakeDaemon) Rollback(_ context.Context, n uint64, o client.Options) (*apply.Result, error) {
	return f.changed(fmt.Sprintf("ROLLBACK %d", n), o)
}

func (f *fakeDaemon) Reload(_ context.Context, o client.Options) (*apply.Result, error) {
	return f.changed("RELOAD", o)
}
func (f *fakeDaemon) History(context.Context) ([]state.Meta, error) { return f.history, nil }
func (f *fakeDaemon) Generation(_ context.Context, n uint64) (*api.Generation, error) {
	return &api.Generation{Meta: state.Meta{Generation: n}, Text: "# of old\nversion: 1"}, nil
}

func (f *fakeDaemon) Objects(_ context.Context, kind model.ObjectKind) ([]api.Object, error) {
	all := []api.Object{}
	for k, text := range f.objects {
		if k.Kind == kind {
			all = append(all, api.Object{Name: k.Name, ETag: `"e"`, Object: json.RawMessage(text)})
		}
	}
	slices.SortFunc(all, func(a, b api.Object) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (f *fakeDaemon) Object(_ context.Context, k model.Key, _ model.Format) ([]byte, string, error) {
	text, ok := f.objects[k]
	if !ok {
		return nil, "", &client.NotFoundError{Message: fmt.Sprintf("there is no %s %q", k.Kind, k.Name)}
	}
	return []byte(text), `"e` + fmt.Sprint(f.conflicts) + `"`, nil
}

func (f *fakeDaemon) CreateObject(_ context.Context, k model.Key, body []byte, o client.Options) (*apply.Result, error) {
	if _, ok := f.objects[k]; ok {
		return nil, &client.ExistsError{Message: "it is there"}
	}
	return f.changed(fmt.Sprintf("CREATE %v %s", k, body), o)
}

func (f *fakeDaemon) PutObject(_ context.Context, k model.Key, body []byte, o client.Options) (*apply.Result, error) {
	return f.changed(fmt.Sprintf("PUT %v %s", k, body), o)
}

func (f *fakeDaemon) PatchObject(_ context.Context, k model.Key, patch []byte, o client.Options) (*apply.Result, error) {
	return f.changed(fmt.Sprintf("PATCH %v %s", k, patch), o)
}

func (f *fakeDaemon) DeleteObject(_ context.Context, k model.Key, o client.Options) (*apply.Result, error) {
	if _, ok := f.objects[k]; !ok {
		return nil, &client.NotFoundError{Message: "there is none"}
	}
	return f.changed(fmt.Sprintf("DELETE %v", k), o)
}
func (f *fakeDaemon) Status(context.Context) (*apply.Status, error) { return &f.status, nil }
func (f *fakeDaemon) Confirm(context.Context) (*apply.Result, error) {
	f.note("CONFIRM")
	return &apply.Result{Generation: f.status.Meta.Generation}, nil
}

func (f *fakeDaemon) Revert(context.Context) (*apply.Result, error) {
	f.note("REVERT")
	return &apply.Result{Generation: f.status.Meta.Generation}, nil
}

func (f *fakeDaemon) Events(_ context.Context, from uint64, follow bool) iter.Seq2[apply.Event, error] {
	f.note("EVENTS %d %v", from, follow)
	return func(yield func(apply.Event, error) bool) {
		for _, x := range f.events {
			if !yield(x, nil) {
				return
			}
		}
	}
}
func (f *fakeDaemon) Operations(context.Context) ([]apply.Operation, error) { return f.operations, nil }
func (f *fakeDaemon) CancelOperation(_ context.Context, id string) error {
	f.note("CANCEL %s", id)
	return nil
}
func (f *fakeDaemon) Targets(context.Context) ([]api.Target, error)   { return nil, nil }
func (f *fakeDaemon) Units(context.Context) ([]api.Unit, error)       { return []api.Unit{{Name: "db"}}, nil }
func (f *fakeDaemon) Sessions(context.Context) ([]api.Session, error) { return f.sessions, nil }
func (f *fakeDaemon) DropSession(_ context.Context, transport, id string) error {
	f.note("DROP %s %s", transport, id)
	return nil
}

func (f *fakeDaemon) Reservations(_ context.Context, unit string) (*api.Reservations, error) {
	return &api.Reservations{Unit: unit, Type: "Write Exclusive", Persist: true, Registrations: []api.Registration{
		{Initiator: "iqn.1993-08.org.debian:01:a", Target: "iqn.2026-11.io.lunette:db", Key: "0x0000000000000001", Holder: true},
	}}, nil
}

func (f *fakeDaemon) ClearReservations(_ context.Context, unit string) error {
	f.note("CLEAR %s", unit)
	return nil
}

// asks runs a command line with f. A question is answered with what is in answer, if there are people.
func (f *fakeDaemon) asks(t *testing.T, people bool, answer string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	f.asked = nil
	var out, errs bytes.Buffer
	e := &env{
		ctx: t.Context(), stdin: strings.NewReader(answer), stdout: &out, stderr: &errs, terminal: people,
		registry: daemon.Builtin(), daemon: func(string) daemonAPI { return f },
		attached: f,
	}
	status = e.run(args)
	return status, out.String(), errs.String()
}

// List and Users implement [attachedHost].
func (f *fakeDaemon) List() ([]attached.Unit, error) { return f.devices, nil }

func (f *fakeDaemon) Users(u attached.Unit) ([]string, error) {
	if u.Driver == "" {
		return nil, nil
	}
	return f.users, nil
}

func (f *fakeDaemon) Act(_ context.Context, unit, action string, arguments, result any) error {
	text, err := json.Marshal(arguments)
	if err != nil {
		return err
	}
	f.note("act %s %s %s", unit, action, text)
	if result == nil || f.results[action] == "" {
		return f.err
	}
	return json.Unmarshal([]byte(f.results[action]), result)
}

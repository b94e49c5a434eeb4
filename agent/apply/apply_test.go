package apply_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// TestApply: a document becomes a generation once; what is only written in another way is stored, and changes
// nothing.
func TestApply(t *testing.T) {
	b := fresh(t)
	if n := b.Current().Generation; n != 1 {
		t.Fatal("the first generation is", n)
	}
	r, err := b.Apply(t.Context(), text(base("second")))
	if err != nil || !r.Changed || r.Generation != 2 || r.ETag != b.Current().ETag || len(r.Plan.Steps) != 1 || b.alias() != "second" {
		t.Fatal(r, err, b.alias())
	}
	if r, err = b.Apply(t.Context(), text(base("second"))); err != nil || r.Changed || r.Generation != 2 || !r.Plan.Empty() {
		t.Fatal(r, err)
	}
	if r, err = b.Apply(t.Context(), text(append(base("second"), "# more\n"...))); err != nil || !r.Changed || r.Generation != 3 || !r.Plan.Empty() {
		t.Fatal(r, err)
	}
	if h, _ := b.l.History(); len(h) != 3 || h[0].Author != "ann" || h[0].Parent != 2 || h[2].Author != "start" {
		t.Fatal(h)
	}
	if s := b.Status(); s.Meta.Generation != 3 || len(s.Conditions) != 0 || s.Applying != "" || s.ETag != b.Current().ETag {
		t.Fatal(s)
	}
}

// TestRefused: requests that are wrong change nothing, and say what is wrong.
func TestRefused(t *testing.T) {
	b := fresh(t)
	tag := b.Current().ETag
	two, renamed := base("second"), []byte(strings.ReplaceAll(string(base("first")), "test:x", "test:y"))
	b.r.sessions = []plan.Session{{Transport: "rope", ID: "1", Initiator: "i"}}
	old, err := b.Apply(t.Context(), apply.Request{Text: two, DryRun: true})
	if err != nil || old.Changed || old.Plan.Digest == "" {
		t.Fatal(old, err)
	}
	var conflict *apply.ConflictError
	var request *apply.RequestError
	var confirm *apply.NeedsConfirmError
	var missing *apply.NotFoundError
	var problems model.Problems
	var exists *model.ObjectThereError
	for _, c := range []struct {
		name string
		r    apply.Request
		as   any
	}{
		{"nothing", apply.Request{}, &request},
		{"two things", apply.Request{Text: two, Rollback: 1}, &request},
		{"an endless try", apply.Request{Text: two, Try: 25 * time.Hour}, &request},
		{"data that is deleted in a try", apply.Request{Text: two, Try: time.Minute, Delete: []string{"a"}}, &request},
		{"data of a unit that stays", apply.Request{Text: two, Delete: []string{"a"}}, &request},
		{"a long comment", apply.Request{Text: two, Comment: strings.Repeat("x", 5000)}, &request},
		{"a long author", apply.Request{Text: two, Author: strings.Repeat("x", 300)}, &request},
		{"another tag", apply.Request{Text: two, Match: `"x"`}, &conflict},
		{"an object that is not there", apply.Request{Text: two, Match: "*", MatchKey: model.Key{Kind: model.UnitObject, Name: "z"}}, &conflict},
		{"the plan of another document", apply.Request{Text: append(slices.Clone(two), '\n'), Digest: old.Plan.Digest}, &conflict},
		{"not a document", text([]byte("version: 1\nunits: 7\n")), &problems},
		{"without confirmation", text(renamed), &confirm},
		{"with another confirmation", apply.Request{Text: renamed, Confirm: []plan.Confirm{plan.ConfirmReplace}}, &confirm},
		{"an edit of what is not there", apply.Request{Edits: []model.Edit{{Op: model.DeleteObject, Key: model.Key{Kind: model.UnitObject, Name: "z"}}}}, &missing},
		{"what is there is made", apply.Request{Edits: []model.Edit{{Op: model.CreateObject, Key: unitA, Body: []byte("{name: a, store: {kind: mist}}")}}}, &exists},
		{"an old generation that is not there", apply.Request{Rollback: 9}, &missing},
	} {
		if r, err := b.Apply(t.Context(), c.r); err == nil || !errors.As(err, c.as) {
			t.Errorf("%s: %v, %v", c.name, r, err)
		}
	}
	if len(confirm.Plan.Steps) != 1 || !strings.Contains(confirm.Error(), "--end-sessions") {
		t.Error(confirm, confirm.Plan)
	}
	if b.Current().ETag != tag || b.r.prepared != 0 || len(b.d.all) != 1 {
		t.Error("something has changed")
	}
	if r, err := b.Apply(t.Context(), apply.Request{Text: two, Digest: old.Plan.Digest, Match: tag}); err != nil || !r.Changed {
		t.Fatal(r, err)
	}
	if _, err := b.Apply(t.Context(), apply.Request{Text: two, Digest: old.Plan.Digest}); !errors.As(err, &conflict) {
		t.Errorf("a plan is done twice: %v", err)
	}
	if r, err := b.Apply(t.Context(), apply.Request{Text: renamed, Confirm: []plan.Confirm{plan.ConfirmEndSessions}}); err != nil || !r.Changed {
		t.Error(r, err)
	}
	if r, err := b.Rollback(t.Context(), 1, apply.Request{Confirm: []plan.Confirm{plan.ConfirmEndSessions}}); err != nil || r.Generation != 4 || b.alias() != "first" {
		t.Error(r, err)
	} else if h, _ := b.l.History(); h[0].Comment != "back to generation 1" {
		t.Error(h[0])
	}
}

// TestFailures: what fails before the commit leaves nothing, and the next change is made.
func TestFailures(t *testing.T) {
	oops := errors.New("oops")
	made := []state.Made{{Path: "/nowhere/f"}}
	for _, c := range []struct {
		name string
		fail func(b *bench)
	}{
		{"prepare", func(b *bench) { b.r.prepareErr = oops }},
		{"prepare, and journal", func(b *bench) { b.r.prepareErr, b.d.abortErr = oops, errors.New("abort") }},
		{"begin", func(b *bench) { b.d.beginErr = oops }},
		{"commit", func(b *bench) { b.d.commitErr = oops }},
		{"commit and cancel", func(b *bench) { b.d.commitErr, b.r.cancelErr = oops, errors.New("cancel") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := fresh(t)
			b.r.makes = made
			c.fail(b)
			if r, err := b.Apply(t.Context(), text(base("second"))); !errors.Is(err, oops) {
				t.Fatal(r, err)
			}
			if b.alias() != "first" || b.r.open != 0 || len(b.d.all) != 1 {
				t.Error(b.alias(), b.r.open, len(b.d.all))
			}
			if len(b.d.journal) != 0 && b.d.abortErr == nil {
				t.Error("the journal is left", b.d.journal)
			}
			b.r.prepareErr, b.d.abortErr, b.d.beginErr, b.d.commitErr, b.r.cancelErr, b.l.busy = nil, nil, nil, nil, nil, false
			if r, err := b.Apply(t.Context(), text(base("third"))); err != nil || r.Generation != 2 || b.alias() != "third" {
				t.Error(r, err)
			}
			all := b.Operations()
			if len(all) != 2 || all[0].Phase != "done" || all[1].Phase != "failed" || !strings.Contains(all[1].Error, "oops") {
				t.Error(all)
			}
		})
	}
}

// TestCanceled: who does not wait any more before the commit has changed nothing; after it, all goes on.
func TestCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		b.r.hold = make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		if _, err := b.Apply(ctx, text(base("second"))); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := b.Apply(ctx, text(base("second"))); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		// While one prepares, another waits for the turn.
		first := b.Start(text(base("second")))
		synctest.Wait()
		second := b.Start(text(base("third")))
		synctest.Wait()
		if s := b.Status(); s.Applying != first.ID {
			t.Error(s)
		}
		for _, o := range []apply.Operation{second, first} {
			now, ok := b.Operation(o.ID)
			want := map[string]string{first.ID: "preparing", second.ID: "waiting"}[o.ID]
			if !ok || now.Phase != want || !now.Cancel {
				t.Errorf("%+v is not %s", now, want)
			}
			if !b.Cancel(o.ID) {
				t.Error("it cannot be canceled")
			}
			synctest.Wait()
			if now, _ = b.Operation(o.ID); now.Phase != "canceled" || now.Cancel || b.Cancel(o.ID) {
				t.Errorf("%+v", now)
			}
		}
		if b.alias() != "first" || b.r.open != 0 {
			t.Error(b.alias(), b.r.open)
		}
		// Who does not wait any more when all is prepared has changed nothing either.
		b.r.hold = nil
		ctx, cancel = context.WithCancel(t.Context())
		b.r.onPrepare = cancel
		if _, err := b.Apply(ctx, text(base("second"))); !errors.Is(err, context.Canceled) || b.alias() != "first" || b.r.open != 0 {
			t.Error(err, b.alias(), b.r.open)
		}
		b.r.onPrepare = nil
		// After the commit nothing is taken back.
		b.r.holdRetire = make(chan struct{})
		last := b.Start(text(base("fourth")))
		synctest.Wait()
		if now, _ := b.Operation(last.ID); now.Phase != "retiring" || b.Cancel(last.ID) || b.alias() != "fourth" {
			t.Errorf("%+v", now)
		}
		close(b.r.holdRetire)
		synctest.Wait()
		if now, _ := b.Operation(last.ID); now.Phase != "done" || now.Result == nil || !now.Result.Changed || now.Done != 1 || now.Total != 1 {
			t.Errorf("%+v", now)
		}
		if _, ok := b.Operation("x"); ok || b.Cancel("x") {
			t.Error("there is an operation x")
		}
	})
}

// TestDeadline: what is not prepared in time is taken back.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		b.r.hold = make(chan struct{})
		started := time.Now()
		_, err := b.Apply(t.Context(), text(base("second")))
		if err == nil || !strings.Contains(err.Error(), "within 1m0s") || time.Since(started) != time.Minute {
			t.Error(err, time.Since(started))
		}
	})
}

// TestEnding: what does not end in time is a condition until it has ended.
func TestEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		b.r.holdRetire = make(chan struct{})
		started := time.Now()
		r, err := b.Apply(t.Context(), text(base("second")))
		if err != nil || !r.Changed || time.Since(started) != model.DefaultStopTimeout {
			t.Fatal(r, err, time.Since(started))
		}
		want := apply.Condition{Key: model.Key{Kind: model.UnitObject, Name: "a"}, Type: apply.Ending, Message: "a task is under way", Since: started.Add(100 * time.Millisecond)}
		if len(r.Conditions) != 1 || r.Conditions[0] != want || !slices.Equal(b.Status().Conditions, r.Conditions) {
			t.Error(r.Conditions, b.Status().Conditions)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if s := b.Status(); len(s.Conditions) != 1 || s.Conditions[0] != want {
			t.Error(s.Conditions)
		}
		close(b.r.holdRetire)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := b.Status(); len(s.Conditions) != 0 || b.r.open != 0 {
			t.Error(s.Conditions, b.r.open)
		}
		if got := types(b); !slices.Equal(got, []string{"applied", "condition", "cleared"}) {
			t.Error(got)
		}
	})
}

// types are those of all events.
func types(b *bench) (all []string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	end := ""
	b.Note(apply.Event{Type: "end"})
	for ev, err := range b.Watch(ctx, 1) {
		if end = ev.Type; end == "end" || err != nil {
			break
		}
		all = append(all, ev.Type)
	}
	return all
}

// TestReload: what the document names is read again; it is no new generation, and what is made belongs to the
// one that is there.
func TestReload(t *testing.T) {
	b := fresh(t)
	b.r.makes = []state.Made{{Path: "/nowhere/f"}}
	r, err := b.Apply(t.Context(), apply.Request{Reload: true})
	if err != nil || r.Changed || r.Generation != 1 || !b.r.last.Reload || b.r.prepared != 1 || len(b.d.journal) != 0 {
		t.Fatal(r, err, b.r.last, b.d.journal)
	}
	if got := types(b); !slices.Equal(got, []string{"reloaded"}) {
		t.Error(got)
	}
	// With a document both are done.
	if r, err = b.Apply(t.Context(), apply.Request{Reload: true, Text: base("second")}); err != nil || !r.Changed || !b.r.last.Reload {
		t.Error(r, err)
	}
}

// TestPendingRestart: what counts at the next start is a condition until it is as it was, or it is.
func TestPendingRestart(t *testing.T) {
	b := fresh(t)
	with := func(more string) apply.Request {
		return apply.Request{Text: append(base("first"), more...), Confirm: []plan.Confirm{plan.ConfirmRestart}}
	}
	for _, c := range []struct {
		more string
		want []string
	}{{"rope: {reactors: 2}\n", []string{"rope"}}, {"rope: {reactors: 2}\nlimits: {memory: 2G}\n", []string{"rope", "limits"}}, {"rope: {reactors: 3}\n", []string{"rope"}}, {"", nil}} {
		if _, err := b.Apply(t.Context(), with(c.more)); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range b.Status().Conditions {
			if got = append(got, x.Key.Name); x.Type != apply.PendingRestart {
				t.Error(x)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q is pending, not %q", got, c.want)
		}
	}
	if got := types(b); !slices.Equal(got, []string{"applied", "condition", "applied", "condition", "applied", "cleared", "applied", "cleared"}) {
		t.Error(got)
	}
}

// TestClosed: an engine that ends takes back what is not committed, and does nothing more.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := fresh(t)
		b.r.hold = make(chan struct{})
		o := b.Start(text(base("second")))
		synctest.Wait()
		waits := b.Start(text(base("third")))
		synctest.Wait()
		b.Close()
		for _, id := range []string{o.ID, waits.ID} {
			if now, _ := b.Operation(id); now.Error != apply.ErrClosed.Error() {
				t.Errorf("%+v", now)
			}
		}
		if late := b.Start(text(base("third"))); late.Error != apply.ErrClosed.Error() {
			t.Errorf("%+v", late)
		}
		for range 20 { // the turn is free, and it is over: either may be seen first
			if _, err := b.Apply(t.Context(), text(base("third"))); !errors.Is(err, apply.ErrClosed) {
				t.Error(err)
			}
		}
		if b.r.open != 0 || b.alias() != "first" {
			t.Error(b.r.open, b.alias())
		}
	})
}

// TestStart: a document that nobody wrote becomes a text; a generation is served as it is, or the start ends.
func TestStart(t *testing.T) {
	flags := func() (*model.Document, error) {
		d := &model.Document{Version: 1, Units: []model.Unit{{Name: "a", Store: model.Plugin{Kind: "mist"}.With("size", "2M")}}}
		return d, d.Validate(schema())
	}
	g := &state.Memory{}
	d, err := apply.Load(g, schema(), flags)
	if err != nil || d.Text() != nil {
		t.Fatal(err, d.Text())
	}
	e, err := apply.New(apply.Config{Runner: &runner{}, Generations: g, Schema: schema(), Document: d, Author: "start"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	stored, _ := g.Current()
	if p, err := plan.Make(schema(), 1, d, e.Current().Document, nil); err != nil || !p.Empty() || string(stored.Text) != string(e.Current().Document.Text()) || stored.Author != "start" {
		t.Errorf("%+v, %v, %q", p, err, stored.Text)
	}
	again, err := apply.Load(g, schema(), func() (*model.Document, error) { t.Error("the flags count again"); return nil, nil })
	if err != nil || string(again.Text()) != string(stored.Text) {
		t.Fatal(again, err)
	}
	if e, err := apply.New(apply.Config{Runner: &runner{}, Generations: g, Schema: schema(), Document: read(t, base("other"))}); err == nil {
		e.Close()
		t.Error("another document than that of the generation is served")
	}
	if _, err := apply.Load(g, model.Schema{}, nil); err == nil || !strings.Contains(err.Error(), "generation 1 ") {
		t.Error(err)
	}
}

func read(t *testing.T, text []byte) *model.Document {
	d, err := model.Read("", text, schema())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

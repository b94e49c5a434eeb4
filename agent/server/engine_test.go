package server

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

// A still runner has nothing at work: every transition is well.
type still struct{}

func (still) Ends(*model.Target, *model.Document) []plan.Session { return nil }
func (still) Shrinks(*model.Unit, *model.Unit) bool              { return false }
func (still) Conditions() []apply.Condition                      { return nil }
func (still) Prepare(context.Context, apply.Transition) (apply.Prepared, error) {
	return still{}, nil
}
func (still) Publish()                     {}
func (still) Retire(context.Context) error { return nil }
func (still) Cancel() error                { return nil }

// withEngine is a configuration with the engine that daemons have.
func withEngine(t *testing.T) Config {
	t.Helper()
	f := newFake(t)
	schema := testSchema()
	kept := new(state.Memory)
	if err := f.doc.Validate(schema); err != nil {
		t.Fatal(err)
	}
	e, err := apply.New(apply.Config{Runner: still{}, Generations: kept, Schema: schema, Document: f.doc, Author: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	c := whole(f)
	c.Agent, c.History = e, kept
	return c
}

// A day of changes: what clients write is what they read, and who is late is told.
func TestChangesOfObjects(t *testing.T) {
	c, _ := serve(t, withEngine(t))
	ctx := t.Context()
	k := model.Key{Kind: model.UnitObject, Name: "b"}
	var (
		there    *client.ExistsError
		conflict *client.ConflictError
		gone     *client.NotFoundError
		wrong    *client.ProblemsError
		wants    *client.NeedsConfirmError
	)
	text, first, err := c.Config(ctx, model.YAML)
	if err != nil || string(text) != document || !strings.HasPrefix(first, `"`) {
		t.Fatalf("%s, %s, %v", text, first, err)
	}
	if _, _, err := c.Object(ctx, k, model.YAML); !errors.As(err, &gone) {
		t.Error(err)
	}
	body := []byte("name: b\nstore: {kind: memory, size: 2M} # two\n")
	made, err := c.CreateObject(ctx, k, body, client.Options{})
	if err != nil || !made.Changed || made.Generation != 2 || len(made.Plan.Steps) != 1 || made.Plan.Steps[0].Op != plan.Create {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := c.CreateObject(ctx, k, body, client.Options{}); !errors.As(err, &there) {
		t.Error(err)
	}
	text, tag, err := c.Object(ctx, k, model.YAML)
	if err != nil || !bytes.Contains(text, []byte("size: 2M")) {
		t.Fatalf("%s, %v", text, err)
	}
	if text, _, err := c.Object(ctx, k, model.JSON); err != nil || !bytes.Contains(text, []byte(`"size"`)) {
		t.Errorf("%s, %v", text, err)
	}
	all, err := c.Objects(ctx, model.UnitObject)
	if err != nil || len(all) != 2 || all[1].Name != "b" || all[1].ETag != tag || !bytes.Contains(all[1].Object, []byte(`"b"`)) {
		t.Errorf("%+v, %v", all, err)
	}
	if text, _, err := c.Config(ctx, model.YAML); err != nil || !strings.HasPrefix(string(text), document) {
		t.Errorf("%s, %v", text, err)
	}
	patch := []byte(`{"store": {"size": "4M"}}`)
	if _, err := c.PatchObject(ctx, k, patch, client.Options{Match: `"another"`}); !errors.As(err, &conflict) || conflict.Generation != 2 {
		t.Error(err)
	}
	if r, err := c.Apply(ctx, client.ApplyRequest{Text: []byte(document), Options: client.Options{Match: made.ETag, DryRun: true}}); err != nil || len(r.Plan.Steps) != 1 {
		t.Errorf("with the tag of a result: %+v, %v", r, err)
	}
	if r, err := c.PatchObject(ctx, k, patch, client.Options{Match: tag}); err != nil || r.Generation != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := c.PutObject(ctx, k, body, client.Options{Match: tag}); !errors.As(err, &conflict) || conflict.Generation != 3 {
		t.Errorf("with the tag of what was: %v", err)
	}
	if _, err := c.Apply(ctx, client.ApplyRequest{Text: []byte(document), Options: client.Options{Match: first}}); !errors.As(err, &conflict) {
		t.Errorf("with the tag of the whole as it was: %v", err)
	}
	if _, err := c.PutObject(ctx, k, []byte("name: b\nstore: {kind: nothing}\n"), client.Options{}); !errors.As(err, &wrong) || len(wrong.Problems) == 0 {
		t.Error(err)
	}
	if _, err := c.Apply(ctx, client.ApplyRequest{Text: []byte("version: 1\nunits: [")}); !errors.As(err, &wrong) || wrong.Problems[0].Line != 2 {
		t.Error(err)
	}
	if _, err := c.DeleteObject(ctx, k, client.Options{}); err != nil && !errors.As(err, &wants) {
		t.Error(err)
	}
	if wants != nil {
		if _, err := c.DeleteObject(ctx, k, client.Options{Confirm: wants.Plan.Confirms()}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.DeleteObject(ctx, k, client.Options{}); !errors.As(err, &gone) {
		t.Error(err)
	}
	history, err := c.History(ctx)
	if err != nil || len(history) != 4 || history[0].Generation != 4 || !strings.Contains(history[0].Author, "uid ") {
		t.Errorf("%+v, %v", history, err)
	}
	if g, err := c.Generation(ctx, 1); err != nil || g.Text != document {
		t.Errorf("%+v, %v", g, err)
	}
	if r, err := c.Rollback(ctx, 2, client.Options{Confirm: []plan.Confirm{plan.ConfirmDeleteData, plan.ConfirmReplace}}); err != nil || r.Generation != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if s, err := c.Status(ctx); err != nil || s.Meta.Generation != 5 || s.Sequence == 0 {
		t.Errorf("%+v, %v", s, err)
	} else {
		n := 0
		for e, err := range c.Events(ctx, 1, false) {
			if n++; err != nil || e.Sequence != uint64(n) {
				t.Errorf("%+v, %v", e, err)
			}
		}
		if uint64(n) != s.Sequence {
			t.Errorf("%d events, and the last is %d", n, s.Sequence)
		}
	}
	edits := []model.Edit{{Op: model.DeleteObject, Key: k}, {Op: model.CreateObject, Key: model.Key{Kind: model.UnitObject, Name: "c"}, Body: []byte("name: c\nstore: {kind: memory, size: 1M}")}}
	if _, err := c.Edit(ctx, edits, client.Options{Confirm: []plan.Confirm{plan.ConfirmDeleteData, plan.ConfirmReplace}}); err != nil {
		t.Error(err)
	}
	if o, err := c.Start(ctx, client.ApplyRequest{Text: []byte(document), Options: client.Options{DryRun: false, Confirm: []plan.Confirm{plan.ConfirmDeleteData}}}); err != nil || o.ID == "" {
		t.Errorf("%+v, %v", o, err)
	} else if o, err := c.Operation(ctx, o.ID); err != nil || o.Author == "" {
		t.Errorf("%+v, %v", o, err)
	}
}

// The engine of daemons answers random requests as the description says.
func TestRandomRequestsOfTheEngine(t *testing.T) {
	s := newService(t.Context(), withTimes(withEngine(t)))
	requests(t, s, described(t, s))
}

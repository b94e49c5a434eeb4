package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// login lets a guest in, if the document lets it.
func (w *estate) login() {
	addr, name, guest := w.draw.one("/p0", "/p1", "/p2"), wholeTarget+w.draw.one("t0", "t1", "t2"), "guest:"+w.draw.one("g0", "g1", "g2")
	if len(w.doc.Targets) > 0 && len(w.doc.Portals) > 0 && !w.draw.seldom(4) { // by a portal that there is, to a target that there is
		addr = rapid.SampledFrom(w.doc.Portals).Draw(w.t, "portal").Address.Text
		name = rapid.SampledFrom(w.doc.Targets).Draw(w.t, "target").Name
	}
	good := slices.ContainsFunc(w.doc.Portals, func(p model.Portal) bool { return p.Address.Text == addr && p.Shows(name) }) &&
		slices.ContainsFunc(w.doc.Targets, func(t model.Target) bool {
			guests := t.Values.Group("pipe").Groups("guests")
			return t.Name == name && !t.Maintenance.On && (len(guests) == 0 || slices.ContainsFunc(guests, func(v model.Values) bool { return v.String("name") == guest }))
		})
	known := make(map[string]bool)
	for _, s := range w.d.Sessions() {
		known[s.ID] = true
	}
	s, err := w.p.Login(addr, name, guest)
	if (err == nil) != good {
		w.t.Fatalf("%s to %s by %s: %v", guest, name, addr, err)
	}
	if err != nil {
		return
	}
	v := &visitor{Session: s, guest: guest, target: name}
	for _, x := range w.d.Sessions() {
		if !known[x.ID] {
			v.id = x.ID
		}
	}
	w.visitors = append(w.visitors, v)
}

func (w *estate) logout() {
	if len(w.visitors) == 0 {
		return
	}
	i := rapid.IntRange(0, len(w.visitors)-1).Draw(w.t, "visitor")
	if err := w.visitors[i].Close(); err != nil {
		w.t.Fatal(err)
	}
	w.visitors = slices.Delete(w.visitors, i, i+1)
}

// asked asks for a change that may be wrong: with the right and a wrong tag, and while another is tried.
func (w *estate) asked(r apply.Request, now *model.Document, err error) {
	ctx, before := context.Background(), w.files()
	if w.tried != nil {
		conflict := (*apply.ConflictError)(nil)
		if _, err := w.d.engine.Apply(ctx, r); !errors.As(err, &conflict) || !conflict.Try {
			w.t.Fatalf("while another is tried: %v", err)
		}
		w.same(before)
		return
	}
	if w.draw.seldom(3) {
		stale := r
		stale.Match = `"stale"`
		if _, err := w.d.engine.Apply(ctx, stale); !errors.As(err, new(*apply.ConflictError)) {
			w.t.Fatalf("with a wrong tag: %v", err)
		}
		w.same(before)
	}
	if err != nil {
		if _, got := w.d.engine.Apply(ctx, r); got == nil {
			w.t.Fatalf("it is done, and should not be: %v", err)
		}
		w.same(before)
		return
	}
	if len(r.Edits) == 1 {
		if tag, ok := w.doc.ETag(r.Edits[0].Key); ok {
			r.MatchKey, r.Match = r.Edits[0].Key, tag
		}
	} else if w.draw.seldom(2) {
		r.Match = w.d.engine.Current().ETag
	}
	if w.draw.seldom(80) {
		w.expires(r, now)
		return
	}
	if w.draw.seldom(5) {
		r.Try = time.Hour
	}
	w.change(r, now)
}

// expires tries a change that hurts nobody, and lets the time of it end.
func (w *estate) expires(r apply.Request, now *model.Document) {
	dry := r
	dry.DryRun = true
	res, err := w.d.engine.Apply(context.Background(), dry)
	if err != nil {
		w.t.Fatal(err)
	}
	if p := res.Plan; p.Empty() || len(p.Confirms()) > 0 || resizes(p) || w.mayFail(now) != "" {
		return
	}
	r.Try = time.Second
	if res, err = w.d.engine.Apply(context.Background(), r); err != nil || len(res.Conditions) > 0 {
		w.t.Fatalf("%+v, %v", res, err)
	}
	for {
		if last := w.d.engine.Operations()[0]; last.Kind == "revert" && !last.Ended.IsZero() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.d.units.working.Wait()
	w.holds.look()
	for _, v := range w.visitors {
		for lun := range 4 {
			if got, err := attentions(v, lun); err != nil || len(got) > 0 && !told(res.Plan, v, lun, w.doc, now) {
				w.t.Fatalf("%s of %s is told %v of LUN %d, %v; the plan is %+v", v.guest, v.target, got, lun, err, res.Plan.Steps)
			}
		}
	}
}

// whatWasTried ends a try in one way or the other.
func (w *estate) whatWasTried() {
	ctx := context.Background()
	if w.tried == nil {
		if _, err := w.d.engine.Confirm(ctx, ""); !errors.As(err, new(*apply.ConflictError)) {
			w.t.Fatal(err)
		}
		return
	}
	if w.draw.seldom(2) {
		if _, err := w.d.engine.Confirm(ctx, ""); err != nil {
			w.t.Fatal(err)
		}
		w.tried = nil
		return
	}
	p, err := plan.Make(w.schema, 0, w.doc, w.tried, w.d)
	if err != nil {
		w.t.Fatal(err)
	}
	watchers := w.bystanders(p, w.tried)
	res, err := w.d.engine.Revert(ctx, "")
	for _, x := range watchers {
		if err := x.end(); err != nil {
			w.t.Fatalf("%v; the plan is %+v", err, p.Steps)
		}
	}
	if err != nil || len(res.Conditions) > 0 {
		w.t.Fatalf("%+v, %v", res, err)
	}
	old := w.doc
	w.doc, w.tried = w.tried, nil
	w.done(res.Plan, old)
}

func (w *estate) step() {
	ctx := context.Background()
	switch op := rapid.IntRange(0, 19).Draw(w.t, "op"); op {
	case 0, 1, 2:
		text := w.draw.document()
		now, err := model.Read("", []byte(text), w.schema)
		w.asked(apply.Request{Text: []byte(text), Author: "test"}, now, err)
	case 3, 4, 5, 6, 7:
		var edits []model.Edit
		for range rapid.IntRange(1, 2).Draw(w.t, "edits") {
			edits = append(edits, w.draw.edit(w.doc))
		}
		now, err := w.doc.Edited(w.schema, edits...)
		w.asked(apply.Request{Edits: edits, Author: "test"}, now, err)
	case 8:
		all, err := w.kept.History()
		if err != nil {
			w.t.Fatal(err)
		}
		stored, err := w.kept.Load(all[rapid.IntRange(0, len(all)-1).Draw(w.t, "generation")].Generation)
		if err != nil {
			w.t.Fatal(err)
		}
		now, err := model.Read("", stored.Text, w.schema)
		w.asked(apply.Request{Rollback: stored.Generation}, now, err)
	case 9, 10:
		w.whatWasTried()
	case 11:
		before := w.files()
		if _, err := w.d.engine.Apply(ctx, apply.Request{Reload: true}); (err == nil) != (w.tried == nil) {
			w.t.Fatal(err)
		}
		w.same(before)
	case 12:
		w.logout()
	case 13:
		w.stop()
		w.start()
	default:
		for range rapid.IntRange(1, 3).Draw(w.t, "logins") {
			w.login()
		}
	}
}

// goes is a file unit of those that a plan removes, and its file.
func (w *estate) goes(p *plan.Plan) (units []string, path string) {
	for _, s := range p.Steps {
		if s.Op != plan.Remove || s.Key.Kind != model.UnitObject {
			continue
		}
		for i := range w.doc.Units {
			if u := &w.doc.Units[i]; u.Name == s.Key.Name && u.Store.Kind == "file" {
				return []string{u.Name}, u.Store.Values.String("path")
			}
		}
	}
	return nil, ""
}

// resizes reports that a plan gives a file another size: that cannot be tried.
func resizes(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Resizes })
}

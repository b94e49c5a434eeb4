package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// keys are those of all objects of a document but sections, which are always there.
func keys(d *model.Document) map[model.Key]bool {
	all := make(map[model.Key]bool)
	for _, kind := range []model.ObjectKind{model.UserObject, model.UnitObject, model.TargetObject, model.AccessObject} {
		for _, k := range d.Keys(kind) {
			all[k] = true
		}
	}
	for _, k := range d.PortalKeys() { // also one that nobody has written
		all[k] = true
	}
	return all
}

func accessKeys(d *model.Document, target string) map[model.Key]bool {
	all := make(map[model.Key]bool)
	for _, t := range d.Targets {
		for _, a := range t.Access {
			if t.Name == target {
				all[model.Key{Kind: model.AccessObject, Name: t.Name + "/" + a.Name}] = true
			}
		}
	}
	return all
}

// do does the steps of a plan to the keys of the old document. A step that cannot be done fails the test.
func do(t *rapid.T, p *plan.Plan, old, new *model.Document) map[model.Key]bool {
	all := keys(old)
	remove := func(k model.Key) {
		if !all[k] {
			t.Fatalf("%v goes, and is not there", k)
		}
		delete(all, k)
		if k.Kind == model.TargetObject {
			for a := range accessKeys(old, k.Name) {
				delete(all, a)
			}
		}
	}
	create := func(k model.Key) {
		if all[k] {
			t.Fatalf("%v comes, and is there", k)
		}
		all[k] = true
		if k.Kind == model.TargetObject {
			maps.Copy(all, accessKeys(new, k.Name))
		}
	}
	for _, s := range p.Steps { // a name can be taken by a rename before the one that has it goes
		switch s.Op {
		case plan.Remove:
			remove(s.Key)
		case plan.Rename:
			remove(s.From)
		}
	}
	for _, s := range p.Steps {
		switch s.Op {
		case plan.Create, plan.Rename:
			create(s.Key)
		case plan.Change:
			if s.Key.Kind != model.SectionObject && !all[s.Key] {
				t.Fatalf("%v changes, and is not there", s.Key)
			}
		}
	}
	return all
}

// TestMakeLeadsThere: the steps lead from one document to another, nothing leads to the same, and a plan is
// the same each time.
func TestMakeLeadsThere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		old, new := drawDocument(t, "old"), drawDocument(t, "new")
		live := crowd{iqn + "t0": {"i1", "i2"}, iqn + "t1": {"i2"}, iqn + "t2": {"i1"}}
		p := mustMake(t, old, new, live)
		if got, want := do(t, p, old, new), keys(new); !maps.Equal(got, want) {
			t.Fatalf("the steps lead to\n%v, not to\n%v", got, want)
		}
		if q := mustMake(t, old, new, live); !reflect.DeepEqual(p, q) {
			t.Fatal("two plans of the same are not equal")
		}
		if q := mustMake(t, new, new, nil); !q.Empty() {
			t.Fatalf("nothing changes, and there are steps: %+v", q.Steps)
		}
		if q := mustMake(t, old, shuffled(t, old), live); !q.Empty() {
			t.Fatalf("only the order changes, and there are steps: %+v", q.Steps)
		}
		if p.Empty() != alike(old, new) {
			t.Fatalf("the documents are alike: %v; the plan is empty: %v", alike(old, new), p.Empty())
		}
		each(t, p, meaning(old), meaning(new))
		for _, s := range p.Steps {
			if len(s.Sessions) > 0 && s.Effect != plan.EndsSessions {
				t.Fatalf("sessions end, and the effect is %v", s.Effect)
			}
			if (s.Confirm != "") != (s.Effect > plan.Told) {
				t.Fatalf("%v needs %q", s.Effect, s.Confirm)
			}
			if s.Op == plan.Change && len(s.Fields) == 0 {
				t.Fatalf("a change without a field: %+v", s)
			}
			for _, f := range s.Fields {
				if f.Old == f.New {
					t.Fatalf("a field that does not change: %+v", s)
				}
			}
		}
	})
}

// each finds objects that are there before and after: those whose meaning differs have a step, and no others.
func each(t *rapid.T, p *plan.Plan, old, new map[string]any) {
	changed := make(map[string]bool)
	for _, s := range p.Steps {
		name := s.Key.Name
		switch s.Key.Kind {
		case model.AccessObject:
			name = name[:strings.LastIndexByte(name, '/')]
			changed["target "+name] = true
		case model.UserObject, model.UnitObject, model.TargetObject:
			changed[string(s.Key.Kind)+" "+name] = true
		}
	}
	for name, was := range old {
		if is, ok := new[name]; ok && strings.Contains(name, " ") && !strings.HasPrefix(name, "portal ") && reflect.DeepEqual(was, is) == changed[name] {
			t.Fatalf("%s was %v and is %v; that it changes is in the plan: %v", name, was, is, changed[name])
		}
	}
}

// shuffled is the same in another order, with defaults written out.
func shuffled(t *rapid.T, d *model.Document) *model.Document {
	other := *d
	other.Users, other.Units = permuted(t, d.Users), permuted(t, d.Units)
	other.Targets = permuted(t, d.Targets)
	if !strings.Contains(fmt.Sprint(d.PortalKeys()), "#") { // those that say the same are told apart by their order
		other.Portals = permuted(t, d.Portals)
	}
	for i := range other.Targets {
		x := &other.Targets[i]
		x.LUNs = permuted(t, x.LUNs)
		if !x.Values.Has("auth") {
			x.Given = x.Given.Put(model.Grouped("auth", model.Text("method", "none")))
		}
	}
	_ = other.Validate(schema())
	return &other
}

func permuted[T any](t *rapid.T, all []T) []T {
	if len(all) == 0 {
		return nil
	}
	return rapid.Permutation(all).Draw(t, "order")
}

// alike reports that two documents mean the same, by another road than plans.
func alike(a, b *model.Document) bool { return reflect.DeepEqual(meaning(a), meaning(b)) }

func meaning(d *model.Document) map[string]any {
	m := map[string]any{"limits": d.Limits, "values": clean(d.Values)}
	for _, u := range d.Users {
		m["user "+u.Name] = u.SecretFile
	}
	plugin := func(p model.Plugin) any { return []any{p.Kind, clean(p.Values)} }
	for _, u := range d.Units {
		all := []any{plugin(u.Store), plugin(u.Device), u.Optional}
		for _, f := range u.Filters {
			all = append(all, plugin(f))
		}
		stores := make(map[string]any)
		for _, s := range u.Stores {
			stores[s.Name] = plugin(s.Plugin)
		}
		m["unit "+u.Name] = append(all, stores)
	}
	luns := func(luns []model.LUN) map[int]model.LUN {
		all := make(map[int]model.LUN)
		for _, l := range luns {
			all[l.Number] = l
		}
		return all
	}
	for _, x := range d.Targets {
		all := []any{x.Alias, x.Maintenance, clean(x.Values), luns(x.LUNs)}
		for _, a := range x.Access {
			all = append(all, a.Name, slices.Sorted(slices.Values(a.Initiators)), luns(a.LUNs))
		}
		m["target "+x.Name] = all
	}
	for i, p := range d.Portals {
		m["portal "+d.PortalKeys()[i].Name] = []any{p.Name, p.String(), max(p.Tag, 1), clean(p.Values)}
	}
	return m
}

// clean is values without those that are as good as none.
func clean(v model.Values) model.Values {
	c := make(model.Values)
	for name, x := range v {
		switch y := x.(type) {
		case model.Values:
			c[name] = clean(y)
		case []any:
			if len(y) > 0 {
				c[name] = y
			}
		default:
			if !reflect.ValueOf(x).IsZero() {
				c[name] = x
			}
		}
	}
	return c
}

// TestEffectsAreWords: JSON has the words.
func TestEffectsAreWords(t *testing.T) {
	for e := plan.Unseen; e <= plan.NeedsRestart; e++ {
		text, err := json.Marshal(plan.Step{Effect: e})
		var s plan.Step
		if err == nil {
			err = json.Unmarshal(text, &s)
		}
		if err != nil || s.Effect != e {
			t.Errorf("%v becomes %s and then %v: %v", e, text, s.Effect, err)
		}
	}
	var e plan.Effect
	if err := e.UnmarshalText([]byte("awful")); err == nil {
		t.Error("awful is an effect")
	}
}

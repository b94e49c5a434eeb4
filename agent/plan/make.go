package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

// Make finds what has to happen so that what runs by the document old, which is that of a generation, becomes
// what new says. Both are validated, and neither is changed. Documents that are written in another way and
// mean the same need no step. live can be nil: nobody is logged in then, and sizes are those of the documents.
func Make(schema model.Schema, generation uint64, old, new *model.Document, live Live) (*Plan, error) {
	if old == nil || new == nil {
		return nil, errors.New("a plan is of two documents")
	}
	if live == nil {
		live = nobody{}
	}
	d := differ{schema: schema, kinds: make(map[string]*model.Kind), old: old, new: new, live: live}
	for i := range schema.Kinds {
		d.kinds[schema.Kinds[i].Axis+" "+schema.Kinds[i].Name] = &schema.Kinds[i]
	}
	d.users()
	d.units()
	d.targets()
	d.portals()
	d.sections()
	d.revoked()
	// What comes is shown before what goes; each in the order of the document.
	steps := slices.Clone(d.steps)
	slices.SortStableFunc(steps, func(a, b Step) int {
		if x := phase(a) - phase(b); x != 0 {
			return x
		}
		return slices.Index(order, a.Key.Kind) - slices.Index(order, b.Key.Kind)
	})
	return &Plan{From: generation, Digest: digest(generation, new), Steps: steps, Notes: notes(old, new)}, nil
}

// order is that in which kinds of objects are shown.
var order = []model.ObjectKind{model.UserObject, model.UnitObject, model.TargetObject, model.AccessObject, model.PortalObject, model.SectionObject}

func phase(s Step) int {
	if s.Op == Remove {
		return 1
	}
	return 0
}

// digest is of a document, and of the generation that it comes after.
func digest(generation uint64, d *model.Document) string {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, generation))
	h.Write(d.Text())
	return hex.EncodeToString(h.Sum(nil))
}

// notes are those of new that old has not.
func notes(old, new *model.Document) []string {
	known := make(map[string]bool)
	for _, n := range old.Notes {
		known[n.Err.Error()] = true
	}
	var all []string
	for _, n := range new.Notes {
		why := n.Err.Error()
		if known[why] {
			continue
		}
		if n.Path != "" && !strings.HasPrefix(why, n.Path+": ") {
			why = n.Path + ": " + why
		}
		all = append(all, why)
	}
	return all
}

// nobody is what runs where nothing does.
type nobody struct{}

func (nobody) Ends(*model.Target, *model.Document) []Session { return nil }
func (nobody) Shrinks(old, new *model.Unit) bool             { return false }

// A differ makes one plan.
type differ struct {
	schema   model.Schema
	kinds    map[string]*model.Kind // by axis and name
	old, new *model.Document
	live     Live

	// names are logical units that are called otherwise in new: what each was called in old.
	names map[string]string
	// seen are the logical units that a target of old maps; nil: nobody has asked.
	seen map[string]bool
	// stores are how large the stores of old are to be, by their places; nil: nobody has asked. See sizes.
	stores map[string]model.Size
	// asked are the targets whose sessions are in a step already.
	asked map[string]bool
	// removed: a user is not there any more.
	removed bool

	steps []Step
}

func (d *differ) kind(axis, name string) *model.Kind {
	if k := d.kinds[axis+" "+name]; k != nil {
		return k
	}
	return &model.Kind{}
}

// add notes a step. It gives out what it needs to be done.
func (d *differ) add(s Step, o outcome) {
	s.Effect, s.Confirm, s.Notice = o.effect, confirms[o.effect], strings.Join(o.notices, "; ")
	d.steps = append(d.steps, s)
}

// confirms are what effects need.
var confirms = map[Effect]Confirm{
	EndsSessions: ConfirmEndSessions, Replaces: ConfirmReplace, LosesData: ConfirmDeleteData, NeedsRestart: ConfirmRestart,
}

// An outcome is what is noticed of a step.
type outcome struct {
	effect  Effect
	notices []string
}

// harm is how much effects hurt: a step that has several needs what is for the worst. What waits for a
// restart hurts nobody until then.
var harm = [...]int{Unseen: 0, Told: 1, NeedsRestart: 2, EndsSessions: 3, Replaces: 4, LosesData: 5}

// is notes an effect; notice can be empty.
func (o *outcome) is(e Effect, notice string) {
	if harm[e] > harm[o.effect] {
		o.effect = e
	}
	if notice != "" && !slices.Contains(o.notices, notice) {
		o.notices = append(o.notices, notice)
	}
}

// users finds which users come, change and go.
func (d *differ) users() {
	old := byName(d.old.Users, func(u *model.User) string { return u.Name })
	for i := range d.new.Users {
		u := &d.new.Users[i]
		key := model.Key{Kind: model.UserObject, Name: u.Name}
		was, ok := old[u.Name]
		if !ok {
			d.add(Step{Op: Create, Key: key, Fields: come(value("secret-file", "", u.SecretFile))}, outcome{})
			continue
		}
		delete(old, u.Name)
		if changes := value("secret-file", was.SecretFile, u.SecretFile); len(changes) > 0 {
			var o outcome
			o.is(Unseen, "it counts at the next login")
			d.add(Step{Op: Change, Key: key, Fields: fields(changes)}, o)
		}
	}
	for i := range d.old.Users {
		u := &d.old.Users[i]
		if old[u.Name] == u {
			d.removed = true
			d.add(Step{Op: Remove, Key: model.Key{Kind: model.UserObject, Name: u.Name}, Fields: gone(value("secret-file", "", u.SecretFile))}, outcome{})
		}
	}
}

// revoked finds the sessions of users who are not there any more, with targets that do not change
// themselves: the first of these users tells of them.
func (d *differ) revoked() {
	if !d.removed {
		return
	}
	var ends []Session
	for i := range d.old.Targets {
		if t := &d.old.Targets[i]; !d.asked[t.Name] {
			ends = append(ends, d.live.Ends(t, d.new)...)
		}
	}
	i := slices.IndexFunc(d.steps, func(s Step) bool { return s.Op == Remove && s.Key.Kind == model.UserObject })
	if len(ends) == 0 || i < 0 {
		return
	}
	var o outcome
	s := &d.steps[i]
	o.ends(s, ends)
	s.Effect, s.Confirm, s.Notice = o.effect, confirms[o.effect], strings.Join(o.notices, "; ")
}

// byName finds the elements of a list by their names, the first of each.
func byName[T any](all []T, name func(*T) string) map[string]*T {
	m := make(map[string]*T, len(all))
	for i := range all {
		if n := name(&all[i]); m[n] == nil {
			m[n] = &all[i]
		}
	}
	return m
}

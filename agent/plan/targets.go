package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

func targetKey(t *model.Target) model.Key { return model.Key{Kind: model.TargetObject, Name: t.Name} }

// toldLUNs is what initiators notice of other LUNs.
const toldLUNs = "initiators that are logged in are told: REPORTED LUNS DATA HAS CHANGED"

// targets finds which targets come, change and go, and what some initiators see of them.
func (d *differ) targets() {
	d.asked = make(map[string]bool)
	left := byName(d.old.Targets, func(t *model.Target) string { return t.Name })
	var come []*model.Target
	var pairs []targets // in the order of new
	for i := range d.new.Targets {
		t := &d.new.Targets[i]
		was := left[t.Name]
		if delete(left, t.Name); was == nil {
			come = append(come, t)
		} else if sameTarget(was, t) && d.names == nil {
			continue
		}
		pairs = append(pairs, targets{was, t})
	}
	var gone []*model.Target
	for i := range d.old.Targets {
		if t := &d.old.Targets[i]; left[t.Name] == t {
			gone = append(gone, t)
		}
	}
	renamed := d.renamedTargets(gone, come)
	for _, p := range pairs {
		switch was := renamed[p.new]; {
		case p.old != nil:
			d.target(p.old, p.new)
		case was != nil:
			d.renameTarget(was, p.new)
		default:
			d.add(Step{Op: Create, Key: targetKey(p.new), Fields: d.writtenTarget(p.new, true)}, outcome{})
		}
	}
	for _, t := range gone {
		if slices.ContainsFunc(come, func(c *model.Target) bool { return renamed[c] == t }) {
			continue
		}
		var o outcome
		s := Step{Op: Remove, Key: targetKey(t), Fields: d.writtenTarget(t, false)}
		o.ends(&s, d.sessions(t))
		d.add(s, o)
	}
}

// targets are one target in both documents; old is nil for one that comes.
type targets struct{ old, new *model.Target }

// sameTarget reports that two targets are written alike. It errs on the side of false.
func sameTarget(a, b *model.Target) bool {
	return a.Alias == b.Alias && a.Maintenance == b.Maintenance && slices.Equal(a.LUNs, b.LUNs) &&
		equalValues(a.Values, b.Values) && slices.EqualFunc(a.Access, b.Access, func(a, b model.Access) bool {
		return a.Name == b.Name && slices.Equal(a.Initiators, b.Initiators) && slices.Equal(a.Addresses, b.Addresses) &&
			slices.Equal(a.Users, b.Users) && slices.Equal(a.LUNs, b.LUNs)
	})
}

// renamedTargets finds the targets that come and have all that one has that goes: what each was.
func (d *differ) renamedTargets(gone, come []*model.Target) map[*model.Target]*model.Target {
	if len(gone) == 0 || len(come) == 0 {
		return nil
	}
	byContent := make(map[string][]*model.Target)
	for _, t := range gone {
		c := d.contentOf(t, true)
		byContent[c] = append(byContent[c], t)
	}
	renamed := make(map[*model.Target]*model.Target)
	for _, t := range come {
		c := d.contentOf(t, false)
		if some := byContent[c]; len(some) > 0 {
			renamed[t], byContent[c] = some[0], some[1:]
		}
	}
	return renamed
}

// contentOf is all that a target is but its name; units have the names that they had.
func (d *differ) contentOf(t *model.Target, old bool) string {
	var all []string
	luns := func(luns []model.LUN) {
		for _, l := range slices.SortedFunc(slices.Values(luns), func(a, b model.LUN) int { return a.Number - b.Number }) {
			if was, ok := d.names[l.Unit]; ok && !old {
				l.Unit = was
			}
			all = append(all, fmt.Sprintf("%d %v %s", l.Number, l.ReadOnly, l.Unit))
		}
	}
	all = append(all, t.Alias, maintenance(t.Maintenance), text(t.Values))
	luns(t.LUNs)
	for _, a := range t.Access {
		all = append(all, a.Name, set(a.Initiators), set(a.Addresses), set(a.Users))
		luns(a.LUNs)
	}
	return strings.Join(all, "\x00")
}

// target finds what changes in a target that stays, and in its access.
func (d *differ) target(old, new *model.Target) {
	var o outcome
	first := len(d.steps)
	if changes := d.targetChanges(old, new, &o); len(changes) > 0 {
		d.add(Step{Op: Change, Key: targetKey(new), Fields: fields(changes)}, o)
	}
	was := byName(old.Access, func(a *model.Access) string { return a.Name })
	for i := range new.Access {
		a := &new.Access[i]
		var o outcome
		before := was[a.Name]
		if delete(was, a.Name); before == nil {
			o.is(Told, toldLUNs)
			d.add(Step{Op: Create, Key: accessKey(new, a), Fields: come(d.access("", &model.Access{}, a, &outcome{}))}, o)
		} else if changes := d.access("", before, a, &o); len(changes) > 0 {
			d.add(Step{Op: Change, Key: accessKey(new, a), Fields: fields(changes)}, o)
		}
	}
	for i := range old.Access {
		if a := &old.Access[i]; was[a.Name] == a {
			var o outcome
			o.is(Told, toldLUNs)
			d.add(Step{Op: Remove, Key: accessKey(new, a), Fields: gone(d.access("", &model.Access{}, a, &outcome{}))}, o)
		}
	}
	if first == len(d.steps) {
		return
	}
	// The sessions that end are told by the first step of the target.
	s := &d.steps[first]
	o = outcome{effect: s.Effect}
	if s.Notice != "" {
		o.notices = []string{s.Notice}
	}
	o.ends(s, d.sessions(old))
	s.Effect, s.Confirm, s.Notice = o.effect, confirms[o.effect], strings.Join(o.notices, "; ")
}

func accessKey(t *model.Target, a *model.Access) model.Key {
	return model.Key{Kind: model.AccessObject, Name: t.Name + "/" + a.Name}
}

// renameTarget is of a target that has another name: for initiators it goes, and another comes.
func (d *differ) renameTarget(old, new *model.Target) {
	var o outcome
	s := Step{Op: Rename, Key: targetKey(new), From: targetKey(old)}
	s.Fields = append(fields(value("name", old.Name, new.Name)), fields(d.targetChanges(old, new, &outcome{}))...)
	o.ends(&s, d.sessions(old))
	d.add(s, o)
}

// sessions are those with a target that could not log in any more.
func (d *differ) sessions(t *model.Target) []Session {
	d.asked[t.Name] = true
	return d.live.Ends(t, d.new)
}

// targetChanges are the fields in which two targets differ, but for what is in their access.
func (d *differ) targetChanges(old, new *model.Target, o *outcome) []change {
	all := value("alias", old.Alias, new.Alias)
	all = append(all, d.luns("", old.LUNs, new.LUNs, o)...)
	all = append(all, accessOrder(old.Access, new.Access, o)...)
	if more := value("maintenance", maintenance(old.Maintenance), maintenance(new.Maintenance)); len(more) > 0 {
		if all = append(all, more...); new.Maintenance.On {
			o.is(Unseen, "nobody logs in until its maintenance ends")
		}
	}
	if equalValues(old.Values, new.Values) {
		return all
	}
	for _, c := range options("", d.schema.Target, old.Values, new.Values, model.Renewed) {
		switch c.how {
		case model.Renewed:
			o.is(Unseen, "it counts for who logs in next")
		case model.Telling, model.Growing:
			o.is(Told, "initiators that are logged in are told")
		case model.Restarted:
			o.is(NeedsRestart, atRestart)
		case model.Live: // nobody notices
		}
		all = append(all, c)
	}
	return all
}

// accessOrder is the field of elements that stand in another order: the first that is about an initiator
// counts.
func accessOrder(old, new []model.Access, o *outcome) []change {
	if len(old) < 2 || len(new) < 2 {
		return nil
	}
	common := func(all, others []model.Access) string {
		there := byName(others, func(a *model.Access) string { return a.Name })
		var names []string
		for _, a := range all {
			if there[a.Name] != nil {
				names = append(names, a.Name)
			}
		}
		return strings.Join(names, ", ")
	}
	changes := value("access", common(old, new), common(new, old))
	if len(changes) > 0 {
		o.is(Told, toldLUNs)
	}
	return changes
}

// access are the fields in which two elements differ.
func (d *differ) access(path string, old, new *model.Access, o *outcome) []change {
	all := value(join(path, "initiators"), set(old.Initiators), set(new.Initiators))
	all = append(all, value(join(path, "addresses"), set(old.Addresses), set(new.Addresses))...)
	all = append(all, value(join(path, "users"), set(old.Users), set(new.Users))...)
	if len(all) > 0 {
		o.is(Told, toldLUNs)
	}
	return append(all, d.luns(path, old.LUNs, new.LUNs, o)...)
}

// set is a list whose order does not count.
func set(all []string) string { return strings.Join(slices.Sorted(slices.Values(all)), ", ") }

// luns are the LUNs at which something else is mapped. A unit that is called otherwise is the same.
func (d *differ) luns(path string, old, new []model.LUN, o *outcome) []change {
	if d.names == nil && slices.Equal(old, new) {
		return nil
	}
	at := func(luns []model.LUN) map[int]model.LUN {
		m := make(map[int]model.LUN, len(luns))
		for _, l := range luns {
			m[l.Number] = l
		}
		return m
	}
	before, after := at(old), at(new)
	var numbers []int
	for n := range before {
		numbers = append(numbers, n)
	}
	for n := range after {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	var all []change
	for _, n := range slices.Compact(numbers) {
		a, b := before[n], after[n]
		if was, ok := d.names[b.Unit]; a.Unit != b.Unit && (!ok || was != a.Unit) || a.ReadOnly != b.ReadOnly {
			o.is(Told, toldLUNs)
		}
		all = append(all, value(join(path, "luns."+strconv.Itoa(n)), mapping(a), mapping(b))...)
	}
	return all
}

func mapping(l model.LUN) string {
	if l.ReadOnly {
		return l.Unit + " (read-only)"
	}
	return l.Unit
}

func maintenance(m model.Maintenance) string {
	if m.On && m.Redirect != "" {
		return "redirect to " + m.Redirect
	}
	return yes(m.On)
}

// writtenTarget are the fields of a target that comes or goes, but for its name.
func (d *differ) writtenTarget(t *model.Target, comes bool) []Field {
	none := outcome{}
	bare := *t
	bare.Alias, bare.LUNs, bare.Access, bare.Maintenance, bare.Values = "", nil, nil, model.Maintenance{}, t.Values
	all := d.targetChanges(&bare, t, &none)
	all = append(all, written("", d.schema.Target, t.Values)...)
	for i := range t.Access {
		all = append(all, d.access("access."+t.Access[i].Name, &model.Access{}, &t.Access[i], &none)...)
	}
	if comes {
		return come(all)
	}
	return gone(all)
}

// mostNames is how many initiators a notice names.
const mostNames = 3

// ends notes the sessions that end with a step.
func (o *outcome) ends(s *Step, all []Session) {
	if len(all) == 0 {
		return
	}
	s.Sessions = slices.SortedFunc(slices.Values(all), func(a, b Session) int {
		return strings.Compare(a.Target+"\x00"+a.Initiator+"\x00"+a.Transport+"\x00"+a.ID, b.Target+"\x00"+b.Initiator+"\x00"+b.Transport+"\x00"+b.ID)
	})
	var names []string
	for _, x := range s.Sessions {
		if !slices.Contains(names, x.Initiator) {
			names = append(names, x.Initiator)
		}
	}
	what := fmt.Sprintf("%d sessions end: ", len(all))
	if len(all) == 1 {
		what = "1 session ends: "
	}
	and := ""
	if more := len(names) - mostNames; more > 0 {
		names, and = names[:mostNames], fmt.Sprintf(" and %d more", more)
	}
	o.is(EndsSessions, what+strings.Join(names, ", ")+and)
}

package plan

import (
	"slices"

	"github.com/lunette-io/lunette/agent/model"
)

func unitKey(u *model.Unit) model.Key { return model.Key{Kind: model.UnitObject, Name: u.Name} }

// units finds which units come, change and go, and which are called otherwise.
func (d *differ) units() {
	left := byName(d.old.Units, func(u *model.Unit) string { return u.Name })
	var pairs []pair // in the order of new
	var come []*model.Unit
	for i := range d.new.Units {
		u := &d.new.Units[i]
		was := left[u.Name]
		if delete(left, u.Name); was == nil {
			come = append(come, u)
		} else if sameUnit(was, u) {
			continue
		}
		pairs = append(pairs, pair{was, u})
	}
	if len(pairs) == 0 && len(left) == 0 {
		return
	}
	var gone []*model.Unit
	for i := range d.old.Units {
		if u := &d.old.Units[i]; left[u.Name] == u {
			gone = append(gone, u)
		}
	}
	renamed := d.renames(gone, come)
	holders := d.holders(d.old)
	for _, p := range pairs {
		s := Step{Op: Change, Key: unitKey(p.new)}
		if was := renamed[p.new]; was != nil {
			s.Op, s.From, p.old = Rename, unitKey(was), was
		}
		if p.old == nil {
			s.Op, s.Fields = Create, d.written(p.new, true)
			s.From = d.handedOver(p.new, holders)
			var o outcome
			if s.From != (model.Key{}) {
				var smaller bool
				if smaller, s.Resizes = d.sized(nil, p.new); smaller {
					o.is(LosesData, cut)
				}
			}
			d.add(s, o)
			continue
		}
		changes := d.changes(p.old, p.new)
		if len(changes) == 0 {
			continue
		}
		if s.Op == Change && slices.ContainsFunc(changes, func(c change) bool { return c.how == model.Renewed }) {
			s.From = d.handedOver(p.new, holders)
		}
		s.Fields = fields(changes)
		o := d.unitOutcome(&s, p.old, p.new, changes)
		d.add(s, o)
	}
	for _, u := range gone {
		if slices.ContainsFunc(come, func(c *model.Unit) bool { return renamed[c] == u }) {
			continue
		}
		d.add(Step{Op: Remove, Key: unitKey(u), Fields: d.written(u, false)}, d.goes(u))
	}
}

// A pair is one unit in both documents; old is nil for one that comes.
type pair struct{ old, new *model.Unit }

func sameUnit(a, b *model.Unit) bool {
	same := func(a, b model.Plugin) bool { return a.Kind == b.Kind && equalValues(a.Values, b.Values) }
	return a.Optional == b.Optional && same(a.Store, b.Store) && same(a.Device, b.Device) &&
		slices.EqualFunc(a.Filters, b.Filters, same) &&
		slices.EqualFunc(a.Stores, b.Stores, func(a, b model.Named) bool { return a.Name == b.Name && same(a.Plugin, b.Plugin) })
}

// changes are the fields in which two units differ.
func (d *differ) changes(old, new *model.Unit) []change {
	all := value("name", old.Name, new.Name)
	all = append(all, d.plugin("store", "store", old.Store, new.Store)...)
	was := byName(old.Stores, func(n *model.Named) string { return n.Name })
	for i := range new.Stores {
		s := &new.Stores[i]
		var before model.Plugin
		if w := was[s.Name]; w != nil {
			before = w.Plugin
			delete(was, s.Name)
		}
		all = append(all, d.plugin("stores."+s.Name, "store", before, s.Plugin)...)
	}
	for i := range old.Stores {
		if s := &old.Stores[i]; was[s.Name] == s {
			all = append(all, d.plugin("stores."+s.Name, "store", s.Plugin, model.Plugin{})...)
		}
	}
	for i := range max(len(old.Filters), len(new.Filters)) {
		all = append(all, d.plugin(index("filters", i), "filter", filter(old, i), filter(new, i))...)
	}
	all = append(all, d.plugin("device", "device", old.Device, new.Device)...)
	return append(all, value("optional", yes(old.Optional), yes(new.Optional))...)
}

// plugin are the fields in which two choices of a plugin differ. With another kind all options are other ones.
func (d *differ) plugin(path, axis string, old, new model.Plugin) []change {
	if old.Kind == new.Kind {
		if old.Kind == "" || equalValues(old.Values, new.Values) {
			return nil
		}
		return options(path, d.kind(axis, old.Kind).Options, old.Values, new.Values, model.Renewed)
	}
	all := []change{{Field: Field{Path: path + ".kind", Old: old.Kind, New: new.Kind}}}
	var before, after []change
	if old.Kind != "" {
		before = written(path, d.kind(axis, old.Kind).Options, old.Values)
	}
	if new.Kind != "" {
		after = written(path, d.kind(axis, new.Kind).Options, new.Values)
	}
	for _, c := range before {
		f := Field{Path: c.Path, Old: c.New}
		if i := slices.IndexFunc(after, func(a change) bool { return a.Path == c.Path }); i >= 0 {
			f.New = after[i].New
			after = slices.Delete(after, i, i+1)
		}
		if f.Old != f.New {
			all = append(all, change{Field: f})
		}
	}
	for _, c := range after {
		all = append(all, change{Field: Field{Path: c.Path, New: c.New}})
	}
	return all
}

// written are the fields of a unit that comes or goes, but for its name.
func (d *differ) written(u *model.Unit, comes bool) []Field {
	changes := d.changes(&model.Unit{Name: u.Name}, u)
	if comes {
		return come(changes)
	}
	return gone(changes)
}

// filter is that at i; none where there are fewer.
func filter(u *model.Unit, i int) model.Plugin {
	if i < len(u.Filters) {
		return u.Filters[i]
	}
	return model.Plugin{}
}

// unitOutcome is what initiators notice of the changes of a unit, which are those of s.
func (d *differ) unitOutcome(s *Step, old, new *model.Unit, changes []change) outcome {
	var o outcome
	seen := d.sees(old)
	tell := func(notice string) {
		if seen {
			o.is(Told, notice)
		}
	}
	renewed, sized := false, false
	for _, c := range changes {
		switch c.how {
		case model.Renewed:
			renewed = true
		case model.Telling:
			tell("initiators that see it are told")
		case model.Growing:
			sized = true
			tell("initiators that see it are told: CAPACITY DATA HAS CHANGED")
		case model.Restarted:
			o.is(NeedsRestart, atRestart)
		case model.Live: // nobody notices
		}
	}
	smaller := false
	if sized || renewed {
		smaller, s.Resizes = d.sized(old, new)
	}
	switch {
	case renewed && d.volatile(old):
		o.is(LosesData, "what it holds is gone: its store keeps nothing when it is closed")
	case smaller:
		o.is(LosesData, cut)
	}
	if renewed && seen {
		o.is(Replaces, "initiators that see it find another unit in its place")
	}
	return o
}

// dataStays is what is noticed of the store of a unit that goes.
const dataStays = "its data stays where it is"

// atRestart is what is noticed of what counts later.
const atRestart = "it counts when the daemon is started again"

// cut is what is noticed of a store that gets smaller.
const cut = "what lies behind its new end is gone"

// goes is what is noticed of a unit that goes.
func (d *differ) goes(u *model.Unit) outcome {
	var o outcome
	if d.sees(u) {
		o.is(Told, "initiators do not see it any more")
	}
	switch {
	case d.volatile(u):
		o.is(LosesData, "what it holds is gone: its store keeps nothing when it is closed")
	case u.Store.Kind != "" || len(u.Stores) > 0:
		o.is(Unseen, dataStays)
	}
	return o
}

// volatile reports that something of what a unit holds is gone when it is closed.
func (d *differ) volatile(u *model.Unit) bool {
	return u.Store.Kind != "" && d.kind("store", u.Store.Kind).Volatile ||
		slices.ContainsFunc(u.Stores, func(s model.Named) bool { return d.kind("store", s.Kind).Volatile })
}

// sees reports that a target of old maps a unit of it.
func (d *differ) sees(u *model.Unit) bool {
	if d.seen == nil {
		d.seen = make(map[string]bool)
		for i := range d.old.Targets {
			t := &d.old.Targets[i]
			for _, l := range t.LUNs {
				d.seen[l.Unit] = true
			}
			for _, a := range t.Access {
				for _, l := range a.LUNs {
					d.seen[l.Unit] = true
				}
			}
		}
	}
	return slices.ContainsFunc(u.Names, func(name string) bool { return d.seen[name] })
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

package plan

import (
	"slices"
	"strconv"

	"github.com/lunette-io/lunette/agent/model"
)

// A portal of one of the documents, with its key: several may listen at the same address with a free port.
type portal struct {
	*model.Portal
	key model.Key
}

// portalsOf are those of a document, in its order.
func portalsOf(d *model.Document) []portal {
	all := make([]portal, len(d.Portals))
	for i, key := range d.PortalKeys() {
		all[i] = portal{&d.Portals[i], key}
	}
	return all
}

// takes is what no other portal can take; empty: nothing.
func (d *differ) takes(p *model.Portal) string {
	if p.Address.Takes == "" {
		return ""
	}
	return d.kind("transport", p.Kind).Space + " " + p.Address.Takes
}

// portals finds which portals come, change and go, and whose address goes from one to another.
func (d *differ) portals() {
	before, after := portalsOf(d.old), portalsOf(d.new)
	left := make(map[model.Key]portal) // of the old ones, those that no new one is
	holders := make(map[string]portal)
	for _, p := range before {
		left[p.key] = p
		if takes := d.takes(p.Portal); takes != "" {
			holders[takes] = p
		}
	}
	for _, p := range after {
		delete(left, p.key)
	}
	stays := make(map[model.Key]*model.Portal)
	for _, p := range before {
		if _, goes := left[p.key]; !goes {
			stays[p.key] = p.Portal
		}
	}
	for _, p := range after {
		was := stays[p.key]
		holder, held := holders[d.takes(p.Portal)]
		s := Step{Op: Change, Key: p.key}
		if held && holder.key != p.key {
			s.From = holder.key
			if _, goes := left[holder.key]; goes && was == nil && holder.Kind == p.Kind {
				s.Op, was = Rename, holder.Portal
				delete(left, holder.key)
			}
		}
		var o outcome
		if was == nil {
			s.Op, s.Fields = Create, come(d.portalWritten(p.Portal))
			d.add(s, o)
			continue
		}
		if changes := d.portal(was, p.Portal, &o); len(changes) > 0 {
			s.Fields = fields(changes)
			d.add(s, o)
		}
	}
	for _, p := range before {
		if _, goes := left[p.key]; !goes {
			continue
		}
		var o outcome
		d.leaves(p.Portal, &o, "nobody logs in there any more")
		d.add(Step{Op: Remove, Key: p.key, Fields: gone(d.portalWritten(p.Portal))}, o)
	}
}

// leaves notes what is noticed of a portal that is not there any more.
func (d *differ) leaves(p *model.Portal, o *outcome, what string) {
	if d.kind("transport", p.Kind).Tied {
		o.is(EndsSessions, what+"; sessions that have come by it end")
		return
	}
	o.is(Unseen, what+"; sessions that have come by it stay")
}

// narrower reports that a portal which has shown the targets of old, none: all, does not show all of them by new.
func narrower(old, new []string) bool {
	if len(new) == 0 {
		return false
	}
	return len(old) == 0 || slices.ContainsFunc(old, func(name string) bool { return !slices.Contains(new, name) })
}

// portal are the fields in which two portals differ.
func (d *differ) portal(old, new *model.Portal, o *outcome) []change {
	all := value("name", old.Name, new.Name)
	all = append(all, value("kind", old.Kind, new.Kind)...)
	all = append(all, value("address", address(old), address(new))...)
	if len(all) > 0 && (old.Kind != new.Kind || address(old) != address(new)) {
		d.leaves(old, o, "nobody logs in at its old address any more")
	}
	next := value("targets", set(old.Targets), set(new.Targets))
	next = append(next, value("tag", tag(old), tag(new))...)
	var restart []change
	if old.Kind == new.Kind {
		for _, c := range options("", d.kind("transport", new.Kind).Options, old.Values, new.Values, model.Renewed) {
			if c.how == model.Restarted {
				restart = append(restart, c)
				continue
			}
			next = append(next, c)
		}
	} else {
		next = append(next, negative(written("", d.kind("transport", old.Kind).Options, old.Values))...)
		next = append(next, written("", d.kind("transport", new.Kind).Options, new.Values)...)
	}
	if d.kind("transport", new.Kind).Tied && old.Kind == new.Kind && (tag(old) != tag(new) || narrower(old.Targets, new.Targets)) {
		o.is(EndsSessions, "sessions that have come by it end with targets that it does not show as before")
	}
	if len(next) > 0 {
		o.is(Unseen, "it counts for who logs in next")
	}
	if len(restart) > 0 {
		o.is(NeedsRestart, atRestart)
	}
	return append(append(all, next...), restart...)
}

// negative are the fields of what is not there any more.
func negative(changes []change) []change {
	for i := range changes {
		changes[i].Field = Field{Path: changes[i].Path, Old: changes[i].New}
	}
	return changes
}

func (d *differ) portalWritten(p *model.Portal) []change {
	all := value("name", "", p.Name)
	all = append(all, value("kind", "", p.Kind)...)
	all = append(all, value("address", "", address(p))...)
	all = append(all, value("targets", "", set(p.Targets))...)
	all = append(all, value("tag", "", tag(p))...)
	return append(all, written("", d.kind("transport", p.Kind).Options, p.Values)...)
}

func address(p *model.Portal) string {
	if p.Address.Text != "" {
		return p.Address.Text
	}
	return p.Written
}

// tag is that of a portal; empty: of the first group.
func tag(p *model.Portal) string {
	if p.Tag <= 1 {
		return ""
	}
	return strconv.Itoa(p.Tag)
}

package plan

import (
	"strconv"

	"github.com/lunette-io/lunette/agent/model"
)

func portalName(p *model.Portal) string {
	if p.Name != "" {
		return p.Name
	}
	return p.String()
}

func portalKey(p *model.Portal) model.Key {
	return model.Key{Kind: model.PortalObject, Name: portalName(p)}
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
	left := byName(d.old.Portals, portalName)
	holders := make(map[string]*model.Portal)
	for i := range d.old.Portals {
		if p := &d.old.Portals[i]; d.takes(p) != "" {
			holders[d.takes(p)] = p
		}
	}
	stays := byName(d.new.Portals, portalName)
	renamed := make(map[string]bool) // by the old name
	for i := range d.new.Portals {
		p := &d.new.Portals[i]
		was := left[portalName(p)]
		delete(left, portalName(p))
		holder := holders[d.takes(p)]
		s := Step{Op: Change, Key: portalKey(p)}
		switch {
		case was == nil && holder != nil && stays[portalName(holder)] == nil && holder.Kind == p.Kind:
			s.Op, s.From, was = Rename, portalKey(holder), holder
			renamed[portalName(holder)] = true
		case was == nil:
			s.Op, s.Fields = Create, come(d.portalWritten(p))
		}
		if holder != nil && s.Op != Rename && portalName(holder) != portalName(p) {
			s.From = portalKey(holder)
		}
		var o outcome
		if s.Op != Create {
			changes := d.portal(was, p, &o)
			if len(changes) == 0 {
				continue
			}
			s.Fields = fields(changes)
		}
		d.add(s, o)
	}
	for i := range d.old.Portals {
		p := &d.old.Portals[i]
		if left[portalName(p)] != p || renamed[portalName(p)] {
			continue
		}
		var o outcome
		o.is(Unseen, "nobody logs in there any more; sessions that have come by it stay")
		d.add(Step{Op: Remove, Key: portalKey(p), Fields: gone(d.portalWritten(p))}, o)
	}
}

// portal are the fields in which two portals differ.
func (d *differ) portal(old, new *model.Portal, o *outcome) []change {
	all := value("name", old.Name, new.Name)
	all = append(all, value("kind", old.Kind, new.Kind)...)
	all = append(all, value("address", address(old), address(new))...)
	if len(all) > 0 && (old.Kind != new.Kind || address(old) != address(new)) {
		o.is(Unseen, "nobody logs in at its old address any more; sessions that have come by it stay")
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

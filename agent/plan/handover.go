package plan

import (
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
)

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// claims are what only one unit can have: places of stores first, then names of the device. See
// [model.Option.Exclusive].
func (d *differ) claims(u *model.Unit) []string {
	var all []string
	each := func(axis, space string, p model.Plugin) {
		if p.Kind == "" {
			return
		}
		k := d.kind(axis, p.Kind)
		for i := range k.Options {
			o := &k.Options[i]
			if !o.Exclusive {
				continue
			}
			if v := text(canonical(o, p.Values[o.Name])); v != "" {
				all = append(all, space+v)
				if axis == "device" {
					all[len(all)-1] = space + o.Name + "\x00" + v
				}
			}
		}
	}
	each("store", "store\x00", u.Store)
	for _, s := range u.Stores {
		each("store", "store\x00", s.Plugin)
	}
	each("device", "device\x00", u.Device)
	return all
}

// holders are the units of a document by their claims.
func (d *differ) holders(doc *model.Document) map[string]*model.Unit {
	m := make(map[string]*model.Unit)
	for i := range doc.Units {
		for _, c := range d.claims(&doc.Units[i]) {
			m[c] = &doc.Units[i]
		}
	}
	return m
}

// handedOver is the unit of old that had what u claims; zero: there is none, or it is u.
func (d *differ) handedOver(u *model.Unit, holders map[string]*model.Unit) model.Key {
	for _, c := range d.claims(u) {
		if was := holders[c]; was != nil && was.Name != u.Name {
			return unitKey(was)
		}
	}
	return model.Key{}
}

// sized reports that a store gets smaller which u has then, and that one which outlives the process gets another
// size: one that was, the unit that u was, has already, or one that another hands over. was is nil for a unit that
// comes.
func (d *differ) sized(was, u *model.Unit) (smaller, another bool) {
	if d.stores == nil {
		d.stores = make(map[string]model.Size)
		for i := range d.old.Units {
			for at, size := range d.sizes(&d.old.Units[i]) {
				d.stores[at] = size
			}
		}
	}
	own := make(map[string]model.Size)
	if was != nil {
		own = d.sizes(was)
	}
	for at, size := range d.sizes(u) {
		placed := strings.HasPrefix(at, placedStore)
		has, there := own[at]
		if !there && placed { // its place says which it is
			has, there = d.stores[at]
		}
		if there && size > 0 && size != has {
			smaller, another = smaller || size < has, another || placed
		}
	}
	return smaller || d.live.Shrinks(was, u), another
}

// placedStore begins the places of stores that have one.
const placedStore = "store\x00"

// sizes are how large the stores of a unit are to be, by their places; by their kinds and names where they have
// none. 0: it is not said.
func (d *differ) sizes(u *model.Unit) map[string]model.Size {
	all := make(map[string]model.Size)
	each := func(name string, p model.Plugin) {
		at, size := "own\x00"+p.Kind+"\x00"+name, model.Size(0)
		k := d.kind("store", p.Kind)
		for i := range k.Options {
			o := &k.Options[i]
			switch v := text(canonical(o, p.Values[o.Name])); {
			case o.Exclusive && v != "":
				at = placedStore + v
			case o.Change == model.Growing:
				size = max(size, model.Size(p.Values.Size(o.Name)))
			}
		}
		all[at] = size
	}
	if u.Store.Kind != "" {
		each("", u.Store)
	}
	for _, s := range u.Stores {
		each(s.Name, s.Plugin)
	}
	return all
}

// renames finds the units that come and are ones that go: what each was. It notes their logical units.
func (d *differ) renames(gone, come []*model.Unit) map[*model.Unit]*model.Unit {
	if len(gone) == 0 || len(come) == 0 {
		return nil
	}
	renamed := make(map[*model.Unit]*model.Unit)
	taken := make(map[*model.Unit]bool)
	take := func(was, u *model.Unit) {
		renamed[u], taken[was] = was, true
		for i := range min(len(was.Names), len(u.Names)) {
			if d.names == nil {
				d.names = make(map[string]string)
			}
			d.names[u.Names[i]] = was.Names[i]
		}
	}
	holders := make(map[string]*model.Unit)
	for _, u := range gone {
		for _, c := range d.claims(u) {
			holders[c] = u
		}
	}
	for _, u := range come {
		for _, c := range d.claims(u) {
			if was := holders[c]; was != nil && !taken[was] {
				take(was, u)
				break
			}
		}
	}
	// Units that are alike and claim nothing are told apart by where they are seen; then by their order.
	before, after := places(d.old), places(d.new)
	units := make(map[string]*model.Unit)
	for _, u := range gone {
		for _, name := range u.Names {
			units[name] = u
		}
	}
	for _, u := range come {
		if was := met(units, before, after, u); renamed[u] == nil && was != nil && !taken[was] && sameUnit(was, u) {
			take(was, u)
		}
	}
	alike := make(map[string][]*model.Unit)
	for _, u := range gone {
		if !taken[u] {
			alike[content(u)] = append(alike[content(u)], u)
		}
	}
	for _, u := range come {
		like := content(u)
		if some := alike[like]; renamed[u] == nil && len(some) > 0 {
			take(some[0], u)
			alike[like] = some[1:]
		}
	}
	return renamed
}

// content is all that a unit is but its name.
func content(u *model.Unit) string {
	one := func(p model.Plugin) string { return p.Kind + "\x00" + text(p.Values) + "\x00" }
	all := one(u.Device) + yes(u.Optional) + "\x00" + one(u.Store)
	for _, s := range u.Stores {
		all += s.Name + "\x00" + one(s.Plugin)
	}
	for _, f := range u.Filters {
		all += one(f)
	}
	return all
}

// A place is a LUN of a target.
type place struct {
	target string
	lun    int
}

// atPlaces are places with what is there, both ways.
type atPlaces struct {
	units  map[place]string
	places map[string][]place
}

// places are the LUNs at which logical units are seen, but for those of access.
func places(doc *model.Document) atPlaces {
	m := atPlaces{make(map[place]string), make(map[string][]place)}
	for i := range doc.Targets {
		for _, l := range doc.Targets[i].LUNs {
			p := place{doc.Targets[i].Name, l.Number}
			m.units[p], m.places[l.Unit] = l.Unit, append(m.places[l.Unit], p)
		}
	}
	return m
}

// met is the unit, of those that go, that was seen where u is.
func met(units map[string]*model.Unit, before, after atPlaces, u *model.Unit) *model.Unit {
	for i, name := range u.Names {
		for _, p := range after.places[name] {
			if was := units[before.units[p]]; was != nil && i < len(was.Names) && was.Names[i] == before.units[p] {
				return was
			}
		}
	}
	return nil
}

package daemon

import (
	"maps"
	"reflect"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// A difference says how a unit differs from the one that is to come in its place.
type difference struct {
	inPlace bool             // all that differs can be changed where it is
	sizes   map[string]int64 // of stores that are to have another size
}

// compare compares a unit that is served with a spec.
func (c *units) compare(old *unit, spec *model.Unit) difference {
	was, d := &old.spec, old.device.Load()
	how := difference{inPlace: d.err == nil, sizes: make(map[string]int64)}
	if was.Device.Kind != spec.Device.Kind || len(was.Names) != len(spec.Names) || !sameStores(was, spec) || !samePlugins(was.Filters, spec.Filters) {
		how.inPlace = false
		return how
	}
	for i := range spec.Names {
		how.inPlace = how.inPlace && suffix(was.Names[i]) == suffix(spec.Names[i])
	}
	if kind, err := plugin.Find(c.d.reg.Devices, "device", spec.Device.Kind); err == nil {
		renewed, _, _ := differ(kind.Options, was.Device.Values, spec.Device.Values)
		how.inPlace = how.inPlace && !renewed && (changeable(d) || reflect.DeepEqual(was.Device.Values, spec.Device.Values))
	}
	specs := storesOf(spec)
	for name, p := range storesOf(was) {
		kind, err := plugin.Find(c.d.reg.Stores, "store", p.Kind)
		if err != nil {
			continue
		}
		renewed, grows, size := differ(kind.Options, p.Values, specs[name].Values)
		if renewed && samePlace(kind, p.Values, specs[name].Values) {
			renewed = false // its path is written in another way
		}
		how.inPlace = how.inPlace && !renewed
		if grows && size > 0 {
			how.sizes[name] = size
			how.inPlace = how.inPlace && changeable(d)
		}
	}
	return how
}

// differ says of two values of options whether they need another unit, and another size.
func differ(options []model.Option, old, new model.Values) (renewed, grows bool, size int64) {
	for _, o := range options {
		if reflect.DeepEqual(old[o.Name], new[o.Name]) {
			continue
		}
		switch o.Change {
		case model.Live, model.Telling:
		case model.Growing:
			grows, size = true, new.Size(o.Name)
		default:
			renewed = true
		}
	}
	return renewed, grows, size
}

// samePlace reports that two stores of a kind differ in nothing but how their place is written.
func samePlace(kind plugin.Store, old, new model.Values) bool {
	if kind.Look == nil || !alike(kind, old, new) {
		return false
	}
	a, err := kind.Look(sizeless(kind, old))
	if err != nil || a.Same == "" {
		return false
	}
	b, err := kind.Look(sizeless(kind, new))
	return err == nil && a.Same == b.Same
}

// sizeless are the options of a store without those that say how large it is.
func sizeless(kind plugin.Store, v model.Values) model.Values {
	bare := make(model.Values, len(v))
	for name, value := range v {
		bare[name] = value
	}
	for _, o := range kind.Options {
		if o.Change == model.Growing && !o.Required {
			delete(bare, o.Name)
		}
	}
	return bare
}

func changeable(d *device) bool {
	for _, p := range d.parts {
		if p.Change == nil {
			return false
		}
	}
	return true
}

// storesOf are the stores of a unit by name: one empty name for a device that has one.
func storesOf(u *model.Unit) map[string]model.Plugin {
	all := make(map[string]model.Plugin)
	if u.Store.Kind != "" {
		all[""] = u.Store
	}
	for _, s := range u.Stores {
		all[s.Name] = s.Plugin
	}
	return all
}

// sameStores reports that two units have stores of the same names and kinds.
func sameStores(a, b *model.Unit) bool {
	x, y := storesOf(a), storesOf(b)
	for name, p := range x {
		if y[name].Kind != p.Kind {
			return false
		}
	}
	return len(x) == len(y)
}

func samePlugins(a, b []model.Plugin) bool {
	for i := range min(len(a), len(b)) {
		if a[i].Kind != b[i].Kind || !reflect.DeepEqual(a[i].Values, b[i].Values) {
			return false
		}
	}
	return len(a) == len(b)
}

// alike reports that two stores of a kind at one place differ in nothing but how that is written.
func alike(kind plugin.Store, a, b model.Values) bool {
	for _, o := range kind.Options {
		if !o.Exclusive && o.Change != model.Growing && o.Change != model.Live && !reflect.DeepEqual(a[o.Name], b[o.Name]) {
			return false
		}
	}
	return true
}

// grownTo is how large a store is to be; 0 leaves it open.
func grownTo(kind plugin.Store, v model.Values) (size int64) {
	for _, o := range kind.Options {
		if o.Change == model.Growing {
			size = max(size, v.Size(o.Name))
		}
	}
	return size
}

func sortedKeys(all map[string]model.Plugin) []string { return slices.Sorted(maps.Keys(all)) }

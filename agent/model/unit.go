package model

import (
	"fmt"
	"strings"
)

func (c *checker) units() {
	seen := make(map[string]bool, len(c.doc.Units))
	taken := make(map[string]string, len(c.doc.Units))
	c.names = make(map[string]bool, len(c.doc.Units))
	for i := range c.doc.Units {
		u := &c.doc.Units[i]
		path := "units" + indexed(i)
		switch {
		case u.Name == "":
			c.fail(path, "the unit has no name: add \"name: …\"")
		case !plainName(u.Name):
			c.fail(path+".name", "%.70q is not a name of a unit: it has up to 64 letters, digits, '.', '-' and '_'", u.Name)
		case seen[u.Name]:
			c.fail(path+".name", "there are two units %q: each name is used once", u.Name)
		}
		seen[u.Name] = true
		c.kept = i < len(c.editor.units) && c.editor.units[i]
		c.unit(path, u, taken)
		for _, name := range u.Names {
			c.names[name] = true
		}
	}
}

func plainName(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(strings.ToLower(name), letters+decimals+".-_") == ""
}

// unit checks what a unit is made of: the device type says which stores it wants.
func (c *checker) unit(path string, u *Unit, taken map[string]string) {
	if !c.kept {
		u.Names = []string{u.Name}
	}
	device, known := c.choice(path+".device", "device", &u.Device)
	c.exclusive(path+".device", u, device, taken)
	use := device.Stores
	switch {
	case !known && !u.Store.given():
	case use == ManyStores && u.Store.given():
		c.fail(path+".store", "a %s device has stores by name: write \"stores: {NAME: {kind: …}}\"", u.Device.Kind)
	case use == NoStore && (u.Store.given() || len(u.Filters) > 0):
		c.fail(path, "a %s device has no store: leave \"store\" and \"filters\" out", u.Device.Kind)
	case use == OneStore && !u.Store.given() && len(u.Stores) > 0: // said below
	case use == OneStore, use == OptionalStore && u.Store.given():
		c.store(path+".store", u.Name, &u.Store, taken)
	}
	if use == ManyStores {
		c.stores(path, u, taken)
	} else if len(u.Stores) > 0 && known {
		c.fail(path+".stores", "a %s device does not have several stores: write \"store: {kind: …}\"", u.Device.Kind)
	}
	for j := range u.Filters {
		c.choice(fmt.Sprintf("%s.filters[%d]", path, j), "filter", &u.Filters[j])
	}
	if !known || device.Units == nil || c.kept {
		return
	}
	u.Names = nil
	for _, name := range device.Units(u.Device.Values) {
		u.Names = append(u.Names, LogicalUnit(u.Name, name))
	}
}

// LogicalUnit is the name of one of the logical units of a unit, as a LUN maps it.
func LogicalUnit(unit, name string) string {
	if name == "" {
		return unit
	}
	return unit + "/" + name
}

func (c *checker) stores(path string, u *Unit, taken map[string]string) {
	if len(u.Stores) == 0 {
		c.fail(path, "a %s device has stores by name: add \"stores: {NAME: {kind: …}}\"", u.Device.Kind)
	}
	for i := range u.Stores {
		s := &u.Stores[i]
		at := path + ".stores." + s.Name
		if !plainName(s.Name) {
			c.fail(at, "%.70q is not a name of a store: it has up to 64 letters, digits, '.', '-' and '_'", s.Name)
		}
		c.store(at, u.Name, &s.Plugin, taken)
	}
}

// exclusive checks what a device is called, which no other may be: initiators would take the two for one.
func (c *checker) exclusive(path string, u *Unit, device Kind, taken map[string]string) {
	for _, o := range device.Options {
		value := u.Device.Values.String(o.Name)
		if !o.Exclusive || value == "" {
			continue
		}
		if o.Canon != nil {
			value = o.Canon(value)
		}
		key := "device\x00" + o.Name + "\x00" + value
		if other, ok := taken[key]; ok {
			c.fail(path+"."+o.Name, "%q is the %s of unit %q already: initiators would take the two for one", u.Device.Values.String(o.Name), o.Name, other)
		}
		taken[key] = u.Name
	}
}

// store checks a store, which no other unit may have: each would overwrite what the other writes.
func (c *checker) store(path, unit string, p *Plugin, taken map[string]string) {
	kind, ok := c.choice(path, "store", p)
	if !ok {
		return
	}
	for _, o := range kind.Options {
		value := p.Values.String(o.Name)
		if !o.Exclusive || value == "" {
			continue
		}
		if other, ok := taken[value]; ok {
			c.fail(path+"."+o.Name, "%s is the store of unit %q already: a store has one unit, which many targets may have", value, other)
		}
		taken[value] = unit
	}
}

// choice checks a plugin against its kind, and converts its options.
func (c *checker) choice(path, axis string, p *Plugin) (Kind, bool) {
	if p.Kind == "" {
		c.fail(path, "the %s has no kind: add \"kind: …\" with %s", axis, list(c.schema.Names(axis)))
		return Kind{}, false
	}
	kind, err := c.schema.Find(axis, p.Kind)
	if err != nil {
		c.fail(path+".kind", "%w", err)
		return Kind{}, false
	}
	if !c.kept {
		p.Values = c.plugin(path, axis, *p, kind)
	}
	return kind, true
}

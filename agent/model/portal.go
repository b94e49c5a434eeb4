package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Portal is where a transport listens, written [TRANSPORT+PROVIDER://]ADDRESS, or {kind:
// TRANSPORT+PROVIDER, address: ADDRESS, option: value, …}. The provider is the network below the
// transport, and says how its addresses are written.
type Portal struct {
	// Name is how the portal is called in the document; empty: by where it listens.
	Name    string
	Kind    string // TRANSPORT+PROVIDER; empty: the schema's first
	Written string // the address as it is written
	// Targets are those that the portal shows; none: all of them.
	Targets []string
	// Tag is the number of the group of portals that it is one of: a session has connections by
	// portals of one group. 0: the first.
	Tag   int
	Given Settings

	// Address and Values are there after validation.
	Address Address
	Values  Values
}

// MaxTag is the highest tag of a portal group (RFC 7143 13.9: 16 bits).
const MaxTag = 65535

// ParsePortal reads a portal, and its address if the kind of portal is known. A kind that is not is
// found by [Document.Validate].
func (s Schema) ParsePortal(text string) (Portal, error) {
	p, err := splitPortal(text)
	if err != nil {
		return Portal{}, err
	}
	if p.Kind == "" {
		p.Kind = s.Default("transport")
	}
	if kind, err := s.Find("transport", p.Kind); err == nil {
		if p.Address, err = kind.Parse(p.Kind, p.Written, text); err != nil {
			return Portal{}, err
		}
		p.Written = p.Address.Text
	}
	return p, nil
}

// splitPortal takes TRANSPORT+PROVIDER and the address apart.
func splitPortal(text string) (Portal, error) {
	scheme, addr, ok := strings.Cut(text, "://")
	if !ok {
		return Portal{Written: text}, nil
	}
	if t, n, ok := strings.Cut(scheme, "+"); !ok || t == "" || n == "" {
		return Portal{}, NotAPortal(text, "the part before :// is not TRANSPORT+PROVIDER", hostPortForm)
	}
	return Portal{Kind: scheme, Written: addr}, nil
}

// Transport is the part of the kind before the plus.
func (p Portal) Transport() string { t, _, _ := strings.Cut(p.Kind, "+"); return t }

// Shows reports that the portal shows a target.
func (p Portal) Shows(target string) bool {
	return len(p.Targets) == 0 || slices.Contains(p.Targets, target)
}

// String is the portal as it could be written.
func (p Portal) String() string {
	addr := p.Address.Text
	if addr == "" {
		addr = p.Written
	}
	if p.Kind == "" {
		return addr
	}
	return p.Kind + "://" + addr
}

func (c *checker) portals() {
	taken := make(map[string]Portal) // by what each takes
	called := make(map[string]bool)  // their names
	targets := make(map[string]bool, len(c.doc.Targets))
	for i := range c.doc.Targets {
		targets[c.doc.Targets[i].Name] = true
	}
	for i := range c.doc.Portals {
		p := &c.doc.Portals[i]
		path := fmt.Sprintf("portals[%d]", i)
		if p.Targets != nil && len(p.Targets) == 0 {
			c.fail(path+".targets", "the list is empty: leave it out to show all targets, or name those that the portal shows")
		}
		c.shows(path, p, targets)
		switch {
		case p.Name == "":
		case !plainName(p.Name):
			c.fail(path+".name", "%.70q is not a name of a portal: it has up to 64 letters, digits, '.', '-' and '_'", p.Name)
		case called[p.Name]:
			c.fail(path+".name", "there are two portals %q: each name is used once", p.Name)
		}
		called[p.Name] = true
		if p.Tag < 0 || p.Tag > MaxTag {
			c.fail(path+".tag", "the tag of a portal group is from 1 to %d", MaxTag)
		}
		kind, err := c.schema.Find("transport", p.Kind)
		if err != nil {
			c.fail(path, "%w", c.schema.noTransport(p.Kind))
			continue
		}
		p.Values = c.plugin(path, "portal", Plugin{Kind: p.Kind, Given: p.Given}, kind)
		if p.Address, err = kind.Parse(p.Kind, p.Written, c.written(*p)); err != nil {
			c.fail(path, "%w", err)
			continue
		}
		if p.Address.Takes == "" {
			continue
		}
		takes := kind.Space + " " + p.Address.Takes
		switch other, ok := taken[takes]; {
		case ok && other.Kind == p.Kind:
			c.fail(path, "%s is here twice", p)
		case ok:
			c.fail(path, "%s has %s: give one of them another, such as %s", p, kind.clash(other), Portal{Kind: p.Kind, Written: p.Address.Next})
		}
		taken[takes] = *p
	}
}

// clash says that a portal has what another has taken.
func (l Listen) clash(other Portal) string {
	text := fmt.Sprintf("the same %s as %s", cmp.Or(l.Thing, "address"), other)
	if l.Since != "" {
		text += ", since " + l.Since
	}
	return text
}

// shows checks the targets that a portal shows, and puts their names in the form that counts.
func (c *checker) shows(path string, p *Portal, targets map[string]bool) {
	seen := make(map[string]bool, len(p.Targets))
	for j, name := range p.Targets {
		at := fmt.Sprintf("%s.targets[%d]", path, j)
		if normal, err := TargetName(name); err == nil && normal != name {
			name = normal
			p.Targets[j] = name
		}
		if !targets[name] {
			var names []string
			for i := range c.doc.Targets {
				names = append(names, c.doc.Targets[i].Name)
			}
			c.fail(at, "there is no target %q: there is %s%s", name, listOnce(names), meant(name, names))
		} else if seen[name] {
			c.fail(at, "the target %q is here twice", name)
		}
		seen[name] = true
	}
}

// written is p as it was probably written, for errors.
func (c *checker) written(p Portal) string {
	if p.Kind == c.schema.Default("transport") {
		return p.Written
	}
	return p.Kind + "://" + p.Written
}

// PortalKeys are the keys of the portals, in the order of the document: their names, or else where they
// listen; of several that say the same, as with port 0, those behind the first have a number.
func (d *Document) PortalKeys() []Key {
	seen := make(map[string]int)
	keys := make([]Key, len(d.Portals))
	for i, p := range d.Portals {
		name := p.Name
		if name == "" {
			name = p.String()
		}
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s#%d", name, seen[name])
		}
		keys[i] = Key{PortalObject, name}
	}
	return keys
}

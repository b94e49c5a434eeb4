package model

import (
	"fmt"
	"slices"
	"strings"
)

func (c *checker) targets() {
	mapped := make(map[string]bool, len(c.names))
	seen := make(map[string]bool, len(c.doc.Targets))
	known := keys(&Target{})
	for i := range c.doc.Targets {
		t := &c.doc.Targets[i]
		path := "targets" + indexed(i)
		if t.Name == "" {
			c.fail(path, "the target has no name: add \"name: %sNAME\"", NamePrefix)
		} else if name, err := TargetName(t.Name); err != nil {
			c.fail(path+".name", "%w", err)
		} else if t.Name = name; seen[name] {
			c.fail(path+".name", "there are two targets %q: each name is used once", t.Name)
		}
		seen[t.Name] = true
		if len(t.Alias) > MaxAlias || strings.ContainsFunc(t.Alias, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			c.fail(path+".alias", "an alias has up to %d bytes and no control characters", MaxAlias)
		}
		c.luns(path, t.LUNs, mapped)
		c.access(path, t, mapped)
		if len(t.LUNs) == 0 && len(t.Access) == 0 && !c.mapsUnread() {
			c.note(path, "the target has no LUNs: initiators see nothing")
		}
		c.maintenance(path+".maintenance", t.Maintenance)
		if i >= len(c.editor.targets) || !c.editor.targets[i] {
			t.Values = c.section(path, known, c.schema.Target, t.Given)
		}
	}
	c.unmapped(mapped)
}

// unmapped notes units that no target has, if there are targets.
func (c *checker) unmapped(mapped map[string]bool) {
	if len(c.doc.Targets) == 0 || c.mapsUnread() {
		return
	}
	var names []string
	first := 0
	for i := range c.doc.Units {
		u := &c.doc.Units[i]
		if u.Name != "" && !slices.ContainsFunc(u.Names, func(name string) bool { return mapped[name] }) {
			if len(names) == 0 {
				first = i
			}
			names = append(names, u.Name)
		}
	}
	at := fmt.Sprintf("units[%d]", first)
	switch len(names) {
	case 0:
	case 1:
		c.note(at, "no target has the unit %q: nobody sees it until it is in the \"luns\" of one", names[0])
	default:
		c.note(at, "no target has the units %s: nobody sees them until they are in the \"luns\" of one", some(names))
	}
}

// luns checks a map, and notes the units that it has.
func (c *checker) luns(path string, luns []LUN, mapped map[string]bool) {
	var numbers map[int]bool
	for i, l := range luns {
		if l.Number >= 0 && l.Number <= MaxLUN && c.names[l.Unit] && (i == 0 || l.Number > luns[i-1].Number) && numbers == nil {
			mapped[l.Unit] = true
			continue // as nearly all are
		}
		if numbers == nil {
			numbers = make(map[int]bool)
			for _, before := range luns[:i] {
				numbers[before.Number] = true
			}
		}
		at := fmt.Sprintf("%s.luns.%d", path, l.Number)
		if l.Number < 0 || l.Number > MaxLUN {
			c.fail(at, "a LUN is a number from 0 to %d", MaxLUN)
		}
		if numbers[l.Number] {
			c.fail(at, "LUN %d is here twice", l.Number)
		}
		numbers[l.Number] = true
		if !c.names[l.Unit] && !c.namesUnread() {
			names := c.unitNames()
			c.fail(at, "there is no unit %q: there is %s%s", l.Unit, listOnce(names), meant(l.Unit, names))
		}
		mapped[l.Unit] = true
	}
}

// unitNames are those of all logical units, for errors.
func (c *checker) unitNames() []string {
	if len(c.problems) >= maxProblems {
		return nil
	}
	var names []string
	for i := range c.doc.Units {
		names = append(names, c.doc.Units[i].Names...)
	}
	return names
}

// maintenance checks where those are sent who want a target that is being worked on.
func (c *checker) maintenance(path string, m Maintenance) {
	if m.Redirect == "" {
		return
	}
	if _, port, named, why := hostPort(m.Redirect); why != "" {
		c.fail(path, "%q is not an address to send initiators to, %s: it is ADDRESS[:PORT], such as 192.0.2.1:3260 or [2001:db8::1]", m.Redirect, why)
	} else if named && port == 0 {
		c.fail(path, "%q is not an address to send initiators to: its port is 0", m.Redirect)
	}
}

// mapsUnread reports that maps of targets were not read.
func (c *checker) mapsUnread() bool {
	return slices.ContainsFunc(c.unread, func(p *Problem) bool {
		return strings.HasPrefix(p.where, "targets") && (!strings.Contains(p.where, ".") || strings.Contains(p.where, "].luns") || strings.Contains(p.where, "].access"))
	})
}

package model

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxLUN is the highest LUN that a target maps (flat space addressing, SAM-5 4.7.7.3).
const MaxLUN = 16383

// MaxAlias is the longest alias in bytes: what every transport that has them can tell
// (iSCSI, RFC 7143 6.1, has the least room).
const MaxAlias = 255

// Validate checks the whole document, fills in what it leaves open, and converts all
// options. Nothing is opened, listened on, or looked for in the file system.
// Its errors are [Problems]. What is right, and perhaps not what was meant, is in Notes then.
func (d *Document) Validate(schema Schema) error {
	if problems := d.validate(schema, nil); len(problems) > 0 {
		return problems
	}
	return nil
}

// validate is Validate of what could be read of a document, with what could not.
func (d *Document) validate(schema Schema, unread Problems) Problems {
	d.fill(schema)
	d.Notes = nil
	c := checker{doc: d, schema: schema, unread: unread}
	c.version()
	c.units()
	c.targets()
	c.portals()
	c.limits()
	given := d.Given
	for _, f := range schema.Flags {
		given = given.Put(f.Given)
		for _, in := range f.Of {
			d.Label(join(f.Given.Name, in.Name), f.Name)
		}
	}
	d.Values = c.section("", keys(d), schema.Document, given)
	for _, check := range schema.Checks {
		check(&Check{Document: d, checker: &c})
	}
	return c.problems
}

type checker struct {
	doc      *Document
	schema   Schema
	problems Problems
	unread   Problems // what was found when the document was read
}

func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, c.doc.source.problem(path, fmt.Errorf(format, args...)))
}

// failKey is fail for a key that should not be at path.
func (c *checker) failKey(path, key, format string, args ...any) {
	p := c.doc.source.problem(path, fmt.Errorf(format, args...))
	if at, ok := c.doc.source.keys[join(path, key)]; ok {
		p.At = at
	}
	p.where, p.key = join(path, key), true
	c.problems = append(c.problems, p)
}

// A Check is a plugin's own look at a document, whose options are converted as far as they
// are right.
type Check struct {
	Document *Document
	checker  *checker
}

// Fail notes what is wrong with the value at path, such as targets[0].alias.
func (c *Check) Fail(path, format string, args ...any) { c.checker.fail(path, format, args...) }

// Note notes that what is written at path is right, and perhaps not what was meant: that it has no
// effect, for instance.
func (c *Check) Note(path, format string, args ...any) {
	d := c.Document
	d.Notes = append(d.Notes, d.source.problem(path, fmt.Errorf(format, args...)))
}

// Restrictions are what keeps initiators out of a target, whatever shows it: see
// [Schema.Restricts].
func (c *Check) Restrictions(t Target) []string {
	var all []string
	for _, restricts := range c.checker.schema.Restricts {
		if why := restricts(t.Values); why != "" {
			all = append(all, why)
		}
	}
	return all
}

// Portals are those of a transport that show a target.
func (c *Check) Portals(transport, target string) []Portal {
	var all []Portal
	for _, p := range c.Document.Portals {
		if p.Transport() == transport && p.Shows(target) {
			all = append(all, p)
		}
	}
	return all
}

// SameName reports that a target before the one at i has its name.
func (d *Document) SameName(i int) bool {
	return slices.ContainsFunc(d.Targets[:i], func(t Target) bool { return t.Name == d.Targets[i].Name })
}

func (c *checker) version() {
	switch v := c.doc.Version; v {
	case Version:
	case 0:
		c.fail("version", "it is missing: a document starts with \"version: %d\"", Version)
	default:
		c.fail("version", "version %d is not known here: this program reads version %d", v, Version)
	}
}

func (c *checker) targets() {
	if len(c.doc.Targets) == 0 {
		c.fail("targets", "there is no target: add one with \"name\" and \"luns\"")
	}
	var names []string
	for _, u := range c.doc.Units {
		names = append(names, u.Names...)
	}
	mapped := make(map[string]bool)
	for i := range c.doc.Targets {
		t := &c.doc.Targets[i]
		path := fmt.Sprintf("targets[%d]", i)
		if t.Name == "" {
			c.fail(path, "the target has no name: add \"name: %sNAME\"", NamePrefix)
		} else if name, err := TargetName(t.Name); err != nil {
			c.fail(path+".name", "%w", err)
		} else if t.Name = name; c.doc.SameName(i) {
			c.fail(path+".name", "there are two targets %q: each name is used once", t.Name)
		}
		if len(t.Alias) > MaxAlias || strings.ContainsFunc(t.Alias, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			c.fail(path+".alias", "an alias has up to %d bytes and no control characters", MaxAlias)
		}
		c.luns(path, t, names, mapped)
		t.Values = c.section(path, keys(t), c.schema.Target, t.Given)
	}
	for i, u := range c.doc.Units {
		if u.Name != "" && len(c.doc.Targets) > 0 && !anyOf(mapped, u.Names) && !c.mapsUnread() {
			c.fail(fmt.Sprintf("units[%d]", i), "no target has the unit %q: name it in the \"luns\" of one", u.Name)
		}
	}
}

// luns checks the map of a target, and notes the units that it has.
func (c *checker) luns(path string, t *Target, names []string, mapped map[string]bool) {
	if len(t.LUNs) == 0 {
		c.fail(path, "the target has no LUNs: add \"luns: {0: UNIT}\"")
	}
	known := make(map[string]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	numbers := make(map[int]bool)
	for _, l := range t.LUNs {
		at := fmt.Sprintf("%s.luns.%d", path, l.Number)
		if l.Number < 0 || l.Number > MaxLUN {
			c.fail(at, "a LUN is a number from 0 to %d", MaxLUN)
		}
		if numbers[l.Number] {
			c.fail(at, "LUN %d is here twice", l.Number)
		}
		numbers[l.Number] = true
		if !known[l.Unit] && !c.namesUnread() {
			c.fail(at, "there is no unit %q: there is %s", l.Unit, listOnce(names))
		}
		mapped[l.Unit] = true
	}
}

// namesUnread reports that units were not read that have names.
func (c *checker) namesUnread() bool {
	return slices.ContainsFunc(c.unread, func(p *Problem) bool {
		return strings.HasPrefix(p.where, "units") && (!strings.Contains(p.where, ".") || strings.HasSuffix(p.where, "].name"))
	})
}

// mapsUnread reports that maps of targets were not read.
func (c *checker) mapsUnread() bool {
	return slices.ContainsFunc(c.unread, func(p *Problem) bool {
		return strings.HasPrefix(p.where, "targets") && (!strings.Contains(p.where, ".") || strings.Contains(p.where, "].luns"))
	})
}

func anyOf(set map[string]bool, names []string) bool {
	for _, name := range names {
		if set[name] {
			return true
		}
	}
	return false
}

func (c *checker) limits() {
	l := c.doc.Limits
	if l.Memory < 16<<20 {
		c.fail("limits.memory", "%v is too little: data on the move needs at least 16M", l.Memory)
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"connections", l.Connections}, {"logins", l.Logins}} {
		if n.value < 1 || n.value > 1<<20 {
			c.fail("limits."+n.key, "%d is not from 1 to %d", n.value, 1<<20)
		}
	}
	for _, n := range []struct {
		key   string
		value time.Duration
	}{{"login-timeout", l.LoginTimeout}, {"idle-timeout", l.IdleTimeout}, {"stop-timeout", l.StopTimeout}} {
		if n.value < time.Second || n.value > time.Hour {
			c.fail("limits."+n.key, "%v is not from 1s to 1h", n.value)
		}
	}
}

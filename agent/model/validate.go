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
	return d.validateAll(schema, unread, &editor{})
}

// validateAll is validate; what an editor has left as it was keeps its values.
func (d *Document) validateAll(schema Schema, unread Problems, e *editor) Problems {
	d.fill(schema)
	d.Notes = nil
	c := checker{doc: d, schema: schema, unread: unread, editor: e}
	c.version()
	c.users()
	c.units()
	c.targets()
	c.portals()
	c.limits()
	given := d.Given
	d.source.flags = make(map[string]string)
	for _, f := range schema.Flags {
		given = given.Put(f.Given)
		for _, in := range f.Of {
			d.source.flags[join(f.Given.Name, in.Name)] = f.Name
		}
	}
	d.Values = c.section("", keys(d), schema.Document, given)
	for _, check := range schema.Checks {
		check(&Check{Document: d, checker: &c})
	}
	d.source.valid = len(c.problems)+len(unread) == 0
	return c.problems
}

type checker struct {
	doc      *Document
	schema   Schema
	problems Problems
	unread   Problems // what was found when the document was read

	names map[string]bool // of all logical units
	user  map[string]int  // the index of a user, by name

	editor *editor // knows which units and targets have their values
	kept   bool    // the one that is looked at has
}

func (c *checker) fail(path, format string, args ...any) {
	if len(c.problems) < maxProblems {
		c.problems = append(c.problems, c.doc.source.problem(path, fmt.Errorf(format, args...)))
	}
}

// note notes what is right, and perhaps not what was meant.
func (c *checker) note(path, format string, args ...any) {
	if len(c.doc.Notes) < maxProblems {
		c.doc.Notes = append(c.doc.Notes, c.doc.source.problem(path, fmt.Errorf(format, args...)))
	}
}

// failKey is fail for a key that should not be at path.
func (c *checker) failKey(path, key, format string, args ...any) {
	if len(c.problems) >= maxProblems {
		return
	}
	p := c.doc.source.problem(path, fmt.Errorf(format, args...))
	if n, ok := c.doc.source.find(join(path, key)); ok {
		p.At = n.keyAt
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

// User finds a user of the document; the error lists those that there are.
func (c *Check) User(name string) (User, error) {
	if i, ok := c.checker.user[name]; ok {
		return c.Document.Users[i], nil
	}
	return User{}, c.Document.NoUser(name)
}

// Note notes that what is written at path is right, and perhaps not what was meant: that it has no
// effect, for instance.
func (c *Check) Note(path, format string, args ...any) {
	c.checker.note(path, format, args...)
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

// namesUnread reports that units were not read that have names.
func (c *checker) namesUnread() bool {
	return slices.ContainsFunc(c.unread, func(p *Problem) bool {
		return strings.HasPrefix(p.where, "units") && (!strings.Contains(p.where, ".") || strings.HasSuffix(p.where, "].name"))
	})
}

func (c *checker) limits() {
	l := c.doc.Limits
	if l.Memory < leastMemory {
		c.fail("limits.memory", "%v is too little: data on the move needs at least %v", l.Memory, Size(leastMemory))
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"connections", l.Connections}, {"logins", l.Logins}} {
		if n.value < 1 || n.value > mostConnections {
			c.fail("limits."+n.key, "%d is not from 1 to %d", n.value, mostConnections)
		}
	}
	for _, n := range []struct {
		key   string
		value time.Duration
	}{{"login-timeout", l.LoginTimeout}, {"idle-timeout", l.IdleTimeout}, {"stop-timeout", l.StopTimeout}} {
		if n.value < leastTime || n.value > mostTime {
			c.fail("limits."+n.key, "%v is not from 1s to 1h", n.value)
		}
	}
}

package model

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// MaxLUN is the highest LUN that a target maps (flat space addressing, SAM-5 4.7.7.3).
const MaxLUN = 16383

// MaxAlias is the longest alias in bytes: the longest text value of a login key
// (RFC 7143 6.1).
const MaxAlias = 255

// Validate checks the whole document, fills in what it leaves open, and converts the
// options of plugins. Nothing is opened, listened on, or looked for in the file system.
// Its errors are [Problems].
func (d *Document) Validate(schema Schema) error {
	d.fill(schema)
	c := checker{doc: d, schema: schema}
	c.units()
	c.targets()
	c.portals()
	c.srp()
	c.auth("discovery.auth", d.Discovery.Auth)
	c.limits()
	c.network()
	c.iscsi()
	if len(c.problems) > 0 {
		return c.problems
	}
	return nil
}

type checker struct {
	doc      *Document
	schema   Schema
	problems Problems
}

func (c *checker) fail(path, format string, args ...any) {
	c.problems = append(c.problems, c.doc.source.problem(path, fmt.Errorf(format, args...)))
}

func (c *checker) units() {
	d := c.doc
	switch {
	case d.Version == 0:
		c.fail("version", "it is missing: a document starts with \"version: %d\"", Version)
	case d.Version != Version:
		c.fail("version", "version %d is not known here: this program reads version %d", d.Version, Version)
	}
	if len(d.Units) == 0 {
		c.fail("units", "there is no unit: nothing to serve")
	}
	seen := make(map[string]bool)
	for i := range d.Units {
		u := &d.Units[i]
		path := fmt.Sprintf("units[%d]", i)
		switch {
		case u.Name == "":
			c.fail(path, "the unit has no name: add \"name: …\"")
		case len(u.Name) > 64 || strings.Trim(strings.ToLower(u.Name), letters+decimals+".-_") != "":
			c.fail(path+".name", "%.70q is not a name of a unit: it has up to 64 letters, digits, '.', '-' and '_'", u.Name)
		case seen[u.Name]:
			c.fail(path+".name", "there are two units %q: each name is used once", u.Name)
		}
		seen[u.Name] = true
		c.plugin(path+".store", "store", &u.Store)
		for j := range u.Filters {
			c.plugin(fmt.Sprintf("%s.filters[%d]", path, j), "filter", &u.Filters[j])
		}
		c.plugin(path+".device", "device", &u.Device)
	}
	c.shared()
}

// shared refuses two units on the same path: each would overwrite the other.
func (c *checker) shared() {
	users := make(map[string]string)
	for i, u := range c.doc.Units {
		path := u.Store.Values.String("path")
		if path == "" {
			continue
		}
		if other, ok := users[path]; ok {
			c.fail(fmt.Sprintf("units[%d].store.path", i), "%s is the store of unit %q already: a store has one unit, which many targets may have", path, other)
		}
		users[path] = u.Name
	}
}

// plugin checks a plugin against its kind and converts its options.
func (c *checker) plugin(path, axis string, p *Plugin) {
	if p.Kind == "" {
		c.fail(path, "the %s has no kind: add \"kind: …\" with %s", axis, list(c.schema.Names(axis)))
		return
	}
	kind, err := c.schema.Find(axis, p.Kind)
	if err != nil {
		c.fail(path+".kind", "%w", err)
		return
	}
	p.Values = make(Values)
	var names []string
	for _, o := range kind.Options {
		names = append(names, o.Name)
		if o.Default != "" {
			v, err := o.Parse(o.Default)
			if err != nil { // the kind is wrong, not the document: its test finds it
				c.fail(path, "the default of %s: %w", o.Name, err)
			}
			p.Values[o.Name] = v
		}
	}
	for _, g := range p.Given {
		i := slices.IndexFunc(kind.Options, func(o Option) bool { return o.Name == g.Name })
		if i < 0 {
			c.fail(path, "a %s %s has no option %q: it has %s", p.Kind, axis, g.Name, list(names))
			continue
		}
		v, err := kind.Options[i].Parse(g.Text)
		if err != nil {
			c.fail(path+"."+g.Name, "%w", err)
			continue
		}
		p.Values[g.Name] = v
	}
	for _, o := range kind.Options {
		given := slices.ContainsFunc(p.Given, func(g Given) bool { return g.Name == o.Name })
		if o.Required && !given {
			c.fail(path, "a %s %s needs %s: %s", p.Kind, axis, o.Name, o.Help)
		}
	}
}

func (c *checker) targets() {
	if len(c.doc.Targets) == 0 {
		c.fail("targets", "there is no target: add one with \"name\" and \"luns\"")
	}
	var unitNames []string
	for _, u := range c.doc.Units {
		unitNames = append(unitNames, u.Name)
	}
	mapped := make(map[string]bool)
	seen := make(map[string]bool)
	for i, t := range c.doc.Targets {
		path := fmt.Sprintf("targets[%d]", i)
		if t.Name == "" {
			c.fail(path, "the target has no name: add \"name: %sNAME\"", NamePrefix)
		} else if err := CheckName(t.Name); err != nil {
			c.fail(path+".name", "%w", err)
		} else if seen[t.Name] {
			c.fail(path+".name", "there are two targets %q: each name is used once", t.Name)
		}
		seen[t.Name] = true
		if len(t.Alias) > MaxAlias || strings.ContainsFunc(t.Alias, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			c.fail(path+".alias", "an alias has up to %d bytes and no control characters", MaxAlias)
		}
		if len(t.LUNs) == 0 {
			c.fail(path, "the target has no LUNs: add \"luns: {0: UNIT}\"")
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
			if c.doc.Unit(l.Unit) == nil {
				c.fail(at, "there is no unit %q: there is %s", l.Unit, list(unitNames))
			}
			mapped[l.Unit] = true
		}
		for j, name := range t.Initiators {
			if err := CheckName(name); err != nil {
				c.fail(fmt.Sprintf("%s.initiators[%d]", path, j), "%w", err)
			}
		}
		c.auth(path+".auth", t.Auth)
	}
	for i, u := range c.doc.Units {
		if u.Name != "" && !mapped[u.Name] && len(c.doc.Targets) > 0 {
			c.fail(fmt.Sprintf("units[%d]", i), "no target has the unit %q: name it in the \"luns\" of one", u.Name)
		}
	}
}

// maxCHAPName is the longest CHAP_N in bytes (RFC 7143 12.1.3: a text value).
const maxCHAPName = 255

func (c *checker) auth(path string, a Auth) {
	seen := make(map[string]bool)
	for i, u := range a.Users {
		at := fmt.Sprintf("%s.users[%d]", path, i)
		c.user(at, u)
		if seen[u.Name] {
			c.fail(at+".user", "the user %q is here twice", u.Name)
		}
		seen[u.Name] = true
	}
	if a.Mutual == nil {
		return
	}
	c.user(path+".mutual", *a.Mutual)
	if len(a.Users) == 0 {
		c.fail(path+".mutual", "we prove who we are only to initiators that do so first: add \"users\"")
	}
	for _, u := range a.Users {
		if a.Mutual.SecretFile != "" && u.SecretFile == a.Mutual.SecretFile {
			c.fail(path+".mutual.secret-file", "the secrets of the two directions must differ (RFC 7143 9.2.1): give them two files")
		}
	}
}

func (c *checker) user(path string, u User) {
	if err := CheckUser(u); err != nil {
		c.fail(path, "%w", err)
	}
}

// CheckUser reports what is wrong with a CHAP user.
func CheckUser(u User) error {
	switch {
	case u.Name == "":
		return errors.New("there is no user: write the name that the initiator gives as CHAP_N")
	case len(u.Name) > maxCHAPName || strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("a CHAP name has up to %d bytes and no control characters", maxCHAPName)
	case u.SecretFile == "":
		return fmt.Errorf("the user %q has no secret-file: name the file that has the secret", u.Name)
	}
	return nil
}

func (c *checker) portals() {
	seen := make(map[string]Portal) // by the port that each takes
	for i, p := range c.doc.Portals {
		path := fmt.Sprintf("portals[%d]", i)
		kind, err := c.schema.Find("transport", p.Scheme())
		if err != nil {
			c.fail(path, "%s", c.noTransport(p))
		}
		if p.Port == 0 {
			if p.NoPort && err == nil {
				c.fail(path, "%s has no port of its own: write %s://%s", p.Scheme(), p.Scheme(), net.JoinHostPort(p.Host, "PORT"))
			}
			continue
		}
		port := or(kind.Space, p.Scheme()) + " " + p.Addr()
		switch other, ok := seen[port]; {
		case ok && other == p:
			c.fail(path, "%s is here twice", p)
		case ok:
			c.fail(path, "%s has the same port as %s, since both connect by TCP: give one of them another, such as %s", p, other, p.next())
		}
		seen[port] = p
	}
}

// next is p with the next port.
func (p Portal) next() Portal {
	p.Port = max(p.Port+1, 1024)
	return p
}

// noTransport says which part of TRANSPORT+PROVIDER there is not.
func (c *checker) noTransport(p Portal) string {
	var transports, providers []string
	names := c.schema.Names("transport")
	for _, name := range names {
		t, n, _ := strings.Cut(name, "+")
		transports = append(transports, t)
		if t == p.Transport {
			providers = append(providers, n)
		}
	}
	if len(providers) > 0 {
		return fmt.Sprintf("there is no provider %q for the transport %s: there is %s", p.Provider, p.Transport, list(providers))
	}
	slices.Sort(transports)
	return fmt.Sprintf("there is no transport %q: there is %s (as %s)", p.Transport, list(slices.Compact(transports)), list(names))
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

package model

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxUser is the longest name of a user in bytes (RFC 7143 12.1.3: a text value).
const maxUser = 255

// users checks who can prove who they are.
func (c *checker) users() {
	c.user = make(map[string]int, len(c.doc.Users))
	for i, u := range c.doc.Users {
		path := fmt.Sprintf("users[%d]", i)
		switch {
		case u.Name == "":
			c.fail(path, "the user has no name: add \"name: …\", as initiators give it")
		case len(u.Name) > maxUser || strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
			c.fail(path+".name", "the name of a user has up to %d bytes and no control characters", maxUser)
		case c.userIs(u.Name):
			c.fail(path+".name", "there are two users %q: each name is used once", u.Name)
		}
		c.user[u.Name] = i
		if u.SecretFile == "" {
			c.fail(path, "the user %q has no secret-file: name the file that has the secret", u.Name)
		}
	}
}

func (c *checker) userIs(name string) bool { _, ok := c.user[name]; return ok }

// NoUser is the error for a name that is not among the users of the document.
func (d *Document) NoUser(name string) error {
	if len(d.Users) == 0 {
		return fmt.Errorf("there is no user %q: the document has no \"users\"", name)
	}
	var names []string
	for _, u := range d.Users {
		names = append(names, u.Name)
	}
	return fmt.Errorf("there is no user %q: there is %s%s", name, listOnce(names), meant(name, names))
}

// access checks what some initiators see of a target.
func (c *checker) access(path string, t *Target, mapped map[string]bool) {
	seen := make(map[string]bool)
	for i := range t.Access {
		a := &t.Access[i]
		at := fmt.Sprintf("%s.access[%d]", path, i)
		switch {
		case a.Name == "":
			c.fail(at, "it has no name: add \"name: …\", by which it is changed and taken away")
		case !plainName(a.Name):
			c.fail(at+".name", "%.70q is not a name: it has up to 64 letters, digits, '.', '-' and '_'", a.Name)
		case seen[a.Name]:
			c.fail(at+".name", "the name %q is here twice: each is used once in a target", a.Name)
		}
		seen[a.Name] = true
		checkList(c, at+".initiators", a.Initiators, initiatorPattern)
		checkList(c, at+".addresses", a.Addresses, addressPattern)
		checkList(c, at+".users", a.Users, func(name string) (string, error) {
			if !c.userIs(name) && !c.usersUnread() {
				return "", c.doc.NoUser(name)
			}
			return name, nil
		})
		c.luns(at, a.LUNs, mapped)
	}
}

// usersUnread reports that users were not read that have names.
func (c *checker) usersUnread() bool {
	return slices.ContainsFunc(c.unread, func(p *Problem) bool {
		return strings.HasPrefix(p.where, "users") && (!strings.Contains(p.where, ".") || strings.HasSuffix(p.where, "].name"))
	})
}

// checkList checks a list of an access, which asks for nothing only if it is not there, and puts its
// elements in the form that counts.
func checkList(c *checker, path string, list []string, normal func(string) (string, error)) {
	if list != nil && len(list) == 0 {
		c.fail(path, "the list is empty, and nobody is on it: leave it out to ask for nothing")
	}
	seen := make(map[string]bool, len(list))
	for i, text := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		form, err := normal(text)
		switch {
		case err != nil:
			c.fail(at, "%w", err)
			continue
		case seen[form]:
			c.fail(at, "%q is here twice", form)
		case form != text:
			list[i] = form
		}
		seen[form] = true
	}
}

// addressPattern returns an address, or a network, as it is usually written.
func addressPattern(text string) (string, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			return "", fmt.Errorf("%.70q is not a network: it is ADDRESS/BITS, such as 192.0.2.0/24 or 2001:db8::/32", text)
		case p.Addr() != p.Masked().Addr():
			return "", fmt.Errorf("%q is an address in the network %s: leave /%d out, or write the network", text, p.Masked(), p.Bits())
		}
		return p.String(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return "", fmt.Errorf("%.70q is neither an address nor a network, such as 192.0.2.1, 2001:db8::1 or 192.0.2.0/24", text)
	}
	return a.Unmap().String(), nil
}

package auth

import (
	"crypto/subtle"
	"slices"
)

// Guests lets in whoever one of several CHAPs would let in, and tells which. It is for discovery: who
// may log in to a target may ask for it, and learns of no other.
type Guests struct{ chap CHAP }

// A guest is a CHAP among several.
type guest struct {
	name string
	chap *CHAP
}

// NewGuests makes the authentication of the users of several CHAPs, by name.
func NewGuests(all map[string]*CHAP) *Guests {
	g := &Guests{chap: CHAP{random: random}}
	for name, c := range all {
		g.chap.guests = append(g.chap.guests, guest{name, c})
		for _, a := range c.algorithms {
			if !slices.Contains(g.chap.algorithms, a) {
				g.chap.algorithms = append(g.chap.algorithms, a)
			}
		}
	}
	return g
}

// Begin starts the authentication of one connection.
func (g *Guests) Begin() *GuestRun { return &GuestRun{Run{chap: &g.chap}} }

// A GuestRun is a Run of Guests.
type GuestRun struct{ Run }

// Opens reports whether the initiator has proved what the CHAP of the name in NewGuests asks for.
func (r *GuestRun) Opens(name string) bool {
	return r.state == proved && slices.Contains(r.opens, name)
}

// matches reports whether there is such a user, and whether the response is right. It computes as many
// responses whichever it is.
func (r *Run) matches(user string, response []byte) (known, right bool) {
	if r.chap.guests == nil {
		known, right = r.chap.matches(r, user, response)
		r.by = r.chap
		return known, right
	}
	for _, g := range r.chap.guests {
		k, ok := g.chap.matches(r, user, response)
		known = known || k
		if !ok || !slices.Contains(g.chap.algorithms, r.algorithm) {
			continue
		}
		right = true
		r.opens = append(r.opens, g.name)
		if r.by == nil || r.by.target == nil {
			r.by = g.chap
		}
	}
	return known, right
}

// matches is [Run.matches] for one CHAP.
func (c *CHAP) matches(r *Run, user string, response []byte) (known, right bool) {
	secret, is := c.secret(user)
	want := r.algorithm.Response(r.id, secret, r.challenge)
	return is == 1, subtle.ConstantTimeCompare(response, want)&is == 1
}

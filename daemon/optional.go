package daemon

import (
	"errors"
	"slices"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// An absentUnit is one that the document calls optional, and that could not be opened at the start. Targets show
// nothing at its LUNs.
type absentUnit struct {
	spec model.Unit
	why  error
}

func (a *absentUnit) name() string { return a.spec.Name }

// errNoUnits reports that nothing is left to serve.
var errNoUnits = errors.New("none of the units, all of which are optional, can be opened: there is nothing to serve")

// missing finds the absent unit that a logical unit would be of.
func (c *units) missing(logical string) (*absentUnit, bool) {
	for _, a := range c.absent.load() {
		if slices.Contains(a.spec.Names, logical) {
			return a, true
		}
	}
	return nil, false
}

// shown are the logical units of an absent unit as the API has them.
func (a *absentUnit) shown() (all []api.Unit) {
	for _, name := range a.spec.Names {
		all = append(all, api.Unit{Name: name, Device: a.spec.Device.Kind, Facts: api.Facts{
			{Name: "absent", Value: oneLine(a.why), Column: "STORE", Text: "absent: " + oneLine(a.why)},
		}})
	}
	return all
}

// noteAbsent makes a note of what is wrong with an optional unit.
func (l *looker) noteAbsent(u *model.Unit, path string, err error) {
	if u.Optional {
		l.absent++
		l.doc.Notes = append(l.doc.Notes, l.doc.Problem(path, &notServed{err}))
	}
}

// notServed is the note of a unit that would be absent.
type notServed struct{ err error }

func (n *notServed) Error() string {
	return "the unit is optional, and would not be served now: " + n.err.Error()
}

func (n *notServed) Unwrap() error { return n.err }

// found is what a store is before it is opened; empty where its kind does not say.
func found(kind plugin.Store, v model.Values) (plugin.Found, error) {
	if kind.Look == nil {
		return plugin.Found{}, nil
	}
	return kind.Look(v)
}

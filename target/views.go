package target

import (
	"net/netip"
	"slices"

	"github.com/lunette-io/lunette/internal/wildcard"
)

// A View is what some initiators see instead of what all see: those who fit each of its lists that is not
// empty.
type View struct {
	Initiators []string       // names, or patterns: * is anything, ? is one character
	Addresses  []netip.Prefix // networks, in which an address is a network of its own
	Users      []string       // who has proved to be one of them
	Maps       []Mapping
}

// Views are what the initiators of a target see. They are a value that is replaced, never changed.
type Views struct {
	all  Map
	some []ownView
}

// An ownView is a View that was checked.
type ownView struct {
	View
	shown Map
}

// NewViews makes what initiators of the target with a name see: the maps of the first of some that they fit,
// or else those of all.
func NewViews(target string, all []Mapping, some ...View) (*Views, error) {
	m, err := newMap(target, all)
	if err != nil {
		return nil, err
	}
	v := &Views{all: m}
	for _, x := range some {
		own, err := newMap(target, x.Maps)
		if err != nil {
			return nil, err
		}
		x.Addresses = slices.Clone(x.Addresses)
		for i, p := range x.Addresses {
			x.Addresses[i] = unmapped(p)
		}
		v.some = append(v.some, ownView{x, own})
	}
	return v, nil
}

// of is what an initiator sees.
func (v *Views) of(i *Initiator) Map {
	for n := range v.some {
		if x := &v.some[n]; x.fits(i) {
			return x.shown
		}
	}
	return v.all
}

// fits reports that the view is that of an initiator.
func (v *View) fits(i *Initiator) bool {
	address := i.Address.Unmap().WithZone("")
	return (len(v.Initiators) == 0 || slices.ContainsFunc(v.Initiators, func(p string) bool { return i.called(p) })) &&
		(len(v.Addresses) == 0 || slices.ContainsFunc(v.Addresses, func(p netip.Prefix) bool { return p.Contains(address) })) &&
		(len(v.Users) == 0 || i.User != "" && slices.Contains(v.Users, i.User))
}

// unmapped is p with an address of IPv4 as such, and without a zone, which a prefix has not.
func unmapped(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p
}

// called reports that one of the initiator's names fits a pattern.
func (i *Initiator) called(pattern string) bool {
	return wildcard.Matches(pattern, i.Name) ||
		slices.ContainsFunc(i.Also, func(name string) bool { return wildcard.Matches(pattern, name) })
}

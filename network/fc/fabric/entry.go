package fabric

import (
	"cmp"
	"slices"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// An entry is what the services know of a port, inside or outside. f.mu guards it.
type entry struct {
	id         fc.ID
	port, node fc.Name
	payload    int // what the port takes in a frame
	// One of them is where it is.
	inside *port
	member *member

	types                  ct.Types
	features               ct.FeatureTable
	portSymbol, nodeSymbol []byte // at most ct.MaxSymbol bytes

	changes bool // it has registered for state changes (SCR)
	notes   notes
}

// all are the ports there are, in the order of addresses. f.mu is held.
func (f *Fabric) all() (all []*entry) {
	for _, p := range f.ports {
		all = append(all, &p.entry)
	}
	for _, m := range f.members {
		all = append(all, &m.entry)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return all
}

// visible are the ports that e sees, and itself, in the order of addresses. f.mu is held.
func (f *Fabric) visible(e *entry) []*entry {
	if e.member == nil {
		return slices.DeleteFunc(f.all(), func(o *entry) bool { return !f.sees(e, o) })
	}
	// Others outside are none of its business, and there may be many of them.
	all := []*entry{e}
	for _, p := range f.ports {
		if f.sees(e, &p.entry) {
			all = append(all, &p.entry)
		}
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Compare(a.id, b.id) })
	return all
}

// sees reports whether two ports may see each other; a port sees itself. f.mu is held.
func (f *Fabric) sees(a, b *entry) bool {
	switch {
	case a == b:
		return true
	case a.member != nil && b.member != nil:
		return false
	case a.member != nil:
		return a.member.sees(b.id)
	case b.member != nil:
		return b.member.sees(a.id)
	}
	return true
}

// entryAt is the port at an address; nil: nobody is. f.mu is held.
func (f *Fabric) entryAt(id fc.ID) *entry {
	if p := f.ports[id]; p != nil {
		return &p.entry
	}
	if m := f.members[id]; m != nil {
		return &m.entry
	}
	return nil
}

// Zone implements [fc.Zoned].
func (f *Fabric) Zone(z fc.Zoning) {
	f.mu.Lock()
	f.zoning = z
	f.mu.Unlock()
	f.Rezone()
}

// Rezone implements [fc.Zoned]: whoever sees another port now, or does not see one any more, is told.
func (f *Fabric) Rezone() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.members {
		before := m.seen
		f.look(m)
		for id, p := range f.ports {
			_, was := before[id]
			if was == m.sees(id) {
				continue
			}
			f.tell(&m.entry, id)
			f.tell(&p.entry, m.id)
			if was {
				f.part(m, id)
			}
		}
	}
}

// look finds out which ports inside m sees. f.mu is held.
func (f *Fabric) look(m *member) {
	seen := make(map[fc.ID]struct{}, len(f.ports))
	for id, p := range f.ports {
		if f.zoning == nil || f.zoning.Sees(p.port, m.port) {
			seen[id] = struct{}{}
		}
	}
	f.table.Lock()
	m.seen = seen
	f.table.Unlock()
}

// serviceName is the port name of a service: that of the fabric, of NAA 2 (FC-FS-5 "Name_Identifier formats"), with the end of the address.
func (f *Fabric) serviceName(id fc.ID) fc.Name {
	return 0x2000<<48 | fc.Name(id&0xfff)<<48 | f.c.Name&(1<<48-1)
}

// login is the LS_ACC of PLOGI to a service. f.mu is held.
func (f *Fabric) login(id fc.ID) []byte {
	l := els.PortLogin(els.LSAcc, f.serviceName(id), f.c.Name, f.c.MaxPayload, f.c.ErrorDetect)
	return l.Append(nil)
}

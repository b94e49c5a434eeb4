package target

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/scsi"
)

// MaxLUN is the highest LUN number that a target maps.
const MaxLUN = 16383

// A Mapping says which unit an initiator finds at a LUN.
type Mapping struct {
	LUN  scsi.LUN
	Unit *Unit
}

// A Target is a SCSI target device: units at LUNs, behind one or more ports.
type Target struct {
	Name string

	luns []Mapping // by LUN number; not changed

	mu      sync.Mutex
	nexuses map[*Nexus]struct{}
}

// NewTarget makes a target of the units in maps.
func NewTarget(name string, maps ...Mapping) (*Target, error) {
	t := &Target{Name: name, luns: slices.Clone(maps), nexuses: make(map[*Nexus]struct{})}
	number := func(m Mapping) uint32 { i, _ := m.LUN.Index(); return i }
	slices.SortFunc(t.luns, func(a, b Mapping) int { return int(number(a)) - int(number(b)) })
	for i, m := range t.luns {
		if n, ok := m.LUN.Index(); !ok || n > MaxLUN {
			return nil, fmt.Errorf("target %s: LUN %v is not a number up to %d", name, m.LUN, MaxLUN)
		}
		if i > 0 && number(t.luns[i-1]) == number(m) {
			return nil, fmt.Errorf("target %s: LUN %d is mapped twice", name, number(m))
		}
	}
	return t, nil
}

// Mappings are the LUNs of the target in order.
func (t *Target) Mappings() []Mapping { return slices.Clone(t.luns) }

// Nexuses are the I_T nexuses now, in no order.
func (t *Target) Nexuses() []*Nexus {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Nexus, 0, len(t.nexuses))
	for n := range t.nexuses {
		all = append(all, n)
	}
	return all
}

// A Port is a SCSI target port: where one transport meets one target.
type Port struct {
	Target   *Target
	Protocol scsi.Protocol
	// Relative is the RELATIVE TARGET PORT IDENTIFIER, from 1, unique in the target.
	Relative uint16
	// Group is the target port group (ALUA); 0 when there is none.
	Group uint16
	// Name is the SCSI name of the port, e.g. "iqn.2026-11.io.lunette:disk,t,0x0001".
	Name string
}

// ErrClosed reports a login to a target that is going away.
var ErrClosed = errors.New("target: closed")

// Login makes an I_T nexus. The caller ends it with Lost.
func (p *Port) Login(svc Services, from Initiator) *Nexus {
	n := &Nexus{Port: p, Initiator: from, svc: svc}
	n.absent = &ITL{Nexus: n}
	for _, m := range p.Target.luns {
		i, _ := m.LUN.Index()
		for int(i) >= len(n.itls) {
			n.itls = append(n.itls, nil)
		}
		n.itls[i] = &ITL{Nexus: n, LUN: m.LUN, unit: m.Unit}
	}
	for _, x := range n.ITLs() {
		x.unit.attach(x)
	}
	p.Target.mu.Lock()
	p.Target.nexuses[n] = struct{}{}
	p.Target.mu.Unlock()
	return n
}

// Lost ends the nexus ("I_T nexus loss"): no task starts any more, those that are
// there are aborted, and when the last of them has ended the units forget the nexus
// and done is called, perhaps before Lost returns.
func (n *Nexus) Lost(done func()) {
	itls := append(n.ITLs(), n.absent)
	g := newGroup(func() {
		for _, x := range n.ITLs() {
			x.unit.detach(x)
		}
		t := n.Port.Target
		t.mu.Lock()
		delete(t.nexuses, n)
		t.mu.Unlock()
		done()
	})
	for _, x := range itls {
		x.mu.Lock()
		x.closed = true
		x.mu.Unlock()
		abort(x, everyTask, g)
	}
	g.done()
}

package target

import (
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// MaxLUN is the highest LUN number that a target maps.
const MaxLUN = 16383

// A Mapping says which unit an initiator finds at a LUN.
type Mapping struct {
	LUN  scsi.LUN
	Unit *Unit
	// ReadOnly: who sees the unit here may not write.
	ReadOnly bool
}

// A Map is what an initiator sees, in the order of LUNs. It is a value that is replaced, never
// changed.
type Map []Mapping

// newMap checks and sorts.
func newMap(target string, maps []Mapping) (Map, error) {
	m := slices.Clone(maps)
	number := func(m Mapping) uint32 { i, _ := m.LUN.Index(); return i }
	slices.SortFunc(m, func(a, b Mapping) int { return int(number(a)) - int(number(b)) })
	for i := range m {
		if n, ok := m[i].LUN.Index(); !ok || n > MaxLUN {
			return nil, fmt.Errorf("target %s: LUN %v is not a number up to %d", target, m[i].LUN, MaxLUN)
		}
		if i > 0 && number(m[i-1]) == number(m[i]) {
			return nil, fmt.Errorf("target %s: LUN %d is mapped twice", target, number(m[i]))
		}
	}
	return m, nil
}

// SetViews replaces what initiators see, by the next command of each: a nexus sees the old map or the new
// one. It cannot fail, and waits for nobody.
//
// Nexuses whose map stays the same notice nothing. A unit that a nexus does not see any more, or sees at
// another LUN, loses that I_T_L nexus: tasks there are aborted, and gone, which may be nil, is called when
// the last of them has ended everywhere, perhaps before SetViews returns. The I_T_L nexuses that such a nexus
// keeps tell it that REPORTED LUNS DATA HAS CHANGED. One whose mapping is read-only from now on, or not any
// more, stays as it is, with its tasks and reservations, and tells it.
func (t *Target) SetViews(v *Views, gone func()) {
	t.mu.Lock()
	t.views = v
	var lost []*ITL
	for n := range t.nexuses {
		if !n.lost {
			lost = append(lost, n.show(v.of(&n.Initiator))...)
		}
	}
	t.mu.Unlock()
	t.lose(lost, gone)
}

// lose ends I_T_L nexuses; gone is called when their units have forgotten them.
func (t *Target) lose(lost []*ITL, gone func()) {
	if gone == nil {
		gone = func() {}
	}
	all := newGroup(gone)
	for _, x := range lost {
		all.add()
		own := newGroup(func() {
			t.mu.Lock()
			delete(x.Nexus.parting, x)
			t.mu.Unlock()
			all.done()
		})
		x.lose(own)
		own.done()
	}
	all.done()
}

// Mappings are what an initiator sees, in the order of LUNs.
func (t *Target) Mappings(from Initiator) []Mapping {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.views.of(&from))
}

// show makes n see m. It returns the I_T_L nexuses that n has lost by that, which the caller
// ends without the lock. The target's mu is held.
func (n *Nexus) show(m Map) (lost []*ITL) {
	old, v := n.view.Load(), &view{}
	var kept, gained, turned []*ITL
	for _, p := range m {
		i, _ := p.LUN.Index()
		for int(i) >= len(v.itls) {
			v.itls = append(v.itls, nil)
		}
		if int(i) < len(old.itls) && old.itls[i] != nil && old.itls[i].unit == p.Unit {
			x := old.itls[i]
			v.itls[i] = x
			kept = append(kept, x)
			if x.readOnly.Swap(p.ReadOnly) != p.ReadOnly {
				turned = append(turned, x)
			}
			continue
		}
		x := newITL(n, p.LUN, p.Unit)
		x.readOnly.Store(p.ReadOnly)
		v.itls[i] = x
		gained = append(gained, x)
	}
	for i, x := range old.itls {
		if x != nil && (i >= len(v.itls) || v.itls[i] != x) {
			lost = append(lost, x)
			if n.parting == nil {
				n.parting = make(map[*ITL]struct{})
			}
			n.parting[x] = struct{}{}
		}
	}
	if len(gained) > 0 || len(lost) > 0 {
		for _, x := range gained {
			x.unit.attach(x)
		}
		n.view.Store(v)
		n.inventoryChanged(gained, lost)
		for _, x := range kept {
			x.unit.server().Event(InventoryChanged, x)
		}
	}
	for _, x := range turned {
		x.unit.server().Event(ProtectionChanged, x)
	}
	return lost
}

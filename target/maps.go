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

// SetMap replaces what the initiator with that name sees, by its next command; "" is for all
// that have no map of their own. Units that it does not see any more lose their I_T_L
// nexuses: tasks there are aborted, and gone, which may be nil, is called when the last of them
// has ended, perhaps before SetMap returns. The units that it goes on seeing tell it that
// REPORTED LUNS DATA HAS CHANGED.
func (t *Target) SetMap(initiator string, maps []Mapping, gone func()) error {
	m, err := newMap(t.Name, maps)
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.maps[initiator] = m
	lost := t.showAll()
	t.mu.Unlock()
	t.lose(lost, gone)
	return nil
}

// DropMap takes the initiator's own map away: it sees what everybody does. gone is that of
// SetMap.
func (t *Target) DropMap(initiator string, gone func()) {
	t.mu.Lock()
	if initiator != "" {
		delete(t.maps, initiator)
	}
	lost := t.showAll()
	t.mu.Unlock()
	t.lose(lost, gone)
}

// showAll lets all nexuses see what they are to see now. It returns the I_T_L nexuses that they
// have lost by that. t.mu is held.
func (t *Target) showAll() (lost []*ITL) {
	for n := range t.nexuses {
		if !n.lost {
			lost = append(lost, n.show(t.mapOf(n.Initiator.Name))...)
		}
	}
	return lost
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

// Mappings are what the initiator with that name sees, in order.
func (t *Target) Mappings(initiator string) []Mapping {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.mapOf(initiator))
}

// mapOf is the map of the initiator with that name. t.mu is held.
func (t *Target) mapOf(initiator string) Map {
	if m, own := t.maps[initiator]; own {
		return m
	}
	return t.maps[""]
}

// show makes n see m. It returns the I_T_L nexuses that n has lost by that, which the caller
// ends without the lock. The target's mu is held.
func (n *Nexus) show(m Map) (lost []*ITL) {
	old, v := n.view.Load(), &view{}
	var kept, gained []*ITL
	for _, p := range m {
		i, _ := p.LUN.Index()
		for int(i) >= len(v.itls) {
			v.itls = append(v.itls, nil)
		}
		if int(i) < len(old.itls) && old.itls[i] != nil && old.itls[i].unit == p.Unit {
			v.itls[i] = old.itls[i]
			kept = append(kept, v.itls[i])
			continue
		}
		v.itls[i] = newITL(n, p.LUN, p.Unit)
		gained = append(gained, v.itls[i])
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
	if len(gained) == 0 && len(lost) == 0 {
		return nil
	}
	for _, x := range gained {
		x.unit.attach(x)
	}
	n.view.Store(v)
	for _, x := range kept {
		x.unit.server().Event(InventoryChanged, x)
	}
	return lost
}

package device

import (
	"slices"
	"sync/atomic"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// nexus is what the server knows of an I_T_L nexus that is logged in: ITL.State.
type nexus struct {
	key        reserve.Nexus
	attentions attentions
	denied     atomic.Uint32 // a reserve.Mask
}

// maxGone bounds how many nexuses that are not logged in the server remembers.
const maxGone = 1024

// memory holds what nexuses that are gone will be told when they come back. When it is
// full the one that went first is forgotten: it will be told of a power on instead.
type memory struct {
	by    map[reserve.Nexus][]scsi.ASC
	order []reserve.Nexus
}

func (m *memory) put(n reserve.Nexus, asc []scsi.ASC) {
	if m.by == nil {
		m.by = make(map[reserve.Nexus][]scsi.ASC)
	}
	if _, there := m.by[n]; !there {
		if len(m.order) >= maxGone {
			delete(m.by, m.order[0])
			m.order = m.order[1:]
		}
		m.order = append(m.order, n)
	}
	m.by[n] = asc
}

// tell adds a condition for a nexus that is gone and not forgotten.
func (m *memory) tell(n reserve.Nexus, a scsi.ASC) {
	if asc, there := m.by[n]; there && len(asc) < maxAttentions && !slices.Contains(asc, a) {
		m.by[n] = append(asc, a)
	}
}

func (m *memory) take(n reserve.Nexus) ([]scsi.ASC, bool) {
	asc, there := m.by[n]
	if there {
		delete(m.by, n)
		for i, o := range m.order {
			if o == n {
				m.order = append(m.order[:i], m.order[i+1:]...)
				break
			}
		}
	}
	return asc, there
}

func keyOf(n *target.Nexus) reserve.Nexus {
	return reserve.Nexus{Initiator: n.Initiator.Port, Target: n.Port.Target.Name, Port: n.Port.Relative}
}

// Attach gives a nexus its unit attentions: a power on for one that is new, the loss
// of the nexus and what happened since for one that comes back.
func (s *Server) Attach(x *target.ITL) {
	n := &nexus{key: keyOf(x.Nexus)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if told, back := s.gone.take(n.key); back {
		n.attentions.establish(scsi.ASCNexusLossOccurred)
		for _, a := range told {
			n.attentions.establish(a)
		}
	} else {
		n.attentions.establish(scsi.ASCPowerOnResetOrBusDeviceReset)
	}
	n.denied.Store(uint32(s.rules.Denied(n.key)))
	s.here[n.key] = append(s.here[n.key], n)
	x.State = n
}

// Detach ends a nexus: its RESERVE of SPC-2 ends, its registration stays.
func (s *Server) Detach(x *target.ITL) {
	n := x.State.(*nexus)
	s.mu.Lock()
	defer s.mu.Unlock()
	if others := slices.DeleteFunc(s.here[n.key], func(o *nexus) bool { return o == n }); len(others) > 0 {
		s.here[n.key] = others
		return // the unit has another LUN, or the nexus is back already
	}
	delete(s.here, n.key)
	s.gone.put(n.key, n.attentions.all())
	if s.rules.Lost(n.key) {
		s.fence()
	}
}

// all yields the nexuses that are here. s.mu is held.
func (s *Server) all(yield func(*nexus) bool) {
	for _, same := range s.here {
		for _, n := range same {
			if !yield(n) {
				return
			}
		}
	}
}

// fence tells every nexus what it may not do now. s.mu is held.
func (s *Server) fence() {
	for n := range s.all {
		n.denied.Store(uint32(s.rules.Denied(n.key)))
	}
}

// tell establishes a unit attention for a nexus, here or gone. s.mu is held.
func (s *Server) tell(to reserve.Nexus, a scsi.ASC) {
	for _, n := range s.here[to] {
		n.attentions.establish(a)
	}
	if len(s.here[to]) == 0 {
		s.gone.tell(to, a)
	}
}

// Announce establishes a unit attention for every nexus but x's; x may be nil.
func (s *Server) Announce(a scsi.ASC, x *target.ITL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.all {
		if x == nil || x.State != n {
			n.attentions.establish(a)
		}
	}
	for n := range s.gone.by {
		s.gone.tell(n, a)
	}
}

// Event establishes unit attentions for what happened, and undoes what a reset undoes.
func (s *Server) Event(e target.Event, x *target.ITL) {
	switch e {
	case target.LogicalUnitReset, target.TargetReset:
		s.mu.Lock()
		s.rules.Reset()
		s.fence()
		s.mu.Unlock()
		s.modes.reset()
		if s.cfg.Reset != nil {
			s.cfg.Reset()
		}
		s.Announce(scsi.ASCPowerOnResetOrBusDeviceReset, nil)
	case target.NexusReset:
		n := x.State.(*nexus)
		s.mu.Lock()
		if s.rules.Lost(n.key) {
			s.fence()
		}
		s.mu.Unlock()
		n.attentions.establish(scsi.ASCNexusLossOccurred)
	case target.CommandsCleared:
		x.State.(*nexus).attentions.establish(scsi.ASCCommandsClearedByAnotherInitiator)
	case target.InventoryChanged:
		x.State.(*nexus).attentions.establish(scsi.ASCReportedLUNsDataChanged)
	}
}

package fabric

import (
	"sync/atomic"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A member is a port outside that is logged in.
type member struct {
	entry   // f.mu
	home    *home
	from    uint64
	virtual bool // by FDISC
	order   int  // the higher, the later has it logged in
	frames  atomic.Int64

	// By table: the ports inside that it sees, and those of them that are logged in with it.
	seen map[fc.ID]struct{}
	with map[fc.ID]struct{}
}

// sees reports that m sees a port inside. f.table is held, or f.mu is.
func (m *member) sees(id fc.ID) bool {
	_, ok := m.seen[id]
	return ok
}

// A Granted is what a port outside gets that has logged in.
type Granted struct {
	// ID is its address, and Accept the LS_ACC.
	ID     fc.ID
	Accept els.Login
	// Ended are the addresses of other ports whose logins this one has ended: there was no room for all of them, or they were
	// of the same way. Their frames are not taken any more.
	Ended []fc.ID
}

// Login handles a FLOGI or FDISC of a port outside. from says which way it came, as whoever looks after the link tells ways apart (for FCoE
// the MAC of the ENode): FDISC has to come as a FLOGI did. An error that is an [els.Reject] is the answer; there is no other.
// A port that logs in again has the same address as long as there is room to remember it, and nothing registered; FLOGI ends all other logins of
// its way. While a port inside is logged in with a port outside, nobody can log in with that port's name another way.
func (f *Fabric) Login(l *els.Login, from uint64) (Granted, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.admissible(l, from); err != nil {
		return Granted{}, err
	}
	var g Granted
	var before *member
	for _, m := range f.members {
		switch {
		case m.port == l.Port:
			before = m
		case m.from == from && l.Command == els.FLOGI:
			g.Ended = append(g.Ended, m.id)
		}
	}
	if before == nil && len(f.members)-len(g.Ended) >= f.c.Max {
		idle := f.idle()
		if idle == nil {
			f.refused.Warn(f.log, "a port is not let in: as many as may be are logged in", "port", l.Port, "most", f.c.Max)
			return Granted{}, els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationResources}
		}
		g.Ended = append(g.Ended, idle.id)
	}
	for _, id := range g.Ended {
		f.leave(f.members[id])
	}
	if before != nil {
		f.leave(before)
	}
	h := f.homes.admit(l.Port)
	if h == nil {
		return Granted{Ended: g.Ended}, els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationResources}
	}
	f.order++
	m := &member{home: h, from: from, virtual: l.Command == els.FDISC, order: f.order, with: make(map[fc.ID]struct{})}
	m.entry = entry{id: h.id, port: l.Port, node: l.Node, payload: min(l.ReceiveSize(), fc.MaxPayload), member: m}
	if before != nil { // for ports inside its logins there are what they were, until they say otherwise
		m.with = before.with
	}
	f.look(m)
	f.table.Lock()
	f.members[m.id] = m
	f.table.Unlock()
	// Others are told of it when it registers what it is.
	g.ID, g.Accept = m.id, f.accept(m)
	return g, nil
}

// accept is the LS_ACC of FLOGI and FDISC. f.mu is held.
func (f *Fabric) accept(m *member) els.Login {
	l := els.FabricLogin(els.LSAcc, f.serviceName(m.id), f.c.Name, f.c.MaxPayload)
	l.Features = els.FeatureFabricPort | els.FeatureNPIVGranted
	l.ErrorDetect = uint32(f.c.ErrorDetect.Milliseconds())
	l.SetResourceAllocation(f.c.ResourceAllocation)
	return l
}

// admissible says why a login is refused. f.mu is held.
func (f *Fabric) admissible(l *els.Login, from uint64) error {
	switch {
	case f.closed:
		return els.Reject{Reason: els.ReasonUnable}
	case l.Command != els.FLOGI && l.Command != els.FDISC:
		return els.Reject{Reason: els.ReasonProtocol}
	case l.Class3.Flags&els.ClassValid == 0:
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationOptions}
	case l.ReceiveSize() < fc.MinPayload:
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationSize}
	case l.Features&els.FeatureFabricPort != 0: // it is a switch
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationCommon}
	case l.Port == 0:
		return els.Reject{Reason: els.ReasonLogical, Explanation: els.ExplanationPortName}
	}
	for _, p := range f.ports {
		if p.port == l.Port {
			return els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationPortName}
		}
	}
	flogi := l.Command == els.FLOGI
	for _, m := range f.members {
		if m.port == l.Port && m.from != from && len(m.with) > 0 {
			f.refused.Warn(f.log, "a port is not let in: its name is in use another way", "port", l.Port)
			return els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationPortName}
		}
		flogi = flogi || (m.from == from && !m.virtual && m.port != l.Port)
	}
	if !flogi {
		return els.Reject{Reason: els.ReasonUnable, Explanation: els.ExplanationLogin}
	}
	return nil
}

// idle is the port outside that goes when there is no room: one that no port inside is logged in with, of these one that has sent nothing,
// of these the one that is there longest. f.mu is held.
func (f *Fabric) idle() (worst *member) {
	for _, m := range f.members {
		if len(m.with) > 0 {
			continue
		}
		if worst == nil || (m.frames.Load() == 0 && worst.frames.Load() > 0) ||
			((m.frames.Load() == 0) == (worst.frames.Load() == 0) && m.order < worst.order) {
			worst = m
		}
	}
	return worst
}

// Logout ends the login of a port outside: it has logged out (LOGO), has not been heard of for long, or its link is down.
func (f *Fabric) Logout(id fc.ID, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m := f.members[id]; m != nil {
		f.log.Debug("a port has left the fabric", "port", m.port, "id", id, "why", why)
		f.leave(m)
	}
}

// leave takes a port outside out of the fabric. f.mu is held.
func (f *Fabric) leave(m *member) {
	f.table.Lock()
	delete(f.members, m.id)
	f.table.Unlock()
	m.home.there = false
	if m.types != (ct.Types{}) || len(m.with) > 0 {
		f.changed(&m.entry)
	}
}

// meet notes that a port inside is logged in with m. No lock is held.
func (f *Fabric) meet(m *member, id fc.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.table.Lock()
	defer f.table.Unlock()
	if m.sees(id) {
		m.with[id] = struct{}{}
		m.home.known = true
	}
}

// leaves notes that a port inside is not logged in with m any more. No lock is held.
func (f *Fabric) leaves(m *member, id fc.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.part(m, id)
}

// part notes that a port inside is not logged in with m any more. f.mu is held.
func (f *Fabric) part(m *member, id fc.ID) {
	f.table.Lock()
	defer f.table.Unlock()
	delete(m.with, id)
}

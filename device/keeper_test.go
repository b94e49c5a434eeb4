package device_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

var (
	readKeys = cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 1024}.Append(nil)
	ready    = cdb.AppendTestUnitReady(nil)
	reserve6 = []byte{0x16, 0, 0, 0, 0, 0}
	release6 = []byte{0x17, 0, 0, 0, 0, 0}
)

// prOut is a PERSISTENT RESERVE OUT.
func prOut(a scsi.ServiceAction, t scsi.ReservationType, key, sa uint64) loopback.Command {
	list := cdb.PersistentList{Key: key, ActionKey: sa}.Append(nil)
	return loopback.Command{CDB: cdb.PersistentOut{Action: a, Type: t, Length: uint32(len(list))}.Append(nil), Out: list}
}

func (b *bench) conflicts(s *loopback.Session, c []byte, want bool) {
	b.Helper()
	if r, _ := b.do(s, c, nil, 4); (r.Status == scsi.ReservationConflict) != want {
		b.Errorf("%x: %v, want a conflict: %v", c, r.Status, want)
	}
}

// status waits for the end of a command.
func (b *bench) status(p loopback.Pending) loopback.Result {
	b.Helper()
	r, err := p.Wait(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// The answer comes when the change is kept; until then nothing has changed for anybody, and
// nobody waits who does not ask for a change.
func TestKeeperTakesTime(t *testing.T) {
	m := (&cluster{}).member()
	b := newHost(t, m)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.out(s, scsi.ActionRegister, 0, 0, 1)
	m.gate = make(chan chan struct{})
	first := s.Start(prOut(scsi.ActionReserve, scsi.ExclusiveAccess, 1, 0))
	leave := <-m.gate
	second := s.Start(prOut(scsi.ActionRegister, 0, 1, 2)) // waits for the first
	b.good(other, []byte{0x08, 0, 0, 0, 4, 0}, nil, 4)
	if r := b.good(other, cdb.PersistentIn{Action: scsi.ActionReadReservation, Allocation: 255}.Append(nil), nil, 255); len(r) != 8 {
		t.Errorf("reserved before it is kept: %x", r)
	}
	close(leave)
	if r := b.status(first); r.Err() != nil || r.Residual != 0 {
		t.Errorf("%v, residual %d", r.Err(), r.Residual)
	}
	b.conflicts(other, []byte{0x08, 0, 0, 0, 4, 0}, true)
	if k := b.good(other, readKeys, nil, 1024); binary.BigEndian.Uint64(k[8:]) != 1 {
		t.Errorf("keys %x", k)
	}
	close(<-m.gate)
	if r := b.status(second); r.Err() != nil {
		t.Error(r.Err())
	}
	if k := b.good(other, readKeys, nil, 1024); binary.BigEndian.Uint64(k[8:]) != 2 {
		t.Errorf("keys %x", k)
	}
}

// A change that is not kept is not made, and the answer says why.
func TestKeeperFails(t *testing.T) {
	c := &cluster{}
	m := c.member()
	b := newHost(t, m)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.out(s, scsi.ActionRegister, 0, 0, 1)
	b.out(other, scsi.ActionRegister, 0, 0, 2)
	b.out(s, scsi.ActionReserve, scsi.WriteExclusiveRegistrantsOnly, 1, 0)
	before := b.good(s, readKeys, nil, 1024)
	for _, x := range []struct {
		err   error
		check func(r loopback.Result) bool
	}{
		{errDisk, func(r loopback.Result) bool { return r.Sense == scsi.InternalTargetFailure() }},
		{reserve.ErrUnavailable, func(r loopback.Result) bool { return r.Status == scsi.Busy }},
		{errors.Join(reserve.ErrUnavailable, errDisk), func(r loopback.Result) bool { return r.Status == scsi.Busy }},
		{reserve.ErrStale, func(r loopback.Result) bool { return r.Sense == scsi.InternalTargetFailure() }}, // and no step came
		{scsi.NotReady(scsi.ASCBecomingReady), func(r loopback.Result) bool { return r.Sense == scsi.NotReady(scsi.ASCBecomingReady) }},
	} {
		m.fails(x.err)
		for _, p := range []loopback.Command{
			prOut(scsi.ActionRelease, scsi.WriteExclusiveRegistrantsOnly, 1, 0), prOut(scsi.ActionClear, 0, 1, 0),
			prOut(scsi.ActionRegister, 0, 1, 0), prOut(scsi.ActionPreemptAndAbort, scsi.ExclusiveAccess, 1, 2),
		} {
			if r := b.status(s.Start(p)); !x.check(r) {
				t.Errorf("%v: %v %v", x.err, r.Status, r.Sense)
			}
		}
		// What needs no change needs no keeper.
		if r := b.status(s.Start(prOut(scsi.ActionReserve, scsi.WriteExclusiveRegistrantsOnly, 1, 0))); r.Err() != nil {
			t.Errorf("the same reservation again: %v", r.Err())
		}
		if r := b.status(s.Start(prOut(scsi.ActionClear, 0, 9, 0))); r.Status != scsi.ReservationConflict {
			t.Errorf("a wrong key: %v", r.Status)
		}
		if now := b.good(s, readKeys, nil, 1024); !bytes.Equal(now, before) {
			t.Errorf("%v: %x, before %x", x.err, now, before)
		}
		b.told(other)
	}
	m.fails(nil)
	b.out(s, scsi.ActionRelease, scsi.WriteExclusiveRegistrantsOnly, 1, 0)
	b.told(other, scsi.ASCReservationsReleased)
}

// APTPL is for units whose keeper survives a loss of power, and what it asks for is there
// after the next start.
func TestPersistThroughPowerLoss(t *testing.T) {
	capabilities := cdb.PersistentIn{Action: scsi.ActionReportCapabilities, Allocation: 255}.Append(nil)
	list := cdb.PersistentList{ActionKey: 7, Persist: true}.Append(nil)
	register := cdb.PersistentOut{Length: 24}.Append(nil)
	without := newHost(t, (&cluster{}).member())
	s := without.login(1, loopback.Options{})
	without.fails(s, register, list, scsi.InvalidFieldInParameterList(20, 0))
	if c := without.good(s, capabilities, nil, 255); c[2]&1 != 0 || c[3]&1 != 0 {
		t.Errorf("capabilities %x", c)
	}

	c := &cluster{}
	for i := range 2 { // two starts of the unit
		m := c.member()
		m.persists = true
		t.Run("start", func(t *testing.T) {
			b := newHost(t, m)
			s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
			caps := b.good(s, capabilities, nil, 255)
			if caps[2]&1 != 1 || caps[3]&1 != byte(i) {
				t.Errorf("start %d: capabilities %x", i, caps)
			}
			if i == 0 {
				b.good(s, register, list, 0)
				b.out(s, scsi.ActionReserve, scsi.ExclusiveAccess, 7, 0)
			}
			b.conflicts(other, []byte{0x08, 0, 0, 0, 4, 0}, true)
			b.conflicts(s, []byte{0x08, 0, 0, 0, 4, 0}, false)
			if k := b.good(other, readKeys, nil, 1024); len(k) != 16 || binary.BigEndian.Uint64(k[8:]) != 7 {
				t.Errorf("start %d: keys %x", i, k)
			}
			if i == 1 { // the last registration decides
				b.out(s, scsi.ActionRegister, 0, 7, 8)
				if caps := b.good(s, capabilities, nil, 255); caps[3]&1 != 0 {
					t.Errorf("APTPL=0: capabilities %x", caps)
				}
			}
		})
	}
}

// Two hosts: what one does the nexuses of the other hear of and obey.
func TestClusterFollows(t *testing.T) {
	c := &cluster{}
	one, two := newHost(t, c.member()), newHost(t, c.member())
	s, x := one.login(1, loopback.Options{}), two.login(2, loopback.Options{})
	third := two.login(3, loopback.Options{})
	one.out(s, scsi.ActionRegister, 0, 0, 1)
	two.out(x, scsi.ActionRegister, 0, 0, 2)
	one.out(s, scsi.ActionReserve, scsi.WriteExclusiveRegistrantsOnly, 1, 0)
	send := []byte{0x0a, 0, 0, 0, 4, 0}
	two.conflicts(x, send, false)
	two.conflicts(third, send, true)
	one.out(s, scsi.ActionRelease, scsi.WriteExclusiveRegistrantsOnly, 1, 0)
	two.told(x, scsi.ASCReservationsReleased)
	two.told(third)
	two.conflicts(third, send, false)

	// The answer to PREEMPT AND ABORT waits for the victim's command on the other host.
	entered, leave := make(chan struct{}), make(chan struct{})
	two.p.storing = func() { entered <- struct{}{}; <-leave }
	victim := x.Start(loopback.Command{CDB: send16, Out: make([]byte, 16)})
	<-entered
	preempt := s.Start(prOut(scsi.ActionPreemptAndAbort, scsi.WriteExclusive, 1, 2))
	answered := make(chan loopback.Result, 1)
	go func() {
		r, _ := preempt.Wait(t.Context())
		answered <- r
	}()
	select {
	case r := <-answered:
		t.Errorf("the answer came before the command had ended: %v", r.Err())
	case <-time.After(5 * time.Millisecond):
	}
	close(leave)
	if r := <-answered; r.Err() != nil {
		t.Error(r.Err())
	}
	two.dropped(victim)
	two.p.storing = nil
	two.told(x, scsi.ASCRegistrationsPreempted, scsi.ASCCommandsClearedByAnotherInitiator)
	if k := two.good(x, readKeys, nil, 1024); len(k) != 8+8 {
		t.Errorf("keys %x", k)
	}

	// RESERVE of SPC-2 is for all hosts too, and ends with its nexus.
	one.out(s, scsi.ActionClear, 0, 1, 0)
	y := one.attach(9, loopback.Options{})
	one.calm(y)
	one.good(y, reserve6, nil, 0)
	two.conflicts(x, ready, true)
	two.conflicts(x, release6, false)
	one.leave(y)
	one.good(s, release6, nil, 0) // behind the loss of y
	two.conflicts(x, ready, false)
	two.good(x, reserve6, nil, 0)
	one.conflicts(s, ready, true)
	s.Manage(target.ResetLogicalUnit, 0, 0)
	one.told(s, scsi.ASCPowerOnResetOrBusDeviceReset)
	one.good(s, release6, nil, 0)
	two.conflicts(third, ready, false)
}

// A host that has missed steps goes to the state of the others, and tells what was lost.
func TestClusterMissedSteps(t *testing.T) {
	c := &cluster{}
	away := c.member()
	one, two := newHost(t, c.member()), newHost(t, away)
	s, x := one.login(1, loopback.Options{}), two.login(2, loopback.Options{})
	two.out(x, scsi.ActionRegister, 0, 0, 2)
	away.leave(true)
	one.out(s, scsi.ActionRegister, 0, 0, 1)
	one.out(s, scsi.ActionPreempt, 0, 1, 2)
	one.out(s, scsi.ActionReserve, scsi.ExclusiveAccess, 1, 0)
	two.good(x, ready, nil, 0)
	away.leave(false)
	two.told(x, scsi.ASCRegistrationsPreempted)
	two.conflicts(x, []byte{0x08, 0, 0, 0, 4, 0}, true)
	before := c.commits()
	one.out(s, scsi.ActionRegister, 0, 1, 5)
	if k := two.good(x, readKeys, nil, 1024); c.commits() != before+1 || binary.BigEndian.Uint64(k[8:]) != 5 {
		t.Errorf("keys %x", k)
	}
	// A step that no rules make is refused.
	if err := away.follow(reserve.Step{After: reserve.Snapshot{Version: 99, Type: 2}}, func() { t.Error("done") }); !errors.Is(err, reserve.ErrSnapshot) {
		t.Errorf("a wrong step: %v", err)
	}
	// One that is known already is done at once.
	known := false
	if err := away.follow(reserve.Step{}, func() { known = true }); err != nil || !known {
		t.Errorf("an old step: %v", err)
	}
}

// All hosts at once: every change is made once, on a state that has all before it.
func TestClusterRaces(t *testing.T) {
	c := &cluster{}
	hosts := []*bench{newHost(t, c.member()), newHost(t, c.member()), newHost(t, c.member())}
	const each, changes = 2, 30
	var all sync.WaitGroup
	for i, h := range hosts {
		for j := range each {
			s := h.login(byte(10*i+j), loopback.Options{})
			all.Go(func() {
				for n := range uint64(changes) {
					p := s.Start(prOut(scsi.ActionRegister, 0, n, n+1))
					if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
						t.Errorf("%v %v", r.Err(), err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	for _, h := range hosts {
		k := h.good(h.login(99, loopback.Options{}), readKeys, nil, 1024)
		if n := binary.BigEndian.Uint32(k); n != each*3*changes || len(k) != 8+8*each*3 {
			t.Errorf("generation %d, keys %x", n, k)
		}
	}
	if got := c.commits(); got != each*3*changes {
		t.Errorf("%d steps", got)
	}
}

// The end of a reservation that the keeper did not take is made up for before the next change.
func TestKeeperMissedLoss(t *testing.T) {
	m := (&cluster{}).member()
	b := newHost(t, m)
	other := b.login(2, loopback.Options{})
	s := b.attach(1, loopback.Options{})
	b.calm(s)
	b.good(s, reserve6, nil, 0)
	m.fails(errDisk)
	b.leave(s)
	b.conflicts(other, ready, true)
	s = b.attach(1, loopback.Options{})
	defer b.leave(s)
	b.told(s, scsi.ASCNexusLossOccurred)
	m.fails(nil)
	b.good(other, release6, nil, 0) // of nothing; the loss goes before it
	b.good(other, ready, nil, 0)
	b.good(other, reserve6, nil, 0)
	b.conflicts(s, ready, true)
}

// A PERSISTENT RESERVE OUT that is aborted while it waits for others does nothing.
func TestAbortBehindKeeper(t *testing.T) {
	m := (&cluster{}).member()
	b := newHost(t, m)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	m.gate = make(chan chan struct{})
	first := s.Start(prOut(scsi.ActionRegister, 0, 0, 1))
	leave := <-m.gate
	command := prOut(scsi.ActionRegister, 0, 0, 2)
	command.Tag = 7
	second := other.Start(command)
	aborted := manage(other, target.AbortTask, 7)
	close(leave)
	if r := b.status(first); r.Err() != nil {
		t.Error(r.Err())
	}
	b.complete(aborted)
	b.dropped(second)
	if k := b.good(s, readKeys, nil, 1024); len(k) != 16 {
		t.Errorf("keys %x", k)
	}
}

// One that is aborted while it is being kept ends with that, if the keeper lets it.
func TestAbortWhileCommitting(t *testing.T) {
	m := (&cluster{}).member()
	b := newHost(t, m)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	m.gate = make(chan chan struct{}, 1)
	command := prOut(scsi.ActionRegister, 0, 0, 1)
	command.Tag = 7
	first := s.Start(command)
	<-m.gate
	second := other.Start(prOut(scsi.ActionRegister, 0, 0, 2))
	b.complete(manage(s, target.AbortTask, 7))
	b.dropped(first)
	close(<-m.gate)
	if r := b.status(second); r.Err() != nil {
		t.Error(r.Err())
	}
	if k := b.good(s, readKeys, nil, 1024); len(k) != 16 || binary.BigEndian.Uint64(k[8:]) != 2 {
		t.Errorf("keys %x", k)
	}
}

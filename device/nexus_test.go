package device_test

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func (b *bench) told(s *loopback.Session, want ...scsi.ASC) {
	b.Helper()
	if got := b.calm(s); !slices.Equal(got, want) {
		b.Errorf("unit attentions %v, want %v", got, want)
	}
}

// leave ends a session in the middle of a test.
func (b *bench) leave(s *loopback.Session) {
	b.Helper()
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

// Conditions that were not reported, and those of the time in between, are there after
// the next login of the same nexus, and of no other.
func TestAttentionsSurviveLogout(t *testing.T) {
	b := newBench(t, 0)
	other := b.login(9, loopback.Options{})
	s := b.attach(1, loopback.Options{})
	b.calm(s)
	b.unit.LogicalUnit().Event(target.CommandsCleared, s.Nexus.ITLs()[0])
	b.leave(s)
	b.p.Announce(scsi.ASCCapacityDataChanged, nil)
	b.p.Announce(scsi.ASCCapacityDataChanged, nil) // the same again is one
	b.told(other, scsi.ASCCapacityDataChanged)

	s = b.attach(1, loopback.Options{})
	b.told(s, scsi.ASCNexusLossOccurred, scsi.ASCCommandsClearedByAnotherInitiator, scsi.ASCCapacityDataChanged)
	b.leave(s)
	s = b.attach(1, loopback.Options{}) // all were reported
	b.told(s, scsi.ASCNexusLossOccurred)
	b.leave(s)
	x := b.login(2, loopback.Options{})
	b.told(x)
}

// A nexus that never asked still hears of the power on after it came back.
func TestPowerOnSurvivesLogout(t *testing.T) {
	b := newBench(t, 0)
	for range 3 {
		b.leave(b.attach(1, loopback.Options{}))
	}
	s := b.attach(1, loopback.Options{})
	b.told(s, scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCNexusLossOccurred)
	b.leave(s)
}

// Announce spares who caused it, and tells everybody when nobody did.
func TestAnnounce(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.p.Announce(scsi.ASCCapacityDataChanged, s.Nexus.ITLs()[0])
	b.told(s)
	b.told(other, scsi.ASCCapacityDataChanged)
	b.p.Announce(scsi.ASCCapacityDataChanged, nil)
	b.told(s, scsi.ASCCapacityDataChanged)
	b.told(other, scsi.ASCCapacityDataChanged)
}

// A unit attention comes before everything else that may be wrong with a command, is
// reported once, and not by the commands that report it otherwise (SAM-5 5.14).
func TestAttentionComesFirst(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.good(other, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0) // RESERVE(6): all of s is fenced
	b.p.ready.Store(false)
	for _, c := range [][]byte{
		{0xff, 0, 0, 0, 0, 0}, {0x08, 0x10, 0, 0, 0, 0}, {0xa4, 0x1f, 11: 0}, {0x08, 0, 0, 0, 1, 0}, {0x17, 0, 0, 0, 0, 0},
	} {
		b.p.Announce(scsi.ASCCapacityDataChanged, nil)
		b.good(s, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)
		b.fails(s, c, nil, scsi.UnitAttention(scsi.ASCCapacityDataChanged))
		if r, _ := b.do(s, c, nil, 0); r.Sense.Key == scsi.KeyUnitAttention {
			t.Errorf("%x reports it again", c)
		}
	}
	if r, _ := b.do(s, []byte{0x08, 0x10, 0, 0, 0, 0}, nil, 0); r.Status != scsi.ReservationConflict {
		t.Errorf("a wrong CDB of a nexus that is fenced: %v, want RESERVATION CONFLICT", r.Status)
	}
}

// The same initiator port is a nexus of its own on every target port.
func TestNexusIsPortAndPort(t *testing.T) {
	b := newBench(t, 0)
	second, err := b.port.Target.AddPort(target.PortConfig{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:box,t,0x0002"})
	if err != nil {
		t.Fatal(err)
	}
	s := b.login(1, loopback.Options{})
	x := loopback.Login(second, s.Nexus.Initiator, loopback.Options{Arena: b.arena})
	b.told(x, scsi.ASCPowerOnResetOrBusDeviceReset)
	b.good(s, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0)
	if r, _ := b.do(x, cdb.AppendTestUnitReady(nil), nil, 0); r.Status != scsi.ReservationConflict {
		t.Errorf("%v through another port, want RESERVATION CONFLICT", r.Status)
	}
	b.leave(x)
	b.good(s, cdb.AppendTestUnitReady(nil), nil, 0)
}

// A login of a nexus that is still there (session reinstatement) is the loss of the former one
// (RFC 7143 6.3.5.1), whose end then takes nothing from it.
func TestSameNexusTwice(t *testing.T) {
	b := newBench(t, 0)
	other := b.login(2, loopback.Options{})
	old := b.attach(1, loopback.Options{})
	b.calm(old)
	b.good(old, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0)
	next := b.attach(1, loopback.Options{})
	b.told(next, scsi.ASCNexusLossOccurred)
	b.good(other, cdb.AppendTestUnitReady(nil), nil, 0) // the reservation went with the nexus
	b.good(next, []byte{0x16, 0, 0, 0, 0, 0}, nil, 0)
	b.leave(old)
	if r, _ := b.do(other, cdb.AppendTestUnitReady(nil), nil, 0); r.Status != scsi.ReservationConflict {
		t.Errorf("the reservation went with the former session: %v", r.Status)
	}
	b.leave(next)
	b.good(other, cdb.AppendTestUnitReady(nil), nil, 0)
}

// What happens often to a nexus that is away leaves room for what happens once.
func TestAwayRepeated(t *testing.T) {
	b := newBench(t, 0)
	b.leave(b.attach(1, loopback.Options{}))
	s := b.attach(1, loopback.Options{})
	b.calm(s)
	b.leave(s)
	for range 100 {
		b.p.Announce(scsi.ASCCapacityDataChanged, nil)
	}
	b.unit.LogicalUnit().Event(target.LogicalUnitReset, nil)
	s = b.attach(1, loopback.Options{})
	b.told(s, scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCNexusLossOccurred, scsi.ASCCapacityDataChanged)
	b.leave(s)
}

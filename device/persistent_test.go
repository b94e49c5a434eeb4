package device_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// out is a PERSISTENT RESERVE OUT that must end with GOOD.
func (b *bench) out(s *loopback.Session, a scsi.ServiceAction, t scsi.ReservationType, key, sa uint64) {
	b.Helper()
	list := cdb.PersistentList{Key: key, ActionKey: sa}.Append(nil)
	b.good(s, cdb.PersistentOut{Action: a, Type: t, Length: uint32(len(list))}.Append(nil), list, 0)
}

// Reservations fence the commands that a device type adds, by what the CDB says where
// the row says so.
func TestFencingOfAddedCommands(t *testing.T) {
	b := newBench(t, 0)
	holder, registrant, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.login(3, loopback.Options{})
	b.out(holder, scsi.ActionRegister, 0, 0, 1)
	b.out(registrant, scsi.ActionRegister, 0, 0, 2)
	receive, send := []byte{0x08, 0, 0, 0, 4, 0}, []byte{0x0a, 0, 0, 0, 4, 0}
	read, write := cdb.MaintenanceOut{Action: 0x0a}.Append(nil), cdb.MaintenanceOut{Action: 0x0a, Length: 4}.Append(nil)
	for _, c := range []struct {
		kind              scsi.ReservationType
		registrant, other [][]byte // what conflicts
	}{
		{scsi.WriteExclusive, [][]byte{send, write}, [][]byte{send, write}},
		{scsi.ExclusiveAccess, [][]byte{send, write, receive}, [][]byte{send, write, receive}},
		{scsi.WriteExclusiveRegistrantsOnly, nil, [][]byte{send, write}},
		{scsi.ExclusiveAccessAllRegistrants, nil, [][]byte{send, write, receive}},
	} {
		b.out(holder, scsi.ActionReserve, c.kind, 1, 0)
		for who, s := range map[string]*loopback.Session{"holder": holder, "registrant": registrant, "other": other} {
			conflicts := map[string][][]byte{"registrant": c.registrant, "other": c.other}[who]
			for _, command := range [][]byte{receive, send, read, write} {
				want := false
				for _, x := range conflicts {
					want = want || bytes.Equal(x, command)
				}
				r, _ := b.do(s, command, []byte("list"), 4)
				if got := r.Status == scsi.ReservationConflict; got != want || !got && r.Err() != nil {
					t.Errorf("%v, %s, %x: %v, want a conflict: %v", c.kind, who, command, r.Err(), want)
				}
			}
		}
		// What is fenced is so whatever else is wrong: a CDB too short to say more has its row's class.
		r, _ := b.do(other, write[:2], nil, 0)
		if want := c.kind == scsi.ExclusiveAccess || c.kind == scsi.ExclusiveAccessAllRegistrants; (r.Status == scsi.ReservationConflict) != want {
			t.Errorf("%v, a CDB of two bytes: %v", c.kind, r.Err())
		}
		b.out(holder, scsi.ActionRelease, c.kind, 1, 0)
		b.calm(registrant)
	}
}

// A list of TransportIDs past the limit is refused before it is received.
func TestLongPortList(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	var ports []scsi.TransportID
	for i := range 400 {
		ports = append(ports, scsi.ISCSIPort("iqn."+strings.Repeat("x", 180), [6]byte{4: byte(i >> 8), 5: byte(i)}))
	}
	for n, want := range map[int]scsi.Sense{
		300: scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources), // past cdb.MaxPorts
		400: scsi.ParameterListLengthError(),                                // past 64 KiB
	} {
		list := cdb.PersistentList{ActionKey: 1, SpecifyPorts: true, Ports: ports[:n]}.Append(nil)
		b.fails(s, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, want)
	}
	list := cdb.PersistentList{ActionKey: 1, SpecifyPorts: true, Ports: ports[:cdb.MaxPorts]}.Append(nil)
	b.good(s, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, 0)
	if keys := b.good(s, cdb.PersistentIn{Allocation: 65535}.Append(nil), nil, 65535); len(keys) != 8+8*(cdb.MaxPorts+1) {
		t.Errorf("%d bytes of keys", len(keys))
	}
}

// SPEC_I_PT does not touch the keys of nexuses that have one (SPC-5 5.14.7).
func TestSpecifiedPortsOverTheWire(t *testing.T) {
	b := newBench(t, 0)
	s, other, third := b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.login(3, loopback.Options{})
	b.out(other, scsi.ActionRegister, 0, 0, 0x22)
	list := cdb.PersistentList{ActionKey: 0x11, SpecifyPorts: true,
		Ports: []scsi.TransportID{other.Nexus.Initiator.Port, third.Nexus.Initiator.Port}}.Append(nil)
	b.good(s, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, 0)
	want := unhex(t, "00000002 00000018 0000000000000022 0000000000000011 0000000000000011")
	if keys := b.good(s, cdb.PersistentIn{Allocation: 255}.Append(nil), nil, 255); !bytes.Equal(keys, want) {
		t.Errorf("keys %x, want %x", keys, want)
	}
	b.out(third, scsi.ActionReserve, scsi.WriteExclusive, 0x11, 0)
	// Registered, s may name no ports, and its registration is as it was.
	list = cdb.PersistentList{Key: 0x11, ActionKey: 0x33, SpecifyPorts: true, Ports: []scsi.TransportID{other.Nexus.Initiator.Port}}.Append(nil)
	b.fails(s, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, scsi.InvalidFieldInParameterList(20, 3))
	// A TransportID of a whole initiator names no port.
	list = cdb.PersistentList{ActionKey: 0x44, SpecifyPorts: true, Ports: []scsi.TransportID{scsi.ISCSIDevice("iqn.host")}}.Append(nil)
	x := b.login(4, loopback.Options{})
	b.fails(x, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, scsi.InvalidFieldInParameterList(28, -1))
	if keys := b.good(s, cdb.PersistentIn{Allocation: 255}.Append(nil), nil, 255); !bytes.Equal(keys, want) {
		t.Errorf("keys %x, want %x", keys, want)
	}
}

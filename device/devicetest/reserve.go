package devicetest

import (
	"encoding/binary"
	"errors"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// primary are the classes of SPC's commands (SPC-5 table 66).
var primary = map[scsi.Opcode]reserve.Class{
	scsi.OpTestUnitReady:        reserve.Probing,
	scsi.OpInquiry:              reserve.Unfenced,
	scsi.OpReportLUNs:           reserve.Unfenced,
	scsi.OpRequestSense:         reserve.Unfenced,
	scsi.OpModeSense6:           reserve.Parameters,
	scsi.OpModeSense10:          reserve.Parameters,
	scsi.OpModeSelect6:          reserve.Writing,
	scsi.OpModeSelect10:         reserve.Writing,
	scsi.OpLogSense:             reserve.Probing,
	scsi.OpLogSelect:            reserve.Writing,
	scsi.OpSendDiagnostic:       reserve.Writing,
	scsi.OpPersistentReserveIn:  reserve.Unfenced,
	scsi.OpPersistentReserveOut: reserve.Probing,
	scsi.OpMaintenanceIn:        reserve.Parameters,
}

func (b *bench) class(c Name) (reserve.Class, bool) {
	if class, ok := b.d.Access[c]; ok {
		return class, true
	}
	class, ok := primary[c.Op]
	return class, ok
}

// commands are those that the unit has, each with a CDB of zeros: by its table, or else all
// that the suite knows the class of.
func (b *bench) commands() map[Name][]byte {
	all := make(map[Name][]byte)
	for _, c := range b.rows {
		all[Name{c.Op, c.Action}] = zeroCDB(c)
	}
	if b.rows != nil {
		return all
	}
	add := func(n Name) {
		all[n] = make([]byte, cdb.Length(n.Op))
		if all[n][0] = byte(n.Op); n.Op.HasServiceActions() {
			all[n][1] = byte(n.Action)
		}
	}
	for op := range primary {
		add(Name{Op: op})
	}
	for n := range b.d.Access {
		add(n)
	}
	for _, op := range []scsi.Opcode{scsi.OpReserve6, scsi.OpReserve10, scsi.OpRelease6, scsi.OpRelease10} {
		add(Name{Op: op})
	}
	return all
}

// out is PERSISTENT RESERVE OUT.
func (b *bench) out(s *loopback.Session, a scsi.ServiceAction, t scsi.ReservationType, key, sa uint64) result {
	b.Helper()
	list := cdb.PersistentList{Key: key, ActionKey: sa}.Append(nil)
	return b.do(s, cdb.PersistentOut{Action: a, Type: t, Length: uint32(len(list))}.Append(nil), list, 0)
}

func (b *bench) outGood(s *loopback.Session, a scsi.ServiceAction, t scsi.ReservationType, key, sa uint64) {
	b.Helper()
	if r := b.out(s, a, t, key, sa); r.Status != scsi.Good || r.Residual != 0 {
		b.Fatalf("%s: %v %v, residual %d", scsi.CommandName(scsi.OpPersistentReserveOut, a), r.Status, r.Sense, r.Residual)
	}
}

var types = []scsi.ReservationType{
	scsi.WriteExclusive, scsi.ExclusiveAccess, scsi.WriteExclusiveRegistrantsOnly,
	scsi.ExclusiveAccessRegistrantsOnly, scsi.WriteExclusiveAllRegistrants, scsi.ExclusiveAccessAllRegistrants,
}

// fencing runs every command of the table under every type of reservation, as holder,
// as registrant, and as neither.
func (b *bench) fencing() {
	holder, registrant, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.login(3, loopback.Options{})
	b.outGood(holder, scsi.ActionRegister, 0, 0, 1)
	b.outGood(registrant, scsi.ActionRegister, 0, 0, 2)
	commands := b.commands()
	for _, kind := range types {
		b.outGood(holder, scsi.ActionReserve, kind, 1, 0)
		exclusive := kind == scsi.ExclusiveAccess || kind == scsi.ExclusiveAccessRegistrantsOnly || kind == scsi.ExclusiveAccessAllRegistrants
		alone := kind == scsi.WriteExclusive || kind == scsi.ExclusiveAccess
		for role, s := range map[string]*loopback.Session{"holder": holder, "registrant": registrant, "other": other} {
			for c, zeros := range commands {
				var want bool
				class, known := b.class(c)
				switch c.Op {
				case scsi.OpReserve6, scsi.OpReserve10, scsi.OpRelease6, scsi.OpRelease10:
					want, known = role == "other", true
				default:
					if role == "holder" || role == "registrant" && !alone {
						break
					}
					switch class {
					case reserve.Writing:
						want = true
					case reserve.Reading:
						want = exclusive
					case reserve.Parameters:
						want = exclusive && role == "other"
					}
				}
				if !known {
					b.Fatalf("%s has no class in the suite", scsi.CommandName(c.Op, c.Action))
				}
				if got := b.do(s, zeros, nil, 0).Status == scsi.ReservationConflict; got != want {
					b.Errorf("%v, %s, %s: conflict %v, want %v", kind, role, scsi.CommandName(c.Op, c.Action), got, want)
				}
			}
		}
		// Some of the commands may have stopped the unit.
		holder.Manage(target.ResetLogicalUnit, 0, 0)
		for started := b.d.Start == nil; !started; {
			started = b.do(holder, b.d.Start, nil, 0).Sense.Key != scsi.KeyUnitAttention
		}
		for _, s := range []*loopback.Session{holder, registrant, other} {
			b.calm(s)
		}
		b.outGood(holder, scsi.ActionRelease, kind, 1, 0)
		b.calm(registrant)
	}
}

func (b *bench) unitReservation() {
	s, other := b.login(1, loopback.Options{}), b.attach(2, loopback.Options{})
	b.calm(other)
	six, release := []byte{0x16, 0, 0, 0, 0, 0}, []byte{0x17, 0, 0, 0, 0, 0}
	conflicts := func(x *loopback.Session, c []byte, want bool) {
		b.Helper()
		if r := b.do(x, c, nil, 0); (r.Status == scsi.ReservationConflict) != want {
			b.Errorf("%x: %v %v", c, r.Status, r.Sense)
		}
	}
	b.good(s, six, nil, 0)
	conflicts(s, six, false)
	conflicts(other, six, true)
	conflicts(other, cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: 0x3f, Allocation: 4}.Append(nil), true)
	conflicts(other, testUnitReady, true)
	conflicts(other, inquire, false)
	conflicts(other, release, false)
	conflicts(other, six, true)
	list := cdb.PersistentList{ActionKey: 1}.Append(nil)
	for _, x := range []*loopback.Session{s, other} {
		if r := b.do(x, cdb.PersistentOut{Length: 24}.Append(nil), list, 0); r.Status != scsi.ReservationConflict {
			b.Errorf("PERSISTENT RESERVE OUT under RESERVE: %v", r.Status)
		}
	}
	b.good(s, release, nil, 0)
	b.good(other, six, nil, 0)
	if err := other.Close(); err != nil {
		b.Error(err)
	}
	conflicts(s, six, false) // the loss of the nexus has released it
	x := b.attach(3, loopback.Options{})
	b.all = append(b.all, x)
	b.fails(x, testUnitReady, nil, scsi.KeyUnitAttention, scsi.ASCPowerOnResetOrBusDeviceReset)
	conflicts(x, six, true)
	x.Manage(target.ResetLogicalUnit, 0, 0)
	b.calm(x)
	b.calm(s)
	conflicts(x, six, false)
	conflicts(s, six, true)
}

// persistent: what PERSISTENT RESERVE IN says, and that registrations outlive a nexus.
func (b *bench) persistent() {
	s, other := b.login(1, loopback.Options{}), b.attach(2, loopback.Options{})
	b.calm(other)
	read := func(a scsi.ServiceAction) []byte {
		b.Helper()
		return b.good(s, cdb.PersistentIn{Action: a, Allocation: 4096}.Append(nil), nil, 4096)
	}
	keys := func() []byte { return read(scsi.ActionReadKeys) }
	b.outGood(s, scsi.ActionRegister, 0, 0, 0x1234)
	b.outGood(other, scsi.ActionRegisterAndIgnoreExistingKey, 0, 99, 0x5678)
	if k := keys(); len(k) != 24 || binary.BigEndian.Uint32(k) != 2 || binary.BigEndian.Uint64(k[16:]) != 0x5678 {
		b.Errorf("keys %x", k)
	}
	b.outGood(other, scsi.ActionReserve, scsi.WriteExclusiveRegistrantsOnly, 0x5678, 0)
	if r := b.out(s, scsi.ActionReserve, scsi.WriteExclusive, 0x1234, 0); r.Status != scsi.ReservationConflict {
		b.Errorf("a second reservation: %v", r.Status)
	}
	if err := other.Close(); err != nil {
		b.Fatal(err)
	}
	if r := read(scsi.ActionReadReservation); len(r) != 24 || binary.BigEndian.Uint64(r[8:]) != 0x5678 || r[21] != byte(scsi.WriteExclusiveRegistrantsOnly) {
		b.Errorf("reservation after logout: %x", r)
	}
	full := read(scsi.ActionReadFullStatus)
	if id, _, err := scsi.ParseTransportID(full[8+24:]); err != nil || id != s.Nexus.Initiator.Port {
		b.Errorf("full status: %v %v", id, err)
	}
	if c := read(scsi.ActionReportCapabilities); len(c) != 8 || c[1] != 8 || c[2]&0x01 != 0 || c[3]&0x80 == 0 {
		b.Errorf("capabilities %x", c)
	}
	// What happens to a nexus that is away it hears when it comes back.
	b.outGood(s, scsi.ActionPreempt, scsi.ExclusiveAccess, 0x1234, 0x5678)
	other = b.login(2, loopback.Options{})
	if r := read(scsi.ActionReadReservation); binary.BigEndian.Uint64(r[8:]) != 0x1234 || r[21] != byte(scsi.ExclusiveAccess) {
		b.Errorf("reservation after PREEMPT: %x", r)
	}
	// A fenced nexus may look, and register.
	b.good(other, cdb.PersistentIn{Allocation: 255}.Append(nil), nil, 255)
	b.outGood(other, scsi.ActionRegister, 0, 0, 7)
	b.outGood(s, scsi.ActionClear, 0, 0x1234, 0)
	b.attention(other, scsi.ASCReservationsPreempted)
	if k := keys(); len(k) != 8 {
		b.Errorf("keys after CLEAR: %x", k)
	}
	if r := read(scsi.ActionReadReservation); len(r) != 8 {
		b.Errorf("reservation after CLEAR: %x", r)
	}
	// The holder of a registrants-only type that unregisters tells the others, not itself.
	b.outGood(s, scsi.ActionRegister, 0, 0, 1)
	b.outGood(other, scsi.ActionRegister, 0, 0, 2)
	b.outGood(s, scsi.ActionReserve, scsi.ExclusiveAccessRegistrantsOnly, 1, 0)
	b.outGood(s, scsi.ActionRegister, 0, 1, 0)
	b.attention(s)
	b.attention(other, scsi.ASCReservationsReleased)
	// REGISTER AND MOVE.
	b.outGood(other, scsi.ActionReserve, scsi.WriteExclusive, 2, 0)
	list := cdb.MoveList{Key: 2, ActionKey: 9, RelativePort: 1, Unregister: true, Port: s.Nexus.Initiator.Port}.Append(nil)
	b.good(other, cdb.PersistentOut{Action: scsi.ActionRegisterAndMove, Length: uint32(len(list))}.Append(nil), list, 0)
	if r := read(scsi.ActionReadReservation); binary.BigEndian.Uint64(r[8:]) != 9 {
		b.Errorf("reservation after REGISTER AND MOVE: %x", r)
	}
}

// preemptAndAbort: it answers when the commands of the preempted nexus have ended.
func (b *bench) preemptAndAbort() {
	s, victim := b.login(1, loopback.Options{}), b.login(2, loopback.Options{Never: true})
	bystander := b.login(3, loopback.Options{Never: true})
	b.outGood(s, scsi.ActionRegister, 0, 0, 1)
	// The victim's transport moves no data: another nexus registers it, with SPEC_I_PT.
	agent := b.login(4, loopback.Options{})
	list := cdb.PersistentList{ActionKey: 2, SpecifyPorts: true, Ports: []scsi.TransportID{victim.Nexus.Initiator.Port}}.Append(nil)
	b.good(agent, cdb.PersistentOut{Length: uint32(len(list))}.Append(nil), list, 0)
	data := make([]byte, b.d.WriteLen)
	one := victim.Start(loopback.Command{CDB: b.d.Write, Out: data})
	two := bystander.Start(loopback.Command{CDB: b.d.Write, Out: data})
	b.outGood(s, scsi.ActionPreemptAndAbort, scsi.WriteExclusive, 1, 2)
	if _, err := one.Wait(b.Context()); !errors.Is(err, loopback.ErrDropped) {
		b.Errorf("the victim's command: %v", err)
	}
	b.attention(victim, scsi.ASCRegistrationsPreempted, scsi.ASCCommandsClearedByAnotherInitiator)
	b.attention(agent, scsi.ASCRegistrationsPreempted)
	if r := bystander.Manage(target.QueryTask, 0, two.Tag()); r != target.FunctionSucceeded {
		b.Errorf("the command of another nexus: %v", r)
	}
	bystander.Manage(target.AbortTask, 0, two.Tag())
	if _, err := two.Wait(b.Context()); !errors.Is(err, loopback.ErrDropped) {
		b.Errorf("%v", err)
	}
}

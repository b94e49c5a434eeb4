package passthrough

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// long is a CDB with these bytes at its beginning, and as many zeros as its operation code asks for.
func long(n int, b ...byte) []byte { return append(b, make([]byte, n-len(b))...) }

// What is refused reaches the device only if the configuration lists it, or the unit is exclusive; nothing gets there that no initiator may have.
func TestRefused(t *testing.T) {
	opcode, field := scsi.InvalidOpcode(), scsi.InvalidFieldInCDB(1, 4)
	disks := func() *sgtest.Device { return disk(sgtest.Config{}).Device }
	tapes := func() *sgtest.Device { return sgtest.NewTape(sgtest.Config{}).Device }
	discs := func() *sgtest.Device { return sgtest.NewDisc(sgtest.Config{}, make([]byte, 4096)).Device }
	for _, c := range []struct {
		name   string
		device func() *sgtest.Device
		cdb    []byte
		sense  scsi.Sense // what it is refused with; zero: it passes
		allow  Allowed    // with which it passes; zero: with none
	}{
		{"FORMAT UNIT", disks, long(6, 0x04), opcode, Allowed{Format: true}},
		{"SANITIZE", disks, long(10, 0x48, 0x03), opcode, Allowed{Format: true}},
		{"REMOVE ELEMENT AND TRUNCATE", disks, long(16, 0x9e, 0x18), field, Allowed{Format: true}},
		{"FORMAT MEDIUM", tapes, long(6, 0x04), scsi.Sense{}, Allowed{}},
		{"FORMAT UNIT of a disc", discs, long(6, 0x04), scsi.Sense{}, Allowed{}},
		{"BLANK", discs, long(12, 0xa1), scsi.Sense{}, Allowed{}},
		{"ATA PASS-THROUGH(12)", disks, long(12, 0xa1), opcode, Allowed{Vendor: true}},
		{"ATA PASS-THROUGH(16)", discs, long(16, 0x85), opcode, Allowed{Vendor: true}},
		{"WRITE BUFFER, data", disks, long(10, 0x3b, 0x02), scsi.Sense{}, Allowed{}},
		{"WRITE BUFFER, echo", disks, long(10, 0x3b, 0x0a), scsi.Sense{}, Allowed{}},
		{"WRITE BUFFER, microcode", disks, long(10, 0x3b, 0x05), field, Allowed{Firmware: true}},
		{"WRITE BUFFER, deferred microcode", tapes, long(10, 0x3b, 0x0e), field, Allowed{Firmware: true}},
		{"WRITE BUFFER, of a vendor", tapes, long(10, 0x3b, 0x01), field, Allowed{Vendor: true}},
		{"READ BUFFER, data", disks, long(10, 0x3c, 0x02), scsi.Sense{}, Allowed{}},
		{"READ BUFFER, of a vendor", disks, long(10, 0x3c, 0x01), field, Allowed{Vendor: true}},
		{"SEND DIAGNOSTIC, self-test", disks, long(6, 0x1d, 0x04), scsi.Sense{}, Allowed{}},
		{"SEND DIAGNOSTIC, UNITOFFL", disks, long(6, 0x1d, 0x05), scsi.InvalidFieldInCDB(1, -1), Allowed{Firmware: true}},
		{"SEND DIAGNOSTIC, DEVOFFL", tapes, long(6, 0x1d, 0x06), scsi.InvalidFieldInCDB(1, -1), Allowed{Firmware: true}},
		{"SEND KEY", discs, long(12, 0xa3), scsi.Sense{}, Allowed{}},
		{"SEND KEY, the region", discs, []byte{0xa3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xc6, 0}, field, Allowed{Vendor: true}},
		{"EXTENDED COPY", disks, long(16, 0x83), opcode, Allowed{ThirdParty: true}},
		{"RECEIVE COPY STATUS", disks, long(16, 0x84), opcode, Allowed{ThirdParty: true}},
		{"SECURITY PROTOCOL OUT", tapes, long(12, 0xb5, 0x20), opcode, Allowed{Keys: true}},
		{"SECURITY PROTOCOL IN", tapes, long(12, 0xa2, 0x20), scsi.Sense{}, Allowed{}},
		{"an operation code of a vendor", disks, long(6, 0xc1), opcode, Allowed{Vendor: true}},
		{"a command of other device types", disks, long(12, 0xa5), opcode, Allowed{Vendor: true}},
		{"a service action of a vendor", disks, long(12, 0xa3, 0x1f), field, Allowed{Vendor: true}},
		{"REPORT TARGET PORT GROUPS", disks, long(12, 0xa3, 0x0a), field, Allowed{}},
		{"SET TARGET PORT GROUPS", disks, long(12, 0xa4, 0x0a), field, Allowed{}},
		{"XDWRITEREAD(10)", disks, long(10, 0x53), opcode, Allowed{}},
		{"NACA", disks, []byte{0, 0, 0, 0, 0, 4}, scsi.InvalidFieldInCDB(5, 2), Allowed{}},
		{"a CDB that is too short", disks, make([]byte, 5), scsi.InvalidFieldInCDB(5, -1), Allowed{}},
		{"READ(32)", disks, long(32, 0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 9), scsi.Sense{}, Allowed{}},
		{"a CDB of 36 bytes", disks, long(36, 0x7f, 0, 0, 0, 0, 0, 0, 28, 0, 9), field, Allowed{}},
		{"an extended CDB", disks, long(16, 0x7e), opcode, Allowed{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			try := func(cfg Config) (result, bool) {
				d := c.device()
				b := newBench(t, d, cfg)
				s := b.login(1, loopback.Options{})
				d.Forget()
				r := b.do(s, c.cdb, nil, 0)
				return r, len(d.Log(func(x []byte) bool { return bytes.Equal(x, c.cdb) })) > 0
			}
			r, passed := try(Config{})
			if want := c.sense.IsZero(); passed != want {
				t.Errorf("the device has got it: %v, want %v", passed, want)
			} else if got := r.Sense; !want && (got.ASC != c.sense.ASC || got.Field != c.sense.Field || len(r.SenseData) > 0) {
				t.Errorf("%v %v, want %v", r.Status, r.sense(), c.sense)
			}
			if c.sense.IsZero() {
				return
			}
			all := Allowed{Firmware: true, Format: true, Vendor: true, ThirdParty: true, Keys: true}
			none := c.allow == Allowed{}
			if _, passed := try(Config{Allow: all}); passed == none {
				t.Errorf("with all allowed the device has got it: %v", passed)
			}
			if _, passed := try(Config{Exclusive: true}); passed == none {
				t.Errorf("exclusive: the device has got it: %v", passed)
			}
			if none {
				return
			}
			if _, passed := try(Config{Allow: c.allow}); !passed {
				t.Errorf("with %+v the device has not got it", c.allow)
			}
			others := Allowed{all.Firmware && !c.allow.Firmware, !c.allow.Format, !c.allow.Vendor, !c.allow.ThirdParty, !c.allow.Keys}
			if _, passed := try(Config{Allow: others}); passed {
				t.Errorf("with %+v the device has got it", others)
			}
		})
	}
}

// Reservations, lists of logical units, and task management functions never reach the device.
func TestNeverPasses(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Forget()
	b.good(s, long(6, 0x16), nil, 0)
	b.good(s, long(6, 0x17), nil, 0)
	b.good(s, long(10, 0x56), nil, 0)
	b.good(s, long(10, 0x57), nil, 0)
	b.good(s, cdb.ReportLUNs{Allocation: 16}.Append(nil), nil, 16)
	b.good(s, cdb.ReportTaskManagement{Allocation: 4}.Append(nil), nil, 4)
	list := cdb.PersistentList{ActionKey: 7}.Append(nil)
	out := cdb.PersistentOut{Action: scsi.ActionRegister, Length: uint32(len(list))}.Append(nil)
	if r := b.do(s, out, list, 0); r.Status != scsi.Good || r.Residual != 0 {
		t.Errorf("PERSISTENT RESERVE OUT: %v %v", r.Status, r.sense())
	}
	if keys := b.good(s, cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 16}.Append(nil), nil, 16); keys[15] != 7 {
		t.Errorf("keys % x", keys)
	}
	list = cdb.PersistentList{Key: 7}.Append(nil)
	if r := b.do(s, cdb.PersistentOut{Action: scsi.ActionReserve, Type: scsi.ExclusiveAccess, Length: uint32(len(list))}.Append(nil), list, 0); r.Status != scsi.Good {
		t.Errorf("PERSISTENT RESERVE OUT: %v %v", r.Status, r.sense())
	}
	if r := b.do(other, rw(scsi.OpRead10, 0, 1), nil, 512); r.Status != scsi.ReservationConflict {
		t.Errorf("a read beside a reservation: %v", r.Status)
	}
	b.fails(s, []byte{0x16, 0x10, 0, 0, 0, 0}, nil, 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB)) // for a third party
	b.fails(s, []byte{0x56, 0x10, 0, 0, 0, 0, 0, 0, 8, 0}, make([]byte, 8), 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB))
	if all := k.Log(nil); len(all) > 0 {
		t.Errorf("the device has got %x", all[0].CDB)
	}
	if st := k.State(); st.Reserved || len(st.Keys) > 0 {
		t.Errorf("the device: %+v", st)
	}
}

// An exclusive unit is one initiator's, until it goes; its reservations are the device's.
func TestExclusive(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{Exclusive: true})
	s := b.login(1, loopback.Options{})
	b.good(s, rw(scsi.OpRead10, 0, 1), nil, 512)
	opt := loopback.Options{Arena: b.arena}
	other := loopback.Login(b.port, target.Initiator{Name: "iqn.other", Port: scsi.ISCSIPort("iqn.other", [6]byte{5: 9})}, opt)
	b.all = append(b.all, other)
	k.Forget()
	b.good(other, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)
	b.good(other, cdb.ReportLUNs{Allocation: 16}.Append(nil), nil, 16)
	b.fails(other, cdb.AppendTestUnitReady(nil), nil, 0, scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset))
	for _, c := range [][]byte{cdb.AppendTestUnitReady(nil), rw(scsi.OpRead10, 0, 1), long(6, 0x16), cdb.PersistentIn{Allocation: 8}.Append(nil), long(6, 0xc0)} {
		if r := b.do(other, c, nil, 512); r.Status != scsi.ReservationConflict {
			t.Errorf("%x: %v", c, r.Status)
		}
	}
	k.Attention(scsi.ASCMicrocodeChanged)
	if r := b.do(other, cdb.RequestSense{Allocation: 18}.Append(nil), nil, 18); r.Status != scsi.Good || r.data[2] != 0 {
		t.Errorf("REQUEST SENSE: %v % x", r.Status, r.data)
	}
	b.fails(s, cdb.AppendTestUnitReady(nil), nil, 0, scsi.UnitAttention(scsi.ASCMicrocodeChanged))
	b.good(s, long(6, 0x16), nil, 0)
	if !k.State().Reserved {
		t.Error("RESERVE has not reached the device")
	}
	b.good(s, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b.all = slices.DeleteFunc(b.all, func(o *loopback.Session) bool { return o == s })
	b.calm(other)
	b.good(other, rw(scsi.OpRead10, 0, 1), nil, 512)
	if k.State().Reserved {
		t.Error("what the initiator had reserved is reserved still, though it is gone")
	}
}

// opcodes are the commands of REPORT SUPPORTED OPERATION CODES data.
func opcodes(t *testing.T, data []byte) (all []supportedCommand) {
	t.Helper()
	n := 4
	supported(data, func(c supportedCommand) bool {
		n += len(c.raw)
		all = append(all, c)
		return true
	})
	if n != len(data) || int(binary.BigEndian.Uint32(data)) != n-4 {
		t.Errorf("%d bytes of commands in %d: % x", n, len(data), data[:8])
	}
	return all
}

// REPORT SUPPORTED OPERATION CODES has what may be had, with the time-outs of the device.
func TestReportOpcodes(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	has := func(all []supportedCommand, op scsi.Opcode, a scsi.ServiceAction) *supportedCommand {
		for i, c := range all {
			if c.op == op && (!c.actions || c.action == a) {
				return &all[i]
			}
		}
		return nil
	}
	for _, timeouts := range []bool{false, true} {
		all := opcodes(t, b.do(s, cdb.ReportOpcodes{Timeouts: timeouts, Allocation: 4096}.Append(nil), nil, 4096).data)
		if has(all, scsi.OpFormatUnit, 0) != nil {
			t.Error("FORMAT UNIT is told")
		}
		read := has(all, scsi.OpRead10, 0)
		if read == nil || timeouts != (read.timeouts.Recommended == 60) {
			t.Errorf("READ(10): %+v", read)
		}
		for _, op := range []scsi.Opcode{scsi.OpReserve6, scsi.OpRelease10, scsi.OpReportLUNs, scsi.OpRequestSense, scsi.OpInquiry} {
			if has(all, op, 0) == nil {
				t.Errorf("%v is not told", op)
			}
		}
		for _, c := range all {
			for _, o := range all {
				if &c.raw[0] != &o.raw[0] && c.op == o.op && c.action == o.action {
					t.Errorf("%v is told twice", c.op)
				}
			}
		}
		if has(all, scsi.OpPersistentReserveOut, scsi.ActionPreemptAndAbort) == nil || has(all, scsi.OpMaintenanceIn, scsi.ActionReportSupportedTaskManagement) == nil {
			t.Error("what is ours is not told")
		}
	}
	one := func(options uint8, op scsi.Opcode, a scsi.ServiceAction) byte {
		t.Helper()
		r := b.do(s, cdb.ReportOpcodes{Options: options, Opcode: op, Action: a, Allocation: 64}.Append(nil), nil, 64)
		if r.Status != scsi.Good {
			t.Fatalf("%v: %v %v", op, r.Status, r.sense())
		}
		return r.data[1] & 7
	}
	for _, c := range []struct {
		options uint8
		op      scsi.Opcode
		action  scsi.ServiceAction
		want    byte
	}{
		{1, scsi.OpFormatUnit, 0, 1}, {1, scsi.OpRead10, 0, 3}, {1, scsi.OpReserve6, 0, 3}, {2, scsi.OpPersistentReserveOut, 7, 3}, {2, scsi.OpPersistentReserveOut, 8, 1},
		{3, scsi.OpMaintenanceIn, scsi.ActionReportSupportedTaskManagement, 3}, {3, scsi.OpMaintenanceIn, scsi.ActionReportTargetPortGroups, 1}, {3, 0xc0, 0, 1},
		{3, scsi.OpMaintenanceIn, scsi.ActionReportSupportedOperationCodes, 3}, {1, scsi.OpReadDefectData10, 0, 1},
	} {
		if got := one(c.options, c.op, c.action); got != c.want {
			t.Errorf("%v %d: SUPPORT %d, want %d", c.op, c.action, got, c.want)
		}
	}

	b = newBench(t, disk(sgtest.Config{}).Device, Config{Allow: Allowed{Format: true}})
	s = b.login(1, loopback.Options{})
	if all := opcodes(t, b.do(s, cdb.ReportOpcodes{Allocation: 4096}.Append(nil), nil, 4096).data); has(all, scsi.OpFormatUnit, 0) == nil {
		t.Error("FORMAT UNIT is allowed, and not told")
	}
}

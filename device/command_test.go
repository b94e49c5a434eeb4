package device_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Each row runs its own function and no other.
func TestDispatch(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	b.good(s, []byte{0x0a, 0, 0, 0, 5, 0}, []byte("hello"), 0)
	if got := b.good(s, []byte{0x08, 0, 0, 1, 0, 0}, nil, 256); string(got) != "hello" {
		t.Errorf("RECEIVE returned %q", got)
	}
	if got := b.good(s, []byte{0x08, 0, 0, 0, 4, 0}, nil, 256); string(got) != "hell" {
		t.Errorf("RECEIVE of four bytes returned %q", got)
	}
	for _, c := range []struct {
		action       byte
		sets, groups int64
	}{{0x0f, 1, 0}, {0x0a, 1, 1}, {0x0f, 2, 1}} {
		b.good(s, []byte{0xa4, c.action, 11: 0}, nil, 0)
		if sets, groups := b.p.sets.Load(), b.p.groups.Load(); sets != c.sets || groups != c.groups {
			t.Errorf("service action %02x: %d and %d runs, want %d and %d", c.action, sets, groups, c.sets, c.groups)
		}
	}
}

// The sense of a wrong CDB, to the bit (SPC-5 4.4.2.4.2).
func TestRefusedCDBs(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	field := scsi.InvalidFieldInCDB
	for _, c := range []struct {
		name, cdb string
		want      scsi.Sense
	}{
		{"operation code", "ff 00 00 00 00 00", scsi.InvalidOpcode()},
		{"operation code of a disk", "28 00 00 00 00 00 00 00 01 00", scsi.InvalidOpcode()},
		{"operation code with service actions", "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", scsi.InvalidOpcode()},
		{"too short by all but the operation code", "12", field(1, -1)},
		{"too short", "08 00 00 00", field(4, -1)},
		{"too short for its service action", "a4", field(1, 4)},
		{"too short after its service action", "a4 0f 00", field(3, -1)},
		{"service action", "a4 0b 00 00 00 00 00 00 00 00 00 00", field(1, 4)},
		{"service action in, of another's", "a3 0f 00 00 00 00 00 00 00 00 00 00", field(1, 4)},
		{"reserved bit", "08 08 00 00 00 00", field(1, 3)},
		{"two reserved bits", "08 09 00 00 00 00", field(1, 3)},
		{"two reserved bytes", "a4 0f 01 80 00 00 00 00 00 00 00 00", field(2, 0)},
		{"reserved beside the service action", "a4 8f 00 00 00 00 00 00 00 00 00 00", field(1, 7)},
		{"reserved at the end", "a4 0f 00 00 00 00 00 00 00 00 10 00", field(10, 4)},
		{"NACA", "08 00 00 00 00 04", field(5, 2)},
		{"NACA of twelve bytes", "a4 0f 00 00 00 00 00 00 00 00 00 04", field(11, 2)},
		{"a bit beside a tolerated one", "0a 03 00 00 00 00", field(1, 1)},
	} {
		b.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.cdb)
			for _, n := range []int{len(raw), 16} { // transports may pad
				if n > len(raw) && strings.HasPrefix(c.name, "too short") {
					continue
				}
				b.fails(s, append(bytes.Clone(raw), make([]byte, max(n-len(raw), 0))...), nil, c.want)
			}
		})
	}
	for name, c := range map[string]string{
		"LUN of SCSI-2":         "08 e0 00 00 00 00",
		"tolerated":             "0a 01 00 00 00 00",
		"vendor's CONTROL":      "08 00 00 00 00 c0",
		"link of SCSI-2":        "08 00 00 00 00 03",
		"garbage after the CDB": "08 00 00 00 00 00 ff ff ff ff ff ff ff ff ff ff",
	} {
		if r, _ := b.do(s, unhex(t, c), nil, 0); r.Err() != nil {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A row that is wrong is found out when the server is made.
func TestWrongRows(t *testing.T) {
	run := func(*target.Task) {}
	const usage = cdb.Usage("\xc0\x00\x00\x00\x00\x00")
	for name, rows := range map[string][]device.Command{
		"no function":                {{Op: 0xc0, Usage: usage}},
		"no usage data":              {{Op: 0xc0, Run: run}},
		"usage of another":           {{Op: 0xc1, Usage: usage, Run: run}},
		"usage too short":            {{Op: 0xc0, Usage: usage[:5], Run: run}},
		"usage too long":             {{Op: 0xc0, Usage: usage + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", Run: run}},
		"twice":                      {{Op: 0xc0, Usage: usage, Run: run}, {Op: 0xc0, Usage: usage, Run: run}},
		"one of SPC's":               {{Op: scsi.OpInquiry, Run: run}},
		"a service action twice":     {{Op: scsi.OpMaintenanceOut, Action: 0x0f, Run: run}, {Op: scsi.OpMaintenanceOut, Action: 0x0f, Run: run}},
		"a service action of SPC's":  {{Op: scsi.OpMaintenanceIn, Action: 0x0c, Run: run}},
		"no order":                   {{Op: 0xc0, Usage: usage, Access: reserve.Writing, Run: run}},
		"a service action not known": {{Op: scsi.OpMaintenanceOut, Action: 0x1e, Run: run}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			device.New(device.Config{Commands: rows})
		}()
	}
	for name, p := range map[string]*device.ModePage{
		"too short":  {Default: []byte{0x20, 0}, Changeable: []byte{0x20, 0}},
		"other mask": {Default: []byte{0x20, 1, 0}, Changeable: []byte{0x20, 2, 0, 0}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("mode page %s: no panic", name)
				}
			}()
			device.New(device.Config{Modes: []*device.ModePage{p}})
		}()
	}
}

// REPORT SUPPORTED OPERATION CODES of one command, byte for byte (SPC-5 6.35.3).
func TestReportOneCommand(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	const zeros = "00000000"
	for _, c := range []struct {
		name     string
		timeouts bool
		options  uint8
		op       scsi.Opcode
		action   scsi.ServiceAction
		want     string
	}{
		{"one", false, cdb.ReportOpcode, opReceive, 0, "0003 0006 0800ffffff00"},
		{"one with timeouts", true, cdb.ReportOpcode, opReceive, 0, "0083 0006 0800ffffff00 000a 00 01 00000002 00000003"},
		{"tolerated bits are not told", false, cdb.ReportOpcode, opSend, 0, "0003 0006 0a00ffffff00"},
		{"a service action is ignored", false, cdb.ReportEither, opSend, 9, "0003 0006 0a00ffffff00"},
		{"one service action", false, cdb.ReportAction, scsi.OpMaintenanceOut, 0x0f, "0003 000c a40f00000000ffffffff0000"},
		{"the other", true, cdb.ReportEither, scsi.OpMaintenanceOut, 0x0a, "0083 000c a40a00000000ffffffff0000 000a 00 00" + zeros + zeros},
		{"none", true, cdb.ReportOpcode, 0xc3, 0, "0001 0000"},
		{"none, by service action", false, cdb.ReportAction, 0xc3, 1, "0001 0000"},
		{"no such service action", false, cdb.ReportAction, scsi.OpMaintenanceOut, 0x0b, "0001 0000"},
		{"a service action past five bits", false, cdb.ReportEither, scsi.OpMaintenanceOut, 0x20f, "0001 0000"},
	} {
		q := cdb.ReportOpcodes{Timeouts: c.timeouts, Options: c.options, Opcode: c.op, Action: c.action, Allocation: 512}
		if got := b.good(s, q.Append(nil), nil, 512); !bytes.Equal(got, unhex(t, c.want)) {
			t.Errorf("%s: %x, want %s", c.name, got, c.want)
		}
	}
	for _, q := range []cdb.ReportOpcodes{
		{Options: cdb.ReportOpcode, Opcode: scsi.OpMaintenanceOut},
		{Options: cdb.ReportAction, Opcode: opSend},
		{Options: 4, Opcode: opSend},
		{Options: 7},
	} {
		q.Allocation = 512
		b.fails(s, q.Append(nil), nil, scsi.InvalidFieldInCDB(2, 2))
	}
}

// REPORT SUPPORTED OPERATION CODES of all commands has the device's own in their place.
func TestReportAllCommands(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	for timeouts, want := range map[bool][]string{
		false: {"08 00 0000 00 00 0006", "0a 00 0000 00 00 0006", "a4 00 000a 00 01 000c", "a4 00 000f 00 01 000c"},
		true: {"08 00 0000 00 02 0006 000a 00 01 00000002 00000003", "0a 00 0000 00 02 0006 000a 00 00 00000000 00000000",
			"a4 00 000a 00 03 000c 000a 00 00 00000000 00000000", "a4 00 000f 00 03 000c 000a 00 00 00000000 00000000"},
	} {
		all := b.good(s, cdb.ReportOpcodes{Timeouts: timeouts, Allocation: 4096}.Append(nil), nil, 4096)
		var own []string
		size, last := len(unhex(t, want[0])), -1
		for d := all[4:]; len(d) >= size; d = d[size:] {
			if now := int(d[0])<<16 | int(d[2])<<8 | int(d[3]); now <= last {
				t.Errorf("%x comes after %06x", d[:8], last)
			} else {
				last = now
			}
			if d[0] == 0x08 || d[0] == 0x0a || d[0] == 0xa4 {
				own = append(own, hex.EncodeToString(d[:size]))
			}
		}
		if got, want := strings.Join(own, "\n"), strings.ReplaceAll(strings.Join(want, "\n"), " ", ""); got != want {
			t.Errorf("RCTD=%v:\n%s\nwant\n%s", timeouts, got, want)
		}
	}
}

// Commands for the medium say why it is not there; others run.
func TestNotReady(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	b.p.ready.Store(false)
	why := scsi.NotReady(scsi.ASCBecomingReady)
	b.fails(s, cdb.AppendTestUnitReady(nil), nil, why)
	b.fails(s, []byte{0x08, 0, 0, 0, 1, 0}, nil, why)
	b.fails(s, []byte{0x08, 1, 0, 0, 1, 0}, nil, scsi.InvalidFieldInCDB(1, 0)) // a wrong CDB is wrong before that
	b.good(s, []byte{0x0a, 0, 0, 0, 1, 0}, []byte{1}, 0)
	b.good(s, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36)
	b.p.ready.Store(true)
	b.good(s, []byte{0x08, 0, 0, 0, 1, 0}, nil, 1)
}

// Lists that the initiator cuts short, or for which there is no memory.
func TestParameterListLengths(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	short := scsi.ParameterListLengthError()
	b.fails(s, []byte{0x0a, 0, 0, 0, 8, 0}, make([]byte, 7), short)
	b.fails(s, []byte{0x0a, 0, 0, 0, 8, 0}, nil, short)
	b.fails(s, []byte{0x0a, 0, 0xff, 0xff, 0xff, 0}, make([]byte, 512), short)
	b.good(s, []byte{0x0a, 0, 0, 0, 8, 0}, []byte("12345678 and more"), 0) // what is over is not taken
	if got := b.good(s, []byte{0x08, 0, 0, 0, 20, 0}, nil, 20); string(got) != "12345678" {
		t.Errorf("the list was %q", got)
	}
	// All memory is lent: TASK SET FULL, and nothing else happens.
	held, err := b.arena.Get(buffer.MaxBlock)
	if err != nil {
		t.Fatal(err)
	}
	list := cdb.PersistentList{ActionKey: 1}.Append(nil)
	for _, c := range [][]byte{
		{0x0a, 0, 0, 0, 8, 0},
		cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 16}.Append(nil),
		cdb.PersistentOut{Length: 24}.Append(nil),
	} {
		if r, _ := b.do(s, c, list, 0); r.Status != scsi.TaskSetFull {
			t.Errorf("%x without memory: %v %v", c, r.Status, r.Sense)
		}
	}
	held.Release()
	b.good(s, cdb.PersistentOut{Length: 24}.Append(nil), list, 0)
	// PERSISTENT RESERVE OUT: a list past the limit, and one that says it is longer than it is.
	b.fails(s, cdb.PersistentOut{Length: 64<<10 + 1}.Append(nil), make([]byte, 64<<10+1), short)
	ports := cdb.PersistentList{SpecifyPorts: true, ActionKey: 1, Ports: []scsi.TransportID{s.Nexus.Initiator.Port}}.Append(nil)
	b.fails(s, cdb.PersistentOut{Length: uint32(len(ports) - 4)}.Append(nil), ports, short)
	b.fails(s, cdb.PersistentOut{Length: 28}.Append(nil), append(list, 0, 0, 0, 0), short)
}

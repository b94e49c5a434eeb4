package passthrough

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

// The time-out is that of the configuration, or the device's, or that of the table, in this order.
func TestTimeouts(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{Timeouts: map[scsi.Opcode]time.Duration{scsi.OpRewind: 77 * time.Second}})
	s := b.login(1, loopback.Options{})
	last := func(c []byte) time.Duration {
		t.Helper()
		k.Forget()
		b.do(s, c, nil, 0)
		all := k.Log(sgtest.Op(scsi.Opcode(c[0])))
		if len(all) == 0 { // lunette may have asked the same meanwhile, of its own accord
			t.Fatalf("%x: not sent", c)
		}
		return all[0].Timeout
	}
	if got := last([]byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}); got != 77*time.Second {
		t.Errorf("REWIND: %v", got)
	}
	reported := timeoutOf(t, b, scsi.OpSpace6)
	if got := last([]byte{byte(scsi.OpSpace6), 0, 0, 0, 0, 0}); got != reported {
		t.Errorf("SPACE(6): %v, the device says %v", got, reported)
	}
	// One that does not report any.
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpMaintenanceIn), Status: scsi.CheckCondition, Sense: scsi.InvalidOpcode()})
	k.Attention(0x3f01)
	b.calm(s)
	b.u.path.forget(0x3f01)
	for op, want := range map[scsi.Opcode]time.Duration{scsi.OpSpace6: 15 * time.Minute, scsi.OpErase6: 6 * time.Hour, scsi.OpTestUnitReady: time.Minute} {
		if got := last([]byte{byte(op), 0, 0, 0, 0, 0}); got != want {
			t.Errorf("%v: %v, want %v", op, got, want)
		}
	}
}

// timeoutOf is what the device recommends.
func timeoutOf(t *testing.T, b *bench, op scsi.Opcode) time.Duration {
	t.Helper()
	d := (*b.u.path.times.Load())[timeoutKey{op: op}]
	if d <= 0 {
		t.Fatalf("the device recommends nothing for %v: %v", op, *b.u.path.times.Load())
	}
	return d
}

func TestUsualTimeouts(t *testing.T) {
	for _, c := range []struct {
		t    scsi.PeripheralType
		op   scsi.Opcode
		want time.Duration
	}{
		{scsi.TypeDisk, scsi.OpRead10, 2 * time.Minute},
		{scsi.TypeDisk, scsi.OpFormatUnit, 24 * time.Hour},
		{scsi.TypeDisk, scsi.OpWriteSame16, 6 * time.Hour},
		{scsi.TypeTape, scsi.OpWrite6, 15 * time.Minute},
		{scsi.TypeTape, scsi.OpLocate16, 15 * time.Minute},
		{scsi.TypeTape, scsi.OpErase6, 6 * time.Hour},
		{scsi.TypeTape, scsi.OpFormatMedium, 24 * time.Hour},
		{scsi.TypeChanger, scsi.OpMoveMedium, 10 * time.Minute},
		{scsi.TypeChanger, scsi.OpInitializeElementStatus, 30 * time.Minute},
		{scsi.TypeOptical, scsi.OpRead10, 2 * time.Minute},
		{scsi.TypeOptical, opBlank, 24 * time.Hour},
		{scsi.TypeTape, scsi.OpTestUnitReady, time.Minute},
	} {
		if got := usualTimeout(c.t, c.op, 0); got != c.want {
			t.Errorf("%v of a %v: %v, want %v", c.op, c.t, got, c.want)
		}
	}
}

// Where service actions, or more of the CDB, tell commands of hours from others.
func TestTimeoutsByCDB(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{Allow: Allowed{Format: true}})
	s := b.login(1, loopback.Options{})
	for _, c := range []struct {
		cdb  []byte
		want time.Duration
	}{
		{long(6, 0x1d, 0xc0), 6 * time.Hour}, // SEND DIAGNOSTIC, a foreground extended self-test
		{long(6, 0x1d, 0xa0), 15 * time.Minute},
		{long(16, 0x9e, 0x18), 24 * time.Hour},
		{long(16, 0x9e, 0x13), 2 * time.Minute},
		{long(32, 0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x0a), 6 * time.Hour},
		{long(32, 0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 0x09), 2 * time.Minute},
		{long(16, 0x94, 4), 10 * time.Minute},
	} {
		k.Forget()
		b.do(s, c.cdb, nil, 0)
		all := k.Log(sgtest.Op(scsi.Opcode(c.cdb[0])))
		if len(all) != 1 || all[0].Timeout != c.want {
			t.Errorf("%x: %+v, want %v", c.cdb, all, c.want)
		}
	}
	times := timeouts{{op: opZoneOut, action: 4}: 33 * time.Minute, {op: scsi.OpSendDiagnostic}: time.Minute}
	b.u.path.times.Store(&times)
	if got := b.u.path.timeout(long(16, 0x94, 4)); got != 33*time.Minute {
		t.Errorf("the device says 33 minutes, and it is %v", got)
	}
	if got := b.u.path.timeout(long(6, 0x1d, 0xc0)); got != 6*time.Hour {
		t.Errorf("an extended self-test has %v", got)
	}
}

func FuzzTimeouts(f *testing.F) {
	f.Add(page.AppendCommands(nil, true,
		page.Command{Opcode: scsi.OpErase6, Length: 6, Timeouts: page.Timeouts{Nominal: 5, Recommended: 20000}},
		page.Command{Opcode: scsi.OpMaintenanceIn, Action: 0x0c, Length: 12, Timeouts: page.Timeouts{Recommended: 7}}))
	f.Add(page.AppendCommands(nil, false, page.Command{Opcode: scsi.OpErase6, Length: 6}))
	f.Add([]byte{0, 0, 0, 8, 0x19, 0, 0, 0, 0, 2, 0, 6})
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<31))
	f.Fuzz(func(t *testing.T, b []byte) {
		for key, d := range parseTimeouts(b) {
			if d <= 0 || d > 1<<33*time.Second/2 {
				t.Errorf("%+v: %v", key, d)
			}
		}
	})
}

func TestParseTimeouts(t *testing.T) {
	got := parseTimeouts(page.AppendCommands(nil, true,
		page.Command{Opcode: scsi.OpErase6, Length: 6, Timeouts: page.Timeouts{Nominal: 5, Recommended: 20000}},
		page.Command{Opcode: scsi.OpInquiry, Length: 6},
		page.Command{Opcode: scsi.OpSpace6, Length: 6, Timeouts: page.Timeouts{Nominal: 900, Recommended: 3}},
		page.Command{Opcode: scsi.OpMaintenanceIn, Action: 0x0c, Length: 12, Timeouts: page.Timeouts{Recommended: 7}}))
	want := timeouts{{op: scsi.OpErase6}: 20000 * time.Second, {op: scsi.OpSpace6}: 900 * time.Second, {op: scsi.OpMaintenanceIn, action: 0x0c}: 7 * time.Second}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for k, d := range want {
		if got[k] != d {
			t.Errorf("%+v: %v, want %v", k, got[k], d)
		}
	}
}

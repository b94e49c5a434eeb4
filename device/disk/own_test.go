package disk_test

import (
	"testing"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// sets sends a mode page that changes something for the initiator of s.
func sets(t *testing.T, s *loopback.Session, p []byte) {
	t.Helper()
	list := page.AppendMode6(nil, page.ModeHeader{}, nil, p)
	list[0] = 0
	do(t, s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(list))}.Append(nil), list, 0, scsi.Sense{})
}

// With settings of their own, who stops or protects the unit stops and protects it for itself; with
// those of all, for all.
func TestOwnSettings(t *testing.T) {
	read := cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1}.Append(nil)
	write := cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}.Append(nil)
	block := make([]byte, 512)
	stopped, protected := scsi.NotReady(scsi.ASCInitializingCommandRequired), scsi.DataProtect(scsi.ASCSoftwareWriteProtected)
	for _, own := range []bool{true, false} {
		b := newBench(t, memoryStore(t, 1<<20), func(c *disk.Config) { c.OwnSettings = own })
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		// theirs is what the other initiator gets.
		theirs := func(e scsi.Sense) scsi.Sense {
			if own {
				return scsi.Sense{}
			}
			return e
		}
		do(t, s, cdb.StartStop{}.Append(nil), nil, 0, scsi.Sense{})
		do(t, s, read, nil, 512, stopped)
		do(t, other, read, nil, 512, theirs(stopped))
		do(t, s, cdb.StartStop{Start: true}.Append(nil), nil, 0, scsi.Sense{})
		do(t, s, read, nil, 512, scsi.Sense{})
		do(t, s, cdb.StartStop{}.Append(nil), nil, 0, scsi.Sense{})
		s.Manage(target.ResetLogicalUnit, 0, 0)
		do(t, s, read, nil, 512, scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset))
		do(t, s, read, nil, 512, scsi.Sense{})
		do(t, other, read, nil, 512, scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset))

		sets(t, s, page.Control{TaskSets: 1, NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff, WriteProtect: true}.Append(nil))
		do(t, s, write, block, 0, protected)
		if !own {
			do(t, other, write, block, 0, scsi.UnitAttention(scsi.ASCModeParametersChanged))
		}
		do(t, other, write, block, 0, theirs(protected))
		for x, want := range map[*loopback.Session]bool{s: true, other: !own} {
			data := do(t, x, cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: page.ModeControl, Allocation: 255}.Append(nil), nil, 255, scsi.Sense{})
			if got := data[2]&page.ModeWriteProtected != 0; got != want {
				t.Errorf("own %v: WP is %v, want %v", own, got, want)
			}
		}
	}
}

// A write cache that one initiator goes without is there for the others.
func TestOwnWriteCache(t *testing.T) {
	f := &faulty{Store: memoryStore(t, 1<<20)}
	b := newBench(t, f, func(c *disk.Config) { c.OwnSettings = true })
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	sets(t, s, page.Caching{}.Append(nil))
	write := cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}.Append(nil)
	for x, want := range map[*loopback.Session]bool{s: true, other: false} {
		before := f.fua.Load()
		do(t, x, write, make([]byte, 512), 0, scsi.Sense{})
		if got := f.fua.Load() != before; got != want {
			t.Errorf("a write goes through to the medium: %v, want %v", got, want)
		}
	}
}

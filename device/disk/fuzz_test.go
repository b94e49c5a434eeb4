package disk_test

import (
	"context"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Whatever bytes come as a CDB, with whatever data and room: the command ends, what it
// was lent comes back, and the transport's contract holds.
func FuzzExecute(f *testing.F) {
	seeds := [][]byte{
		cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: 1, Blocks: 2}.Append(nil),
		cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 1, Blocks: 2}.Append(nil),
		cdb.CompareAndWrite{LBA: 1, Blocks: 1}.Append(nil),
		cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 9, Unmap: true}.Append(nil),
		cdb.Verify{Opcode: scsi.OpVerify12, Blocks: 3, ByteCheck: 3}.Append(nil),
		cdb.Verify{Opcode: scsi.OpVerify10, Blocks: 300}.Append(nil),
		cdb.Unmap{Length: 24}.Append(nil),
		cdb.GetLBAStatus{Allocation: 64}.Append(nil),
		cdb.ModeSelect{Opcode: scsi.OpModeSelect10, PF: true, Length: 28}.Append(nil),
		cdb.ModeSense{Opcode: scsi.OpModeSense10, Page: 0x3f, Allocation: 99}.Append(nil),
		cdb.LogSense{Control: cdb.LogCumulative, Page: 2, Pointer: 3, Allocation: 99}.Append(nil),
		cdb.PersistentOut{Action: scsi.ActionPreemptAndAbort, Type: 3, Length: 24}.Append(nil),
		cdb.PersistentOut{Action: scsi.ActionRegisterAndMove, Length: 80}.Append(nil),
		cdb.ReportOpcodes{Options: 3, Opcode: 0x28, Allocation: 99}.Append(nil),
		{0x16, 0, 0, 0, 0, 0}, {0xff}, {},
	}
	list := page8()
	for i, c := range seeds {
		f.Add(c, list, uint16(100*i), uint16(64*i))
	}
	var benches []*bench
	var sessions []*loopback.Session
	for _, st := range kinds(f, 1<<20) {
		b := newBench(f, st, nil)
		benches, sessions = append(benches, b), append(sessions, b.login(1, loopback.Options{First: 13}), b.login(2, loopback.Options{}))
	}
	f.Fuzz(func(t *testing.T, c, out []byte, room, have uint16) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // only what never ends takes as long
		defer cancel()
		for _, s := range sessions {
			p := s.Start(loopback.Command{CDB: c, Out: out, In: make([]byte, room), HaveOut: int64(len(out)) + int64(have)})
			if _, err := p.Wait(ctx); err != nil {
				t.Fatalf("%x: %v", c, err)
			}
			if err := s.Broken(); err != nil {
				t.Fatalf("%x: %v", c, err)
			}
		}
		for _, b := range benches {
			if n := b.arena.Outstanding(); n != 0 {
				t.Fatalf("%x: %d bytes are not given back", c, n)
			}
		}
	})
}

func page8() []byte {
	l := cdb.AppendUnmapList(nil, cdb.UnmapRange{LBA: 2, Blocks: 3})
	return append(l, make([]byte, 1024)...)
}

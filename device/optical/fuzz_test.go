package optical_test

import (
	"context"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Whatever bytes come as a CDB, with whatever parameter list and room: the command ends, what it was lent comes back, and the
// transport's contract holds.
func FuzzExecute(f *testing.F) {
	format := cdb.FormatList{Options: cdb.FormatOptionsValid, Type: page.FormatDVDPlusRW, Blocks: 0xffffffff}.Append(nil)
	stream := cdb.StreamList{Last: 100, ReadSize: 1, ReadTime: 1}.Append(nil)
	for _, c := range []struct{ cdb, list []byte }{
		{cdb.FormatUnit{Data: true, Code: 1}.Append(nil), format},
		{cdb.SetStreaming{Length: 28}.Append(nil), stream},
		{cdb.ModeSelect{Opcode: scsi.OpModeSelect10, PF: true, Length: 28}.Append(nil), make([]byte, 64)},
		{cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 12}.Append(nil), []byte{0, 0, 0, 8, 0x83, 0, 0, 0, 0, 0, 8, 0}},
		{cdb.SendOPC{Length: 8}.Append(nil), make([]byte, 8)},
		{cdb.ReadCD{Opcode: scsi.OpReadCD, Blocks: 9, Parts: 0xf8}.Append(nil), nil},
		{cdb.ReadCD{Opcode: scsi.OpReadCDMSF, Start: 0x000200, End: 0x000300, Parts: 0x18}.Append(nil), nil},
		{cdb.GetConfiguration{Allocation: 999}.Append(nil), nil},
		{cdb.GetEventStatus{Polled: true, Classes: 0xff, Allocation: 8}.Append(nil), nil},
		{cdb.ReadTOC{Format: 2, Allocation: 99}.Append(nil), nil},
		{cdb.ReadDiscStructure{Format: 0xff, Allocation: 99}.Append(nil), nil},
		{cdb.ReadTrackInformation{Type: 1, Address: 1, Allocation: 99}.Append(nil), nil},
		{cdb.GetPerformance{Data: 0x10, Maximum: 9}.Append(nil), nil},
		{cdb.ReportKey{Format: 8, Allocation: 8}.Append(nil), nil},
		{writeCDB(1, 2), make([]byte, 4096)}, {readCDB(1, 2), nil}, {eject, nil}, {load, nil}, {prevent(3), nil}, {[]byte{0xff}, nil}, {nil, nil},
	} {
		f.Add(c.cdb, c.list, uint16(2352), uint16(0))
	}
	cd, _ := disc(f, 100*2048, 1)
	var benches []*bench
	var sessions []*loopback.Session
	for _, d := range []*optical.Disc{cd, blank(f, 100*2048), nil} {
		b := newBench(f, d, nil)
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

package optical_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

var (
	illegalMode = scsi.IllegalRequest(scsi.ASCIllegalModeForTrack)
	invalid     = scsi.InvalidFieldInCDB(0, 0)
)

// READ CD of user data is READ; other fields are those of a sector in mode 1 (ECMA-130).
func TestReadCD(t *testing.T) {
	const blocks = 400
	for _, name := range []string{"lending", "waiting", "submitting"} {
		st := way(t, name, blocks*2048)
		data := fill(t, st, 3)
		b := newBench(t, &optical.Disc{Store: st}, nil)
		for _, opt := range []loopback.Options{{}, {Pace: true}} {
			s := b.login(1, opt)
			c := cdb.ReadCD{Opcode: scsi.OpReadCD, LBA: 5, Blocks: 200, Parts: cdb.PartUser}
			if got := do(t, s, c.Append(nil), nil, 200*2048, good); !bytes.Equal(got, data[5*2048:][:200*2048]) {
				t.Errorf("%s: user data is another", name)
			}
			c.Parts, c.Sector = cdb.PartSync|cdb.PartHeader|cdb.PartSubheader|cdb.PartUser|cdb.PartECC, cdb.SectorMode1
			raw := do(t, s, c.Append(nil), nil, 200*2352, good)
			for i := range 200 {
				sector := raw[i*2352:][:2352]
				frame := 155 + i
				bcd := func(n int) byte { return byte(n/10<<4 | n%10) }
				head := []byte{0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, bcd(frame / 75), bcd(frame % 75), 1}
				if !bytes.Equal(sector[:16], head) || !bytes.Equal(sector[16:2064], data[(5+i)*2048:][:2048]) {
					t.Fatalf("%s: sector %d begins with %x", name, 5+i, sector[:16])
				}
			}
			// Parts of sectors are parts of the same sectors.
			for parts, at := range map[byte][2]int{
				cdb.PartHeader:                               {12, 16},
				cdb.PartHeader | cdb.PartUser:                {12, 2064},
				cdb.PartSubheader | cdb.PartUser:             {16, 2064},
				cdb.PartUser | cdb.PartECC:                   {16, 2352},
				cdb.PartSync:                                 {0, 12},
				cdb.PartSync | cdb.PartHeader | cdb.PartUser: {0, 2064},
				cdb.PartECC:                                  {2064, 2352},
			} {
				c.Parts = parts
				size := at[1] - at[0]
				got := do(t, s, c.Append(nil), nil, 200*size, good)
				if len(got) != 200*size {
					t.Fatalf("%s: %02x: %d bytes, want %d", name, parts, len(got), 200*size)
				}
				for i := range 200 {
					if !bytes.Equal(got[i*size:][:size], raw[i*2352:][at[0]:at[1]]) {
						t.Errorf("%s: %02x: sector %d is another", name, parts, i)
					}
				}
			}
			// An initiator with less room gets the start.
			c.Parts = cdb.PartUser | cdb.PartECC
			if r, got, err := s.Do(t.Context(), 0, c.Append(nil), nil, 1000); err != nil || r.Status != scsi.Good || !bytes.Equal(got, raw[16:1016]) || r.Residual != 1000-200*2336 {
				t.Errorf("%s: %v %v %d", name, r.Status, err, r.Residual)
			}
			// By time.
			m := cdb.ReadCD{Opcode: scsi.OpReadCDMSF, Start: 0x000205, End: 0x000300, Parts: cdb.PartUser}
			if got := do(t, s, m.Append(nil), nil, 1<<20, good); !bytes.Equal(got, data[5*2048:75*2048]) {
				t.Errorf("%s: READ CD MSF is another", name)
			}
		}
		b.close()
	}
}

// What a disc in mode 1 does not have is refused, each for its reason.
func TestReadCDRefused(t *testing.T) {
	d, _ := disc(t, 100*2048, 1)
	b := newBench(t, d, nil)
	s := b.login(1, loopback.Options{})
	user := cdb.ReadCD{Opcode: scsi.OpReadCD, Blocks: 1, Parts: cdb.PartUser}
	for _, c := range []struct {
		change func(*cdb.ReadCD)
		want   scsi.Sense
	}{
		{func(*cdb.ReadCD) {}, good},
		{func(c *cdb.ReadCD) { c.Sector = cdb.SectorAudio }, illegalMode},
		{func(c *cdb.ReadCD) { c.Sector = cdb.SectorMode2Form1 }, illegalMode},
		{func(c *cdb.ReadCD) { c.Sector = 6 }, invalid},
		{func(c *cdb.ReadCD) { c.Parts |= cdb.PartSync }, invalid}, // without the header in between
		{func(c *cdb.ReadCD) { c.Parts |= cdb.PartC2 }, invalid},
		{func(c *cdb.ReadCD) { c.Subchannel = 2 }, invalid},
		{func(c *cdb.ReadCD) { c.Parts = 0 }, good}, // nothing is moved
		{func(c *cdb.ReadCD) { c.Blocks = 0 }, good},
		{func(c *cdb.ReadCD) { c.LBA = 100 }, scsi.LBAOutOfRange()},
		{func(c *cdb.ReadCD) { c.LBA = 99; c.Blocks = 2 }, scsi.LBAOutOfRange()},
		{func(c *cdb.ReadCD) { c.LBA = 0xffffff6a }, scsi.LBAOutOfRange()}, // before block 0
		{func(c *cdb.ReadCD) { c.Opcode, c.Start, c.End = scsi.OpReadCDMSF, 0x000100, 0x000200 }, scsi.LBAOutOfRange()},
		{func(c *cdb.ReadCD) { c.Opcode, c.Start, c.End = scsi.OpReadCDMSF, 0x000300, 0x000200 }, invalid},
		{func(c *cdb.ReadCD) { c.Opcode, c.Start, c.End = scsi.OpReadCDMSF, 0x003c00, 0x010000 }, invalid},
		{func(c *cdb.ReadCD) { c.Opcode, c.Start, c.End = scsi.OpReadCDMSF, 0x00024b, 0x000300 }, invalid},
		{func(c *cdb.ReadCD) { c.Opcode, c.Start, c.End = scsi.OpReadCDMSF, 0x000200, 0x000200 }, good},
	} {
		r := user
		c.change(&r)
		do(t, s, r.Append(nil), nil, 2352, c.want)
	}
}

// A DVD is no CD: READ CD says so.
func TestReadCDOfOtherDiscs(t *testing.T) {
	b := newBench(t, blank(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	do(t, s, cdb.ReadCD{Opcode: scsi.OpReadCD, Blocks: 1, Parts: cdb.PartUser}.Append(nil), nil, 2048, illegalMode)
}

// A rewritable disc takes what is written; one that is not does not, whoever asks.
func TestWrite(t *testing.T) {
	for _, name := range []string{"lending", "trying", "waiting", "submitting"} {
		for _, opt := range []loopback.Options{{}, {First: -1}, {Later: true}} {
			b := newBench(t, &optical.Disc{Store: way(t, name, 4<<20), Writable: true}, nil)
			s := b.login(1, opt)
			data := bytes.Repeat([]byte("rewritable! "), 2048)[:8*2048]
			do(t, s, writeCDB(16, 8), data, 0, good)
			do(t, s, cdb.Verify{Opcode: scsi.OpWriteAndVerify10, LBA: 100, Blocks: 8}.Append(nil), data, 0, good)
			do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite12, LBA: 200, Blocks: 8, FUA: true}.Append(nil), data, 0, good)
			do(t, s, cdb.Cache{Opcode: scsi.OpSynchronizeCache10}.Append(nil), nil, 0, good)
			for _, lba := range []uint64{16, 100, 200} {
				if got := do(t, s, readCDB(lba, 8), nil, len(data), good); !bytes.Equal(got, data) {
					t.Errorf("%s, %+v: what was written at %d is not there", name, opt, lba)
				}
			}
			do(t, s, writeCDB(2047, 2), data[:4096], 0, scsi.LBAOutOfRange())
			b.close()
		}
	}
	d, _ := disc(t, 1<<20, 1)
	s := newBench(t, d, nil).login(1, loopback.Options{})
	for _, c := range [][]byte{
		writeCDB(0, 1), cdb.Verify{Opcode: scsi.OpWriteAndVerify10, Blocks: 1}.Append(nil), cdb.CloseTrackSession{Function: 2}.Append(nil),
		cdb.SendOPC{Calibrate: true}.Append(nil),
	} {
		do(t, s, c, make([]byte, 2048), 0, scsi.WriteProtected())
	}
	do(t, s, cdb.FormatUnit{Data: true, Code: 1}.Append(nil), make([]byte, 12), 0, scsi.IllegalRequest(scsi.ASCCannotFormatMedium))
	do(t, s, cdb.ReadBufferCapacity{Allocation: 12}.Append(nil), nil, 12, scsi.IllegalRequest(scsi.ASCIncompatibleMedium))
}

// What burning programs do before and behind their writing.
func TestBurning(t *testing.T) {
	b := newBench(t, blank(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	media(t, s)
	data := bytes.Repeat([]byte{0xcd}, 2048)
	do(t, s, writeCDB(3, 1), data, 0, good)
	format := func(f cdb.FormatList, want scsi.Sense) {
		t.Helper()
		do(t, s, cdb.FormatUnit{Data: true, Code: 1}.Append(nil), f.Append(nil), 0, want)
	}
	list := scsi.InvalidFieldInParameterList(0, 0)
	plus := cdb.FormatList{Options: cdb.FormatOptionsValid | cdb.FormatImmed, Type: page.FormatDVDPlusRW, Blocks: 0xffffffff}
	format(plus, good)
	expectMedia(t, s, page.MediaFormat, page.MediaPresent)
	expectMedia(t, s, page.MediaNone, page.MediaPresent)
	plus.Blocks = 512
	format(plus, good)
	plus.Blocks = 511
	format(plus, list)
	plus.Blocks, plus.Type = 512, page.FormatFull
	format(plus, list)
	for _, c := range []cdb.FormatUnit{{Code: 1}, {Data: true}, {Data: true, Code: 1, Complete: true}} {
		do(t, s, c.Append(nil), make([]byte, 12), 0, invalid)
	}
	do(t, s, cdb.FormatUnit{Data: true, Code: 1}.Append(nil), make([]byte, 11), 0, scsi.ParameterListLengthError())
	if got := do(t, s, readCDB(3, 1), nil, 2048, good); !bytes.Equal(got, data) {
		t.Error("a format has changed what is on the disc")
	}
	do(t, s, cdb.SendOPC{Calibrate: true}.Append(nil), nil, 0, good)
	do(t, s, cdb.SendOPC{Length: 8}.Append(nil), make([]byte, 8), 0, good)
	do(t, s, cdb.CloseTrackSession{Immed: true}.Append(nil), nil, 0, good)
	do(t, s, cdb.CloseTrackSession{Function: 2, Track: 1}.Append(nil), nil, 0, good)
	if got := do(t, s, cdb.ReadBufferCapacity{Blocks: true, Allocation: 12}.Append(nil), nil, 12, good); !bytes.Equal(got, []byte{0, 10, 0, 1, 0, 0, 4, 0, 0, 0, 4, 0}) {
		t.Errorf("buffer capacity %x", got)
	}
	do(t, s, cdb.SetCDSpeed{Read: 0xffff, Write: 0xffff}.Append(nil), nil, 0, good)
	stream := cdb.StreamList{Last: 511, ReadSize: 1000, ReadTime: 1000, WriteSize: 1000, WriteTime: 1000}
	do(t, s, cdb.SetStreaming{Length: 28}.Append(nil), stream.Append(nil), 0, good)
	stream.First = 512
	do(t, s, cdb.SetStreaming{Length: 28}.Append(nil), stream.Append(nil), 0, list)
	do(t, s, cdb.SetStreaming{Length: 27}.Append(nil), make([]byte, 27), 0, scsi.ParameterListLengthError())
	do(t, s, cdb.SetStreaming{Type: 5, Length: 28}.Append(nil), make([]byte, 28), 0, invalid)
	d, err := page.ParseDiscInformation(do(t, s, cdb.ReadDiscInformation{Allocation: 64}.Append(nil), nil, 64, good))
	if err != nil || !d.Erasable || d.Background != 3 || d.Status != page.DiscComplete {
		t.Errorf("%+v, %v", d, err)
	}
}

// What hosts ask first: Linux's sr, Windows.
func TestHosts(t *testing.T) {
	d, _ := disc(t, 300*2048, 1)
	b := newBench(t, d, nil)
	s := b.login(1, loopback.Options{})
	if got := do(t, s, cdb.ReadCapacity{Opcode: scsi.OpReadCapacity10, Allocation: 8}.Append(nil), nil, 8, good); !bytes.Equal(got, []byte{0, 0, 1, 43, 0, 0, 8, 0}) {
		t.Errorf("capacity %x", got)
	}
	// Mode page 2Ah, without and with a block descriptor, which there is none of.
	for _, dbd := range []bool{true, false} {
		got := do(t, s, cdb.ModeSense{Opcode: scsi.OpModeSense10, DBD: dbd, Page: 0x2a, Allocation: 128}.Append(nil), nil, 128, good)
		if got[6] != 0 || got[7] != 0 || got[3] != 0 {
			t.Fatalf("header %x", got[:8])
		}
		c, ok := page.ParseCapabilities(got[8:])
		if !ok || !c.ReadDVDROM || !c.Eject || !c.Lock || c.Locked || c.Loading != page.LoadingTray || c.ReadSpeed == 0 || c.WriteDVDR {
			t.Errorf("%+v, %v", c, ok)
		}
	}
	do(t, s, prevent(1), nil, 0, good)
	if got := do(t, s, cdb.ModeSense{Opcode: scsi.OpModeSense10, Page: 0x2a, Allocation: 128}.Append(nil), nil, 128, good); got[8+6]&2 == 0 {
		t.Error("LOCK STATE is not shown")
	}
	do(t, s, prevent(0), nil, 0, good)
	// The length of blocks, with the density code that Linux sends.
	set := func(length byte, want scsi.Sense) {
		t.Helper()
		do(t, s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 12}.Append(nil), []byte{0, 0, 0, 8, 0x83, 0, 0, 0, 0, 0, length, 0}, 0, want)
	}
	set(8, good)
	set(0, good)
	set(2, scsi.InvalidFieldInParameterList(0, 0))
	do(t, s, cdb.ReadTOC{Allocation: 12}.Append(nil), nil, 12, good)
	do(t, s, []byte{0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40}, nil, 12, good) // multi-session, the old way
	// GET CONFIGURATION and events do not end a unit attention.
	if err := b.drive.Eject(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if got := do(t, s, cdb.GetConfiguration{Allocation: 8}.Append(nil), nil, 8, good); got[6] != 0 || got[7] != 0 {
		t.Errorf("profile %x of no disc", got[6:8])
	}
	if e, _ := event(t, s, cdb.EventsOperational|cdb.EventsMedia); e.Class != page.EventOperational || e.Code != page.OperationalChanged || e.Report != 1 {
		t.Errorf("%+v", e)
	}
	expectMedia(t, s, page.MediaNew, page.MediaTrayOpen)
	expectMedia(t, s, page.MediaRemoved, page.MediaTrayOpen)
	if e, ok := event(t, s, cdb.EventsMulti); ok {
		t.Errorf("%+v of a class that there is not", e)
	}
	if e, ok := event(t, s, cdb.EventsPower|cdb.EventsBusy); !ok || e.Class != page.EventPower || e.Status != page.PowerActive || e.Code != 0 {
		t.Errorf("%+v", e)
	}
	do(t, s, cdb.GetEventStatus{Classes: cdb.EventsMedia, Allocation: 8}.Append(nil), nil, 8, invalid)
	if got := do(t, s, cdb.MechanismStatus{Allocation: 8}.Append(nil), nil, 8, good); !bytes.Equal(got, []byte{0, 0x10, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("mechanism %x", got)
	}
	// Dozing, and keys.
	for condition, want := range map[uint8]scsi.Sense{1: good, 2: good, 3: good, 4: invalid, 5: good, 6: invalid, 0xb: invalid} {
		do(t, s, cdb.StartStop{Condition: condition}.Append(nil), nil, 0, want)
	}
	dvd := newBench(t, blank(t, 1<<20), nil).login(1, loopback.Options{})
	do(t, dvd, cdb.ReportKey{Format: cdb.KeyAGID, Allocation: 8}.Append(nil), nil, 8, scsi.IllegalRequest(scsi.ASCKeyNotPresent))
	do(t, dvd, cdb.ReportKey{Format: cdb.KeyRPC, Allocation: 8}.Append(nil), nil, 8, good)
	do(t, dvd, cdb.ReportKey{Class: 2, Allocation: 8}.Append(nil), nil, 8, invalid)
	if got := do(t, dvd, cdb.ReadDiscStructure{Format: page.StructureCopyright, Allocation: 8}.Append(nil), nil, 8, good); got[4] != 0 {
		t.Errorf("copyright %x", got)
	}
}

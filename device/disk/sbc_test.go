package disk_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

var (
	outOfRange = scsi.LBAOutOfRange()
	badField   = scsi.IllegalRequest(scsi.ASCInvalidFieldInCDB)
	badList    = scsi.IllegalRequest(scsi.ASCInvalidFieldInParameterList)
	swp        = scsi.DataProtect(scsi.ASCSoftwareWriteProtected)
)

// The ends of the medium, of the limits, and of 64 bits.
func TestRanges(t *testing.T) {
	b := newBench(t, memoryStore(t, 64<<20), nil)
	s := b.login(1, loopback.Options{})
	end := b.disk.Blocks()
	for _, c := range []struct {
		lba    uint64
		blocks uint32
		want   scsi.Sense
	}{
		{0, 0, scsi.Sense{}}, {end, 0, scsi.Sense{}}, {end + 1, 0, outOfRange}, {1<<64 - 1, 0, outOfRange},
		{end - 1, 1, scsi.Sense{}}, {end, 1, outOfRange}, {end - 1, 2, outOfRange}, {1<<64 - 1, 2, outOfRange},
		{1<<64 - 8, 16, outOfRange}, {0, 65536, scsi.Sense{}}, {0, 65537, badField}, {0, 1<<32 - 1, outOfRange},
	} {
		n := int(min(c.blocks, 65536)) * 512
		do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: c.lba, Blocks: c.blocks}.Append(nil), nil, n, c.want)
		do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: c.lba, Blocks: c.blocks}.Append(nil), make([]byte, n), 0, c.want)
		do(t, s, cdb.Verify{Opcode: scsi.OpVerify16, LBA: c.lba, Blocks: c.blocks, ByteCheck: 1}.Append(nil), make([]byte, n), 0, c.want)
		do(t, s, cdb.ReadWrite{Opcode: scsi.OpORWrite16, LBA: c.lba, Blocks: c.blocks}.Append(nil), make([]byte, n), 0, c.want)
		if c.want == outOfRange {
			for _, x := range []interface{ Append([]byte) []byte }{
				cdb.Cache{Opcode: scsi.OpSynchronizeCache16, LBA: c.lba, Blocks: c.blocks},
				cdb.Cache{Opcode: scsi.OpPreFetch16, LBA: c.lba, Blocks: c.blocks},
			} {
				if c.lba == end && c.blocks == 0 {
					continue
				}
				do(t, s, x.Append(nil), nil, 0, outOfRange)
			}
		}
	}
	// READ(6): 0 blocks are 256.
	do(t, s, []byte{0x08, 0, 0, 0, 0, 0}, nil, 256*512, scsi.Sense{})
	r, _, err := s.Do(t.Context(), 0, []byte{0x08, 0, 0, 0, 0, 0}, nil, 512)
	if err != nil || r.Residual != -255*512 {
		t.Errorf("READ(6) of 256 blocks: %+v %v", r, err)
	}
	for protect := uint8(1); protect < 8; protect++ {
		do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1, Protect: protect}.Append(nil), nil, 512, badField)
		do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1, Protect: protect}.Append(nil), make([]byte, 512), 0, badField)
	}
	fuaNV := cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1, FUA: true, DPO: true}.Append(nil)
	fuaNV[1] |= 0x02
	do(t, s, fuaNV, make([]byte, 512), 0, scsi.Sense{})
}

// The initiator expects another length than the CDB has (SAM-5 5.4.4).
func TestResiduals(t *testing.T) {
	for name, st := range kinds(t, 1<<20) {
		b := newBench(t, st, nil)
		s := b.login(1, loopback.Options{})
		old := bytes.Repeat([]byte{0x11}, 2048)
		for _, c := range []struct {
			blocks       uint32
			length       int
			residual, in int64
		}{
			{1, 0, -512, 0}, {1, 10000, 10000 - 512, 512}, {1, 200, 200 - 512, 200}, {2, 512, -512, 512}, {1, 1024, 512, 512}, {3, 1100, 1100 - 1536, 1100},
		} {
			do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 4}.Append(nil), old, 0, scsi.Sense{})
			r, in, err := s.Do(t.Context(), 0, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: c.blocks}.Append(nil), nil, c.length)
			if err != nil || r.Status != scsi.Good || r.Residual != c.residual || r.In != c.in || !bytes.Equal(in, old[:c.in]) {
				t.Errorf("%s: read %+v: %+v %v", name, c, r, err)
			}
			for _, op := range []scsi.Opcode{scsi.OpWrite10, scsi.OpWriteAndVerify10} {
				do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 4}.Append(nil), old, 0, scsi.Sense{})
				r, _, err = s.Do(t.Context(), 0, cdb.ReadWrite{Opcode: op, Blocks: c.blocks}.Append(nil), bytes.Repeat([]byte{0x22}, c.length), 0)
				// Less than the CDB says and a part of a block: nothing is written, and
				// GOOD is not said (FCP-4 9.4.2).
				partly := c.length < int(c.blocks)*512 && c.length%512 != 0
				good := r.Status == scsi.Good
				if partly {
					good = r.Status == scsi.CheckCondition && r.Sense.Key == scsi.KeyIllegalRequest && r.Sense.ASC == scsi.ASCInvalidFieldInCommandIU
				}
				if err != nil || !good || r.Residual != c.residual {
					t.Errorf("%s: %v %+v: %+v %v", name, op, c, r, err)
				}
				written := min(int(c.blocks)*512, c.length)
				if partly {
					written = 0
				}
				want := append(bytes.Repeat([]byte{0x22}, written), old[written:]...)
				if got := do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 4}.Append(nil), nil, 2048, scsi.Sense{}); !bytes.Equal(got, want) {
					t.Errorf("%s: %v %+v: wrong blocks were written", name, op, c)
				}
			}
		}
		for _, n := range []int{0, 512, 1023, 1025, 2048} {
			do(t, s, cdb.CompareAndWrite{Blocks: 1}.Append(nil), make([]byte, n), 0, badField)
		}
		do(t, s, cdb.CompareAndWrite{}.Append(nil), nil, 0, scsi.Sense{})
		do(t, s, cdb.CompareAndWrite{}.Append(nil), make([]byte, 512<<9), 0, badField)
		for _, n := range []int{0, 256, 1024} {
			do(t, s, cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 1}.Append(nil), make([]byte, n), 0, badField)
		}
		r, _, err := s.Do(t.Context(), 0, cdb.Verify{Opcode: scsi.OpVerify10, Blocks: 2}.Append(nil), make([]byte, 1024), 0)
		if err != nil || r.Status != scsi.Good || r.Residual != 1024 {
			t.Errorf("VERIFY with data that it does not take: %+v %v", r, err)
		}
		b.close()
	}
}

// Every command that writes is refused by a read-only disk before it asks for data,
// and so by one that SWP protects.
func TestWriteProtection(t *testing.T) {
	writes := [][]byte{
		cdb.CompareAndWrite{Blocks: 1}.Append(nil),
		cdb.ReadWrite{Opcode: scsi.OpORWrite16, Blocks: 1}.Append(nil),
		cdb.Unmap{Length: 24}.Append(nil),
		cdb.WriteSame{Opcode: scsi.OpWriteSame10, Blocks: 1}.Append(nil),
		cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 1, Unmap: true}.Append(nil),
		cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 1, NoData: true}.Append(nil),
	}
	for _, op := range []scsi.Opcode{scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16} {
		writes = append(writes, cdb.ReadWrite{Opcode: op, Blocks: 1}.Append(nil))
	}
	for _, op := range []scsi.Opcode{scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16} {
		writes = append(writes, cdb.Verify{Opcode: op, Blocks: 1}.Append(nil))
	}
	header := cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: 0x3f, Allocation: 4}.Append(nil)
	for _, thin := range []bool{true, false} {
		st := kinds(t, 1<<20)["trying"] // hides that it can trim
		if thin {
			st = memoryStore(t, 1<<20)
		}
		b := newBench(t, st, func(c *disk.Config) { c.ReadOnly = true })
		s := b.login(1, loopback.Options{Never: true}) // asking for data would not end
		for _, c := range writes {
			do(t, s, c, make([]byte, 512), 0, scsi.WriteProtected())
		}
		if h := do(t, s, header, nil, 4, scsi.Sense{}); h[2]&0x80 == 0 {
			t.Errorf("WP is 0: %x", h)
		}
	}
	b := newBench(t, memoryStore(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	list := page.AppendMode6(nil, page.ModeHeader{}, nil, page.Control{NoLogSave: true, QueueAlgorithm: 1, BusyTimeout: 0xffff, WriteProtect: true}.Append(nil))
	list[0] = 0
	do(t, s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(list))}.Append(nil), list, 0, scsi.Sense{})
	for _, c := range writes {
		do(t, s, c, make([]byte, 512), 0, swp)
	}
	if h := do(t, s, header, nil, 4, scsi.Sense{}); h[2]&0x80 == 0 {
		t.Errorf("WP is 0: %x", h)
	}
	do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1}.Append(nil), nil, 512, scsi.Sense{})
}

func TestUnmap(t *testing.T) {
	b := newBench(t, memoryStore(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	end := b.disk.Blocks()
	full := bytes.Repeat([]byte{7}, 64*512)
	unmap := func(want scsi.Sense, ranges ...cdb.UnmapRange) {
		t.Helper()
		list := cdb.AppendUnmapList(nil, ranges...)
		do(t, s, cdb.Unmap{Length: uint16(len(list))}.Append(nil), list, 0, want)
	}
	read := func() []byte {
		return do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 64}.Append(nil), nil, len(full), scsi.Sense{})
	}
	do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 64}.Append(nil), full, 0, scsi.Sense{})
	unmap(scsi.Sense{})
	unmap(scsi.Sense{}, cdb.UnmapRange{LBA: end}, cdb.UnmapRange{LBA: 3})
	unmap(outOfRange, cdb.UnmapRange{LBA: 0, Blocks: 8}, cdb.UnmapRange{LBA: end, Blocks: 1})
	unmap(outOfRange, cdb.UnmapRange{LBA: 0, Blocks: 8}, cdb.UnmapRange{LBA: end + 1})
	unmap(badList, make([]cdb.UnmapRange, 257)...)
	do(t, s, cdb.Unmap{Length: 24, Anchor: true}.Append(nil), make([]byte, 24), 0, badField)
	do(t, s, cdb.Unmap{Length: 7}.Append(nil), make([]byte, 7), 0, scsi.ParameterListLengthError())
	do(t, s, cdb.Unmap{}.Append(nil), nil, 0, scsi.Sense{})
	if !bytes.Equal(read(), full) {
		t.Fatal("a list with a wrong range changed something")
	}
	unmap(scsi.Sense{}, cdb.UnmapRange{LBA: 1, Blocks: 1}, cdb.UnmapRange{LBA: 16, Blocks: 32}, cdb.UnmapRange{LBA: 16, Blocks: 1})
	clear(full[512:1024])
	clear(full[16*512 : 48*512])
	if !bytes.Equal(read(), full) {
		t.Error("wrong blocks were unmapped")
	}
	extent := func(lba uint64) (uint64, uint32, byte) {
		t.Helper()
		d := do(t, s, cdb.GetLBAStatus{LBA: lba, Allocation: 24}.Append(nil), nil, 24, scsi.Sense{})
		return binary.BigEndian.Uint64(d[8:]), binary.BigEndian.Uint32(d[16:]), d[20]
	}
	for _, c := range []struct {
		lba   uint64
		n     uint32
		state byte
	}{{0, 16, 0}, {5, 11, 0}, {17, 31, 1}, {48, 16, 0}, {64, uint32(end) - 64, 1}, {end - 1, 1, 1}} {
		if lba, n, state := extent(c.lba); lba != c.lba || n != c.n || state != c.state {
			t.Errorf("status at %d: %d blocks from %d, state %d; want %+v", c.lba, n, lba, state, c)
		}
	}
	all := do(t, s, cdb.GetLBAStatus{Allocation: 4096}.Append(nil), nil, 4096, scsi.Sense{})
	if n := (len(all) - 8) / 16; n != 4 || int(binary.BigEndian.Uint32(all)) != len(all)-4 {
		t.Errorf("%d extents: %x", n, all)
	}
	do(t, s, cdb.GetLBAStatus{LBA: end, Allocation: 24}.Append(nil), nil, 24, outOfRange)
	for _, c := range []cdb.WriteSame{
		{Opcode: scsi.OpWriteSame16}, {Opcode: scsi.OpWriteSame10},
		{Opcode: scsi.OpWriteSame16, Blocks: 1, Anchor: true},
		{Opcode: scsi.OpWriteSame16, Blocks: 1, Anchor: true, Unmap: true},
	} {
		do(t, s, c.Append(nil), make([]byte, 512), 0, badField)
	}
}

func TestStartStop(t *testing.T) {
	b := newBench(t, memoryStore(t, 1<<20), nil)
	s := b.login(1, loopback.Options{})
	notReady := scsi.NotReady(scsi.ASCInitializingCommandRequired)
	read := cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1}.Append(nil)
	do(t, s, cdb.StartStop{}.Append(nil), nil, 0, scsi.Sense{})
	do(t, s, read, nil, 512, notReady)
	do(t, s, cdb.AppendTestUnitReady(nil), nil, 0, notReady)
	do(t, s, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36, scsi.Sense{})
	do(t, s, cdb.StartStop{Start: true}.Append(nil), nil, 0, scsi.Sense{})
	do(t, s, read, nil, 512, scsi.Sense{})
	do(t, s, cdb.StartStop{LoadEject: true}.Append(nil), nil, 0, badField)
	do(t, s, cdb.StartStop{Condition: 3}.Append(nil), nil, 0, badField)
	do(t, s, cdb.Prevent{Mode: 1}.Append(nil), nil, 0, scsi.Sense{})
	do(t, s, cdb.Prevent{Mode: 2}.Append(nil), nil, 0, badField)
	do(t, s, []byte{0x1d, 0x04, 0, 0, 0, 0}, nil, 0, scsi.Sense{}) // SEND DIAGNOSTIC, self-test
}

// A command whose initiator has less data than it says, and a part of a block, fails and writes
// nothing, whatever it does with data-out; the residual is that of the CDB.
func TestPartOfABlock(t *testing.T) {
	for name, st := range kinds(t, 4<<20) {
		b := newBench(t, st, nil)
		for _, opt := range []loopback.Options{{}, {First: -1}, {First: 300}} {
			s := b.login(byte(len(b.all)), opt)
			old := bytes.Repeat([]byte{0x11}, 3<<20)
			do(t, s, writeCDB(0, 6144), old, 0, scsi.Sense{})
			for _, op := range []scsi.Opcode{scsi.OpWrite10, scsi.OpWrite16, scsi.OpORWrite16, scsi.OpWriteAndVerify10, scsi.OpVerify10, scsi.OpVerify16} {
				for _, n := range []int{1, 511, 700, 4000, 1<<20 + 1, 2<<20 - 1} {
					blocks := uint32(n/512 + 1)
					c := cdb.ReadWrite{Opcode: op, Blocks: blocks}.Append(nil)
					if op == scsi.OpVerify10 || op == scsi.OpVerify16 {
						c = cdb.Verify{Opcode: op, Blocks: blocks, ByteCheck: 1}.Append(nil)
					}
					r, _, err := s.Do(t.Context(), 0, c, bytes.Repeat([]byte{0x22}, n), 0)
					if err != nil || r.Status != scsi.CheckCondition || r.Sense.Key != scsi.KeyIllegalRequest ||
						r.Sense.ASC != scsi.ASCInvalidFieldInCommandIU || r.Residual != int64(n)-512*int64(blocks) {
						t.Errorf("%s, %+v: %v with %d bytes: %+v %v", name, opt, op, n, r, err)
					}
				}
			}
			if got := do(t, s, readCDB(0, 6144), nil, len(old), scsi.Sense{}); !bytes.Equal(got, old) {
				t.Errorf("%s, %+v: something was written", name, opt)
			}
		}
		b.close()
	}
}

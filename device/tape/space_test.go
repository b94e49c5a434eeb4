package tape_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// written has blocks 0 1 2, a filemark 3, blocks 4 5, filemarks 6 7, a block 8.
func written(b *bench) {
	b.Helper()
	n := 0
	for _, c := range "bbbmbbmmb" {
		if c == 'm' {
			b.good(marksImmed(1), nil, 0)
		} else {
			b.good(writeCDB(100+n), block(n, 100+n), 0)
		}
		n++
	}
}

func beginning(info uint64) scsi.Sense {
	return eom(scsi.KeyNoSense, scsi.ASCBeginningOfPartition, info)
}

func TestSpace(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	written(b)
	for _, c := range []struct {
		from     uint64
		code     uint8
		n        int64
		want     scsi.Sense
		at, file uint64
	}{
		{0, 0, 2, scsi.Sense{}, 2, 0},
		{0, 0, 3, scsi.Sense{}, 3, 0},
		{0, 0, 5, mark(2), 4, 1},
		{4, 0, 9, mark(7), 7, 2},
		{8, 0, 3, eod(2), 9, 3},
		{9, 0, 1, eod(1), 9, 3},
		{3, 0, -2, scsi.Sense{}, 1, 0},
		{3, 0, -5, beginning(2), 0, 0},
		{0, 0, -1, beginning(1), 0, 0},
		{6, 0, -4, mark(2), 3, 0},
		{8, 0, -1, mark(1), 7, 2},
		{0, 1, 1, scsi.Sense{}, 4, 1},
		{0, 1, 2, scsi.Sense{}, 7, 2},
		{0, 1, 5, eod(2), 9, 3},
		{9, 1, -1, scsi.Sense{}, 7, 2},
		{9, 1, -2, scsi.Sense{}, 6, 1},
		{9, 1, -5, beginning(2), 0, 0},
		{5, 0, 0, scsi.Sense{}, 5, 1},
		{5, 1, 0, scsi.Sense{}, 5, 1},
		{5, 3, 0, scsi.Sense{}, 9, 3},
		{5, 3, 77, scsi.Sense{}, 9, 3},
		{5, 2, 1, scsi.InvalidFieldInCDB(1, 3), 5, 1},
		{5, 4, 1, scsi.InvalidFieldInCDB(1, 3), 5, 1},
	} {
		for _, op := range []scsi.Opcode{scsi.OpSpace6, scsi.OpSpace16} {
			b.good(locate(c.from), nil, 0)
			b.ends(cdb.Space{Opcode: op, Code: c.code, Count: c.n}.Append(nil), nil, 0, c.want, 0)
			b.at(c.at, c.file)
		}
	}
	b.good(locate(3), nil, 0)
	b.ends(cdb.Space{Opcode: scsi.OpSpace16, Count: math.MinInt64}.Append(nil), nil, 0, beginning(math.MaxInt64-3), 0)
	b.ends(cdb.Space{Opcode: scsi.OpSpace16, Code: 1, Count: math.MaxInt64}.Append(nil), nil, 0, eod(math.MaxInt64-3), 0)
}

func TestLocate(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	written(b)
	ten := func(n uint64) []byte { return cdb.Locate{Opcode: scsi.OpLocate10, Identifier: n}.Append(nil) }
	vendor := func(n uint64) []byte {
		return cdb.Locate{Opcode: scsi.OpLocate10, Device: true, Identifier: n}.Append(nil)
	}
	file := func(n uint64) []byte {
		return cdb.Locate{Opcode: scsi.OpLocate16, Type: cdb.LocateFile, Identifier: n}.Append(nil)
	}
	nothing := sense(scsi.KeyBlankCheck, scsi.ASCEndOfData)
	for _, c := range []struct {
		cdb      []byte
		want     scsi.Sense
		at, file uint64
	}{
		{ten(5), scsi.Sense{}, 5, 1},
		{vendor(7), scsi.Sense{}, 7, 2},
		{locate(2), scsi.Sense{}, 2, 0},
		{locate(9), scsi.Sense{}, 9, 3},
		{locate(10), nothing, 9, 3},
		{locate(math.MaxUint64), nothing, 9, 3},
		{ten(math.MaxUint32), nothing, 9, 3},
		{file(0), scsi.Sense{}, 0, 0},
		{file(1), scsi.Sense{}, 4, 1},
		{file(3), scsi.Sense{}, 8, 3},
		{file(4), nothing, 9, 3},
		{locate(1), scsi.Sense{}, 1, 0},
		{cdb.Locate{Opcode: scsi.OpLocate16, Type: cdb.LocateEndOfData}.Append(nil), scsi.Sense{}, 9, 3},
		{cdb.Locate{Opcode: scsi.OpLocate16, Type: 2}.Append(nil), scsi.InvalidFieldInCDB(1, 5), 9, 3},
		{cdb.Locate{Opcode: scsi.OpLocate16, Explicit: true}.Append(nil), scsi.InvalidFieldInCDB(2, 0), 9, 3},
		{locateIn(1, 0), scsi.InvalidFieldInCDB(3, -1), 9, 3},
		{cdb.Locate{Opcode: scsi.OpLocate10, Change: true, Partition: 1}.Append(nil), scsi.InvalidFieldInCDB(8, -1), 9, 3},
		{locateIn(0, 3), scsi.Sense{}, 3, 0},
	} {
		b.ends(c.cdb, nil, 0, c.want, 0)
		b.at(c.at, c.file)
	}
	p := loaded(t, 100<<20, func(c *tape.Config) { c.Model.LocateBefore = true })
	written(p)
	p.good(file(1), nil, 0)
	p.at(3, 0)
	p.good(file(0), nil, 0)
	p.at(0, 0)
}

func TestReadPosition(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	written(b)
	b.ends(cdb.ReadPosition{Allocation: 20}.Append(nil), nil, 20, scsi.InvalidFieldInCDB(7, -1), 20)
	b.ends(cdb.ReadPosition{Action: 2}.Append(nil), nil, 20, scsi.InvalidFieldInCDB(1, 4), 20)
	if got := b.good(cdb.ReadPosition{Action: cdb.PositionVendor}.Append(nil), nil, 20); be(got[4:8]) != 9 {
		t.Errorf("%x", got)
	}
	long := b.good(cdb.ReadPosition{Action: cdb.PositionLong}.Append(nil), nil, 32)
	if be(long[8:16]) != 9 || be(long[16:24]) != 3 || be(long[24:32]) != 0 {
		t.Errorf("%x", long)
	}
	b.good(marks(0), nil, 0)
	x := b.good(cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 100}.Append(nil), nil, 32)
	if want := (binary.BigEndian.AppendUint64(nil, 9)); x[3] != 28 || !bytes.Equal(x[8:16], want) || !bytes.Equal(x[16:24], want) || be(x[5:8]) != 0 {
		t.Errorf("%x", x)
	}
	empty := newBench(t, nil)
	for _, a := range []uint8{0, 1, 6, 8} {
		empty.ends(cdb.ReadPosition{Action: a}.Append(nil), nil, 0, scsi.NotReady(scsi.ASCMediumNotPresent), 0)
	}
}

func TestBlockLimits(t *testing.T) {
	b := newBench(t, nil)
	if got := b.good(cdb.ReadBlockLimits{}.Append(nil), nil, 6); !bytes.Equal(got, []byte{0, 0x80, 0, 0, 0, 1}) {
		t.Errorf("%x", got)
	}
	if got := b.good(cdb.ReadBlockLimits{MaxObject: true}.Append(nil), nil, 20); len(got) != 20 || be(got[12:]) != math.MaxInt64 {
		t.Errorf("%x", got)
	}
}

// Partitions are made by FORMAT MEDIUM as the plan says, each with data of its own.
func TestPartitions(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.good(writeCDB(10), block(1, 10), 0)
	format := func(n uint8) []byte { return cdb.FormatMedium{Format: n}.Append(nil) }
	b.ends(format(2), nil, 0, scsi.IllegalRequest(scsi.ASCPositionPastBeginning), 0)
	b.good(rewind(), nil, 0)
	b.ends(format(3), nil, 0, scsi.InvalidFieldInCDB(2, 3), 0)
	b.ends(cdb.FormatMedium{Length: 1}.Append(nil), nil, 0, scsi.InvalidFieldInCDB(3, -1), 0)
	b.d.Set(func(s *tape.Setting) { s.Plan = tape.Plan{Additional: 1, Sizes: []int64{20 << 20, -1}} })
	b.good(format(1), nil, 0)
	b.ends(readCDB(10), nil, 10, eod(10), 10)
	b.good(writeCDB(10), block(2, 10), 0)
	b.good(locateIn(1, 0), nil, 0)
	if p, o, _, flags := b.position(); p != 1 || o != 0 || flags != 0x80 {
		t.Errorf("partition %d, object %d, flags %02x", p, o, flags)
	}
	b.good(writeCDB(10), block(3, 10), 0)
	b.good(writeCDB(10), block(4, 10), 0)
	b.good(locateIn(0, 0), nil, 0)
	b.reads(block(2, 10))
	b.ends(readCDB(10), nil, 10, eod(10), 10)
	b.good(locateIn(1, 1), nil, 0)
	b.reads(block(4, 10))
	b.ends(format(0), nil, 0, scsi.IllegalRequest(scsi.ASCPositionPastBeginning), 0)
	b.good(rewind(), nil, 0) // of partition 1
	if p, o, _, _ := b.position(); p != 1 || o != 0 {
		t.Errorf("partition %d, object %d", p, o)
	}
	b.ends(locateIn(2, 0), nil, 0, scsi.InvalidFieldInCDB(3, -1), 0)
	b.good(cdb.LoadUnload{Load: true}.Append(nil), nil, 0) // to the beginning of the medium
	if p, o, _, _ := b.position(); p != 0 || o != 0 {
		t.Errorf("partition %d, object %d", p, o)
	}
	b.d.Set(func(s *tape.Setting) { s.Plan = tape.Plan{Additional: 1, Sizes: []int64{90 << 20, 90 << 20}} })
	b.ends(format(1), nil, 0, scsi.InvalidFieldInCDB(2, 3), 0)
	b.d.Set(func(s *tape.Setting) { s.Plan = tape.Plan{Additional: 3} })
	b.good(format(2), nil, 0)
	b.good(locateIn(3, 0), nil, 0)
	b.good(locateIn(0, 0), nil, 0)
	b.good(format(0), nil, 0)
	b.ends(locateIn(1, 0), nil, 0, scsi.InvalidFieldInCDB(3, -1), 0)
}

func TestErase(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	written(b)
	b.good(locate(5), nil, 0)
	b.good(cdb.Erase{}.Append(nil), nil, 0)
	b.ends(readCDB(10), nil, 10, eod(10), 10)
	b.at(5, 1)
	b.good(locate(2), nil, 0)
	b.good(cdb.Erase{Immed: true, Long: true}.Append(nil), nil, 0)
	b.ends(readCDB(10), nil, 10, eod(10), 10)
	b.good(space(cdb.SpaceBlocks, -1), nil, 0)
	b.reads(block(1, 101))
}

func TestSetCapacity(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.good(cdb.SetCapacity{Proportion: 0x2000}.Append(nil), nil, 0)
	n, r := b.fill(1 << 20)
	if r.Sense != eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0) || n < 8 || n > 11 {
		t.Errorf("%v after %d MiB", r.Sense, n)
	}
	b.ends(cdb.SetCapacity{Proportion: 0xffff}.Append(nil), nil, 0, scsi.IllegalRequest(scsi.ASCPositionPastBeginning), 0)
	// It stays so when the medium is made anew, also by another drive.
	b.good(rewind(), nil, 0)
	m, err := b.d.Unload(t.Context(), false)
	if err != nil || m.Close() != nil {
		t.Fatal(err)
	}
	if m, err = medium.Reopen(m, medium.Options{}); err != nil {
		t.Fatal(err)
	}
	b.load(m)
	b.good([]byte{0x04, 0, 0, 0, 0, 0}, nil, 0)
	if n, _ := b.fill(1 << 20); n < 8 || n > 11 {
		t.Errorf("early warning after %d MiB", n)
	}
	b.good(rewind(), nil, 0)
	b.good(cdb.SetCapacity{Proportion: 0xffff, Immed: true}.Append(nil), nil, 0)
	if n, _ = b.fill(1 << 20); n < 90 {
		t.Errorf("early warning after %d MiB", n)
	}
}

func TestVerify(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	written(b)
	v := func(v cdb.Verify6) []byte { return v.Append(nil) }
	for _, c := range []struct {
		from     uint64
		v        cdb.Verify6
		want     scsi.Sense
		at, file uint64
	}{
		{0, cdb.Verify6{Length: 100}, scsi.Sense{}, 1, 0},
		{0, cdb.Verify6{Length: 120}, ili(20), 1, 0},
		{0, cdb.Verify6{Length: 90}, ili(-10), 1, 0},
		{3, cdb.Verify6{Length: 90}, mark(90), 4, 1},
		{9, cdb.Verify6{Length: 90}, eod(90), 9, 3},
		{0, cdb.Verify6{Fixed: true, Length: 2}, ili(1), 2, 0},
		{0, cdb.Verify6{Fixed: true, Protection: true, Length: 2}, scsi.Sense{}, 2, 0},
		{0, cdb.Verify6{Fixed: true, Protection: true, Length: 5}, mark(2), 4, 1},
		{0, cdb.Verify6{ByFilemarks: true, Protection: true, Length: 2}, scsi.Sense{}, 7, 2},
		{4, cdb.Verify6{ByFilemarks: true, Length: 5}, eod(3), 9, 3},
		{0, cdb.Verify6{ToEnd: true}, scsi.Sense{}, 9, 3},
		{2, cdb.Verify6{}, scsi.Sense{}, 2, 0},
	} {
		b.d.SetBlockLength(100)
		b.good(locate(c.from), nil, 0)
		b.ends(v(c.v), nil, 0, c.want, 0)
		b.at(c.at, c.file)
	}
	b.ends([]byte{0x13, 4, 0, 0, 1, 0}, nil, 0, scsi.InvalidFieldInCDB(1, 2), 0)
	b.ends([]byte{0x13, 2, 0, 0, 1, 0}, nil, 0, scsi.InvalidFieldInCDB(1, 1), 0)
}

// What cartridges are refused, and how; and the drive lives on.
func TestGenerations(t *testing.T) {
	b := newBench(t, func(c *tape.Config) { c.Model.WORM = false })
	for _, c := range []struct {
		change func(*medium.Spec)
		want   scsi.Sense
	}{
		{func(s *medium.Spec) { s.Format = "L6" }, sense(scsi.KeyMediumError, scsi.ASCIncompatibleFormat)},
		{func(s *medium.Spec) { s.Format = "??" }, sense(scsi.KeyMediumError, scsi.ASCIncompatibleFormat)},
		{func(s *medium.Spec) { s.Type = medium.WORM }, sense(scsi.KeyMediumError, scsi.ASCIncompatibleMedium)},
	} {
		if err := b.d.Load(context.Background(), cartridge(10<<20, c.change)); err != nil {
			t.Fatal(err)
		}
		b.ends(ready(), nil, 0, scsi.UnitAttention(scsi.ASCMediumMayHaveChanged), 0)
		for _, x := range [][]byte{ready(), readCDB(10), rewind(), cdb.LoadUnload{Load: true}.Append(nil)} {
			b.ends(x, nil, 0, c.want, 0)
		}
		if s := b.d.Status(); !s.Loaded || s.Threaded || s.Problem == "" {
			t.Errorf("%+v", s)
		}
		b.unload()
		b.ends(ready(), nil, 0, scsi.NotReady(scsi.ASCMediumNotPresent), 0)
	}
	b.load(cartridge(10<<20, nil))
	b.good(ready(), nil, 0)
}

// A cleaning cartridge is seen once, and counted; then it waits to be taken out.
func TestCleaning(t *testing.T) {
	b := newBench(t, nil)
	m := cartridge(0, func(s *medium.Spec) { s.Type, s.Barcode = medium.Cleaning, "CLN001CU" })
	seen := func(want scsi.ASC) {
		t.Helper()
		if err := b.d.Load(context.Background(), m); err != nil {
			t.Fatal(err)
		}
		b.ends(ready(), nil, 0, scsi.UnitAttention(scsi.ASCMediumMayHaveChanged), 0)
		b.ends(ready(), nil, 0, scsi.NotReady(want), 0)
		b.ends(ready(), nil, 0, scsi.NotReady(scsi.ASCInitializingCommandRequired), 0)
		b.ends(cdb.LoadUnload{Load: true}.Append(nil), nil, 0, scsi.NotReady(scsi.ASCInitializingCommandRequired), 0)
		if _, err := b.d.Unload(context.Background(), false); err != nil {
			t.Fatal(err)
		}
	}
	seen(scsi.ASCCleaningCartridge)
	if n := m.Usage().Cleanings; n != 1 {
		t.Errorf("%d cleanings", n)
	}
	m.SetUsage(func(u *medium.Usage) { u.Cleanings = 50 })
	seen(scsi.ASCCleaningFailure)
	if n := m.Usage().Cleanings; n != 50 {
		t.Errorf("%d cleanings", n)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// LOAD UNLOAD, PREVENT ALLOW MEDIUM REMOVAL, and the robot.
func TestLoadUnload(t *testing.T) {
	b := loaded(t, 10<<20, nil)
	ctx := context.Background()
	unload, load := cdb.LoadUnload{}.Append(nil), cdb.LoadUnload{Load: true}.Append(nil)
	prevent := func(on uint8) []byte { return cdb.Prevent{Mode: on}.Append(nil) }
	prevented := scsi.IllegalRequest(scsi.ASCMediumRemovalPrevented)
	b.good(writeCDB(10), block(1, 10), 0)
	b.good(prevent(1), nil, 0)
	b.ends(unload, nil, 0, prevented, 0)
	if _, err := b.d.Unload(ctx, false); err != tape.ErrPrevented {
		t.Error(err)
	}
	b.ends(prevent(2), nil, 0, scsi.InvalidFieldInCDB(4, 1), 0)
	b.good(prevent(0), nil, 0)
	b.good(unload, nil, 0)
	seated := scsi.NotReady(scsi.ASCInitializingCommandRequired)
	for _, c := range [][]byte{ready(), readCDB(10), rewind()} {
		b.ends(c, nil, 0, seated, 0)
	}
	b.good(unload, nil, 0)
	b.good(load, nil, 0)
	b.good(ready(), nil, 0)
	b.reads(block(1, 10))
	b.good(load, nil, 0)
	b.at(0, 0)
	b.ends(cdb.LoadUnload{Load: true, AtEnd: true}.Append(nil), nil, 0, scsi.InvalidFieldInCDB(4, 2), 0)
	// The robot could not put it anywhere.
	b.good(locate(1), nil, 0)
	m, err := b.d.Unload(ctx, false)
	if err != nil || m == nil {
		t.Fatal(err)
	}
	b.ends(ready(), nil, 0, scsi.NotReady(scsi.ASCMediumNotPresent), 0)
	b.d.Release(m)
	b.good(ready(), nil, 0)
	b.at(1, 0)
	b.good(prevent(1), nil, 0)
	if m, err = b.d.Unload(ctx, true); err != nil {
		t.Fatal(err)
	}
	if m, err := b.d.Unload(ctx, false); m != nil || err != nil {
		t.Error(m, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := medium.Reopen(m, medium.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.load(again)
	b.reads(block(1, 10))
	for b.d.Status().Activity != "idle" { // it may be answered before
		time.Sleep(100 * time.Microsecond)
	}
	if s := b.d.Status(); !s.Prevented || s.Barcode != "LUN001L8" || s.Position.Object != 1 || s.Activity != "idle" {
		t.Errorf("%+v", s)
	}
	if u := again.Usage(); u.Loads != 3 || u.Written != 10 || len(u.Drives) != 3 { // by LOAD too
		t.Errorf("%+v", u)
	}
}

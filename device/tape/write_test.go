package tape_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// What a WRITE must not be.
func TestWriteRefused(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.good(writeCDB(0), nil, 0)
	b.at(0, 0)
	b.ends(writeCDB(8<<20+1), make([]byte, 8<<20+1), 0, scsi.InvalidFieldInCDB(2, -1), 8<<20+1)
	b.d.SetBlockLength(1 << 20)
	b.ends(writeFixed(17), make([]byte, 17<<20), 0, scsi.InvalidFieldInCDB(2, -1), 17<<20)
	b.ends(writeCDB(100), make([]byte, 50), 0, scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU), -50)
	b.ends(writeCDB(100), make([]byte, 150), 0, scsi.Sense{}, 50)
	b.at(1, 0)
}

// Largest blocks, and blocks over several pieces of memory.
func TestWriteLarge(t *testing.T) {
	b := loaded(t, 200<<20, nil)
	sizes := []int{1, 8 << 20, 3<<20 + 17, 1 << 20, 1<<20 + 1}
	for i, n := range sizes {
		b.good(writeCDB(n), block(i, n), 0)
	}
	b.good(rewind(), nil, 0)
	for i, n := range sizes {
		b.reads(block(i, n))
	}
}

// Writing where data follows ends the data there.
func TestOverwrite(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	for i := range 5 {
		b.good(writeCDB(100), block(i, 100), 0)
		b.good(marks(1), nil, 0)
	}
	b.good(locate(4), nil, 0)
	b.good(writeCDB(50), block(9, 50), 0)
	b.at(5, 2)
	b.ends(readCDB(50), nil, 50, eod(50), 50)
	b.good(space(cdb.SpaceBlocks, -1), nil, 0)
	b.reads(block(9, 50))
	b.good(locate(1), nil, 0)
	b.good(marks(1), nil, 0)
	b.ends(readCDB(50), nil, 50, eod(50), 50)
	b.at(2, 1)
}

// small is a cartridge of 8 MiB, of which 2 are behind early warning.
const small = 8 << 20

// fill writes blocks of a size until one does not end with GOOD, which it returns, and how many there were.
func (b *bench) fill(size int) (n int, r result) {
	b.Helper()
	for n = 0; ; n++ {
		if r = b.do(writeCDB(size), block(n, size), 0); r.Err() != nil {
			return n, r
		}
	}
}

// Early warning: every WRITE behind it is done, and says so. The end of the partition: what does not fit is counted.
func TestEarlyWarning(t *testing.T) {
	for name, change := range map[string]func(*tape.Setting){
		"buffered":     func(*tape.Setting) {},
		"not buffered": func(s *tape.Setting) { s.Buffered = 0 },
		"compressed":   func(s *tape.Setting) { s.Compress = true },
	} {
		t.Run(name, func(t *testing.T) {
			b := loaded(t, small, func(c *tape.Config) { c.Compression = medium.Fast })
			b.d.Set(change)
			const size = 256 << 10
			n, r := b.fill(size)
			warning := eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0)
			if r.Sense != warning || r.Residual != 0 {
				t.Fatalf("%v, residual %d", r.Sense, r.Residual)
			}
			if want := 6<<20/(size+512) - 1; n < want || n > want+1 {
				t.Errorf("early warning after %d blocks, want %d", n, want)
			}
			n++
			b.at(uint64(n), 0)
			if _, _, _, flags := b.position(); flags&0x40 == 0 {
				t.Errorf("flags %02x behind early warning", flags)
			}
			// What Bacula does: a filemark, back over it and over a block, and that block again.
			b.ends(marks(1), nil, 0, warning, 0)
			b.good(space(cdb.SpaceFilemarks, -1), nil, 0)
			b.good(space(cdb.SpaceBlocks, -1), nil, 0)
			b.reads(block(n-1, size))
			b.ends(readCDB(size), nil, size, mark(size), size)
			for ; ; n++ {
				if r = b.do(writeCDB(size), block(n, size), 0); r.Sense != warning {
					break
				}
			}
			if want := eom(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, size); r.Sense != want || r.Residual != size {
				t.Errorf("%v, residual %d; want %v", r.Sense, r.Residual, want)
			}
			b.at(uint64(n+1), 1) // and the filemark
			b.ends(writeCDB(1024), make([]byte, 1024), 0, warning, 0)
			b.ends(marks(1), nil, 0, warning, 0)
			b.good(locate(uint64(n-1)), nil, 0)
			b.ends(readCDB(size), nil, size, scsi.Sense{}, 0)
			b.good(rewind(), nil, 0)
			if _, _, _, flags := b.position(); flags != 0x80 {
				t.Errorf("flags %02x at the beginning", flags)
			}
			for i := range 5 {
				b.reads(block(i, size))
			}
		})
	}
}

// Of a fixed WRITE those blocks are written that fit, and the others counted.
func TestEndOfPartitionFixed(t *testing.T) {
	b := loaded(t, small, nil)
	b.d.SetBlockLength(64 << 10)
	warning := eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0)
	data := block(1, 10*64<<10)
	for n := uint64(0); ; n += 10 {
		r := b.do(writeFixed(10), data, 0)
		if r.Err() == nil || r.Sense == warning {
			continue
		}
		rest := r.Sense.Info
		if r.Sense != eom(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, rest) || r.Residual != int64(rest)*64<<10 || rest == 0 || rest > 10 {
			t.Fatalf("%v, residual %d", r.Sense, r.Residual)
		}
		b.at(n+10-rest, 0)
		if rest == 10 {
			break
		}
		b.good(space(cdb.SpaceBlocks, -1), nil, 0)
		b.reads(data[(9-rest)*64<<10 : (10-rest)*64<<10])
		break
	}
}

// Programmable early warning is told once, until the position has left its zone.
func TestProgrammableEarlyWarning(t *testing.T) {
	b := loaded(t, 16<<20, nil)
	b.d.Set(func(s *tape.Setting) { s.PEWS = 4 })
	const size = 256 << 10
	once := eom(scsi.KeyNoSense, scsi.ASCProgrammableEarlyWarning, 0)
	n, r := b.fill(size)
	if r.Sense != once || r.Residual != 0 {
		t.Fatalf("%v", r.Sense)
	}
	if _, _, _, flags := b.position(); flags != 0x01 {
		t.Errorf("flags %02x", flags)
	}
	b.good(writeCDB(size), block(0, size), 0)
	b.good(space(cdb.SpaceBlocks, -1), nil, 0)
	b.good(writeCDB(size), block(0, size), 0) // it has not left the zone
	b.good(locate(uint64(n-4)), nil, 0)
	more, r := b.fill(size)
	if r.Sense != once || more < 3 || more > 5 {
		t.Errorf("%v after %d", r.Sense, more)
	}
	_, r = b.fill(size)
	if r.Sense != eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0) {
		t.Errorf("%v", r.Sense)
	}
}

// REW: a READ behind early warning says so.
func TestReportEarlyWarning(t *testing.T) {
	b := loaded(t, small, nil)
	const size = 256 << 10
	n, _ := b.fill(size)
	b.good(locate(uint64(n)), nil, 0)
	b.good(readCDB(size), nil, size)
	b.d.Set(func(s *tape.Setting) { s.REW = true })
	b.good(locate(uint64(n)), nil, 0)
	r := b.ends(readCDB(size), nil, size, eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0), 0)
	if !bytes.Equal(r.data, block(n, size)) {
		t.Error("other data")
	}
	b.good(locate(0), nil, 0)
	b.good(readCDB(size), nil, size)
}

// Filemarks by IMMED are buffered; without the buffer there are none.
func TestFilemarks(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.good(marksImmed(3), nil, 0)
	b.good(marksImmed(0), nil, 0)
	b.at(3, 3)
	b.good(marks(0), nil, 0)
	b.at(3, 3)
	b.d.Set(func(s *tape.Setting) { s.Buffered = 0 })
	b.ends(marksImmed(1), nil, 0, scsi.InvalidFieldInCDB(1, 0), 0)
	b.good(marks(2), nil, 0)
	b.at(5, 5)
	b.ends([]byte{0x10, 2, 0, 0, 1, 0}, nil, 0, scsi.InvalidFieldInCDB(1, 1), 0)
}

// Write protection, by whatever it is.
func TestWriteProtected(t *testing.T) {
	writes := [][]byte{writeCDB(10), marks(1), {0x19, 0, 0, 0, 0, 0}, {0x04, 0, 0, 0, 0, 0}}
	refused := func(b *bench, want scsi.Sense) {
		b.Helper()
		for _, c := range writes {
			out := []byte(nil)
			if c[0] == 0x0a {
				out = make([]byte, 10)
			}
			b.ends(c, out, 0, want, int64(len(out)))
		}
		b.at(0, 0)
	}
	for _, c := range []struct {
		set  func(*tape.Setting)
		want scsi.ASC
	}{
		{func(s *tape.Setting) { s.SoftwareWP = true }, scsi.ASCSoftwareWriteProtected},
		{func(s *tape.Setting) { s.AssociatedWP = true }, scsi.ASCAssociatedWriteProtect},
		{func(s *tape.Setting) { s.PersistentWP = true }, scsi.ASCPersistentWriteProtect},
		{func(s *tape.Setting) { s.PermanentWP = true }, scsi.ASCPermanentWriteProtect},
	} {
		b := loaded(t, 100<<20, nil)
		b.d.Set(c.set)
		refused(b, scsi.DataProtect(c.want))
	}
	b := newBench(t, nil)
	b.load(cartridge(100<<20, func(s *medium.Spec) { s.Format = "L7" }))
	refused(b, scsi.DataProtect(scsi.ASCCannotWriteIncompatibleFormat))
	b.ends(readCDB(10), nil, 10, eod(10), 10)
}

// WORM: what is there stays, but for filemarks at the end.
func TestWORM(t *testing.T) {
	b := newBench(t, nil)
	b.load(cartridge(100<<20, func(s *medium.Spec) { s.Type = medium.WORM }))
	refused := scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
	b.good(writeCDB(10), block(1, 10), 0)
	b.good(marks(2), nil, 0)
	b.good(space(cdb.SpaceFilemarks, -1), nil, 0)
	b.good(writeCDB(10), block(2, 10), 0)
	b.at(3, 1)
	b.good(marks(1), nil, 0)
	for _, at := range []uint64{0, 1, 2} {
		b.good(locate(at), nil, 0)
		b.ends(writeCDB(10), block(3, 10), 0, refused, 10)
		b.ends(marks(1), nil, 0, refused, 0)
		b.ends([]byte{0x19, 0, 0, 0, 0, 0}, nil, 0, refused, 0)
		b.at(at, min(at, 2)/2)
	}
	b.good(rewind(), nil, 0)
	for _, format := range []byte{0, 1, 2} {
		b.ends([]byte{0x04, 0, format, 0, 0, 0}, nil, 0, refused, 0)
	}
	b.ends([]byte{0x0b, 0, 0, 0x80, 0, 0}, nil, 0, refused, 0)
	b.reads(block(1, 10))
	b.ends(readCDB(10), nil, 10, mark(10), 10)
	b.reads(block(2, 10))
	b.ends(readCDB(10), nil, 10, mark(10), 10)
	b.good(writeCDB(10), block(4, 10), 0)
	b.at(5, 2)
}

// Append-only mode: ALLOW OVERWRITE lets one thing be written over.
func TestAppendOnly(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	allow := func(what, partition uint8, object uint64) []byte {
		return cdb.AllowOverwrite{Allow: what, Partition: partition, Object: object}.Append(nil)
	}
	refused := scsi.DataProtect(scsi.ASCWORMOverwriteAttempted)
	b.ends(allow(1, 0, 0), nil, 0, scsi.IllegalRequest(scsi.ASCNotAppendOnlyPosition), 0)
	b.d.Set(func(s *tape.Setting) { s.AppendOnly = true })
	for i := range 4 {
		b.good(writeCDB(10), block(i, 10), 0)
	}
	b.good(locate(2), nil, 0)
	b.ends(writeCDB(10), block(9, 10), 0, refused, 10)
	b.ends(allow(3, 0, 0), nil, 0, scsi.InvalidFieldInCDB(2, 3), 0)
	b.ends(allow(1, 0, 1), nil, 0, scsi.InvalidFieldInCDB(4, -1), 0)
	b.ends(allow(1, 1, 2), nil, 0, scsi.InvalidFieldInCDB(3, -1), 0)
	b.good(allow(1, 0, 2), nil, 0)
	b.good(allow(0, 0, 0), nil, 0)
	b.ends(writeCDB(10), block(9, 10), 0, refused, 10)
	b.good(allow(1, 0, 2), nil, 0)
	b.good(writeCDB(10), block(9, 10), 0)
	b.good(writeCDB(10), block(10, 10), 0)
	b.at(4, 0)
	b.good(locate(2), nil, 0)
	b.ends(writeCDB(10), block(9, 10), 0, refused, 10) // once
	b.good(rewind(), nil, 0)
	b.ends([]byte{0x04, 0, 0, 0, 0, 0}, nil, 0, refused, 0)
	b.good(allow(2, 0, 0), nil, 0)
	b.good([]byte{0x04, 0, 0, 0, 0, 0}, nil, 0)
	b.ends(readCDB(10), nil, 10, eod(10), 10)
}

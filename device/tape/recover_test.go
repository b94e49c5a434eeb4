package tape_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

func recovers(n int, flags ...bool) []byte {
	t := cdb.Transfer{Opcode: scsi.OpRecoverBufferedData, Length: uint32(n)}
	t.Fixed, t.SILI = slices.Contains(flags, true), slices.Contains(flags, false)
	return t.Append(nil)
}

// What was buffered and could not be written is read back, in order and once; the next command for the medium ends that.
func TestRecoverBufferedData(t *testing.T) {
	b := newBench(t, func(c *tape.Config) {
		c.Model.RecoverBuffered, c.Model.Encryption, c.Compression = true, 0x10014, medium.Fast
	})
	f := newFaulty(100 << 20)
	b.load(f)
	// lose writes what write writes, of which the first object is on the medium.
	lose := func(write func()) {
		t.Helper()
		hold := make(chan struct{})
		fails := on("append", 1, medium.ErrNoSpace)
		f.set(func(what string) error { <-hold; return fails(what) })
		write()
		close(hold)
		b.settles(f)
	}
	const fixed, sili = true, false
	failed := sense(scsi.KeyMediumError, scsi.ASCWriteError)
	none := func(n uint64) scsi.Sense { return eom(scsi.KeyNoSense, scsi.ASCEndOfData, n) }
	mixed := func() {
		for i := range 3 {
			b.good(writeCDB(1000+i), block(i, 1000+i), 0)
		}
		b.good(marksImmed(2), nil, 0)
		b.good(writeCDB(1<<20), block(4, 1<<20), 0)
	}

	lose(mixed)
	b.ends(recovers(1001), nil, 1001, failed.WithInfo(2003+2+1<<20).AsDeferred(), 1001) // nobody was told before
	f.set(nil)
	b.at(1, 0)
	for i, c := range []struct {
		cdb      []byte
		n        int
		want     scsi.Sense
		residual int64
		got      []byte
	}{
		{recovers(1001), 1001, scsi.Sense{}, 0, block(1, 1001)},
		{recovers(2000), 2000, ili(998), 998, block(2, 1002)},
		{recovers(10), 10, mark(10), 10, nil},
		{recovers(10, sili), 10, mark(10), 10, nil},
		{recovers(2<<20, sili), 2 << 20, scsi.Sense{}, 1 << 20, block(4, 1<<20)},
		{recovers(10), 10, none(10), 10, nil},
		{recovers(10), 10, none(10), 10, nil},
	} {
		if r := b.ends(c.cdb, nil, c.n, c.want, c.residual); !bytes.Equal(r.data, c.got) {
			t.Errorf("%d: %d bytes", i, len(r.data))
		}
		b.at(1, 0)
	}

	// Blocks of a fixed length, of one command of which some are written.
	b.d.SetBlockLength(100)
	data := block(9, 600*100)
	lose(func() {
		b.good(writeCDB(50), block(8, 50), 0)
		b.good(writeFixed(600), data, 0)
		b.good(writeCDB(70), block(7, 70), 0)
	})
	b.ends(marks(1), nil, 0, failed.WithInfo(600*100+70+1), 0)
	f.set(nil)
	b.ends(recovers(10, fixed, sili), nil, 1000, scsi.InvalidFieldInCDB(1, 1), 1000)
	if got := b.good(recovers(400, fixed), nil, 40000); !bytes.Equal(got, data[:40000]) {
		t.Error("other data")
	}
	r := b.ends(recovers(300, fixed), nil, 30000, ili(100), 10000-70)
	if !bytes.Equal(r.data, slices.Concat(data[40000:], block(7, 70))) {
		t.Errorf("%d bytes", len(r.data))
	}
	b.ends(recovers(3, fixed), nil, 300, none(3), 300)

	// Any other command for the medium ends it, and so does the end of the drive.
	for range 2 {
		lose(mixed)
		b.ends(marks(0), nil, 0, failed.WithInfo(2003+2+1<<20), 0)
		f.set(nil)
		b.good(ready(), nil, 0)
		b.good(recovers(1001), nil, 1001)
		b.good(space(cdb.SpaceEndOfData, 0), nil, 0)
		b.ends(recovers(10), nil, 10, none(10), 10)
	}
	// What would have been encrypted is not kept.
	b.key(1, 2, 2)
	lose(mixed)
	b.ends(marks(0), nil, 0, failed.WithInfo(2003+2+1<<20), 0)
	f.set(nil)
	b.ends(recovers(10), nil, 10, mark(10), 10)
	b.ends(recovers(10), nil, 10, mark(10), 10)
	b.ends(recovers(10), nil, 10, none(10), 10)
	b.key(0, 0, 0)
	lose(mixed)
	b.ends(marks(0), nil, 0, failed.WithInfo(2003+2+1<<20), 0)
	f.set(nil)
}

// Most drives have no such command.
func TestNothingIsRecovered(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	if r := b.do(recovers(10), nil, 10); r.Sense.ASC != scsi.ASCInvalidOpcode {
		t.Error(r.Sense)
	}
}

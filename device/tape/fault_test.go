package tape_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// GOOD for a filemark that is not buffered, and for what synchronizes, means durable; nothing else costs a Sync.
func TestDurable(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	syncs := func(want int, c, out []byte) {
		t.Helper()
		before := f.synced()
		b.do(c, out, 1000)
		if n := f.synced() - before; n != want {
			t.Errorf("%x: %d times synchronized, want %d", c, n, want)
		}
	}
	w := func() { b.good(writeCDB(100), block(1, 100), 0) }
	syncs(0, writeCDB(100), block(1, 100))
	syncs(0, marksImmed(1), nil)
	syncs(0, cdb.ReadPosition{}.Append(nil), nil)
	syncs(0, ready(), nil)
	syncs(1, marks(0), nil)
	syncs(1, marks(1), nil)
	w()
	syncs(1, rewind(), nil)
	syncs(0, rewind(), nil)
	syncs(0, readCDB(100), nil)
	b.good(space(cdb.SpaceEndOfData, 0), nil, 0)
	w()
	syncs(0, space(cdb.SpaceBlocks, 0), nil)
	syncs(1, space(cdb.SpaceBlocks, -1), nil)
	w()
	syncs(1, locate(0), nil)
	b.good(space(cdb.SpaceEndOfData, 0), nil, 0)
	w()
	syncs(1, cdb.LoadUnload{}.Append(nil), nil)
	b.good(cdb.LoadUnload{Load: true}.Append(nil), nil, 0)
	w()
	syncs(1, cdb.Erase{}.Append(nil), nil)
	b.d.Set(func(s *tape.Setting) { s.Buffered = 0 })
	syncs(1, writeCDB(100), block(1, 100))
}

// An error of buffered data is told by what comes next, with all that is lost, and is never an end of the medium.
func TestDeferred(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want scsi.Sense
	}{
		"full disk":        {medium.ErrNoSpace, sense(scsi.KeyMediumError, scsi.ASCWriteError)},
		"something else":   {errors.New("input/output error"), sense(scsi.KeyMediumError, scsi.ASCWriteError)},
		"end of partition": {medium.ErrEndOfPartition, eom(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			f := newFaulty(100 << 20)
			b.load(f)
			// lose writes 5 blocks of which the last 3 are lost.
			lose := func() {
				t.Helper()
				b.settles(f)
				hold := make(chan struct{})
				fails := on("append", 2, c.err)
				f.set(func(what string) error { <-hold; return fails(what) })
				for i := range 5 {
					b.good(writeCDB(1000), block(i, 1000), 0)
				}
				close(hold)
			}
			lose()
			b.settles(f)
			// What is lost is not on the medium, and nobody has been told: it counts as buffered.
			x := b.good(cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 32}.Append(nil), nil, 32)
			if be(x[5:8]) != 3 || be(x[8:16]) != 5 || be(x[16:24]) != 2 || be(x[24:32]) != 3000 {
				t.Errorf("the position is %x", x)
			}
			b.ends(writeCDB(500), block(1, 500), 0, c.want.WithInfo(3500), 500)
			f.set(nil)
			b.at(2, 0)
			b.good(writeCDB(500), block(1, 500), 0)
			lose()
			b.ends(marks(1), nil, 0, c.want.WithInfo(3001), 0)
			f.set(nil)
			b.at(5, 0)
			lose()
			b.ends(marks(0), nil, 0, c.want.WithInfo(3000), 0)
			f.set(nil)
			b.at(7, 0)
			lose()
			deferred := c.want.WithInfo(3000).AsDeferred()
			b.ends(rewind(), nil, 0, deferred, 0)
			f.set(nil)
			b.at(9, 0)
			b.good(rewind(), nil, 0)
			b.reads(block(0, 1000))
			b.good(space(cdb.SpaceEndOfData, 0), nil, 0)
			b.d.SetBlockLength(1000)
			lose2 := on("append", 0, c.err)
			hold := make(chan struct{})
			f.set(func(what string) error { <-hold; return lose2(what) })
			b.good(writeFixed(4), block(0, 4000), 0)
			close(hold)
			b.settles(f)
			b.ends(writeFixed(2), block(0, 2000), 0, c.want.WithInfo(6), 2000)
			f.set(nil)
			lose()
			if _, err := b.d.Unload(t.Context(), false); err == nil {
				t.Error("nobody has told of lost data")
			}
			f.set(nil)
			b.unload()
		})
	}
}

// settles waits until the buffer is empty, without making it.
func (b *bench) settles(*faulty) {
	b.Helper()
	for range 10000 {
		if !b.d.Writing() {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	b.Fatal("the buffer does not get empty")
}

// READ POSITION says what is in the buffer, and does not write it.
func TestPositionInBuffer(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	hold := make(chan struct{})
	f.set(func(string) error { <-hold; return nil })
	for i := range 4 {
		b.good(writeCDB(1000), block(i, 1000), 0)
	}
	b.good(marksImmed(2), nil, 0)
	x := b.good(cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 32}.Append(nil), nil, 32)
	s := b.good(cdb.ReadPosition{}.Append(nil), nil, 20)
	if be(x[5:8]) != 6 || be(x[8:16]) != 6 || be(x[16:24]) != 0 || be(x[24:32]) != 4000 || be(s[4:8]) != 6 || be(s[8:12]) != 0 || be(s[13:16]) != 6 || be(s[16:20]) != 4000 {
		t.Errorf("%x, %x", x, s)
	}
	close(hold)
	b.good(marks(0), nil, 0)
	b.at(6, 2)
}

// The buffer is bounded: a WRITE that does not fit waits, and the others go on.
func TestBufferIsBounded(t *testing.T) {
	b := newBench(t, func(c *tape.Config) { c.Buffer = 100 << 10 })
	f := newFaulty(100 << 20)
	b.load(f)
	hold := make(chan struct{})
	f.set(func(string) error { <-hold; return nil })
	const size = 40 << 10
	b.good(writeCDB(size), block(0, size), 0)
	b.good(writeCDB(size), block(1, size), 0)
	p := b.s.Start(loopback.Command{CDB: writeCDB(size), Out: block(2, size)})
	other := b.login(2, loopback.Options{})
	if r := b.on(other, cdb.Inquiry{Allocation: 36}.Append(nil), nil, 36); r.Err() != nil {
		t.Error(r.Err())
	}
	if r := b.on(other, ready(), nil, 0); r.Err() != nil {
		t.Error(r.Err())
	}
	for i := 0; b.d.Status().Activity != "writing"; i++ {
		if i == 10000 {
			t.Fatalf("%+v", b.d.Status())
		}
		time.Sleep(100 * time.Microsecond)
	}
	close(hold)
	if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Error(err, r.Err())
	}
	b.good(rewind(), nil, 0)
	for i := range 3 {
		b.reads(block(i, size))
	}
}

// A block that is damaged is a MEDIUM ERROR, and the position stays.
func TestDamaged(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	b.d.SetBlockLength(100)
	for i := range 10 {
		b.good(writeCDB(100), block(i, 100), 0)
	}
	b.good(rewind(), nil, 0)
	bad := &medium.CorruptError{Object: 2, What: "checksum"}
	unread := sense(scsi.KeyMediumError, scsi.ASCUnrecoveredReadError)
	f.set(on("read", 2, bad))
	b.reads(block(0, 100))
	b.reads(block(1, 100))
	b.ends(readCDB(150), nil, 150, unread.WithInfo(150), 150)
	b.at(2, 0)
	f.set(on("read", 3, bad))
	r := b.ends(readFixed(5), nil, 500, unread.WithInfo(2), 200)
	if !bytes.Equal(r.data, bytes.Join([][]byte{block(2, 100), block(3, 100), block(4, 100)}, nil)) {
		t.Errorf("%d bytes", len(r.data))
	}
	b.at(5, 0)
	f.set(nil)
	b.good(readFixed(5), nil, 500)
	// So is one that the disk does not give.
	b.good(locate(2), nil, 0)
	f.set(on("read", 0, errors.New("input/output error")))
	b.ends(readCDB(100), nil, 100, unread.WithInfo(100), 100)
	f.set(nil)
	b.good(locate(2), nil, 0)
	b.good(readFixed(5), nil, 500)
	// Reading ahead finds a block that is damaged before a command does: the command tells.
	b.good(rewind(), nil, 0)
	f.set(on("read", 6, bad))
	for i := range 6 {
		b.reads(block(i, 100))
	}
	b.ends(readCDB(100), nil, 100, unread.WithInfo(100), 100)
	b.at(6, 0)
}

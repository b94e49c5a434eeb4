package tape_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A faulty tape fails, waits and counts as a test wants it.
type faulty struct {
	medium.Tape
	mu    sync.Mutex
	syncs int
	hook  func(what string) error // called before what is done; an error is that of it
	heads map[int]*faultyHead
}

type faultyHead struct {
	medium.Head
	f *faulty
}

func newFaulty(capacity int64) *faulty {
	return &faulty{Tape: cartridge(capacity, nil), heads: map[int]*faultyHead{}}
}

func (f *faulty) Head(n int) medium.Head {
	if f.heads[n] == nil {
		f.heads[n] = &faultyHead{f.Tape.Head(n), f}
	}
	return f.heads[n]
}

func (f *faulty) set(hook func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faulty) call(what string) error {
	f.mu.Lock()
	hook := f.hook
	if what == "sync" {
		f.syncs++
	}
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(what)
}

func (f *faulty) synced() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.syncs
}

func (f *faulty) Sync(ctx context.Context) error {
	if err := f.call("sync"); err != nil {
		return err
	}
	return f.Tape.Sync(ctx)
}

func (h *faultyHead) Append(ctx context.Context, x medium.Frame) (int, error) {
	if err := h.f.call("append"); err != nil {
		x.Release()
		return 0, err
	}
	return h.Head.Append(ctx, x)
}

func (h *faultyHead) Filemarks(ctx context.Context, n int) (int, error) {
	if err := h.f.call("filemarks"); err != nil {
		return 0, err
	}
	return h.Head.Filemarks(ctx, n)
}

func (h *faultyHead) Read(ctx context.Context, l *buffer.Lease, off, n int64, o medium.Opener) (int64, error) {
	if err := h.f.call("read"); err != nil {
		return 0, err
	}
	return h.Head.Read(ctx, l, off, n, o)
}

func (h *faultyHead) Erase(ctx context.Context) error {
	if err := h.f.call("erase"); err != nil {
		return err
	}
	return h.Head.Erase(ctx)
}

func (h *faultyHead) Locate(ctx context.Context, n uint64) error {
	if err := h.f.call("locate"); err != nil {
		return err
	}
	return h.Head.Locate(ctx, n)
}

// on fails what is done so often, from the nth on, with err.
func on(what string, n int, err error) func(string) error {
	var mu sync.Mutex
	return func(is string) error {
		mu.Lock()
		defer mu.Unlock()
		if is != what {
			return nil
		}
		if n--; n < 0 {
			return err
		}
		return nil
	}
}

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
		x := b.good(cdb.ReadPosition{Action: cdb.PositionExtended, Allocation: 32}.Append(nil), nil, 32)
		if be(x[5:8]) == 0 {
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
	if s := b.d.Status(); s.Read != 800+0+200 {
		t.Logf("%+v", s)
	}
	// Reading ahead finds a block that is damaged before a command does: the command tells.
	b.good(rewind(), nil, 0)
	f.set(on("read", 6, bad))
	for i := range 6 {
		b.reads(block(i, 100))
	}
	b.ends(readCDB(100), nil, 100, unread.WithInfo(100), 100)
	b.at(6, 0)
}

// IMMED answers early; the work goes on, and others are told so, or wait.
func TestImmediate(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	b.good(writeCDB(100), block(0, 100), 0)
	progress := func(want scsi.Sense, tur scsi.ASC) {
		t.Helper()
		want.ProgressValid = true
		got, err := scsi.ParseSense(b.good(cdb.RequestSense{Allocation: 18}.Append(nil), nil, 18))
		if err != nil || got != want {
			t.Errorf("REQUEST SENSE %v, want %v", got, want)
		}
		not := scsi.NotReady(tur)
		not.ProgressValid = true
		b.ends(ready(), nil, 0, not, 0)
	}
	for _, c := range []struct {
		cdb  []byte
		what string
		want scsi.Sense
		tur  scsi.ASC
	}{
		{cdb.Rewind{Immed: true}.Append(nil), "locate", sense(scsi.KeyNoSense, scsi.ASCOperationInProgress), scsi.ASCNotReadyOperationInProgress},
		{cdb.Locate{Opcode: scsi.OpLocate16, Immed: true, Identifier: 1}.Append(nil), "locate", sense(scsi.KeyNoSense, scsi.ASCOperationInProgress), scsi.ASCNotReadyOperationInProgress},
		{cdb.Erase{Immed: true, Long: true}.Append(nil), "erase", sense(scsi.KeyNoSense, scsi.ASCEraseInProgress), scsi.ASCNotReadyOperationInProgress},
	} {
		hold := make(chan struct{})
		f.set(func(what string) error {
			if what == c.what {
				<-hold
			}
			return nil
		})
		b.good(c.cdb, nil, 0)
		progress(c.want, c.tur)
		p := b.s.Start(loopback.Command{CDB: cdb.ReadPosition{Action: cdb.PositionLong}.Append(nil), In: make([]byte, 32)})
		progress(c.want, c.tur)
		close(hold)
		if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
			t.Error(err, r.Err())
		}
		b.good(ready(), nil, 0)
	}
	// An error of it is told by what comes next.
	b.good(rewind(), nil, 0)
	b.good(cdb.Locate{Opcode: scsi.OpLocate16, Immed: true, Identifier: 77}.Append(nil), nil, 0)
	b.ends(space(cdb.SpaceBlocks, -1), nil, 0, sense(scsi.KeyBlankCheck, scsi.ASCEndOfData).AsDeferred(), 0)
	b.good(space(cdb.SpaceBlocks, -1), nil, 0)
}

// Commands of one nexus are done in order of their arrival, although the data of a later one is there first; others do not wait for
// who owes data.
func TestOrderOfArrival(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	owes := b.login(2, loopback.Options{Never: true})
	p := owes.Start(loopback.Command{CDB: writeCDB(100), Out: block(1, 100)})
	q := owes.Start(loopback.Command{CDB: rewind()})
	b.good(writeCDB(50), block(2, 50), 0)
	b.at(1, 0)
	if r := owes.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
		t.Error(r)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Error(err)
	}
	if r, err := q.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Error(err, r.Err())
	}
	b.at(0, 0)
	b.reads(block(2, 50))
	// Many at a time, whose data comes when it wants to: all in order.
	late := b.login(3, loopback.Options{Later: true, Piece: 700})
	var all []loopback.Pending
	for i := range 100 {
		all = append(all, late.Start(loopback.Command{CDB: writeCDB(1000 + 37*(i%11)), Out: block(i, 1000+37*(i%11))}))
	}
	for _, p := range all {
		if r, err := p.Wait(t.Context()); err != nil || r.Err() != nil {
			t.Fatal(err, r.Err())
		}
	}
	b.good(locate(1), nil, 0)
	for i := range 100 {
		b.reads(block(i, 1000+37*(i%11)))
	}
}

// A queue of commands that are aborted while the first of them hangs: they end at once.
func TestAbortInQueue(t *testing.T) {
	b := newBench(t, nil)
	f := newFaulty(100 << 20)
	b.load(f)
	hold := make(chan struct{})
	f.set(func(what string) error { <-hold; return nil })
	first := b.s.Start(loopback.Command{CDB: locate(0)})
	other := b.login(2, loopback.Options{})
	for _, c := range []loopback.Command{{CDB: writeCDB(100), Out: block(1, 100)}, {CDB: readCDB(100), In: make([]byte, 100)}, {CDB: rewind()}} {
		p := other.Start(c)
		if r := other.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
			t.Error(r)
		}
		if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.d.Unload(ctx, false); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(hold)
	if r, err := first.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Error(err, r.Err())
	}
	b.at(0, 0)
}

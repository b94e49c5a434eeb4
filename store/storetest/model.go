package storetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lunette-io/lunette/store"
)

// A model is what a store should hold.
type model struct{ bytes []byte }

func newModel(size int64) *model { return &model{make([]byte, size)} }

func (m *model) size() int64 { return int64(len(m.bytes)) }

// resize adds zeros or cuts off.
func (m *model) resize(size int64) {
	b := make([]byte, size)
	copy(b, m.bytes)
	m.bytes = b
}

// differ is the first index at which a and b differ, or -1.
func differ(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// pattern is n random bytes.
func pattern(n int64, seed uint64) []byte {
	b := make([]byte, n)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// A worker applies random operations to a range of the store that it alone uses.
type worker struct {
	*fixture
	rand     *rand.Rand
	from, to int64
	step     int
}

// enough is how long a worker goes on: a slow disk gets through fewer operations.
const enough = time.Second / 2

// run makes n operations; it returns the first thing that was wrong.
func (w *worker) run(n int) error {
	ops := []struct {
		name string
		do   func(off, n int64) error
	}{
		{"read", w.readBack}, {"write", w.write}, {"write FUA", w.writeFUA}, {"flush", w.flush},
		{"try read", w.tryRead}, {"try write", w.tryWrite},
		{"submit read", w.submitRead}, {"submit write", w.submitWrite}, {"submit write FUA", w.submitWriteFUA},
		{"submit flush", w.submitFlush}, {"submit trim", w.submitTrim},
		{"submit zero", w.submitZero}, {"submit zero, may trim", w.submitZeroTrim},
		{"compare and write", w.swap}, {"compare and write FUA", w.swapFUA},
		{"lend for reading", w.lendRead}, {"lend for writing", w.lendWrite},
		{"trim", w.trim}, {"zero", w.zero}, {"zero, may trim", w.zeroTrim}, {"extent", w.extent},
	}
	w.step = 0
	for start := time.Now(); w.step < n && time.Since(start) < enough; w.step++ {
		op := ops[w.rand.IntN(len(ops))]
		off, n := w.place()
		if err := op.do(off, n); err != nil {
			return fmt.Errorf("operation %d: %s of %d bytes at %d: %w", w.step, op.name, n, off, err)
		}
		if err := w.readBack(off, n); err != nil {
			return fmt.Errorf("operation %d: read after %s of %d bytes at %d: %w", w.step, op.name, n, off, err)
		}
	}
	return nil
}

// place chooses a range: mostly small, now and then large, often on the borders of
// pages and of the worker's range.
func (w *worker) place() (off, n int64) {
	blocks := (w.to - w.from) / Block
	switch w.rand.IntN(8) {
	case 0:
		n = 1 + w.rand.Int64N(blocks)
	case 1, 2:
		n = 8 * (1 + w.rand.Int64N(16))
	default:
		n = 1 + w.rand.Int64N(24)
	}
	n = min(n, blocks)
	off = w.rand.Int64N(blocks - n + 1)
	if w.rand.IntN(3) == 0 {
		off = off / 8 * 8
	}
	if w.rand.IntN(10) == 0 {
		off = blocks - n
	}
	return w.from + off*Block, n * Block
}

func (w *worker) fresh(n int64) []byte { return pattern(n, w.rand.Uint64()) }

func (w *worker) expect(got []byte, off int64) error {
	if at := differ(got, w.model.bytes[off:off+int64(len(got))]); at >= 0 {
		return fmt.Errorf("byte %d is %#x, want %#x", off+int64(at), got[at], w.model.bytes[off+int64(at)])
	}
	return nil
}

func (w *worker) readBack(off, n int64) error {
	got, err := w.read(off, n)
	if err != nil {
		return err
	}
	return w.expect(got, off)
}

func (w *worker) write(off, n int64) error    { return w.writeFlags(off, n, 0) }
func (w *worker) writeFUA(off, n int64) error { return w.writeFlags(off, n, store.FUA) }

func (w *worker) writeFlags(off, n int64, f store.Flags) error {
	b := w.fresh(n)
	l := w.data(b)
	defer l.Release()
	if err := w.WriteAt(w.Context(), l, off, f); err != nil {
		return err
	}
	copy(w.model.bytes[off:], b)
	got := make([]byte, n)
	if l.Read(0, got); differ(got, b) >= 0 {
		return errors.New("the store changed what it had only borrowed")
	}
	return nil
}

func (w *worker) flush(_, _ int64) error { return w.Flush(w.Context()) }

func (w *worker) tryRead(off, n int64) error {
	if w.tryer == nil {
		return nil
	}
	l := w.get(n)
	defer l.Release()
	done, err := w.tryer.TryReadAt(l, off)
	if err != nil || !done {
		return err
	}
	got := make([]byte, n)
	l.Read(0, got)
	return w.expect(got, off)
}

func (w *worker) tryWrite(off, n int64) error {
	if w.tryer == nil {
		return nil
	}
	b := w.fresh(n)
	l := w.data(b)
	defer l.Release()
	done, err := w.tryer.TryWriteAt(l, off)
	if done && err == nil {
		copy(w.model.bytes[off:], b)
	}
	return err // not done: nothing changed, as the read that follows sees
}

func (w *worker) lendRead(off, n int64) error {
	if w.lender == nil {
		return nil
	}
	l, err := w.lender.Lend(off, n, store.ForRead)
	if err != nil {
		return err
	}
	defer l.Release()
	if l.Len() != n {
		return fmt.Errorf("lent %d bytes", l.Len())
	}
	got := make([]byte, n)
	l.Read(0, got)
	return w.expect(got, off)
}

func (w *worker) lendWrite(off, n int64) error {
	if w.lender == nil {
		return nil
	}
	l, err := w.lender.Lend(off, n, store.ForWrite)
	if err != nil {
		return err
	}
	if l.Len() != n {
		return fmt.Errorf("lent %d bytes", l.Len())
	}
	b := w.fresh(n)
	l.Copy(0, b)
	l.Release()
	copy(w.model.bytes[off:], b)
	return nil
}

func (w *worker) trim(off, n int64) error {
	if w.trimmer == nil {
		return nil
	}
	clear(w.model.bytes[off : off+n])
	return w.trimmer.Trim(w.Context(), off, n)
}

func (w *worker) zero(off, n int64) error     { return w.zeroFlags(off, n, store.FUA) }
func (w *worker) zeroTrim(off, n int64) error { return w.zeroFlags(off, n, store.MayTrim) }

func (w *worker) zeroFlags(off, n int64, f store.Flags) error {
	if w.zeroer == nil {
		return nil
	}
	clear(w.model.bytes[off : off+n])
	return w.zeroer.Zero(w.Context(), off, n, f)
}

// extent walks the extents of the range: they lie in it one after the other, and what
// is not mapped is zero.
func (w *worker) extent(off, n int64) error {
	if w.mapper == nil {
		return nil
	}
	for end := off + n; off < end; {
		e, err := w.mapper.Extent(w.Context(), off, end-off)
		if err != nil {
			return err
		}
		if e.Off != off || e.Len < 1 || e.Len > end-off {
			return fmt.Errorf("extent %+v of %d bytes at %d", e, end-off, off)
		}
		if !e.Mapped {
			if at := differ(w.model.bytes[e.Off:e.Off+e.Len], make([]byte, e.Len)); at >= 0 {
				return fmt.Errorf("extent %+v is not mapped, but byte %d is data", e, e.Off+int64(at))
			}
		}
		off += e.Len
	}
	return nil
}

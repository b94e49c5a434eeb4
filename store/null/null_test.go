package null

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

func TestNull(t *testing.T) {
	s, err := Open(Config{Size: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	data := buffer.Of(bytes.Repeat([]byte{7}, 4096))
	if done, err := s.TryWriteAt(data, 0); !done || err != nil {
		t.Error(done, err)
	}
	if err := errors.Join(s.WriteAt(ctx, data, 0, store.FUA), s.Flush(ctx), s.Trim(ctx, 0, 1<<40), s.Zero(ctx, 0, 1<<40, 0)); err != nil {
		t.Error(err)
	}
	if err := s.ReadAt(ctx, data, 1<<40-4096); err != nil || !bytes.Equal(data.At(0), make([]byte, 4096)) {
		t.Errorf("does not read zeros: %v", err)
	}
	if e, err := s.Extent(ctx, 512, 1<<39); err != nil || e != (store.Extent{Off: 512, Len: 1 << 39}) {
		t.Errorf("%+v %v", e, err)
	}
	for _, n := range []int64{512, region, region + 512, 100<<20 + 512} {
		w, err := s.Lend(0, n, store.ForWrite)
		if err != nil {
			t.Fatal(err)
		}
		for i := range w.Segments() {
			w.Segment(i).Mem[0] = 1
		}
		r, err := s.Lend(0, n, store.ForRead)
		if err != nil {
			t.Fatal(err)
		}
		if w.Len() != n || r.Len() != n || r.Segment(r.Segments() - 1).Mem[0] != 0 {
			t.Errorf("%d: lent %d and %d", n, w.Len(), r.Len())
		}
		if s.Close() == nil {
			t.Error("closed with leases lent")
		}
		r.Release()
		w.Release()
	}
	if err := s.WriteAt(ctx, data, 1<<40-512, 0); err == nil {
		t.Error("writes beyond the end")
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if err := s.ReadAt(ctx, data, 0); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
	for _, size := range []int64{0, -512, 100} {
		if _, err := Open(Config{Size: size}); err == nil {
			t.Errorf("size %d accepted", size)
		}
	}
}

package buffer_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/guard"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
)

// Foreign memory in pieces is copied in both directions, up to where it is gone; of memory of our own it is Copy and Read.
func TestGuarded(t *testing.T) {
	const page = guardtest.Page
	m := guardtest.New(t, 4*page)
	var segs []buffer.Segment
	for i := 0; i < 4*page; i += page / 2 {
		segs = append(segs, buffer.Segment{Mem: m.Mem[i : i+page/2]})
	}
	foreign := new(buffer.Lease)
	foreign.InitForeign(nil, segs)
	if !foreign.Foreign() || foreign.Len() != 4*page || foreign.Segments() != 8 {
		t.Fatalf("%d bytes in %d pieces, foreign %v", foreign.Len(), foreign.Segments(), foreign.Foreign())
	}
	part := foreign.Slice(10, 2*page)
	if !part.Foreign() {
		t.Error("a part of foreign memory is not foreign")
	}
	part.Release()
	own := buffer.Of(make([]byte, 4*page))
	data := bytes.Repeat([]byte{1, 2, 3}, page)
	for _, l := range []*buffer.Lease{foreign, own} {
		for _, off := range []int64{0, 1, page/2 + 1, 4*page - 5} {
			n := min(int64(len(data)), l.Len()-off)
			back := make([]byte, n)
			if err := l.GuardedCopy(off, data); err != nil {
				t.Fatal(err)
			}
			if err := l.GuardedRead(off, back); err != nil || !bytes.Equal(back, data[:n]) {
				t.Fatalf("at %d: %v, or other data", off, err)
			}
		}
	}
	m.Cut(page)
	back := make([]byte, page)
	if err := foreign.GuardedRead(0, back); err != nil {
		t.Error(err)
	}
	if err := foreign.GuardedRead(page/2+1, back); err != guard.ErrFault {
		t.Errorf("read: %v", err)
	}
	if err := foreign.GuardedCopy(page/2+1, back); err != guard.ErrFault {
		t.Errorf("copy: %v", err)
	}
	foreign.Init(nil, buffer.Segment{Mem: back})
	if foreign.Foreign() {
		t.Error("memory of our own is foreign")
	}
}

package fctest

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
)

// testLoad has several goroutines send to all ports of the other side, both ways at once: everything arrives, whole and in order.
func testLoad(t *testing.T, b *bed) {
	ports := fc.Name(2)
	if b.Single {
		ports = 1
	}
	var xs, ys []*side
	for i := range ports {
		xs, ys = append(xs, b.attach(b.A, nameA+i)), append(ys, b.attach(b.B, nameB+i))
	}
	for _, x := range xs {
		for _, y := range ys {
			b.meet(x, y)
		}
	}
	var running sync.WaitGroup
	share := window(xs[0]) / int(2*ports*ports)
	for i, x := range xs {
		for j, y := range ys {
			running.Go(func() { stream(t, x, y, uint64(i*10+j), share) })
			running.Go(func() { stream(t, y, x, uint64(i*10+j+100), share) })
		}
	}
	running.Wait()
}

// stream sends random sequences from x to y, no more at a time than share, and checks what y gets of them.
func stream(t *testing.T, x, y *side, seed uint64, share int) {
	draw := rand.New(rand.NewPCG(seed, 0))
	limit := y.place().MaxPayload
	for round := range 15 {
		var all []*fc.Sequence
		var want []fc.Frame
		for bytes := 0; bytes < share/2 || len(all) == 0; bytes += int(all[len(all)-1].Size()) + fc.MaxPayload {
			q := x.sequence(y, draw.IntN(min(share/2, 20000)+1), shapes[draw.IntN(len(shapes))])
			q.Header.OX, q.Header.RX = uint16(len(all)), uint16(round)
			all = append(all, q)
			want = append(want, expected(q, limit)...)
		}
		for _, q := range all {
			if !x.try(q) {
				t.Error("Post is refused")
				return
			}
			if draw.IntN(3) == 0 {
				x.Flush()
			}
		}
		x.Flush()
		if err := x.back(all...); err != nil {
			t.Error(err)
		}
		got := y.takeFrom(x.id(), len(want))
		for i := range want {
			y.same(got[i], want[i])
		}
	}
}

// takeFrom waits for n frames of a port, and takes them.
func (s *side) takeFrom(id fc.ID, n int) (got []fc.Frame) {
	s.t.Helper()
	s.until("frames of one port", func() bool {
		k := 0
		for i := range s.frames {
			if s.frames[i].S == id {
				k++
			}
		}
		return k >= n
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.frames[:0:0]
	for _, f := range s.frames {
		if f.S == id && len(got) < n {
			got = append(got, f)
		} else {
			rest = append(rest, f)
		}
	}
	s.frames = rest
	return got
}

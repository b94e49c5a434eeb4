package fctest

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
)

// testLengths sends sequences of every length up to two of the longest frames and some more, in shapes that take turns.
func testLengths(t *testing.T, b *bed) {
	x, y := b.pair()
	var all []*fc.Sequence
	for n := range 2*fc.MaxPayload + 50 {
		all = append(all, x.sequence(y, n, shapes[n%len(shapes)]))
	}
	sendAll(x, y, all)
}

// testShapes sends sequences of lengths at which something changes in all shapes, both ways.
func testShapes(t *testing.T, b *bed) {
	x, y := b.pair()
	limit := x.place().MaxPayload
	whole := limit &^ 511
	for _, p := range [][2]*side{{x, y}, {y, x}} {
		var all []*fc.Sequence
		for _, as := range shapes {
			for _, n := range []int{0, 1, 12, 24, 255, 256, 257, 512, whole - 1, whole, whole + 1, limit - 1, limit, limit + 1, whole + limit, whole + limit + 1, 20000} {
				all = append(all, p[0].sequence(p[1], n, as))
			}
		}
		sendAll(p[0], p[1], all)
	}
}

// testLimits: what the other port takes counts as well.
func testLimits(t *testing.T, b *bed) {
	x, y := b.pair()
	var all []*fc.Sequence
	for _, most := range []int{256, 260, 508, 512, 516, 1024, 1400, 1452, 2048, 2112} {
		for _, n := range []int{most - 1, most, most + 1, 5 * most, 10000} {
			q := x.sequence(y, n, shapes[len(all)%len(shapes)])
			q.MaxPayload = most
			all = append(all, q)
		}
	}
	sendAll(x, y, all)
}

// testLong sends as much as there is room for in one sequence.
func testLong(t *testing.T, b *bed) {
	x, y := b.pair()
	n := window(y)
	for _, p := range [][2]*side{{x, y}, {y, x}} {
		for _, as := range []shape{{}, {at: 100, sizes: []int{4096}}, {sizes: []int{64 << 10}}} {
			sendAll(p[0], p[1], []*fc.Sequence{p[0].sequence(p[1], n, as)})
		}
	}
}

// testHeaders: what a header says arrives, whatever it is.
func testHeaders(t *testing.T, b *bed) {
	x, y := b.pair()
	var all []*fc.Sequence
	for i, h := range []fc.Header{
		{RCtl: fc.RCtl(0x22), Type: 1, FCtl: fc.FCtlRequest, OX: 0, RX: fc.NoID},
		{RCtl: fc.RCtl(0x23), Type: 1, FCtl: fc.FCtlReply, OX: 0xfffe, RX: 0},
		{RCtl: fc.RCtl(0x81), Type: 0, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative, SeqID: 255, SeqCnt: 0xffff, Parameter: 1},
		{RCtl: fc.RCtl(0x06), Type: 8, FCtl: fc.FCtlRequest, CSCtl: 0x7f, Parameter: 0xffffffff},
		{RCtl: fc.RCtl(0x01), Type: 8, FCtl: fc.FCtlRelativeOffset, SeqCnt: 0xfffe, Parameter: 0xfffff000},
		{RCtl: fc.RCtl(0x07), Type: 0x28, FCtl: fc.FCtlRetransmitted | fc.FCtlRecipient, OX: 0x8000, RX: 0x7fff},
	} {
		for _, n := range []int{0, 8, 5000} {
			q := x.sequence(y, n, shapes[i])
			h.D, h.S = q.Header.D, q.Header.S
			q.Header = h
			all = append(all, q)
		}
	}
	sendAll(x, y, all)
}

// testConversation answers from Received, by turns, and never flushes outside of it.
func testConversation(t *testing.T, b *bed) {
	x, y := b.pair()
	const turns = 200
	answer := func(s, to *side) func(f *fc.Frame) {
		return func(f *fc.Frame) {
			if f.Last && f.OX < turns {
				q := s.sequence(to, 100, shape{head: 24})
				q.Header.OX = f.OX + 1
				s.try(q)
				if f.OX%2 == 0 {
					s.Flush() // does nothing; the end of the batch does
				}
			}
		}
	}
	x.set(answer(x, y))
	y.set(answer(y, x))
	q := x.sequence(y, 50, shape{})
	q.Header.OX = 0
	x.post(q)
	var last fc.Frame
	s := x
	if turns%2 == 0 {
		s = y
	}
	s.until("the last turn", func() bool {
		if n := len(s.frames); n > 0 {
			last = s.frames[n-1]
		}
		return last.OX == turns
	})
}

// testOrder: sequences to one address leave in order, and arrive so; those that were posted by several goroutines as well.
func testOrder(t *testing.T, b *bed) {
	x, y := b.pair()
	for range 5 {
		var all []*fc.Sequence
		for i := range 20 {
			all = append(all, x.sequence(y, []int{5000, 0, 2112, 1}[i%4], shapes[i%len(shapes)]))
		}
		x.mu.Lock()
		x.order = nil
		x.mu.Unlock()
		sendAll(x, y, all)
		x.mu.Lock()
		if !slices.Equal(x.order, all) {
			t.Error("sequences were given back in another order")
		}
		x.mu.Unlock()
	}
}

// testTurns: what is for one port does not wait until all is sent that is for another.
func testTurns(t *testing.T, b *bed) {
	if b.Single {
		t.Skip("a side has one port")
	}
	x, y := b.pair()
	z := b.attach(b.B, nameB+1)
	b.meet(x, z)
	if window(y) < 128<<10 {
		t.Skipf("there is room for %d bytes only", window(y))
	}
	long, short := x.sequence(y, window(y), shape{sizes: []int{4096}}), x.sequence(z, 100, shape{})
	x.post(long, short)
	z.gets(short)
	y.gets(long)
	if err := x.back(long, short); err != nil {
		t.Error(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if i, j := slices.Index(x.order, long), slices.Index(x.order, short); i < j {
		t.Error("a frame to one port has waited for all of a long sequence to another")
	}
}

// testNobody: what is for an address that nobody has comes back, and hurts nobody.
func testNobody(t *testing.T, b *bed) {
	x, y := b.pair()
	for _, id := range []fc.ID{y.id() ^ 0x55, x.id() ^ 0x33} {
		q := x.sequence(y, 3000, shape{})
		q.Header.D = id
		x.post(q)
		x.back(q)
	}
	exchange(t, x, y)
}

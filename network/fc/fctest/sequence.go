package fctest

import (
	"bytes"
	"slices"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// A shape is how the payload of a sequence lies in memory.
type shape struct {
	head  int   // of the payload, at most
	at    int   // where the data begins in the lease
	sizes []int // of the pieces of the lease, in turn; none: one piece
}

// shapes are what the suite tries.
var shapes = []shape{
	{}, {head: 12}, {head: 256}, {at: 1}, {at: 4095, sizes: []int{4096}}, {head: 24, at: 3, sizes: []int{1, 2, 3}},
	{sizes: []int{512, 1}}, {head: 16, sizes: []int{2048, 2112, 100}}, {at: 7, sizes: []int{5000, 1, 1, 700}},
}

// number is byte i of a payload.
func number(i, seed int) byte { return byte(i*7 + i>>8 + seed) }

// sequence makes one of n bytes to another side.
func (s *side) sequence(to *side, n int, as shape) *fc.Sequence {
	seed := n + as.at
	head := min(as.head, n)
	q := &fc.Sequence{
		Header: fc.Header{
			RCtl: 1, D: to.id(), S: s.id(), Type: 8, FCtl: fc.FCtlResponder | fc.FCtlLastSequence | fc.FCtlEndSequence | fc.FCtlSequenceInitiative | fc.FCtlRelativeOffset,
			SeqID: byte(n), OX: uint16(n), RX: 0x1234, Parameter: 1 << 20,
		},
		Len: int64(n - head), At: int64(as.at), MaxPayload: fc.MaxPayload,
	}
	for i := range head {
		q.Head = append(q.Head, number(i, seed))
	}
	data := bytes.Repeat([]byte{0xee}, as.at)
	for i := head; i < n; i++ {
		data = append(data, number(i, seed))
	}
	if n == head {
		q.At = 0
		return q
	}
	data = append(data, 0xee, 0xee, 0xee)
	var pieces []buffer.Segment
	for i := 0; i < 60 && len(as.sizes) > 0 && len(data) > 0; i++ {
		k := min(as.sizes[i%len(as.sizes)], len(data))
		pieces = append(pieces, buffer.Segment{Mem: bytes.Clone(data[:k])})
		data = data[k:]
	}
	if len(data) > 0 {
		pieces = append(pieces, buffer.Segment{Mem: data})
	}
	q.Data = buffer.New(nil, pieces...)
	return q
}

// expected are the frames of a sequence, where the network takes so much payload.
func expected(q *fc.Sequence, limit int) (all []fc.Frame) {
	for moved := int64(0); ; {
		p := q.Part(limit, moved)
		f := fc.Frame{Header: p.Header, First: p.First, Last: p.Last, Payload: append([]byte{}, p.Head...)}
		f.FCtl &^= fc.FCtlFill
		for at, left := p.At, p.Len; left > 0; {
			m := q.Data.At(at)
			m = m[:min(int64(len(m)), left)]
			f.Payload = append(f.Payload, m...)
			at, left = at+int64(len(m)), left-int64(len(m))
		}
		all = append(all, f)
		moved += p.Payload()
		if p.Last {
			return all
		}
	}
}

// gets waits for sequences, in this order, from one port.
func (s *side) gets(all ...*fc.Sequence) {
	s.t.Helper()
	limit := s.place().MaxPayload
	var want []fc.Frame
	for _, q := range all {
		want = append(want, expected(q, limit)...)
	}
	got := s.take(len(want))
	if len(got) != len(want) {
		s.t.Fatalf("%v: %d frames came, want %d", s.name, len(got), len(want))
	}
	for i := range want {
		s.same(got[i], want[i])
	}
}

// same compares frames.
func (s *side) same(got, want fc.Frame) {
	s.t.Helper()
	if got.Header != want.Header || got.First != want.First || got.Last != want.Last || !bytes.Equal(got.Payload, want.Payload) {
		s.t.Fatalf("%v: a frame is\n%+v first %v last %v, %d bytes, want\n%+v first %v last %v, %d bytes", s.name,
			got.Header, got.First, got.Last, len(got.Payload), want.Header, want.First, want.Last, len(want.Payload))
	}
}

// prefix checks that frames are the beginning of a sequence.
func (s *side) prefix(got []fc.Frame, q *fc.Sequence) {
	s.t.Helper()
	want := expected(q, s.place().MaxPayload)
	if len(got) > len(want) {
		s.t.Fatalf("%v: %d frames came of %d", s.name, len(got), len(want))
	}
	for i := range got {
		s.same(got[i], want[i])
	}
}

// of are those of the frames that belong to q.
func of(all []fc.Frame, q *fc.Sequence) (some []fc.Frame) {
	for _, f := range all {
		if f.OX == q.Header.OX && f.S == q.Header.S {
			some = append(some, f)
		}
	}
	return some
}

// window is how much may be on its way to y, at ease.
func window(y *side) int { return int(min(y.place().Receives/2, 256<<10)) }

// sendAll sends sequences from x to y, no more at a time than y has room for.
func sendAll(x, y *side, all []*fc.Sequence) {
	x.t.Helper()
	for batch := range rooms(all, window(y)) {
		x.post(batch...)
		y.gets(batch...)
		if err := x.back(batch...); err != nil {
			x.t.Fatal(err)
		}
	}
}

// rooms are parts of a list, of about so many bytes each; a frame counts for as much as the longest.
func rooms(all []*fc.Sequence, most int) func(yield func([]*fc.Sequence) bool) {
	return func(yield func([]*fc.Sequence) bool) {
		for len(all) > 0 {
			n, bytes := 0, 0
			for ; n < len(all) && (n == 0 || bytes < most); n++ {
				bytes += int(all[n].Size()) + fc.MaxPayload
			}
			if !yield(slices.Clone(all[:n])) {
				return
			}
			all = all[n:]
		}
	}
}

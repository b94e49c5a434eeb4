package rdmatest

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/network/rdma"
)

// testModel has both sides do random works, and compares with what the memory has to be.
//
// A side waits for what it has posted before it lets the other go on: so the result does not
// depend on how the two directions meet, and Writes and Sends of one side are in their order.
// Reads go to memory of their own.
func testModel(t *testing.T, n Network) {
	l := n.listen(t)
	rapid.Check(t, func(r *rapid.T) {
		reads := rapid.IntRange(1, 5).Draw(r, "reads")
		o := rdma.Options{Reads: reads, Serves: reads, MaxMessage: 10_000, Messages: 64}
		p := n.connect(t, l, o, o)
		defer p.finish()
		p.start()
		m := &model{p: p}
		for i, s := range []*side{p.a, p.b} {
			size := rapid.IntRange(1, 200_000).Draw(r, "size")
			shown := p.region(size, rapid.IntRange(1000, 200_000).Draw(r, "piece"))
			m.sides[i] = &modelSide{side: s, shown: shown, want: bytes.Clone(shown.mem)}
			shown.expose(s, rdma.RemoteRead|rdma.RemoteWrite)
		}
		for range rapid.IntRange(1, 6).Draw(r, "groups") {
			m.group(r, rapid.IntRange(0, 1).Draw(r, "side"))
		}
		for i, s := range m.sides {
			if !bytes.Equal(s.shown.mem, s.want) {
				r.Fatalf("the memory of side %d differs from the model at byte %d", i, differ(s.shown.mem, s.want))
			}
			s.shown.guarded(t)
		}
	})
}

type model struct {
	p     *pair
	sides [2]*modelSide
}

// ops are the works that there can be.
func (m *model) ops() []string {
	if m.p.Standing {
		return []string{"write", "read", "send"}
	}
	return []string{"write", "read", "send", "invalidate"}
}

type modelSide struct {
	*side
	shown *region // to the peer
	want  []byte  // what it has to be
	heard int     // messages
}

// group has side k do some works.
func (m *model) group(r *rapid.T, k int) {
	from, to := m.sides[k], m.sides[1-k]
	var works []*rdma.Work
	var messages [][]byte
	var gets []get
	before := bytes.Clone(to.want)
	written := make([]bool, len(before))
	for i := range rapid.IntRange(1, 12).Draw(r, "works") {
		at := rapid.IntRange(0, len(before)).Draw(r, "at")
		size := rapid.IntRange(0, len(before)-at).Draw(r, "len")
		piece := rapid.IntRange(200, 100_000).Draw(r, "pieces")
		skip := rapid.IntRange(0, 3).Draw(r, "skip")
		data := numbered(size+skip, uint32(i)+1)
		w := &rdma.Work{At: int64(skip), Len: int64(size), Remote: plus(to.shown.at, at)}
		switch rapid.SampledFrom(m.ops()).Draw(r, "op") {
		case "write":
			if slices.ContainsFunc(gets, func(g get) bool { return g.open && at < g.at+g.size && g.at < at+size }) {
				continue // nothing orders it behind the Read
			}
			w.Op, w.Data = rdma.Write, m.p.lease(data, piece)
			copy(to.want[at:], data[skip:])
			for j := range size {
				written[at+j] = true
			}
		case "read":
			reg := m.p.region(size+skip, piece)
			w.Op, w.Data = rdma.Read, reg.lease
			gets = append(gets, get{reg, at, size, skip, true})
		case "invalidate":
			w.Op, w.Invalidate = rdma.SendInvalidate, m.p.expose(to.side, 10, 0, rdma.RemoteRead).at.Key
			fallthrough
		case "send":
			w.Len = min(w.Len, 10_000)
			w.Data = m.p.lease(data, piece)
			messages = append(messages, data[skip:int64(skip)+w.Len])
		}
		works = append(works, w)
		if rapid.IntRange(0, 3).Draw(r, "flush") == 0 {
			from.post(works...)
			for _, w := range works {
				if err := from.back(w); err != nil {
					r.Fatal(err)
				}
			}
			works = nil
			for i := range gets {
				gets[i].open = false
			}
		}
	}
	from.post(append(works, &rdma.Work{Op: rdma.Send})...)
	messages = append(messages, nil)
	if err := from.back(works...); err != nil {
		r.Fatal(err)
	}
	for _, want := range messages {
		if got := to.message(to.heard); !bytes.Equal(got.Data, want) {
			r.Fatalf("message %d has %d bytes and should have %d, or other ones", to.heard, len(got.Data), len(want))
		}
		to.heard++
	}
	for _, g := range gets {
		g.into.guarded(m.p.t)
		for j := range g.size {
			if !written[g.at+j] && g.into.mem[g.skip+j] != before[g.at+j] {
				r.Fatalf("byte %d of a Read of %d at %d came wrong", j, g.size, g.at)
			}
		}
		if !clean(g.into.mem[:g.skip]) {
			r.Fatal("a Read wrote before its place")
		}
	}
}

// A get is a Read of size bytes at a place of the peer's memory, to skip of its own. What the same
// group writes may be there already or not.
type get struct {
	into           *region
	at, size, skip int
	open           bool // it may be under way
}

func differ(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

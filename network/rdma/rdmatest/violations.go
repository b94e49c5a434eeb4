package rdmatest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// A violation is a use of memory that the peer does not allow. r is a region of the peer, with
// all rights; place says where the work goes and for how many bytes.
type violation struct {
	name  string
	place func(p, other *pair, to *side, r *region, a rdma.Access) (rdma.Remote, int)
}

var violations = []violation{
	{"unknown key", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		at := r.at
		at.Key ^= 0x10
		return at, 1
	}},
	{"key zero", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return rdma.Remote{Addr: r.at.Addr}, 1
	}},
	{"one byte past the end", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return r.at, len(r.mem) + 1
	}},
	{"last byte and one more", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return plus(r.at, len(r.mem)-1), 2
	}},
	{"behind the end", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return plus(r.at, len(r.mem)), 1
	}},
	{"far behind the end", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return plus(r.at, 1<<33), 1
	}},
	{"before the begin", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return plus(r.at, -1), 10
	}},
	{"offset instead of address", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return rdma.Remote{Key: r.at.Key}, 1
	}},
	{"addresses that wrap", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return rdma.Remote{Key: r.at.Key, Addr: math.MaxUint64 - 3}, 16
	}},
	{"last address of all", func(_, _ *pair, _ *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		return rdma.Remote{Key: r.at.Key, Addr: math.MaxUint64}, 1
	}},
	{"wrong right", func(p, _ *pair, to *side, _ *region, a rdma.Access) (rdma.Remote, int) {
		return p.expose(to, 100, 0, (rdma.RemoteRead|rdma.RemoteWrite)&^a).at, 10
	}},
	{"revoked", func(_, _ *pair, to *side, r *region, _ rdma.Access) (rdma.Remote, int) {
		to.Revoke(r.at.Key)
		return r.at, 1
	}},
	{"another connection's", func(_, other *pair, _ *side, _ *region, _ rdma.Access) (rdma.Remote, int) {
		return other.expose(other.b, 100, 0, rdma.RemoteRead|rdma.RemoteWrite).at, 1
	}},
	{"the peer's own", func(p, _ *pair, to *side, _ *region, _ rdma.Access) (rdma.Remote, int) {
		from := p.a
		if to == p.a {
			from = p.b
		}
		return p.expose(from, 100, 0, rdma.RemoteRead|rdma.RemoteWrite).at, 1
	}},
}

// testViolations: each ends the connection, both sides learn why, and nothing was touched.
func testViolations(t *testing.T, n Network) {
	for _, v := range violations {
		for _, read := range []bool{false, true} {
			for _, back := range []bool{false, true} {
				name := v.name + ", write"
				if read {
					name = v.name + ", read"
				}
				if slices.Contains(n.Silent, name) {
					continue
				}
				if back {
					name += ", acceptor"
				}
				t.Run(name, func(t *testing.T) { violate(t, n, v, read, back) })
			}
		}
	}
	t.Run("large", func(t *testing.T) {
		for _, read := range []bool{false, true} {
			p := n.begin(t, usual)
			r := p.expose(p.b, 3<<20, 5000, rdma.RemoteRead|rdma.RemoteWrite)
			into := p.region(len(r.mem)+1, 0)
			w := &rdma.Work{Op: rdma.Write, Len: int64(len(into.mem)), Remote: r.at, Data: into.lease}
			if read {
				w.Op = rdma.Read
			}
			p.a.post(w)
			p.broken(t, p.a, p.b, w)
			r.guarded(t)
			into.guarded(t)
		}
	})
}

func violate(t *testing.T, n Network, v violation, read, back bool) {
	if n.Adapter && (v.name == "another connection's" || v.name == "the peer's own") {
		t.Skip("keys reach other connections of the device")
	}
	p, other := n.begin(t, usual), n.begin(t, usual)
	from, to := p.a, p.b
	if back {
		from, to = p.b, p.a
	}
	a, op := rdma.RemoteWrite, rdma.Write
	if read {
		a, op = rdma.RemoteRead, rdma.Read
	}
	r := p.expose(to, 1000, 0, rdma.RemoteRead|rdma.RemoteWrite)
	at, size := v.place(p, other, to, r, a)
	data := p.region(size, 0)
	w := &rdma.Work{Op: op, Len: int64(size), Remote: at, Data: data.lease}
	behind := &rdma.Work{Op: rdma.Send, Head: []byte("behind")}
	from.post(w)
	if from.try(behind) {
		from.Flush()
	}
	p.broken(t, from, to, w)
	r.untouched(t)
	data.untouched(t)
	for _, m := range to.messages { // it has ended: nobody else looks
		if !read && string(m.Data) == "behind" {
			t.Error("a message behind the violation was delivered")
		}
	}
	sent(other.a, other.b)
	sent(other.b, other.a)
}

// broken checks the end after from has violated the memory of to with w.
func (p *pair) broken(t *testing.T, from, to *side, w *rdma.Work) {
	t.Helper()
	to.ends(p.Traits.broken(rdma.ErrAccess)...)
	from.ends(p.Traits.broken(rdma.ErrRemoteAccess)...)
	// A Write may be given back without an error: its memory is free, no more.
	err := from.back(w)
	if (err == nil && w.Op == rdma.Read) || (err != nil && !errors.Is(err, rdma.ErrRemoteAccess) && !errors.Is(err, rdma.ErrFlushed)) {
		t.Errorf("the work ended with %v", err)
	}
}

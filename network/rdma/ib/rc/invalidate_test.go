package rc

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// TestInvalidateFaults has one side write to a window of the other, read from another, and invalidate them, over a wire with faults, in both directions, many at a time. What comes
// late, or twice, touches no memory any more, and nobody takes it for a violation.
func TestInvalidateFaults(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, y := faults{lose: 0.02, double: 0.05, late: 0.1, seed: 2 * seed}, faults{lose: 0.02, double: 0.05, late: 0.1, seed: 2*seed + 1}
				p := newPair(t, x, y, 50*time.Microsecond, 1e9, nil)
				defer p.stop()
				ua, ub := newUser(), newUser()
				a, b := newHost(t, p.a, p.b, ua, ub), newHost(t, p.b, p.a, ub, ua)
				p.a.Start(ua)
				p.b.Start(ub)
				const rounds = 60
				for i := range rounds {
					a.round(i)
					b.round(i)
				}
				for _, h := range []*host{a, b} {
					if err := h.u.wait(h.works...); err != nil {
						t.Fatal(err)
					}
					h.peer.until(func() bool { return h.peer.closed || len(h.peer.messages) == 2*rounds })
				}
				time.Sleep(time.Second) // everything that is late has come
				for _, h := range []*host{a, b} {
					for i, w := range h.given {
						if !bytes.Equal(w, bytes.Repeat([]byte{secret}, len(w))) {
							t.Errorf("window %d was touched after it was invalidated", i)
						}
					}
					for i, m := range h.read {
						if !bytes.Equal(m, h.want[i]) {
							t.Errorf("Read %d is wrong", i)
						}
					}
					if h.gone != 2*rounds {
						t.Errorf("%d windows were invalidated", h.gone)
					}
				}
				p.a.Close(nil)
				ua.until(func() bool { return ua.closed })
				ub.until(func() bool { return ub.closed })
				if ua.err != nil || ub.err != nil {
					t.Error(ua.err, ub.err)
				}
				ua.check(t)
				ub.check(t)
			})
		})
	}
}

// A host is a side that works on windows of the other.
type host struct {
	t        *testing.T
	q, other *QP
	u, peer  *user
	works    []*rdma.Work
	given    [][]byte // windows of the other, all of them
	read     [][]byte // what came of them
	want     [][]byte
	keys     map[rdma.Key]func() // what the other does when a key is gone
	gone     int
}

func newHost(t *testing.T, q, other *QP, u, peer *user) *host {
	h := &host{t: t, q: q, other: other, u: u, peer: peer, keys: make(map[rdma.Key]func())}
	peer.received = func(m rdma.Message) {
		if !m.Invalidates || other.Revoke(m.Invalidated) {
			t.Error("a key is not gone")
		}
		peer.mu.Lock()
		f := h.keys[m.Invalidated]
		peer.mu.Unlock()
		f()
		h.gone++
	}
	return h
}

// expose makes a window of the other, which uses its memory as soon as the key is gone.
func (h *host) expose(data []byte, a rdma.Access, check func() bool) rdma.Remote {
	r, err := h.other.Expose(buffer.Of(data), a)
	if err != nil {
		h.t.Fatal(err)
	}
	h.given = append(h.given, data)
	h.peer.mu.Lock()
	h.keys[r.Key] = func() {
		if !check() {
			h.t.Error("what was written before a message is not there")
		}
		for i := range data {
			data[i] = secret
		}
	}
	h.peer.mu.Unlock()
	return r
}

func (h *host) post(ws ...*rdma.Work) {
	for _, w := range ws {
		if !h.q.Post(w) {
			h.t.Fatal("a work was not taken")
		}
		h.works = append(h.works, w)
	}
	h.q.Flush()
}

func (h *host) round(i int) {
	n := []int{1, 700, 1024, 5000, 40_000}[i%5]
	data := random(n, uint64(i))
	to := make([]byte, n)
	w := h.expose(to, rdma.RemoteWrite, func() bool { return bytes.Equal(to, data) })
	h.post(
		&rdma.Work{Op: rdma.Write, Data: buffer.Of(data), Len: int64(n), Remote: w},
		&rdma.Work{Op: rdma.SendInvalidate, Invalidate: w.Key, Head: []byte("written")},
	)
	into := make([]byte, n)
	h.read, h.want = append(h.read, into), append(h.want, data)
	r := h.expose(bytes.Clone(data), rdma.RemoteRead, func() bool { return true })
	read := &rdma.Work{Op: rdma.Read, Data: buffer.Of(into), Len: int64(n), Remote: r}
	h.post(read)
	if err := h.u.wait(read); err != nil { // the key has to be there until then
		h.t.Fatal(err)
	}
	h.post(&rdma.Work{Op: rdma.SendInvalidate, Invalidate: r.Key, Head: []byte("read")})
}

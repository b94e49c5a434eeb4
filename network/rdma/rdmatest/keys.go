package rdmatest

import (
	"bytes"
	"errors"
	"math"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// testInvalidate ends keys of the peer by messages.
func testInvalidate(t *testing.T, n Network) {
	if n.Standing {
		t.Skip("messages cannot end keys of the peer")
	}
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		to.mu.Lock()
		first := len(to.messages)
		to.mu.Unlock()
		for i := range 20 {
			kept := p.expose(to, 1000, 0, rdma.RemoteWrite|rdma.RemoteRead)
			r := p.expose(to, 1000, 0, rdma.RemoteWrite|rdma.RemoteRead)
			data := numbered(1000, uint32(i))
			w := &rdma.Work{Op: rdma.Write, Len: 1000, Remote: r.at, Data: p.lease(data, 0)}
			s := &rdma.Work{Op: rdma.SendInvalidate, Head: numbered(i*100, 2), Invalidate: r.at.Key}
			from.post(w, s)
			m := to.message(first + i)
			if !m.Invalidates || m.Invalidated != r.at.Key || !bytes.Equal(m.Data, numbered(i*100, 2)) {
				t.Fatalf("message %d: invalidates %v, %d bytes", i, m.Invalidates, len(m.Data))
			}
			if !bytes.Equal(r.mem, data) {
				t.Fatal("the Write before it was placed wrong")
			}
			must(t, from.back(w, s))
			if to.Revoke(r.at.Key) {
				t.Fatal("the key was still there")
			}
			if !to.Revoke(kept.at.Key) {
				t.Fatal("another key is gone")
			}
			clear(r.mem) // it is ours again: the race detector watches
		}
	})
}

// testRevoke: after Revoke nothing touches the memory, and a second call says so.
func testRevoke(t *testing.T, n Network) {
	for _, back := range []bool{false, true} {
		p := n.begin(t, usual)
		from, to := p.a, p.b
		if back {
			from, to = p.b, p.a
		}
		const size = 4 << 20
		r := p.expose(to, size, 100_000, rdma.RemoteWrite)
		other := p.expose(to, 100, 0, rdma.RemoteWrite)
		data := p.lease(make([]byte, size), 0)
		var ws []*rdma.Work
		for range 4 {
			ws = append(ws, &rdma.Work{Op: rdma.Write, Len: size, Remote: r.at, Data: data})
		}
		var writes sync.WaitGroup
		writes.Go(func() {
			for _, w := range ws {
				from.try(w)
			}
			from.Flush()
		})
		n.begun(from, to)
		if !to.Revoke(r.at.Key) || to.Revoke(r.at.Key) {
			t.Error("a key can be revoked once")
		}
		for i := range r.mem { // the race detector watches
			r.mem[i] = 1
		}
		// Whether or not all of it had come by then, a further one breaks in.
		for i := range r.mem {
			if r.mem[i] != 1 {
				t.Fatal("memory was written after Revoke")
			}
		}
		if late := (&rdma.Work{Op: rdma.Write, Len: 1, Remote: r.at, Data: p.lease(make([]byte, 1), 0)}); from.try(late) {
			from.Flush()
		}
		writes.Wait()
		to.ends(n.broken(rdma.ErrAccess)...)
		from.ends(n.broken(rdma.ErrRemoteAccess)...)
		other.untouched(t)
		r.guarded(t)
	}
}

// testKeys: keys differ, and do not follow each other.
func testKeys(t *testing.T, n Network) {
	if n.Adapter {
		t.Skip("the adapter chooses the keys")
	}
	p := n.begin(t, usual)
	q := n.begin(t, usual)
	const count = 500
	seen := make(map[rdma.Key]bool)
	steps := make(map[int64]int)
	last := int64(0)
	lease := p.lease(make([]byte, 100), 0)
	var all []rdma.Remote
	for i := range count {
		s := []*side{p.a, p.b, q.a, q.b}[i%4]
		r, err := s.Expose(lease, rdma.RemoteRead)
		must(t, err)
		if i%3 == 0 { // a key does not come again soon
			if !s.Revoke(r.Key) {
				t.Fatal("the key was not there")
			}
		}
		if seen[r.Key] {
			t.Fatal("a key came twice")
		}
		seen[r.Key] = true
		steps[int64(r.Key)-last]++
		last = int64(r.Key)
		if r.Addr > math.MaxUint64-100 {
			t.Error("the addresses of a window wrap")
		}
		all = append(all, r)
	}
	for step, times := range steps {
		if times > 3 {
			t.Errorf("the next key was %d further %d times of %d", step, times, count)
		}
	}
	for bit := range 32 {
		ones := 0
		for _, r := range all {
			ones += int(r.Key>>bit) & 1
		}
		if ones < count/4 || ones > count*3/4 {
			t.Errorf("bit %d of a key is 1 in %d of %d", bit, ones, count)
		}
	}
	if p.a.Revoke(all[len(all)-1].Key) && p.b.Revoke(all[len(all)-1].Key) {
		t.Error("a key is there on two connections")
	}
}

// testInvalidateViolations: a message that invalidates what is not exposed ends the connection,
// and is not delivered.
func testInvalidateViolations(t *testing.T, n Network) {
	if n.Adapter {
		t.Skip("it is the adapter that looks at what messages end")
	}
	for name, key := range map[string]func(p, q *pair, to *side) rdma.Key{
		"unknown": func(p, _ *pair, to *side) rdma.Key {
			return p.expose(to, 10, 0, rdma.RemoteRead).at.Key ^ 0x55
		},
		"zero": func(*pair, *pair, *side) rdma.Key { return 0 },
		"revoked": func(p, _ *pair, to *side) rdma.Key {
			k := p.expose(to, 10, 0, rdma.RemoteRead).at.Key
			to.Revoke(k)
			return k
		},
		"another connection's": func(_, q *pair, _ *side) rdma.Key { return q.expose(q.b, 10, 0, rdma.RemoteRead).at.Key },
		"our own":              func(p, _ *pair, _ *side) rdma.Key { return p.expose(p.a, 10, 0, rdma.RemoteRead).at.Key },
	} {
		t.Run(name, func(t *testing.T) {
			p, q := n.begin(t, usual), n.begin(t, usual)
			w := &rdma.Work{Op: rdma.SendInvalidate, Head: []byte("x"), Invalidate: key(p, q, p.b)}
			p.a.post(w)
			p.b.ends(rdma.ErrAccess)
			p.a.ends(rdma.ErrRemoteAccess)
			if err := p.a.back(w); err != nil && !errors.Is(err, rdma.ErrRemoteAccess) && !errors.Is(err, rdma.ErrFlushed) {
				t.Error(err)
			}
			if len(p.b.messages) != 0 {
				t.Error("the message was delivered")
			}
			sent(q.a, q.b) // another connection is not concerned
		})
	}
}

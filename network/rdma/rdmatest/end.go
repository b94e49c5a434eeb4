package rdmatest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// ordered is how the peer of a side that closes orderly may end.
func (p *pair) ordered() []error {
	if p.Abrupt {
		return []error{nil, rdma.ErrLost}
	}
	return []error{nil}
}

// testClose: what was posted before Close(nil) is delivered, flushed or not.
func testClose(t *testing.T, n Network) {
	for _, back := range []bool{false, true} {
		p := n.begin(t, usual)
		from, to := p.a, p.b
		if back {
			from, to = p.b, p.a
		}
		const size = 2 << 20
		r := p.expose(to, size, 0, rdma.RemoteWrite)
		data := numbered(size, 1)
		ws := []*rdma.Work{{Op: rdma.Write, Len: size, Remote: r.at, Data: p.lease(data, 50_000)}}
		for i := range 50 {
			ws = append(ws, &rdma.Work{Op: rdma.Send, Head: numbered(i*100, uint32(i))})
		}
		for _, w := range ws {
			if !from.try(w) {
				t.Fatal("refused")
			}
		}
		from.Close(nil)
		from.Close(nil)
		if from.try(&rdma.Work{Op: rdma.Send}) {
			t.Error("a work was taken after Close")
		}
		from.ends(nil)
		to.ends(p.ordered()...)
		must(t, from.back(ws...))
		if len(to.messages) != 50 || !bytes.Equal(r.mem, data) {
			t.Errorf("%d messages came of 50", len(to.messages))
		}
		for i, m := range to.messages {
			if !bytes.Equal(m.Data, numbered(i*100, uint32(i))) {
				t.Errorf("message %d came wrong", i)
			}
		}
		r.guarded(t)
		from.Close(errors.New("again"))
		from.ends(nil)
	}
}

// testCloseReads closes with Reads outstanding: each is given back, with its data or an error.
func testCloseReads(t *testing.T, n Network) {
	for _, how := range []error{nil, errors.New("enough")} {
		p := n.begin(t, usual)
		r := p.show(p.b, numbered(100_000, 1), 0)
		release := n.hold(p.a, p.b)
		var ws []*rdma.Work
		var into []*region
		for range 10 {
			reg := p.region(100_000, 0)
			into = append(into, reg)
			ws = append(ws, &rdma.Work{Op: rdma.Read, Len: 100_000, Remote: r.at, Data: reg.lease})
		}
		p.a.post(ws...)
		p.a.Close(how)
		release()
		if how == nil {
			p.a.ends(nil)
			p.b.ends(p.ordered()...)
		} else {
			p.a.ends(rdma.ErrClosed)
			p.b.ends(n.broken(rdma.ErrLost, rdma.ErrRemote)...)
		}
		for i, w := range ws {
			switch err := p.a.back(w); {
			case err == nil && !bytes.Equal(into[i].mem, r.mem):
				t.Errorf("Read %d was given back without its data", i)
			case err != nil && !errors.Is(err, rdma.ErrFlushed):
				t.Error(err)
			}
			into[i].guarded(t)
		}
	}
}

// testCloseError: Close with an error ends at once.
func testCloseError(t *testing.T, n Network) {
	for _, back := range []bool{false, true} {
		p := n.begin(t, usual)
		from, to := p.a, p.b
		if back {
			from, to = p.b, p.a
		}
		release := n.hold(from, to)
		r := p.expose(to, 4<<20, 0, rdma.RemoteWrite)
		data := p.lease(make([]byte, 4<<20), 0)
		var ws []*rdma.Work
		for range 16 { // more than a socket takes
			ws = append(ws, &rdma.Work{Op: rdma.Write, Len: 4 << 20, Remote: r.at, Data: data})
		}
		from.post(ws...)
		why := errors.New("enough")
		from.Close(why)
		from.Close(nil)
		from.ends(rdma.ErrClosed)
		if err := from.closed(); !errors.Is(err, why) {
			t.Errorf("%v does not say why", err)
		}
		release()
		to.ends(n.broken(rdma.ErrLost, rdma.ErrRemote)...)
		for _, w := range ws {
			if err := from.back(w); err != nil && !errors.Is(err, rdma.ErrFlushed) {
				t.Error(err)
			}
		}
		r.guarded(t)
	}
}

// testCloseInHandler closes from within Received and Done, orderly and not.
func testCloseInHandler(t *testing.T, n Network) {
	for _, how := range []error{nil, errors.New("enough")} {
		for _, done := range []bool{false, true} {
			p := n.begin(t, usual)
			if done {
				p.b.set(nil, func(*rdma.Work, error) { p.b.Close(how) })
				p.b.post(&rdma.Work{Op: rdma.Send, Head: []byte("last")})
			} else {
				p.b.set(func(rdma.Message) {
					p.b.try(&rdma.Work{Op: rdma.Send, Head: []byte("last")})
					p.b.Close(how)
					p.b.Flush()
				}, nil)
				p.a.post(&rdma.Work{Op: rdma.Send})
			}
			if how == nil {
				p.b.ends(nil)
				p.a.ends(p.ordered()...)
				if len(p.a.messages) != 1 || string(p.a.messages[0].Data) != "last" {
					t.Errorf("%d messages", len(p.a.messages))
				}
			} else {
				p.b.ends(rdma.ErrClosed)
				p.a.ends(n.broken(rdma.ErrLost, rdma.ErrRemote)...)
			}
		}
	}
}

// testCloseBeforeStart: nothing is left of a connection that was not started; its peer ends.
func testCloseBeforeStart(t *testing.T, n Network) {
	l := n.listen(t)
	for _, how := range []error{nil, errors.New("enough")} {
		p := n.connect(t, l, usual, usual)
		p.expose(p.a, 100, 0, rdma.RemoteRead)
		p.expose(p.b, 100, 0, rdma.RemoteRead)
		p.a.Conn.Close(how)
		p.a.Conn.Close(how)
		p.b.Conn.Close(how)
		p.free()
		if _, err := p.a.Expose(p.lease(make([]byte, 1), 0), rdma.RemoteRead); err == nil {
			t.Error("memory was exposed after the end")
		}
		p.free()

		p = n.connect(t, l, usual, usual)
		p.b.Start(p.b)
		p.a.Conn.Close(how)
		p.b.ends(nil, rdma.ErrLost, rdma.ErrRemote)

		p = n.connect(t, l, usual, usual)
		p.a.Start(p.a)
		w := &rdma.Work{Op: rdma.Send, Head: make([]byte, 1000)}
		if p.a.try(w) {
			p.a.Flush()
		}
		p.b.Conn.Close(how)
		p.a.ends(nil, rdma.ErrLost, rdma.ErrRemote)
	}
}

// testAfterEnd: nothing can be done with a connection that has ended, and nothing happens.
func testAfterEnd(t *testing.T, n Network) {
	p := n.begin(t, usual)
	r := p.expose(p.b, 100, 0, rdma.RemoteRead)
	p.a.Close(nil)
	p.a.ends(nil)
	p.b.ends(p.ordered()...)
	for _, s := range []*side{p.a, p.b} {
		for _, w := range []*rdma.Work{
			{Op: rdma.Send}, {Op: rdma.SendInvalidate}, {Op: rdma.Write, Remote: r.at},
			{Op: rdma.Read, Remote: r.at, Len: 10, Data: p.lease(make([]byte, 10), 0)},
		} {
			if s.try(w) {
				t.Errorf("%s: a work was taken after the end", s.name)
			}
			if s.Cancel(w) {
				t.Errorf("%s: a work was taken back after the end", s.name)
			}
		}
		s.Flush()
		s.Close(nil)
		s.Close(errors.New("again"))
		if _, err := s.Expose(p.lease(make([]byte, 1), 0), rdma.RemoteRead); err == nil {
			t.Errorf("%s: memory was exposed after the end", s.name)
		}
		if s.Revoke(r.at.Key) {
			t.Errorf("%s: a key is there after the end", s.name)
		}
		_ = s.Info()
		if q := s.Stats(); q.Queued != 0 || q.BytesQueued != 0 {
			t.Errorf("%s: %d works are queued after the end", s.name, q.Queued)
		}
	}
}

// testPeerGoes loses the peer in the middle of everything: the recorders check that each work is
// given back once, and before Closed.
func testPeerGoes(t *testing.T, n Network) {
	for round := range 10 {
		p := n.begin(t, usual)
		w := p.expose(p.a, 4<<20, 0, rdma.RemoteWrite)
		r := p.expose(p.a, 1<<20, 0, rdma.RemoteRead)
		var ws []*rdma.Work
		for i := range 20 {
			ws = append(ws,
				&rdma.Work{Op: rdma.Write, Len: 4 << 20, Remote: w.at, Data: p.lease(make([]byte, 4<<20), 0)},
				&rdma.Work{Op: rdma.Read, Len: 1 << 20, Remote: r.at, Data: p.lease(make([]byte, 1<<20), 10_000)},
				&rdma.Work{Op: rdma.Send, Head: make([]byte, i*100)},
			)
			if i >= round {
				break
			}
		}
		for _, w := range ws {
			if !p.b.try(w) {
				t.Fatal("refused")
			}
		}
		go p.b.Flush()
		if round%2 == 0 {
			n.begun(p.b, p.a)
		}
		p.a.Close(errors.New("gone"))
		p.a.ends(rdma.ErrClosed)
		p.b.ends(n.broken(rdma.ErrLost, rdma.ErrRemote)...)
		for _, w := range ws {
			if err := p.b.back(w); err != nil && !errors.Is(err, rdma.ErrFlushed) {
				t.Error(err)
			}
		}
		w.guarded(t)
		r.guarded(t)
	}
}

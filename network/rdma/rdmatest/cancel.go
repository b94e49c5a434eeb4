package rdmatest

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/network/rdma"
)

// hold has to wait in Received, so that it answers no Reads, until release is called. Adapters do not care, and have no thread for that.
func (n Network) hold(from, to *side) (release func()) {
	if n.Adapter {
		return func() {}
	}
	stop := make(chan struct{})
	held := make(chan struct{})
	to.set(func(rdma.Message) { close(held); <-stop }, nil)
	w := &rdma.Work{Op: rdma.Send}
	from.post(w)
	must(from.t, from.back(w))
	<-held
	to.set(nil, nil)
	return func() { close(stop) }
}

// asked waits until the peer has been asked for so many Reads, and nothing else waits to be sent but those
// that wait for them.
func (s *side) asked(n int) {
	s.t.Helper()
	s.until("the works that can go to have gone", func() bool { x := s.Stats(); return x.Asked == int64(n) && x.Queued == 0 })
}

// testCancel takes back Reads that wait, and tries to with those that the peer has been asked for.
func testCancel(t *testing.T, n Network) {
	p := n.begin(t, usual)
	if n.Adapter {
		p.both(t, func(t *testing.T, from, to *side) {
			r := p.show(to, numbered(5000, 1), 0)
			w := &rdma.Work{Op: rdma.Read, Len: 5000, Remote: r.at, Data: p.region(5000, 0).lease}
			if !from.try(w) || !from.cancel(w) || from.Cancel(w) {
				t.Error("a Read that was not flushed can be taken back once")
			}
			from.post(w)
			must(t, from.back(w))
			if from.Cancel(w) {
				t.Error("a Read was taken back that had been given back")
			}
		})
		return
	}
	p.both(t, func(t *testing.T, from, to *side) {
		const size = 5000
		limit := from.Info().Reads
		r := p.show(to, numbered(size, 1), 0)
		release := n.hold(from, to)
		var ws []*rdma.Work
		var into []*region
		for i := range limit + 4 {
			into = append(into, p.region(size, 1234))
			ws = append(ws, &rdma.Work{Op: rdma.Read, Len: size, Remote: r.at, Data: into[i].lease})
		}
		from.post(ws...)
		from.asked(limit)
		for _, i := range []int{limit + 3, limit, limit + 1} {
			if !from.cancel(ws[i]) {
				t.Errorf("Read %d of %d waits, and cannot be taken back", i, limit)
			}
		}
		for i := range limit {
			if from.cancel(ws[i]) {
				t.Errorf("Read %d of %d was taken back, and the peer had been asked for it", i, limit)
			}
		}
		unflushed := &rdma.Work{Op: rdma.Read, Len: size, Remote: r.at, Data: into[limit].lease}
		if !from.try(unflushed) || !from.cancel(unflushed) || from.Cancel(unflushed) {
			t.Error("a Read that was not flushed can be taken back once")
		}
		release()
		rest := append([]*rdma.Work{ws[limit+2]}, ws[:limit]...)
		must(t, from.back(rest...))
		if n := from.Stats().Asked; n != 0 {
			t.Errorf("%d Reads are asked for and not answered at the end", n)
		}
		for i := range ws {
			switch i {
			case limit, limit + 1, limit + 3:
				into[i].untouched(t)
			default:
				if !bytes.Equal(into[i].mem, r.mem) {
					t.Errorf("Read %d came wrong", i)
				}
				into[i].guarded(t)
			}
		}
		if from.Cancel(ws[0]) {
			t.Error("a Read was taken back that had been given back")
		}
		from.post(ws[limit]) // it can be used again
		must(t, from.back(ws[limit]))
		if !bytes.Equal(into[limit].mem, r.mem) {
			t.Error("the Read that was posted again came wrong")
		}
	})
}

// testCancelBusy takes Reads back while others are answered: those that are left go on.
func testCancelBusy(t *testing.T, n Network) {
	p := n.begin(t, usual)
	p.both(t, func(t *testing.T, from, to *side) {
		const size = 3000
		r := p.show(to, numbered(size, 1), 0)
		taken := 0
		for round := range 300 {
			var ws []*rdma.Work
			for range 3 * from.Info().Reads {
				ws = append(ws, &rdma.Work{Op: rdma.Read, Len: size, Remote: r.at, Data: p.region(size, 0).lease})
			}
			from.post(ws...)
			var rest []*rdma.Work
			for i, w := range ws { // the next first: it may just be let go
				if i+1+round%3 < len(ws) && from.cancel(w) {
					taken++
				} else {
					rest = append(rest, w)
				}
			}
			must(t, from.back(rest...))
		}
		if taken == 0 {
			t.Error("none could be taken back")
		}
	})
}

// testNotStarted: a peer that has not started yet gets everything when it does.
func testNotStarted(t *testing.T, n Network) {
	l := n.listen(t)
	p := n.connect(t, l, usual, usual)
	t.Cleanup(p.finish)
	r := p.expose(p.b, 1000, 0, rdma.RemoteRead|rdma.RemoteWrite)
	p.a.Start(p.a)
	data := numbered(1000, 1)
	into := p.region(1000, 0)
	ws := []*rdma.Work{
		{Op: rdma.Write, Len: 1000, Remote: r.at, Data: p.lease(data, 300)},
		{Op: rdma.Send, Head: []byte("hello")},
		{Op: rdma.Read, Len: 1000, Remote: r.at, Data: into.lease},
	}
	p.a.post(ws...)
	p.b.Start(p.b)
	if m := p.b.message(0); string(m.Data) != "hello" || !bytes.Equal(r.mem, data) {
		t.Errorf("%q", m.Data)
	}
	must(t, p.a.back(ws...))
	if !bytes.Equal(into.mem, data) {
		t.Error("the Read came wrong")
	}
}

package sim

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A fixture is a connection that runs, of which b has memory that a may reach.
type fixture struct {
	net  *Network
	a, b rdma.Conn
	u, v *user
	mem  []byte
	at   rdma.Remote
}

// with runs test under synctest, with a connection on a network with faults.
func with(t *testing.T, f Faults, test func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &fixture{net: New(), u: newUser(), v: newUser(), mem: make([]byte, 100_000)}
		x.net.Break(f)
		x.a, x.b = pair(t, x.net, usual)
		x.a.Start(x.u)
		x.b.Start(x.v)
		var err error
		if x.at, err = x.b.Expose(buffer.Of(x.mem), rdma.RemoteRead|rdma.RemoteWrite); err != nil {
			t.Fatal(err)
		}
		test(t, x)
		x.a.Close(nil)
		x.b.Close(nil)
		time.Sleep(time.Minute) // pair looks that both have ended
	})
}

func (x *fixture) write() *rdma.Work {
	return &rdma.Work{Op: rdma.Write, Data: buffer.Of(bytes.Repeat([]byte{7}, len(x.mem))), Len: int64(len(x.mem)), Remote: x.at}
}

func (x *fixture) read(into []byte) *rdma.Work {
	return &rdma.Work{Op: rdma.Read, Data: buffer.Of(into), Len: int64(len(into)), Remote: x.at}
}

func (x *fixture) post(ws ...*rdma.Work) {
	for _, w := range ws {
		x.a.Post(w)
	}
	x.a.Flush()
}

// lost checks that both sides have ended, and that n works were flushed.
func (x *fixture) lost(t *testing.T, n int) {
	t.Helper()
	for _, u := range []*user{x.u, x.v} {
		if err := <-u.closed; !errors.Is(err, rdma.ErrLost) {
			t.Error(err)
		}
	}
	for range n {
		if err := <-x.u.failed; !errors.Is(err, rdma.ErrFlushed) {
			t.Error(err)
		}
	}
	if len(x.u.failed) != 0 {
		t.Error("more works were flushed")
	}
}

func TestDelay(t *testing.T) {
	with(t, Nth(true, 0, Fate{Delay: time.Second}), func(t *testing.T, x *fixture) {
		start := time.Now()
		x.post(&rdma.Work{Op: rdma.Send, Head: []byte("1")}, &rdma.Work{Op: rdma.Send, Head: []byte("2")})
		if m := <-x.v.messages + <-x.v.messages; m != "12" || time.Since(start) != time.Second {
			t.Errorf("%q after %v", m, time.Since(start))
		}
	})
}

func TestHold(t *testing.T) {
	g := new(Gate)
	with(t, Nth(true, 1, Fate{Hold: g}), func(t *testing.T, x *fixture) {
		x.post(&rdma.Work{Op: rdma.Send, Head: []byte("1")}, &rdma.Work{Op: rdma.Send, Head: []byte("2")})
		synctest.Wait()
		if len(x.v.messages) != 1 || len(x.u.done) != 1 {
			t.Errorf("%d messages came, and one was held", len(x.v.messages))
		}
		g.Open()
		<-x.v.messages
		if m := <-x.v.messages; m != "2" {
			t.Errorf("%q", m)
		}
	})
}

// A Send that is given back late: its effect is there, and a Read behind it overtakes it.
func TestLate(t *testing.T) {
	with(t, Nth(true, 0, Fate{Late: time.Second}), func(t *testing.T, x *fixture) {
		send, behind := &rdma.Work{Op: rdma.Send}, &rdma.Work{Op: rdma.Send}
		read := x.read(make([]byte, 10))
		x.post(send, behind, read)
		<-x.v.messages
		<-x.v.messages
		if w := <-x.u.done; w != read {
			t.Error("the Read is not given back first")
		}
		if w, z := <-x.u.done, <-x.u.done; w != send || z != behind {
			t.Error("Sends are given back in another order")
		}
	})
}

func TestCut(t *testing.T) {
	with(t, Nth(true, 0, Fate{Cut: true, At: 40_000}), func(t *testing.T, x *fixture) {
		x.post(x.write(), &rdma.Work{Op: rdma.Send})
		x.lost(t, 2)
		if n := bytes.Count(x.mem, []byte{7}); n != 40_000 {
			t.Errorf("%d bytes were placed", n)
		}
	})
	with(t, Nth(true, 1, Fate{Cut: true, At: 40_000}), func(t *testing.T, x *fixture) {
		into := bytes.Repeat([]byte{1}, 100_000)
		x.post(x.write(), x.read(into))
		x.lost(t, 1)
		if n := bytes.Count(into, []byte{7}); n != 40_000 {
			t.Errorf("%d bytes were read", n)
		}
	})
	with(t, Nth(false, 1, Fate{Cut: true}), func(t *testing.T, x *fixture) {
		x.b.Post(&rdma.Work{Op: rdma.Send})
		x.b.Post(&rdma.Work{Op: rdma.Send})
		x.b.Flush()
		x.lost(t, 0)
		if len(x.u.messages) > 1 {
			t.Error("a message came after the end")
		}
	})
	with(t, nil, func(t *testing.T, x *fixture) {
		x.net.Cut()
		x.lost(t, 0)
	})
}

func TestDrop(t *testing.T) {
	with(t, Nth(true, 1, Fate{Drop: true, Learn: time.Minute}), func(t *testing.T, x *fixture) {
		start := time.Now()
		x.post(&rdma.Work{Op: rdma.Send}, x.write(), &rdma.Work{Op: rdma.Send})
		x.lost(t, 2)
		if time.Since(start) != time.Minute || bytes.Count(x.mem, []byte{7}) != 0 {
			t.Error("it was learnt of at another time, or data came")
		}
	})
	with(t, Nth(true, 0, Fate{Drop: true}), func(t *testing.T, x *fixture) {
		x.post(&rdma.Work{Op: rdma.Send})
		time.Sleep(time.Hour)
		if len(x.u.closed)+len(x.v.closed) != 0 {
			t.Error("somebody has learnt of it")
		}
		x.a.Close(errors.New("no answer"))
		if err := <-x.u.closed; !errors.Is(err, rdma.ErrClosed) {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if len(x.v.closed) != 0 {
			t.Error("the other side has learnt of it")
		}
		x.b.Close(nil)
		if err := <-x.v.closed; !errors.Is(err, rdma.ErrLost) {
			t.Error(err)
		}
	})
}

// A Read that was about to be asked for and is taken back lets the next one go.
func TestCancelOfTheNext(t *testing.T) {
	g := new(Gate)
	with(t, func(e Event) (f Fate) {
		switch {
		case !e.Dialed:
			f.Hold = g // and the answers, which are behind it
		case e.N == 5:
			f.Delay = time.Second
		}
		return f
	}, func(t *testing.T, x *fixture) {
		x.b.Post(&rdma.Work{Op: rdma.Send})
		x.b.Flush()
		var reads []*rdma.Work
		for range 5 { // of which two are asked for
			reads = append(reads, x.read(make([]byte, 10)))
		}
		x.post(append(reads, &rdma.Work{Op: rdma.Send})...)
		synctest.Wait()
		g.Open()
		<-x.u.done
		<-x.u.done
		synctest.Wait() // two more may go, but for the Send that is late
		for _, w := range reads[2:4] {
			if !x.a.Cancel(w) {
				t.Fatal("a Read that was not asked for cannot be taken back")
			}
		}
		<-x.v.messages
		time.Sleep(time.Minute)
		if len(x.u.done) != 2 {
			t.Errorf("%d works are done instead of the last Read and the Send", len(x.u.done))
		}
	})
}

// A peer that never answers a Read: an orderly end does not wait for ever.
func TestMute(t *testing.T) {
	with(t, Nth(true, 0, Fate{Mute: true}), func(t *testing.T, x *fixture) {
		x.post(x.read(make([]byte, 10)), x.read(make([]byte, 10)))
		<-x.u.done
		time.Sleep(time.Hour)
		x.a.Close(nil)
		if err := <-x.u.failed; !errors.Is(err, rdma.ErrFlushed) {
			t.Error(err)
		}
		if err := <-x.u.closed; !errors.Is(err, rdma.ErrLost) {
			t.Error(err)
		}
	})
}

func TestSwap(t *testing.T) {
	with(t, nil, func(t *testing.T, x *fixture) {
		other, err := x.b.Expose(buffer.Of(make([]byte, 1)), rdma.RemoteRead)
		if err != nil {
			t.Fatal(err)
		}
		x.net.Break(func(Event) Fate { return Fate{Swaps: true, Swap: other.Key} })
		x.post(&rdma.Work{Op: rdma.SendInvalidate, Invalidate: x.at.Key})
		<-x.v.messages
		if !x.b.Revoke(x.at.Key) || x.b.Revoke(other.Key) {
			t.Error("the wrong key is gone")
		}
	})
	with(t, Nth(true, 0, Fate{Swaps: true, Swap: 99}), func(t *testing.T, x *fixture) {
		x.post(&rdma.Work{Op: rdma.SendInvalidate, Invalidate: x.at.Key})
		if err := <-x.v.closed; !errors.Is(err, rdma.ErrAccess) {
			t.Error(err)
		}
	})
}

// Fates of a seed are the same each time, and not those of another.
func TestSeeded(t *testing.T) {
	draw := func(seed uint64) (all []Fate) {
		f := Seeded(seed, Rates{Delay: 100, Late: 100, Cut: 10, Drop: 10})
		for n := range 1000 {
			all = append(all, f(Event{N: n, Dialed: n%2 == 0, Len: 100}))
		}
		return all
	}
	x, y, z := draw(1), draw(1), draw(2)
	var delays, cuts, same int
	for i := range x {
		if x[i] != y[i] {
			t.Fatal("a seed gives other fates")
		}
		if x[i] == z[i] {
			same++
		}
		if x[i].Delay > 0 {
			delays++
		}
		if x[i].Cut {
			cuts++
		}
	}
	if same == len(x) || delays < 50 || delays > 150 || cuts == 0 || cuts > 30 {
		t.Errorf("%d the same for another seed, %d delays, %d cuts", same, delays, cuts)
	}
}

// Whatever dies whenever, works come back once: user's channels and Device.Close would tell.
func TestSeededEnds(t *testing.T) {
	for seed := range uint64(200) {
		with(t, Seeded(seed, Rates{Delay: 100, Late: 100, Cut: 30, Drop: 30}), func(t *testing.T, x *fixture) {
			posted := 0
			for i := range 30 {
				w := x.write()
				switch i % 3 {
				case 1:
					w = x.read(make([]byte, 50_000))
				case 2:
					w = &rdma.Work{Op: rdma.Send}
				}
				if x.a.Post(w) {
					posted++
				}
				x.a.Flush()
				time.Sleep(time.Millisecond)
			}
			x.a.Close(nil)
			<-x.u.closed
			<-x.v.closed
			if got := len(x.u.done) + len(x.u.failed); got != posted {
				t.Errorf("seed %d: %d works of %d came back", seed, got, posted)
			}
		})
	}
}

// What a user does wrong ends the connection and says so; a hardware queue would be corrupt.
func TestMisuse(t *testing.T) {
	for name, w := range map[string]*rdma.Work{
		"outside": {Op: rdma.Send, Data: buffer.Of(make([]byte, 10)), At: 1, Len: 10},
		"no data": {Op: rdma.Write, Len: 1},
		"head":    {Op: rdma.Read, Head: []byte("x")},
		"op":      {Op: 17},
		"less":    {Op: rdma.Send, Len: -1},
	} {
		t.Run(name, func(t *testing.T) {
			with(t, nil, func(t *testing.T, x *fixture) {
				if x.a.Post(w) {
					t.Error("taken")
				}
				if err := <-x.u.closed; !errors.Is(err, rdma.ErrClosed) {
					t.Error(err)
				}
			})
		})
	}
	with(t, Nth(true, 0, Fate{Hold: new(Gate)}), func(t *testing.T, x *fixture) {
		w := &rdma.Work{Op: rdma.Send}
		if !x.a.Post(w) || x.a.Post(w) {
			t.Error("a work was taken twice")
		}
		<-x.u.closed
	})
}

// A device tells what its user has left open.
func TestDeviceClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New()
		d := n.Device()
		l, err := d.Listen(t.Context(), ":0")
		if err != nil {
			t.Fatal(err)
		}
		if d.Close() == nil {
			t.Error("closed with a listener")
		}
		l.Close()
		a, b := pair(t, n, usual)
		a.Close(nil)
		b.Close(nil)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := d.Listen(t.Context(), ":0"); err == nil {
			t.Error("listens after Close")
		}
	})
}

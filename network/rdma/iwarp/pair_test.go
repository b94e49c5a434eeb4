package iwarp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var engines = map[string]func() (tcp.Engine, error){
	"goroutines": func() (tcp.Engine, error) { return tcp.NewGoroutines(tcp.AutoSpin()), nil },
	"reactors":   func() (tcp.Engine, error) { return tcp.NewReactors(tcp.ReactorOptions{Count: 2}) },
}

// withEngines calls test with each engine.
func withEngines(t *testing.T, test func(t *testing.T, e tcp.Engine)) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			e, err := open()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, e)
		})
	}
}

// A side is a connection and its handler.
type side struct {
	rdma.Conn
	h *handler
}

func (s *side) post(w *rdma.Work) {
	s.h.t.Helper()
	if !s.Post(w) {
		s.h.t.Fatal("the work was not taken")
	}
	s.Flush()
}

var plenty = rdma.Options{Reads: 16, Serves: 16, MaxMessage: 256 << 10, Messages: 64}

// dial connects two devices.
func dial(t testing.TB, target, initiator *Device, to, from rdma.Options) (a, b rdma.Conn) {
	t.Helper()
	l, err := target.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type result struct {
		c       rdma.Conn
		private []byte
		err     error
	}
	dialed := make(chan result, 1)
	go func() {
		c, p, err := initiator.Dial(context.Background(), l.Addr(), from)
		dialed <- result{c, p, err}
	}()
	r, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.Private(), from.Private) {
		t.Errorf("private data %q", r.Private())
	}
	a, err = r.Accept(to)
	d := <-dialed
	if err != nil || d.err != nil {
		t.Fatal(err, d.err)
	}
	if !bytes.Equal(d.private, to.Private) {
		t.Errorf("private data %q", d.private)
	}
	return a, d.c
}

func device(t testing.TB, c Config) *Device {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// pair is a target's and an initiator's side, started.
func pair(t testing.TB, target, initiator *Device) (a, b *side) {
	t.Helper()
	x, y := dial(t, target, initiator, plenty, plenty)
	a, b = &side{x, newHandler(t)}, &side{y, newHandler(t)}
	a.Start(a.h)
	b.Start(b.h)
	t.Cleanup(func() {
		b.Close(nil)
		a.Close(nil)
		a.h.ended()
		b.h.ended()
	})
	// The initiator speaks first.
	w := &rdma.Work{Op: rdma.Send, Head: []byte("hello")}
	b.post(w)
	if err := b.h.gotBack(w); err != nil {
		t.Fatal(err)
	}
	if m := a.h.message(0); string(m.Data) != "hello" {
		t.Fatalf("%q", m.Data)
	}
	return a, b
}

// fill makes data that differs everywhere.
func fill(n int, seed uint64) []byte {
	b := make([]byte, n+8)
	x := seed*0x9E3779B97F4A7C15 + 1
	for i := 0; i < n; i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.NativeEndian.PutUint64(b[i:], x)
	}
	return b[:n:n]
}

// cut makes a lease of pieces of b, of size bytes.
func cut(b []byte, size int) *buffer.Lease {
	var segs []buffer.Segment
	for len(b) > 0 {
		n := min(size, len(b))
		segs = append(segs, buffer.Segment{Mem: b[:n:n]})
		b = b[n:]
	}
	return buffer.New(nil, segs...)
}

// configs calls test with pairs of devices of every kind.
func configs(t *testing.T, test func(t *testing.T, a, b *side)) {
	withEngines(t, func(t *testing.T, e tcp.Engine) {
		for name, c := range map[string]Config{
			"plain": {}, "CRC": {CRC: true}, "small": {MaxFPDU: 1448}, "small, CRC": {MaxFPDU: 1448, CRC: true}, "tiny": {MaxFPDU: minFPDU},
		} {
			t.Run(name, func(t *testing.T) {
				c.Engine = e
				d := device(t, c)
				a, b := pair(t, d, d)
				test(t, a, b)
			})
		}
	})
}

var sizes = []int{0, 1, 3, 4, 1427, 1428, 1429, 4096, 8 << 10, 16<<10 - 1, 16 << 10, 20_001, 64 << 10, 100_000, 1 << 20}

func TestSend(t *testing.T) {
	configs(t, func(t *testing.T, a, b *side) {
		got := 0
		for _, n := range sizes {
			if n > plenty.MaxMessage-48 {
				continue
			}
			data := fill(n, uint64(n))
			w := &rdma.Work{Op: rdma.Send, Head: fill(48, 1), Data: cut(data, 1000), Len: int64(n), Solicited: n%2 == 0}
			a.post(w)
			m := b.h.message(got)
			got++
			if want := append(fill(48, 1), data...); !bytes.Equal(m.Data, want) || m.Invalidates {
				t.Fatalf("%d bytes: got %d", n, len(m.Data))
			}
			if err := a.h.gotBack(w); err != nil {
				t.Error(err)
			}
		}
		// Many at once.
		var works []*rdma.Work
		for i := range 1000 {
			w := &rdma.Work{Op: rdma.Send, Head: fill(i%100, uint64(i))}
			works = append(works, w)
			if !a.Post(w) {
				t.Fatal("not taken")
			}
		}
		a.Flush()
		for i, w := range works {
			if m := b.h.message(got + i); !bytes.Equal(m.Data, w.Head) {
				t.Fatalf("message %d is wrong", i)
			}
			if err := a.h.gotBack(w); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestWrite(t *testing.T) {
	configs(t, func(t *testing.T, a, b *side) {
		for i, n := range sizes {
			guard := 64
			mem, data := fill(n+2*guard, 7), fill(n+10, uint64(n))
			want := bytes.Clone(mem)
			copy(want[guard:], data[5:5+n])
			r, err := b.Expose(cut(mem, 4096), rdma.RemoteWrite)
			if err != nil {
				t.Fatal(err)
			}
			r.Addr += uint64(guard)
			w := &rdma.Work{Op: rdma.Write, Data: cut(data, 3000), At: 5, Len: int64(n), Remote: r}
			if !a.Post(w) {
				t.Fatal("not taken")
			}
			a.post(&rdma.Work{Op: rdma.SendInvalidate, Head: []byte("there"), Invalidate: r.Key})
			m := b.h.message(i)
			if !m.Invalidates || m.Invalidated != r.Key {
				t.Errorf("%+v", m)
			}
			if !bytes.Equal(mem, want) {
				t.Fatalf("%d bytes: wrong data", n)
			}
			if b.Revoke(r.Key) {
				t.Error("the key is still there")
			}
			if err := a.h.gotBack(w); err != nil {
				t.Error(err)
			}
		}
		if s := a.Stats(); s.CopiedPlaced != 0 || s.Writes != int64(len(sizes)) {
			t.Errorf("%+v", s)
		}
	})
}

func TestRead(t *testing.T) {
	configs(t, func(t *testing.T, a, b *side) {
		for _, n := range sizes {
			guard := 64
			data, mem := fill(n+2*guard, uint64(n)), fill(n+2*guard, 7)
			want := bytes.Clone(mem)
			copy(want[guard:], data[guard:guard+n])
			r, err := b.Expose(cut(data, 4096), rdma.RemoteRead)
			if err != nil {
				t.Fatal(err)
			}
			r.Addr += uint64(guard)
			w := &rdma.Work{Op: rdma.Read, Data: cut(mem, 5000), At: int64(guard), Len: int64(n), Remote: r}
			before := a.Stats()
			a.post(w)
			if err := a.h.gotBack(w); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mem, want) {
				t.Fatalf("%d bytes: wrong data", n)
			}
			if !b.Revoke(r.Key) {
				t.Error("the key is not there")
			}
			after := a.Stats()
			if after.CopiedPlaced != before.CopiedPlaced && n >= bigRead {
				t.Errorf("%d bytes: %d copied", n, after.CopiedPlaced-before.CopiedPlaced)
			}
			if after.Placed-before.Placed != int64(n) {
				t.Errorf("%d bytes: %d placed", n, after.Placed-before.Placed)
			}
		}
	})
}

// TestMixed has many Reads and Writes of all sizes outstanding, and messages between them.
func TestMixed(t *testing.T) {
	configs(t, func(t *testing.T, a, b *side) {
		type job struct {
			read, write *rdma.Work
			from, to    []byte
			want        []byte
			big         bool
		}
		rng := rand.New(rand.NewPCG(1, 2))
		var jobs []*job
		for i := range 100 {
			n := []int{0, 100, 4096, 16 << 10, 40_000, 256 << 10}[rng.IntN(6)]
			j := &job{from: make([]byte, n), to: make([]byte, n), want: fill(n, uint64(i))}
			src, err1 := b.Expose(cut(j.want, 1<<16), rdma.RemoteRead)
			dst, err2 := b.Expose(cut(j.to, 1<<16), rdma.RemoteWrite)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			j.read = &rdma.Work{Op: rdma.Read, Data: cut(j.from, 1<<16), Len: int64(n), Remote: src, Owner: j}
			j.write = &rdma.Work{Op: rdma.Write, Data: cut(j.from, 1<<16), Len: int64(n), Remote: dst, Owner: j}
			jobs = append(jobs, j)
		}
		var mu sync.Mutex
		left := len(jobs)
		over := make(chan struct{})
		a.h.done = func(w *rdma.Work, err error) { // it comes after the first message
			if err != nil {
				t.Error(err)
			}
			switch w.Op {
			case rdma.Read: // and back again, with a message
				j := w.Owner.(*job)
				ok := a.Post(j.write) && a.Post(&rdma.Work{Op: rdma.SendInvalidate, Head: []byte("yes"), Invalidate: j.write.Remote.Key})
				if !ok {
					t.Error("not taken")
				}
				a.Flush()
			case rdma.SendInvalidate:
				mu.Lock()
				if left--; left == 0 {
					close(over)
				}
				mu.Unlock()
			}
		}
		for i, j := range jobs {
			if !a.Post(j.read) {
				t.Fatal("not taken")
			}
			if i%10 == 9 {
				a.Flush()
				b.post(&rdma.Work{Op: rdma.Send, Head: fill(500, 3)})
			}
		}
		a.Flush()
		select {
		case <-over:
		case <-time.After(30 * time.Second):
			t.Fatal("it does not end")
		}
		b.h.message(len(jobs) - 1)
		for i, j := range jobs {
			if !bytes.Equal(j.to, j.want) {
				t.Errorf("job %d of %d bytes: wrong data", i, len(j.want))
			}
		}
		t.Logf("%+v", a.Stats())
	})
}

package vhost

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A rig is a queue with its driver: memory of a guest from address rigBase on, a ring in it, and what both are told by.
type rig struct {
	t          testing.TB
	fd         int // the file of mem
	mem        []byte
	next       int
	place      ring.Place
	drv        ring.Driver
	q          *Queue
	kick, call int
	failed     chan error
}

const rigBase = 1 << 32

func (r *rig) cut(n int) ([]byte, uint64) {
	at := (r.next + 63) &^ 63
	r.next = at + n
	return r.mem[at:r.next:r.next], rigBase + uint64(at)
}

func (r *rig) Translate(dst []buffer.Segment, addr uint64, n uint32) ([]buffer.Segment, error) {
	if addr < rigBase || addr-rigBase > uint64(len(r.mem)) || uint64(n) > uint64(len(r.mem))-(addr-rigBase) {
		return dst, fmt.Errorf("%d bytes at %#x are outside", n, addr)
	}
	return append(dst, buffer.Segment{Mem: r.mem[addr-rigBase:][:n:n]}), nil
}

// newRig makes a queue, which is not started. change, if there is one, changes how.
func newRig(t testing.TB, size int, o ring.Options, h Handler, change func(*setting)) *rig {
	t.Helper()
	r := &rig{t: t, failed: make(chan error, 9)}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	r.fd = fd
	const bytes = 16 << 20
	if err := unix.Ftruncate(fd, bytes); err != nil {
		t.Fatal(err)
	}
	if r.mem, err = unix.Mmap(fd, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	p := ring.Place{Size: size}
	d, a, u := ring.Bytes(size, o.Packed)
	p.Desc, _ = r.cut(d)
	p.Avail, _ = r.cut(a)
	p.Used, _ = r.cut(u)
	r.place = p
	tables := ring.Tables{Entries: 8}
	tables.Mem, tables.Addr = r.cut(size * 8 * 16)
	if r.drv, err = ring.NewDriver(p, o, tables); err != nil {
		t.Fatal(err)
	}
	start := ring.Start{}
	if o.Packed {
		start.Base = ring.PackedBase
	}
	dev, err := ring.NewDevice(p, o, r, start)
	if err != nil {
		t.Fatal(err)
	}
	s := setting{size: size, packed: o.Packed, device: dev, handler: h, pollers: newPollers(20 * time.Microsecond), fail: func(why error) { r.failed <- why }}
	if change != nil {
		change(&s)
	}
	if r.q, err = newQueue(s); err != nil {
		t.Fatal(err)
	}
	for _, fd := range []*int{&r.kick, &r.call} {
		if *fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(r.q.setKick(r.kick), r.q.setCall(r.call)); err != nil {
		t.Fatal(err)
	}
	return r
}

// end stops the queue, and takes its memory away.
func (r *rig) end() {
	r.q.drain(nil) // nobody loses patience
	_ = unix.Close(r.kick)
	_ = unix.Close(r.call)
	_ = unix.Close(r.fd)
	_ = unix.Munmap(r.mem)
}

// kicks lets the device see what was added.
func (r *rig) kicks() {
	if r.drv.Kick() {
		ringBell(r.kick)
	}
}

// get waits for a request to come back.
func (r *rig) get() (token uint64, written uint32) {
	for {
		token, written, ok, err := r.drv.Get()
		if err != nil {
			r.t.Fatal(err)
		}
		if ok {
			return token, written
		}
		if r.drv.Want(true) {
			continue
		}
		fds := []unix.PollFd{{Fd: int32(r.call), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, -1); err != unix.EINTR {
				break
			}
		}
		empty(r.call)
		r.drv.Want(false)
	}
}

// A handling is a Handler made of functions.
type handling struct {
	handle func(*Chain)
	burst  func(*Queue)
	abort  func(*Queue)
}

func (h handling) Handle(c *Chain) { h.handle(c) }
func (h handling) Burst(q *Queue) {
	if h.burst != nil {
		h.burst(q)
	}
}
func (h handling) Abort(q *Queue) {
	if h.abort != nil {
		h.abort(q)
	}
}
func (h handling) Ended(error) {}

// options are the kinds of rings.
func options() []ring.Options {
	return []ring.Options{{EventIndex: true, Indirect: true}, {}, {Packed: true, EventIndex: true, Indirect: true}, {Packed: true}}
}

// echo answers a chain with what it says.
func echo(t testing.TB, c *Chain) {
	b := make([]byte, c.Readable())
	if err := errors.Join(c.Read(0, b), c.Write(0, b)); err != nil {
		t.Error(err)
	}
	c.Return(int64(len(b)))
}

// Chains come back in any order, from many goroutines, with what was said in them, however the ring's indices wrap.
func TestQueueEchoes(t *testing.T) {
	for _, o := range options() {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			work := make(chan *Chain, 256)
			var workers sync.WaitGroup
			for range 3 {
				workers.Go(func() {
					for c := range work {
						q := c.Queue()
						echo(t, c)
						q.Flush()
					}
				})
			}
			h := handling{handle: func(c *Chain) {
				if c.Readable()%3 == 0 {
					echo(t, c)
				} else {
					work <- c
				}
			}, burst: func(q *Queue) { q.Flush() }}
			const size, each = 64, 64
			r := newRig(t, size, o, h, nil)
			data, at := r.cut(2 * each * size)
			r.q.start()
			const requests = 3000
			free := make([]int, 0, size)
			for i := range size {
				free = append(free, i)
			}
			lengths := make([]int, size)
			for sent, got := 0, 0; got < requests; {
				for sent < requests && len(free) > 0 && rand.IntN(8) > 0 {
					i := free[len(free)-1]
					n := 1 + rand.IntN(each)
					from := data[2*each*i:]
					for j := range n {
						from[j], from[each+j] = byte(rand.Int()), 0
					}
					addr := at + uint64(2*each*i)
					out := []ring.Piece{{Addr: addr, Len: uint32(n)}}
					if n > 1 {
						out = []ring.Piece{{Addr: addr, Len: 1}, {Addr: addr + 1, Len: uint32(n - 1)}}
					}
					err := r.drv.Add(out, []ring.Piece{{Addr: addr + each, Len: each}}, uint64(i))
					if errors.Is(err, ring.ErrFull) {
						break
					}
					if err != nil {
						t.Fatal(err)
					}
					free = free[:len(free)-1]
					lengths[i] = n
					sent++
				}
				r.kicks()
				if sent == got {
					continue
				}
				token, written := r.get()
				i := int(token)
				if int(written) != lengths[i] {
					t.Fatalf("%d bytes were written, %d are wanted", written, lengths[i])
				}
				if s := data[2*each*i:]; string(s[:written]) != string(s[each:each+written]) {
					t.Fatal("another answer")
				}
				free = append(free, i)
				got++
			}
			r.end()
			close(work)
			workers.Wait()
			s := r.q.stats()
			if s.Chains != uint64(requests) || s.Inflight != 0 || s.Running || s.CopiedIn != s.CopiedOut || s.CopiedIn == 0 {
				t.Errorf("%+v", s)
			}
			select {
			case err := <-r.failed:
				t.Error(err)
			default:
			}
		})
	}
}

// BenchmarkQueue is 4 KiB for each request, 32 at a time, by a driver on another thread.
func BenchmarkQueue(b *testing.B) {
	for _, o := range options() {
		b.Run(fmt.Sprintf("%+v", o), func(b *testing.B) {
			data := make([]byte, 4096)
			h := handling{handle: func(c *Chain) {
				var head [51]byte
				if err := c.Read(0, head[:]); err != nil {
					b.Error(err)
				}
				if err := c.Write(108, data); err != nil {
					b.Error(err)
				}
				c.Return(108 + 4096)
			}, burst: func(q *Queue) { q.Flush() }}
			r := newRig(b, 256, o, h, nil)
			_, at := r.cut(1 << 20)
			out, in := make([][]ring.Piece, 32), make([][]ring.Piece, 32)
			for i := range out {
				addr := at + uint64(i*8192)
				out[i], in[i] = []ring.Piece{{Addr: addr, Len: 51}}, []ring.Piece{{Addr: addr + 64, Len: 108}, {Addr: addr + 4096, Len: 4096}}
			}
			r.q.start()
			runtime.LockOSThread()
			b.ReportAllocs()
			b.ResetTimer()
			was, mine := processor(unix.RUSAGE_SELF), processor(unix.RUSAGE_THREAD)
			for sent, got := 0, 0; got < b.N; {
				for sent < b.N && sent-got < 32 {
					if err := r.drv.Add(out[sent%32], in[sent%32], uint64(sent)); err != nil {
						b.Fatal(err)
					}
					sent++
				}
				r.kicks()
				r.get()
				got++
				for {
					_, _, ok, err := r.drv.Get()
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					got++
				}
			}
			b.StopTimer()
			mine = processor(unix.RUSAGE_THREAD) - mine
			all := processor(unix.RUSAGE_SELF) - was
			runtime.UnlockOSThread()
			r.end()
			b.ReportMetric(float64(all-mine)/float64(b.N), "device-cpu-ns/op")
			b.ReportMetric(float64(mine)/float64(b.N), "driver-cpu-ns/op")
			s := r.q.stats()
			b.ReportMetric(float64(s.Kicks)/float64(b.N), "kicks/op")
			b.ReportMetric(float64(s.Calls)/float64(b.N), "calls/op")
		})
	}
}

// processor is how long a thread, or all of the process, has computed, in ns.
func processor(who int) int64 {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

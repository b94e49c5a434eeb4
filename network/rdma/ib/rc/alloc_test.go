package rc

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// A loop has two queue pairs whose packets go from one to the other on one goroutine: what it costs is what queue pairs cost.
type loop struct {
	q      [2]*QP
	outlet [2]loopOutlet
	now    [][]byte
	done   atomic.Int64
	want   int64
}

type loopOutlet struct {
	mu      sync.Mutex
	packets [64][]byte // the one who sends has them
	n       int
	ready   [][]byte
	spare   [][]byte
}

func (o *loopOutlet) Room() int { return len(o.packets) - o.n }
func (o *loopOutlet) Packet(head []byte, payload ...[]byte) {
	var b []byte
	o.mu.Lock()
	if k := len(o.spare); k > 0 {
		b, o.spare = o.spare[k-1][:0], o.spare[:k-1]
	}
	o.mu.Unlock()
	b = append(b, head...)
	for _, p := range payload {
		b = append(b, p...)
	}
	o.packets[o.n] = b
	o.n++
}
func (o *loopOutlet) Flush() {
	o.mu.Lock()
	o.ready = append(o.ready, o.packets[:o.n]...)
	o.mu.Unlock()
	o.n = 0
}

// move has what one queue pair has sent received by the other, and reports whether there was anything.
func (l *loop) move() (more bool) {
	for i := range l.q {
		o, to := &l.outlet[i], l.q[1-i]
		o.mu.Lock()
		l.now = append(l.now[:0], o.ready...)
		o.ready = o.ready[:0]
		o.mu.Unlock()
		if len(l.now) == 0 {
			continue
		}
		more = true
		for _, b := range l.now {
			h, _ := ib.ParseBTH(b)
			to.Received(h, b)
		}
		o.mu.Lock()
		o.spare = append(o.spare, l.now...)
		o.mu.Unlock()
		to.Batch()
	}
	return more
}

func (l *loop) Received(rdma.Message)  {}
func (l *loop) Done(*rdma.Work, error) { l.done.Add(1) }
func (l *loop) Closed(error)           {}
func newLoop(mtu int) *loop {
	l := &loop{}
	for i := range l.q {
		c := pairConf()
		c.MTU, c.Outlet, c.Timeout = mtu, &l.outlet[i], time.Hour
		if i == 1 {
			c.Sends, c.Expects = c.Expects, c.Sends
		}
		l.q[i] = New(c)
		l.q[i].Start(l)
	}
	return l
}

// works are eight of each kind.
func (l *loop) works(t testing.TB, size int) []*rdma.Work {
	r, err := l.q[1].Expose(buffer.Of(make([]byte, size)), rdma.RemoteRead|rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	var ws []*rdma.Work
	for range 8 {
		ws = append(ws,
			&rdma.Work{Op: rdma.Send, Head: make([]byte, 100), Data: buffer.Of(make([]byte, 1000)), Len: 1000},
			&rdma.Work{Op: rdma.Write, Data: buffer.Of(make([]byte, size)), Len: int64(size), Remote: r},
			&rdma.Work{Op: rdma.Read, Data: buffer.Of(make([]byte, size)), Len: int64(size), Remote: r})
	}
	return ws
}

func (l *loop) round(ws []*rdma.Work) {
	for _, w := range ws {
		l.q[0].Post(w)
	}
	l.q[0].Flush()
	l.want += int64(len(ws))
	for l.done.Load() < l.want {
		if !l.move() {
			runtime.Gosched() // the timer's goroutine sends
		}
	}
}

// TestRequesterAllocations: works cost nothing, once the buffers are there.
func TestRequesterAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED: the race detector allocates; allocations are counted without it")
	}
	synctest.Test(t, func(t *testing.T) { // time stands still, and the timer does nothing
		l := newLoop(1024)
		ws := l.works(t, 20_000)
		l.round(ws)
		n := testing.AllocsPerRun(100, func() { l.round(ws) })
		if n != 0 {
			t.Errorf("%v allocations for %d works", n, len(ws))
		}
		for _, q := range l.q {
			q.Close(nil)
		}
	})
}

// BenchmarkWorks is eight Sends, eight Writes and eight Reads of 64 KiB, by two queue pairs on one goroutine.
func BenchmarkWorks(b *testing.B) {
	for _, mtu := range []int{1024, 4096} {
		b.Run(map[int]string{1024: "mtu=1024", 4096: "mtu=4096"}[mtu], func(b *testing.B) {
			l := newLoop(mtu)
			ws := l.works(b, 64<<10)
			l.round(ws)
			b.SetBytes(16 * 64 << 10)
			b.ReportAllocs()
			for b.Loop() {
				l.round(ws)
			}
			b.ReportMetric(float64(l.q[0].Losses().Resent), "resent")
		})
	}
}

package rc

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// Faults are what a wire does to packets: parts of one, by a seed.
type faults struct {
	seed                        uint64
	lose, double, late, damaged float64
	drop                        func(n int, h ib.BTH) bool // and this packet, the n-th from 0 on
}

// A wire is one direction between two queue pairs. A packet takes delay, and the next one follows after as long as it takes by rate, bytes a second; 0: no time.
type wire struct {
	to    *QP
	delay time.Duration
	rate  float64
	most  int // packets that may be on the way; more are lost. 0: all
	f     faults
	rng   *rand.Rand

	mu      sync.Mutex
	way     []passing
	free    [][]byte
	busy    time.Time // until then the wire sends
	count   int
	bytes   int64
	staged  [][]byte
	wake    chan struct{}
	done    chan struct{}
	stopped sync.WaitGroup
	tap     func(h ib.BTH, b []byte)      // sees what is sent, also what is lost
	drops   func(h ib.BTH, b []byte) bool // of what arrives, on the goroutine that receives
}

type passing struct {
	at time.Time
	b  []byte
}

func newWire(f faults, delay time.Duration, rate float64) *wire {
	return &wire{delay: delay, rate: rate, f: f, rng: rand.New(rand.NewPCG(f.seed, 1)), wake: make(chan struct{}, 1), done: make(chan struct{})}
}

func (w *wire) Room() int { return 64 - len(w.staged) }

func (w *wire) Packet(head []byte, payload ...[]byte) {
	var b []byte
	w.mu.Lock()
	if n := len(w.free); n > 0 {
		b, w.free = w.free[n-1][:0], w.free[:n-1]
	}
	w.mu.Unlock()
	b = append(b, head...)
	for _, p := range payload {
		b = append(b, p...)
	}
	w.staged = append(w.staged, b)
}

func (w *wire) Flush() {
	w.mu.Lock()
	now := time.Now()
	for _, b := range w.staged {
		h, ok := ib.ParseBTH(b)
		if !ok {
			panic("a packet without a BTH")
		}
		n := w.count
		w.count++
		w.bytes += int64(len(b))
		if w.tap != nil {
			w.tap(h, b)
		}
		at := now
		if w.busy.After(now) {
			at = w.busy
		}
		if w.rate > 0 {
			at = at.Add(time.Duration(float64(len(b)+58) / w.rate * 1e9))
		}
		w.busy = at
		at = at.Add(w.delay)
		x := w.rng.Float64()
		lost := x < w.f.lose+w.f.damaged || w.f.drop != nil && w.f.drop(n, h) || w.most > 0 && len(w.way) >= w.most
		if w.rng.Float64() < w.f.late {
			at = at.Add(w.jitter())
		}
		double := w.rng.Float64() < w.f.double
		if lost {
			w.free = append(w.free, b)
			continue
		}
		w.put(passing{at, b})
		if double {
			w.put(passing{at.Add(w.jitter()), slices.Clone(b)})
		}
	}
	w.staged = w.staged[:0]
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// jitter is how much later than others a packet comes. mu is held.
func (w *wire) jitter() time.Duration {
	return time.Duration(w.rng.IntN(int(max(w.delay, 30*time.Microsecond)) + 1))
}

// put keeps way in the order of the times. mu is held.
func (w *wire) put(p passing) {
	i := len(w.way)
	for i > 0 && w.way[i-1].at.After(p.at) {
		i--
	}
	w.way = slices.Insert(w.way, i, p)
}

// run brings packets to their end.
func (w *wire) run() {
	defer w.stopped.Done()
	timer := time.NewTimer(time.Hour)
	for {
		w.mu.Lock()
		wait := time.Hour
		now := time.Now()
		k := 0
		for k < len(w.way) && k < 64 && !w.way[k].at.After(now) {
			k++
		}
		all := slices.Clone(w.way[:k])
		w.way = slices.Delete(w.way, 0, k)
		if k == 0 && len(w.way) > 0 {
			wait = w.way[0].at.Sub(now)
		}
		w.mu.Unlock()
		if k > 0 {
			for _, p := range all {
				h, _ := ib.ParseBTH(p.b)
				if w.drops == nil || !w.drops(h, p.b) {
					w.to.Received(h, p.b)
				}
			}
			w.to.Batch()
			w.mu.Lock()
			for _, p := range all {
				w.free = append(w.free, p.b)
			}
			w.mu.Unlock()
			continue
		}
		timer.Reset(wait)
		select {
		case <-w.wake:
		case <-timer.C:
		case <-w.done:
			return
		}
	}
}

// A pair is two queue pairs, and the wires between them.
type pair struct {
	a, b   *QP
	ab, ba *wire
	bye    sync.WaitGroup
}

func pairConf() Config {
	return Config{Sends: 0xFFFFF0, Expects: 0x123456, MTU: 1024, Reads: 8, Serves: 8, MaxMessage: 64 << 10,
		Timeout: 200 * time.Millisecond, Retries: 7, RNR: 7, MaxWindows: 1000, Info: rdma.Info{Provider: "test"}}
}

// newPair connects two queue pairs. change may change what they have agreed on.
func newPair(t testing.TB, fab, fba faults, delay time.Duration, rate float64, change func(a, b *Config)) *pair {
	p := &pair{ab: newWire(fab, delay, rate), ba: newWire(fba, delay, rate)}
	ca, cb := pairConf(), pairConf()
	ca.Number, ca.Peer, cb.Number, cb.Peer = 0x11, 0x12, 0x12, 0x11
	cb.Sends, cb.Expects = ca.Expects, ca.Sends
	if change != nil {
		change(&ca, &cb)
	}
	ca.Outlet, cb.Outlet = p.ab, p.ba
	gone := func(to **QP) func(error) {
		return func(err error) { // the communication manager tells the peer, in time
			if err != nil {
				err = rdma.ErrRemote
			}
			p.bye.Go(func() {
				time.Sleep(delay)
				(*to).Disconnected(err)
			})
		}
	}
	ca.Ended, cb.Ended = gone(&p.b), gone(&p.a)
	p.a, p.b = New(ca), New(cb)
	p.ab.to, p.ba.to = p.b, p.a
	for _, w := range []*wire{p.ab, p.ba} {
		w.stopped.Add(1)
		go w.run()
	}
	return p
}

func (p *pair) stop() {
	p.bye.Wait()
	for _, w := range []*wire{p.ab, p.ba} {
		close(w.done)
		w.stopped.Wait()
	}
}

// A user is a handler that keeps what it was told.
type user struct {
	mu       sync.Mutex
	changed  *sync.Cond
	back     map[*rdma.Work]error
	messages []string
	closed   bool
	err      error
	received func(rdma.Message)
	done     func(*rdma.Work)
	wrong    []string
}

func newUser() *user {
	u := &user{back: make(map[*rdma.Work]error)}
	u.changed = sync.NewCond(&u.mu)
	return u
}

func (u *user) Received(m rdma.Message) {
	u.mu.Lock()
	if u.closed {
		u.wrong = append(u.wrong, "Received after Closed")
	}
	u.messages = append(u.messages, string(m.Data))
	u.changed.Broadcast()
	f := u.received
	u.mu.Unlock()
	if f != nil {
		f(m)
	}
}

func (u *user) Done(w *rdma.Work, err error) {
	u.mu.Lock()
	if _, twice := u.back[w]; twice || u.closed {
		u.wrong = append(u.wrong, fmt.Sprintf("a work was given back twice (%v), or after Closed (%v)", twice, u.closed))
	}
	u.back[w] = err
	u.changed.Broadcast()
	f := u.done
	u.mu.Unlock()
	if f != nil {
		f(w)
	}
}

func (u *user) Closed(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		u.wrong = append(u.wrong, "Closed twice")
	}
	u.closed, u.err = true, err
	u.changed.Broadcast()
}

func (u *user) until(f func() bool) {
	u.mu.Lock()
	for !f() {
		u.changed.Wait()
	}
	u.mu.Unlock()
}

// wait waits until all of ws have been given back, and returns the first error.
func (u *user) wait(ws ...*rdma.Work) (err error) {
	for _, w := range ws {
		u.until(func() bool { _, ok := u.back[w]; return ok || u.closed })
		u.mu.Lock()
		e, ok := u.back[w]
		u.mu.Unlock()
		if !ok {
			e = fmt.Errorf("a work was not given back at the end")
		}
		err = cmp.Or(err, e)
	}
	return err
}

func (u *user) check(t testing.TB) {
	t.Helper()
	for _, s := range u.wrong {
		t.Error(s)
	}
}

// Package congestion is how fast a queue pair sends while packets of it meet with congestion: the reaction point of DCQCN (Zhu et al., Congestion Control for Large-Scale RDMA
// Deployments, SIGCOMM 2015), in software. It has no clock and no packets: times come in as arguments, and how long to wait goes out.
//
// Each notification (CNP) cuts the rate: the more the more of them come. Without notifications it goes back in steps, which time and bytes that were sent make: first
// halfway to what it was before the cut, some times (fast recovery), then with a bit more each time (additive increase), then with more and more (hyper increase). When
// it is that of the line again nothing is left to do.
package congestion

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Parameters are those of the algorithm, with its authors' names. The zero value of each is its default.
type Parameters struct {
	Line     float64       // bytes a second that the way to the peer takes without congestion: 12.5e9, 100 Gb/s
	Least    float64       // bytes a second below which the rate is not cut: 1e6
	Additive float64       // R_AI: bytes a second that are added in a step: 5e6
	Hyper    float64       // R_HAI: bytes a second that are added, in the i-th step i times: 50e6
	Gain     float64       // g: how much a notification counts in alpha: 1/16
	Decay    time.Duration // K: alpha becomes less when so much time goes by without a notification: 55 us
	Period   time.Duration // T: so much time makes a step: 300 us
	Bytes    int           // B: so many bytes make a step: 10e6
	Fast     int           // F: steps of time, or of bytes, that are fast recovery: 5
	Deaf     time.Duration // notifications that follow one so soon count as one: 10 us
	Burst    time.Duration // of what was not used, so much may be sent at once: 200 us. Timers wake those late who wait
}

const (
	// longest is how long anybody waits at the most: a peer that hears nothing for longer sends again what it has sent, or gives up.
	longest = 100 * time.Millisecond
	// quiet is after how many periods without a notification nothing is limited any more, whatever the parameters.
	quiet = 10000
)

func (p *Parameters) defaults() {
	for _, f := range []struct {
		v *float64
		d float64
	}{{&p.Line, 12.5e9}, {&p.Least, 1e6}, {&p.Additive, 5e6}, {&p.Hyper, 50e6}, {&p.Gain, 1.0 / 16}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	for _, f := range []struct {
		v *time.Duration
		d time.Duration
	}{{&p.Decay, 55 * time.Microsecond}, {&p.Period, 300 * time.Microsecond}, {&p.Deaf, 10 * time.Microsecond}, {&p.Burst, 200 * time.Microsecond}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	if p.Bytes == 0 {
		p.Bytes = 10e6
	}
	if p.Fast == 0 {
		p.Fast = 5
	}
	p.Line = max(p.Line, p.Least)
}

// A Rate is that of one queue pair. Its methods may be called by several goroutines; all times that they get are of one clock, which does not go back. As long as no
// notification has come Sent is one atomic load.
type Rate struct {
	p       Parameters
	limited atomic.Bool // written with mu held

	mu      sync.Mutex // guards what follows
	current float64    // RC, bytes a second
	target  float64    // RT, where recovery leads
	alpha   float64
	decayed time.Duration // when alpha was last right
	heard   time.Duration // when the last notification came that counted
	started bool          // there was one
	// Since the last notification: steps of time and of bytes, when the last step of time was, and bytes towards the next one.
	times, volumes int
	stepped        time.Duration
	bytes          int
	paid           time.Duration // what was sent has been paid for until then
}

// New is a rate without a limit.
func New(p Parameters) *Rate {
	p.defaults()
	return &Rate{p: p, alpha: 1}
}

// Limited reports that notifications have come, and that the rate is not yet what it was.
func (r *Rate) Limited() bool { return r.limited.Load() }

// Now is the rate in bytes a second, and whether it is limited.
func (r *Rate) Now(now time.Duration) (float64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.advance(now); !r.limited.Load() {
		return r.p.Line, false
	}
	return r.current, true
}

// Notified takes a notification of congestion.
func (r *Rate) Notified(now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started && now-r.heard < r.p.Deaf {
		return
	}
	if r.limited.Load() {
		r.advance(now)
	}
	if !r.limited.Load() {
		r.current, r.target, r.paid = r.p.Line, r.p.Line, now
	}
	if r.started {
		r.decay(now)
	}
	r.target = r.current
	r.current = max(r.current*(1-r.alpha/2), r.p.Least)
	r.alpha += r.p.Gain * (1 - r.alpha)
	r.decayed, r.heard, r.started = now, now, true
	r.times, r.volumes, r.bytes, r.stepped = 0, 0, 0, now
	r.limited.Store(true)
}

// Sent tells that a burst of n bytes was sent, and is how long to wait before the next.
func (r *Rate) Sent(now time.Duration, n int) time.Duration {
	if !r.limited.Load() {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.advance(now)
	r.count(n)
	if !r.limited.Load() {
		return 0
	}
	r.paid = max(r.paid, now-r.p.Burst) + time.Duration(float64(n)/r.current*float64(time.Second))
	r.paid = min(r.paid, now+longest)
	return max(r.paid-now, 0)
}

// decay makes alpha less for the time without notifications. r.mu is held.
func (r *Rate) decay(now time.Duration) {
	k := (now - r.decayed) / r.p.Decay
	if k <= 0 {
		return
	}
	r.alpha *= math.Pow(1-r.p.Gain, float64(k))
	r.decayed += k * r.p.Decay
}

// advance makes the steps of time that are due. r.mu is held.
func (r *Rate) advance(now time.Duration) {
	if now-r.stepped > quiet*r.p.Period {
		r.limited.Store(false)
	}
	for r.limited.Load() && now-r.stepped >= r.p.Period {
		r.stepped += r.p.Period
		r.times++
		r.step()
	}
}

// count makes the steps of n bytes. r.mu is held.
func (r *Rate) count(n int) {
	for r.bytes += n; r.limited.Load() && r.bytes >= r.p.Bytes; r.bytes -= r.p.Bytes {
		r.volumes++
		r.step()
	}
}

// step makes the rate higher. r.mu is held.
func (r *Rate) step() {
	switch f := r.p.Fast; {
	case min(r.times, r.volumes) > f:
		r.target += r.p.Hyper * float64(min(r.times, r.volumes)-f)
	case max(r.times, r.volumes) > f:
		r.target += r.p.Additive
	}
	r.target = min(r.target, r.p.Line)
	r.current = (r.current + r.target) / 2
	// The half of a difference never gets there.
	if r.current > r.p.Line*0.99 {
		r.limited.Store(false)
	}
}

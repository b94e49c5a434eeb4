// Package bench is a load generator: workers that keep commands outstanding on a target, with latencies, costs and checks of the data.
package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrInterrupted reports a run that the caller's context has ended.
var ErrInterrupted = errors.New("interrupted before its time")

// Patience is how long a target may answer nothing at all, unless a [Plan] says otherwise.
const Patience = 30 * time.Second

// A Plan says how long workers work, and who looks on.
type Plan struct {
	WarmUp time.Duration // not measured
	// Time is the length of the measured part; 0: until the workers have done their counts.
	Time time.Duration
	// Begin and End, if not nil, are called around the measured part, while the clients
	// are connected.
	Begin, End func() error
	// Progress, if not nil, is called once a second.
	Progress func(Progress)
	Patience time.Duration // 0: the constant
}

// A Progress is what happened since the last one.
type Progress struct {
	Phase    string        // "" is the measured one
	Elapsed  time.Duration // since the start
	Commands int64         // since the start
	IOPS     float64
	MBps     float64
	P50, P99 time.Duration
	Errors   int64 // since the start
}

// a running plan.
type running struct {
	Plan
	workers []*Worker
	epoch   time.Time
	stop    atomic.Bool
	errors  tally
	ended   chan error
	left    int
	shown   counters
	at      time.Time
}

// counters are what the workers have done.
type counters struct {
	read, write       Counts
	inBytes, outBytes int64
}

func (r *running) count() *counters {
	c := &counters{}
	for _, w := range r.workers {
		before := c.read.total
		c.read.Add(&w.reading)
		c.inBytes += (c.read.total - before) * int64(w.Size)
		before = c.write.total
		c.write.Add(&w.writing)
		c.outBytes += (c.write.total - before) * int64(w.Size)
	}
	return c
}

func (c *counters) sub(before *counters) {
	c.read.Sub(&before.read)
	c.write.Sub(&before.write)
	c.inBytes -= before.inBytes
	c.outBytes -= before.outBytes
}

// Run has all workers work, and returns what they did. The result is there with an error
// too, and says what was done before it. An error is not that of a command, which
// [Result.Err] tells, but: a hook has failed, a connection has ended, data was wrong, the target has hung,
// too many commands have failed, or [ErrInterrupted]. After an error but the last, the
// clients are closed.
func (p Plan) Run(ctx context.Context, workers ...*Worker) (*Result, error) {
	r := &running{Plan: p, workers: workers, epoch: time.Now(), ended: make(chan error, len(workers)), left: len(workers)}
	if r.Patience == 0 {
		r.Patience = Patience
	}
	r.at = r.epoch
	begin := func() (err error) {
		if p.Begin != nil {
			err = p.Begin()
		}
		return err
	}
	var err error
	if p.WarmUp == 0 {
		if err = begin(); err != nil {
			return newResult(&counters{}, &counters{}, 0, 0, nil), err
		}
	}
	before, began, cpu := &counters{}, time.Now(), ownTime()
	for _, w := range workers {
		w.epoch, w.stop, w.errors = began.Add(-1), &r.stop, &r.errors // nothing happens at 0
		go func() { r.ended <- w.run() }()
	}
	if p.WarmUp > 0 {
		if err = r.pass(ctx, p.WarmUp); err == nil {
			err = begin()
		}
		before, began, cpu = r.count(), time.Now(), ownTime()
	}
	if err == nil {
		err = r.pass(ctx, p.Time)
	}
	took := time.Since(began)
	window := r.count()
	cpu = ownTime() - cpu
	if p.End != nil && (err == nil || errors.Is(err, ErrInterrupted)) {
		err = errors.Join(err, p.End())
	}
	err = r.finish(err)
	window.sub(before)
	all := r.count() // with those that took longest: they ended afterwards
	all.sub(before)
	return newResult(window, all, took, cpu, r.errors.all()), err
}

// finish stops the workers, and waits for them.
func (r *running) finish(err error) error {
	r.stop.Store(true)
	if err == nil || errors.Is(err, ErrInterrupted) {
		err = errors.Join(err, r.pass(context.Background(), 0))
	}
	if r.left > 0 { // they may wait for ever
		for _, w := range r.workers {
			_ = w.client.Close()
		}
	}
	for ; r.left > 0; r.left-- {
		<-r.ended
	}
	return err
}

// pass waits for d, 0 is for ever, or until all workers have ended.
func (r *running) pass(ctx context.Context, d time.Duration) error {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for r.left > 0 {
		select {
		case err := <-r.ended:
			r.left--
			if err != nil {
				return err
			}
		case <-over:
			return nil
		case <-ctx.Done():
			return ErrInterrupted
		case <-tick.C:
			if err := r.look(); err != nil {
				return err
			}
		}
	}
	return nil
}

// look looks at the workers while they work.
func (r *running) look() error {
	for _, w := range r.workers {
		since := time.Duration(w.waits.Load())
		if since > 0 && time.Since(w.epoch)-since > r.Patience {
			return fmt.Errorf("the target has not answered for %v", r.Patience)
		}
	}
	if gap := time.Since(r.at); r.Progress != nil && gap >= time.Second {
		r.at = r.at.Add(gap)
		now := r.count()
		d := *now
		d.sub(&r.shown)
		r.shown = *now
		done := now.read.total + now.write.total
		d.read.Plus(&d.write)
		r.Progress(Progress{
			Elapsed: time.Since(r.epoch), Commands: done, IOPS: float64(d.read.total) / gap.Seconds(),
			MBps: float64(d.inBytes+d.outBytes) / 1e6 / gap.Seconds(),
			P50:  d.read.Quantile(0.5), P99: d.read.Quantile(0.99), Errors: r.errors.n.Load(),
		})
	}
	return nil
}

// ownTime is the processor time that this process has used, in seconds.
func ownTime() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

package target

import (
	"sync"
	"time"
)

// Workers are the goroutines of one unit that run steps which wait for storage, and
// for nothing else. They start when there is work, up to a limit, and those that a
// whole period did not need end. A submission allocates nothing: tasks queue by their own
// link, so that as many may wait as there are tasks.
//
// Initiators take turns: each has a line of its own, and no initiator holds so many workers that
// none is left for another that comes. The steps of long work have lines beside those, and a
// quarter of the workers: an initiator that lets all of a unit be verified, again and again,
// takes that much from nobody.
type Workers struct {
	limit int
	longs int // of these, how many run steps of long work

	mu       sync.Mutex
	wake     sync.Cond
	done     sync.Cond
	short    lines
	long     lines
	nobody   waits // tasks of no I_T_L nexus
	waiting  int   // tasks in all lines
	busy     int   // workers that run a step
	busyLong int   // of these, a step of long work
	wasLong  bool  // the last one taken was
	running  int   // goroutines there are
	idle     int   // of them, those that wait
	spare    int   // least idle since the timer ran last
	excess   int   // how many shall end
	timer    *time.Timer
	closed   bool

	mayShort, mayLong func(*line) bool // made once
}

// workersPeriod is how long a worker may be superfluous.
const workersPeriod = 10 * time.Second

// NewWorkers returns up to limit workers, at least one. None is started yet.
func NewWorkers(limit int) *Workers {
	w := &Workers{limit: max(limit, 1), longs: max(limit/4, 1)}
	w.wake.L = &w.mu
	w.done.L = &w.mu
	w.nobody.short.open, w.nobody.long.open = true, true
	w.mayShort = func(l *line) bool { return w.may(l, w.limit-w.busy) }
	w.mayLong = func(l *line) bool { return w.may(l, min(w.limit-w.busy, w.longs-w.busyLong)) }
	return w
}

// may reports whether l may have one more of so many free workers.
func (w *Workers) may(l *line, free int) bool {
	return l.open && free > 0 || mayHold(l.held, free)
}

// Run lets a worker call step(t) when it is the turn of t. Until then t belongs to the queue: nobody
// runs another step of it. After Close it panics, since no task may be left then.
func (w *Workers) Run(t *Task, step func(*Task)) {
	w.put(t, step, &w.short, &w.waitsOf(t).short, w.mayShort)
}

// RunLong is Run for one step of long work: work of which a part is done in each step, some
// megabytes or some calls, and the rest in others, each of which waits for its turn.
func (w *Workers) RunLong(t *Task, step func(*Task)) {
	w.put(t, step, &w.long, &w.waitsOf(t).long, w.mayLong)
}

func (w *Workers) waitsOf(t *Task) *waits {
	if t.itl == nil || t.itl.waiter == nil {
		return &w.nobody
	}
	return t.itl.waiter.at.Load()
}

// put puts t into l, which is or will be one of the ring r.
func (w *Workers) put(t *Task, step func(*Task), r *lines, l *line, may func(*line) bool) {
	t.step = step
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		panic("target: a task for workers that are closed")
	}
	w.waiting++
	if l.push(t) {
		r.push(l)
	}
	if may(l) { // else who holds a worker takes t when that is free
		w.call()
	}
	w.mu.Unlock()
}

// call lets one more worker look for a task, if there is one that does not. w.mu is held.
func (w *Workers) call() {
	switch {
	case w.idle > 0:
		w.idle--
		w.spare = min(w.spare, w.idle)
		w.wake.Signal()
	case w.running < w.limit:
		w.running++
		if w.timer == nil {
			w.timer = time.AfterFunc(workersPeriod, w.trim)
		}
		go w.work()
	}
}

// next returns the line whose turn it is, with the one before it and their ring, or nil if there is
// none that may have a worker. Long work goes first if none of it runs, but not twice. w.mu is held.
func (w *Workers) next() (r *lines, before, l *line) {
	if w.busyLong == 0 && !w.wasLong {
		if before, l = w.long.find(w.mayLong); l != nil {
			return &w.long, before, l
		}
	}
	if before, l = w.short.find(w.mayShort); l != nil {
		return &w.short, before, l
	}
	before, l = w.long.find(w.mayLong)
	return &w.long, before, l
}

func (w *Workers) work() {
	w.mu.Lock()
	for {
		r, before, l := w.next()
		if l == nil {
			if w.closed {
				break
			}
			if w.excess > 0 {
				w.excess--
				w.running--
				w.mu.Unlock()
				return
			}
			w.wait()
			continue
		}
		long := 0
		if r == &w.long {
			long = 1
		}
		t := r.take(before, l)
		w.waiting--
		l.held++
		w.busy++
		w.busyLong += long
		w.wasLong = long == 1
		if w.waiting > 0 && (w.idle > 0 || w.running < w.limit) {
			if _, _, another := w.next(); another != nil { // what has ended may have let more than one go on
				w.call()
			}
		}
		step := t.step
		t.step = nil
		w.mu.Unlock()
		step(t)
		w.mu.Lock()
		l.held--
		w.busy--
		w.busyLong -= long
	}
	w.running--
	if w.running == 0 {
		w.done.Broadcast()
	}
	w.mu.Unlock()
}

// wait makes the worker idle until a signal. Whoever signals takes it off the count
// of the idle, so that two tasks never count on one worker.
func (w *Workers) wait() {
	w.idle++
	w.wake.Wait()
}

// trim ends the workers that nobody needed for a period.
func (w *Workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	n := min(w.spare, w.idle)
	w.idle -= n
	w.excess += n
	for range n {
		w.wake.Signal()
	}
	w.spare = w.idle
	if w.running-w.excess > 0 {
		w.timer.Reset(workersPeriod)
	} else {
		w.timer = nil
	}
}

// SetLimit lets up to limit workers run from now on, at least one. Of those that are above it each ends
// when nobody needs it.
func (w *Workers) SetLimit(limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit, w.longs = max(limit, 1), max(limit/4, 1)
	if _, _, l := w.next(); l != nil { // whoever takes a task looks whether there is another
		w.call()
	}
}

// Running is the number of workers there are now.
func (w *Workers) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// Close returns when all workers have ended. No task may be left.
func (w *Workers) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
	w.wake.Broadcast()
	for w.running > 0 {
		w.done.Wait()
	}
}

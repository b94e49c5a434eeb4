package target

import (
	"sync"
	"time"
)

// Workers are the goroutines of one unit that run steps which wait for storage, and
// for nothing else. They start when there is work, up to a limit, and those that a
// whole period did not need end. A submission allocates nothing: tasks queue by their own
// link, so that as many may wait as there are tasks.
type Workers struct {
	limit int

	mu          sync.Mutex
	wake        sync.Cond
	done        sync.Cond
	first, last *Task
	running     int // goroutines there are
	idle        int // of them, those that wait
	spare       int // least idle since the timer ran last
	excess      int // how many shall end
	timer       *time.Timer
	closed      bool
}

// workersPeriod is how long a worker may be superfluous.
const workersPeriod = 10 * time.Second

// NewWorkers returns up to limit workers, at least one. None is started yet.
func NewWorkers(limit int) *Workers {
	w := &Workers{limit: max(limit, 1)}
	w.wake.L = &w.mu
	w.done.L = &w.mu
	return w
}

// Run lets a worker call step(t) soon. Until then t belongs to the queue: nobody runs
// another step of it. After Close it panics, since no task may be left then.
func (w *Workers) Run(t *Task, step func(*Task)) {
	t.step, t.queue = step, nil
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		panic("target: a task for workers that are closed")
	}
	if w.last != nil {
		w.last.queue = t
	} else {
		w.first = t
	}
	w.last = t
	switch {
	case w.idle > 0:
		w.idle--
		w.spare = min(w.spare, w.idle)
		w.mu.Unlock()
		w.wake.Signal()
	case w.running < w.limit:
		w.running++
		if w.timer == nil {
			w.timer = time.AfterFunc(workersPeriod, w.trim)
		}
		w.mu.Unlock()
		go w.work()
	default:
		w.mu.Unlock()
	}
}

func (w *Workers) work() {
	w.mu.Lock()
	for {
		for w.first == nil && !w.closed {
			if w.excess > 0 {
				w.excess--
				w.running--
				w.mu.Unlock()
				return
			}
			w.wait()
		}
		t := w.first
		if t == nil { // closed
			break
		}
		if w.first = t.queue; w.first == nil {
			w.last = nil
		}
		step := t.step
		t.queue, t.step = nil, nil
		w.mu.Unlock()
		step(t)
		w.mu.Lock()
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

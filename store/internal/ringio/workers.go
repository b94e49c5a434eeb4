package ringio

import (
	"sync"

	"github.com/lunette-io/lunette/store"
)

// workers are goroutines for calls that block: as many as there is work for, up to a limit.
type workers struct {
	limit int
	do    func(*store.Request)
	loop  func() // work as a value, made once

	mu          sync.Mutex
	first, last *store.Request
	running     int
	canceled    *store.Request // that shall end without having been done
	ending      bool           // a goroutine of its own sees to it
	ended       sync.WaitGroup
}

func (w *workers) open(limit int, do func(*store.Request)) {
	w.limit, w.do, w.loop = max(limit, 1), do, w.work
}

func (w *workers) run(r *store.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Link = nil
	if r.Canceled() != nil { // perhaps before it was here
		w.drop(r)
		return
	}
	if w.first == nil {
		w.first = r
	} else {
		w.last.Link = r
	}
	w.last = r
	if w.running < w.limit {
		w.running++
		w.ended.Add(1)
		go w.loop()
	}
}

// work does what there is, and ends.
func (w *workers) work() {
	defer w.ended.Done()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.first != nil {
		r := w.first
		w.first = r.Link
		r.Link = nil
		w.mu.Unlock()
		w.do(r)
		w.mu.Lock()
	}
	w.running--
}

// cancel ends r, if it still waits and its context has ended, on a goroutine of its own: all
// others may be held up. It reports whether r has waited.
func (w *workers) cancel(r *store.Request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	var before *store.Request
	at := w.first
	for ; at != nil && at != r; before, at = at, at.Link {
	}
	if at == nil {
		return false
	}
	if r.Canceled() == nil {
		return true
	}
	if before == nil {
		w.first = r.Link
	} else {
		before.Link = r.Link
	}
	if w.last == r {
		w.last = before
	}
	w.drop(r)
	return true
}

// drop lets r, which is not in the queue, end. w.mu is held.
func (w *workers) drop(r *store.Request) {
	r.Link, w.canceled = w.canceled, r
	if !w.ending {
		w.ending = true
		w.ended.Go(w.end)
	}
}

// end ends what was canceled.
func (w *workers) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.canceled != nil {
		r := w.canceled
		w.canceled, r.Link = r.Link, nil
		w.mu.Unlock()
		r.Done(r, r.Canceled())
		w.mu.Lock()
	}
	w.ending = false
}

func (w *workers) close() { w.ended.Wait() }

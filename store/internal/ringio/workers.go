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
	ended       sync.WaitGroup
}

func (w *workers) open(limit int, do func(*store.Request)) {
	w.limit, w.do, w.loop = max(limit, 1), do, w.work
}

func (w *workers) run(r *store.Request) {
	r.Link = nil
	w.mu.Lock()
	defer w.mu.Unlock()
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

func (w *workers) close() { w.ended.Wait() }

package tape_test

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A faulty tape fails, waits and counts as a test wants it.
type faulty struct {
	medium.Tape
	mu    sync.Mutex
	syncs int
	hook  func(what string) error // called before what is done; an error is that of it
	heads map[int]*faultyHead
	free  atomic.Int64 // of a disk of a terabyte; 0: it is not known
}

func (f *faulty) Disk() (free, size int64) {
	if n := f.free.Load(); n > 0 {
		return n, 1 << 40
	}
	return 0, 0
}

type faultyHead struct {
	medium.Head
	f *faulty
}

func newFaulty(capacity int64) *faulty {
	return &faulty{Tape: cartridge(capacity, nil), heads: map[int]*faultyHead{}}
}

func (f *faulty) Head(n int) medium.Head {
	if f.heads[n] == nil {
		f.heads[n] = &faultyHead{f.Tape.Head(n), f}
	}
	return f.heads[n]
}

func (f *faulty) set(hook func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *faulty) call(what string) error {
	f.mu.Lock()
	hook := f.hook
	if what == "sync" {
		f.syncs++
	}
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(what)
}

func (f *faulty) synced() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.syncs
}

func (f *faulty) Sync(ctx context.Context) error {
	if err := f.call("sync"); err != nil {
		return err
	}
	return f.Tape.Sync(ctx)
}

func (h *faultyHead) Append(ctx context.Context, x medium.Frame) (int, error) {
	if err := h.f.call("append"); err != nil {
		x.Release()
		return 0, err
	}
	return h.Head.Append(ctx, x)
}

func (h *faultyHead) Filemarks(ctx context.Context, n int) (int, error) {
	if err := h.f.call("filemarks"); err != nil {
		return 0, err
	}
	return h.Head.Filemarks(ctx, n)
}

func (h *faultyHead) Read(ctx context.Context, l *buffer.Lease, off, n int64, o medium.Opener) (int64, error) {
	if err := h.f.call("read"); err != nil {
		return 0, err
	}
	return h.Head.Read(ctx, l, off, n, o)
}

func (h *faultyHead) Erase(ctx context.Context) error {
	if err := h.f.call("erase"); err != nil {
		return err
	}
	return h.Head.Erase(ctx)
}

func (h *faultyHead) Locate(ctx context.Context, n uint64) error {
	if err := h.f.call("locate"); err != nil {
		return err
	}
	return h.Head.Locate(ctx, n)
}

// on fails what is done so often, from the nth on, with err.
func on(what string, n int, err error) func(string) error {
	var mu sync.Mutex
	return func(is string) error {
		mu.Lock()
		defer mu.Unlock()
		if is != what {
			return nil
		}
		if n--; n < 0 {
			return err
		}
		return nil
	}
}

package storetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/store"
)

// submitCanceled cancels requests of all kinds at every moment of their life: more than a store
// can have under way, so that some wait. Each ends once, with nothing or with the error of its
// context, and what nobody has canceled is done whole.
func (f *fixture) submitCanceled() {
	if f.submitter == nil {
		return
	}
	const requests = 500
	size := min(f.model.size()/requests/Block, 8) * Block // one for each
	seed := rand.Uint64()
	ops := []store.Op{store.OpRead, store.OpWrite, store.OpFlush, store.OpWrite}
	if f.trimmer != nil {
		ops = append(ops, store.OpTrim)
	}
	if f.zeroer != nil {
		ops = append(ops, store.OpZero)
	}
	type job struct {
		store.Request
		cancel context.CancelFunc
		ended  atomic.Int32
		err    error
		before []byte
		after  []byte
	}
	var all sync.WaitGroup
	var jobs []*job
	for i := range requests {
		j := &job{}
		j.Op, j.Off = ops[i%len(ops)], int64(i)*size
		j.Context, j.cancel = context.WithCancel(f.Context())
		j.before = f.model.bytes[j.Off : j.Off+size]
		j.after = j.before
		switch j.Op {
		case store.OpRead:
			j.Data = f.get(size)
		case store.OpWrite:
			j.after = pattern(size, seed+uint64(i))
			j.Data = f.data(j.after)
		case store.OpTrim, store.OpZero:
			j.Len, j.after = size, make([]byte, size)
		}
		all.Add(1)
		j.Done = func(r *store.Request, err error) {
			if j.ended.Add(1) > 1 {
				f.Errorf("request %d has ended twice", i)
				return
			}
			j.err = err
			r.Batch.Add(&told{nil, make(chan error, 1)}, r.Size())
			all.Done()
		}
		jobs = append(jobs, j)
	}
	for i, j := range jobs {
		if i%10 == 9 {
			j.cancel() // before it is submitted
		}
		f.submitter.Submit(&j.Request)
		switch {
		case i%2 == 1:
		case i%4 == 0: // while it is being started
			j.cancel()
			f.submitter.Cancel(&j.Request)
		default: // while others go on
			all.Go(func() {
				runtime.Gosched()
				j.cancel()
				f.submitter.Cancel(&j.Request)
				f.submitter.Cancel(&j.Request)
			})
		}
	}
	all.Wait()
	for i, j := range jobs {
		canceled := i%2 == 0 || i%10 == 9
		if j.err != nil && !(canceled && errors.Is(j.err, context.Canceled)) {
			f.Errorf("seed %d, request %d, %v: %v", seed, i, j.Op, j.err)
		}
		j.cancel()
		got, err := f.read(j.Off, size)
		if err != nil {
			f.Fatal(err)
		}
		for at := int64(0); at < size; at += Block { // a canceled change is made in part
			b := got[at : at+Block]
			if differ(b, j.after[at:at+Block]) >= 0 && (j.err == nil || differ(b, j.before[at:at+Block]) >= 0) {
				f.Errorf("seed %d, request %d, %v (%v): wrong data", seed, i, j.Op, j.err)
				break
			}
		}
		copy(f.model.bytes[j.Off:], got)
		if j.Data != nil {
			j.Data.Release()
		}
	}
	f.verify("after requests that were canceled")
}

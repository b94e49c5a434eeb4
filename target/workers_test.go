package target_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWorkersAreBounded(t *testing.T) {
	const limit, tasks = 3, 200
	w := target.NewWorkers(limit)
	var running, most, done atomic.Int32
	var all sync.WaitGroup
	all.Add(tasks)
	step := func(*target.Task) {
		n := running.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		time.Sleep(100 * time.Microsecond)
		running.Add(-1)
		done.Add(1)
		all.Done()
	}
	for range tasks {
		go w.Run(new(target.Task), step)
	}
	all.Wait()
	w.Close()
	if most.Load() > limit || done.Load() != tasks {
		t.Errorf("%d at a time, %d done", most.Load(), done.Load())
	}
}

// Tasks run in order of their submission while there is one worker.
func TestWorkersOrder(t *testing.T) {
	w := target.NewWorkers(1)
	var got []uint64
	var all sync.WaitGroup
	all.Add(100)
	for i := range uint64(100) {
		x := &target.Task{Tag: i}
		w.Run(x, func(x *target.Task) { got = append(got, x.Tag); all.Done() })
	}
	all.Wait()
	w.Close()
	for i, tag := range got {
		if tag != uint64(i) {
			t.Fatalf("order %v", got)
		}
	}
}

// Workers that nobody needs end by themselves; new work starts new ones.
func TestWorkersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := target.NewWorkers(8)
		for range 3 {
			release := make(chan struct{})
			for range 8 {
				w.Run(new(target.Task), func(*target.Task) { <-release })
			}
			synctest.Wait()
			if n := w.Running(); n != 8 {
				t.Fatalf("%d workers for 8 tasks", n)
			}
			close(release)
			time.Sleep(time.Minute)
			synctest.Wait()
			if n := w.Running(); n != 0 {
				t.Fatalf("%d workers after a minute without work", n)
			}
		}
		w.Close()
	})
}

func TestWorkersDoNotAllocate(t *testing.T) {
	w := target.NewWorkers(2)
	defer w.Close()
	done := make(chan struct{})
	step := func(*target.Task) { done <- struct{}{} }
	x := new(target.Task)
	if n := testing.AllocsPerRun(1000, func() { w.Run(x, step); <-done }); n != 0 {
		t.Errorf("%v allocations to run a step", n)
	}
}

func TestWorkersRefuseAfterClose(t *testing.T) {
	w := target.NewWorkers(1)
	w.Close()
	w.Close()
	defer func() {
		if recover() == nil {
			t.Error("a task for closed workers was taken")
		}
	}()
	w.Run(new(target.Task), func(*target.Task) {})
}

package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/fault"
)

const size = 2 << 20

// verified fills, works and reads back, as a run that looks at everything does.
func verified(t *testing.T, addr string, load Workload, conns int, change func()) (all []*Result, err error) {
	t.Helper()
	var gens atomic.Uint64
	var workers []*Worker
	share := int64(size / conns)
	fill := Workload{Size: load.Size, Sequential: true, Depth: 4}
	for i := range conns {
		w, err := NewWorker(dial(t, addr, byte(i)), WorkerConfig{Workload: fill, Part: Part{From: int64(i) * share, Len: share},
			Checks: AllChecks, Count: share / int64(load.Size), Gens: &gens, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		workers = append(workers, w)
	}
	again := func(l Workload, count int64) {
		for i, w := range workers {
			if workers[i], err = w.Again(l, count, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	for phase := range 3 {
		switch phase {
		case 1:
			change()
			again(load, 500)
		case 2:
			again(Workload{Size: load.Size, Reads: 100, Sequential: true, Depth: 4}, workers[0].Blocks())
		}
		r, err := Plan{Patience: 5 * time.Second}.Run(t.Context(), workers...)
		all = append(all, r)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

func TestVerified(t *testing.T) {
	for _, load := range []Workload{
		{Size: 4096, Reads: 70, Depth: 8}, {Size: 512, Reads: 50, Depth: 32}, {Size: 12 << 10, Depth: 5}, {Size: 64 << 10, Reads: 50, Depth: 8, Sequential: true},
		{Size: 4096, Reads: 100, Depth: 1},
	} {
		t.Run(fmt.Sprint(load), func(t *testing.T) {
			all, err := verified(t, serve(t, memoryOf(t, size)), load, 2, func() {})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range all {
				if r.Err() != nil || i == 1 && r.Commands() != 1000 {
					t.Errorf("%d: %+v", i, r)
				}
			}
			r := all[1]
			if (r.Read.Commands > 0) != (load.Reads > 0) || (r.Write.Commands > 0) != (load.Reads < 100) ||
				r.Read.Bytes != r.Read.Commands*int64(load.Size) || r.Seconds <= 0 || r.ClientCPU <= 0 {
				t.Errorf("%+v", r)
			}
			l := r.Read.Latency
			if load.Reads > 0 && (l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max) {
				t.Errorf("%+v", l)
			}
		})
	}
}

// A run finds its way by the URL, and every byte with it.
func TestRunISER(t *testing.T) {
	for _, block := range []int{4 << 10, 64 << 10} {
		u, err := ParseURL("iser+iwarp://" + serveBy(t, memoryOf(t, size), true) + "/" + name + "/0")
		if err != nil {
			t.Fatal(err)
		}
		run, err := Open(t.Context(), Config{
			URL: u, Initiator: "iqn.2026-11.io.lunette:i", Workload: Workload{Size: block, Reads: 50, Depth: 8}, Connections: 2,
			Count: 200, Verify: true, Plan: Plan{Patience: 5 * time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := run.Go(t.Context())
		if err != nil || r.Err() != nil || r.Commands() != 200 || len(run.LocalAddresses()) != 2 {
			t.Errorf("%+v, %v, %v", r, err, run.LocalAddresses())
		}
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A liar does something wrong, in silence.
type liar struct {
	store.Store
	on          atomic.Bool
	flip, lose  bool
	reads, lost atomic.Int64
}

func (l *liar) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	err := l.Store.ReadAt(ctx, into, off)
	if l.on.Load() && l.flip && l.reads.Add(1) == 50 {
		into.At(into.Len() / 2)[3] ^= 1
	}
	return err
}

func (l *liar) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	if l.on.Load() && l.lose {
		if n := l.lost.Add(1); n >= 50 && n < 90 { // some are written over before they are read
			return nil
		}
	}
	return l.Store.WriteAt(ctx, from, off, f)
}

func TestWrongBytesAreFound(t *testing.T) {
	for name, l := range map[string]*liar{"a bit": {flip: true}, "writes": {lose: true}} {
		t.Run(name, func(t *testing.T) {
			l.Store = memoryOf(t, size)
			_, err := verified(t, serve(t, l), Workload{Size: 8192, Reads: 50, Depth: 4}, 1, func() { l.on.Store(true) })
			var wrong *WrongDataError
			if !errors.As(err, &wrong) || !contains(err, "WRONG DATA") {
				t.Fatal(err)
			}
			if l.flip && wrong.Offset%4096 != 0 {
				t.Errorf("the wrong byte is said to be at %d", wrong.Offset)
			}
		})
	}
}

func TestErrorsAreCounted(t *testing.T) {
	f := fault.New(memoryOf(t, size), 1)
	all, err := verified(t, serve(t, f), Workload{Size: 4096, Reads: 50, Depth: 8}, 1, func() {
		f.Set(fault.Rule{Ops: fault.Read, Times: 3}, fault.Rule{Ops: fault.Write, Times: 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	r := all[1]
	if n := r.Commands(); n < 490 || n >= 500 || len(r.Errors) == 0 || !contains(r.Err(), "commands have failed: ") {
		t.Errorf("%+v, %v", r, r.Err())
	}
	sum := int64(0)
	for kind, n := range r.Errors {
		sum += n
		if !strings.Contains(kind, "MEDIUM ERROR") {
			t.Errorf("the error is %q", kind)
		}
	}
	if sum+r.Commands() != 500 {
		t.Errorf("%d errors and %d others of 500", sum, r.Commands())
	}
}

func TestItGivesUp(t *testing.T) {
	f := fault.New(memoryOf(t, size), 1, fault.Rule{Ops: fault.All})
	all, err := verified(t, serve(t, f), Workload{Size: 512, Depth: 8}, 1, func() {})
	if !contains(err, "1000 commands of a connection have failed") || len(all) != 1 || all[0].Err() == nil {
		t.Fatal(err)
	}
}

// A fake client answers in any order, and looks on.
type fake struct {
	t      *testing.T
	rand   *rand.Rand
	out    []*Job
	done   []*Job
	busy   map[int64]int // readers, or -1
	data   map[int64][]byte
	silent chan struct{} // if not nil it answers nothing until that is closed
	close  sync.Once
	plain  bool
	slow   time.Duration
	gens   func(*Job) uint64
}

func (f *fake) Submit(j *Job) error {
	f.out = append(f.out, j)
	if f.plain {
		return nil
	}
	if n := f.busy[j.Off]; n < 0 || n > 0 && j.Write {
		f.t.Errorf("two jobs at %d", j.Off)
	}
	if f.busy[j.Off]++; j.Write {
		f.busy[j.Off] = -1
		f.data[j.Off] = append([]byte(nil), j.Buf...)
	} else {
		copy(j.Buf, f.data[j.Off])
	}
	return nil
}

func (f *fake) Wait(limit time.Duration) ([]*Job, error) {
	if f.silent != nil {
		<-f.silent
		return nil, errors.New("closed")
	}
	f.done = f.done[:0]
	if f.plain {
		for _, j := range f.out { // what is read is right
			if !j.Write {
				mark(j.Buf, 512, j.Unit, j.Off, cmp.Or(f.gens(j), 1), true)
			}
		}
		f.done = append(f.done, f.out...)
		f.out = f.out[:0]
		return f.done, nil
	}
	n := 1
	if limit == 0 {
		time.Sleep(f.slow)
	}
	if limit > 0 {
		time.Sleep(min(limit, 100*time.Microsecond))
		n = len(f.out)
	}
	for range n {
		i := f.rand.IntN(len(f.out))
		j := f.out[i]
		f.out = append(f.out[:i], f.out[i+1:]...)
		if f.busy[j.Off]--; j.Write {
			f.busy[j.Off] = 0
		}
		f.done = append(f.done, j)
	}
	return f.done, nil
}

func (f *fake) Close() error {
	if f.silent != nil {
		f.close.Do(func() { close(f.silent) })
	}
	return nil
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, rand: rand.New(rand.NewPCG(1, 2)), busy: make(map[int64]int), data: make(map[int64][]byte)}
}

func worker(t *testing.T, f *fake, cfg WorkerConfig) *Worker {
	t.Helper()
	cfg.Gens = new(atomic.Uint64)
	w, err := NewWorker(f, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Two jobs never meet at a place that one of them writes, however long one takes.
func TestJobsDoNotMeet(t *testing.T) {
	for _, load := range []Workload{{Size: 512, Reads: 50, Depth: 7}, {Size: 512, Reads: 50, Depth: 7, Sequential: true}, {Size: 512, Depth: 9, Sequential: true}} {
		w := worker(t, newFake(t), WorkerConfig{Workload: load, Part: Part{From: 4096, Len: 9*512 + 100}, Count: 20000})
		if r, err := (Plan{}).Run(t.Context(), w); err != nil || r.Commands() != 20000 {
			t.Error(err, r)
		}
	}
}

func TestRate(t *testing.T) {
	w := worker(t, newFake(t), WorkerConfig{Workload: Workload{Size: 512, Depth: 4}, Part: Part{Len: size}, Rate: 1000})
	r, err := Plan{Time: 500 * time.Millisecond}.Run(t.Context(), w)
	if n := r.Commands(); err != nil || n < 300 || n > 520 {
		t.Errorf("%d commands in %v s at 1000 a second, %v", n, r.Seconds, err)
	}
	if r.Write.Latency.P50 > 20000 {
		t.Errorf("%v us at a client that is fast", r.Write.Latency.P50)
	}
	// One that cannot keep up has made commands wait that were due.
	f := newFake(t)
	f.slow = 20 * time.Millisecond
	w = worker(t, f, WorkerConfig{Workload: Workload{Size: 512, Depth: 1}, Part: Part{Len: size}, Rate: 1000, Count: 15})
	if r, err = (Plan{}).Run(t.Context(), w); err != nil || r.Write.Latency.Max < 200e3 {
		t.Errorf("the longest took %v us, %v", r.Write.Latency.Max, err)
	}
}

func TestHungTarget(t *testing.T) {
	f := newFake(t)
	f.silent = make(chan struct{})
	w := worker(t, f, WorkerConfig{Workload: Workload{Size: 512, Depth: 4}, Part: Part{Len: size}})
	if _, err := (Plan{Time: time.Minute, Patience: 200 * time.Millisecond}).Run(t.Context(), w); !contains(err, "has not answered for 200ms") {
		t.Error(err)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	w := worker(t, newFake(t), WorkerConfig{Workload: Workload{Size: 512, Depth: 4}, Part: Part{Len: size}})
	if r, err := (Plan{Time: time.Minute}).Run(ctx, w); !errors.Is(err, ErrInterrupted) || r.Commands() == 0 {
		t.Error(r, err)
	}
}

func TestProgressAndHooks(t *testing.T) {
	var seen []Progress
	var calls []string
	hook := func(name string) func() error {
		return func() error { calls = append(calls, name); return nil }
	}
	w := worker(t, newFake(t), WorkerConfig{Workload: Workload{Size: 512, Depth: 4}, Part: Part{Len: size}})
	p := Plan{WarmUp: 50 * time.Millisecond, Time: 1100 * time.Millisecond, Begin: hook("begin"), End: hook("end"), Progress: func(p Progress) { seen = append(seen, p) }}
	r, err := p.Run(t.Context(), w)
	if err != nil || len(seen) == 0 || seen[0].IOPS == 0 || seen[0].P99 == 0 || seen[0].Commands == 0 || seen[0].MBps == 0 || fmt.Sprint(calls) != "[begin end]" {
		t.Errorf("%v, %+v, %v, %+v", err, seen, calls, r)
	}
	p = Plan{Time: time.Minute, Begin: func() error { return errors.New("not so") }}
	w, _ = w.Again(w.Workload, 0, 0)
	if _, err := p.Run(t.Context(), w); !contains(err, "not so") {
		t.Error(err)
	}
	p.WarmUp = 10 * time.Millisecond
	if _, err := p.Run(t.Context(), w); !contains(err, "not so") {
		t.Error(err)
	}
	w, _ = w.Again(w.Workload, 0, 0)
	p = Plan{Time: 10 * time.Millisecond, End: func() error { return errors.New("no more") }}
	if _, err := p.Run(t.Context(), w); !contains(err, "no more") {
		t.Error(err)
	}
}

// What a worker does for a command takes no memory.
func TestNoAllocations(t *testing.T) {
	mallocs := func(count int64) uint64 {
		f := newFake(t)
		f.plain = true
		w := worker(t, f, WorkerConfig{Workload: Workload{Size: 512, Reads: 50, Depth: 32}, Part: Part{Len: size}, Checks: AllChecks, Count: count})
		f.gens = func(j *Job) uint64 { return w.table[j.block] }
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		if _, err := (Plan{}).Run(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&b)
		return b.Mallocs - a.Mallocs
	}
	if few, many := mallocs(1000), mallocs(10000); many > few+100 {
		t.Errorf("%d allocations for 1000 commands, %d for 10000", few, many)
	}
}

func TestWrongWorkloads(t *testing.T) {
	for want, cfg := range map[string]WorkerConfig{
		"multiple of 512": {Workload: Workload{Size: 1000, Depth: 1}, Part: Part{Len: size}},
		"of 0 bytes":      {Workload: Workload{Depth: 1}, Part: Part{Len: size}},
		"queue depth":     {Workload: Workload{Size: 512, Depth: 2000}, Part: Part{Len: size}},
		"percent":         {Workload: Workload{Size: 512, Depth: 1, Reads: 101}, Part: Part{Len: size}},
		"no room":         {Workload: Workload{Size: 512, Depth: 1}, Part: Part{Len: 511}},
		"same place":      {Workload: Workload{Size: 512, Depth: 3}, Part: Part{Len: 1024}},
		"checked":         {Workload: Workload{Size: 512, Depth: 3}, Part: Part{Len: 1 << 40}, Checks: AllChecks},
	} {
		if _, err := NewWorker(nil, cfg); !contains(err, want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestRefusedLogins(t *testing.T) {
	addr := serve(t, memoryOf(t, size))
	for want, l := range map[string]Login{
		"not found": {Address: addr, Target: "iqn.2026-11.io.lunette:other", Initiator: "iqn.2026-11.io.lunette:i"},
		"refused":   {Address: "127.0.0.1:1", Target: name, Initiator: "iqn.2026-11.io.lunette:i"},
		"LUN 7":     {Address: addr, Target: name, Initiator: "iqn.2026-11.io.lunette:i", LUNs: lunsOf(7)},
	} {
		if _, err := DialISCSI(t.Context(), l); !contains(err, want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

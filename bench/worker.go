package bench

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Every so many reads SomeChecks looks at the data; so many writes it reads back.
const (
	sampled  = 32
	readBack = 64
)

// maxErrors is how many commands of a worker may fail before it stops.
const maxErrors = 1000

// unknown is the write of a block of which a write has failed: it may have been done.
const unknown = ^uint64(0)

// WorkerConfig says what a worker does.
type WorkerConfig struct {
	Workload
	Part   Part
	Checks Checks
	// Count is how many commands it does; 0: until it is stopped.
	Count int64
	// Rate is how many commands it starts in a second; 0: as many as it can.
	Rate float64
	Seed uint64
	// Gens numbers the writes of all workers.
	Gens *atomic.Uint64
}

// A Worker is one client with a workload on its part of a unit.
type Worker struct {
	client Client
	WorkerConfig
	grain  int
	blocks int64    // of the part
	memory []byte   // of all jobs
	table  []uint64 // the last write of each block that is known; 0: any
	rand   *rand.Rand
	jobs   []*Job
	free   []*Job
	fresh  []*Job // submitted, and not sent
	out    int
	held   bool  // no job was free for one that may have been due
	begun  int64 // jobs
	next   int64 // block of the next sequential job
	seen   int
	wrote  [readBack]int64 // blocks
	writes int

	epoch   time.Time
	stop    *atomic.Bool
	errors  *tally
	failed  int
	waits   atomic.Int64 // since when it waits for an answer, from the epoch; 0: it does not
	reading Histogram
	writing Histogram
}

// NewWorker makes a worker. It does not own client.
func NewWorker(client Client, cfg WorkerConfig) (*Worker, error) { return newWorker(client, cfg, nil) }

// newWorker is NewWorker for one that may use memory.
func newWorker(client Client, cfg WorkerConfig, memory []byte) (*Worker, error) {
	w := &Worker{client: client, WorkerConfig: cfg}
	if cfg.Size > 0 {
		w.blocks = cfg.Part.Len / int64(cfg.Size)
	}
	if err := w.check(w.blocks, cfg.Checks); err != nil {
		return nil, err
	}
	w.grain = grainOf(cfg.Size)
	if cfg.Checks != NoChecks {
		w.table = make([]uint64, w.blocks)
	}
	w.rand = rand.New(rand.NewPCG(cfg.Seed, uint64(cfg.Part.From)))
	var err error
	if w.memory, err = jobMemory(client, memory, cfg.Size*cfg.Depth); err != nil {
		return nil, err
	}
	for i := range cfg.Depth {
		w.jobs = append(w.jobs, &Job{Buf: w.memory[i*cfg.Size:][:cfg.Size:cfg.Size], Unit: cfg.Part.Unit, slot: int64(i)})
	}
	return w, nil
}

// jobMemory is n bytes for jobs: those that there are already, or the client's if it has some that it need not copy.
func jobMemory(client Client, there []byte, n int) ([]byte, error) {
	if n <= cap(there) {
		return there[:n], nil
	}
	if c, ok := client.(interface{ Buffer(n int) ([]byte, error) }); ok {
		return c.Buffer(n)
	}
	return make([]byte, n), nil
}

// Again returns a worker that does something else with the same client, part and block
// size, and knows what w has written. w must not work any more.
func (w *Worker) Again(load Workload, count int64, rate float64) (*Worker, error) {
	cfg := w.WorkerConfig
	cfg.Workload, cfg.Count, cfg.Rate = load, count, rate
	n, err := newWorker(w.client, cfg, w.memory)
	if err == nil && n.Size == w.Size {
		n.table = w.table
	}
	return n, err
}

// Blocks is how many commands cover the part.
func (w *Worker) Blocks() int64 { return w.blocks }

// run works until it has done its count or is stopped.
func (w *Worker) run() error {
	w.free = append(w.free[:0], w.jobs...)
	for {
		if err := w.fill(); err != nil {
			return err
		}
		if w.out == 0 {
			if w.ended() {
				break
			}
			nap(min(w.due()-time.Since(w.epoch), 10*time.Millisecond))
			continue
		}
		if err := w.wait(); err != nil {
			return err
		}
	}
	if w.Checks == SomeChecks {
		return w.readBack()
	}
	return nil
}

// nap is a Sleep that is exact to less than a millisecond.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(max(d, 0)))
	_ = unix.Nanosleep(&t, nil) // a signal makes it shorter
}

// ended says that nothing more is begun.
func (w *Worker) ended() bool {
	return w.stop.Load() || w.Count > 0 && w.begun >= w.Count
}

// due is when the next job is to be sent, at a rate.
func (w *Worker) due() time.Duration {
	return time.Duration(float64(w.begun) / w.Rate * float64(time.Second))
}

// fill submits free jobs.
func (w *Worker) fill() error {
	if len(w.free) == 0 || w.ended() {
		return nil
	}
	now := time.Since(w.epoch)
	for len(w.free) > 0 && (w.Count == 0 || w.begun < w.Count) {
		var due time.Duration
		if w.Rate > 0 {
			if due = w.due(); due > now {
				w.held = false // all that was due has begun
				break
			}
		}
		j := w.free[len(w.free)-1]
		w.free = w.free[:len(w.free)-1]
		w.prepare(j)
		// A job that had to wait for a free one has begun when it was due.
		if j.began = due; !w.held {
			j.began = now
		}
		if err := w.client.Submit(j); err != nil {
			return err
		}
		j.busy = true
		w.fresh = append(w.fresh, j)
		w.begun++
		w.out++
	}
	return nil
}

// wait sends what is submitted, and takes what has ended.
func (w *Worker) wait() error {
	now := time.Since(w.epoch)
	var limit time.Duration
	if w.Rate == 0 {
		for _, j := range w.fresh {
			j.began = now
		}
	} else if w.held = len(w.free) == 0; !w.held && !w.ended() {
		limit = max(w.due()-now, 1)
	}
	w.fresh = w.fresh[:0]
	if w.waits.Load() == 0 {
		w.waits.Store(int64(now))
	}
	done, err := w.client.Wait(limit)
	if err != nil {
		return err
	}
	now = time.Since(w.epoch)
	switch {
	case len(done) == w.out:
		w.waits.Store(0)
	case len(done) > 0:
		w.waits.Store(int64(now))
	}
	for _, j := range done {
		w.out--
		j.busy = false
		w.free = append(w.free, j)
		if err := w.take(j, now); err != nil {
			return err
		}
	}
	return nil
}

// prepare makes j the next job. Jobs that run at the same time never touch the same bytes
// if one of them writes.
func (w *Worker) prepare(j *Job) {
	j.Err = nil
	j.Write = w.Reads == 0 || w.Reads < 100 && w.rand.IntN(100) >= w.Reads
	switch d := int64(w.Depth); {
	case w.Sequential:
		for w.Reads < 100 && w.taken(w.next) {
			w.next = (w.next + 1) % w.blocks
		}
		j.block = w.next
		w.next = (w.next + 1) % w.blocks
	case w.Reads < 100:
		j.block = w.rand.Int64N(w.blocks/d)*d + j.slot // each has blocks of its own
	default:
		j.block = w.rand.Int64N(w.blocks)
	}
	j.Off = w.Part.From + j.block*int64(w.Size)
	if j.Write {
		j.gen = w.Gens.Add(1)
		mark(j.Buf, w.grain, j.Unit, j.Off, j.gen, w.Checks == AllChecks)
	}
}

// taken says that a job is at work on a block.
func (w *Worker) taken(block int64) bool {
	for _, j := range w.jobs {
		if j.busy && j.block == block {
			return true
		}
	}
	return false
}

// take looks at a job that has ended.
func (w *Worker) take(j *Job, now time.Duration) error {
	if j.Err != nil {
		if j.Write && w.table != nil {
			w.table[j.block] = unknown
		}
		w.errors.add(j.Err)
		if w.failed++; w.failed >= maxErrors {
			return fmt.Errorf("%d commands of a connection have failed: it ends before its time", w.failed)
		}
		return nil
	}
	if j.Write {
		w.writing.Record(now - j.began)
		if w.table != nil {
			w.table[j.block] = j.gen
		}
		w.wrote[w.writes%readBack] = j.block
		w.writes++
		return nil
	}
	w.reading.Record(now - j.began)
	w.seen++
	if w.Checks == AllChecks || w.Checks == SomeChecks && w.seen%sampled == 0 {
		return w.look(j)
	}
	return nil
}

// look looks at data that was read.
func (w *Worker) look(j *Job) error {
	gen := w.table[j.block]
	if gen == unknown {
		return nil
	}
	return check(j.Buf, w.grain, j.Unit, j.Off, gen, w.Checks == AllChecks)
}

// readBack reads the last writes again.
func (w *Worker) readBack() error {
	j := w.jobs[0]
	for _, block := range w.wrote[:min(w.writes, readBack)] {
		j.Err, j.Write, j.block, j.Off = nil, false, block, w.Part.From+block*int64(w.Size)
		if err := w.client.Submit(j); err != nil {
			return err
		}
		w.waits.Store(int64(time.Since(w.epoch)))
		_, err := w.client.Wait(0) // this one: no other is out
		w.waits.Store(0)
		if err == nil {
			err = j.Err
		}
		if err == nil {
			err = w.look(j)
		}
		if err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
	}
	return nil
}

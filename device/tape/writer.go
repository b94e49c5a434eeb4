package tape

import (
	"context"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/target"
)

// A writer writes behind the commands that have brought the data: up to workers goroutines pack frames, and whoever of them
// finds that the oldest is packed appends it. So frames are on the medium in order, and the memory of all is bounded. It has the
// head from begin to drain. A goroutine is there while there is work.
type writer struct {
	workers int
	most    int64 // bytes
	keeps   bool  // what is lost is kept for RECOVER BUFFERED DATA
	group   *sync.WaitGroup
	ctx     context.Context
	stored  func(bytes, blocks int64) // told of what is on the medium
	wake    func(*target.Task)        // lets those look again who wait: a value too
	main    func()                    // what a goroutine does: a value, so that none is allocated

	mu      sync.Mutex
	changed sync.Cond // something was taken off, or all has ended
	head    medium.Head
	active  bool // from begin to drain
	queue   []*job
	next    int // the first of the queue that nobody packs
	packing int // goroutines
	appends bool
	bytes   int64 // of blocks in the queue
	worst   int64 // of the partition that the queue takes at the most
	objects uint64
	here    int64 // of the partition, at the head
	lost    lost
	free    []*job
}

// A job is what one command writes: blocks of one length, as frames, or filemarks.
type job struct {
	data   *buffer.Lease // of all frames
	blocks []medium.Blocks
	frames []medium.Frame
	marks  int

	bytes   int64
	worst   int64
	objects uint64
	fixed   bool // blocks of a fixed length: an initiator counts those
	packed  bool
	err     error
}

// lost is what was buffered and cannot be written.
type lost struct {
	err     error
	bytes   int64
	objects uint64
	marks   uint64
	fixed   bool // all of it are blocks of a fixed length, and filemarks
	kept    []retained
}

// count is the INFORMATION field of the error: blocks, or bytes, and filemarks.
func (l lost) count() int64 {
	if l.fixed {
		return int64(l.objects)
	}
	return l.bytes + int64(l.marks)
}

// add counts j.
func (l *lost) add(j *job, blocks uint64) {
	if l.objects == 0 {
		l.fixed = true
	}
	l.fixed = l.fixed && (j.fixed || j.marks > 0)
	l.objects += blocks
	if j.marks > 0 {
		l.marks += blocks
	} else if len(j.blocks) > 0 {
		l.bytes += int64(blocks) * j.blocks[0].Len
	}
}

// frameWorst is what a frame takes of a partition beside its blocks, at the most.
const frameWorst = 1024

// begin gives the writer the head, of which the room is r.
func (w *writer) begin(h medium.Head, r medium.Room) {
	w.mu.Lock()
	w.head, w.here, w.active = h, r.Here, true
	w.mu.Unlock()
}

// reached is how much of the partition is before the end of what is written; false if the writer does not have the head.
func (w *writer) reached() (int64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.here, w.active
}

// buffered is what is not on the medium: in the queue, or lost, and nobody has been told.
func (w *writer) buffered() (objects uint64, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.objects + w.lost.objects, w.bytes + w.lost.bytes
}

// certain reports that worst more bytes would be before limit, whatever the frames in the queue take.
func (w *writer) certain(worst, limit int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost.err == nil && w.here+w.worst+worst <= limit
}

// failed reports that something is lost.
func (w *writer) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost.err != nil
}

// job returns an empty one.
func (w *writer) job() *job {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.free); n > 0 {
		j := w.free[n-1]
		w.free = w.free[:n-1]
		return j
	}
	return new(job)
}

// recycle gives j back. w.mu is held.
func (w *writer) recycle(j *job) {
	clear(j.blocks)
	clear(j.frames[:cap(j.frames)])
	*j = job{blocks: j.blocks[:0], frames: j.frames[:0]}
	if len(w.free) < 64 {
		w.free = append(w.free, j)
	}
}

// submit puts j, which it takes, into the queue, when there is room in the buffer. It waits for the medium alone. If t, which it is
// for, is aborted meanwhile, it reports false, and j is still the caller's.
func (w *writer) submit(j *job, t *target.Task) bool {
	w.mu.Lock()
	for w.full(j) {
		w.mu.Unlock()
		if !w.await(j, t) {
			return false
		}
		w.mu.Lock()
	}
	w.queue = append(w.queue, j)
	w.bytes += j.bytes
	w.worst += j.worst
	w.objects += j.objects
	start := w.packing < w.workers
	if start {
		w.packing++
	}
	w.mu.Unlock()
	if start {
		w.group.Add(1)
		go w.main()
	}
	return true
}

// full reports that there is no room for j. w.mu is held.
func (w *writer) full(j *job) bool { return len(w.queue) > 0 && w.bytes+j.bytes > w.most }

// await waits until there is room for j, and reports false if t is aborted before.
func (w *writer) await(j *job, t *target.Task) bool {
	t.OnAbort(w.wake)
	w.mu.Lock()
	for w.full(j) && !t.Aborted() {
		w.changed.Wait()
	}
	w.mu.Unlock()
	t.OnAbort(nil)
	return !t.Aborted()
}

// work packs frames, and appends those whose turn it is, while there are some.
func (w *writer) work() {
	defer w.group.Done()
	w.mu.Lock()
	for {
		w.append()
		if w.next == len(w.queue) {
			break
		}
		j := w.queue[w.next]
		w.next++
		skip := w.lost.err != nil
		w.mu.Unlock()
		if !skip {
			j.pack(w.head)
		}
		w.mu.Lock()
		j.packed = true
	}
	w.packing--
	w.changed.Broadcast()
	w.mu.Unlock()
}

// pack makes the frames of j.
func (j *job) pack(h medium.Head) {
	for i := range j.blocks {
		f, err := h.Pack(j.blocks[i])
		if err != nil {
			j.err = err
			return
		}
		j.frames = append(j.frames, f)
	}
}

// append appends what is packed and oldest, unless somebody else does that. w.mu is held.
func (w *writer) append() {
	if w.appends {
		return
	}
	w.appends = true
	for len(w.queue) > 0 && w.queue[0].packed {
		j := w.queue[0]
		skip := w.lost.err != nil
		w.mu.Unlock()
		written, err := uint64(0), error(nil)
		here := int64(0)
		if skip {
			j.release()
		} else {
			written, err = w.put(j)
			here = w.head.Room().Here
		}
		rest, has := retained{}, false
		if w.keeps && (skip || err != nil) {
			rest, has = j.keep(written)
		}
		if j.data != nil {
			j.data.Release()
		}
		w.mu.Lock()
		if !skip {
			w.here = here
		}
		if err != nil && w.lost.err == nil {
			w.lost.err = err
		}
		if w.lost.err != nil {
			w.lost.add(j, j.objects-written)
			if has {
				w.lost.kept = append(w.lost.kept, rest)
			}
		}
		copy(w.queue, w.queue[1:])
		w.queue[len(w.queue)-1] = nil
		w.queue = w.queue[:len(w.queue)-1]
		w.next--
		w.bytes -= j.bytes
		w.worst -= j.worst
		w.objects -= j.objects
		w.recycle(j)
		w.changed.Broadcast()
	}
	w.appends = false
}

// put writes the frames of j, or its filemarks, at the head, which the caller has alone. It returns how many objects are written.
// The frames are gone.
func (w *writer) put(j *job) (written uint64, err error) {
	if j.marks > 0 {
		n, err := w.head.Filemarks(w.ctx, j.marks)
		return uint64(n), err
	}
	for i, f := range j.frames {
		size, blocks := f.Stored(), int64(f.Blocks())
		n, err := w.head.Append(w.ctx, f)
		written += uint64(n)
		if err != nil {
			for _, f := range j.frames[i+1:] {
				f.Release()
			}
			j.frames = j.frames[:0]
			return written, err
		}
		w.stored(size, blocks)
	}
	j.frames = j.frames[:0]
	return written, j.err
}

// release ends the frames of j, which are not written.
func (j *job) release() {
	for _, f := range j.frames {
		f.Release()
	}
	j.frames = j.frames[:0]
}

// drain returns when all is written, or lost; then the head is the caller's, and what was lost is forgotten here. If ctx ends
// before, its error is returned, and nothing has changed.
func (w *writer) drain(ctx context.Context) (lost, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy() {
		stop := context.AfterFunc(ctx, func() { w.wake(nil) })
		defer stop()
	}
	for w.busy() {
		if err := ctx.Err(); err != nil {
			return lost{}, err
		}
		w.changed.Wait()
	}
	l := w.lost
	w.lost, w.active = lost{}, false
	return l, nil
}

// busy reports that something is written. w.mu is held.
func (w *writer) busy() bool { return len(w.queue) > 0 || w.packing > 0 || w.appends }

// drop ends a job that is not in the queue, and gives its data back.
func (w *writer) drop(j *job) {
	j.release()
	if j.data != nil {
		j.data.Release()
	}
	w.mu.Lock()
	w.recycle(j)
	w.mu.Unlock()
}

package disk

import (
	"errors"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A step is what a command does when what it waits for is there: its data-out, a worker, the end
// of a request of the store, or room for more data-in. It is in Task.Work.Step from the
// handler of the command to the response. docs/design/disk.md draws the way of each.
type step uint32

// Steps, and where each one runs.
const (
	none        step = iota
	readPieces       // READ, a piece after the other by calls that wait: on a worker
	readAhead        // READ, a piece after the other by requests: where they end
	writePiece       // WRITE, of a piece of data-out: see path
	verifyPiece      // WRITE AND VERIFY, VERIFY with data: on a worker
	verifyLike       // VERIFY with one block: on a worker
	verifyRead       // VERIFY without data, PRE-FETCH: on a worker
	swapBlocks       // COMPARE AND WRITE: on a worker
	orBlocks         // ORWRITE: on a worker
	zeroRange        // WRITE SAME of zeros: by requests or on a worker
	fillRange        // WRITE SAME of a block, by writing it: on a worker
	unmapRanges      // UNMAP: by requests or on a worker
	flushCache       // SYNCHRONIZE CACHE: by a request or on a worker
	stopUnit         // START STOP UNIT: on a worker
	listExtents      // GET LBA STATUS: on a worker
	probeStore       // TEST UNIT READY of a store that could not be reached: on a worker
)

// String is the name of the step.
func (s step) String() string {
	names := [...]string{
		none: "none", readPieces: "read pieces", readAhead: "read ahead", writePiece: "write a piece",
		verifyPiece: "verify a piece", verifyLike: "verify all like one block", verifyRead: "verify by reading",
		swapBlocks: "compare and write", orBlocks: "OR", zeroRange: "zero", fillRange: "fill",
		unmapRanges: "unmap", flushCache: "flush", stopUnit: "stop", listExtents: "list extents",
		probeStore: "probe",
	}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// Flags in Work.Flags.
const (
	durable  uint32 = 1 << iota // FUA, and there is a cache that it matters to
	stores                      // data-out is written before it is compared
	unmaps                      // WRITE SAME may deallocate
	oneBlock                    // WRITE SAME comes with a block
)

// The ways into a command that waits, as values that are made once: so no command allocates any.
// Each looks at the step and goes on with it.
type entries struct {
	work     func(*target.Task)                       // a worker has it
	received func(*target.Task, *buffer.Lease, error) // data-out is there
	landed   func(*target.Task, error)                // data-out is in the medium itself
	room     func(*target.Task)                       // more data-in may be sent
	abort    func(*target.Task)                       // the command is aborted during a request
}

// errNoStep would be an error of this package: HARDWARE ERROR.
var errNoStep = errors.New("disk: the command has no next step")

// enter notes the next step of t.
func (d *Disk) enter(s step, t *target.Task) { t.Work.Step = uint32(s) }

// onWorker lets a worker go on with t.
func (d *Disk) onWorker(t *target.Task, s step) {
	d.enter(s, t)
	d.Workers().Run(t, d.entries.work)
}

// longOnWorker is onWorker for work of n bytes of which one step does most at the most. What takes
// one step only has its turn with all others.
func (d *Disk) longOnWorker(t *target.Task, s step, n, most int64) {
	if n <= most {
		d.onWorker(t, s)
		return
	}
	d.enter(s, t)
	d.again(t)
}

// again lets a worker go on with t, of whose long work it has done a step, when others had their turn.
func (d *Disk) again(t *target.Task) { d.Workers().RunLong(t, d.entries.work) }

// work goes on with t on a worker, which may wait for storage.
func (d *Disk) work(t *target.Task) {
	if t.Aborted() {
		d.fail(t, target.ErrAborted)
		return
	}
	switch step(t.Work.Step) {
	case readPieces:
		d.blocking.readPieces(t)
	case writePiece:
		d.blocking.writePiece(t)
	case verifyPiece:
		d.verifyPiece(t)
	case verifyLike:
		d.verifyLike(t)
	case verifyRead:
		d.verifyRead(t)
	case swapBlocks:
		d.swapBlocks(t)
	case orBlocks:
		d.orBlocks(t)
	case zeroRange, unmapRanges:
		d.sweep.byCalls(t)
	case fillRange:
		d.fillRange(t)
	case flushCache:
		d.flushCache(t)
	case stopUnit:
		d.stopUnit(t)
	case listExtents:
		d.listExtents(t)
	case probeStore:
		d.probeStore(t)
	default:
		d.fail(t, errNoStep)
	}
}

// received goes on with t when a piece of its data-out is there, or will never be. It takes l.
func (d *Disk) received(t *target.Task, l *buffer.Lease, err error) {
	if err != nil {
		d.fail(t, err)
		return
	}
	t.Work.Data = l
	if why := d.retired.Load(); why != nil {
		d.fail(t, *why)
		return
	}
	switch s := step(t.Work.Step); s {
	case writePiece:
		d.path.arrived(t)
	case zeroRange:
		d.startSame(t)
	case unmapRanges:
		d.startUnmap(t)
	default:
		d.onWorker(t, s)
	}
}

// room goes on with a large READ when its initiator has taken some of it.
func (d *Disk) room(t *target.Task) {
	if step(t.Work.Step) == readAhead {
		d.queued.room(t)
		return
	}
	d.onWorker(t, readPieces)
}

// requestEnded goes on with a command whose request the store has ended.
func (d *Disk) requestEnded(sr *store.Request, err error) {
	r := sr.Owner.(*ioRequest)
	r.t.OnAbort(nil) // whoever cancels r has come back then
	switch step(r.t.Work.Step) {
	case readAhead:
		d.queued.ended(r, err)
	case writePiece:
		d.queued.written(r, err)
	default:
		d.sweep.ended(r, err)
	}
}

// fail ends t with what err means, and gives its memory back.
func (d *Disk) fail(t *target.Task, err error) {
	if l := t.Work.Data; l != nil {
		t.Work.Data = nil
		l.Release()
	}
	d.FailWith(t, err)
}

// Package transporttest is what tests of SCSI transports share: a logical unit that uses every freedom a device server has, and one script that runs over any transport.
package transporttest

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
)

// A Way is how a [Unit] executes a READ (10) or WRITE (10): the CONTROL byte of the CDB.
type Way byte

// Ways to execute a command.
const (
	Lend   Way = iota // from or to the store's own memory
	Lease             // through memory of the arena, at once
	Later             // through the arena, every step on another goroutine
	Ignore            // GOOD at once, without asking for data or sending any
	Fail              // CHECK CONDITION at once
	Hold              // waits for Unit.Release, then as Later
	Half              // asks for the first half of the data only, then CHECK CONDITION
	Pieces            // data-in in pieces ahead of the response; data-out in pieces of MaxPiece
	KeepIt            // waits a while before it asks for data, then as Later
	Sense             // data-in, and CHECK CONDITION with it
)

// BlockSize is that of a Unit, in bytes.
const BlockSize = 512

// A Unit is a logical unit for tests of transports. It knows READ (10) and WRITE (10),
// whose CONTROL byte says how they are done, TEST UNIT READY, and nothing else.
type Unit struct {
	Store *memory.Store
	Arena *buffer.Arena

	Attached atomic.Int64 // I_T_L nexuses now
	Events   [8]atomic.Int64
	Held     atomic.Int64 // tasks that wait for Release
	Started  atomic.Int64 // tasks that were executed
	Ended    atomic.Int64 // tasks that were responded to, aborted ones too

	mu   sync.Mutex
	gate chan struct{}
	work sync.WaitGroup

	landed   func(*target.Task, error)                // method values, which allocate
	received func(*target.Task, *buffer.Lease, error) // the same
}

// NewUnit makes a unit of size bytes.
func NewUnit(size int64, a *buffer.Arena) (*Unit, error) {
	s, err := memory.Open(memory.Config{Size: size})
	if err != nil {
		return nil, err
	}
	u := &Unit{Store: s, Arena: a, gate: make(chan struct{})}
	u.landed, u.received = u.written, u.arrived
	return u, nil
}

// Release lets the tasks of Hold go on that wait now.
func (u *Unit) Release() {
	u.mu.Lock()
	close(u.gate)
	u.gate = make(chan struct{})
	u.mu.Unlock()
}

// Order implements target.LogicalUnit.
func (u *Unit) Order(cdb []byte) target.Order {
	o := target.Order{First: uint64(binary.BigEndian.Uint32(cdb[2:])), Blocks: uint64(binary.BigEndian.Uint16(cdb[7:]))}
	switch scsi.Opcode(cdb[0]) {
	case scsi.OpRead10:
		o.Class = target.Reads
	case scsi.OpWrite10:
		o.Class = target.Writes
	default:
		return target.Order{}
	}
	return o
}

// Attach implements target.LogicalUnit.
func (u *Unit) Attach(*target.ITL) { u.Attached.Add(1) }

// Detach implements target.LogicalUnit.
func (u *Unit) Detach(*target.ITL) { u.Attached.Add(-1) }

// Event implements target.LogicalUnit.
func (u *Unit) Event(e target.Event, _ *target.ITL) { u.Events[e].Add(1) }

// Close implements target.LogicalUnit.
func (u *Unit) Close() error {
	u.Release()
	u.work.Wait()
	return u.Store.Close()
}

// Settled closes the unit, number i of a target that nobody uses any more, and checks that it was
// given everything back.
func (u *Unit) Settled(tb testing.TB, i int) {
	u.work.Wait()
	if n := u.Attached.Load(); n != 0 {
		tb.Errorf("unit %d: %d nexuses are left", i, n)
	}
	if a, b := u.Started.Load(), u.Ended.Load(); a != b {
		tb.Errorf("unit %d: %d tasks started, %d ended", i, a, b)
	}
	if n := u.Store.Outstanding(); n != 0 {
		tb.Errorf("unit %d: %d leases are out", i, n)
	}
	if err := u.Close(); err != nil {
		tb.Errorf("unit %d: %v", i, err)
	}
}

// later runs step on another goroutine.
func (u *Unit) later(t *target.Task, step func(*target.Task)) {
	u.work.Add(1)
	go func() {
		defer u.work.Done()
		step(t)
	}()
}

// Execute implements target.LogicalUnit.
func (u *Unit) Execute(t *target.Task) {
	u.Started.Add(1)
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.OpTestUnitReady:
		u.respond(t, target.Response{})
	case scsi.OpRead10, scsi.OpWrite10:
		u.move(t)
	default:
		u.fail(t, scsi.InvalidOpcode())
	}
}

func (u *Unit) respond(t *target.Task, r target.Response) {
	u.Ended.Add(1)
	t.Respond(r)
}

func (u *Unit) fail(t *target.Task, s scsi.Sense) {
	u.respond(t, target.Response{Status: scsi.CheckCondition, Sense: s})
}

func (u *Unit) failWith(t *target.Task, err error) {
	if d, ok := err.(*target.DataError); ok {
		u.fail(t, d.Sense)
		return
	}
	u.fail(t, scsi.AbortedCommand(0))
}

func (u *Unit) way(t *target.Task) Way { return Way(t.CDB[9]) }

func (u *Unit) move(t *target.Task) {
	w := &t.Work
	*w = target.Work{}
	w.Off = int64(binary.BigEndian.Uint32(t.CDB[2:])) * BlockSize
	w.Len = int64(binary.BigEndian.Uint16(t.CDB[7:])) * BlockSize
	if w.Off+w.Len > u.Store.Info().Size {
		u.fail(t, scsi.LBAOutOfRange())
		return
	}
	write := scsi.Opcode(t.CDB[0]) == scsi.OpWrite10
	switch u.way(t) {
	case Ignore:
		u.respond(t, target.Response{Moves: w.Len})
		return
	case Fail:
		u.fail(t, scsi.WriteProtected())
		return
	case Hold:
		u.mu.Lock()
		gate := u.gate
		u.mu.Unlock()
		u.Held.Add(1)
		u.later(t, func(t *target.Task) {
			<-gate
			u.Held.Add(-1)
			u.transfer(t, write)
		})
		return
	case KeepIt:
		u.later(t, func(t *target.Task) {
			time.Sleep(100 * time.Microsecond) // what came along has been used for something else by now
			u.transfer(t, write)
		})
		return
	case Later:
		u.later(t, func(t *target.Task) { u.transfer(t, write) })
		return
	}
	u.transfer(t, write)
}

func (u *Unit) transfer(t *target.Task, write bool) {
	if write {
		u.write(t)
	} else {
		u.read(t)
	}
}

func (u *Unit) get(t *target.Task, off, n int64, a store.Access) (*buffer.Lease, bool) {
	if u.way(t) == Lend {
		l, err := u.Store.Lend(off, n, a)
		if err != nil {
			panic(err)
		}
		return l, true
	}
	l, err := u.Arena.Get(n)
	if err != nil {
		u.respond(t, target.Response{Status: scsi.TaskSetFull})
		return nil, false
	}
	if a == store.ForRead {
		if _, err := u.Store.TryReadAt(l, off); err != nil {
			panic(err)
		}
	}
	return l, true
}

func (u *Unit) read(t *target.Task) {
	w := &t.Work
	n := min(w.Len, t.WantIn)
	if n == 0 {
		u.respond(t, target.Response{Moves: w.Len})
		return
	}
	if u.way(t) == Pieces {
		for n-w.Done > pieceLen {
			l, ok := u.get(t, w.Off+w.Done, pieceLen, store.ForRead)
			if !ok {
				return
			}
			at := w.Done
			w.Done += pieceLen
			if !t.SendDataIn(at, l, u.read) {
				return
			}
		}
	}
	l, ok := u.get(t, w.Off+w.Done, n-w.Done, store.ForRead)
	if !ok {
		return
	}
	r := target.Response{Moves: w.Len, DataIn: l, At: w.Done}
	if u.way(t) == Sense {
		r.Status, r.Sense = scsi.CheckCondition, scsi.UnrecoveredReadError(7)
	}
	u.respond(t, r)
}

func (u *Unit) write(t *target.Task) {
	w := &t.Work
	all := min(w.Len, t.HaveOut)
	if u.way(t) == Half {
		all /= 2
	}
	n := all - w.Done
	if u.way(t) == Pieces || u.way(t) == Later {
		n = min(n, target.MaxPiece)
	}
	if n == 0 {
		if u.way(t) == Half {
			u.fail(t, scsi.WriteError(1))
			return
		}
		u.respond(t, target.Response{Moves: w.Len})
		return
	}
	if u.way(t) != Lend {
		t.ReceiveDataOut(w.Done, n, u.received)
		return
	}
	l, err := u.Store.Lend(w.Off+w.Done, n, store.ForWrite)
	if err != nil {
		panic(err)
	}
	w.Data = l
	t.LandDataOut(w.Done, l, u.landed)
}

// arrived has data in memory that is ours now.
func (u *Unit) arrived(t *target.Task, l *buffer.Lease, err error) {
	w := &t.Work
	if err == nil {
		if _, err := u.Store.TryWriteAt(l, w.Off+w.Done); err != nil {
			panic(err)
		}
	}
	w.Data = l
	u.written(t, err)
}

// written has data in the store.
func (u *Unit) written(t *target.Task, err error) {
	w := &t.Work
	l := w.Data
	w.Data = nil
	n := int64(0)
	if l != nil {
		n = l.Len()
		l.Release()
	}
	if err != nil {
		u.failWith(t, err)
		return
	}
	w.Done += n
	if u.way(t) == Later || u.way(t) == Pieces {
		u.later(t, u.write)
		return
	}
	u.write(t)
}

// pieceLen is how much data-in Pieces sends at a time.
const pieceLen = 100 << 10

// CDB10 makes a READ (10) or WRITE (10) for a Unit.
func CDB10(op scsi.Opcode, lba uint32, blocks uint16, w Way) []byte {
	b := make([]byte, 10)
	b[0] = byte(op)
	binary.BigEndian.PutUint32(b[2:], lba)
	binary.BigEndian.PutUint16(b[7:], blocks)
	b[9] = byte(w)
	return b
}

// twoUnits makes a target with two units, at LUN 0 and 1.
func twoUnits(tb testing.TB, a *buffer.Arena) (all [2]*Unit, t *target.Target) {
	tb.Helper()
	var maps []target.Mapping
	for i := range all {
		u, err := NewUnit(64<<20, a)
		if err != nil {
			tb.Fatal(err)
		}
		all[i] = u
		maps = append(maps, target.Mapping{LUN: scsi.LUN(uint64(i) << 48), Unit: target.NewUnit("unit", u)})
	}
	t, err := target.NewTarget(TargetName, maps...)
	if err != nil {
		tb.Fatal(err)
	}
	return all, t
}

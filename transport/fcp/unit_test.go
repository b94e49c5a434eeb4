package fcp

import (
	"encoding/binary"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A fakeUnit is a logical unit without a store, on the goroutine of whoever calls it. Byte 9 of a CDB says how: see way.
type fakeUnit struct {
	arena *buffer.Arena
	kind  scsi.PeripheralType

	mu             sync.Mutex
	held           []*target.Task
	started, ended int
	wrong          int // bytes of data-out that are not the pattern

	more func(*target.Task) // method values allocate
	then func(*target.Task, *buffer.Lease, error)
}

func newFakeUnit(a *buffer.Arena) *fakeUnit {
	u := &fakeUnit{arena: a}
	u.more, u.then = u.read, u.written
	return u
}

func (u *fakeUnit) Identity() scsi.Identity { return scsi.Identity{Type: u.kind} }

func (u *fakeUnit) Order(cdb []byte) target.Order {
	switch scsi.Opcode(cdb[0]) {
	case scsi.OpRead10:
		return target.Order{Class: target.Reads, Blocks: 1}
	case scsi.OpWrite10:
		return target.Order{Class: target.Writes, Blocks: 1}
	}
	return target.Order{}
}
func (u *fakeUnit) Attach(*target.ITL)              {}
func (u *fakeUnit) Detach(*target.ITL)              {}
func (u *fakeUnit) Event(target.Event, *target.ITL) {}
func (u *fakeUnit) Close() error                    { return nil }

func (u *fakeUnit) count(n *int, d int) {
	u.mu.Lock()
	*n += d
	u.mu.Unlock()
}

func (u *fakeUnit) Execute(t *target.Task) {
	u.count(&u.started, 1)
	t.Work = target.Work{Len: int64(binary.BigEndian.Uint16(t.CDB[7:])) * 512}
	if way(t.CDB[9])&held != 0 {
		u.mu.Lock()
		u.held = append(u.held, t)
		u.mu.Unlock()
		return
	}
	u.run(t)
}

// release goes on with what is held.
func (u *fakeUnit) release() {
	u.mu.Lock()
	all := u.held
	u.held = nil
	u.mu.Unlock()
	for _, t := range all {
		u.run(t)
	}
}

func (u *fakeUnit) run(t *target.Task) {
	switch scsi.Opcode(t.CDB[0]) {
	case scsi.OpRead10:
		u.read(t)
	case scsi.OpWrite10:
		u.write(t)
	default:
		u.end(t, target.Response{})
	}
}

func (u *fakeUnit) end(t *target.Task, r target.Response) {
	u.count(&u.ended, 1)
	if way(t.CDB[9])&fails != 0 && r.Status == scsi.Good {
		r.Moves = 0 // as a command that has not been done
		r.Status, r.Sense, r.Descriptor = scsi.CheckCondition, scsi.UnrecoveredReadError(1), way(t.CDB[9])&descriptor != 0
	}
	t.Respond(r)
}

func (u *fakeUnit) get(t *target.Task, n int64) *buffer.Lease {
	l, err := u.arena.Get(n)
	if err != nil {
		u.end(t, target.Response{Status: scsi.TaskSetFull})
		return nil
	}
	l.Truncate(n)
	at := t.Work.Done
	for off := int64(0); off < n; {
		m := l.At(off)
		m = m[:min(int64(len(m)), n-off)]
		if !quick {
			fillPattern(m, at+off)
		}
		off += int64(len(m))
	}
	return l
}

// quick: data is not looked at, for benchmarks.
var quick bool

func (u *fakeUnit) read(t *target.Task) {
	w := &t.Work
	n := min(w.Len, t.WantIn)
	if way(t.CDB[9])&pieces != 0 {
		for n-w.Done > 1000 {
			l := u.get(t, 1000)
			if l == nil {
				return
			}
			at := w.Done
			w.Done += 1000
			if !t.SendDataIn(at, l, u.more) {
				return
			}
		}
	}
	if n == w.Done {
		u.end(t, target.Response{Moves: w.Len})
		return
	}
	l := u.get(t, n-w.Done)
	if l == nil {
		return
	}
	u.end(t, target.Response{Moves: w.Len, DataIn: l, At: w.Done})
}

// write asks for data-out in pieces as a disk does.
func (u *fakeUnit) write(t *target.Task) {
	w := &t.Work
	n := min(min(w.Len, t.HaveOut)-w.Done, target.MaxPiece)
	if n <= 0 {
		u.end(t, target.Response{Moves: w.Len})
		return
	}
	t.ReceiveDataOut(w.Done, n, u.then)
}

func (u *fakeUnit) written(t *target.Task, data *buffer.Lease, err error) {
	if err != nil {
		r := target.Response{Status: scsi.CheckCondition, Sense: scsi.AbortedCommand(scsi.ASCDataPhaseError)}
		if e, ok := err.(*target.DataError); ok {
			r.Sense = e.Sense
		}
		u.end(t, r)
		return
	}
	w := &t.Work
	for off := int64(0); off < data.Len() && !quick; {
		m := data.At(off)
		for i, b := range m {
			o := w.Done + off + int64(i)
			if b != byte(o*7+o>>9*13+o>>16) {
				u.count(&u.wrong, 1)
			}
		}
		off += int64(len(m))
	}
	w.Done += data.Len()
	data.Release()
	u.write(t)
}

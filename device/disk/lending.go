package disk

import (
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// lending is the path to a store that lends its memory: nothing is copied. The transport sends
// from that memory, and lets data-out land there.
type lending struct{ *Disk }

func (p lending) read(t *target.Task, n int64) {
	w := &t.Work
	if w.Flags&durable != 0 {
		p.blocking.read(t, n)
		return
	}
	m := p.medium
	l, err := m.lender.Lend(w.Off, n, store.ForRead)
	if err != nil {
		p.FailWith(t, m.failed(err, reading, w.LBA))
		return
	}
	t.Respond(target.Response{Moves: w.Len, DataIn: l})
}

func (p lending) write(t *target.Task, n int64) {
	w := &t.Work
	if w.Flags&durable != 0 {
		p.blocking.write(t, n)
		return
	}
	m := p.medium
	l, err := m.lender.Lend(w.Off, n, store.ForWrite)
	if err != nil {
		p.FailWith(t, m.failed(err, writing, w.LBA))
		return
	}
	p.enter(writePiece, t)
	w.Data = l
	t.LandDataOut(0, l, p.entries.landed)
}

// landed ends a WRITE whose data has landed in the store's own memory.
func (d *Disk) landed(t *target.Task, err error) {
	l := t.Work.Data
	t.Work.Data = nil
	l.Release()
	if err != nil {
		d.FailWith(t, err)
		return
	}
	t.Respond(target.Response{Moves: t.Work.Len})
}

func (p lending) arrived(t *target.Task) { p.blocking.arrived(t) }

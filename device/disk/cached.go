package disk

import (
	"github.com/lunette-io/lunette/target"
)

// cached is the path to a store that can be tried: a file in the page cache. What does not wait is
// done where the command, or its data, arrives. What would wait for storage goes the way
// of requests, if the store has those, and on a worker if not; what is a large copy, or
// waits for the page cache, is for a worker in any case.
type cached struct{ *Disk }

func (p cached) read(t *target.Task, n int64) {
	w := &t.Work
	if w.Flags&durable != 0 || n > inlineRead {
		p.blocking.read(t, n)
		return
	}
	m := p.medium
	l, err := p.dataIn(t, 0, n)
	if err != nil {
		p.FailWith(t, err)
		return
	}
	done, err := m.tryer.TryReadAt(l, w.Off)
	switch {
	case err != nil:
		l.Release()
		p.FailWith(t, m.failed(err, reading, w.LBA))
	case done:
		t.Respond(target.Response{Moves: w.Len, DataIn: l})
	case m.submitter != nil:
		p.queued.readInto(t, l)
	default:
		p.blocking.readInto(t, l)
	}
}

// write writes what came along with the command from where it lies, if that is all of it.
func (p cached) write(t *target.Task, n int64) {
	w := &t.Work
	if w.Flags&durable != 0 || t.First.Len() != n {
		p.askData(t, n)
		return
	}
	done, err := p.medium.tryer.TryWriteAt(&t.First, w.Off)
	switch {
	case err != nil:
		p.FailWith(t, p.medium.failed(err, writing, w.LBA))
	case done:
		t.Respond(target.Response{Moves: w.Len})
	default:
		p.askData(t, n)
	}
}

func (p cached) arrived(t *target.Task) {
	w := &t.Work
	if w.Flags&durable != 0 {
		p.blocking.arrived(t)
		return
	}
	at := w.Off + w.Done
	done, err := p.medium.tryer.TryWriteAt(w.Data, at)
	switch {
	case err != nil:
		p.fail(t, p.medium.failed(err, writing, p.medium.lba(at)))
	case done:
		p.wrote(t, nil)
	default:
		p.blocking.arrived(t)
	}
}

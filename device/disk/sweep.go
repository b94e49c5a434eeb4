package disk

import (
	"errors"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// sweep is how UNMAP and WRITE SAME of zeros go over their ranges: one after the other, by requests
// if the store takes them, and else on a worker. Large ones go in pieces, so that others have their
// turns in between. SYNCHRONIZE CACHE ends by it, too.
type sweep struct{ *Disk }

// start goes over the ranges of t, whose step says what to do with them.
func (p sweep) start(t *target.Task) {
	if p.medium.submitter == nil {
		p.longOnWorker(t, step(t.Work.Step), t.Work.Len, p.medium.sweepStep)
		return
	}
	p.next(p.requests.begin(t))
}

// more makes a range that is not done yet that of t; it reports false when all is done.
func (p sweep) more(t *target.Task) bool {
	w := &t.Work
	for w.Done == w.Len {
		if step(w.Step) != unmapRanges || !p.nextUnmap(t) {
			return false
		}
	}
	return true
}

// op is what is done with each range.
func (p sweep) op(w *target.Work) (store.Op, store.Flags) {
	switch {
	case step(w.Step) == unmapRanges || p.medium.zeroer == nil:
		return store.OpTrim, 0
	case w.Flags&unmaps != 0:
		return store.OpZero, store.MayTrim
	}
	return store.OpZero, 0
}

// piece is the next piece of the range of t.
func (p sweep) piece(w *target.Work) (off, n int64) {
	off = w.Off + w.Done
	return off, min(w.Len-w.Done, p.medium.sweepEnd(off)-off)
}

// byCalls goes over the ranges on a worker.
func (p sweep) byCalls(t *target.Task) {
	w, m, ctx := &t.Work, p.medium, t.Context()
	var err error
	for bytes, many := int64(0), 0; err == nil && p.more(t); many++ {
		off, n := p.piece(w)
		if many > 0 && bytes+n > m.sweepStep || many == sweepMany {
			p.again(t)
			return
		}
		bytes += n
		if err = ctx.Err(); err != nil {
			break
		}
		if op, f := p.op(w); op == store.OpZero {
			err = m.zeroer.Zero(ctx, off, n, f)
		} else {
			err = m.trimmer.Trim(ctx, off, n)
		}
		if err == nil {
			w.Done += n
		}
	}
	if err == nil && w.Flags&durable != 0 {
		err = m.store.Flush(ctx)
	}
	p.end(t, err)
}

// next submits the next range, and a flush at last if what was done has to be durable.
func (p sweep) next(r *ioRequest) {
	t := r.t
	w := &t.Work
	switch {
	case p.more(t):
		op, f := p.op(w)
		off, n := p.piece(w)
		p.submitRange(r, op, off, n, f)
	case w.Flags&durable != 0:
		p.submitRange(r, store.OpFlush, 0, 0, 0)
	default:
		p.requests.end(r)
		p.end(t, nil)
	}
}

// ended goes on when a range is done.
func (p sweep) ended(r *ioRequest, err error) {
	t := r.t
	if err == nil && t.Aborted() {
		err = target.ErrAborted
	}
	if err != nil || r.Op == store.OpFlush {
		p.requests.end(r)
		p.end(t, err)
		return
	}
	t.Work.Done += r.Len
	p.next(r)
}

// end ends t. What the store cannot make zero, though it has said so, is written.
func (p sweep) end(t *target.Task, err error) {
	w, m := &t.Work, p.medium
	if step(w.Step) == zeroRange && errors.Is(err, store.ErrNotSupported) {
		p.longOnWorker(t, fillRange, w.Len-w.Done, fillStep)
		return
	}
	err = m.failed(err, writing, m.lba(w.Off+w.Done))
	switch step(w.Step) {
	case zeroRange:
		p.endSame(t, err)
	case unmapRanges:
		p.finish(t, w.Data.Len(), err)
	default:
		p.finish(t, 0, err)
	}
}

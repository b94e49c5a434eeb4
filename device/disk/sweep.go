package disk

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// sweep is how UNMAP and WRITE SAME of zeros go over their ranges, and SYNCHRONIZE CACHE makes
// them durable: a piece after the other, by requests if the store has them, and else on a worker.
type sweep struct{ *Disk }

// start goes over the ranges of t, whose step says what to do with them.
func (p sweep) start(t *target.Task) {
	if p.medium.submitter == nil {
		p.onWorker(t, step(t.Work.Step))
		return
	}
	p.next(p.requests.begin(t))
}

// piece is the next part of what t changes; n is 0 when all is done.
func (p sweep) piece(t *target.Task) (off, n int64) {
	w := &t.Work
	for w.Done == w.Len {
		if step(w.Step) != unmapRanges || !p.nextUnmap(t) {
			return 0, 0
		}
	}
	return w.Off + w.Done, min(trimPiece, w.Len-w.Done)
}

// op is what is done with each piece.
func (p sweep) op(w *target.Work) (store.Op, store.Flags) {
	switch {
	case step(w.Step) == unmapRanges || p.medium.zeroer == nil:
		return store.OpTrim, 0
	case w.Flags&unmaps != 0:
		return store.OpZero, store.MayTrim
	}
	return store.OpZero, 0
}

// byCalls goes over the ranges on a worker.
func (p sweep) byCalls(t *target.Task) {
	w, m, ctx := &t.Work, p.medium, t.Context()
	for {
		off, n := p.piece(t)
		if n == 0 {
			break
		}
		err := ctx.Err()
		if err == nil {
			err = p.call(ctx, w, off, n)
		}
		if err != nil {
			p.end(t, err)
			return
		}
		w.Done += n
	}
	var err error
	if w.Flags&durable != 0 {
		err = m.store.Flush(ctx)
	}
	p.end(t, err)
}

func (p sweep) call(ctx context.Context, w *target.Work, off, n int64) error {
	if op, f := p.op(w); op == store.OpZero {
		return p.medium.zeroer.Zero(ctx, off, n, f)
	}
	return p.medium.trimmer.Trim(ctx, off, n)
}

// next submits the next piece, and a flush at last if what was done has to be durable.
func (p sweep) next(r *ioRequest) {
	t := r.t
	w := &t.Work
	switch off, n := p.piece(t); {
	case n > 0:
		op, f := p.op(w)
		p.submitRange(r, op, off, n, f)
	case w.Flags&durable != 0:
		p.submitRange(r, store.OpFlush, 0, 0, 0)
	default:
		p.requests.end(r)
		p.end(t, nil)
	}
}

// ended goes on when a piece is done.
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
		p.onWorker(t, fillRange)
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

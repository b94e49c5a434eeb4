package tape

import (
	"context"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/target"
)

// A turn is the right to move the medium. It passes from task to task in the order of their arrival. A task that waits for
// data of its initiator is passed by those of other nexuses, but not by those of its own: so commands of one nexus are never
// done in another order, and who owes data holds up nobody else.
type turn struct {
	mu      sync.Mutex
	waiting []waiting // in order of arrival
	held    bool
}

// A waiting is somebody who waits for the turn: a task, or a caller that is none.
type waiting struct {
	t     *target.Task
	x     *target.ITL
	step  func(*target.Task)
	ready bool          // it does not wait for anything else
	wake  chan struct{} // of a caller, closed when it has the turn
}

// enter puts w at the end, and reports false if its task is aborted: then it is not there.
func (n *turn) enter(w waiting) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.t != nil && w.t.Aborted() { // the abort may have looked for it before
		return false
	}
	n.waiting = append(n.waiting, w)
	return true
}

// ready notes that t has its data, and reports false if it is aborted: then it is not there any more.
func (n *turn) ready(t *target.Task) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.waiting, func(w waiting) bool { return w.t == t })
	if t.Aborted() {
		n.waiting = slices.Delete(n.waiting, i, i+1)
		return false
	}
	n.waiting[i].ready = true
	return true
}

// leave takes out who fits, and reports whether it was there.
func (n *turn) leave(fits func(w *waiting) bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.waiting {
		if fits(&n.waiting[i]) {
			n.waiting = slices.Delete(n.waiting, i, i+1)
			return true
		}
	}
	return false
}

// next gives the turn, if nobody has it, to who comes next, and takes that out.
func (n *turn) next() (waiting, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held {
		return waiting{}, false
	}
	for i := range n.waiting {
		w := n.waiting[i]
		if !w.ready || slices.ContainsFunc(n.waiting[:i], func(o waiting) bool { return o.x == w.x && w.x != nil }) {
			continue
		}
		n.waiting = slices.Delete(n.waiting, i, i+1)
		n.held = true
		return w, true
	}
	return waiting{}, false
}

// release takes the turn from who has it.
func (n *turn) release() {
	n.mu.Lock()
	n.held = false
	n.mu.Unlock()
}

// inTurn runs step on a worker when it is the turn of t. The step ends t; it has the turn until it returns.
func (d *Drive) inTurn(t *target.Task, step func(*target.Task)) {
	t.Work.Any = step // no allocation: a function is a pointer
	d.takeTurn(t, d.ways.inTurn)
}

// runInTurn is the step of inTurn.
func (d *Drive) runInTurn(t *target.Task) {
	defer d.passTurn()
	step := t.Work.Any.(func(*target.Task))
	t.Work.Any = nil
	if t.Aborted() {
		d.FailWith(t, target.ErrAborted)
		return
	}
	step(t)
}

// takeTurn runs step on a worker when it is the turn of t. Whoever goes on with the work calls passTurn, once, when it is done.
func (d *Drive) takeTurn(t *target.Task, step func(*target.Task)) {
	t.OnAbort(d.ways.aborted)
	if !d.turn.enter(waiting{t: t, x: t.ITL(), step: step, ready: true}) {
		d.FailWith(t, target.ErrAborted)
		return
	}
	d.advance()
}

// comeInTurn gives t, which has to wait for data first, its place, or reports false if it is aborted. When the data is there,
// hasData goes on to step, which calls passTurn when it is done; if it does not come, noData gives the place up.
func (d *Drive) comeInTurn(t *target.Task, step func(*target.Task)) bool {
	return d.turn.enter(waiting{t: t, x: t.ITL(), step: step})
}

// hasData lets t have its turn.
func (d *Drive) hasData(t *target.Task) {
	t.OnAbort(d.ways.aborted)
	if !d.turn.ready(t) {
		d.fail(t, target.ErrAborted)
	}
	d.advance()
}

// noData takes t, whose data does not come, out of the order.
func (d *Drive) noData(t *target.Task) {
	d.turn.leave(func(w *waiting) bool { return w.t == t })
	d.advance()
}

// passTurn lets the next one have the turn.
func (d *Drive) passTurn() {
	d.turn.release()
	d.advance()
}

// advance gives the turn to who comes next.
func (d *Drive) advance() {
	w, ok := d.turn.next()
	switch {
	case !ok:
	case w.wake != nil:
		close(w.wake)
	default:
		w.t.OnAbort(nil)
		d.Workers().Run(w.t, w.step)
	}
}

// aborted takes a task that is aborted out of the order, and ends it. A task that waits for data is told by its transfer.
func (d *Drive) aborted(t *target.Task) {
	if d.turn.leave(func(w *waiting) bool { return w.t == t && w.ready }) {
		d.background.Go(func() { d.fail(t, target.ErrAborted) }) // the caller holds the lock of t
	}
}

// fail ends t, which has memory perhaps, with err.
func (d *Drive) fail(t *target.Task, err error) {
	d.release(t)
	d.FailWith(t, err)
}

// haveTurn waits for the turn, for a caller that is no task. It calls passTurn when it is done.
func (d *Drive) haveTurn(ctx context.Context) error {
	w := waiting{ready: true, wake: make(chan struct{})}
	d.turn.enter(w)
	d.advance()
	select {
	case <-w.wake:
		return nil
	case <-ctx.Done():
	}
	if !d.turn.leave(func(o *waiting) bool { return o.wake == w.wake }) {
		d.passTurn() // it came at the same time
	}
	return ctx.Err()
}

package nexus

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Reservations are those of one logical unit: the state, who keeps it, and the nexuses of a
// Table that it applies to. Without a keeper a change is made at once, under a lock. With one
// it is first committed, on a goroutine that is there while there is something to commit, one
// change after the other: the commands wait for it, and no goroutine waits for them.
type Reservations struct {
	table  *Table
	keeper reserve.Keeper // nil: nothing outlives the process
	stop   func()         // ends the watching of the keeper

	ctx    context.Context // of commits that belong to no task; Close ends it
	cancel context.CancelFunc
	worker sync.WaitGroup

	mu         sync.Mutex
	state      reserve.State
	queue      []request        // to be committed, in order
	working    bool             // the worker runs
	committing bool             // Commit runs
	early      []arrival        // steps of others that follow on the one that Commit is about
	owed       []reserve.Change // that no command asked for, and that could not be committed
}

// A request is a change that waits to be committed.
type request struct {
	change reserve.Change
	task   *target.Task // nil: the change is a fact, nobody waits for it, unless it is asked
	asked  bool         // somebody waits who has no task: it is not tried again
	done   func(error)
}

// An arrival is a step that another host has committed.
type arrival struct {
	next    reserve.State
	effects reserve.Effects
	done    func()
}

// NewReservations returns the reservations of a unit whose nexuses are in table, with what
// keeper has kept. A nil keeper keeps them in this process alone.
func NewReservations(table *Table, keeper reserve.Keeper) (*Reservations, error) {
	r := &Reservations{table: table, keeper: keeper, stop: func() {}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if keeper == nil {
		return r, nil
	}
	p, err := keeper.Load(r.ctx)
	if err != nil {
		return nil, err
	}
	if r.state, err = reserve.Restore(p); err != nil {
		return nil, err
	}
	r.stop = keeper.Watch(p.Version, r.arrived)
	return r, nil
}

// Close ends the commits that no task waits for, and the watching of the keeper. No task is
// left, and no nexus is logged in.
func (r *Reservations) Close() {
	r.stop()
	r.cancel()
	r.worker.Wait()
}

// Attach makes x known to the table, with what reservations deny it.
func (r *Reservations) Attach(x *target.ITL) {
	r.mu.Lock()
	lost := r.table.Attach(x, r.state.Denied(KeyOf(x.Nexus)))
	r.mu.Unlock()
	if lost {
		r.fact(reserve.NexusLost, Of(x).key)
	}
}

// Detach ends x: a RESERVE of SPC-2 ends with its nexus, a registration stays.
func (r *Reservations) Detach(x *target.ITL) {
	if r.table.Detach(x) {
		r.fact(reserve.NexusLost, Of(x).key)
	}
}

// Event ends the reservations that an event of package target ends. The unit attentions are
// for [Table.Event] to establish.
func (r *Reservations) Event(e target.Event, x *target.ITL) {
	switch e {
	case target.LogicalUnitReset, target.TargetReset:
		r.fact(reserve.UnitReset, reserve.Nexus{})
	case target.NexusReset:
		r.fact(reserve.NexusLost, Of(x).key)
	}
}

// View calls f with the state, which f may look at until it returns. It does so under the lock
// of r: f calls nothing of this package.
func (r *Reservations) View(f func(*reserve.State)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.state)
}

// MayPersist reports that APTPL is supported.
func (r *Reservations) MayPersist() bool {
	return r.keeper != nil && r.keeper.PersistsThroughPowerLoss()
}

// Sender is what a PERSISTENT RESERVE OUT of t needs besides its parameter list.
func (r *Reservations) Sender(t *target.Task) reserve.Sender {
	from := Of(t.ITL()).key
	var there map[reserve.Nexus]string
	return reserve.Sender{
		Nexus: from, MayPersist: r.MayPersist(),
		UserOf: func(id scsi.TransportID, relative uint16) string {
			if there == nil {
				there = r.table.users(from.Target)
			}
			if user, ok := there[reserve.Nexus{Initiator: id, Target: from.Target, Port: relative}]; ok {
				return user
			}
			return from.User
		},
		KnowsPort: func(relative uint16) bool {
			return slices.ContainsFunc(t.Nexus().Port.Target.Ports(), func(p *target.Port) bool { return p.Relative == relative })
		},
	}
}

// Change makes the change c, for which t waits, and calls done, perhaps before it returns, on
// any goroutine, with no lock held: when the change is kept, the nexuses are told and denied
// what they are denied, and the tasks that it aborts have ended. After an error nothing has
// changed: it is [reserve.ErrConflict], a [scsi.Sense], [target.ErrAborted], or what the keeper
// says.
func (r *Reservations) Change(t *target.Task, c reserve.Change, done func(error)) {
	if r.keeper != nil {
		r.enqueue(request{change: c, task: t, done: done})
		return
	}
	r.mu.Lock()
	e, err := r.state.Apply(c)
	if err == nil {
		r.establish(e)
	}
	r.mu.Unlock()
	if err != nil {
		done(err)
		return
	}
	r.abort(e.Aborted, t, func() { done(nil) })
}

// fact makes a change that no command asks for, and that has happened whatever a keeper says.
func (r *Reservations) fact(o reserve.Op, from reserve.Nexus) {
	c := reserve.Change{Op: o, From: from}
	r.mu.Lock()
	if r.keeper == nil {
		if e, err := r.state.Apply(c); err == nil {
			r.establish(e)
		}
		r.mu.Unlock()
		return
	}
	if !r.working && len(r.owed) == 0 && !r.state.UnitReserved() {
		r.mu.Unlock() // as nearly always: there is nothing to end
		return
	}
	r.mu.Unlock()
	r.enqueue(request{change: c, done: func(error) {}})
}

// enqueue lets the worker commit q, after all that came before. What is owed goes first.
func (r *Reservations) enqueue(q request) {
	r.mu.Lock()
	for _, c := range r.owed {
		r.queue = append(r.queue, request{change: c, done: func(error) {}})
	}
	r.owed = nil
	r.queue = append(r.queue, q)
	start := !r.working
	r.working = true
	r.mu.Unlock()
	if start {
		r.worker.Go(r.work)
	}
}

// work commits what is in the queue.
func (r *Reservations) work() {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 {
			r.queue, r.working = nil, false
			r.mu.Unlock()
			return
		}
		q := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Unlock()
		aborted, err := r.commit(q)
		if err != nil {
			if q.task == nil && !q.asked && r.ctx.Err() == nil {
				r.owe(q.change)
			}
			q.done(err)
			continue
		}
		r.abort(aborted, q.task, func() { q.done(nil) })
	}
}

// owe notes a fact that could not be committed. It is tried again before the next change.
func (r *Reservations) owe(c reserve.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := func(o reserve.Change) bool { return o.Op == c.Op && o.From == c.From }
	if !slices.ContainsFunc(r.owed, same) {
		r.owed = append(r.owed, c)
	}
}

// commit makes one change and returns the nexuses whose tasks it aborts.
func (r *Reservations) commit(q request) ([]reserve.Nexus, error) {
	ctx := r.ctx
	if q.task != nil {
		ctx = q.task.Context()
	}
	for {
		if r.ctx.Err() != nil { // closed: what is kept is another's now
			return nil, r.ctx.Err()
		}
		if q.task != nil && q.task.Aborted() {
			return nil, target.ErrAborted
		}
		r.mu.Lock()
		next := r.state.Clone()
		e, err := next.Apply(q.change)
		if err != nil || !e.Changed {
			r.mu.Unlock()
			return nil, err
		}
		r.committing = true
		r.mu.Unlock()

		err = r.keeper.Commit(ctx, reserve.Step{After: next.Snapshot(), Effects: e})

		r.mu.Lock()
		r.committing = false
		came := r.state.Version() >= next.Version() // another step came first
		if err == nil && !came {
			r.state = next
			r.establish(e)
		}
		ends := r.catchUp()
		r.mu.Unlock()
		for _, end := range ends {
			end()
		}
		switch {
		case came && (err == nil || errors.Is(err, reserve.ErrStale)):
			continue
		case err != nil:
			return nil, err
		}
		return e.Aborted, nil
	}
}

// arrived takes a step of another host.
func (r *Reservations) arrived(s reserve.Step, done func()) error {
	next, err := reserve.Restore(s.After)
	if err != nil {
		return err
	}
	r.mu.Lock()
	if r.committing && next.Version() > r.state.Version()+1 {
		r.early = append(r.early, arrival{next, s.Effects, done})
		r.mu.Unlock()
		return nil
	}
	aborted := r.follow(next, s.Effects)
	r.mu.Unlock()
	r.abort(aborted, nil, done)
	return nil
}

// catchUp takes the steps of others that came while a commit of this host was under way. It
// returns what is to be called without a lock to end them. r.mu is held.
func (r *Reservations) catchUp() (ends []func()) {
	for _, a := range r.early {
		aborted := r.follow(a.next, a.effects)
		ends = append(ends, func() { r.abort(aborted, nil, a.done) })
	}
	r.early = nil
	return ends
}

// follow goes to the state that another host has made, and returns the nexuses whose tasks
// are aborted. r.mu is held.
func (r *Reservations) follow(next reserve.State, e reserve.Effects) []reserve.Nexus {
	switch {
	case next.Version() <= r.state.Version():
		return nil
	case next.Version() > r.state.Version()+1:
		e = r.state.Difference(&next)
	}
	r.state = next
	r.establish(e)
	return e.Aborted
}

// establish tells the nexuses what a change of the state means for them. r.mu is held.
func (r *Reservations) establish(e reserve.Effects) {
	for _, a := range e.Attentions {
		r.table.Establish(a.To, a.ASC)
	}
	if e.Changed {
		r.table.Deny(r.state.Denied)
	}
}

// abort aborts the tasks of the victims but for t, which asked for it and may be nil, and
// calls done when they have ended. No lock is held.
func (r *Reservations) abort(victims []reserve.Nexus, t *target.Task, done func()) {
	u := r.table.unitOf(victims)
	if u == nil {
		done()
		return
	}
	var by *target.Nexus
	if t != nil {
		by = t.Nexus()
	}
	u.Abort(by, func(o *target.Task) bool { return o != t && slices.Contains(victims, KeyOf(o.Nexus())) }, done)
}

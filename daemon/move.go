package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
)

// drainLimit is how long tasks may go on at a device that goes; then they are aborted.
const drainLimit = 10 * time.Second

// A move puts a device in the place of another, or takes one away, behind logical units that initiators
// know: tasks that have started end, those that come wait, and go on with the new device. It begins when
// the transition is published, on a goroutine of its own.
type move struct {
	c     *units
	job   *unitJob
	old   *unit // nil: it takes what others leave
	next  *unit // nil: it goes
	bases map[string]*base
	specs map[string]model.Plugin // of bases

	ready *device          // open already: nothing is handed over
	given map[string]*base // to the device that is to be made
	sizes map[string]int64 // of what is given
	news  []plugin.Notice
	after []*move // that leave what it takes
	erase bool    // the data goes as well

	released chan struct{} // closed when the old device has left its stores
	done     chan struct{}

	mu     sync.Mutex
	handed map[*base]bool // what of the old device others take
	err    error          // of the end of the old device, until it is told
}

func newMove(c *units, j *unitJob) *move {
	m := &move{c: c, job: j, old: j.old, released: make(chan struct{}), done: make(chan struct{}), handed: make(map[*base]bool)}
	if j.old != nil {
		m.bases, m.specs = j.old.device.Load().stores.all(), storesOf(&j.old.spec)
	}
	return m
}

// releases reports that the old device can leave its stores open.
func (m *move) releases() bool {
	if m.old == nil {
		return false
	}
	d := m.old.device.Load()
	return d.err == nil && !slices.ContainsFunc(d.parts, func(p plugin.Unit) bool { return p.Release == nil })
}

// hand notes that another takes b, if it is one of the old device.
func (m *move) hand(b *base) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, own := range m.bases {
		if own == b {
			m.handed[b] = true
		}
	}
}

// logical are the logical units that the move is about, each once.
func (m *move) logical() (all []*logicalUnit) {
	seen := make(map[any]bool)
	for _, u := range []*unit{m.old, m.next} {
		if u == nil {
			continue
		}
		for _, l := range u.logical {
			if !seen[l.Unit] {
				seen[l.Unit] = true
				all = append(all, l)
			}
		}
	}
	return all
}

// drain lets no task start any more: it is the part of the publication.
func (m *move) drain() {
	if m.old != nil {
		m.old.device.Load().leaves.Store(true)
	}
	for _, l := range m.logical() {
		l.Drain()
	}
}

// start runs moves that were drained.
func (c *units) start(moves []*move) {
	c.mu.Lock()
	c.moves = append(c.moves, moves...)
	c.mu.Unlock()
	for _, m := range moves {
		c.working.Go(func() {
			if !m.run(c.life) {
				return
			}
			c.mu.Lock()
			c.moves = slices.DeleteFunc(c.moves, func(o *move) bool { return o == m })
			c.mu.Unlock()
			close(m.done)
		})
	}
}

// underWay are the moves of u that have not ended.
func (c *units) underWay(u *unit) (all []*move) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.moves {
		if m.old != nil && m.old.device == u.device || m.next != nil && m.next.device == u.device {
			all = append(all, m)
		}
	}
	return all
}

// run does the move; it reports false if ctx ends before.
func (m *move) run(ctx context.Context) bool {
	if m.old != nil {
		if !m.emptied(ctx) {
			return false
		}
		was := m.old.device.Load()
		if m.ready != nil {
			m.install(m.ready)
			m.ended(was.stores.lost(), m.release(was))
			close(m.released)
			return true
		}
		m.leave()
		m.ended(was.stores.lost(), m.release(was))
		close(m.released)
		if m.next == nil {
			m.refill()
			return true
		}
	}
	for _, a := range m.after {
		select {
		case <-a.released:
		case <-ctx.Done():
			return false
		}
	}
	m.install(m.make(ctx))
	return true
}

// emptied waits until no task is at the old device.
func (m *move) emptied(ctx context.Context) bool {
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	for _, l := range m.old.logical {
		if l.Drained(limit) != nil && ctx.Err() == nil {
			m.c.d.log.Warn("tasks of a unit whose device goes are aborted: they have not ended in time", "unit", l.name, "limit", drainLimit)
			l.AbortStarted()
		}
	}
	for _, l := range m.old.logical {
		if l.Drained(ctx) != nil {
			return false
		}
	}
	return true
}

// leave puts what stands in for them in the place of the logical units of the old device.
func (m *move) leave() {
	for _, l := range m.old.logical {
		m.standIn(l)
	}
	m.old.device.Store(m.c.absent(m.old.spec, nil, errMoving))
}

func (m *move) standIn(l *logicalUnit) {
	lu, err := m.c.standIn(m.old.spec)
	if err != nil { // its options were right when it was opened
		m.c.d.log.Error("nothing stands in for a unit", "unit", l.name, "error", err)
		return
	}
	l.Install(lu)
}

// release closes a device, but for the stores that others take.
func (m *move) release(was *device) error {
	m.mu.Lock()
	handed := m.handed
	m.mu.Unlock()
	if len(handed) == 0 {
		return errors.Join(was.close(), m.remove())
	}
	errs := []error{was.release()}
	for _, b := range m.bases {
		if !handed[b] {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}

// remove takes the data away, if that is wanted.
func (m *move) remove() error {
	if !m.erase {
		return nil
	}
	var errs []error
	for _, b := range m.bases {
		if b.Remove != nil {
			errs = append(errs, b.Remove())
		}
	}
	return errors.Join(errs...)
}

// make makes the new device of what it is given.
func (m *move) make(ctx context.Context) *device {
	spec := m.next.spec
	err := m.resize(ctx)
	var d *device
	if err == nil {
		d, err = m.c.open(ctx, spec, m.given)
	}
	if err != nil {
		m.c.d.log.Error("a unit is not ready: it is tried again", "unit", spec.Name, "error", err)
		return m.c.absent(spec, m.given, err)
	}
	for _, n := range m.news {
		d.stores.note(n)
	}
	d.stores.tell()
	return d
}

// resize gives stores that nobody uses now the sizes that they are to have.
func (m *move) resize(ctx context.Context) error {
	for name, size := range m.sizes {
		b := m.given[name]
		if b == nil || b.Info().Size == size {
			continue
		}
		r, ok := store.As[store.Resizer](b.Store)
		if !ok {
			return fmt.Errorf("another size: %w by the store", store.ErrNotSupported)
		}
		if err := r.Resize(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// install puts d behind the logical units, and lets their tasks go on.
func (m *move) install(d *device) {
	has := make(map[any]bool)
	for i, l := range m.next.logical {
		lu, err := m.c.logicalUnitOf(d, m.next.spec, i)
		if err != nil { // as in standIn
			m.c.d.log.Error("nothing stands in for a unit", "unit", l.name, "error", err)
			continue
		}
		has[l.Unit] = true
		l.Install(lu)
	}
	if m.old != nil {
		for _, l := range m.old.logical { // of those that the new device does not have
			if !has[l.Unit] {
				m.standIn(l)
			}
		}
	}
	m.next.device.Store(d)
	m.refill()
	if d.err != nil {
		m.c.wake()
	}
}

func (m *move) refill() {
	for _, l := range m.logical() {
		l.Refill()
	}
}

// ended notes how the old device has ended.
func (m *move) ended(errs ...error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = errors.Join(append(errs, m.err)...)
}

// wait waits for the end of the move. An error of the end of the old device is told once.
func (m *move) wait(ctx context.Context) error {
	fail := func(err error) error { return &apply.EndingError{Key: m.job.key(), Err: err} }
	if !ended(ctx, m.done) {
		return fail(fmt.Errorf("tasks of the unit have not ended: %w", context.Cause(ctx)))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.err
	m.err = nil
	if err != nil {
		return fail(err)
	}
	return nil
}

// abandon closes what a move that has not ended has left. The daemon stops: nobody uses any of it.
func (m *move) abandon() error {
	var errs []error
	if m.next == nil {
		select {
		case <-m.released:
		default:
			errs = append(errs, m.old.close())
		}
	}
	if m.ready != nil {
		errs = append(errs, m.ready.close())
	}
	for _, b := range m.given {
		errs = append(errs, b.Close())
	}
	return errors.Join(errs...)
}

package daemon

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// How long the daemon waits before it tries again to open a unit that cannot be opened: twice as long each
// time.
const (
	firstTry = time.Second
	lastTry  = time.Minute
)

// waiting says of a device that is not open when it is tried again. Daemon.changing guards it.
type waiting struct {
	since time.Time
	wait  time.Duration
	next  time.Time
}

// again notes that it could not be opened at a time.
func (w *waiting) again(now time.Time) {
	w.wait = min(max(2*w.wait, firstTry), lastTry)
	w.next = now.Add(w.wait)
}

// unopened reports that the device is not open, and nobody is about to open it.
func (d *device) unopened() bool { return d.err != nil && d.err != errMoving }

// wake lets the daemon look for units that are not open.
func (c *units) wake() {
	select {
	case c.d.unopened <- struct{}{}:
	default:
	}
}

// retry tries to open the units whose time has come. It reports whether there are units that are not open.
func (c *units) retry(now time.Time) (left bool) {
	for _, u := range c.load() {
		if u.device.Load().unopened() {
			left = true
			break
		}
	}
	if !left {
		return false
	}
	if !c.d.changing.TryLock() { // who changes something comes first
		return true
	}
	defer c.d.changing.Unlock()
	for _, u := range c.load() {
		d := u.device.Load()
		if !d.unopened() || now.Before(d.waiting.next) || c.life.Err() != nil {
			continue
		}
		opened, err := c.open(c.life, u.spec, d.stores.given)
		if err == nil {
			if _, err = unclaimed(c.load(), map[*unit]*device{u: opened}); err == nil {
				c.ready(u, opened)
				continue
			}
			err = errors.Join(err, opened.abandon())
		}
		next := c.absent(u.spec, d.stores.given, err)
		next.waiting = d.waiting
		next.waiting.again(now)
		if err.Error() != d.err.Error() {
			c.d.log.Error("a unit is still not ready", "unit", u.name(), "error", err)
		}
		u.device.Store(next)
	}
	return true
}

// ready puts a device that could be opened at last in its place.
func (c *units) ready(u *unit, d *device) {
	c.d.log.Info("a unit is ready", "unit", u.name())
	spec := u.spec
	m := newMove(c, &unitJob{old: u, spec: &spec})
	m.next, m.ready = u, d
	d.stores.tell()
	m.drain()
	c.start([]*move{m})
}

// tryAll begins to wait for units that are not open. Daemon.changing is held.
func (c *units) tryAll(all []*unit) {
	for _, u := range all {
		d := u.device.Load()
		if !d.unopened() || !d.waiting.next.IsZero() {
			continue
		}
		d.waiting.again(time.Now())
		c.d.log.Error("a unit is not ready: it is tried again", "unit", u.name(), "error", d.err)
		c.wake()
	}
}

// conditions are those of units that are not ready.
func (c *units) conditions() (all []apply.Condition) {
	for _, u := range c.load() {
		if d := u.device.Load(); d.unopened() {
			all = append(all, apply.Condition{
				Key: model.Key{Kind: model.UnitObject, Name: u.name()}, Type: apply.NotReady, Message: oneLine(d.err), Since: d.waiting.since,
			})
		}
	}
	return all
}

// facts are those of a logical unit: of the device, or why there is none.
func (l *logicalUnit) facts() api.Facts {
	if d := l.device.Load(); d.err != nil {
		return api.Facts{{Name: "notReady", Value: oneLine(d.err), Column: "STORE", Text: "not ready: " + oneLine(d.err)}}
	}
	what, _ := l.describe()
	return what.Facts
}

// removing prepares the end of a unit.
func (p *unitPlan) removing(j *unitJob) error {
	for _, name := range p.x.Delete {
		if name != j.old.name() {
			continue
		}
		for _, b := range j.move.bases {
			kind, err := plugin.Find(p.c.d.reg.Stores, "store", b.spec.Kind)
			if err != nil {
				return err
			}
			if b.Remove == nil && !kind.Volatile {
				return fmt.Errorf("its data cannot be removed: a %s store has no file of its own", kind.Name)
			}
		}
		j.move.erase = true
	}
	return nil
}

// erases refuses to remove data that goes on to another unit.
func (p *unitPlan) erases(j *unitJob) error {
	if j.move == nil || !j.move.erase {
		return nil
	}
	for _, b := range j.move.bases {
		if other, ok := p.fresh[b.same]; ok && b.same != "" {
			return fmt.Errorf("its data cannot be removed: the unit %q gets it", other)
		}
	}
	return nil
}

// Shrinks implements [plan.Live].
func (d *Daemon) Shrinks(old, new *model.Unit) bool {
	now := make(map[string]*base)
	if old != nil {
		if u, ok := d.units.find(old.Name); ok {
			now = u.device.Load().stores.all()
		}
	}
	for name, spec := range storesOf(new) {
		kind, err := plugin.Find(d.reg.Stores, "store", spec.Kind)
		if err != nil {
			continue
		}
		size, b := grownTo(kind, spec.Values), now[name]
		if size == 0 {
			continue
		}
		if b != nil && b.spec.Kind == spec.Kind {
			if renewed, _, _ := differ(kind.Options, b.spec.Values, spec.Values); renewed && b.same != "" {
				b = d.units.at(kind, spec)
			}
		} else {
			b = d.units.at(kind, spec)
		}
		if b != nil && size < b.Info().Size {
			return true
		}
	}
	return false
}

// at is the store that is open at the place of spec, of whichever unit; nil: there is none.
func (c *units) at(kind plugin.Store, spec model.Plugin) *base {
	f, err := found(kind, sizeless(kind, spec.Values))
	if err != nil || f.Same == "" {
		return nil
	}
	for _, u := range c.load() {
		for _, b := range u.device.Load().stores.all() {
			if b.same == f.Same && b.spec.Kind == spec.Kind {
				return b
			}
		}
	}
	return nil
}

func newPlace(d *device) *atomic.Pointer[device] {
	p := new(atomic.Pointer[device])
	p.Store(d)
	return p
}

// found is what a store is before it is opened; empty where its kind does not say.
func found(kind plugin.Store, v model.Values) (plugin.Found, error) {
	if kind.Look == nil {
		return plugin.Found{}, nil
	}
	return kind.Look(v)
}

// noteAbsent makes a note of what is wrong with an optional unit.
func (l *looker) noteAbsent(u *model.Unit, path string, err error) {
	if u.Optional {
		l.doc.Notes = append(l.doc.Notes, l.doc.Problem(path, &notServed{err}))
	}
}

// notServed is the note of a unit that would not be ready.
type notServed struct{ err error }

func (n *notServed) Error() string {
	return "the unit is optional, and would not be ready now: " + n.err.Error()
}

func (n *notServed) Unwrap() error { return n.err }

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/target"
)

// A unit is what the document calls so, as it is served. It is not changed: a change makes another, which
// has the same logical units where those go on, and the same place for their device.
type unit struct {
	spec    model.Unit
	logical []*logicalUnit // by spec.Names
	// device is what is behind the logical units now. Whoever replaces it has drained them.
	device *atomic.Pointer[device]
}

// A logicalUnit is one that LUNs can map. The [target.Unit] stays the same when it is called otherwise, and
// when another device takes its place.
type logicalUnit struct {
	*target.Unit
	name   string // UNIT or UNIT/NAME
	index  int    // of the logical units of its device
	device *atomic.Pointer[device]
}

// describe is what the logical unit says of itself; nothing while there is no device.
func (l *logicalUnit) describe() (plugin.Description, bool) {
	d := l.device.Load()
	if d.err != nil || d.parts[l.index].Describe == nil {
		return plugin.Description{}, false
	}
	return d.parts[l.index].Describe(), true
}

func (u *unit) name() string { return u.spec.Name }

// close makes everything durable and closes it. What others have taken away is not durable.
func (u *unit) close() error {
	d := u.device.Load()
	err := d.stores.lost()
	if errs := errors.Join(err, d.close()); errs != nil {
		return fmt.Errorf("unit %s: %w", u.name(), errs)
	}
	return nil
}

// newUnit makes a unit of a device, with logical units of its own.
func (c *units) newUnit(spec model.Unit, d *device) (*unit, error) {
	u := &unit{spec: spec, device: new(atomic.Pointer[device])}
	u.device.Store(d)
	for i, name := range spec.Names {
		lu, err := c.logicalUnitOf(d, spec, i)
		if err != nil {
			return nil, err
		}
		u.logical = append(u.logical, &logicalUnit{target.NewUnit(name, lu), name, i, u.device})
	}
	return u, nil
}

// following makes the unit of spec that comes after u in its place: what u has of its logical units goes
// on, and what is new stands in until a device is there.
func (c *units) following(u *unit, spec model.Unit) (*unit, error) {
	next := &unit{spec: spec, device: u.device}
	for i, name := range spec.Names {
		l := &logicalUnit{name: name, index: i, device: next.device}
		for _, old := range u.logical {
			if suffix(old.name) == suffix(name) {
				l.Unit = old.Unit
			}
		}
		if l.Unit == nil {
			lu, err := c.standIn(spec)
			if err != nil {
				return nil, err
			}
			l.Unit = target.NewUnit(name, lu)
		}
		next.logical = append(next.logical, l)
	}
	return next, nil
}

// suffix is the name of a logical unit in its unit: that behind the slash, or nothing.
func suffix(name string) string {
	_, own, _ := strings.Cut(name, "/")
	return own
}

// units are the units of a daemon.
type units struct {
	d *Daemon
	list[*unit]

	// life ends when the daemon stops: that of the goroutines that put devices in the place of others.
	life    context.Context
	end     context.CancelFunc
	working sync.WaitGroup
	later   atomic.Int64 // descriptors that stores may open later
	places  heldPlaces   // what units have opened by paths

	// mu guards moves: those that are under way.
	mu    sync.Mutex
	moves []*move
}

// made sets up the parts of a daemon.
func (d *Daemon) made() {
	d.units.d, d.targets.d, d.networks.d, d.nodes.d, d.portals.d = d, d, d, d, d
	d.unopened = make(chan struct{}, 1)
	c := &d.units
	c.life, c.end = context.WithCancel(context.Background())
	c.places.stored = c.storedAt
}

// logicalUnit finds a logical unit by its name.
func (c *units) logicalUnit(name string) (*logicalUnit, bool) {
	unit, _, _ := strings.Cut(name, "/")
	if u, ok := c.find(unit); ok {
		for _, l := range u.logical {
			if l.name == name {
				return l, true
			}
		}
	}
	return nil, false
}

// unclaimed reports an error if two logical units have the same, with the unit that came last.
func unclaimed(all []*unit, opened map[*unit]*device) (*unit, error) {
	type claim struct{ what, value string }
	taken := make(map[claim]string)
	var clash *unit
	var first error
	for _, fresh := range []bool{false, true} { // of two that clash the one that is new is wrong
		for _, u := range all {
			d := opened[u]
			if (d != nil) != fresh {
				continue
			}
			if d == nil {
				d = u.device.Load()
			}
			for i, part := range d.parts {
				for _, x := range part.Claims {
					k := claim{x.What, x.Value}
					if other, ok := taken[k]; ok && first == nil {
						clash, first = u, fmt.Errorf("unit %s: its %s %s is that of the unit %s already: initiators would take the two for one: %s", u.name(), x.What, x.Value, other, x.Cure)
					}
					taken[k] = u.spec.Names[min(i, len(u.spec.Names)-1)]
				}
			}
		}
	}
	return clash, first
}

// ordered are the units of a document, in its order.
func ordered(doc *model.Document, now map[string]*unit) []*unit {
	all := make([]*unit, 0, len(now))
	for _, spec := range doc.Units {
		if u, ok := now[spec.Name]; ok {
			all = append(all, u)
		}
	}
	return all
}

// tell writes what there is to tell of the units into the log, once there is no start that may fail.
func (c *units) tell() {
	if !c.d.serving.Load() {
		return
	}
	for _, u := range c.load() {
		u.device.Load().stores.tell()
	}
}

// stop ends what is under way, and closes all units. No session is left.
func (c *units) stop(ctx context.Context) error {
	ended := make(chan struct{})
	go func() { c.working.Wait(); close(ended) }()
	select {
	case <-ended: // as nearly always: no task is left that would be waited for
	case <-ctx.Done():
	}
	c.end()
	<-ended
	var errs []error
	for _, u := range c.load() {
		errs = append(errs, u.close())
	}
	c.mu.Lock()
	left := slices.Clone(c.moves)
	c.mu.Unlock()
	for _, m := range left {
		errs = append(errs, m.abandon())
	}
	return errors.Join(errs...)
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/unready"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// A device is what is behind the logical units of a unit: an open device on its stores, or the reason why
// there is none. It is not changed.
type device struct {
	// leaves: another takes its place, or it goes. What earlier changes have left to be done to it is not done
	// any more.
	leaves atomic.Bool
	parts  []plugin.Unit // by the names of the unit; none if it is not open
	stores *stores       // with nothing open in it, if the device is not open, but for what it was given
	err    error         // why it is not open
	waiting
}

// errMoving is the reason of a device that waits for its stores: another unit still has them.
var errMoving = errors.New("its store is being handed over")

// logicalUnit is that at i: of the device, or what stands in for it.
func (c *units) logicalUnitOf(d *device, spec model.Unit, i int) (target.LogicalUnit, error) {
	if d.err != nil {
		return c.standIn(spec)
	}
	return d.parts[i].LU, nil
}

// close closes the logical units, which make everything durable, and their stores.
func (d *device) close() error {
	var errs []error
	for _, p := range d.parts {
		errs = append(errs, p.LU.Close())
	}
	return errors.Join(append(errs, d.stores.closeGiven())...)
}

// abandon takes the device back: what opening it has made is gone afterwards.
func (d *device) abandon() error { return errors.Join(d.stores.unmake(), d.close()) }

// release closes the logical units and leaves the stores open.
func (d *device) release() error {
	var errs []error
	for _, p := range d.parts {
		errs = append(errs, p.Release())
	}
	return errors.Join(errs...)
}

// open opens the device of a unit. Its stores are those that it is given, and others that it opens. After
// an error those that it was given are still open.
func (c *units) open(ctx context.Context, spec model.Unit, given map[string]*base) (*device, error) {
	kind, err := plugin.Find(c.d.reg.Devices, "device", spec.Device.Kind)
	if err != nil {
		return nil, err
	}
	log := c.d.log.With("unit", spec.Name)
	s := &stores{reg: &c.d.reg, spec: spec, log: log, given: given, record: c.d.unitRecord(spec.Name), places: &c.places, memory: c.d.arena.Regions()}
	parts := plugin.Parts{Name: spec.Name, Log: log, Note: s.note, Values: spec.Device.Values, Arena: c.d.arena, Stores: s}
	if s.record != nil {
		parts.Keep = func(name string) store.Record { return slot{s.record, "device-" + name} }
	}
	some, err := kind.Open(ctx, parts)
	if err != nil {
		return nil, errors.Join(err, s.drop())
	}
	s.taken()
	for name, b := range s.all() {
		if given[name] != b {
			c.later.Add(int64(b.Later))
		}
	}
	d := &device{parts: some, stores: s}
	var names []string
	for _, p := range some {
		names = append(names, model.LogicalUnit(spec.Name, p.Name))
	}
	if !slices.Equal(names, spec.Names) {
		return nil, errors.Join(fmt.Errorf("a %s device is %v, and not %v as it says", kind.Name, names, spec.Names), d.abandon())
	}
	return d, nil
}

// standIn is a logical unit for one that is not open: who it is, if its options say so.
func (c *units) standIn(spec model.Unit) (target.LogicalUnit, error) {
	kind, err := plugin.Find(c.d.reg.Devices, "device", spec.Device.Kind)
	if err != nil {
		return nil, err
	}
	v := spec.Device.Values
	id, err := plugin.Identity(kind.Type, spec.Name, v)
	if err != nil {
		return nil, err
	}
	return unready.New(id, !plugin.Named(v) || len(spec.Names) != 1)
}

// absent is a device that is not open, because of err, and what it keeps open until it can be.
func (c *units) absent(spec model.Unit, given map[string]*base, err error) *device {
	return &device{err: err, waiting: waiting{since: time.Now()}, stores: &stores{reg: &c.d.reg, spec: spec, log: c.d.log.With("unit", spec.Name), given: given}}
}

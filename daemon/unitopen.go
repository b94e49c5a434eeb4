package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
)

// places are where the stores of a unit come from.
type places struct {
	given map[string]*base // open, of units whose devices go
	from  []*move          // of those units
	late  bool             // one is where another still is, with other options: it is opened when that is closed
	found map[string]plugin.Found
	sizes map[string]int64 // of what is given: another size
	makes []plugin.Made    // what opening makes
}

// opening prepares a unit that comes, or the device that takes the place of another.
func (p *unitPlan) opening(ctx context.Context, j *unitJob) error {
	var at places
	var err error
	if j.ahead == nil {
		if at, err = p.places(j); err == nil {
			err = p.note(at)
		}
		p.alone(j, &at)
	} else {
		at, err = j.ahead.at, j.ahead.err
	}
	var u *unit
	var d *device
	switch {
	case err != nil:
	case j.ahead != nil:
		d = j.ahead.device
		u, err = p.c.newUnit(*j.spec, d)
	case at.late || len(at.given) > 0:
		u, d, err = p.movingIn(ctx, j, at)
	case j.old == nil:
		if d, err = p.c.open(ctx, *j.spec, nil); err == nil {
			p.x.undo.add(d.abandon)
			u, err = p.c.newUnit(*j.spec, d)
		}
	default:
		if d, err = p.c.open(ctx, *j.spec, nil); err == nil {
			p.x.undo.add(d.abandon)
			j.move.ready = d
			u, err = p.c.following(j.old, *j.spec)
		}
	}
	if err != nil {
		if j.old != nil || !p.mayFail(j.spec) || ctx.Err() != nil {
			return err
		}
		u, d = p.c.absentUnit(*j.spec, err), nil
	}
	p.now[u.name()] = u
	if d != nil {
		p.opened[u] = d
	}
	if j.move != nil {
		j.move.next = u
	}
	return nil
}

// alone lets a device be made when the one that it takes the place of is closed, if it cannot be open beside that.
func (p *unitPlan) alone(j *unitJob, at *places) {
	if j.old == nil || j.move == nil || j.old.spec.Device.Kind != j.spec.Device.Kind {
		return
	}
	if kind, err := plugin.Find(p.c.d.reg.Devices, "device", j.spec.Device.Kind); err == nil && kind.Alone {
		at.late = true
		if !slices.Contains(at.from, j.move) {
			at.from = append(at.from, j.move)
		}
	}
}

// absentUnit is a unit that cannot be opened because of err.
func (c *units) absentUnit(spec model.Unit, err error) *unit {
	u, wrong := c.newUnit(spec, c.absent(spec, nil, err))
	if wrong != nil { // its names are those of a valid document
		c.d.log.Error("a unit has no logical units", "unit", spec.Name, "error", wrong)
		u = &unit{spec: spec, device: newPlace(c.absent(spec, nil, err))}
	}
	return u
}

// movingIn prepares a unit whose stores are still another's: its device is tried on them, and made when they
// are free.
func (p *unitPlan) movingIn(ctx context.Context, j *unitJob, at places) (u *unit, d *device, err error) {
	kind, err := plugin.Find(p.c.d.reg.Devices, "device", j.spec.Device.Kind)
	if err != nil {
		return nil, nil, err
	}
	if j.move == nil {
		j.move = newMove(p.c, j)
	}
	m := j.move
	for _, from := range at.from {
		if from != m {
			m.after = append(m.after, from)
		}
		if len(at.given) > 0 && (!kind.Releases || !from.releases()) {
			return nil, nil, errors.New("its device type cannot hand stores over while they are used: remove the unit, and add it again")
		}
	}
	m.given, m.sizes = at.given, at.sizes
	for name, b := range at.given { // as large as it is going to be
		size := b.Info().Size
		if other, ok := at.sizes[name]; ok {
			size = other
		}
		at.found[name] = plugin.Found{Size: size, Same: b.same}
	}
	if kind.Fits != nil {
		if err = kind.Fits(j.spec.Device.Values, at.found); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case !at.late:
		if d, err = p.c.open(ctx, *j.spec, at.given); err != nil {
			return nil, nil, err
		}
		if err = d.release(); err != nil {
			return nil, nil, err
		}
		m.given, m.news = d.stores.all(), d.stores.news
		p.x.undo.add(func() error { return d.stores.unmakeAll(at.given) })
		if err = p.grow(ctx, at); err != nil {
			return nil, nil, err
		}
	}
	if d == nil {
		d = &device{}
	}
	if j.old != nil {
		u, err = p.c.following(j.old, *j.spec)
	} else {
		u, err = p.c.newUnit(*j.spec, p.c.absent(*j.spec, nil, errMoving))
	}
	if err != nil {
		return nil, nil, err
	}
	for _, b := range at.given {
		for _, from := range at.from {
			from.hand(b)
		}
	}
	return u, d, nil
}

// grow makes stores longer that are handed over, if that can be done under way; all others get their size
// when the device is made.
func (p *unitPlan) grow(ctx context.Context, at places) error {
	for name, size := range at.sizes {
		b := at.given[name]
		live, ok := store.As[store.LiveResizer](b.Store)
		was := b.Info().Size
		if !ok || size <= was {
			continue
		}
		if b.File != "" {
			if err := p.x.makes(plugin.Made{Path: b.File, Grown: true, Size: was}); err != nil {
				return err
			}
		}
		p.x.undo.add(func() error { return live.ResizeLive(p.c.life, was) })
		if err := live.ResizeLive(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// places finds out where the stores of a unit are.
func (p *unitPlan) places(j *unitJob) (at places, err error) {
	at = places{given: make(map[string]*base), found: make(map[string]plugin.Found), sizes: make(map[string]int64)}
	if p.x.first { // nobody has a store yet; two that want one find out by its lock
		return at, nil
	}
	stores := storesOf(j.spec)
	for _, name := range sortedKeys(stores) {
		if err := p.place(j, name, stores[name], &at); err != nil {
			return at, err
		}
	}
	return at, nil
}

// place finds out where one store is.
func (p *unitPlan) place(j *unitJob, name string, spec model.Plugin, at *places) error {
	kind, err := plugin.Find(p.c.d.reg.Stores, "store", spec.Kind)
	if err != nil {
		return err
	}
	give := func(m *move, b *base, size int64) error {
		if err := p.takes(j, b.same, spec); err != nil {
			return err
		}
		if size > 0 && size < b.Info().Size && !j.loses {
			return fmt.Errorf("%s: it has %s, and would be cut to %s, which the plan does not say: name it as the unit does that has it now",
				spec.Values.String("path"), model.Size(b.Info().Size).InWords(), model.Size(size).InWords())
		}
		at.given[name] = b
		if !slices.Contains(at.from, m) {
			at.from = append(at.from, m)
		}
		if size > 0 && size != b.Info().Size {
			at.sizes[name] = size
		}
		return nil
	}
	for _, m := range p.moves() { // one that is described alike
		for other, b := range m.bases {
			own := m.job == j && other == name // what has no place is handed over to nobody else
			if b.spec.Kind != spec.Kind || !own && b.same == "" {
				continue
			}
			if renewed, _, _ := differ(kind.Options, m.specs[other].Values, spec.Values); !renewed {
				return give(m, b, grownTo(kind, spec.Values)) // which it may not have yet
			}
		}
	}
	f, err := found(kind, p.lookedFor(kind, spec))
	if err != nil {
		return err
	}
	at.found[name] = f
	if f.Same == "" {
		return nil
	}
	for _, m := range p.moves() { // one at the same place
		for other, b := range m.bases {
			switch {
			case b.same != f.Same || b.spec.Kind != spec.Kind:
			case alike(kind, m.specs[other].Values, spec.Values):
				return give(m, b, grownTo(kind, spec.Values))
			default:
				if size, has := grownTo(kind, spec.Values), b.Info().Size; size > 0 && size != has {
					return fmt.Errorf("%s: it has %s, and cannot become %s while it is opened in another way: change the one, and then the other",
						spec.Values.String("path"), model.Size(has).InWords(), model.Size(size).InWords())
				}
				if err := p.takes(j, b.same, spec); err != nil {
					return err
				}
				at.late = true
				if !slices.Contains(at.from, m) {
					at.from = append(at.from, m)
				}
				return nil
			}
		}
	}
	if other, ok := p.holder(f.Same, j.spec.Name); ok {
		return fmt.Errorf("%s: the unit %q serves it already, perhaps by another name: %w", spec.Values.String("path"), other, errHeld)
	}
	p.fresh[f.Same] = j.spec.Name
	at.makes = append(at.makes, f.Makes...)
	return nil
}

// note notes what opening the stores of a unit is going to make.
func (p *unitPlan) note(at places) error {
	for _, m := range at.makes {
		if err := p.x.makes(m); err != nil {
			return err
		}
	}
	return nil
}

// takes notes that the unit of a job has a place from now on; of two that want it the second is refused.
func (p *unitPlan) takes(j *unitJob, same string, spec model.Plugin) error {
	if same == "" {
		return nil
	}
	if other, ok := p.fresh[same]; ok {
		return fmt.Errorf("%s: the unit %q serves it already, perhaps by another name: %w", spec.Values.String("path"), other, errHeld)
	}
	p.fresh[same] = j.spec.Name
	return nil
}

// moves are those of units whose devices go.
func (p *unitPlan) moves() (all []*move) {
	for _, j := range p.jobs {
		if j.move != nil && j.old != nil {
			all = append(all, j.move)
		}
	}
	return all
}

// lookedFor are the options by which a store is looked for: without the size, if a unit whose device goes is
// at its place, since that may have another.
func (p *unitPlan) lookedFor(kind plugin.Store, spec model.Plugin) model.Values {
	moves, bare := p.moves(), sizeless(kind, spec.Values)
	if len(moves) == 0 || kind.Look == nil {
		return spec.Values
	}
	if f, err := kind.Look(bare); err == nil && f.Same != "" {
		for _, m := range moves {
			for _, b := range m.bases {
				if b.same == f.Same {
					return bare
				}
			}
		}
	}
	return spec.Values
}

// holder is the unit that has a place, and keeps it; what the unit itself has opened by a path does not count.
func (p *unitPlan) holder(same, unit string) (string, bool) {
	if other, ok := p.c.places.holder(same); ok && other != unit {
		return other, true
	}
	if u, ok := p.fresh[same]; ok {
		return u, true
	}
	if p.x.first {
		return "", false // all of them are fresh
	}
	for name, u := range p.now {
		for _, b := range u.device.Load().stores.all() {
			if b.same == same {
				return name, true
			}
		}
	}
	return "", false
}

package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/target"
)

// Examine looks on this machine for what a valid document names: files and devices, secrets, the addresses of
// portals. It goes by the code that serves: what it finds wrong Start refuses, and what it calls right can be
// served, unless another program has a file or a port just then, which is not looked at. Nothing is made, and
// nobody is let in. Its errors are [model.Problems].
func Examine(ctx context.Context, doc *model.Document, reg Registry) error {
	problems := look(doc, &reg)
	d := &Daemon{
		reg: reg, log: slog.New(slog.DiscardHandler), opts: Options{Log: slog.New(slog.DiscardHandler)},
		arena: buffer.NewArena(int64(doc.Limits.Memory)),
	}
	d.current.Store(doc)
	d.made()
	problems = append(problems, d.rehearse(ctx)...)
	if err := d.arena.Close(); err != nil {
		problems = append(problems, doc.Problem("", err))
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// look finds what is wrong with the stores of all units.
func look(doc *model.Document, reg *Registry) model.Problems {
	l := looker{doc: doc, reg: reg, same: make(map[string]string), seeds: make(map[string]string)}
	for i := range doc.Units {
		l.unit(fmt.Sprintf("units[%d]", i), &doc.Units[i])
	}
	return l.problems
}

type looker struct {
	doc      *model.Document
	reg      *Registry
	same     map[string]string // units, by what their stores are
	seeds    map[string]string // units that are named after what is kept with their data
	problems model.Problems
}

func (l *looker) fail(path string, err error) {
	l.problems = append(l.problems, l.doc.Problem(path, err))
}

func (l *looker) unit(path string, u *model.Unit) {
	stores := make(map[string]plugin.Found)
	var wrong error // with what is there: the first
	at := path + ".store"
	one := func(here, name string, p model.Plugin) {
		kind, err := plugin.Find(l.reg.Stores, "store", p.Kind)
		if err != nil {
			l.fail(here, err)
			return
		}
		f, err := found(kind, p.Values)
		stores[name] = f
		if err == nil {
			l.once(here, u, p, f)
			return
		}
		if !u.Optional {
			l.fail(here, err)
		}
		if wrong == nil {
			wrong, at = err, here
		}
	}
	if u.Store.Kind != "" {
		one(at, "", u.Store)
	}
	for _, s := range u.Stores {
		one(path+".stores."+s.Name, s.Name, s.Plugin)
	}
	device, err := plugin.Find(l.reg.Devices, "device", u.Device.Kind)
	if err != nil {
		l.fail(path+".device", err)
		return
	}
	if wrong == nil && device.Fits != nil {
		if wrong = device.Fits(u.Device.Values, stores); wrong != nil && !u.Optional {
			l.fail(path+".device", wrong)
		}
	}
	if wrong != nil {
		l.noteAbsent(u, at, wrong)
	}
}

// once refuses a place that another unit has.
func (l *looker) once(path string, u *model.Unit, p model.Plugin, f plugin.Found) {
	if f.Same == "" {
		return
	}
	if other, ok := l.same[f.Same]; ok {
		l.fail(path, fmt.Errorf("%s: the unit %q serves it already, perhaps by another name: a store has one unit, which many targets may have", p.Values.String("path"), other))
		return
	}
	l.same[f.Same] = u.Name
	if f.Seed == "" || plugin.Named(u.Device.Values) {
		return
	}
	if other, ok := l.seeds[f.Seed]; ok {
		l.fail(path, fmt.Errorf("%s: %w", p.Values.String("path"), plugin.SameName(f, other)))
		return
	}
	l.seeds[f.Seed] = u.Name
}

// rehearse goes through the start of the daemon up to where it would let initiators in, without units, and
// takes all of it back. It goes on after an error.
func (d *Daemon) rehearse(ctx context.Context) (problems model.Problems) {
	defer d.change()()
	doc := d.doc()
	x := d.newTransition(apply.Transition{Old: &model.Document{}, New: doc, Plan: fromNothing(doc)})
	fail := func(path string, err error) {
		if err != nil {
			problems = append(problems, doc.Problem(path, err))
		}
	}
	refused := make(map[string]bool) // transports
	for _, spec := range doc.Portals {
		pair, err := d.reg.Pair(spec.Kind)
		if err != nil || refused[pair.Transport.Name] {
			continue
		}
		if _, err = d.nodes.need(pair.Transport, x); err != nil { // such as secrets of discovery
			refused[pair.Transport.Name] = true
			fail("", err)
		}
	}
	for i, spec := range doc.Targets {
		shown, err := target.NewTarget(spec.Name)
		if err != nil {
			fail(fmt.Sprintf("targets[%d]", i), err)
			continue
		}
		t := &served{spec: spec, Target: shown}
		for _, n := range d.nodes.load() {
			_, err := n.PrepareTarget(t.shown())
			fail(fmt.Sprintf("targets[%d]", i), err)
		}
	}
	var bound []*portal
	for i, key := range doc.PortalKeys() {
		spec := doc.Portals[i]
		pair, err := d.reg.Pair(spec.Kind)
		if err != nil || refused[pair.Transport.Name] {
			continue
		}
		p, err := d.portals.bind(ctx, x, key.Name, spec, bound, nil)
		switch {
		case errors.Is(err, errBusy):
		case err != nil:
			fail(fmt.Sprintf("portals[%d]", i), err)
		default:
			bound = append(bound, p)
		}
	}
	fail("", x.undo.run())
	return problems
}

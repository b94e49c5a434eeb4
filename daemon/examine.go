package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

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
		doc: doc, reg: reg, log: slog.New(slog.DiscardHandler), opts: Options{Log: slog.New(slog.DiscardHandler)},
		arena: buffer.NewArena(int64(doc.Limits.Memory)),
	}
	d.units.d, d.targets.d, d.networks.d, d.nodes.d, d.portals.d = d, d, d, d, d
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
	l := looker{doc: doc, reg: reg, same: make(map[string]string)}
	for i := range doc.Units {
		l.unit(fmt.Sprintf("units[%d]", i), &doc.Units[i])
	}
	return l.problems
}

type looker struct {
	doc      *model.Document
	reg      *Registry
	same     map[string]string // units, by what their stores are
	problems model.Problems
}

func (l *looker) fail(path string, err error) {
	l.problems = append(l.problems, l.doc.Problem(path, err))
}

func (l *looker) unit(path string, u *model.Unit) {
	found := make(map[string]plugin.Found)
	good := true
	one := func(at, name string, p model.Plugin) {
		f, err := l.store(u, p)
		if err != nil {
			l.fail(at, err)
			good = false
		}
		found[name] = f
	}
	if u.Store.Kind != "" {
		one(path+".store", "", u.Store)
	}
	for _, s := range u.Stores {
		one(path+".stores."+s.Name, s.Name, s.Plugin)
	}
	device, err := plugin.Find(l.reg.Devices, "device", u.Device.Kind)
	if err == nil && good && device.Fits != nil {
		err = device.Fits(u.Device.Values, found)
	}
	if err != nil {
		l.fail(path+".device", err)
	}
}

func (l *looker) store(u *model.Unit, p model.Plugin) (plugin.Found, error) {
	kind, err := plugin.Find(l.reg.Stores, "store", p.Kind)
	if err != nil || kind.Look == nil {
		return plugin.Found{}, err
	}
	f, err := kind.Look(p.Values)
	if err != nil || f.Same == "" {
		return f, err
	}
	if other, ok := l.same[f.Same]; ok {
		return f, fmt.Errorf("%s: the unit %q serves it already, perhaps by another name: a store has one unit, which many targets may have", p.Values.String("path"), other)
	}
	l.same[f.Same] = u.Name
	return f, nil
}

// rehearse goes through the start of the daemon up to where it would let initiators in, without units, and
// takes all of it back. It goes on after an error.
func (d *Daemon) rehearse(ctx context.Context) (problems model.Problems) {
	defer d.change()()
	all := undo{}
	fail := func(path string, err error) {
		if err != nil {
			problems = append(problems, d.doc.Problem(path, err))
		}
	}
	refused := make(map[string]bool) // transports
	for _, spec := range d.doc.Portals {
		pair, err := d.reg.Pair(spec.Kind)
		if err != nil || refused[pair.Transport.Name] {
			continue
		}
		if _, err = d.nodes.need(pair.Transport, &all); err != nil { // such as secrets of discovery
			refused[pair.Transport.Name] = true
			fail("", err)
		}
	}
	for i, spec := range d.doc.Targets {
		shown, err := target.NewTarget(spec.Name)
		if err != nil {
			fail(fmt.Sprintf("targets[%d]", i), err)
			continue
		}
		t := &served{spec: spec, Target: shown}
		for _, n := range d.nodes.load() {
			fail(fmt.Sprintf("targets[%d]", i), n.SetTarget(t.shown()))
		}
	}
	var bound []*portal
	for i, spec := range d.doc.Portals {
		pair, err := d.reg.Pair(spec.Kind)
		if err != nil || refused[pair.Transport.Name] {
			continue
		}
		p, x, err := d.portals.prepare(ctx, spec, bound)
		switch {
		case errors.Is(err, errBusy):
		case err != nil:
			fail(fmt.Sprintf("portals[%d]", i), err)
		default:
			bound = append(bound, p)
			all = append(all, x.undo...)
		}
	}
	fail("", all.run())
	return problems
}

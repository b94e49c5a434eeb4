package daemon

import (
	"context"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// one makes one change of the document: edit has a copy of it, whose lists are its own.
func (d *Daemon) one(ctx context.Context, kind model.ObjectKind, op plan.Op, name string, edit func(*model.Document) error) error {
	old := d.doc()
	doc := *old
	doc.Units, doc.Targets, doc.Portals = slices.Clone(old.Units), slices.Clone(old.Targets), slices.Clone(old.Portals)
	if err := edit(&doc); err != nil {
		return err
	}
	x, err := d.Prepare(ctx, apply.Transition{Old: old, New: &doc, Plan: &plan.Plan{Steps: []plan.Step{{Op: op, Effect: plan.LosesData, Key: model.Key{Kind: kind, Name: name}}}}})
	if err != nil {
		return err
	}
	x.Publish()
	return x.Retire(ctx)
}

// edited adds spec to a list, replaces the one of its name, or removes that.
func edited[T any](list *[]T, spec T, what, name string, named func(T) string, op plan.Op) error {
	i := slices.IndexFunc(*list, func(o T) bool { return named(o) == name })
	switch {
	case op == plan.Create && i >= 0:
		return fmt.Errorf("there is a %s %s already", what, name)
	case op == plan.Create:
		*list = append(*list, spec)
	case i < 0:
		return fmt.Errorf("there is no %s %s", what, name)
	case op == plan.Remove:
		*list = slices.Delete(*list, i, i+1)
	default:
		(*list)[i] = spec
	}
	return nil
}

func (c *units) one(ctx context.Context, op plan.Op, spec model.Unit) error {
	return c.d.one(ctx, model.UnitObject, op, spec.Name, func(doc *model.Document) error {
		return edited(&doc.Units, spec, "unit", spec.Name, func(u model.Unit) string { return u.Name }, op)
	})
}

func (c *units) create(ctx context.Context, spec model.Unit) error {
	return c.one(ctx, plan.Create, spec)
}

func (c *units) update(ctx context.Context, spec model.Unit) error {
	return c.one(ctx, plan.Change, spec)
}

func (c *units) remove(ctx context.Context, name string) error {
	return c.one(ctx, plan.Remove, model.Unit{Name: name})
}

func (c *targets) one(ctx context.Context, op plan.Op, spec model.Target) error {
	return c.d.one(ctx, model.TargetObject, op, spec.Name, func(doc *model.Document) error {
		return edited(&doc.Targets, spec, "target", spec.Name, func(t model.Target) string { return t.Name }, op)
	})
}

func (c *targets) create(ctx context.Context, spec model.Target) error {
	return c.one(ctx, plan.Create, spec)
}

func (c *targets) update(ctx context.Context, spec model.Target) error {
	return c.one(ctx, plan.Change, spec)
}

func (c *targets) remove(ctx context.Context, name string) error {
	return c.one(ctx, plan.Remove, model.Target{Name: name})
}

func portalKey(p model.Portal) string {
	return (&model.Document{Portals: []model.Portal{p}}).PortalKeys()[0].Name
}

func (c *portals) one(ctx context.Context, op plan.Op, key string, spec model.Portal) error {
	return c.d.one(ctx, model.PortalObject, op, key, func(doc *model.Document) error {
		return edited(&doc.Portals, spec, "portal", key, portalKey, op)
	})
}

func (c *portals) create(ctx context.Context, spec model.Portal) error {
	return c.one(ctx, plan.Create, portalKey(spec), spec)
}

// at finds a portal by what it is bound to, TRANSPORT+PROVIDER://ADDRESS.
func (c *portals) at(url string) (*portal, error) {
	for _, p := range c.load() {
		if p.url() == url {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no portal %s", url)
}

func (c *portals) show(url string, names []string) error {
	p, err := c.at(url)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := c.d.targets.find(name); !ok {
			return fmt.Errorf("portal %s: there is no target %s", url, name)
		}
	}
	spec := p.spec
	spec.Targets = named(names)
	return c.one(context.Background(), plan.Change, p.key, spec)
}

func (c *portals) close(ctx context.Context, url string) error {
	p, err := c.at(url)
	if err != nil {
		return err
	}
	return c.one(ctx, plan.Remove, p.key, model.Portal{})
}

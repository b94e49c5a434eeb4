package main

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/archive/vtl"
	"github.com/lunette-io/lunette/device/library/panel"
)

// A daemonPanel is that of a library that a daemon serves.
type daemonPanel struct {
	daemon actor
	unit   string
}

// An actor is what commands ask of a daemon about units, beside changing the document.
type actor interface {
	Act(ctx context.Context, unit, action string, arguments, result any) error
}

// Act implements [operator].
func (p daemonPanel) Act(ctx context.Context, action string, a vtl.Args, result any) error {
	if action == "create" {
		return p.create(ctx, a.Stock, result)
	}
	return p.daemon.Act(ctx, p.unit, action, arguments(action, a), result)
}

// arguments are those of an action, by their names.
func arguments(action string, a vtl.Args) map[string]any {
	all := map[string]any{}
	put := func(name string, value any, given bool) {
		if given {
			all[name] = value
		}
	}
	put("barcode", a.Barcode, a.Barcode != "")
	put("barcode", a.Barcodes, a.Barcodes != nil)
	put("to", a.To, a.To != "")
	put("becomes", a.Becomes, a.Becomes != "")
	if action == "ls" {
		put("empty", true, a.Empty)
		put("details", true, a.Details)
	}
	if a.Drive != nil {
		all["drive"] = *a.Drive
	}
	return all
}

// create makes cartridges, each kind of them by an action of its own.
func (p daemonPanel) create(ctx context.Context, s vtl.Stock, result any) error {
	into, ok := result.(*panel.Created)
	if !ok {
		return fmt.Errorf("the result of create is no %T", result)
	}
	lots, err := s.Lots()
	if err != nil {
		return usageError{err}
	}
	for _, b := range lots {
		args := map[string]any{"format": b.Format, "count": b.Count, "type": b.Type, "shelf": s.Shelf}
		if s.Prefix != "" && b.Type != "cleaning" { // they have one of their own
			args["prefix"] = s.Prefix
		}
		if s.Size > 0 {
			args["capacity"] = s.Size
		}
		var made panel.Created
		if err := p.daemon.Act(ctx, p.unit, "create", args, &made); err != nil {
			return err
		}
		into.Created = append(into.Created, made.Created...)
	}
	return nil
}

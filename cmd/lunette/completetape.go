package main

import (
	"context"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/archive/vtl"
	"github.com/lunette-io/lunette/device/library/panel"
)

// libraries are those of the store that is named, or else those that the daemon serves.
func (l *commandLine) libraries(ctx context.Context) []candidate {
	var all []candidate
	if l.store != "" {
		names, _ := vtl.Names(l.store)
		for _, n := range names {
			all = append(all, candidate{n, ""})
		}
		return all
	}
	return l.unitsOf(ctx, "library", "library")
}

// unitsOf are the units of the daemon whose device is of a kind, with what an option of it says.
func (l *commandLine) unitsOf(ctx context.Context, kind, option string) []candidate {
	var all []candidate
	some, _ := l.daemon(l.socket).Objects(ctx, model.UnitObject)
	for _, o := range some {
		v, err := readTree(o.Object)
		if err != nil {
			continue
		}
		unit, _ := v.(fields)
		device, _ := unit.get("device")
		if of, ok := device.(fields); ok && of.text("kind") == kind {
			all = append(all, candidate{o.Name, of.text(option)})
		}
	}
	return all
}

// cartridges are those of the library that is named before.
func (l *commandLine) cartridges(ctx context.Context) []candidate {
	var all []candidate
	if l.store != "" {
		names, _ := vtl.Barcodes(l.store)
		for _, n := range names {
			all = append(all, candidate{n, ""})
		}
		return all
	}
	if len(l.args) == 0 {
		return nil
	}
	var v panel.Inventory
	_ = daemonPanel{l.daemon(l.socket), l.args[0]}.Act(ctx, "ls", vtl.Args{}, &v) // which nobody may answer
	for _, x := range v.Elements {
		if x.Cartridge != nil {
			all = append(all, candidate{x.Cartridge.Barcode, x.Place})
		}
	}
	for _, c := range v.Shelf {
		all = append(all, candidate{c.Barcode, c.Place})
	}
	return all
}

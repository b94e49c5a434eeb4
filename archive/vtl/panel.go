package vtl

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/library/panel"
)

// A Panel is where somebody operates a library with no daemon: it has the actions that the unit of a daemon has.
type Panel struct{ panel panel.Panel }

// Args are what actions are told.
type Args struct {
	Barcode  string   // of actions with one cartridge
	Barcodes []string // of actions with several
	Drive    *int     // nil: none is named
	To       string   // a place
	Becomes  string   // a barcode
	Force    bool
	Empty    bool
	Details  bool
	Stock    Stock
}

// Close gives the library back.
func (p *Panel) Close() error { return p.panel.Library.Close() }

// Act does something; what it comes to is put into result, which may be nil.
func (p *Panel) Act(ctx context.Context, action string, a Args, result any) error {
	v, err := p.act(ctx, action, a)
	if err != nil || result == nil {
		return err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, result)
}

func (p *Panel) act(ctx context.Context, action string, a Args) (any, error) {
	do := &p.panel
	switch action {
	case "ls":
		return do.List(ctx, a.Details, a.Empty)
	case "inspect":
		return do.Inspect(ctx, a.Barcode)
	case "create":
		return p.create(ctx, a.Stock)
	case "load":
		drive := library.Any
		if a.Drive != nil {
			drive = *a.Drive
		}
		return do.Load(ctx, a.Barcode, drive)
	case "unload", "eject":
		return do.Eject(ctx, a.Drive, a.Barcode, a.Force)
	case "move":
		return do.Move(ctx, a.Barcode, a.To)
	case "import":
		return do.Import(ctx, a.Barcodes, a.To)
	case "export":
		return do.Export(ctx, a.Barcodes)
	case "label":
		return do.Label(ctx, a.Barcode, a.Becomes)
	case "lock", "unlock":
		return do.Protect(ctx, a.Barcodes, action == "lock")
	case "delete":
		return do.Delete(ctx, a.Barcodes)
	case "verify":
		return do.Verify(ctx, a.Barcodes)
	case "compact":
		return do.Compact(ctx, a.Barcodes)
	}
	return nil, fmt.Errorf("a library has no action %q", action)
}

func (p *Panel) create(ctx context.Context, s Stock) (any, error) {
	set, err := set(s.Personalities)
	if err != nil {
		return nil, err
	}
	specs, err := s.specs(set)
	if err != nil {
		return nil, err
	}
	return p.panel.Create(ctx, specs...)
}

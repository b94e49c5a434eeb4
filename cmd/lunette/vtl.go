package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/archive/vtl"
	"github.com/lunette-io/lunette/device/library/panel"
)

// vtlCmd is what is done with tape libraries: they are made, and operated.
type vtlCmd struct {
	Create      vtlCreateCmd  `cmd:"" help:"Make a tape library: its store with cartridges, and the document that serves it."`
	ImportMhvtl vtlMhvtlCmd   `cmd:"" name:"import-mhvtl" help:"Make a tape library of one of mhvtl: its drives, its slots, and what is on its cartridges."`
	Ls          vtlLsCmd      `cmd:"" help:"List what is where in a library: its drives, the elements that are full, and the shelf."`
	Inspect     vtlInspectCmd `cmd:"" help:"Show all that is known of a cartridge."`
	Add         vtlAddCmd     `cmd:"" help:"Make new cartridges."`
	Load        vtlLoadCmd    `cmd:"" help:"Put a cartridge into a drive."`
	Unload      vtlUnloadCmd  `cmd:"" help:"Take the cartridge out of a drive, back to the slot that it came from."`
	Eject       vtlEjectCmd   `cmd:"" help:"Take the cartridge out of a drive, as unload does, also if an initiator prevents it."`
	Move        vtlMoveCmd    `cmd:"" help:"Carry a cartridge to another slot, mail slot or drive."`
	Import      vtlImportCmd  `cmd:"" help:"Put cartridges from the shelf into the library."`
	Export      vtlExportCmd  `cmd:"" help:"Take cartridges out of the library, onto the shelf: into the vault."`
	Label       vtlLabelCmd   `cmd:"" help:"Give a cartridge another barcode."`
	Lock        vtlLockCmd    `cmd:"" help:"Move the tab of cartridges so that they cannot be written."`
	Unlock      vtlUnlockCmd  `cmd:"" help:"Move the tab of cartridges so that they can be written."`
	Delete      vtlDeleteCmd  `cmd:"" help:"Remove cartridges of the shelf, with all that is on them."`
	Verify      vtlVerifyCmd  `cmd:"" help:"Read all of cartridges, and check them."`
	Compact     vtlCompactCmd `cmd:"" help:"Give the space back that what is on cartridges does not need."`
}

// An operator does the actions of a library: that of a daemon that serves it, or that of its store, with no daemon.
type operator interface {
	Act(ctx context.Context, action string, a vtl.Args, result any) error
}

// ofLibrary is which library, and who is asked.
type ofLibrary struct {
	Library string `arg:"" complete:"library" help:"The library: the unit of the document."`
	Store   string `placeholder:"DIR" complete:"dir" help:"No daemon serves the library: work in its store, this directory."`
	at
}

// act does something with the library.
func (c ofLibrary) act(e *env, action string, a vtl.Args, result any) error {
	return c.on(e, func(p operator) error { return p.Act(e.ctx, action, a, result) })
}

// on does something at the panel of the library.
func (c ofLibrary) on(e *env, do func(operator) error) (err error) {
	if c.Store == "" {
		return do(daemonPanel{e.daemon(c.Socket), c.Library})
	}
	p, err := vtl.Open(e.ctx, c.Store, c.Library)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return do(p)
}

// move does something that moves cartridges, and says where they are then.
func (c ofLibrary) move(e *env, o output, action string, a vtl.Args) error {
	var r panel.Moved
	if err := c.act(e, action, a, &r); err != nil {
		return err
	}
	if shown, err := o.show(e, r); shown || err != nil {
		return err
	}
	return tellPlaces(e, r.Moved)
}

// tellPlaces says where cartridges are.
func tellPlaces(e *env, all []panel.At) error {
	for _, x := range all {
		place := "in " + x.Place
		if x.Place == "shelf" {
			place = "on the shelf"
		}
		if _, err := fmt.Fprintln(e.stdout, printable(x.Barcode+" is "+place+".")); err != nil {
			return err
		}
	}
	return nil
}

// change does something that changes cartridges, and says what they are then.
func (c ofLibrary) change(e *env, o output, action string, a vtl.Args, done string) error {
	var r panel.Changed
	if err := c.act(e, action, a, &r); err != nil {
		return err
	}
	if shown, err := o.show(e, r); shown || err != nil {
		return err
	}
	for _, b := range r.Changed {
		if _, err := fmt.Fprintln(e.stdout, printable(b+" "+done+".")); err != nil {
			return err
		}
	}
	return nil
}

// cartridges are named by their barcodes.
type cartridges struct {
	Cartridges []string `arg:"" name:"cartridge" sep:"none" complete:"cartridge" help:"Their barcodes."`
}

// cartridge is one, named by its barcode.
type cartridge struct {
	Cartridge string `arg:"" complete:"cartridge" help:"Its barcode."`
}

// driveNumber reads the number of a drive: "0", or "drive0".
func driveNumber(text string) (*int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "drive"))
	if err != nil || n < 0 {
		return nil, usageError{fmt.Errorf("%q is no number of a drive: the first is 0", text)}
	}
	return &n, nil
}

// vtlLoadCmd puts a cartridge into a drive.
type vtlLoadCmd struct {
	ofLibrary
	cartridge
	Drive string `arg:"" optional:"" help:"The drive, 0 for the first. Default: one that is empty."`
	output
}

// Run loads it.
func (c *vtlLoadCmd) Run(e *env) (err error) {
	a := vtl.Args{Barcode: c.Cartridge}
	if c.Drive != "" {
		if a.Drive, err = driveNumber(c.Drive); err != nil {
			return err
		}
	}
	return c.move(e, c.output, "load", a)
}

// outOf is which cartridge comes out of a drive.
type outOf struct {
	ofLibrary
	Drive string `arg:"" complete:"cartridge" help:"The drive, 0 for the first; or the barcode of the cartridge that is in it."`
	output
}

func (c outOf) run(e *env, action string, force bool) error {
	a := vtl.Args{Force: force}
	if n, err := driveNumber(c.Drive); err == nil {
		a.Drive = n
	} else {
		a.Barcode = c.Drive
	}
	return c.move(e, c.output, action, a)
}

type (
	vtlUnloadCmd struct{ outOf }
	vtlEjectCmd  struct{ outOf }
)

// Run unloads it.
func (c *vtlUnloadCmd) Run(e *env) error { return c.run(e, "unload", false) }

// Run ejects it.
func (c *vtlEjectCmd) Run(e *env) error { return c.run(e, "eject", true) }

// vtlMoveCmd carries a cartridge.
type vtlMoveCmd struct {
	ofLibrary
	cartridge
	To string `arg:"" help:"Where to: slot5, mail2, drive0; slot, mail or drive for one that is free."`
	output
}

// Run moves it.
func (c *vtlMoveCmd) Run(e *env) error {
	return c.move(e, c.output, "move", vtl.Args{Barcode: c.Cartridge, To: c.To})
}

// vtlImportCmd puts cartridges into the library.
type vtlImportCmd struct {
	ofLibrary
	cartridges
	To string `default:"slot" placeholder:"PLACE" help:"Where to: slot or mail, those that are free; of one cartridge also such as slot5. Default: slot."`
	output
}

// Run imports them.
func (c *vtlImportCmd) Run(e *env) error {
	return c.move(e, c.output, "import", vtl.Args{Barcodes: c.Cartridges, To: c.To})
}

// vtlExportCmd takes cartridges out of the library.
type vtlExportCmd struct {
	ofLibrary
	cartridges
	output
}

// Run exports them.
func (c *vtlExportCmd) Run(e *env) error {
	return c.move(e, c.output, "export", vtl.Args{Barcodes: c.Cartridges})
}

// vtlLabelCmd gives a cartridge another barcode.
type vtlLabelCmd struct {
	ofLibrary
	cartridge
	Barcode string `arg:"" help:"What its barcode is to be."`
	output
}

// Run labels it.
func (c *vtlLabelCmd) Run(e *env) error {
	return c.change(e, c.output, "label", vtl.Args{Barcode: c.Cartridge, Becomes: c.Barcode}, "was "+c.Cartridge)
}

// vtlLockCmd protects cartridges.
type vtlLockCmd struct {
	ofLibrary
	cartridges
	output
}

// Run locks them.
func (c *vtlLockCmd) Run(e *env) error {
	return c.change(e, c.output, "lock", vtl.Args{Barcodes: c.Cartridges}, "cannot be written")
}

// vtlUnlockCmd takes that back.
type vtlUnlockCmd struct {
	ofLibrary
	cartridges
	output
}

// Run unlocks them.
func (c *vtlUnlockCmd) Run(e *env) error {
	return c.change(e, c.output, "unlock", vtl.Args{Barcodes: c.Cartridges}, "can be written")
}

// vtlDeleteCmd removes cartridges.
type vtlDeleteCmd struct {
	ofLibrary
	cartridges
	DeleteData bool `help:"It may."`
	output
}

// Run removes them.
func (c *vtlDeleteCmd) Run(e *env) error {
	if !c.DeleteData {
		return &unconfirmed{[]string{"--delete-data"}}
	}
	return c.change(e, c.output, "delete", vtl.Args{Barcodes: c.Cartridges}, "is gone")
}

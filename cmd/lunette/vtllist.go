package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/archive/vtl"
	"github.com/lunette-io/lunette/device/library/panel"
)

// stock is what cartridges are to be made.
type stock struct {
	Cartridges    []string `sep:"none" placeholder:"N:FORMAT" help:"How many cartridges of which media format: 30:L8; 5:L8:worm and 1:L8:cleaning are others than for data. Repeatable."`
	BarcodePrefix string   `placeholder:"TEXT" help:"What their barcodes begin with; a number and the format follow: LUN001L8 of LUN. Those of cleaning cartridges begin with CLN."`
	Size          string   `placeholder:"SIZE" help:"Their capacity, such as 40M, to try things out. Default: as the format has it."`
}

func (s stock) wanted() (vtl.Stock, error) {
	w := vtl.Stock{Texts: s.Cartridges, Prefix: s.BarcodePrefix}
	if s.Size == "" {
		return w, nil
	}
	n, err := sizeFlag("--size", s.Size)
	w.Size = n
	return w, err
}

// vtlAddCmd makes cartridges.
type vtlAddCmd struct {
	ofLibrary
	stock
	Shelf bool `help:"Leave them on the shelf; else they go to free slots, as far as there are any."`
	output
}

// Run makes them.
func (c *vtlAddCmd) Run(e *env) error {
	w, err := c.wanted()
	if err != nil {
		return err
	}
	if len(w.Texts) == 0 {
		return usageError{errors.New("say which cartridges, such as --cartridges 10:L8")}
	}
	if _, err := w.Lots(); err != nil {
		return usageError{err}
	}
	w.Shelf = c.Shelf
	r := panel.Created{Created: []panel.At{}}
	if err := c.act(e, "create", vtl.Args{Stock: w}, &r); err != nil {
		return err
	}
	if shown, err := c.show(e, r); shown || err != nil {
		return err
	}
	return tellPlaces(e, r.Created)
}

// vtlLsCmd lists what is where.
type vtlLsCmd struct {
	ofLibrary
	Empty bool `help:"Also slots and mail slots that are empty."`
	listing
}

// Run lists it.
func (c *vtlLsCmd) Run(e *env) error {
	var v panel.Inventory
	if err := c.act(e, "ls", vtl.Args{Empty: c.Empty, Details: c.Output == "wide"}, &v); err != nil {
		return err
	}
	for _, p := range v.Problems {
		fmt.Fprintln(e.stderr, printable("lunette: "+p))
	}
	if shown, err := showAs(e.stdout, c.Output, v); shown || err != nil {
		return err
	}
	columns := []column{{"PLACE", never}, {"CARTRIDGE", never}, {"FORMAT", never}, {"TYPE", never}, {"NOTE", back}}
	wide := c.Output == "wide"
	if wide {
		columns = slices.Insert(columns, 1, column{"ADDRESS", never})
		columns = slices.Insert(columns, 5, column{"CAPACITY", never}, column{"USED", never}, column{"FILES", never}, column{"LOADS", never})
	}
	var rows [][]string
	for _, x := range v.Elements {
		rows = append(rows, elementRow(x, wide))
	}
	for _, x := range v.Shelf {
		rows = append(rows, elementRow(panel.Element{Place: "shelf", Cartridge: &x}, wide))
	}
	return writeTable(e.stdout, columns, rows, c.limit())
}

// elementRow is an element as cells of a table.
func elementRow(x panel.Element, wide bool) []string {
	c := x.Cartridge
	if c == nil {
		c = new(panel.Cartridge)
	}
	row := []string{x.Place, c.Barcode, c.Format, c.Type, note(x, *c)}
	if !wide {
		return row
	}
	address := ""
	if x.Place != "shelf" {
		address = fmt.Sprint(x.Address)
	}
	row = slices.Insert(row, 1, address)
	return slices.Insert(row, 5, used(*c)...)
}

// used is what goes on a cartridge, and what is on it, as cells of a table.
func used(c panel.Cartridge) []string {
	if c.Details == nil {
		return []string{"", "", "", ""}
	}
	var bytes int64
	var files uint64
	for _, p := range c.Details.Partitions {
		bytes += p.Used
		files += p.Files
	}
	return []string{capacity(c.Capacity), amount(bytes), fmt.Sprint(files), fmt.Sprint(c.Details.Loads)}
}

// note is what else is to be said of an element.
func note(x panel.Element, c panel.Cartridge) string {
	var all []string
	if c.Problem != "" {
		all = append(all, c.Problem)
	}
	if d := x.Drive; d != nil && x.Full {
		all = append(all, d.Activity)
		if d.Problem != "" && d.Problem != c.Problem {
			all = append(all, d.Problem)
		}
		if d.Prevented {
			all = append(all, "removal is prevented")
		}
	}
	if c.Library != "" {
		all = append(all, "of the library "+c.Library)
	}
	if x.Imported {
		all = append(all, "imported")
	}
	if c.Details != nil && c.Details.WriteProtect {
		all = append(all, "locked")
	}
	return strings.Join(all, ", ")
}

// vtlInspectCmd shows a cartridge.
type vtlInspectCmd struct {
	ofLibrary
	cartridge
	form
}

// Run shows it.
func (c *vtlInspectCmd) Run(e *env) error {
	var v panel.Cartridge
	if err := c.act(e, "inspect", vtl.Args{Barcode: c.Cartridge}, &v); err != nil {
		return err
	}
	tree, err := treeOf(v)
	if err != nil {
		return err
	}
	format := c.form.Output
	if format == "" {
		format = "yaml"
	}
	if shown, err := showAs(e.stdout, format, tree); shown || err != nil {
		return err
	}
	return writeTable(e.stdout, []column{{"KEY", never}, {"VALUE", never}}, flat("", tree), 0)
}

// someCartridges are those that are named, or else all of the library and of its shelf that are in no drive.
type someCartridges struct {
	ofLibrary
	Cartridges []string `arg:"" optional:"" name:"cartridge" sep:"none" complete:"cartridge" help:"Their barcodes. Default: all of the library and of its shelf that are in no drive."`
	output
}

func (c someCartridges) names(e *env, p operator) ([]string, error) {
	if len(c.Cartridges) > 0 {
		return c.Cartridges, nil
	}
	var v panel.Inventory
	err := p.Act(e.ctx, "ls", vtl.Args{}, &v)
	var all []string
	for _, x := range v.Elements {
		if x.Cartridge != nil && !strings.HasPrefix(x.Place, "drive") {
			all = append(all, x.Cartridge.Barcode)
		}
	}
	for _, x := range v.Shelf {
		if x.Library == "" {
			all = append(all, x.Barcode)
		}
	}
	return all, err
}

// vtlVerifyCmd checks cartridges.
type vtlVerifyCmd struct{ someCartridges }

// Run checks them.
func (c *vtlVerifyCmd) Run(e *env) error {
	r, wrong := panel.Checked{Checked: []panel.Check{}}, 0
	err := c.on(e, func(p operator) error {
		names, err := c.names(e, p)
		for _, b := range names { // one after the other: each may take a while
			var one panel.Checked
			if err = p.Act(e.ctx, "verify", vtl.Args{Barcodes: []string{b}}, &one); err != nil {
				return err
			}
			for _, x := range one.Checked {
				if r.Checked = append(r.Checked, x); len(x.Damaged) > 0 {
					wrong++
				}
				if c.Output == "table" {
					tellCheck(e, x)
				}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if _, err := c.show(e, r); err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%s of %d cannot be read as a whole: \"lunette tape restore\" makes another one of what can be", count(wrong, "cartridge"), len(r.Checked))
	}
	return nil
}

func tellCheck(e *env, x panel.Check) {
	if len(x.Damaged) == 0 {
		fmt.Fprintln(e.stdout, printable(fmt.Sprintf("%s is right: %s, %s.", x.Barcode, count(int(x.Objects), "object"), sized(x.Bytes))))
	}
	for _, d := range x.Damaged {
		fmt.Fprintln(e.stdout, printable(x.Barcode+": "+lossOf(archive.ScanLoss(d))))
	}
	if x.More > 0 {
		fmt.Fprintln(e.stdout, printable(fmt.Sprintf("%s: and %d more", x.Barcode, x.More)))
	}
}

// lossOf is a place that cannot be read, in a sentence.
func lossOf(l archive.ScanLoss) string {
	return (&archive.LostError{Partition: l.Partition, Object: l.Object, Count: l.Count, Err: errors.New(l.What)}).Error()
}

// vtlCompactCmd gives space back.
type vtlCompactCmd struct{ someCartridges }

// Run compacts them.
func (c *vtlCompactCmd) Run(e *env) error {
	return c.on(e, func(p operator) error {
		names, err := c.names(e, p)
		r := panel.Changed{Changed: []string{}}
		for _, b := range names {
			if err = p.Act(e.ctx, "compact", vtl.Args{Barcodes: []string{b}}, nil); err != nil {
				return err
			}
			if r.Changed = append(r.Changed, b); c.Output == "table" {
				fmt.Fprintln(e.stdout, printable(b+" is as small as it can be."))
			}
		}
		if err == nil {
			_, err = c.show(e, r)
		}
		return err
	})
}

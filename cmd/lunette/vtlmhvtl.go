package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/archive/mhvtl"
	"github.com/lunette-io/lunette/archive/vtl"
)

// vtlMhvtlCmd makes a library of one of mhvtl.
type vtlMhvtlCmd struct {
	Name string `arg:"" help:"How it is to be called: the unit of the document."`

	Config    string   `default:"/etc/mhvtl" placeholder:"DIR" complete:"dir" group:"mhvtl" help:"Directory with device.conf and library_contents.N. Default: ${default}."`
	Media     string   `placeholder:"DIR" complete:"dir" group:"mhvtl" help:"Directory of its media. Default: where device.conf says, or /opt/mhvtl."`
	ID        int      `name:"id" placeholder:"N" group:"mhvtl" help:"Which library, if there are several: the number behind \"Library:\"."`
	Store     string   `required:"" placeholder:"DIR" complete:"dir" group:"Library" help:"The directory for its cartridges and its state, which is made."`
	Library   string   `placeholder:"NAME" group:"Library" help:"What the robot is to be. Default: the personality that calls itself as it does."`
	Drives    []string `placeholder:"[Nx]NAME" group:"Library" help:"Its drives, such as 4xlto8. Default: the personalities that call themselves as they do. Repeatable."`
	Slots     int      `placeholder:"N" group:"Library" help:"How many storage slots. Default: as many as there are."`
	Mailslots int      `placeholder:"N" group:"Library" help:"How many mail slots. Default: as many as there are."`
	DryRun    bool     `help:"Say what would be made, and make nothing."`
	serveAs
}

// Run makes it. mhvtl must not run meanwhile: nobody says what its drives have not written yet.
func (c *vtlMhvtlCmd) Run(e *env) error {
	from, err := c.library()
	if err != nil {
		return err
	}
	store, err := filepath.Abs(c.Store)
	if err != nil {
		return err
	}
	i := vtl.Import{From: from, Media: c.Media, To: vtl.Wanted{
		Name: c.Name, Store: store, Library: c.Library, Drives: c.Drives, Slots: c.Slots, Mail: c.Mailslots, Personalities: c.Personalities,
	}}
	p, notes, err := i.Blueprint()
	if err != nil {
		return usageError{err}
	}
	for _, n := range notes {
		fmt.Fprintln(e.stderr, printable("note: "+n))
	}
	s, err := c.document(e, p)
	if err != nil {
		return err
	}
	if c.DryRun {
		_, err = fmt.Fprintf(e.stdout, "library %d of mhvtl, %s %s, would become %s with %s: %s, %s, %s, %s\n", from.ID, printable(from.Vendor), printable(from.Product),
			printable(c.Name), printable(strings.Join(p.DriveNames(), " ")), p.Wanted.Library, count(p.Slots, "slot"), count(p.Mail, "mail slot"), count(len(from.Barcodes()), "cartridge"))
		return err
	}
	missing := 0
	err = i.Run(e.ctx, p, func(x vtl.Carried) {
		if x.Problem != "" {
			missing++
		}
		fmt.Fprintln(e.stderr, printable(carriedText(x)))
	})
	if err == nil {
		err = c.give(e, s)
	}
	if err == nil && missing > 0 {
		err = fmt.Errorf("%s of %d came not, or not whole: the lines above say why", count(missing, "cartridge"), len(from.Barcodes()))
	}
	return err
}

// library reads the library of mhvtl that is meant.
func (c *vtlMhvtlCmd) library() (mhvtl.Library, error) {
	all, err := mhvtl.ReadConfig(c.Config)
	if err != nil {
		return mhvtl.Library{}, err
	}
	var ids []string
	for _, l := range all {
		if l.ID == c.ID || c.ID == 0 && len(all) == 1 {
			return l, nil
		}
		ids = append(ids, fmt.Sprint(l.ID))
	}
	if c.ID == 0 {
		return mhvtl.Library{}, usageError{errors.New("there are several libraries: say which it is, by --id " + strings.Join(ids, " or --id "))}
	}
	return mhvtl.Library{}, fmt.Errorf("there is no library %d: there is %s", c.ID, strings.Join(ids, ", "))
}

// carriedText is what has become of a cartridge, on a line.
func carriedText(x vtl.Carried) string {
	switch {
	case x.There:
		return x.Barcode + ": it is in the store already, and stays as it is"
	case x.Problem != "":
		return x.Barcode + ": " + x.Problem
	}
	return fmt.Sprintf("%s: %s, %s, in %s", x.Barcode, count(int(x.Blocks), "block"), sized(int64(x.Bytes)), x.Place)
}

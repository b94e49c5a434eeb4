package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/archive"
)

// tapeCopyCmd copies a tape.
type tapeCopyCmd struct {
	From string `arg:"" complete:"tape" help:"Where the tape is: the directory of a cartridge of ours or of mhvtl, a directory or tar file that a copy has made, a file of SIMH (.tap), a drive such as /dev/nst0; - is a tar on standard input."`
	To   string `arg:"" complete:"tape" help:"Where it shall be: a cartridge (a new one is named STORE/cartridges/BARCODE), a new directory, NAME.tar, NAME.tap, a drive such as /dev/nst0; - is a tar on standard output."`
	making
	inStore
	output
}

// Run copies.
func (c *tapeCopyCmd) Run(e *env) error {
	r, err := copyTape(e, c.inStore, c.making, c.From, c.To, false)
	if err != nil {
		return err
	}
	return copied(e, c.output, c.To, r)
}

// copyTape copies a tape from one place to another.
func copyTape(e *env, in inStore, m making, from, to string, salvage bool) (r archive.Report, err error) {
	src, err := in.source(e, from)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := m.sink(e, in, to)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	r, err = archive.Copy(e.ctx, dst, src, salvage)
	if over := (*archive.OverwriteError)(nil); errors.As(err, &over) {
		return r, &overwriting{over, unconfirmed{[]string{"--delete-data"}}}
	}
	return r, err
}

// overwriting is the error of something that would take data away, and was not told that it may.
type overwriting struct {
	what error
	unconfirmed
}

func (o *overwriting) Error() string { return o.what.Error() + ": " + o.unconfirmed.Error() }
func (o *overwriting) Unwrap() error { return &o.unconfirmed }

// copied says what was copied.
func copied(e *env, o output, to string, r archive.Report) error {
	if shown, err := showReport(e, o, to, r); shown || err != nil {
		return err
	}
	_, err := fmt.Fprintln(said(e, to), printable(copiedText(r)+"."))
	return err
}

func copiedText(r archive.Report) string {
	return fmt.Sprintf("%s and %s were copied, %s", count(int(r.Blocks), "block"), count(int(r.Filemarks), "filemark"), sized(int64(r.Bytes)))
}

// said is where people are told: not where a tape goes.
func said(e *env, to string) interface{ Write([]byte) (int, error) } {
	if to == "-" {
		return e.stderr
	}
	return e.stdout
}

// A copyReport is what a copy says in JSON.
type copyReport struct {
	Partitions int                `json:"partitions"`
	Blocks     uint64             `json:"blocks"`
	Filemarks  uint64             `json:"filemarks"`
	Bytes      uint64             `json:"bytes"`
	Losses     uint64             `json:"losses"`
	Lost       []archive.ScanLoss `json:"lost"`
}

func showReport(e *env, o output, to string, r archive.Report) (bool, error) {
	x := copyReport{r.Partitions, r.Blocks, r.Filemarks, r.Bytes, r.Losses, []archive.ScanLoss{}}
	for _, l := range r.Lost {
		x.Lost = append(x.Lost, archive.ScanLoss{Partition: l.Partition, Object: l.Object, Count: l.Count, What: l.Err.Error()})
	}
	return showAs(said(e, to), o.Output, x)
}

// tapeRestoreCmd saves what can be saved.
type tapeRestoreCmd struct {
	From string `arg:"" complete:"tape" help:"The damaged cartridge: its directory, or its barcode with --store."`
	To   string `arg:"" optional:"" complete:"tape" help:"Where all that can be read is copied to, as \"lunette tape copy\" has it. Without it the index of the cartridge is made again from its data, in its place."`
	making
	inStore
	output
}

// Run restores.
func (c *tapeRestoreCmd) Run(e *env) error {
	if c.To == "" {
		return c.reindex(e)
	}
	r, err := copyTape(e, c.inStore, c.making, c.From, c.To, true)
	if err != nil {
		return err
	}
	if shown, err := showReport(e, c.output, c.To, r); shown || err != nil {
		return err
	}
	to := said(e, c.To)
	fmt.Fprintln(to, printable(copiedText(r)+"."))
	if r.Losses == 0 {
		_, err = fmt.Fprintln(to, "Nothing is lost.")
		return err
	}
	fmt.Fprintf(to, "%s could not be read, and what comes behind has other numbers:\n", count(int(r.Losses), "place"))
	for _, l := range r.Lost {
		fmt.Fprintln(to, printable("  "+l.Error()))
	}
	if more := r.Losses - uint64(len(r.Lost)); more > 0 {
		fmt.Fprintf(to, "  and %d more\n", more)
	}
	return nil
}

// reindex makes the index again.
func (c *tapeRestoreCmd) reindex(e *env) error {
	path := c.path(c.From)
	if _, err := os.Stat(path); err != nil {
		return err
	}
	r, err := archive.Reindex(e.ctx, path)
	if err != nil {
		return err
	}
	if shown, err := c.show(e, r); shown || err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "The index is made again: %s, %s.\n", count(int(r.Objects), "object"), sized(int64(r.Bytes)))
	return errors.Join(err, damagesOf(e, r))
}

// damagesOf prints what cannot be read; an error: there is something.
func damagesOf(e *env, r archive.Check) error {
	for _, d := range r.Damaged {
		fmt.Fprintln(e.stdout, printable(fmt.Sprintf("partition %d, object %d: %s", d.Partition, d.Object, d.What)))
	}
	if n := len(r.Damaged) + r.More; n > 0 {
		return fmt.Errorf("%s cannot be read: \"lunette tape restore FROM TO\" makes another cartridge of what can be", count(n, "place"))
	}
	return nil
}

// tapeEraseCmd takes everything off a cartridge.
type tapeEraseCmd struct {
	Cartridge  string `arg:"" complete:"tape" help:"The cartridge: its directory, or its barcode with --store."`
	DeleteData bool   `help:"It may."`
	inStore
}

// Run erases.
func (c *tapeEraseCmd) Run(e *env) error {
	path := c.path(c.Cartridge)
	if !archive.IsCartridge(path) {
		return fmt.Errorf("%s: there is no cartridge in this directory", path)
	}
	if !c.DeleteData {
		return &unconfirmed{[]string{"--delete-data"}}
	}
	if err := archive.Erase(e.ctx, path); err != nil {
		return err
	}
	_, err := fmt.Fprintln(e.stdout, printable(c.Cartridge)+" is blank.")
	return err
}

// sizeFlag reads a size.
func sizeFlag(flag, text string) (int64, error) {
	n, err := model.ParseSize(text)
	if err != nil {
		return 0, usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return int64(n), nil
}

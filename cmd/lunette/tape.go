package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/archive"
)

// tapeCmd is what can be done with a cartridge without any daemon.
type tapeCmd struct {
	Cat     tapeCatCmd     `cmd:"" help:"Write what is on a tape to standard output."`
	Scan    tapeScanCmd    `cmd:"" help:"Read all of a tape, and say what is on it: files, blocks and their lengths."`
	Copy    tapeCopyCmd    `cmd:"" help:"Copy a tape: between cartridges, directories, tar files, files of SIMH or mhvtl, and real drives."`
	Restore tapeRestoreCmd `cmd:"" help:"Make a damaged cartridge readable as far as it can be: its index anew, or all that can be read of it on another one."`
	Erase   tapeEraseCmd   `cmd:"" help:"Take everything off a cartridge."`
}

// tapeCatCmd writes what is on a tape.
type tapeCatCmd struct {
	Tape      string  `arg:"" complete:"tape" help:"The tape: the directory of a cartridge, or another place as \"lunette tape copy\" has it; its barcode with --store."`
	File      *uint64 `placeholder:"N" help:"Only file N, of which the first is 0: what is between two filemarks. All of them without it."`
	Partition int     `placeholder:"N" help:"The partition, of which the first is 0."`
	inStore
}

// Run writes it.
func (c *tapeCatCmd) Run(e *env) (err error) {
	from, err := c.source(e, c.Tape)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if n := len(from.About().Partitions); c.Partition < 0 || c.Partition >= n {
		return usageError{fmt.Errorf("there is no partition %d: the tape has %s", c.Partition, count(n, "partition"))}
	}
	r, left, err := c.begin(e, from)
	if err != nil {
		return c.missing(err)
	}
	for some := false; ; some = true {
		x, err := r.Next(e.ctx)
		switch {
		case errors.Is(err, io.EOF) && !errors.As(err, new(*archive.LostError)):
			if c.File != nil && !some && *c.File > 0 {
				return c.missing(err)
			}
			return nil
		case err != nil:
			return err
		case x.Filemark && c.File != nil:
			if left == 0 {
				return nil
			}
			left--
		case left == 0:
			if _, err := e.stdout.Write(x.Data); err != nil {
				return err
			}
		}
	}
}

// begin returns what reads the file, and how many filemarks are still before it.
func (c *tapeCatCmd) begin(e *env, from archive.Source) (archive.Reader, uint64, error) {
	if c.File == nil {
		r, err := from.Reader(e.ctx, c.Partition)
		return r, 0, err
	}
	if on, ok := from.(*archive.Cartridge); ok {
		r, err := on.File(e.ctx, c.Partition, *c.File)
		return r, 0, err
	}
	for p := range c.Partition { // they are read in their order
		r, err := from.Reader(e.ctx, p)
		for err == nil {
			_, err = r.Next(e.ctx)
		}
		if !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
	}
	r, err := from.Reader(e.ctx, c.Partition)
	return r, *c.File, err
}

// missing is the error of a file that is not there.
func (c *tapeCatCmd) missing(err error) error {
	if errors.Is(err, io.EOF) && c.File != nil {
		return fmt.Errorf("there is no file %d in partition %d", *c.File, c.Partition)
	}
	return err
}

// tapeScanCmd says what is on a tape.
type tapeScanCmd struct {
	Tape string `arg:"" complete:"tape" help:"The tape: the directory of a cartridge, or another place as \"lunette tape copy\" has it; its barcode with --store."`
	Fast bool   `help:"Read the lengths of blocks alone, and not what is in them: nothing is checked."`
	inStore
	output
}

// Run reads and prints.
func (c *tapeScanCmd) Run(e *env) error {
	from, err := c.source(e, c.Tape)
	if err != nil {
		return err
	}
	if on, ok := from.(*archive.Cartridge); ok {
		on.Lengths, on.Sealed = c.Fast, true
		for _, r := range on.Recovered() {
			fmt.Fprintf(e.stderr, "lunette: %s\n", printable(fmt.Sprintf("note: nobody had closed it: partition %d has %d objects that were not in its index, and %d bytes behind them that are none", r.Partition, r.Objects, r.Cut)))
		}
	}
	s, err := archive.ScanTape(e.ctx, from)
	if err = errors.Join(err, from.Close()); err != nil {
		return err
	}
	shown, err := c.show(e, s)
	if !shown && err == nil {
		err = c.table(e, s)
	}
	if err == nil && s.Losses > 0 {
		err = fmt.Errorf("%s cannot be read: \"lunette tape restore\" makes another cartridge of what can be", count(int(s.Losses), "place"))
	}
	return err
}

// table prints it for people.
func (c *tapeScanCmd) table(e *env, s archive.Scan) error {
	fmt.Fprintln(e.stdout, printable(aboutTape(s.About)))
	columns := []column{{"PART", never}, {"FILE", never}, {"OBJECT", never}, {"BLOCKS", never}, {"BYTES", never}, {"LENGTHS", back}}
	var rows [][]string
	for n, p := range s.Partitions {
		for _, f := range p.Files {
			rows = append(rows, []string{strconv.Itoa(n), strconv.FormatUint(f.File, 10), strconv.FormatUint(f.Object, 10), strconv.FormatUint(f.Blocks, 10), strconv.FormatUint(f.Bytes, 10), lengths(f)})
		}
		if p.More > 0 {
			rows = append(rows, []string{strconv.Itoa(n), fmt.Sprintf("… %d more", p.More), "", "", "", ""})
		}
	}
	if len(rows) > 0 {
		if err := writeTable(e.stdout, columns, rows, narrow); err != nil {
			return err
		}
	}
	for _, l := range s.Lost {
		lost := archive.LostError{Partition: l.Partition, Object: l.Object, Count: l.Count, Err: errors.New(l.What)}
		fmt.Fprintln(e.stdout, printable(lost.Error()))
	}
	return nil
}

// aboutTape is a tape on one line.
func aboutTape(a archive.About) string {
	said := []string{orDash(a.Barcode)}
	if a.Format != "" {
		said = append(said, a.Format)
	}
	if kind := a.Kind(); kind != "" {
		said = append(said, kind)
	}
	if a.Capacity > 0 {
		said = append(said, capacity(a.Capacity))
	}
	if a.WriteProtect {
		said = append(said, "write protected")
	}
	return strings.Join(append(said, count(len(a.Partitions), "partition")), ", ")
}

// lengths are those of a file's blocks.
func lengths(f archive.ScanFile) string {
	var all []string
	for _, r := range f.Runs {
		if r.Count == 1 {
			all = append(all, strconv.FormatInt(r.Length, 10))
			continue
		}
		all = append(all, fmt.Sprintf("%d×%d", r.Count, r.Length))
	}
	if f.More > 0 {
		all = append(all, "…")
	}
	if f.Sealed > 0 {
		all = append(all, fmt.Sprintf("%d encrypted", f.Sealed))
	}
	if !f.Filemark {
		all = append(all, "no filemark")
	}
	return strings.Join(all, " ")
}

// sized is a number of bytes in a sentence.
func sized(n int64) string {
	if n < 1000 {
		return count(int(n), "byte")
	}
	return amount(n) + " bytes"
}

// capacity is a number of bytes that people have chosen: exact if that is short.
func capacity(n int64) string {
	if text := model.Size(n).String(); len(text) < 8 {
		return text
	}
	return amount(n)
}

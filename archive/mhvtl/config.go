// Package mhvtl reads what mhvtl keeps: device.conf and library_contents.N, which say what libraries there are and what is in
// them, and its media. It reads alone: nothing of mhvtl's is changed.
package mhvtl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is read.
const (
	maxFile     = 4 << 20 // bytes of a file of the configuration
	maxElements = 65536
)

// A Library is one of device.conf, with what library_contents.N has in it.
type Library struct {
	ID                                int
	Vendor, Product, Revision, Serial string
	Home                              string // directory of its media; "": the default one
	Persist                           bool
	Drives                            []Drive   // in order of their numbers in the library
	Slots                             []Element // in order of their numbers
	Mail                              []Element
}

// A Drive is one of device.conf.
type Drive struct {
	ID, Library, Slot                 int // Slot: its number in the library, from 1
	Vendor, Product, Revision, Serial string
}

// An Element is a slot or a mail slot, and what is in it.
type Element struct {
	Number  int
	Barcode string // "": it is empty
}

// Barcodes are those of all cartridges of a library, each once.
func (l Library) Barcodes() []string {
	var all []string
	for _, e := range slices.Concat(l.Slots, l.Mail) {
		if e.Barcode != "" && !slices.Contains(all, e.Barcode) {
			all = append(all, e.Barcode)
		}
	}
	return all
}

// ReadConfig reads the libraries of a directory with device.conf, such as /etc/mhvtl.
func ReadConfig(dir string) ([]Library, error) {
	all, err := readFile(filepath.Join(dir, "device.conf"), parseDevices)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if err := all[i].contents(dir); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readFile reads a file of the configuration.
func readFile[T any](path string, parse func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := os.Open(path)
	if err != nil {
		return none, err
	}
	v, err := parse(io.LimitReader(f, maxFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return none, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// lines calls do with each line that is no comment; blank ones too, since they end a device.
func lines(r io.Reader, do func(number int, line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<10)
	for n := 1; s.Scan(); n++ {
		line := s.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		if err := do(n, strings.TrimRight(line, " \t\r")); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return s.Err()
}

// parseDevices reads device.conf: a device begins in the first column, and ends with a blank line.
func parseDevices(r io.Reader) ([]Library, error) {
	var libraries []Library
	var drives []Drive
	kind := ""
	err := lines(r, func(_ int, line string) error {
		switch key, value, _ := strings.Cut(line, ":"); {
		case strings.TrimSpace(line) == "":
			kind = ""
		case key == "Library" || key == "Drive":
			if len(libraries)+len(drives) >= maxElements {
				return errors.New("there are too many devices")
			}
			id, err := number(value)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			if kind = key; kind == "Library" {
				libraries = append(libraries, Library{ID: id})
			} else {
				drives = append(drives, Drive{ID: id, Library: -1})
			}
		case kind == "Library":
			libraries[len(libraries)-1].set(strings.TrimSpace(key), strings.TrimSpace(value))
		case kind == "Drive":
			return drives[len(drives)-1].set(strings.TrimSpace(key), strings.TrimSpace(value))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(libraries) == 0 {
		return nil, errors.New("there is no Library in it")
	}
	for _, d := range drives {
		if i := slices.IndexFunc(libraries, func(l Library) bool { return l.ID == d.Library }); i >= 0 {
			libraries[i].Drives = append(libraries[i].Drives, d)
		}
	}
	for _, l := range libraries {
		slices.SortStableFunc(l.Drives, func(a, b Drive) int { return a.Slot - b.Slot })
	}
	return libraries, nil
}

// number is the number with which a text begins.
func number(text string) (int, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return 0, errors.New("a number is missing")
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 0 || n > maxElements {
		return 0, fmt.Errorf("%q is no number from 0 to %d", words[0], maxElements)
	}
	return n, nil
}

func (l *Library) set(key, value string) {
	switch key {
	case "Vendor identification":
		l.Vendor = value
	case "Product identification":
		l.Product = value
	case "Product revision level":
		l.Revision = value
	case "Unit serial number":
		l.Serial = value
	case "Home directory":
		l.Home = value
	case "PERSIST":
		v := strings.ToLower(value)
		l.Persist = strings.HasPrefix(v, "yes") || strings.HasPrefix(v, "true")
	}
}

func (d *Drive) set(key, value string) (err error) {
	switch key {
	case "Vendor identification":
		d.Vendor = value
	case "Product identification":
		d.Product = value
	case "Product revision level":
		d.Revision = value
	case "Unit serial number":
		d.Serial = value
	case "Library ID":
		// Library ID: 10 Slot: 1
		if d.Library, err = number(value); err != nil {
			return err
		}
		if _, slot, ok := strings.Cut(value, "Slot:"); ok {
			d.Slot, err = number(slot)
		}
	}
	return err
}

// contents reads what is in the library: what was there when it stopped, if that is kept and is the newer one.
func (l *Library) contents(dir string) error {
	path := filepath.Join(dir, fmt.Sprintf("library_contents.%d", l.ID))
	is, err := os.Stat(path)
	kept, keptErr := os.Stat(path + ".persist")
	switch {
	case keptErr == nil && l.Persist && (err != nil || !is.ModTime().After(kept.ModTime())):
		path += ".persist"
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: there is no such file: it says what is in library %d", path, l.ID)
	}
	c, err := readFile(path, parseContents)
	l.Slots, l.Mail = c.slots, c.mail
	return err
}

// contents are those of a library.
type contents struct{ slots, mail []Element }

// parseContents reads library_contents.N.
func parseContents(r io.Reader) (contents, error) {
	var c contents
	err := lines(r, func(_ int, line string) error {
		head, barcode, ok := strings.Cut(line, ":")
		words := strings.Fields(head)
		if !ok || len(words) != 2 {
			return nil
		}
		var to *[]Element
		switch words[0] {
		case "Slot":
			to = &c.slots
		case "MAP":
			to = &c.mail
		default:
			return nil
		}
		n, err := number(words[1])
		if err != nil {
			return err
		}
		if len(*to) >= maxElements {
			return errors.New("there are too many elements")
		}
		e := Element{Number: n}
		if words := strings.Fields(barcode); len(words) > 0 {
			e.Barcode = words[0]
		}
		*to = append(*to, e)
		return nil
	})
	for _, all := range []([]Element){c.slots, c.mail} {
		slices.SortStableFunc(all, func(a, b Element) int { return a.Number - b.Number })
	}
	return c, err
}

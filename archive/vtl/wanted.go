// Package vtl is tape libraries with no daemon: they are designed, made and filled in the directory that keeps them, and opened there
// for who operates them by hand.
package vtl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/library/panel"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// Limits of what one command makes.
const (
	maxDrives     = 4096
	maxElements   = 65535
	maxCartridges = 100000
)

// Wanted is a library that is to be made.
type Wanted struct {
	Name        string
	Store       string // directory
	Library     string // personality
	Drives      []string
	Slots, Mail int
	// Personalities are those of the user, a file or a folder; "": there are none.
	Personalities string
}

// A Blueprint is a library that can be made, with all that it needs.
type Blueprint struct {
	Wanted
	Model  personality.Library
	Models []personality.Drive // one for each drive
	Set    personality.Set
}

// NewBlueprint looks whether all that is wanted is there.
func NewBlueprint(w Wanted) (Blueprint, error) {
	p := Blueprint{Wanted: w}
	set, err := set(w.Personalities)
	if err != nil {
		return p, err
	}
	p.Set = set
	if p.Model, err = set.Library(w.Library); err != nil {
		return p, err
	}
	for _, text := range w.Drives {
		n, name, err := Times(text, 'x', maxDrives)
		if err != nil {
			return p, fmt.Errorf("%q: %w: say for example 4xlto8", text, err)
		}
		d, err := set.DriveOf(p.Model, name)
		if err != nil {
			return p, err
		}
		if len(p.Models)+n > maxDrives {
			return p, fmt.Errorf("there are more than %d drives", maxDrives)
		}
		p.Models = append(p.Models, slices.Repeat([]personality.Drive{d}, n)...)
	}
	for _, x := range []struct {
		what           string
		n, least, most int
	}{
		{"drive", len(p.Models), 1, p.Model.MaxDrives}, {"slot", w.Slots, 1, p.Model.MaxSlots}, {"mail slot", w.Mail, 0, p.Model.MaxMail},
	} {
		switch {
		case x.n < x.least:
			return p, fmt.Errorf("a library has at least one %s", x.what)
		case x.n > maxElements || x.most > 0 && x.n > x.most:
			return p, fmt.Errorf("%d %ss are too many: %s has %d at most", x.n, x.what, p.Model.Name, max(x.most, 1))
		}
	}
	return p, nil
}

func set(personalities string) (personality.Set, error) {
	set, err := personality.Builtin()
	if err == nil && personalities != "" {
		set, err = set.With(personalities)
	}
	return set, err
}

// DriveNames are the models of the drives, as they are in the order of the drives: a name for each, or NxNAME for several.
func (p Blueprint) DriveNames() []string {
	var all []string
	for i := 0; i < len(p.Models); {
		n := 1
		for i+n < len(p.Models) && p.Models[i+n].Name == p.Models[i].Name {
			n++
		}
		if n == 1 {
			all = append(all, p.Models[i].Name)
		} else {
			all = append(all, fmt.Sprintf("%dx%s", n, p.Models[i].Name))
		}
		i += n
	}
	return all
}

// Times reads "4xlto8" or "30:L8": how many, and of what; a name alone is one.
func Times(text string, mark rune, most int) (int, string, error) {
	count, name, ok := strings.Cut(text, string(mark))
	n, err := strconv.Atoi(count)
	if !ok || err != nil {
		n, name = 1, text
	}
	switch {
	case name == "":
		return 0, "", errors.New("it does not say of what")
	case n < 1 || n > most:
		return 0, "", fmt.Errorf("there are 1 to %d", most)
	}
	return n, name, nil
}

// A Stock is cartridges that are to be made.
type Stock struct {
	Texts  []string // "30:L8" each; "30:L8:worm" and "2:L8:cleaning" are others than data
	Prefix string   // of barcodes
	Size   int64    // capacity; 0: as the format has it
	Shelf  bool     // they are not put into slots
	// Personalities are those of the user, a file or a folder; "": there are none.
	Personalities string
}

// A Lot is cartridges that are alike.
type Lot struct {
	Count        int
	Format, Type string // Type: data, worm, cleaning
}

// Lots are the cartridges of a stock.
func (s Stock) Lots() ([]Lot, error) {
	var all []Lot
	sum := 0
	for _, text := range s.Texts {
		const say = "say for example 30:L8, or 2:L8:cleaning"
		n, name, err := Times(text, ':', maxCartridges)
		if err != nil {
			return nil, fmt.Errorf("%q: %w: %s", text, err, say)
		}
		b := Lot{Count: n, Type: "data"}
		var typed bool
		if b.Format, name, typed = strings.Cut(name, ":"); typed {
			b.Type = name
		}
		if b.Type != "data" && b.Type != "worm" && b.Type != "cleaning" {
			return nil, fmt.Errorf("%q: %q is none of data, worm and cleaning: %s", text, b.Type, say)
		}
		if b.Type != "cleaning" && s.Prefix == "" {
			return nil, errors.New("say what barcodes begin with, such as --barcode-prefix LUN")
		}
		if sum += n; sum > maxCartridges {
			return nil, fmt.Errorf("there are more than %d cartridges", maxCartridges)
		}
		all = append(all, b)
	}
	return all, nil
}

// specs are the cartridges as a library makes them.
func (s Stock) specs(set personality.Set) ([]library.Spec, error) {
	lots, err := s.Lots()
	if err != nil {
		return nil, err
	}
	var all []library.Spec
	for _, b := range lots {
		f, err := set.Format(b.Format)
		if err != nil {
			return nil, err
		}
		x := library.Spec{Count: b.Count, Format: f.Name, Prefix: s.Prefix, Capacity: s.Size, Shelf: s.Shelf}
		switch {
		case b.Type == "cleaning":
			x.Type, x.Prefix = medium.Cleaning, "" // they have one of their own
		case b.Type == "worm" || b.Format == f.WORMName:
			x.Type = medium.WORM
		}
		if x.Type == medium.WORM && f.WORMType == 0 {
			return nil, fmt.Errorf("there are no WORM cartridges of the format %s", f.Name)
		}
		all = append(all, x)
	}
	return all, nil
}

// Make makes the store and the library, and cartridges in it. It returns their barcodes.
func (p Blueprint) Make(ctx context.Context, s Stock) (barcodes []string, err error) {
	specs, err := s.specs(p.Set)
	if err != nil {
		return nil, err
	}
	if err := p.absent(); err != nil {
		return nil, err
	}
	l, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return panel.CreateAll(ctx, l, specs)
}

// open opens the library of a blueprint with no daemon. It is made if it is not there.
func (p Blueprint) open(ctx context.Context) (*library.Library, error) {
	return open(ctx, p.Store, p.Name, library.Shape{Slots: p.Slots, Mail: p.Mail, Drives: len(p.Models)}, p.Set)
}

// absent refuses a library that is there already.
func (p Blueprint) absent() error {
	names, err := library.Names(p.Store)
	if err == nil && slices.Contains(names, p.Name) {
		err = fmt.Errorf("there is a library %s in %s already: \"lunette vtl add %s --store %s\" makes more cartridges for it", p.Name, p.Store, p.Name, p.Store)
	}
	return err
}

// FormatOf is the name of the media format that a barcode ends with; "": it is none.
func (p Blueprint) FormatOf(barcode string) string {
	f, _, _ := archive.FormatOf(p.Set, barcode)
	return f.Name
}

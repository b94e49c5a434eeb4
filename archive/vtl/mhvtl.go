package vtl

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/archive/mhvtl"
	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// An Import is a library of mhvtl that is to be made ours.
type Import struct {
	From  mhvtl.Library
	Media string // directory of its media; "": where its configuration says, or /opt/mhvtl
	// To is what is made of it: what is empty is as it is there.
	To Wanted
}

// A Carried is what has become of a cartridge.
type Carried struct {
	Barcode string         `json:"barcode"`
	Place   string         `json:"place"`
	Report  archive.Report `json:"-"`
	Blocks  uint64         `json:"blocks"`
	Bytes   uint64         `json:"bytes"`
	Losses  uint64         `json:"losses"`
	There   bool           `json:"there"`             // it was in the store already, and was left as it is
	Problem string         `json:"problem,omitempty"` // why it is not there, or what is missing
}

// Blueprint is what is made of it, and notes on what is not as it was.
func (i Import) Blueprint() (Blueprint, []string, error) {
	w, l := i.To, i.From
	set, err := set(w.Personalities)
	if err != nil {
		return Blueprint{}, nil, err
	}
	var notes []string
	if w.Library == "" {
		name := calls(set.Libraries, l.Vendor, l.Product, func(x personality.Library) (string, string, string) { return x.Name, x.Vendor, x.Product })
		if name == "" {
			return Blueprint{}, nil, fmt.Errorf("library %d calls itself %q %q, and no personality does: say which it is to be, such as --library stk-l700", l.ID, l.Vendor, l.Product)
		}
		w.Library = name
	}
	if len(w.Drives) == 0 {
		for _, d := range l.Drives {
			name := calls(set.Drives, d.Vendor, d.Product, func(x personality.Drive) (string, string, string) { return x.Name, x.Vendor, x.Product })
			if name == "" {
				return Blueprint{}, nil, fmt.Errorf("drive %d calls itself %q %q, and no personality does: say which drives there are to be, such as --drives 4xlto8", d.ID, d.Vendor, d.Product)
			}
			w.Drives = append(w.Drives, name)
		}
	}
	if w.Slots == 0 {
		w.Slots = last(l.Slots)
	}
	if w.Mail == 0 {
		w.Mail = last(l.Mail)
	}
	for n, d := range l.Drives {
		if d.Slot != n+1 {
			notes = append(notes, fmt.Sprintf("drive %d is number %d in its library, and becomes drive %d", d.ID, d.Slot, n))
		}
	}
	p, err := NewBlueprint(w)
	return p, notes, err
}

// calls finds the personality that calls itself so; of several, the first that is of the maker itself. "": none does.
func calls[T any](all []T, vendor, product string, of func(T) (name, vendor, product string)) string {
	found := ""
	for _, x := range all {
		name, v, p := of(x)
		if !alike(v, vendor) || !alike(p, product) {
			continue
		}
		if strings.HasPrefix(name, strings.ToLower(strings.TrimSpace(vendor))+"-") {
			return name
		}
		if found == "" {
			found = name
		}
	}
	return found
}

// alike reports that two identities are the same, but for the case of letters and for blanks.
func alike(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }

// last is the number of the last of some elements: those between them that are missing are empty.
func last(all []mhvtl.Element) int {
	n := 0
	for _, e := range all {
		n = max(n, e.Number)
	}
	return n
}

// Run makes the library, and converts its media. Those that cannot be read are told, and are not there; tell is called after each.
func (i Import) Run(ctx context.Context, p Blueprint, tell func(Carried)) (err error) {
	l, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	have, err := l.Cartridges(ctx, false)
	if err != nil {
		return err
	}
	for n, e := range slices.Concat(i.From.Slots, i.From.Mail) {
		if e.Barcode == "" {
			continue
		}
		to := library.Place{Type: changer.Storage, Index: e.Number}
		if n >= len(i.From.Slots) {
			to.Type = changer.Mail
		}
		there := slices.ContainsFunc(have, func(c library.Cartridge) bool { return c.Barcode == e.Barcode })
		c := i.carry(ctx, l, p, e.Barcode, to, there)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		tell(c)
	}
	return nil
}

// carry converts a cartridge and puts it where it was.
func (i Import) carry(ctx context.Context, l *library.Library, p Blueprint, barcode string, to library.Place, there bool) Carried {
	c := Carried{Barcode: barcode, Place: to.Text()}
	if there {
		c.There = true
		return c
	}
	r, err := i.convert(ctx, p, barcode)
	c.Report, c.Blocks, c.Bytes, c.Losses = r, r.Blocks, r.Bytes, r.Losses
	if err == nil {
		err = l.Import(ctx, barcode, to)
	}
	switch {
	case err != nil:
		c.Problem = err.Error()
	case r.Losses > 0:
		c.Problem = fmt.Sprintf("%d objects could not be read, the first: %v", r.Losses, r.Lost[0])
	}
	return c
}

// convert copies what is on a cartridge to one of ours.
func (i Import) convert(ctx context.Context, p Blueprint, barcode string) (r archive.Report, err error) {
	if err := library.CheckBarcode(barcode); err != nil {
		return r, err
	}
	from, err := i.open(barcode)
	if err != nil {
		return r, err
	}
	format := p.FormatOf(barcode)
	if format == "" {
		n := slices.IndexFunc(p.Set.Formats, func(f personality.Format) bool { return f.Density == from.Density() && f.Density != 0 })
		if n < 0 {
			return r, fmt.Errorf("neither its barcode nor its density (%02xh) says what format it is", from.Density())
		}
		format = p.Set.Formats[n].Name
	}
	from.SetFormat(format)
	to := archive.ToCartridge(filepath.Join(p.Store, "cartridges", barcode))
	to.Spec = func(a archive.About) (medium.Spec, error) {
		if strings.HasPrefix(barcode, "CLN") {
			a.Type = medium.Cleaning
		}
		return archive.SpecOf(p.Set, a, archive.Wish{Barcode: barcode})
	}
	r, err = archive.Copy(ctx, to, from, true)
	return r, errors.Join(err, to.Close(), from.Close())
}

// open opens the media of a cartridge, which may lie in a folder of its library.
func (i Import) open(barcode string) (*mhvtl.Cartridge, error) {
	dirs := []string{i.Media}
	if i.Media == "" {
		dirs = []string{i.From.Home, "/opt/mhvtl"}
	}
	for _, dir := range dirs {
		for _, path := range []string{filepath.Join(dir, barcode), filepath.Join(dir, fmt.Sprint(i.From.ID), barcode)} {
			if dir != "" && mhvtl.IsCartridge(path) {
				return mhvtl.Open(path)
			}
		}
	}
	return nil, fmt.Errorf("it has no media below %s: mhvtl makes them when a cartridge is loaded for the first time, or they are elsewhere (--media)", strings.Join(slices.DeleteFunc(dirs, func(d string) bool { return d == "" }), " or "))
}

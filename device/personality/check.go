package personality

import (
	"fmt"
	"reflect"
)

// check looks at all that the files have, and at what they mean together.
func (b *builder) check(s Set) {
	p := make(patterns)
	for _, e := range b.formats.entries {
		b.values(p, keyFormats, e.at, e.keys, reflect.ValueOf(e.value), "")
		b.format(e)
	}
	for _, e := range b.drives.entries {
		b.values(p, keyDrives, e.at, e.keys, reflect.ValueOf(e.value), "")
		b.drive(s, e)
	}
	for _, e := range b.libraries.entries {
		b.values(p, keyLibraries, e.at, e.keys, reflect.ValueOf(e.value), "")
		b.library(e)
	}
	owner := make(map[string]string)
	for _, f := range s.Formats {
		at := place{}
		if e := b.formats.named[f.Name]; e != nil {
			at = e.at
		}
		for _, name := range []string{f.Name, f.WORMName} {
			if other, ok := owner[name]; ok && name != "" {
				b.fail(at, "barcodes that end in %s are those of the media format %s already", name, other)
			}
			owner[name] = f.Name
		}
	}
}

// values checks each value by its rule. keys says where they stand; what stands nowhere is at the entry's place.
func (b *builder) values(p patterns, sort string, at place, keys map[string]place, v reflect.Value, path string) {
	rules := rulesOf(sort)
	for i := range v.NumField() {
		name, optional := key(v.Type().Field(i))
		where, ok := keys[name]
		if !ok {
			where = at
		}
		f, r := v.Field(i), rules[name]
		var err error
		switch {
		case f.Kind() == reflect.String:
			if f.Len() > 0 || !optional {
				err = r.text(p, f.String())
			}
		case f.CanUint():
			err = r.number(int64(f.Uint()))
		case f.CanInt():
			err = r.number(f.Int())
		case f.Kind() == reflect.Slice:
			if n := int64(f.Len()); n < r.least || n > r.most {
				err = fmt.Errorf("%d are here: %d to %d are wanted", n, r.least, r.most)
			}
			for i := range f.Len() {
				if e := f.Index(i); e.Kind() == reflect.Struct {
					b.values(p, name+"[]", where, nil, e, fmt.Sprintf("%s%s[%d].", path, name, i))
				}
			}
		case f.Kind() == reflect.Struct:
			b.values(p, name, where, nil, f, path+name+".")
		}
		if err != nil {
			b.fail(where, "%s%s: %w", path, name, err)
		}
	}
}

func (b *builder) format(e *entry[Format]) {
	if f := e.value; (f.WORMType != 0) != (f.WORMName != "") {
		b.fail(e.at, "%s: worm-type and worm-name are there together, or neither is", f.Name)
	}
}

func (b *builder) drive(s Set, e *entry[Drive]) {
	d := e.value
	at := func(key string) place {
		if p, ok := e.keys[key]; ok {
			return p
		}
		return e.at
	}
	b.inquiry(at("length"), d.Length)
	if d.MinBlock > d.MaxBlock {
		b.fail(at("min-block"), "min-block: %d is more than max-block", d.MinBlock)
	}
	if unit := int64(1) << d.Granularity; d.MaxBlock%unit != 0 || d.MinBlock%unit != 0 {
		b.fail(at("granularity"), "granularity: blocks of min-block and max-block are no multiples of %d bytes", unit)
	}
	if d.Encryption == 0 && d.UKAD+d.AKAD > 0 {
		b.fail(at("encryption"), "there is no encryption that ukad and akad could be for")
	}
	seen := make(map[string]bool)
	for i, f := range d.Formats {
		format, err := s.Format(f.Format)
		switch {
		case err != nil:
			b.fail(at("formats"), "formats[%d]: %w", i, err)
		case format.Name != f.Format:
			b.fail(at("formats"), "formats[%d]: %s are the WORM cartridges of %s: name that", i, f.Format, format.Name)
		case seen[f.Format]:
			b.fail(at("formats"), "formats[%d]: %s is here twice", i, f.Format)
		case i == 0 && !f.Write:
			b.fail(at("formats"), "formats[0]: a drive writes its own format, which is the first")
		}
		seen[f.Format] = true
	}
	for i, m := range d.Protection {
		if m != 1 && m != 2 || i > 0 && d.Protection[0] == m {
			b.fail(at("protection"), "protection[%d]: %d is neither 1 nor 2, or here twice", i, m)
		}
	}
}

// inquiry checks how long INQUIRY data is.
func (b *builder) inquiry(at place, length int) {
	if length != 0 && length < leastInquiry {
		b.fail(at, "length: %d is not 0 and not from %d to %d", length, leastInquiry, mostInquiry)
	}
}

func (b *builder) library(e *entry[Library]) {
	l := e.value
	at, ok := e.keys["length"]
	if !ok {
		at = e.at
	}
	b.inquiry(at, l.Length)
	switch {
	case l.SerialAt38 && l.Length != 0 && l.Length < 50:
		b.fail(at, "length: %d has no room for the serial number at byte 38: 50 at least", l.Length)
	case l.BarcodeAt55 && l.Length != 0 && l.Length < 56:
		b.fail(at, "length: %d has no byte 55", l.Length)
	}
	if l.IdentifierLength != 0 && l.Identifier != "serial" {
		b.fail(e.at, "identifier-length is for an identifier that is a serial number")
	}
	// As many as there may be, or one of each.
	if err := l.Addresses.Check(max(l.MaxDrives, 1), max(l.MaxSlots, 1), max(l.MaxMail, 1)); err != nil {
		b.fail(e.at, "%s: %w", l.Name, err)
	}
}

// Check says whether as many elements have addresses of their own, beside one transport.
func (a Addresses) Check(drives, slots, mail int) error {
	type room struct {
		what  string
		first int
		n     int
	}
	all := []room{{"the transport", int(a.Transport), 1}, {"storage slots", int(a.Storage), slots}, {"mail slots", int(a.Mail), mail}, {"drives", int(a.Drive), drives}}
	for i, x := range all {
		if x.n == 0 {
			continue
		}
		if last := x.first + x.n - 1; last > 0xffff {
			return fmt.Errorf("%d %s from address %d on end at %d: the last address is 65535", x.n, x.what, x.first, last)
		}
		for _, y := range all[i+1:] {
			if y.n > 0 && x.first < y.first+y.n && y.first < x.first+x.n {
				return fmt.Errorf("addresses overlap: %d %s are at %d to %d, and %d %s at %d to %d", x.n, x.what, x.first, x.first+x.n-1, y.n, y.what, y.first, y.first+y.n-1)
			}
		}
	}
	return nil
}

package image

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	sector = 2048
	// mostDescriptors is how many volume structure descriptors are looked at, and descriptors of UDF's sequence.
	mostDescriptors = 64
)

// disc looks for the file systems of discs: their descriptors begin at sector 16 (ECMA-119 6.3, ECMA-167 2/8.3).
func (l *looker) disc(f *Found) {
	iso, udf := false, false
	var joliet string
scan:
	for n := range int64(mostDescriptors) {
		b := l.at((16+n)*sector, sector)
		if len(b) < sector {
			break
		}
		switch string(b[1:6]) {
		case "CD001":
			iso = true
			l.volume(f, b, &joliet)
		case "BEA01", "BOOT2", "TEA01", "CDW02":
		case "NSR02", "NSR03":
			udf = true
		default:
			if n == 0 && string(b[9:14]) == "CDROM" {
				f.Disc, f.System = true, "High Sierra"
				f.Label, f.Bytes = text(b[48:80]), size(b[88:], b[136:])
			}
			break scan
		}
	}
	if f.Label == "" {
		f.Label = joliet
	}
	switch {
	case iso && udf:
		f.Disc, f.System = true, "ISO 9660 and UDF"
	case iso:
		f.Disc, f.System = true, "ISO 9660"
	case udf:
		f.Disc, f.System = true, "UDF"
	}
	if udf {
		l.udf(f)
	}
	f.Hybrid = f.Disc && l.partitioned()
}

// volume reads a volume descriptor of ISO 9660 (ECMA-119 8).
func (l *looker) volume(f *Found, b []byte, joliet *string) {
	switch b[0] {
	case 0: // boot record
		f.Bootable = f.Bootable || bytes.HasPrefix(b[7:], []byte("EL TORITO SPECIFICATION"))
	case 1: // primary
		f.Label, f.Bytes = text(b[40:72]), size(b[80:], b[128:])
	case 2: // supplementary: with wide characters (Joliet) if an escape sequence says so
		if e := string(b[88:91]); e == "%/@" || e == "%/C" || e == "%/E" {
			*joliet = wide(b[40:72])
		}
	}
}

// size is a number of blocks times their length.
func size(blocks, length []byte) int64 {
	return int64(binary.LittleEndian.Uint32(blocks)) * int64(binary.LittleEndian.Uint16(length))
}

// udf reads the volume descriptor sequence, which the anchor at sector 256 points to (ECMA-167 3/10).
func (l *looker) udf(f *Found) {
	anchor := l.tagged(256, 2)
	if anchor == nil {
		return
	}
	first, length := binary.LittleEndian.Uint32(anchor[20:]), binary.LittleEndian.Uint32(anchor[16:])
	var volume, logical string
	for n := range min(int64(length)/sector, mostDescriptors) {
		b := l.tagged(int64(first)+n, 0)
		if b == nil {
			break
		}
		switch binary.LittleEndian.Uint16(b) {
		case 1:
			volume = dstring(b[24:56])
		case 5:
			start, blocks := binary.LittleEndian.Uint32(b[188:]), binary.LittleEndian.Uint32(b[192:])
			f.Bytes = max(f.Bytes, (int64(start)+int64(blocks))*sector)
		case 6:
			logical = dstring(b[84:212])
		}
	}
	for _, label := range []string{logical, volume} {
		if f.Label == "" {
			f.Label = label
		}
	}
}

// tagged is a sector with a descriptor of UDF of some kind, 0 any; nil: there is none, or it is the last one.
func (l *looker) tagged(at int64, kind uint16) []byte {
	b := l.at(at*sector, sector)
	if len(b) < sector {
		return nil
	}
	var sum byte
	for i, v := range b[:16] {
		if i != 4 {
			sum += v
		}
	}
	k := binary.LittleEndian.Uint16(b)
	if sum != b[4] || k == 0 || k == 8 || kind != 0 && k != kind {
		return nil
	}
	return b
}

// partitioned reports that there is a partition table at the start: of a PC with a partition in it, or Apple's.
func (l *looker) partitioned() bool {
	b := l.at(0, 520)
	if len(b) < 520 {
		return false
	}
	if string(b[:2]) == "ER" && string(b[512:514]) == "PM" || string(b[512:]) == "EFI PART" {
		return true
	}
	if b[510] != 0x55 || b[511] != 0xaa {
		return false
	}
	for p := b[446:510]; len(p) > 0; p = p[16:] {
		if p[4] != 0 && binary.LittleEndian.Uint32(p[12:]) != 0 {
			return true
		}
	}
	return false
}

// text is a field of characters, which ISO 9660 pads with spaces, without what cannot be printed.
func text(b []byte) string {
	s := string(b)
	if !utf8.ValidString(s) {
		r := make([]rune, len(b))
		for i, c := range b {
			r[i] = rune(c)
		}
		s = string(r)
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
}

// wide is a field of characters of two bytes.
func wide(b []byte) string {
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return text([]byte(string(utf16.Decode(u))))
}

// dstring is a string of UDF: its kind comes first, and its length, with that, last.
func dstring(b []byte) string {
	n := int(b[len(b)-1])
	if n < 1 || n >= len(b) {
		return ""
	}
	if b[0] == 16 {
		return wide(b[1:n])
	}
	r := make([]rune, 0, n)
	for _, c := range b[1:n] {
		r = append(r, rune(c))
	}
	return text([]byte(string(r)))
}

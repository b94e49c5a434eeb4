package attached

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/scsi/page"
)

// wholePage is a VPD page as it says that it is, without what is behind it; nil if it is another, or is cut off.
func wholePage(b []byte, code byte) []byte {
	if len(b) < 4 || b[1] != code {
		return nil
	}
	n := 4 + int(binary.BigEndian.Uint16(b[2:]))
	if len(b) < n {
		return nil
	}
	return b[:n:n]
}

// serialOf is the serial number in a VPD page 80h, without padding; empty: none.
func serialOf(b []byte) string {
	if b = wholePage(b, page.VPDUnitSerial); b == nil {
		return ""
	}
	return printable(string(b[4:]))
}

// Names are the names of a logical unit in its VPD page 83h, the best first: by NAA, by EUI-64, and by T10 vendor. What is no name
// of the logical unit's own is left out, and so is all of a page that is malformed.
func Names(page83 []byte) []string {
	all, err := page.ParseIdentification(page83)
	if err != nil {
		return nil
	}
	type name struct {
		rank int
		text string
	}
	var names []name
	for _, d := range all {
		if d.Association != page.OfUnit || len(d.Data) == 0 {
			continue
		}
		switch d.Type {
		case page.DesignatorNAA:
			// Locally assigned names (3h) are unique nowhere else.
			if format := d.Data[0] >> 4; format == 6 && len(d.Data) == 16 {
				names = append(names, name{0, "naa." + hex.EncodeToString(d.Data)})
			} else if (format == 2 || format == 5) && len(d.Data) == 8 {
				names = append(names, name{1, "naa." + hex.EncodeToString(d.Data)})
			}
		case page.DesignatorEUI64:
			if n := len(d.Data); n == 8 || n == 12 || n == 16 {
				names = append(names, name{2, "eui." + hex.EncodeToString(d.Data)})
			}
		case page.DesignatorT10Vendor:
			if text := printable(string(d.Data)); text != "" && len(d.Data) > 8 {
				names = append(names, name{3, "t10." + text})
			}
		}
	}
	slices.SortStableFunc(names, func(a, b name) int { return a.rank - b.rank })
	var texts []string
	for _, n := range names {
		if !slices.Contains(texts, n.text) {
			texts = append(texts, n.text)
		}
	}
	return texts
}

// folded is a name in the form in which names are compared; ok is false for what is not a name.
func folded(id string) (name string, ok bool) {
	lower := strings.ToLower(id)
	if digits, is := strings.CutPrefix(lower, "wwn-0x"); is {
		lower = "naa." + digits
	}
	switch {
	case strings.HasPrefix(lower, "naa."), strings.HasPrefix(lower, "eui."):
		_, err := hex.DecodeString(lower[4:])
		return lower, err == nil && len(lower) > 4
	case strings.HasPrefix(lower, "t10."):
		// Vendor and product are padded with spaces, which people cannot count and udev writes as underscores.
		return "t10." + strings.Join(strings.FieldsFunc(id[4:], func(r rune) bool { return r == ' ' || r == '_' }), " "), len(id) > 4
	}
	return "", false
}

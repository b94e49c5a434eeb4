package archive

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A Wish is what a new cartridge is to be, beside what the tape is that goes on it.
type Wish struct {
	Barcode  string
	Format   string // "": that of the tape, or else what the barcode ends with
	Capacity int64  // 0: that of the tape, or else as the format has it
}

// A NoFormatError says that nothing tells the media format of a cartridge.
type NoFormatError struct{ Barcode string }

func (e *NoFormatError) Error() string {
	return fmt.Sprintf("%q does not end with a media format: say which it is, such as --format L8", e.Barcode)
}

// FormatOf finds the media format that a barcode ends with, and whether it is that of WORM cartridges.
func FormatOf(set personality.Set, barcode string) (f personality.Format, worm, ok bool) {
	for _, f := range set.Formats {
		switch {
		case strings.HasSuffix(barcode, f.Name):
			return f, false, true
		case f.WORMName != "" && strings.HasSuffix(barcode, f.WORMName):
			return f, true, true
		}
	}
	return f, false, false
}

// SpecOf says what cartridge to make for a tape.
func SpecOf(set personality.Set, about About, w Wish) (medium.Spec, error) {
	s := medium.Spec{Barcode: w.Barcode, Format: w.Format, Maker: about.Maker, Type: about.Type, Capacity: w.Capacity}
	if s.Format == "" {
		f, worm, ok := FormatOf(set, s.Barcode)
		switch {
		case !ok && about.Format == "":
			return s, &NoFormatError{s.Barcode}
		case !ok:
			s.Format = about.Format
		case worm:
			s.Format, s.Type = f.Name, medium.WORM
		default:
			s.Format = f.Name
		}
	}
	f, err := set.Format(s.Format)
	if err != nil {
		return s, err
	}
	if s.Format == f.WORMName {
		s.Format, s.Type = f.Name, medium.WORM
	}
	if s.Capacity == 0 {
		s.Capacity = about.Capacity
	}
	if s.Capacity == 0 {
		s.Capacity = f.Capacity * 1e6
	}
	if s.Capacity < 0 {
		return s, errors.New("a cartridge with a capacity below 0")
	}
	return s, nil
}

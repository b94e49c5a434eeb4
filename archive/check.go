package archive

import (
	"context"

	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/initiator/st"
)

// A Check is what was found in the files of a cartridge.
type Check struct {
	Objects uint64     `json:"objects"` // blocks and filemarks that were read
	Bytes   int64      `json:"bytes"`   // as they are kept
	Damaged []ScanLoss `json:"damaged"`
	More    int        `json:"more"` // places that are damaged and are not listed
}

func checkOf(r medium.Report) Check {
	c := Check{Objects: r.Objects, Bytes: r.Bytes, Damaged: []ScanLoss{}, More: r.More}
	for _, d := range r.Damaged {
		c.Damaged = append(c.Damaged, ScanLoss(d))
	}
	return c
}

// Verify reads all files of a cartridge, and checks them. progress may be nil; it is told how many bytes are done, of how many.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (Check, error) {
	r, err := medium.Verify(ctx, dir, progress)
	return checkOf(r), inUse(dir, err)
}

// Reindex makes the index of a cartridge again from its data.
func Reindex(ctx context.Context, dir string) (Check, error) {
	r, err := medium.Reindex(ctx, dir)
	return checkOf(r), inUse(dir, err)
}

// Compact gives the space back that what is on a cartridge does not need.
func Compact(ctx context.Context, dir string) error { return inUse(dir, medium.Compact(ctx, dir)) }

// IsDrive reports that path is a device that may be a real drive.
func IsDrive(path string) bool { return st.IsDrive(path) }

// HasFormat reports that a barcode ends with a media format of the personalities in the program.
func HasFormat(barcode string) bool {
	set, err := personality.Builtin()
	_, _, ok := FormatOf(set, barcode)
	return ok && err == nil
}

// SpecFor says what cartridge to make for a tape that goes on it, by the personalities in the program.
func SpecFor(w Wish) func(About) (medium.Spec, error) {
	return func(a About) (medium.Spec, error) {
		set, err := personality.Builtin()
		if err != nil {
			return medium.Spec{}, err
		}
		return SpecOf(set, a, w)
	}
}

// Kind is what a tape is for, in a word; "" is data.
func (a About) Kind() string { return KindOf(a.Type) }

// KindOf is what a cartridge of a type is for, in a word; "" is data.
func KindOf(t medium.Type) string {
	switch t {
	case medium.WORM:
		return "WORM"
	case medium.Cleaning:
		return "cleaning"
	}
	return ""
}

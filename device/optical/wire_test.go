package optical_test

import (
	"testing"

	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

// What is said of a disc comes over the wire as it is, and is cut to the allocation length; without a disc it is not said.
func TestOverTheWire(t *testing.T) {
	b := newBench(t, blank(t, 300*optical.BlockSize), nil)
	s := b.login(1, loopback.Options{})
	disc := map[string]struct {
		build func(n uint16) []byte
		n     int // length of all of it
	}{
		"TOC":       {func(n uint16) []byte { return cdb.ReadTOC{Allocation: n}.Append(nil) }, 20},
		"disc":      {func(n uint16) []byte { return cdb.ReadDiscInformation{Allocation: n}.Append(nil) }, 34},
		"track":     {func(n uint16) []byte { return cdb.ReadTrackInformation{Type: 1, Address: 1, Allocation: n}.Append(nil) }, 48},
		"structure": {func(n uint16) []byte { return cdb.ReadDiscStructure{Allocation: n}.Append(nil) }, 2052},
	}
	drive := map[string]struct {
		build func(n uint16) []byte
		n     int
	}{
		"formats":   {func(n uint16) []byte { return cdb.ReadFormatCapacities{Allocation: n}.Append(nil) }, 20},
		"mechanism": {func(n uint16) []byte { return cdb.MechanismStatus{Allocation: n}.Append(nil) }, 8},
	}
	for _, all := range []map[string]struct {
		build func(n uint16) []byte
		n     int
	}{disc, drive} {
		for name, c := range all {
			for _, n := range []int{0, 2, 4, c.n - 1, c.n, c.n + 100} {
				if got := do(t, s, c.build(uint16(n)), nil, n, good); len(got) != min(n, c.n) {
					t.Errorf("%s: %d bytes of %d, with room for %d", name, len(got), c.n, n)
				}
			}
		}
	}
	_, write, err := page.ParsePerformance(do(t, s, cdb.GetPerformance{Data: 0x14, Maximum: 2}.Append(nil), nil, 100, good))
	if err != nil || !write {
		t.Error(err)
	}
	do(t, s, cdb.GetPerformance{Data: 0x10, LBA: 300, Maximum: 2}.Append(nil), nil, 100, scsi.LBAOutOfRange())
	do(t, s, cdb.Seek{LBA: 299}.Append(nil), nil, 0, good)
	do(t, s, cdb.Seek{LBA: 300}.Append(nil), nil, 0, scsi.LBAOutOfRange())

	if err := b.drive.Eject(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for name, c := range disc {
		if got := do(t, s, c.build(100), nil, 100, noneOpen); len(got) != 0 {
			t.Errorf("%s of no disc: %x", name, got)
		}
	}
	do(t, s, cdb.Seek{}.Append(nil), nil, 0, noneOpen)
	do(t, s, cdb.GetPerformance{Data: 0x10, Maximum: 2}.Append(nil), nil, 100, good)
	f, err := page.ParseFormatCapacities(do(t, s, cdb.ReadFormatCapacities{Allocation: 252}.Append(nil), nil, 252, good))
	if err != nil || f.Kind != page.CapacityNoMedium {
		t.Errorf("%+v, %v", f, err)
	}
}

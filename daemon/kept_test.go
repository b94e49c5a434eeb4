package daemon

import (
	"slices"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// Mode pages that an initiator has saved are as it saved them after a restart, where there is a place to
// keep them.
func TestModePagesAreSaved(t *testing.T) {
	t.Chdir(t.TempDir())
	const shared = fileA + ", device: {kind: disk, settings: shared}"
	const control, dSense = 0x0a, 0x04
	var before []byte
	for start := range 2 {
		l := newLab(t, func(o *Options) {
			o.UnitRecord = func(unit string) func(func(string) error) error {
				return func(do func(string) error) error { return do(unit + ".kept") }
			}
		}, shared)
		s := l.login("guest:me")
		l.told(s, 0)
		r, data, err := s.Do(t.Context(), 0, cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: control, Allocation: 255}.Append(nil), nil, 255)
		if err != nil || r.Status != scsi.Good {
			t.Fatal(r.Sense, err)
		}
		page := data[4 : 4+12]
		if start == 1 {
			if page[2] != before[2]|dSense {
				t.Errorf("the control page is %x after a restart; it was saved as %x with D_SENSE", page, before)
			}
			break
		}
		before = slices.Clone(page)
		if page[0]&0x80 == 0 || page[2]&dSense != 0 {
			t.Fatalf("the control page is %x", page)
		}
		list := append(make([]byte, 4), page...)
		list[4] &= 0x7f
		list[6] |= dSense
		r, _, err = s.Do(t.Context(), 0, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Save: true, Length: uint16(len(list))}.Append(nil), list, 0)
		if err != nil || r.Status != scsi.Good {
			t.Fatal(r.Sense, err)
		}
		if err := l.d.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.stopped = true
	}
}

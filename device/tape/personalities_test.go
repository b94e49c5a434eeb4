package tape_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// Every drive of the program has all its pages, with the cartridges that it takes, and says of itself what its file says.
func TestEveryPersonality(t *testing.T) {
	set, err := personality.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range set.Drives {
		t.Run(m.Name, func(t *testing.T) {
			var formats []personality.Format
			for _, f := range m.Formats {
				format, err := set.Format(f.Format)
				if err != nil {
					t.Fatal(err)
				}
				formats = append(formats, format)
			}
			k := newDesk(t, func(c *tape.Config) {
				c.Model, c.Formats = m, formats
				c.Identity.Vendor, c.Identity.Product, c.Identity.Revision = m.Vendor, m.Product, m.Revision
			})
			h := k.host(1)
			std := h.ask(wire(0x12, 0, 0, 0, 255, 0), 255)
			if len(std) < 36 || int(std[4]) != len(std)-5 || strings.TrimSpace(string(std[8:16])) != m.Vendor || strings.TrimSpace(string(std[16:32])) != m.Product {
				t.Errorf("standard data %q", std)
			}
			for _, code := range h.ask(wire(0x12, 1, 0, 0, 255, 0), 255)[4:] {
				h.ask(wire(0x12, 1, int(code), 0, 255, 0), 255)
			}
			for i, f := range m.Formats {
				if i > 0 {
					k.unload()
				}
				k.load(blank(func(s *medium.Spec) {
					s.Format, s.Capacity = f.Format, formats[i].Capacity*1_000_000
				}))
				b := h.modeSense(0x3f, 0xff)
				code := formats[i].Density
				if f.Density != 0 {
					code = f.Density
				}
				if b[2] != formats[i].MediumType || b[8] != code || (b[3]&0x80 == 0) != f.Write {
					t.Errorf("%s: header %x", f.Format, b[:16])
				}
				for _, code := range h.ask(wire(0x4d, 0, 0x40, 0, 0, 0, 0, uint16(255), 0), 255)[5:] {
					h.logPage(int(code))
				}
				if v := h.logPage(0x17); be(v[0x16]) != uint64(formats[i].Capacity) || be(v[0x202][4:]) != uint64(formats[i].Capacity) {
					t.Errorf("%s: capacities %x and %x", f.Format, v[0x16], v[0x202])
				}
				density := h.ask(wire(0x44, 1, 0, 0, 0, 0, 0, uint16(1024), 0), 1024)
				if len(density) != 56 || density[4] != code || be(density[16:20]) != uint64(formats[i].Capacity) {
					t.Errorf("%s: density %x", f.Format, density)
				}
				if got := h.attribute(0, 1); be(got) != uint64(formats[i].Capacity)*1_000_000>>20 {
					t.Errorf("%s: capacity %x", f.Format, got)
				}
			}
			if all := h.ask(wire(0x44, 0, 0, 0, 0, 0, 0, uint16(4096), 0), 4096); !slices.IsSortedFunc(slices.Collect(slices.Chunk(all[4:], 52)), func(a, b []byte) int { return int(a[0]) - int(b[0]) }) {
				t.Errorf("densities %x", all)
			}
		})
	}
}

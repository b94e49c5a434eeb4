package tape_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/target"
)

// reset resets the unit.
func (h *host) reset() {
	h.Helper()
	if r := h.s.Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
		h.Fatalf("reset: %v", r)
	}
	h.calm()
}

// logPage are the parameters of a log page by their codes.
func (h *host) logPage(code int) map[int][]byte {
	h.Helper()
	p := h.ask(wire(0x4d, 0, 0x40|code, 0, 0, 0, 0, uint16(0x4000), 0), 0x4000)
	if int(p[0]) != code || int(be(p[2:4])) != len(p)-4 {
		h.Fatalf("log page %02x: %x", code, p)
	}
	all := map[int][]byte{}
	for at := 4; at < len(p); at += 4 + int(p[at+3]) {
		all[int(be(p[at:at+2]))] = p[at+4 : at+4+int(p[at+3])]
	}
	return all
}

// expect compares parameters of a log page with numbers.
func (h *host) expect(code int, want map[int]uint64) {
	h.Helper()
	p := h.logPage(code)
	for parameter, n := range want {
		if v, ok := p[parameter]; !ok || be(v) != n {
			h.Errorf("log page %02x, parameter %x: %x, want %d", code, parameter, v, n)
		}
	}
}

// alerts are the flags that h reads in log page 2Eh.
func (h *host) alerts() (all []int) {
	h.Helper()
	for flag, v := range h.logPage(0x2e) {
		if v[0] == 1 {
			all = append(all, flag)
		}
	}
	slices.Sort(all)
	return all
}

func TestLogPages(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	list := h.ask(wire(0x4d, 0, 0x40, 0, 0, 0, 0, uint16(255), 0), 255)
	if !bytes.Equal(list[4:], hexed("00 02 03 0c 0d 0e 11 12 13 14 16 17 1b 2e 2f 30 31 32")) {
		t.Errorf("pages %x", list[4:])
	}
	for _, code := range list[5:] {
		h.logPage(int(code)) // of an empty drive
	}
	if v := h.logPage(0x17)[0]; v[0] != 0 {
		t.Errorf("without a cartridge the volume statistics are valid")
	}
	// A cartridge of 100 MB in two partitions, one of 25.
	cart := blank(func(s *medium.Spec) { s.Capacity = 100_000_000 })
	if err := cart.Format(t.Context(), []int64{75_000_000, 25_000_000}); err != nil {
		t.Fatal(err)
	}
	k.load(cart)
	h.sets(0x0f, 0, map[int]byte{2: 0x40})
	for range 32 {
		h.tell(wire(0x0a, 0, u24(250_000), 0), make([]byte, 250_000))
	}
	h.ask(wire(0x10, 0, u24(1), 0), 0)
	h.ask(wire(1, 0, 0, 0, 0, 0), 0)
	h.expect(0x0c, map[int]uint64{7: 0})
	for range 4 {
		h.ask(wire(8, 2, u24(250_000), 0), 250_000)
	}
	h.expect(0x02, map[int]uint64{3: 0, 5: 8_000_000, 6: 0})
	h.expect(0x03, map[int]uint64{3: 0, 5: 1_000_000, 6: 0})
	h.expect(0x0c, map[int]uint64{0: 8_000_000, 3: 1_000_000, 4: 8, 5: 71, 6: 3, 7: 1<<32 - 1, 0x100: 0})
	h.expect(0x17, map[int]uint64{0: 1, 1: 1, 0x0e: 8, 0x0f: 1, 0x10: 8, 0x11: 1, 0x16: 100, 0x17: 8, 0x18: 100, 0x80: 0, 0x81: 0})
	v := h.logPage(0x17)
	for code, want := range map[int]string{
		0x202: "07 00 0000 0000004b 07 00 0001 00000019",
		0x203: "07 00 0000 00000008 07 00 0001 00000000",
		0x204: "07 00 0000 00000042 07 00 0001 00000019", // 66.99 and 25
	} {
		if !bytes.Equal(v[code], hexed(want)) {
			t.Errorf("volume statistics %x: %x", code, v[code])
		}
	}
	if string(v[0x42]) != "LUN001L8                        " || string(v[0x40][:10]) != "1234567890" || string(v[0x45]) != "Ultrium-8" {
		t.Errorf("volume statistics: barcode %q, serial %q, %q", v[0x42], v[0x40], v[0x45])
	}
	h.expect(0x31, map[int]uint64{1: 63, 2: 23, 3: 71, 4: 23}) // mebibytes
	h.expect(0x30, map[int]uint64{1: 1, 2: 3})
	h.expect(0x14, map[int]uint64{0: 1, 0x0d: 1, 0x17: 8, 0x16: 1})
	for _, code := range []int{0x1b, 0x32} {
		h.expect(code, map[int]uint64{2: 1, 3: 0, 6: 8, 7: 0, 8: 8, 0x100: 0})
	}
	if p := h.logPage(0x11); !bytes.Equal(p[0][:3], hexed("61 17 00")) {
		t.Errorf("device status %x", p[0])
	}
	k.unload()
	if p := h.logPage(0x11); !bytes.Equal(p[0][:3], hexed("01 00 00")) {
		t.Errorf("device status of an empty drive %x", p[0])
	}
}

// A page is read from a parameter on, and PC says which values: thresholds are those of TapeAlert alone.
func TestLogSense(t *testing.T) {
	h := newDesk(t, nil).host(1)
	if p := h.ask(wire(0x4d, 0, 0x6e, 0, 0, uint16(0x3f), uint16(255), 0), 255); !bytes.Equal(p, hexed("2e00 000a 003f 00 01 00 0040 00 01 00")) {
		t.Errorf("from parameter 3Fh: %x", p)
	}
	for _, c := range []struct {
		page, control int
		good          bool
	}{{0x2e, 0, true}, {0x2e, 1, true}, {0x2e, 2, false}, {0x2e, 3, false}, {0x17, 0, false}, {0x17, 1, true}} {
		if r := h.cmd(wire(0x4d, 0, c.control<<6|c.page, 0, 0, uint16(0), uint16(1024), 0), 1024, nil); r.good() != c.good {
			t.Errorf("%+v: %v", c, r)
		}
	}
}

// TapeAlert: flags are read once by each nexus in page 2Eh, and stay in page 12h and in the memory of the cartridge; page 1Ch tries
// them out.
func TestAlerts(t *testing.T) {
	k := newDesk(t, nil)
	h, other := k.host(1), k.host(2)
	k.load(blank(func(s *medium.Spec) { s.Format = "L6" })) // only to be read
	if got := h.alerts(); !slices.Equal(got, []int{17}) {
		t.Errorf("alerts %v", got)
	}
	if got := h.alerts(); got != nil {
		t.Errorf("alerts, again %v", got)
	}
	h.expect(0x12, map[int]uint64{0: 1 << (64 - 17)})
	if got := other.alerts(); !slices.Equal(got, []int{17}) {
		t.Errorf("alerts for the other %v", got)
	}
	if got := k.drive.Status().Alerts; !slices.Equal(got, []int{17}) {
		t.Errorf("status has %v", got)
	}
	k.unload()
	k.load(nil)
	h.expect(0x12, map[int]uint64{0: 0})
	h.sets(0x1c, 0, map[int]byte{2: 0x0c, 11: 36})
	if got := other.alerts(); !slices.Equal(got, []int{36}) {
		t.Errorf("a test sets %v", got)
	}
	h.sets(0x1c, 0, map[int]byte{8: 0xff, 9: 0xff, 10: 0xff, 11: 0xdc}) // -36
	if got := h.alerts(); got != nil {
		t.Errorf("a test leaves %v", got)
	}
	for _, flag := range []byte{0, 65} {
		p := h.modePage(0x1c, 0)
		p[2], p[8], p[9], p[10], p[11] = 0x0c, 0, 0, 0, flag
		if r := h.modeSelect(p); !r.is(5, 0x26, 0) {
			t.Errorf("a test of flag %d: %v", flag, r)
		}
	}
}

// Error counters are reset by LOG SELECT.
func TestResetOfCounters(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h, other := k.host(1), k.host(2)
	h.tell(wire(0x0a, 0, u24(1000), 0), make([]byte, 1000))
	h.expect(2, map[int]uint64{5: 1000})
	h.ask(wire(0x4c, 2, 0x42, 0, 0, 0, 0, uint16(0), 0), 0)
	h.expect(2, map[int]uint64{5: 0})
	if got := other.calm(); !slices.Equal(got, []string{"2a/02"}) {
		t.Errorf("others are told %v", got)
	}
	h.tell(wire(0x0a, 0, u24(10), 0), make([]byte, 10))
	h.expect(2, map[int]uint64{5: 10})
}

// Every page, and everything else that is read, with every allocation length: it is the beginning of the whole.
func TestAllocationLengths(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h := k.host(1)
	type form struct {
		name string
		cdb  func(n int) []byte
		most int
	}
	forms := []form{
		{"density", func(n int) []byte { return wire(0x44, 0, 0, 0, 0, 0, 0, uint16(n), 0) }, 255},
		{"medium types", func(n int) []byte { return wire(0x44, 2, 0, 0, 0, 0, 0, uint16(n), 0) }, 400},
		{"attributes", func(n int) []byte { return readAttribute(0, 0, 0, n) }, 1200},
		{"attribute list", func(n int) []byte { return readAttribute(1, 0, 0, n) }, 120},
		{"volumes", func(n int) []byte { return readAttribute(2, 0, 0, n) }, 8},
		{"partitions", func(n int) []byte { return readAttribute(3, 0, 0, n) }, 8},
		{"supported attributes", func(n int) []byte { return readAttribute(5, 0, 0, n) }, 140},
		{"timestamp", func(n int) []byte { return wire(0xa3, 0x0f, 0, 0, 0, 0, uint32(n), 0, 0) }, 16},
		{"diagnostic pages", func(n int) []byte { return wire(0x1c, 1, 0, uint16(n), 0) }, 8},
	}
	for _, c := range h.ask(wire(0x12, 1, 0, 0, 255, 0), 255)[4:] {
		forms = append(forms, form{"VPD", func(n int) []byte { return wire(0x12, 1, int(c), uint16(n), 0) }, 300})
	}
	for _, c := range h.ask(wire(0x4d, 0, 0x40, 0, 0, 0, 0, uint16(255), 0), 255)[4:] {
		forms = append(forms, form{"log", func(n int) []byte { return wire(0x4d, 0, 0x40|int(c), 0, 0, 0, 0, uint16(n), 0) }, 900})
	}
	for _, sub := range []int{0, 0xff} {
		forms = append(forms,
			form{"mode(6)", func(n int) []byte { return wire(0x1a, 0, 0x3f, sub, n, 0) }, 255},
			form{"mode(10)", func(n int) []byte { return wire(0x5a, 0, 0x3f, sub, 0, 0, 0, uint16(n), 0) }, 300})
	}
	for _, c := range []int{0, 1, 0x10, 0x11, 0x12, 0x20, 0x21} {
		forms = append(forms, form{"SPIN", func(n int) []byte { return wire(0xa2, 0x20, uint16(c), 0, 0, uint32(n), 0, 0) }, 64})
	}
	for _, c := range []int{0, 1} {
		forms = append(forms, form{"SPIN 00h", func(n int) []byte { return wire(0xa2, 0, uint16(c), 0, 0, uint32(n), 0, 0) }, 16})
	}
	for _, f := range forms {
		whole := h.ask(f.cdb(f.most), f.most)
		for n := range f.most {
			r := h.cmd(f.cdb(n), f.most, nil)
			if !r.good() || !bytes.Equal(r.data, whole[:min(n, len(whole))]) || r.resid != f.most-len(r.data) {
				t.Fatalf("%s %x: %d bytes: %v, %x", f.name, f.cdb(0), n, r, r.data)
			}
		}
	}
}

// UNLOAD and LOAD of what stays in the drive are a mount as the robot's are: the pages are about the medium again.
func TestLogPagesAfterLoad(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	k.load(nil)
	write := func() { h.tell(wire(0x0a, 0, u24(2_000_000), 0), make([]byte, 2_000_000)) }
	write()
	h.expect(0x17, map[int]uint64{0: 1, 1: 1, 0x0e: 2, 0x10: 2})
	h.ask(wire(0x1b, 0, 0, 0, 0, 0), 0)
	h.expect(0x17, map[int]uint64{0: 0})
	h.ask(wire(0x1b, 0, 0, 0, 1, 0), 0)
	h.expect(0x17, map[int]uint64{0: 1, 1: 2, 0x0e: 0, 0x10: 2})
	h.expect(0x14, map[int]uint64{0: 2})
	before := h.attribute(0, 0x009)
	write()
	h.expect(0x17, map[int]uint64{0: 1, 1: 2, 0x0e: 2, 0x10: 4})
	if after := h.attribute(0, 0x009); bytes.Equal(before, after) {
		t.Errorf("volume change reference %x before and after", after)
	}
}

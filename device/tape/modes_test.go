package tape_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

// modeSense is the data of MODE SENSE(10).
func (h *host) modeSense(code, subpage int) []byte {
	h.Helper()
	return h.ask(wire(0x5a, 0, code, subpage, 0, 0, 0, uint16(1024), 0), 1024)
}

// modePage is a page that MODE SENSE(10) shows.
func (h *host) modePage(code, subpage int) []byte {
	h.Helper()
	return h.modeSense(code, subpage)[16:]
}

// modeSelect sends a page with MODE SELECT(10), and the header and block descriptor as they are.
func (h *host) modeSelect(p []byte) outcome {
	h.Helper()
	head := h.modeSense(0x0a, 0)[:16]
	head[0], head[1] = 0, 0
	return h.modeList(slices.Concat(head, p))
}

func (h *host) modeList(list []byte) outcome {
	h.Helper()
	return h.cmd(wire(0x55, 0x10, 0, 0, 0, 0, 0, uint16(len(list)), 0), 0, list)
}

// sets sends a page of which some bytes are other ones, which must be taken, and then be shown.
func (h *host) sets(code, subpage int, bytesAt map[int]byte) {
	h.Helper()
	p := h.modePage(code, subpage)
	for i, b := range bytesAt {
		p[i] = b
	}
	if r := h.modeSelect(p); !r.good() {
		h.Fatalf("page %02x/%02x: %v", code, subpage, r)
	}
	if got := h.modePage(code, subpage); !bytes.Equal(got, p) {
		h.Fatalf("page %02x/%02x is %x, want %x", code, subpage, got, p)
	}
}

// The pages of an empty drive, and in the lists, with exactly the lengths that programs know.
func TestModePages(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	want := []struct {
		code, subpage int
		page          string
	}{
		{0x01, 0, "010a 00000000000000000000"},
		{0x02, 0, "020e 0000000000000000000000000000"},
		{0x0a, 0, "0a0a 22100000 0000ffff0000"},
		{0x0a, 0x01, "4a01001c 06" + "000000000000000000000000000000000000000000000000000000"},
		{0x0a, 0xf0, "4af0001c 00000000000000000000000000000000000000000000000000000000"},
		{0x0f, 0, "0f0e c080 00000001 00000001 00000000"},
		{0x10, 0, "100e 00000000 0064 40 00 18 000000 01 80"},
		{0x10, 0x01, "5001001c 0002 0000 00" + "0000000000000000000000000000000000000000000000"},
		{0x11, 0, "110e 03003c03 0900 0000000000000000"},
		{0x1c, 0, "1c0a 0803 00000000 00000000"},
		{0x1d, 0, "1d1e 000000000000000000000000000000000000000000000000000000000000"},
	}
	var pages, all []byte
	for _, w := range want {
		p := hexed(w.page)
		if got := h.modePage(w.code, w.subpage); !bytes.Equal(got, p) {
			t.Errorf("page %02x/%02x:\n got %x\nwant %x", w.code, w.subpage, got, p)
		}
		if all = append(all, p...); w.subpage == 0 {
			pages = append(pages, p...)
		}
	}
	if got := h.modePage(0x3f, 0); !bytes.Equal(got, pages) {
		t.Errorf("all pages:\n got %x\nwant %x", got, pages)
	}
	if got := h.modePage(0x3f, 0xff); !bytes.Equal(got, all) {
		t.Errorf("all subpages:\n got %x\nwant %x", got, all)
	}
	if got := h.modeSense(0x3f, 0)[:16]; !bytes.Equal(got[2:], hexed("00 10 0000 0008 5e 000000 00 000000")) {
		t.Errorf("header and block descriptor %x", got)
	}
	k.load(nil)
	if got := h.modeSense(0x0f, 0)[:16]; !bytes.Equal(got, hexed("001e 88 10 0000 0008 5e 000000 00 000000")) {
		t.Errorf("header and block descriptor with a cartridge %x", got)
	}
	// Sizes of a cartridge of less than a gigabyte are told in kilobytes.
	if got := h.modePage(0x11, 0); !bytes.Equal(got, hexed("110e 03003c03 0400 1a36 000000000000")) && !bytes.Equal(got, hexed("110e 03003c03 0400 1a37 000000000000")) {
		t.Logf("page 11h with a cartridge %x", got)
	}
}

// What the header says of a cartridge that is protected, of another format, of WORM.
func TestModeHeader(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*medium.Spec)
		want   string // medium type, device-specific parameter, density
	}{
		"data":      {func(*medium.Spec) {}, "88 10 5e"},
		"WORM":      {func(s *medium.Spec) { s.Type = medium.WORM }, "8c 10 5e"},
		"older":     {func(s *medium.Spec) { s.Format = "L7" }, "78 10 5c"},
		"read-only": {func(s *medium.Spec) { s.Format = "L6" }, "68 90 5a"},
		"cleaning":  {func(s *medium.Spec) { s.Type = medium.Cleaning }, "01 10 5e"},
		"unknown":   {func(s *medium.Spec) { s.Format = "JD" }, "00 10 5e"},
	} {
		k := newDesk(t, nil)
		h := k.host(1)
		k.load(blank(c.change))
		b := h.modeSense(0x10, 0)
		if got := []byte{b[2], b[3], b[8]}; !bytes.Equal(got, hexed(c.want)) {
			t.Errorf("%s: %x, want %s", name, got, c.want)
		}
		if got, worm := h.modePage(0x1d, 0), name == "WORM"; (got[2] == 1) != worm || (got[5] == 2) != worm {
			t.Errorf("%s: page 1Dh %x", name, got)
		}
	}
}

// Linux's st sends a header and a block descriptor alone, without PF in old versions.
func TestBlockLengthAndBuffering(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h, other := k.host(1), k.host(2)
	for _, c := range []struct {
		list string
		want scsi.Sense
	}{
		{"00 00 10 08 00 000000 00 000200", scsi.Sense{}},
		{"00 88 10 08 5e 000000 00 000200", scsi.Sense{}}, // as it is
		{"00 00 00 08 7f 000000 00 000000", scsi.Sense{}},
		{"00 00 00 00", scsi.Sense{}},
		{"00 00 10 08 5c 000000 00 000000", scsi.InvalidFieldInParameterList(4, -1)}, // not the density of the medium
		{"00 00 10 08 00 000001 00 000000", scsi.InvalidFieldInParameterList(5, -1)},
		{"00 00 10 08 00 000000 00 800001", scsi.InvalidFieldInParameterList(9, -1)},
		{"00 00 20 08 00 000000 00 000000", scsi.InvalidFieldInParameterList(2, 6)},
		{"00 00 11 08 00 000000 00 000000", scsi.InvalidFieldInParameterList(2, 3)},
		{"00 77 10 08 00 000000 00 000000", scsi.InvalidFieldInParameterList(1, -1)},
	} {
		list := hexed(c.list)
		for _, pf := range []int{0x10, 0} {
			r := h.cmd(wire(0x15, pf, 0, 0, len(list), 0), 0, list)
			if r.sense != c.want {
				t.Errorf("%s: %v, want %v", c.list, r, c.want)
			}
		}
		want := map[string][]string{"00 00 10 08 00 000000 00 000200": {"2a/01"}, "00 00 00 08 7f 000000 00 000000": {"2a/01"}}
		if got := other.calm(); !slices.Equal(got, want[c.list]) {
			t.Errorf("%s: others are told %v", c.list, got)
		}
	}
	h.tell(wire(0x15, 0x10, 0, 0, 12, 0), hexed("00 00 10 08 00 000000 00 000200"))
	h.tell(wire(0x0a, 1, u24(3), 0), bytes.Repeat([]byte("x"), 1536))
	if b := h.modeSense(0x0f, 0); !bytes.Equal(b[:16], hexed("001e 88 10 0000 0008 5e 000000 00 000200")) {
		t.Errorf("%x", b[:16])
	}
	h.tell(wire(0x15, 0x10, 0, 0, 4, 0), hexed("00 00 00 00"))
	if b := h.modeSense(0x0f, 0); b[3] != 0 {
		t.Errorf("unbuffered: %x", b[:16])
	}
	if r := h.cmd(wire(0x10, 1, u24(1), 0), 0, nil); !r.is(5, 0x24, 0) {
		t.Errorf("immediate filemarks in unbuffered mode: %v", r)
	}
}

func TestCompressionIsSet(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	h.sets(0x0f, 0, map[int]byte{2: 0x40})
	if p := h.modePage(0x10, 0); p[14] != 0 {
		t.Errorf("page 10h %x", p)
	}
	h.sets(0x10, 0, map[int]byte{14: 1})
	if p := h.modePage(0x0f, 0); p[2] != 0xc0 {
		t.Errorf("page 0Fh %x", p)
	}
	h.sets(0x0f, 0, map[int]byte{2: 0x40})
	for _, on := range []bool{false, true} {
		if on {
			h.sets(0x0f, 0, map[int]byte{2: 0xc0})
		}
		k.load(blank(nil))
		h.tell(wire(0x0a, 0, u24(1<<20), 0), make([]byte, 1<<20))
		h.ask(wire(0x10, 0, u24(0), 0), 0)
		l := h.logPage(0x1b)
		if compressed := be(l[1]) > 1000; compressed != on || be(l[0x100]) != map[bool]uint64{true: 1}[on] || be(l[6]) != 1 || be(l[7]) != 48576 {
			t.Errorf("compression %v: ratio %d of %x", on, be(l[1]), l)
		}
		k.unload()
	}
}

// Write protection by software is that of the header and of WRITE; that which goes with the load does.
func TestSoftwareProtection(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h := k.host(1)
	for name, c := range map[string]struct {
		at       int
		bit      byte
		code     int
		unloaded bool // and it is gone
	}{"SWP": {10, 0x04, 2, false}, "ASOCWP": {15, 0x04, 3, true}} {
		p := h.modePage(0x10, 0)
		h.sets(0x10, 0, map[int]byte{c.at: p[c.at] | c.bit})
		if b := h.modeSense(0x10, 0); b[3] != 0x90 {
			t.Errorf("%s: header %x", name, b[:8])
		}
		if r := h.cmd(wire(0x0a, 0, u24(4), 0), 0, []byte("data")); !r.is(7, 0x27, c.code) {
			t.Errorf("%s: WRITE: %v", name, r)
		}
		k.load(k.unload())
		if gone := h.modeSense(0x10, 0)[3] == 0x10; gone != c.unloaded {
			t.Errorf("%s is gone with the cartridge: %v", name, gone)
		}
		h.sets(0x10, 0, map[int]byte{c.at: p[c.at]})
	}
	h.sets(0x0a, 0, map[int]byte{4: 0x08}) // SWP of the control page
	if b := h.modeSense(0x10, 0); b[3] != 0x90 {
		t.Errorf("control page: header %x", b[:8])
	}
	if r := h.cmd(wire(0x0a, 0, u24(4), 0), 0, []byte("data")); !r.is(7, 0x27, 2) {
		t.Errorf("control page: WRITE: %v", r)
	}
}

// Append-only mode begins at the beginning of a partition, and ends without a cartridge.
func TestAppendOnlyMode(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	h.sets(0x10, 1, map[int]byte{5: 0x12})
	h.sets(0x10, 1, map[int]byte{5: 0x02})
	cart := k.load(nil)
	h.tell(wire(0x0a, 0, u24(4), 0), []byte("data"))
	p := h.modePage(0x10, 1)
	p[5] = 0x12
	if r := h.modeSelect(p); r.sense != scsi.InvalidFieldInParameterList(16+5, 7) {
		t.Errorf("behind the beginning: %v", r)
	}
	h.ask(wire(1, 0, 0, 0, 0, 0), 0)
	h.sets(0x10, 1, map[int]byte{5: 0x12})
	if r := h.cmd(wire(0x0a, 0, u24(4), 0), 0, []byte("over")); r.key != 7 {
		t.Errorf("written over: %v", r)
	}
	p[5] = 0x02
	if r := h.modeSelect(p); r.sense != scsi.InvalidFieldInParameterList(16+5, 7) {
		t.Errorf("off with a cartridge: %v", r)
	}
	if r := h.modeSelect(h.modePage(0x10, 1)); !r.good() {
		t.Errorf("as it is: %v", r)
	}
	k.unload()
	h.sets(0x10, 1, map[int]byte{5: 0x02})
	k.load(cart)
	h.tell(wire(0x0a, 0, u24(4), 0), []byte("over"))
}

// Logical block protection, with and without.
func TestBlockProtectionIsSet(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h := k.host(1)
	for _, c := range []struct {
		method, length, flags byte
		at, bit               int
	}{{0, 0, 0x80, 6, 7}, {1, 0, 0xc0, 5, 5}, {2, 5, 0xc0, 5, 5}, {3, 4, 0xc0, 4, -1}, {0, 3, 0, 5, 5}} {
		p := h.modePage(0x0a, 0xf0)
		p[4], p[5], p[6] = c.method, c.length, c.flags
		if r := h.modeSelect(p); r.sense != scsi.InvalidFieldInParameterList(16+c.at, c.bit) {
			t.Errorf("%+v: %v", c, r)
		}
	}
	h.sets(0x0a, 0xf0, map[int]byte{4: 2, 5: 4, 6: 0xc0})
	block := hexed("31323334353637383920 00000000")[:9]
	block = append(block, hexed("e3069283")[3], hexed("e3069283")[2], hexed("e3069283")[1], hexed("e3069283")[0]) // CRC32C of 123456789 is E3069283h
	h.tell(wire(0x0a, 0, u24(13), 0), block)
	block[12] ^= 1
	if r := h.cmd(wire(0x0a, 0, u24(13), 0), 0, block); !r.is(4, 0x10, 1) {
		t.Errorf("a wrong guard: %v", r)
	}
	block[12] ^= 1
	h.ask(wire(1, 0, 0, 0, 0, 0), 0)
	if got := h.ask(wire(8, 2, u24(100), 0), 100); !bytes.Equal(got, block) {
		t.Errorf("read %x", got)
	}
	h.sets(0x0a, 0xf0, map[int]byte{4: 0, 5: 0, 6: 0})
	h.ask(wire(1, 0, 0, 0, 0, 0), 0)
	if got := h.ask(wire(8, 2, u24(100), 0), 100); string(got) != "123456789" {
		t.Errorf("read %x", got)
	}
}

// Page 11h is what mkltfs and st send, and what FORMAT MEDIUM has made of it.
func TestPartitionPage(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	big := func(s *medium.Spec) { s.Capacity = 12_000_000_000_000 }
	k.load(blank(big))
	if p := h.modePage(0x11, 0); !bytes.Equal(p, hexed("110e 03003c03 0900 2ee0 000000000000")) {
		t.Errorf("one partition: %x", p)
	}
	// mkltfs: one of a gigabyte, and one with the rest; it leaves the other sizes out.
	if r := h.modeSelect(hexed("110a 03013c03 0900 0001ffff")); !r.good() {
		t.Fatal(r)
	}
	if p := h.modePage(0x11, 0); !bytes.Equal(p, hexed("110e 03013c03 0900 0001ffff 00000000")) {
		t.Errorf("planned: %x", p)
	}
	h.ask(wire(4, 0, 1, 0, 0, 0), 0)
	if p := h.modePage(0x11, 0); !bytes.Equal(p, hexed("110e 03013c03 0900 00012edf 00000000")) {
		t.Errorf("made: %x", p)
	}
	// As it is, and formatted again: it stays so.
	if r := h.modeSelect(h.modePage(0x11, 0)); !r.good() {
		t.Fatal(r)
	}
	h.ask(wire(4, 0, 2, 0, 0, 0), 0)
	if p := h.modePage(0x11, 0); !bytes.Equal(p, hexed("110e 03013c03 0900 00012edf 00000000")) {
		t.Errorf("made again: %x", p)
	}
	h.ask(wire(0x92, 2, 0, 1, uint64(0), uint32(0)), 0)
	if p := h.modePage(0x10, 0); p[3] != 1 {
		t.Errorf("active partition: %x", p)
	}
	h.ask(wire(0x92, 2, 0, 0, uint64(0), uint32(0)), 0)
	h.ask(wire(4, 0, 0, 0, 0, 0), 0)
	if p := h.modePage(0x11, 0); !bytes.Equal(p, hexed("110e 03003c03 0900 2ee0 000000000000")) {
		t.Errorf("one again: %x", p)
	}
	if r := h.modeSelect(hexed("110e 03039c03 0900 0000000000000000")); !r.good() { // FDP: the drive chooses
		t.Fatal(r)
	}
	h.ask(wire(4, 0, 1, 0, 0, 0), 0)
	if p := h.modePage(0x11, 0); p[3] != 3 || p[4] != 0x3c {
		t.Errorf("four of the drive's choice: %x", p)
	}
	for name, bad := range map[string]struct {
		page    string
		at, bit int
	}{
		"too many":      {"110e 03073c03 0900 0001ffff 00000000", 3, 2},
		"two rests":     {"110e 03013c03 0900 ffffffff 00000000", 10, -1},
		"sizes miss":    {"1108 03013c03 0900 0001", 1, -1},
		"much too long": {"1110 03013c03 0900 0001ffff 0000 0000 0000", 1, -1},
		"no POFM":       {"110e 03013803 0900 0001ffff 00000000", 4, 2},
	} {
		if r := h.modeSelect(hexed(bad.page)); r.sense != scsi.InvalidFieldInParameterList(16+bad.at, bad.bit) {
			t.Errorf("%s: %v", name, r)
		}
	}
	k.unload()
	if p := h.modePage(0x11, 0); p[3] != 0 {
		t.Errorf("without a cartridge: %x", p)
	}
}

// A reset brings back what counts after power on.
func TestModesAfterAReset(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	before := h.modeSense(0x3f, 0xff)
	h.sets(0x0f, 0, map[int]byte{2: 0x40})
	h.sets(0x10, 1, map[int]byte{7: 9})
	h.sets(0x11, 0, map[int]byte{3: 1})
	h.sets(0x0a, 0xf0, map[int]byte{4: 1, 5: 4, 6: 0xc0})
	h.tell(wire(0x15, 0x10, 0, 0, 12, 0), hexed("00 00 00 08 00 000000 00 000200"))
	h.reset()
	if after := h.modeSense(0x3f, 0xff); !bytes.Equal(after, before) {
		t.Errorf("after a reset:\n got %x\nwant %x", after, before)
	}
	cart := blank(func(s *medium.Spec) { s.Capacity = 200e9 })
	if err := cart.Format(t.Context(), []int64{150e9, 50e9}); err != nil {
		t.Fatal(err)
	}
	k.load(cart)
	before = h.modeSense(0x3f, 0xff)
	h.sets(0x11, 0, map[int]byte{3: 0})
	h.reset()
	if after := h.modeSense(0x3f, 0xff); !bytes.Equal(after, before) {
		t.Errorf("after a reset with a cartridge:\n got %x\nwant %x", after, before)
	}
	h.ask(wire(4, 0, 1, 0, 0, 0), 0) // makes what is there again
	if after := h.modeSense(0x3f, 0xff); !bytes.Equal(after, before) {
		t.Errorf("after a format:\n got %x\nwant %x", after, before)
	}
}

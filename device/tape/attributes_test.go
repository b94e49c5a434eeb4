package tape_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
)

// attribute is the value that READ ATTRIBUTE gives for an identifier; nil, if it says that there is none.
func (h *host) attribute(partition, id int) []byte {
	h.Helper()
	r := h.cmd(readAttribute(0, partition, id, 1<<15), 1<<15, nil)
	if r.sense == scsi.InvalidFieldInCDB(8, -1) {
		return nil
	}
	if !r.good() || int(be(r.data[:4])) != len(r.data)-4 || int(be(r.data[4:6])) != id {
		h.Fatalf("attribute %04x: %v %x", id, r, r.data)
	}
	return r.data[9 : 9+be(r.data[7:9])]
}

func (h *host) setAttribute(partition, id, format int, value string) outcome {
	h.Helper()
	list := attributeList(id, format, value)
	return h.cmd(writeAttribute(partition, list), 0, list)
}

func TestAttributes(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	if r := h.cmd(readAttribute(0, 0, 0, 100), 100, nil); !r.is(2, 0x3a, 0) {
		t.Errorf("without a cartridge: %v", r)
	}
	cart := blank(func(s *medium.Spec) { s.Capacity = 100 << 20 })
	if err := cart.Format(t.Context(), []int64{60 << 20, 40 << 20}); err != nil {
		t.Fatal(err)
	}
	k.load(cart)
	pad := func(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }
	for id, want := range map[int]string{
		0x000: "\x00\x00\x00\x00\x00\x00\x00\x3c",
		0x001: "\x00\x00\x00\x00\x00\x00\x00\x3c",
		0x002: "\x00\x00\x00\x00\x00\x00\x00\x00",
		0x003: "\x00\x00\x00\x00\x00\x00\x00\x01",
		0x005: "LTO-CVE ",
		0x006: "\x5e",
		0x008: pad("LUN001L8", 32),
		0x20a: pad("IBM", 8) + pad(deskSerial, 32),
		0x20b: pad("", 40),
		0x400: pad("LUNETTE", 8),
		0x401: pad("1234567890", 32),
		0x402: "\x00\x00\x03\xc0",
		0x403: "\x00\x00\x00\x7f",
		0x405: "\x5e",
		0x407: "\x00\x00\x00\x00\x00\x00\x40\x00",
		0x408: "\x00",
		0x40b: "1234567890",
		0x806: "",
	} {
		if got := h.attribute(0, id); string(got) != want {
			t.Errorf("attribute %04x is %q, want %q", id, got, want)
		}
	}
	if got := h.attribute(1, 1); be(got) != 40 {
		t.Errorf("maximum capacity of partition 1: %x", got)
	}
	if len(h.attribute(0, 0x340)) != 90 || len(h.attribute(0, 0x341)) != 60 {
		t.Error("usage histories of another length")
	}
	// All that there is comes in order, and so do the lists.
	all := h.ask(readAttribute(0, 0, 0, 4096), 4096)
	var ids []byte
	last := -1
	for at := 4; at < len(all); at += 5 + int(be(all[at+3:at+5])) {
		if id := int(be(all[at : at+2])); id <= last {
			t.Errorf("%04x comes after %04x", id, last)
		} else {
			last = id
		}
		if all[at+2]&0x80 == 0 {
			t.Errorf("%x is not read-only", all[at:at+5])
		}
		ids = append(ids, all[at:at+2]...)
	}
	if list := h.ask(readAttribute(1, 0, 0, 4096), 4096); !bytes.Equal(list[4:], ids) || int(be(list[:4])) != len(ids) {
		t.Errorf("the list is %x, want %x", list, ids)
	}
	supported := h.ask(readAttribute(5, 0, 0x800, 4096), 4096)
	if !bytes.Equal(supported[4:], hexed("0800 0801 0802 0803 0804 0805 0806 0807 0808 0809 080a 080b 080c 0820 0821 1000 1001")) {
		t.Errorf("supported from 0800h on: %x", supported)
	}
	if b := h.ask(readAttribute(2, 0, 0, 100), 100); !bytes.Equal(b, hexed("0002 00 01")) {
		t.Errorf("volumes %x", b)
	}
	if b := h.ask(readAttribute(3, 0, 0, 100), 100); !bytes.Equal(b, hexed("0002 00 02")) {
		t.Errorf("partitions %x", b)
	}
	for name, c := range map[string]struct {
		cdb  []byte
		want scsi.Sense
	}{
		"attribute that is not there": {readAttribute(0, 0, 0x0a, 100), scsi.InvalidFieldInCDB(8, -1)},
		"partition that is not there": {readAttribute(0, 2, 0, 100), scsi.InvalidFieldInCDB(7, -1)},
		"volume":                      {wire(0x8c, 0, 0, 0, 0, 1, 0, 0, uint16(0), uint32(100), 0, 0), scsi.InvalidFieldInCDB(5, -1)},
		"service action":              {readAttribute(4, 0, 0, 100), scsi.InvalidFieldInCDB(1, 4)},
	} {
		if r := h.cmd(c.cdb, 100, nil); r.sense != c.want {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// What hosts write is there, in its partition, through unload and load; what they must not write changes nothing.
func TestHostAttributes(t *testing.T) {
	k := newDesk(t, nil)
	cart := blank(nil)
	if err := cart.Format(t.Context(), []int64{32 << 20, 32 << 20}); err != nil {
		t.Fatal(err)
	}
	k.load(cart)
	h := k.host(1)
	coherency := strings.Repeat("\x07", 70)
	for p, v := range []string{coherency, coherency + "x"} {
		if r := h.setAttribute(p, 0x80c, 0, v); !r.good() {
			t.Fatal(r)
		}
	}
	if r := h.setAttribute(0, 0x1623, 0, "\x01"); !r.good() { // LTFS locks with it
		t.Fatal(r)
	}
	list := wire(uint32(13+13), uint16(0x800), 1, uint16(8), "LUNETTE ", uint16(0x802), 1, uint16(8), "1.0     ")
	h.tell(writeAttribute(0, list), list)
	k.load(k.unload())
	h.calm()
	for id, want := range map[int]string{0x800: "LUNETTE ", 0x802: "1.0     ", 0x80c: coherency, 0x1623: "\x01", 0x801: ""} {
		if got := h.attribute(0, id); string(got) != want {
			t.Errorf("%04x is %q", id, got)
		}
	}
	if got := h.attribute(1, 0x80c); string(got) != coherency+"x" {
		t.Errorf("080Ch of partition 1 is %q", got)
	}
	before := h.ask(readAttribute(0, 0, 0, 4096), 4096)
	field := scsi.InvalidFieldInParameterList
	for name, c := range map[string]struct {
		list []byte
		want scsi.Sense
	}{
		"read-only":            {attributeList(0x009, 0, "\x00\x00\x00\x01"), field(4, -1)},
		"of the medium":        {attributeList(0x401, 1, strings.Repeat(" ", 32)), field(4, -1)},
		"not known":            {attributeList(0x830, 0, "x"), field(4, -1)},
		"taken away, not ours": {attributeList(0x001, 0, ""), field(4, -1)},
		"another format":       {attributeList(0x806, 0, strings.Repeat(" ", 32)), field(6, -1)},
		"says read-only":       {attributeList(0x806, 0x81, strings.Repeat(" ", 32)), field(6, -1)},
		"too short":            {attributeList(0x806, 1, "LUN"), field(7, -1)},
		"too long":             {attributeList(0x806, 1, strings.Repeat(" ", 33)), field(7, -1)},
		"one of two":           {wire(uint32(13+6), uint16(0x800), 1, uint16(8), "CHANGED ", uint16(0x999), 0, uint16(1), "x"), field(17, -1)},
		"not in order":         {wire(uint32(13+13), uint16(0x802), 1, uint16(8), "CHANGED ", uint16(0x800), 1, uint16(8), "CHANGED "), field(17, -1)},
		"half a value":         {wire(uint32(6), uint16(0x800), 1, uint16(8), "x"), scsi.ParameterListLengthError()},
		"another length":       {wire(uint32(12), uint16(0x800), 1, uint16(8), "CHANGED "), field(0, -1)},
	} {
		if r := h.cmd(writeAttribute(0, c.list), 0, c.list); r.sense != c.want {
			t.Errorf("%s: %v, want %v", name, r, c.want)
		}
	}
	if after := h.ask(readAttribute(0, 0, 0, 4096), 4096); !bytes.Equal(after, before) {
		t.Error("what was refused changed something")
	}
	if r := h.setAttribute(2, 0x80a, 0, "x"); r.sense != scsi.InvalidFieldInCDB(7, -1) {
		t.Errorf("partition 2: %v", r)
	}
	// All of the memory, and no more: what is left is told.
	used := 0
	for i := range 100 {
		left := int(be(h.attribute(0, 4)))
		r := h.setAttribute(0, 0x1400+i, 0, strings.Repeat("x", 1000))
		if fits := left >= 1005; r.good() != fits || !fits && !r.is(5, 0x55, 6) {
			t.Fatalf("%d bytes are left: %v", left, r)
		}
		if !r.good() {
			break
		}
		used++
	}
	if used < 5 || used > 20 {
		t.Errorf("%d kilobytes fit", used)
	}
	if r := h.setAttribute(0, 0x1400, 0, ""); !r.good() {
		t.Error(r)
	}
	if r := h.setAttribute(0, 0x1401, 0, "less"); !r.good() {
		t.Error(r)
	}
}

// The VOLUME CHANGE REFERENCE is another after the first write of a load, whatever writes.
func TestVolumeChangeReference(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h := k.host(1)
	vcr := func() uint64 { return be(h.attribute(0, 9)) }
	last := vcr()
	for name, c := range map[string]struct {
		cdb, out []byte
	}{
		"WRITE":           {wire(0x0a, 0, u24(4), 0), []byte("data")},
		"WRITE FILEMARKS": {wire(0x10, 0, u24(1), 0), nil},
		"ERASE":           {wire(0x19, 0, 0, 0, 0, 0), nil},
		"FORMAT MEDIUM":   {wire(4, 0, 0, 0, 0, 0), nil},
	} {
		k.load(k.unload())
		h.calm()
		if now := vcr(); now != last {
			t.Errorf("%s: a load makes it %d, not %d", name, now, last)
		}
		h.tell(c.cdb, c.out)
		now := vcr()
		if now == last {
			t.Errorf("%s leaves it %d", name, now)
		}
		h.ask(wire(1, 0, 0, 0, 0, 0), 0)
		h.tell(c.cdb, c.out)
		if again := vcr(); again != now {
			t.Errorf("%s once more makes it %d, not %d", name, again, now)
		}
		last = now
	}
}

func TestDensities(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	density := func(flags int) []byte { return h.ask(wire(0x44, flags, 0, 0, 0, 0, 0, uint16(1024), 0), 1024) }
	summary := func(b []byte, size int) (all []string) {
		if int(be(b[:2])) != len(b)-2 || (len(b)-4)%size != 0 {
			t.Fatalf("%x", b)
		}
		for d := range slices.Chunk(b[4:], size) {
			if size == 52 {
				all = append(all, fmt.Sprintf("%02x %02x %d %s", d[0], d[2], be(d[12:16]), d[24:32]))
			} else {
				all = append(all, fmt.Sprintf("%02x %d %02x", d[0], d[4], d[5]))
			}
		}
		return all
	}
	if got := summary(density(0), 52); !slices.Equal(got, []string{"5a 00 2500000 U-616   ", "5c 80 6000000 U-732   ", "5e a0 12000000 U-832   "}) {
		t.Errorf("densities %q", got)
	}
	if got := summary(density(2), 56); !slices.Equal(got, []string{"68 1 5a", "78 1 5c", "7c 1 5c", "88 1 5e", "8c 1 5e"}) {
		t.Errorf("medium types %q", got)
	}
	for _, flags := range []int{1, 3} {
		if r := h.cmd(wire(0x44, flags, 0, 0, 0, 0, 0, uint16(100), 0), 100, nil); !r.is(2, 0x3a, 0) {
			t.Errorf("without a cartridge: %v", r)
		}
	}
	k.load(blank(func(s *medium.Spec) { s.Type, s.Format, s.Capacity = medium.WORM, "L7", 123_000_000 }))
	if got := summary(density(1), 52); !slices.Equal(got, []string{"5c 80 123 U-732   "}) {
		t.Errorf("density of the cartridge %q", got)
	}
	if got := summary(density(3), 56); !slices.Equal(got, []string{"7c 1 5c"}) {
		t.Errorf("medium type of the cartridge %q", got)
	}
	k.unload()
	k.load(blank(func(s *medium.Spec) { s.Format = "L5" }))
	if r := h.cmd(wire(0x44, 1, 0, 0, 0, 0, 0, uint16(100), 0), 100, nil); r.good() {
		t.Errorf("of a cartridge that cannot be used: %v", r)
	}
}

func TestTimestamp(t *testing.T) {
	k := newDesk(t, nil)
	h, other := k.host(1), k.host(2)
	report := func() []byte { return h.ask(wire(0xa3, 0x0f, 0, 0, 0, 0, uint32(100), 0, 0), 100) }
	if got := report(); !bytes.Equal(got, hexed("000a 03 00 01a3185c5000 0000")) {
		t.Errorf("the clock of the host: %x", got)
	}
	list := hexed("00000000 001122334455 0000")
	h.tell(wire(0xa4, 0x0f, 0, 0, 0, 0, uint32(12), 0, 0), list)
	if got := other.calm(); !slices.Equal(got, []string{"2a/10"}) {
		t.Errorf("others are told %v", got)
	}
	k.now = k.now.Add(0x11 * 1e6)
	if got := report(); !bytes.Equal(got, hexed("000a 02 00 001122334466 0000")) {
		t.Errorf("as it was set: %x", got)
	}
	h.refused(wire(0xa4, 0x0f, 0, 0, 0, 0, uint32(11), 0, 0), list[:11], scsi.ParameterListLengthError())
	h.tell(wire(0xa4, 0x0f, 0, 0, 0, 0, uint32(0), 0, 0), nil)
}

func TestBuffersAndDiagnostics(t *testing.T) {
	k := newDesk(t, nil)
	h, other := k.host(1), k.host(2)
	read := func(mode, n int) []byte { return wire(0x3c, mode, 0, u24(0), u24(n), 0) }
	write := func(mode, n int) []byte { return wire(0x3b, mode, 0, u24(0), u24(n), 0) }
	if b := h.ask(read(0x0b, 4), 4); !bytes.Equal(b, hexed("00001000")) {
		t.Errorf("echo descriptor %x", b)
	}
	if r := h.cmd(read(0x0a, 10), 10, nil); !r.is(5, 0x2c, 0) {
		t.Errorf("echo of nothing: %v", r)
	}
	h.tell(write(0x0a, 5), []byte("hello"))
	other.tell(write(0x0a, 5), []byte("other"))
	if b := h.ask(read(0x0a, 10), 10); string(b) != "hello" {
		t.Errorf("echo %q", b)
	}
	for _, mode := range []int{0x00, 0x02, 0x04, 0x05, 0x1c} {
		h.refused(read(mode, 10), nil, scsi.InvalidFieldInCDB(1, 4))
		h.refused(write(mode, 5), []byte("hello"), scsi.InvalidFieldInCDB(1, 4))
	}
	h.refused(write(0x0a, 4097), make([]byte, 4097), scsi.InvalidFieldInCDB(6, -1))
	if b := h.ask(read(0x03, 4), 4); !bytes.Equal(b, hexed("00000000")) {
		t.Errorf("descriptor %x", b)
	}
	if b := h.ask(wire(0x1c, 1, 0, uint16(100), 0), 100); !bytes.Equal(b, hexed("00 00 0001 00")) {
		t.Errorf("diagnostic pages %x", b)
	}
	h.refused(wire(0x1c, 1, 0x80, uint16(100), 0), nil, scsi.InvalidFieldInCDB(2, -1))
	h.ask(wire(0x1d, 4, 0, uint16(0), 0), 0)
}

// Saved values are there after the next start.
func TestSavedModes(t *testing.T) {
	r := &record{}
	change := func(c *tape.Config) { c.Modes = r }
	h := newDesk(t, change).host(1)
	p := h.modePage(0x10, 1)
	if p[0] != 0xd0 {
		t.Errorf("page 10h/01h cannot be saved: %x", p)
	}
	p[0], p[7] = p[0]&0x7f, 5
	list := slices.Concat(hexed("0000 0010 0000 0000"), p)
	h.tell(wire(0x55, 0x11, 0, 0, 0, 0, 0, uint16(len(list)), 0), list)
	h = newDesk(t, change).host(1)
	if p := h.modePage(0x10, 1); p[7] != 5 {
		t.Errorf("after a start: %x", p)
	}
}

// A record is one in memory.
type record struct{ b []byte }

func (r *record) Where() string         { return "memory" }
func (r *record) Load() ([]byte, error) { return r.b, nil }
func (r *record) Save(b []byte) error   { r.b = bytes.Clone(b); return nil }

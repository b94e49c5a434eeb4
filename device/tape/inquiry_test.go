package tape_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
)

func hexed(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestInquiryOfTheModel(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	std := h.ask(wire(0x12, 0, 0, 0, 255, 0), 255)
	if len(std) != 96 || !bytes.Equal(std[:8], hexed("01 80 06 02 5b 01 00 02")) || string(std[8:36]) != "IBM     ULT3580-TD8     HB81" {
		t.Errorf("standard data %x", std)
	}
	vpd := func(code int) []byte { return h.ask(wire(0x12, 1, code, 0, 255, 0), 255)[4:] }
	for code, want := range map[int]string{
		0x00: "\x00\x80\x83\x86\x87\xb0\xb1\xb2\xb3\xb5\xc0\xc1",
		0x80: deskSerial,
		0xb0: "\x01\x00",
		0xb1: deskSerial,
		0xb2: "\xff\xff\xff\xff\xff\xff\xff\xff",
		0xb3: "LIBRARY00",
		0xb5: "\x07\x01\x04\xc0\x00\x00\x00\x00\x07\x02\x04\xc0\x00\x00\x00\x00",
		0xc0: "HB81000000 20200101                    ",
		0xc1: "1013000001  1013000001  ",
	} {
		if got := vpd(code); string(got) != want {
			t.Errorf("page %02x is %q, want %q", code, got, want)
		}
	}
	if got, want := vpd(0x83), "\x02\x01\x00\x22IBM     ULT3580-TD8     "+deskSerial; !strings.Contains(string(got), want) {
		t.Errorf("page 83h has no T10 designator of 34 bytes: %q", got)
	}
	if got := vpd(0x86); got[0] != 0x08 {
		t.Errorf("page 86h: %x", got)
	}
}

// A drive of an older generation says so, and has no pages for what it cannot do.
func TestInquiryOfAnOlderModel(t *testing.T) {
	k := newDesk(t, func(c *tape.Config) {
		m := deskModel
		m.Version, m.Length, m.Protection, m.Encryption, m.CapacityPage, m.Compression, m.AppendOnly, m.Partitions = 5, 56, nil, 0, false, 0, false, 1
		c.Model, c.Library, c.Identity.Vendor = m, "", "HP"
	})
	k.load(nil)
	h := k.host(1)
	if std := h.ask(wire(0x12, 0, 0, 0, 255, 0), 255); len(std) != 56 || !bytes.Equal(std[:8], hexed("01 80 05 02 33 00 00 02")) {
		t.Errorf("standard data %x", std)
	}
	if got := h.ask(wire(0x12, 1, 0, 0, 255, 0), 255)[4:]; string(got) != "\x00\x80\x83\x86\x87\xb0\xb1\xb2" {
		t.Errorf("pages %x", got)
	}
	for _, c := range [][]byte{wire(0xa2, 0x20, uint16(0x10), 0, 0, uint32(100), 0, 0), wire(0xb5, 0x20, uint16(0x10), 0, 0, uint32(0), 0, 0)} {
		if r := h.cmd(c, 100, nil); !r.is(5, 0x20, 0) {
			t.Errorf("%x: %v", c, r)
		}
	}
	for _, c := range [][]byte{wire(0x4d, 0, 0x40|0x31, 0, 0, 0, 0, uint16(100), 0), wire(0x5a, 0, 0x0a, 0xf0, 0, 0, 0, uint16(100), 0)} {
		if r := h.cmd(c, 100, nil); !r.is(5, 0x24, 0) {
			t.Errorf("%x: %v", c, r)
		}
	}
	if got := h.modePage(0x0f, 0); !bytes.Equal(got, hexed("0f 0e 00 80 00000000 00000000 00000000")) {
		t.Errorf("page 0Fh %x", got)
	}
	if got := h.modePage(0x11, 0); !bytes.Equal(got[:8], hexed("11 08 00 00 3c 03 04 00")) {
		t.Errorf("page 11h %x", got)
	}
}

// LTFS takes the timeouts of all commands from here: each has one.
func TestTimeoutsOfCommands(t *testing.T) {
	h := newDesk(t, nil).host(1)
	all := h.ask(wire(0xa3, 0x0c, 0x80, 0, 0, 0, uint32(0x4000), 0, 0), 0x4000)
	ops := map[byte]int{}
	for at := 4; at < len(all); at += 20 {
		d := all[at : at+20]
		ops[d[0]]++
		if d[5]&2 == 0 || be(d[8:10]) != 10 || be(d[16:20]) == 0 {
			t.Errorf("%02x has no timeouts: %x", d[0], d)
		}
	}
	for _, op := range hexed("00 01 03 04 05 08 0a 0b 10 11 12 13 15 16 17 19 1a 1b 1c 1d 1e 2b 34 3b 3c 44 4c 4d 55 56 57 5a 5e 5f 82 8c 8d 91 92 a0 a2 a3 a4 b5") {
		if ops[op] == 0 {
			t.Errorf("%02x is not there", op)
		}
	}
	if ops[0x8c] != 5 {
		t.Errorf("READ ATTRIBUTE is there %d times", ops[0x8c])
	}
	one := h.ask(wire(0xa3, 0x0c, 0x81, 0x44, 0, 0, uint32(100), 0, 0), 100)
	if !bytes.Equal(one[:14], hexed("00 83 000a 44 03 0000000000 ffff 00")) || len(one) != 26 {
		t.Errorf("REPORT DENSITY SUPPORT: %x", one)
	}
}

package tape_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// encrypt is the parameter list of a key that is set as stenc and Proxmox Backup set it: for all.
func encrypt(encryption, decryption int, key string, kads ...[]byte) []byte {
	body := wire(0x40, 0, encryption, decryption, 1, 0, 0, make([]byte, 7), uint16(len(key)), key, bytes.Join(kads, nil))
	return wire(uint16(0x10), uint16(len(body)), body)
}

func (h *host) setKey(list []byte) outcome {
	h.Helper()
	return h.cmd(wire(0xb5, 0x20, uint16(0x10), 0, 0, uint32(len(list)), 0, 0), 0, list)
}

// security is a page of SECURITY PROTOCOL IN.
func (h *host) security(page int) []byte {
	h.Helper()
	b := h.ask(wire(0xa2, 0x20, uint16(page), 0, 0, uint32(0x2000), 0, 0), 0x2000)
	if int(be(b[2:4])) != len(b)-4 {
		h.Fatalf("page %04x: %x", page, b)
	}
	return b
}

// What a host encrypts is on the medium as nobody can read it, and comes back with its key, and with what is associated with that.
func TestEncryption(t *testing.T) {
	k := newDesk(t, nil)
	h, other := k.host(1), k.host(2)
	if b := h.ask(wire(0xa2, 0, uint16(0), 0, 0, uint32(100), 0, 0), 100); !bytes.Equal(b, hexed("000000000000 0002 00 20")) {
		t.Errorf("protocols %x", b)
	}
	if b := h.security(0x10); b[24] != 0x3a || b[20] != 1 {
		t.Errorf("capabilities of an empty drive %x", b)
	}
	if r := h.cmd(wire(0xa2, 0x20, uint16(0x21), 0, 0, uint32(100), 0, 0), 100, nil); !r.is(2, 0x3a, 0) {
		t.Errorf("next block of an empty drive: %v", r)
	}
	tape := k.load(nil)
	h.calm()
	if b := h.security(0x10); b[24] != 0xba {
		t.Errorf("capabilities %x", b)
	}
	key, key2 := strings.Repeat("k", 32), strings.Repeat("l", 32)
	text := strings.Repeat("nobody else may read this. ", 100)
	h.tell(wire(0x0a, 0, u24(len(text)), 0), []byte(text)) // object 0 in the clear
	other.calm()
	if r := h.setKey(encrypt(2, 3, key, hexed("00 00 0003 616263"), hexed("01 00 0002 6465"))); !r.good() {
		t.Fatal(r)
	}
	if got := other.calm(); !slices.Equal(got, []string{"2a/11"}) {
		t.Errorf("others are told %v", got)
	}
	for range 3 {
		h.tell(wire(0x0a, 0, u24(len(text)), 0), []byte(text))
	}
	h.ask(wire(0x10, 0, u24(1), 0), 0)
	if b := h.security(0x21); !bytes.Equal(b[4:16], hexed("0000000000000005 02 00 0000")) {
		t.Errorf("next block at the end %x", b)
	}
	locate := func(n int) { h.ask(wire(0x92, 0, 0, 0, uint64(n), uint32(0)), 0) }
	next := func(want string) {
		t.Helper()
		if b := h.security(0x21); !bytes.Equal(b[4:], hexed(want)) {
			t.Errorf("next block %x, want %s", b[4:], want)
		}
	}
	read := func(want string, code ...int) {
		t.Helper()
		r := h.cmd(wire(8, 2, u24(8192), 0), 8192, nil)
		if len(code) > 0 {
			if !r.is(7, code[0], code[1]) || len(r.data) != 0 {
				t.Errorf("read: %v", r)
			}
		} else if !r.good() || string(r.data) != want {
			t.Errorf("read: %v", r)
		}
	}
	kads := "00 01 0003 616263 01 01 0002 6465"
	locate(0)
	next("0000000000000000 03 00 0000")
	read(text)
	next("0000000000000001 05 01 0100" + kads)
	for range 3 {
		read(text)
	}
	next("0000000000000004 02 00 0000") // a filemark
	locate(1)
	for name, c := range map[string]struct {
		list  []byte
		state string
		code  []int
	}{
		"another key":    {encrypt(2, 2, key2), "06", []int{0x74, 3}},
		"no key":         {encrypt(0, 0, ""), "06", []int{0x74, 1}},
		"only to write":  {encrypt(2, 0, key), "06", []int{0x74, 1}},
		"the key again":  {encrypt(0, 2, key), "05", nil},
		"key, all mixed": {encrypt(0, 3, key), "05", nil},
	} {
		if r := h.setKey(c.list); !r.good() {
			t.Fatal(r)
		}
		locate(1)
		next("0000000000000001 " + c.state + " 01 0100" + kads)
		read(text, c.code...)
		if c.code != nil { // it has not moved
			if b := h.security(0x21); be(b[4:12]) != 1 {
				t.Errorf("%s: the next block is %d", name, be(b[4:12]))
			}
		}
	}
	h.setKey(encrypt(0, 2, key))
	locate(0)
	read("", 0x74, 2)
	locate(1)
	// In what the medium keeps there is nothing of the text, nor of the key.
	l := buffer.Of(make([]byte, 1<<20))
	raw := func(object uint64) []byte {
		head := tape.Head(0)
		if err := head.Locate(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		n, err := head.Raw(t.Context(), l, 0, l.Len())
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(l.At(0)[:n])
	}
	if k.unload() == nil {
		t.Fatal("nothing is unloaded")
	}
	h.setKey(encrypt(0, 0, ""))
	for object := range uint64(4) {
		kept := raw(object)
		if object > 0 && (bytes.Contains(kept, []byte("nobody")) || bytes.Contains(kept, []byte(key)[:8])) {
			t.Errorf("object %d is kept as %q", object, kept[:64])
		}
	}
	if o, err := tape.Head(0).Next(t.Context()); err == nil && bytes.Contains(o.Header, []byte(key)[:8]) {
		t.Error("the key is kept")
	}
	k.load(tape)
	h.calm()
	read(text)        // in the clear
	read("", 0x74, 1) // and not
	h.setKey(encrypt(0, 3, key))
	read(text)
}

// A key goes with the cartridge if it is asked to.
func TestKeyGoesWithTheCartridge(t *testing.T) {
	k := newDesk(t, nil)
	tape := k.load(nil)
	h := k.host(1)
	list := encrypt(2, 2, strings.Repeat("k", 32))
	list[5] |= 0x04 // CKOD
	if r := h.setKey(list); !r.good() {
		t.Fatal(r)
	}
	if b := h.security(0x20); b[5] != 2 || b[6] != 2 || be(b[8:12]) != 1 {
		t.Errorf("status %x", b)
	}
	h.tell(wire(0x0a, 0, u24(4), 0), []byte("data"))
	k.unload()
	if b := h.security(0x20); b[5] != 0 || b[6] != 0 {
		t.Errorf("status after the unload %x", b)
	}
	k.load(tape)
	h.calm()
	if r := h.cmd(wire(8, 2, u24(100), 0), 100, nil); !r.is(7, 0x74, 1) {
		t.Errorf("read: %v", r)
	}
}

func TestSecurityProtocolErrors(t *testing.T) {
	k := newDesk(t, nil)
	h := k.host(1)
	for name, c := range map[string]struct {
		cdb     []byte
		at, bit int
	}{
		"units of 512":       {wire(0xa2, 0x20, uint16(0), 0x80, 0, uint32(1), 0, 0), 4, 7},
		"another protocol":   {wire(0xa2, 0x21, uint16(0), 0, 0, uint32(100), 0, 0), 1, -1},
		"page that is not":   {wire(0xa2, 0x20, uint16(0x31), 0, 0, uint32(100), 0, 0), 2, -1},
		"page of protocol 0": {wire(0xa2, 0x00, uint16(2), 0, 0, uint32(100), 0, 0), 2, -1},
		"out, units of 512":  {wire(0xb5, 0x20, uint16(0x10), 0x80, 0, uint32(1), 0, 0), 4, 7},
		"out, protocol":      {wire(0xb5, 0x00, uint16(0x10), 0, 0, uint32(100), 0, 0), 1, -1},
		"out, page":          {wire(0xb5, 0x20, uint16(0x11), 0, 0, uint32(100), 0, 0), 2, -1},
		"out, length":        {wire(0xb5, 0x20, uint16(0x10), 0, 0, uint32(1<<20), 0, 0), 6, -1},
	} {
		if r := h.cmd(c.cdb, 100, nil); !r.is(5, 0x24, 0) || int(r.sense.Field.Byte) != c.at || r.sense.Field.BitValid != (c.bit >= 0) {
			t.Errorf("%s: %v", name, r)
		}
	}
	short := encrypt(2, 2, strings.Repeat("k", 32))
	if r := h.cmd(wire(0xb5, 0x20, uint16(0x10), 0, 0, uint32(len(short)), 0, 0), 0, short[:20]); !r.is(5, 0x1a, 0) {
		t.Errorf("a list that does not come: %v", r)
	}
	if r := h.setKey(encrypt(2, 2, "short")); !r.is(5, 0x26, 0) {
		t.Errorf("a short key: %v", r)
	}
	if r := h.setKey(encrypt(2, 2, strings.Repeat("k", 32), hexed("00 00 0005 61"))); !r.is(5, 0x26, 0x11) {
		t.Errorf("half a KAD: %v", r)
	}
}

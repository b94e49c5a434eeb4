package ring

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/lunette-io/lunette/buffer"
)

// A script is bytes that a fuzzer has made, taken from the front; then zeros.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

func (s *script) word() uint16 { return uint16(s.byte()) | uint16(s.byte())<<8 }

// holes is a guest's memory with holes, and regions that touch.
type holes struct {
	*guest
	regions [4][2]int // from, to
}

func (h *holes) Translate(dst []buffer.Segment, addr uint64, n uint32) ([]buffer.Segment, error) {
	for n > 0 {
		found := false
		for _, r := range h.regions {
			from, to := base+uint64(r[0]), base+uint64(r[1])
			if addr < from || addr >= to {
				continue
			}
			m := min(uint64(n), to-addr)
			dst = append(dst, buffer.Segment{Mem: h.mem[addr-base:][:m:m]})
			addr, n, found = addr+m, n-uint32(m), true
			break
		}
		if !found {
			return dst, errors.New("outside")
		}
	}
	return dst, nil
}

func (h *holes) has(b []byte) bool {
	at := int(h.address(b) - base)
	for _, r := range h.regions {
		if at >= r[0] && at+len(b) <= r[1] {
			return true
		}
	}
	return false
}

// FuzzDevice has a driver that writes what it likes to the ring, and to the tables that it points to, at any time, and a memory that the front-end has made so that buffers end in the middle. The device neither panics nor goes
// on for ever, has no request twice, and finds no memory that is not the guest's.
func FuzzDevice(f *testing.F) {
	for kind := range byte(16) {
		f.Add(append([]byte{kind, 3}, make([]byte, 64)...))
		f.Add([]byte{kind, 2, 0, 0, 0, 1, 1, 0, 0, 16, 0, 0, 3, 1, 0, 5, 5, 5, 7, 8, 6, 6, 7, 5, 9, 5})
	}
	f.Fuzz(hostile)
}

// TestHostileDrivers is the same with scripts by chance: so many that no fuzzer is needed to find the plain mistakes.
func TestHostileDrivers(t *testing.T) {
	for i := range uint64(300) {
		r := rand.New(rand.NewPCG(i, 1))
		text := make([]byte, 20+r.IntN(800))
		for j := range text {
			text[j] = byte(r.Uint32())
			if r.IntN(2) == 0 {
				text[j] %= 8
			}
		}
		if !t.Run(fmt.Sprint(i), func(t *testing.T) { hostile(t, text) }) {
			return
		}
	}
}

func hostile(t *testing.T, text []byte) {
	s := script(text)
	kind := s.byte()
	o := Options{Packed: kind&1 != 0, Indirect: kind&2 != 0, EventIndex: kind&4 != 0}
	size := 1 << (s.byte() % 6)
	h := &holes{guest: newGuest(t, 1<<16)}
	place := h.place(size, o.Packed)
	start := o.start()
	if kind&8 != 0 {
		start.Inflight, _ = h.cut(InflightSize(size, o.Packed))
	}
	h.regions = [4][2]int{{0, 20000}, {20000, 30000}, {30000, 30001 + int(s.word())%8192}, {50000, 1 << 16}}
	parts := [][]byte{place.Desc, place.Avail, place.Used, start.Inflight, h.mem[20000-64 : 20000+256]}
	for range s.byte() % 8 {
		for i := range parts {
			h.scribble(parts[i], &s)
		}
	}
	d, err := NewDevice(place, o, h, start)
	if err != nil {
		return
	}
	held := make(map[uint16]bool)
	var b Buffers
	for range 4 * size {
		switch s.byte() % 10 {
		case 0, 1:
			h.scribble(parts[s.byte()%5], &s)
		case 2: // as a driver does that is right, but for what the request says
			if !o.Packed {
				store16(place.Avail, 2, load16(place.Avail, 2)+1)
			}
		case 3:
			if _, err := d.Want(s.byte()&1 != 0); err != nil {
				t.Fatal(err)
			}
		case 4:
			d.Moved()
			if _, err := d.Publish(s.byte()&1 != 0); err != nil {
				t.Fatal(err)
			}
		case 5, 6, 7:
			ok, err := d.Next(&b)
			if err != nil {
				if !errors.Is(err, ErrBroken) {
					t.Fatal(err)
				}
				if ok, again := d.Next(&b); ok || again != err {
					t.Fatal("a broken ring goes on")
				}
				continue
			}
			if !ok {
				continue
			}
			if int(b.ID) >= size || held[b.ID] {
				t.Fatalf("request %d of %d, again", b.ID, size)
			}
			held[b.ID] = true
			for i, n := range []int64{b.ReadableLen, b.WritableLen} {
				for _, x := range [][]segment{b.Readable, b.Writable}[i] {
					if len(x.Mem) == 0 || !h.has(x.Mem) {
						t.Fatalf("%d bytes at %#x", len(x.Mem), h.address(x.Mem))
					}
					n -= int64(len(x.Mem))
				}
				if n != 0 {
					t.Fatalf("%d bytes too many", n)
				}
			}
			if b.ReadableLen+b.WritableLen == 0 || b.ReadableLen+b.WritableLen > MaxBytes {
				t.Fatalf("%d and %d bytes", b.ReadableLen, b.WritableLen)
			}
		case 8, 9:
			id := uint16(s.byte())
			for held := range held {
				id = held // any
			}
			if err := d.Put(id, uint32(s.word())); (err == nil) != held[id] {
				t.Fatalf("request %d: %v", id, err)
			}
			delete(held, id)
		}
	}
	d.Base()
}

// scribble writes words over part of b: where and what a driver would, or anything.
func (h *holes) scribble(b []byte, s *script) {
	if len(b) < 16 {
		if len(b) == 4 {
			b[s.byte()%4] = s.byte()
		}
		return
	}
	at := int(s.word()) % (len(b) / 2) * 2
	switch s.byte() % 4 {
	case 0:
		b[at], b[at+1] = s.byte(), s.byte()
	case 1: // a descriptor
		at = at / 16 * 16
		if at+16 <= len(b) {
			d := descriptor{addr: base + uint64(s.word()), len: uint32(s.word()) >> (s.byte() % 16), flags: uint16(s.byte() % 8), other: uint16(s.byte() % 32)}
			if lap := s.byte(); lap&1 != 0 {
				d.flags, d.other = d.other, d.flags|[2]uint16{flagAvail, flagUsed}[lap>>1&1]
			}
			d.put(b[at:])
		}
	case 2: // a table
		at = at / 16 * 16
		if at+16 <= len(b) {
			d := descriptor{addr: base + 20000 - 64 + uint64(s.byte()), len: 16 * uint32(s.byte()%8), flags: flagIndirect, other: uint16(s.byte() % 8)}
			if lap := s.byte(); lap&1 != 0 {
				d.flags, d.other = d.other, d.flags|[2]uint16{flagAvail, flagUsed}[lap>>1&1]
			}
			d.put(b[at:])
		}
	case 3:
		for i := range b[at:min(len(b), at+8)] {
			b[at+i] = s.byte()
		}
	}
}

// FuzzInflight has an area in which anything may stand when a device takes it over.
func FuzzInflight(f *testing.F) {
	for _, o := range []Options{{}, {Packed: true}} {
		g := newGuest(f, 1<<20)
		p := g.place(4, o.Packed)
		drv, _ := NewDriver(p, o, Tables{})
		area, _ := g.cut(InflightSize(4, o.Packed))
		s := o.start()
		s.Inflight = area
		dev, err := NewDevice(p, o, g, s)
		if err != nil {
			f.Fatal(err)
		}
		_ = drv.Add([]Piece{{base, 1}}, []Piece{{base, 1}}, 1)
		_ = drv.Add([]Piece{{base, 1}}, nil, 2)
		drv.Kick()
		var b Buffers
		for range 2 {
			_, _ = dev.Next(&b)
		}
		f.Add(o.Packed, append([]byte(nil), area...), append([]byte(nil), p.Desc...), uint16(0))
	}
	f.Fuzz(func(t *testing.T, packed bool, text, desc []byte, index uint16) {
		g := newGuest(t, 1<<16)
		p := g.place(4, packed)
		copy(p.Desc, desc)
		o := Options{Packed: packed, Indirect: true}
		s := o.start()
		s.Inflight, _ = g.cut(min(len(text), 1024) + 256)
		copy(s.Inflight, text)
		if !packed {
			store16(p.Used, 2, index)
		}
		d, err := NewDevice(p, o, g, s)
		if err != nil {
			if !errors.Is(err, ErrBroken) {
				t.Fatal(err)
			}
			return
		}
		var b Buffers
		for range 9 {
			ok, err := d.Next(&b)
			if err != nil || !ok {
				break
			}
			if b.ID%2 == 0 {
				if err := d.Put(b.ID, 1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := d.Publish(true); err != nil {
			t.Fatal(err)
		}
		// What it leaves can be taken over.
		if _, err := NewDevice(p, o, g, s); err != nil {
			t.Fatal(err)
		}
	})
}

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/guard"
)

// A raw is a ring that is written to as a hostile driver does.
type raw struct {
	g     *guest
	place Place
	o     Options
	posts uint16
}

func newRaw(t testing.TB, size int, o Options) *raw {
	g := newGuest(t, 1<<20)
	return &raw{g: g, place: g.place(size, o.Packed), o: o}
}

// put writes descriptor i: of a packed ring with its last word being the ID, and posted in the first lap.
func (r *raw) put(i int, addr uint64, n uint32, flags, other uint16) {
	d := descriptor{addr: addr, len: n, flags: flags, other: other}
	if r.o.Packed {
		d.flags, d.other = other, flags|flagAvail
	}
	d.put(r.place.Desc[i*descriptorSize:])
}

// post lets the device see head.
func (r *raw) post(head uint16) {
	if r.o.Packed {
		return
	}
	binary.LittleEndian.PutUint16(r.place.Avail[4+2*(int(r.posts)%r.place.Size):], head)
	r.posts++
	store16(r.place.Avail, 2, r.posts)
}

// table writes an indirect table, and returns its address.
func (r *raw) table(all ...descriptor) uint64 {
	b, at := r.g.cut(len(all) * descriptorSize)
	for i, d := range all {
		d.put(b[i*descriptorSize:])
	}
	return at
}

func (r *raw) device(t testing.TB) Device {
	d, err := NewDevice(r.place, r.o, r.g, r.o.start())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What breaks the rules of a ring is found, said, and costs the ring: the device does nothing with it any more.
func TestBroken(t *testing.T) {
	const a = base + 512<<10
	both, split, packed := []bool{false, true}, []bool{false}, []bool{true}
	many := make([]descriptor, MaxPieces+1)
	for i := range many {
		many[i] = descriptor{addr: a, len: 1, flags: flagNext, other: uint16(i + 1)}
	}
	for _, x := range []struct {
		name string
		in   []bool
		ring func(r *raw)
		want string
	}{
		{"index too far", split, func(r *raw) { store16(r.place.Avail, 2, 9) }, "9 new requests in a ring of 8"},
		{"index behind", split, func(r *raw) { store16(r.place.Avail, 2, 0xffff) }, "65535 new requests"},
		{"head outside", split, func(r *raw) { r.post(8) }, "descriptor 8 of a ring that has 8"},
		{"next outside", split, func(r *raw) { r.put(0, a, 1, flagNext, 8); r.post(0) }, "descriptor 8 of a ring that has 8"},
		{"loop", split, func(r *raw) { r.put(0, a, 1, flagNext, 1); r.put(1, a, 1, flagNext, 0); r.post(0) }, "more than 8 descriptors, or a loop"},
		{"loop of one", split, func(r *raw) { r.put(0, a, 1, flagNext, 0); r.post(0) }, "or a loop"},
		{"twice", split, func(r *raw) { r.put(0, a, 1, 0, 0); r.post(0); r.post(0) }, "descriptor 0, which the device has"},
		{"no end", packed, func(r *raw) {
			for i := range 8 {
				r.put(i, a, 1, flagNext, 0)
			}
		}, "more than 8 descriptors"},
		{"ID outside", packed, func(r *raw) { r.put(0, a, 1, 0, 8) }, "ID 8 in a ring of 8"},
		{"twice", packed, func(r *raw) { r.put(0, a, 1, 0, 3); r.put(1, a, 1, 0, 3) }, "ID 3, which the device has"},
		{"no bytes", both, func(r *raw) { r.put(0, a, 0, 0, 0); r.post(0) }, "no bytes"},
		{"wraps", both, func(r *raw) { r.put(0, math.MaxUint64-3, 8, 0, 0); r.post(0) }, "wraps"},
		{"outside", both, func(r *raw) { r.put(0, base-1, 1, 0, 0); r.post(0) }, "outside"},
		{"half outside", both, func(r *raw) { r.put(0, base+1<<20-1, 2, flagWrite, 0); r.post(0) }, "outside"},
		{"too many bytes", both, func(r *raw) { r.put(0, a, 1<<31+1, 0, 0); r.post(0) }, "more than 2147483648 bytes"},
		{"to read after to write", both, func(r *raw) {
			r.put(0, a, 1, flagWrite|flagNext, 1)
			r.put(1, a, 1, 0, 1)
			r.post(0)
		}, "to read after one to write"},
		{"table of nothing", both, func(r *raw) { r.put(0, a, 0, flagIndirect, 0); r.post(0) }, "table of 0 bytes"},
		{"table and a half", both, func(r *raw) { r.put(0, a, 24, flagIndirect, 0); r.post(0) }, "table of 24 bytes"},
		{"table too long", both, func(r *raw) { r.put(0, r.table(many...), 16*(MaxPieces+1), flagIndirect, 0); r.post(0) }, "1025 descriptors: 1024 are taken"},
		{"table that wraps", both, func(r *raw) { r.put(0, math.MaxUint64-15, 16, flagIndirect, 0); r.post(0) }, "wraps"},
		{"table outside", both, func(r *raw) { r.put(0, base-16, 16, flagIndirect, 0); r.post(0) }, "outside"},
		{"table that is a loop", split, func(r *raw) {
			r.put(0, r.table(descriptor{a, 1, flagNext, 0}, descriptor{a, 1, 0, 0}), 32, flagIndirect, 0)
			r.post(0)
		}, "a loop"},
		{"next outside of a table", split, func(r *raw) {
			r.put(0, r.table(descriptor{a, 1, flagNext, 2}, descriptor{a, 1, 0, 0}), 32, flagIndirect, 0)
			r.post(0)
		}, "descriptor 2 of an indirect table that has 2"},
		{"no bytes in a table", both, func(r *raw) { r.put(0, r.table(descriptor{}), 16, flagIndirect, 0); r.post(0) }, "no bytes"},
		{"table in a table", split, func(r *raw) {
			r.put(0, r.table(descriptor{a, 16, flagIndirect, 0}), 16, flagIndirect, 0)
			r.post(0)
		}, "table in another"},
		{"table in a table", packed, func(r *raw) {
			r.put(0, r.table(descriptor{a, 16, 0, flagIndirect}), 16, flagIndirect, 0)
		}, "table in another"},
		{"table that goes on", both, func(r *raw) {
			r.put(0, r.table(descriptor{a, 1, 0, 0}), 16, flagIndirect|flagNext, 1)
			r.put(1, a, 1, 0, 1)
			r.post(0)
		}, "indirect descriptor that goes on"},
		{"table in a list", packed, func(r *raw) {
			r.put(0, a, 1, flagNext, 0)
			r.put(1, r.table(descriptor{a, 1, 0, 0}), 16, flagIndirect, 0)
		}, "in a list"},
		{"table that was not agreed on", both, func(r *raw) {
			r.o.Indirect = false
			r.put(0, r.table(descriptor{a, 1, 0, 0}), 16, flagIndirect, 0)
			r.post(0)
		}, "not agreed on"},
	} {
		for _, p := range x.in {
			t.Run(fmt.Sprintf("%s/%v", x.name, p), func(t *testing.T) {
				r := newRaw(t, 8, Options{Packed: p, Indirect: true})
				x.ring(r)
				d := r.device(t)
				var b Buffers
				var err error
				for range 10 {
					if _, err = d.Next(&b); err != nil {
						break
					}
				}
				if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), x.want) {
					t.Fatalf("%v, %q is wanted", err, x.want)
				}
				if ok, again := d.Next(&b); ok || again != err {
					t.Errorf("after that: %v, %v", ok, again)
				}
			})
		}
	}
}

// Not all requests that are allowed one by one are allowed together: what the device has of them takes memory.
func TestHeldPiecesAreBounded(t *testing.T) {
	r := newRaw(t, 2048, Options{Indirect: true})
	many := make([]descriptor, MaxPieces)
	for i := range many {
		many[i] = descriptor{addr: base, len: 1, flags: flagNext, other: uint16(i + 1)}
	}
	many[MaxPieces-1].flags = 0
	at := r.table(many...)
	for i := range 2048 {
		r.put(i, at, MaxPieces*descriptorSize, flagIndirect, 0)
		r.post(uint16(i))
	}
	d := r.device(t)
	var b Buffers
	for n := 0; ; n++ {
		if _, err := d.Next(&b); err != nil {
			if n != maxHeld/MaxPieces || !strings.Contains(err.Error(), "pieces") {
				t.Errorf("%d requests, then %v", n, err)
			}
			return
		}
	}
}

// Rings where none can be are refused.
func TestPlaces(t *testing.T) {
	g := newGuest(t, 1<<20)
	for _, o := range []Options{{}, {Packed: true}} {
		for name, change := range map[string]func(*Place){
			"none":          func(p *Place) { p.Size = 0 },
			"too long":      func(p *Place) { p.Size = MaxSize + 1 },
			"no room":       func(p *Place) { p.Size = 16 },
			"short used":    func(p *Place) { p.Used = p.Used[:3] },
			"odd desc":      func(p *Place) { p.Desc = g.mem[1<<19+8:] },
			"odd avail":     func(p *Place) { p.Avail = g.mem[1<<19+1:] },
			"odd used":      func(p *Place) { p.Used = g.mem[1<<19+2:] },
			"odd last byte": func(p *Place) { p.Desc = p.Desc[:len(p.Desc)-1] },
		} {
			p := g.place(8, o.Packed)
			change(&p)
			if _, err := NewDevice(p, o, g, o.start()); err == nil {
				t.Errorf("%+v, %s: taken", o, name)
			}
			if _, err := NewDriver(p, o, Tables{}); err == nil {
				t.Errorf("%+v, %s: a driver takes it", o, name)
			}
		}
	}
	if _, err := NewDevice(g.place(6, false), Options{}, g, Start{}); err == nil {
		t.Error("a split ring of 6")
	}
	for _, b := range []uint32{8 | 1<<31, 1<<31 | 1<<15 | 8<<16, 1<<15 | 0x8001<<16} {
		if _, err := NewDevice(g.place(8, true), Options{Packed: true}, g, Start{Base: b}); err == nil {
			t.Errorf("a base of %#x", b)
		}
	}
}

// An avail ring is aligned to two bytes, so that its index may be in either half of a word.
func TestAvailAlignedToTwo(t *testing.T) {
	r := newRaw(t, 8, Options{EventIndex: true})
	b, _ := r.g.cut(64)
	r.place.Avail = b[2:24]
	r.put(3, base, 1, 0, 0)
	r.post(3)
	store16(r.place.Avail, 4+16, 0)
	d := r.device(t)
	var x Buffers
	if ok, err := d.Next(&x); !ok || err != nil || x.ID != 3 {
		t.Fatal(ok, err, x.ID)
	}
	if err := d.Put(3, 0); err != nil {
		t.Fatal(err)
	}
	if call, err := d.Publish(true); !call || err != nil {
		t.Error(call, err)
	}
}

// What is given back twice, or was never taken, is refused, and changes nothing.
func TestPutOfNothing(t *testing.T) {
	for _, o := range []Options{{}, {Packed: true}} {
		r := newRaw(t, 8, o)
		d := r.device(t)
		for _, id := range []uint16{0, 7, 8, 65535} {
			if d.Put(id, 0) == nil {
				t.Errorf("%+v: request %d was taken back", o, id)
			}
		}
		if call, err := d.Publish(true); call || err != nil {
			t.Error(call, err)
		}
	}
}

// Memory that is gone is an error of whatever touches it.
func TestMemoryGone(t *testing.T) {
	for _, o := range kinds() {
		for _, area := range []bool{false, true} {
			fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(fd) }()
			const bytes = 1 << 20
			if err := unix.Ftruncate(fd, bytes); err != nil {
				t.Fatal(err)
			}
			mem, err := unix.Mmap(fd, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Munmap(mem) }()
			g := &guest{mem: mem}
			p := g.place(8, o.Packed)
			drv, err := NewDriver(p, o, g.tables(8, 4))
			if err != nil {
				t.Fatal(err)
			}
			s := o.start()
			if area {
				s.Inflight, _ = g.cut(InflightSize(8, o.Packed))
			}
			dev, err := NewDevice(p, o, g, s)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				if err := drv.Add([]Piece{{base, 1}}, []Piece{{base, 1}}, uint64(i)); err != nil {
					t.Fatal(err)
				}
			}
			drv.Kick()
			var b, x Buffers
			for _, b := range []*Buffers{&b, &x} {
				if ok, err := dev.Next(b); !ok || err != nil {
					t.Fatal(ok, err)
				}
			}
			if err := dev.Put(b.ID, 1); err != nil {
				t.Fatal(err)
			}
			if err := unix.Ftruncate(fd, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := dev.Next(&b); !errors.Is(err, guard.ErrFault) {
				t.Errorf("%+v: Next: %v", o, err)
			}
			if err := dev.Put(x.ID, 1); !errors.Is(err, guard.ErrFault) {
				t.Errorf("%+v: Put: %v", o, err)
			}
			if _, err := dev.Publish(true); !errors.Is(err, guard.ErrFault) {
				t.Errorf("%+v: Publish: %v", o, err)
			}
			if _, err := dev.Want(true); !errors.Is(err, guard.ErrFault) {
				t.Errorf("%+v: Want: %v", o, err)
			}
			if !dev.Moved() {
				t.Errorf("%+v: who polls does not hear of it", o)
			}
			if _, err := NewDevice(p, o, g, s); (area || !o.Packed) && !errors.Is(err, guard.ErrFault) {
				t.Errorf("%+v: a new device: %v", o, err)
			}
		}
	}
}

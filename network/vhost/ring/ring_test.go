package ring

import (
	"fmt"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
)

type segment = buffer.Segment

// A guest is memory that a driver and a device share: its addresses start at base. It is mapped, as a real guest's is, so that the race detector does not look at it: the two sides agree by the words of the ring.
type guest struct {
	mem  []byte
	next int
}

const base = 1 << 32

func newGuest(t testing.TB, size int) *guest {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	return &guest{mem: mem}
}

// cut takes n bytes of the memory.
func (g *guest) cut(n int) ([]byte, uint64) {
	at := (g.next + 63) &^ 63
	g.next = at + n
	return g.mem[at:g.next:g.next], base + uint64(at)
}

func (g *guest) Translate(dst []buffer.Segment, addr uint64, n uint32) ([]buffer.Segment, error) {
	if addr < base || addr-base > uint64(len(g.mem)) || uint64(n) > uint64(len(g.mem))-(addr-base) {
		return dst, fmt.Errorf("%d bytes at %#x are outside", n, addr)
	}
	return append(dst, buffer.Segment{Mem: g.mem[addr-base:][:n:n]}), nil
}

// address is the guest's of b.
func (g *guest) address(b []byte) uint64 {
	return base + uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))-uintptr(unsafe.Pointer(unsafe.SliceData(g.mem))))
}

// place makes a ring.
func (g *guest) place(size int, packed bool) Place {
	d, a, u := Bytes(size, packed)
	p := Place{Size: size}
	p.Desc, _ = g.cut(d)
	p.Avail, _ = g.cut(a)
	p.Used, _ = g.cut(u)
	return p
}

func (g *guest) tables(size, entries int) Tables {
	t := Tables{Entries: entries}
	t.Mem, t.Addr = g.cut(size * entries * descriptorSize)
	return t
}

func TestOneRequest(t *testing.T) {
	g := newGuest(t, 1<<20)
	p := g.place(8, false)
	o := Options{EventIndex: true, Indirect: true}
	drv, err := NewDriver(p, o, g.tables(8, 4))
	if err != nil {
		t.Fatal(err)
	}
	dev, err := NewDevice(p, o, g, Start{})
	if err != nil {
		t.Fatal(err)
	}
	out, outAt := g.cut(16)
	in, inAt := g.cut(16)
	copy(out, "hello")
	if err := drv.Add([]Piece{{outAt, 16}}, []Piece{{inAt, 16}}, 7); err != nil {
		t.Fatal(err)
	}
	if !drv.Kick() {
		t.Fatal("no kick")
	}
	var b Buffers
	if ok, err := dev.Next(&b); !ok || err != nil {
		t.Fatal(ok, err)
	}
	copy(b.Writable[0].Mem, b.Readable[0].Mem)
	if err := dev.Put(b.ID, 16); err != nil {
		t.Fatal(err)
	}
	if call, err := dev.Publish(true); !call || err != nil {
		t.Fatal(call, err)
	}
	if token, n, ok, err := drv.Get(); token != 7 || n != 16 || !ok || err != nil {
		t.Fatal(token, n, ok, err)
	}
	if string(in[:5]) != "hello" {
		t.Fatal(in)
	}
}

func BenchmarkRing(b *testing.B) {
	for _, o := range kinds() {
		b.Run(fmt.Sprintf("%+v", o), func(b *testing.B) {
			g := newGuest(b, 4<<20)
			p := g.place(256, o.Packed)
			drv, err := NewDriver(p, o, g.tables(256, 8))
			if err != nil {
				b.Fatal(err)
			}
			dev, err := NewDevice(p, o, g, o.start())
			if err != nil {
				b.Fatal(err)
			}
			_, at := g.cut(8192)
			out, in := []Piece{{at, 51}}, []Piece{{at + 64, 108}, {at + 4096, 4096}}
			var x Buffers
			b.ReportAllocs()
			defer func(start int64) { b.ReportMetric(float64(cpu()-start)/float64(b.N), "cpu-ns/op") }(cpu())
			for done := 0; done < b.N; {
				for range 32 {
					if err := drv.Add(out, in, 1); err != nil {
						b.Fatal(err)
					}
				}
				drv.Kick()
				for {
					ok, err := dev.Next(&x)
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					if err := dev.Put(x.ID, 4096); err != nil {
						b.Fatal(err)
					}
				}
				if _, err := dev.Publish(true); err != nil {
					b.Fatal(err)
				}
				for {
					_, _, ok, err := drv.Get()
					if err != nil {
						b.Fatal(err)
					}
					if !ok {
						break
					}
					done++
				}
			}
		})
	}
}

// cpu is how long the process has computed, in ns: on a machine that others use too it says more than the clock.
func cpu() int64 {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

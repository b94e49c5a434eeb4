package ring

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// kinds are the features that rings differ by.
func kinds() (all []Options) {
	for i := range 8 {
		all = append(all, Options{Packed: i&1 != 0, Indirect: i&2 != 0, EventIndex: i&4 != 0})
	}
	return all
}

// few are half of them, each feature with and without: for tests that take long.
func few() []Options {
	return []Options{{}, {Indirect: true, EventIndex: true}, {Packed: true, Indirect: true}, {Packed: true, EventIndex: true}}
}

func (o Options) start() Start {
	if o.Packed {
		return Start{Base: PackedBase}
	}
	return Start{}
}

// A pair is both halves of a ring, and what each has to be at.
type pair struct {
	t interface {
		Fatalf(string, ...any)
	}
	o     Options
	g     *guest
	place Place
	drv   Driver
	dev   Device
	start Start

	added    []int       // tokens, oldest first, that the device does not see
	posted   []int       // that it sees, and has not taken
	held     []heldOne   // that it has, by no order
	put      []givenBack // that it has given back, and the driver does not see
	seen     []givenBack // that the driver sees, and has not taken
	token    int
	requests map[int]request
	devSleep bool // the device waits for a kick
	drvSleep bool
	unheard  bool  // something has come back since the driver sleeps
	again    []int // tokens that the device must have again, oldest first
	kicks    int
	b        Buffers
}

type request struct{ out, in []Piece }

type heldOne struct {
	id    uint16
	token int
}

type givenBack struct {
	token   int
	written uint32
}

func newPair(t testing.TB, o Options, size, entries int, s Start) *pair {
	g := newGuest(t, 1<<21)
	p := &pair{t: t, o: o, g: g, place: g.place(size, o.Packed), start: s, requests: make(map[int]request)}
	var err error
	if p.drv, err = NewDriver(p.place, o, g.tables(size, entries)); err != nil {
		t.Fatal(err)
	}
	p.open()
	return p
}

// open makes a new device.
func (p *pair) open() {
	var err error
	if p.dev, err = NewDevice(p.place, p.o, p.g, p.start); err != nil {
		p.t.Fatalf("a new device: %v", err)
	}
	p.b = Buffers{}
	p.devSleep = false
}

// add posts a request with so many pieces; false: there is no room.
func (p *pair) add(out, in int) bool {
	r := request{}
	for i := range out {
		r.out = append(r.out, Piece{base + uint64((p.token*61+i*7)%(1<<20)), uint32(1 + (p.token+i)%100)})
	}
	for i := range in {
		r.in = append(r.in, Piece{base + uint64((p.token*31+i*5)%(1<<20)), uint32(1 + (p.token+i)%200)})
	}
	err := p.drv.Add(r.out, r.in, uint64(p.token))
	if errors.Is(err, ErrFull) {
		return false
	}
	if err != nil {
		p.t.Fatalf("Add: %v", err)
	}
	p.requests[p.token] = r
	p.added = append(p.added, p.token)
	p.token++
	return true
}

func (p *pair) kick() {
	fresh := len(p.added) > 0
	kick := p.drv.Kick()
	p.posted = append(p.posted, p.added...)
	p.added = p.added[:0]
	if kick {
		p.kicks++
	}
	if p.devSleep && fresh && !kick {
		p.t.Fatalf("the device sleeps, and is not woken")
	}
	if kick {
		p.devSleep = false
	}
}

// next lets the device take a request, if there is one.
func (p *pair) next() bool {
	if moved, want := p.dev.Moved(), len(p.again)+len(p.posted) > 0; moved != want {
		p.t.Fatalf("Moved is %v, and there are %d again and %d", moved, len(p.again), len(p.posted))
	}
	ok, err := p.dev.Next(&p.b)
	if err != nil {
		p.t.Fatalf("Next: %v", err)
	}
	from := &p.posted
	if len(p.again) > 0 {
		from = &p.again
	}
	if ok != (len(*from) > 0) {
		p.t.Fatalf("Next is %v, and there are %d", ok, len(*from))
	}
	if !ok {
		return false
	}
	if p.b.Again != (from == &p.again) {
		p.t.Fatalf("Again is %v", p.b.Again)
	}
	token := (*from)[0]
	*from = (*from)[1:]
	r := p.requests[token]
	p.same(r.out, p.b.Readable, p.b.ReadableLen)
	p.same(r.in, p.b.Writable, p.b.WritableLen)
	p.held = append(p.held, heldOne{p.b.ID, token})
	return true
}

func (p *pair) same(want []Piece, got []segment, n int64) {
	if len(want) != len(got) {
		p.t.Fatalf("%d pieces, %d are wanted", len(got), len(want))
	}
	for i, w := range want {
		if at := p.g.address(got[i].Mem); at != w.Addr || len(got[i].Mem) != int(w.Len) {
			p.t.Fatalf("%d bytes at %#x, %+v is wanted", len(got[i].Mem), at, w)
		}
		n -= int64(w.Len)
	}
	if n != 0 {
		p.t.Fatalf("%d bytes too many", n)
	}
}

// giveBack puts the request at i of held.
func (p *pair) giveBack(i int) {
	h := p.held[i]
	p.held = slices.Delete(p.held, i, i+1)
	written := uint32(h.token % 77)
	if err := p.dev.Put(h.id, written); err != nil {
		p.t.Fatalf("Put: %v", err)
	}
	p.put = append(p.put, givenBack{h.token, written})
}

// publish lets the driver see what was put. Who sleeps is called, when the device is asked at the latest.
func (p *pair) publish(ask bool) {
	p.unheard = p.unheard || p.drvSleep && len(p.put) > 0
	call, err := p.dev.Publish(ask)
	if err != nil {
		p.t.Fatalf("Publish: %v", err)
	}
	p.seen = append(p.seen, p.put...)
	p.put = p.put[:0]
	if ask && p.unheard && !call {
		p.t.Fatalf("the driver sleeps, and is not called")
	}
	if call {
		p.drvSleep, p.unheard = false, false
	}
}

func (p *pair) get() bool {
	token, written, ok, err := p.drv.Get()
	if err != nil {
		p.t.Fatalf("Get: %v", err)
	}
	if ok != (len(p.seen) > 0) {
		p.t.Fatalf("Get is %v, and there are %d", ok, len(p.seen))
	}
	if !ok {
		return false
	}
	if want := p.seen[0]; int(token) != want.token || written != want.written {
		p.t.Fatalf("%d came back with %d bytes, %+v is wanted", token, written, want)
	}
	delete(p.requests, p.seen[0].token)
	p.seen = p.seen[1:]
	return true
}

func (p *pair) devWant(on bool) {
	already, err := p.dev.Want(on)
	if err != nil {
		p.t.Fatalf("Want: %v", err)
	}
	if there := len(p.again)+len(p.posted) > 0; on && already != there {
		p.t.Fatalf("the device hears %v of %d requests", already, len(p.posted))
	}
	p.devSleep = on && !already
}

func (p *pair) drvWant(on bool) {
	already := p.drv.Want(on)
	if on && already != (len(p.seen) > 0) {
		p.t.Fatalf("the driver hears %v of %d requests", already, len(p.seen))
	}
	p.drvSleep, p.unheard = on && !already, false
}

// sizes are those that a ring may have.
func sizes(packed bool) *rapid.Generator[int] {
	if packed {
		return rapid.OneOf(rapid.IntRange(1, 16), rapid.IntRange(1, 1024))
	}
	return rapid.Map(rapid.IntRange(0, 10), func(n int) int { return 1 << n })
}

// Whatever the two halves do, each request comes to the device once and as it is, and back to the driver once, in order; and nobody who sleeps is forgotten.
func TestModel(t *testing.T) {
	for _, o := range few() {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				size := sizes(o.Packed).Draw(rt, "size")
				p := newPair(t, o, size, rapid.IntRange(2, 9).Draw(rt, "entries"), o.start())
				p.t = rt
				for range rapid.IntRange(1, 400).Draw(rt, "steps") {
					p.step(rt)
				}
			})
		})
	}
}

func (p *pair) step(rt *rapid.T) {
	switch rapid.IntRange(0, 11).Draw(rt, "step") {
	case 0, 1, 2:
		out := rapid.IntRange(0, 5).Draw(rt, "out")
		in := rapid.IntRange(0, 5).Draw(rt, "in")
		if out+in == 0 {
			in = 1
		}
		p.add(out, in)
	case 3:
		p.kick()
	case 4, 5:
		p.next()
	case 6, 7:
		if len(p.held) > 0 {
			p.giveBack(rapid.IntRange(0, len(p.held)-1).Draw(rt, "which"))
		}
	case 8:
		p.publish(rapid.Bool().Draw(rt, "ask"))
	case 9:
		p.get()
	case 10:
		p.devWant(rapid.Bool().Draw(rt, "on"))
	case 11:
		p.drvWant(rapid.Bool().Draw(rt, "on"))
	}
}

// Indices wrap: those of split rings after 65536 requests, which this ring has nearly had, those of packed ones at the end of the ring.
func TestWraps(t *testing.T) {
	for _, o := range kinds() {
		for _, size := range []int{1, 2, 3, 4, 7, 64} {
			if !o.Packed && size&(size-1) != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%+v/%d", o, size), func(t *testing.T) {
				p := newPair(t, o, size, 4, o.start())
				if d, split := p.drv.(*splitDriver); split {
					const near = 65536 - 300
					d.avail, d.told, d.used = near, near, near
					store16(p.place.Avail, 2, near)
					store16(p.place.Used, 2, near)
					p.start.Base = near
					p.open()
				}
				for i := 0; p.token < 1000; i++ {
					p.devWant(true)
					p.drvWant(i%2 == 0)
					for p.add(1, i%3) {
						p.kick() // each on its own: there is an index for each
					}
					for p.next() {
					}
					for len(p.held) > 0 {
						p.giveBack(len(p.held) / 2)
						if i%3 == 0 {
							p.publish(i%2 == 0)
						}
					}
					p.publish(true)
					for p.get() {
					}
				}
			})
		}
	}
}

// With an event index a driver kicks once for many requests, and not at all while the device does not want it.
func TestKicksAreFew(t *testing.T) {
	for _, o := range kinds() {
		p := newPair(t, o, 64, 4, o.start())
		p.devWant(true)
		for range 10 {
			p.add(1, 1)
			p.kick()
			p.devSleep = false
			if o.EventIndex {
				continue
			}
			p.devWant(false)
		}
		if p.kicks != 1 {
			t.Errorf("%+v: %d kicks for ten requests of which the first woke the device", o, p.kicks)
		}
	}
}

// A ring goes on where it was, with what Base says.
func TestBase(t *testing.T) {
	for _, o := range kinds() {
		p := newPair(t, o, 8, 4, o.start())
		for i := range 100 {
			for p.add(1, 1) {
			}
			p.kick()
			for range 1 + i%5 {
				if p.next() {
					p.giveBack(0)
				}
			}
			p.publish(true)
			p.start.Base = p.dev.Base()
			p.open()
			for p.get() {
			}
		}
	}
}

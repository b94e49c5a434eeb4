package ethertest

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/network/ethernet"
)

// vlans: a wire has the frames of its VLAN alone, with tags or without.
func vlans(t *testing.T, c *Cable) {
	on := func(vlan uint16) func(*ethernet.Config, *user) {
		return func(e *ethernet.Config, _ *user) { e.VLAN, e.Priority = vlan, 3 }
	}
	c.SetMTU(0, Longest) // to which a tag is added
	c.SetMTU(1, Longest)
	var a, b [3]*user
	for i, vlan := range []uint16{0, 100, 200} {
		a[i], b[i] = use(t, c, 0, on(vlan)), use(t, c, 1, on(vlan))
	}
	names := []string{"untagged", "in 100", "in 200"}
	for i, u := range a {
		u.send(frame(c.MAC[1], c.MAC[0], mine, names[i]), frame(c.MAC[1], c.MAC[0], mine, names[i]+" again"))
	}
	for i, u := range b {
		u.expect(func(f ethernet.Frame) { a[i].send(f) }, c.MAC[0], names[i], names[i]+" again")
	}
	// The longest frame there is, with a tag.
	f := frame(c.MAC[1], c.MAC[0], mine, "")
	f.Body = make([]byte, Longest)
	a[1].send(f)
	b[1].wait("the longest frame", func() bool { return len(b[1].frames) == 1 && len(b[1].frames[0]) == Longest+ethernet.HeaderLen })
}

// vlanInterface: if the host has an interface for the VLAN it is used, and the other end sees the same frames.
func vlanInterface(t *testing.T, c *Cable) {
	c.AddVLAN(0, 100)
	on := func(e *ethernet.Config, _ *user) { e.VLAN = 100 }
	a, b := use(t, c, 0, on), use(t, c, 1, on)
	if s := a.wire.State(); s.Name != c.Name[0]+".100" {
		t.Errorf("opened is %+v", s)
	}
	plain := use(t, c, 1, nil)
	a.send(frame(c.MAC[1], c.MAC[0], mine, "1"))
	b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "1")
	b.send(frame(c.MAC[0], c.MAC[1], mine, "2"))
	a.expect(func(f ethernet.Frame) { b.send(f) }, c.MAC[1], "2")
	plain.mu.Lock()
	defer plain.mu.Unlock()
	if len(plain.frames) != 0 {
		t.Errorf("without a tag there is %q", plain.frames)
	}
}

// link: down is told and refused, and up again it works as before.
func link(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	group := ethernet.MAC{1, 0x10, 0x18, 1, 0, 4}
	if err := b.wire.Join(group); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.SetUp(0, false)
		a.state("down", func(s ethernet.State) bool { return !s.Up && !s.Gone && s.MAC == c.MAC[0] && s.MTU == MTU })
		if n, err := a.wire.Send([]ethernet.Frame{frame(c.MAC[1], c.MAC[0], mine, "lost")}); n != 0 || !errors.Is(err, ethernet.ErrDown) {
			t.Fatalf("%d taken, %v", n, err)
		}
		c.SetUp(0, true)
		for _, u := range []*user{a, b} {
			u.state("up", func(s ethernet.State) bool { return s.Up })
		}
		a.reach(b)
		b.reach(a)
		a.send(frame(group, c.MAC[0], mine, "group"))
		b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "group")
		b.send(frame(c.MAC[0], c.MAC[1], mine, "back"))
		a.expect(func(f ethernet.Frame) { b.send(f) }, c.MAC[1], "back")
	}
}

// gone: an interface that is removed is told of, and one of the name that comes is used, with all that was joined.
func gone(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	group, single := ethernet.MAC{1, 0x10, 0x18, 1, 0, 4}, ethernet.MAC{0x0e, 0xfd, 0, 0, 0, 9}
	if err := errors.Join(b.wire.Join(group), b.wire.Join(single)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c.Remove(1)
		b.state("gone", func(s ethernet.State) bool { return s.Gone && !s.Up })
		if n, err := b.wire.Send([]ethernet.Frame{frame(c.MAC[0], c.MAC[1], mine, "lost")}); n != 0 || !errors.Is(err, ethernet.ErrDown) {
			t.Fatalf("%d taken, %v", n, err)
		}
		later := ethernet.MAC{0x0e, 0xfd, 0, 0, 0, 7}
		if err := b.wire.Join(later); err != nil {
			t.Error(err)
		}
		c.Restore(1)
		for _, u := range []*user{a, b} {
			u.state("up again", func(s ethernet.State) bool { return s.Up && !s.Gone && s.MAC == u.mac })
		}
		a.reach(b)
		b.reach(a)
		for _, m := range []ethernet.MAC{group, single, later, c.MAC[1]} {
			a.send(frame(m, c.MAC[0], mine, m.String()))
		}
		b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], group.String(), single.String(), later.String(), c.MAC[1].String())
		b.send(frame(c.MAC[0], c.MAC[1], mine, "back"))
		a.expect(func(f ethernet.Frame) { b.send(f) }, c.MAC[1], "back")
		if err := b.wire.Leave(later); err != nil {
			t.Error(err)
		}
	}
}

// changes: another MTU and another MAC are told of, and count.
func changes(t *testing.T, c *Cable) {
	a, b := use(t, c, 0, nil), use(t, c, 1, nil)
	c.SetMTU(0, 1500)
	a.state("the MTU", func(s ethernet.State) bool { return s.MTU == 1500 })
	f := frame(c.MAC[1], c.MAC[0], mine, "")
	f.Body = make([]byte, 1501)
	if n, err := a.wire.Send([]ethernet.Frame{f}); n != 0 || !errors.Is(err, ethernet.ErrTooLong) {
		t.Fatalf("%d taken, %v", n, err)
	}
	m := ethernet.MAC{2, 0, 0, 0, 7, 7}
	c.SetMAC(1, m)
	b.state("the MAC", func(s ethernet.State) bool { return s.MAC == m })
	old := c.MAC[1]
	b.mac = m
	a.send(frame(old, c.MAC[0], mine, "to the old one"), frame(m, c.MAC[0], mine, "to the new one"))
	b.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "to the new one")
}

// open: what is not there is said; two wires of one interface do not mind each other.
func open(t *testing.T, c *Cable) {
	if _, err := c.Host[0].Open(ethernet.Config{Interface: "nowhere9", Types: []ethernet.Type{mine}}); !errors.Is(err, ethernet.ErrNoInterface) {
		t.Errorf("an interface that is not there: %v", err)
	}
	if s := use(t, c, 0, nil).wire.State(); s != (ethernet.State{Name: c.Name[0], MAC: c.MAC[0], MTU: MTU, Up: true}) {
		t.Errorf("%+v", s)
	}
	a := use(t, c, 0, func(e *ethernet.Config, _ *user) { e.Types = []ethernet.Type{mine} })
	b := use(t, c, 1, func(e *ethernet.Config, _ *user) { e.Types = []ethernet.Type{mine} })
	o := use(t, c, 1, func(e *ethernet.Config, _ *user) { e.Types = []ethernet.Type{other} })
	a.send(frame(c.MAC[1], c.MAC[0], mine, "1"), frame(c.MAC[1], c.MAC[0], other, "2"))
	o.expect(func(f ethernet.Frame) { a.send(f) }, c.MAC[0], "2")
	b.wait("its frame", func() bool { return len(b.frames) == 1 })

	c.SetUp(0, false)
	d := use(t, c, 0, nil) // It can be opened while it is down.
	if d.wire.State().Up {
		t.Error("it is up")
	}
	c.SetUp(0, true)
	d.state("up", func(s ethernet.State) bool { return s.Up })
}

// closes: while frames come and go; nothing is called afterwards, and a second Close does nothing.
func closes(t *testing.T, c *Cable) {
	a := use(t, c, 0, nil)
	for range 20 {
		b := use(t, c, 1, func(e *ethernet.Config, u *user) {
			u.on = func(f []byte) {
				// Answers from the handler.
				_, _ = u.wire.Send([]ethernet.Frame{frame(c.MAC[0], c.MAC[1], mine, "answer")})
			}
		})
		for i := range 50 {
			a.all([]ethernet.Frame{numbered(c.MAC[1], c.MAC[0], i, 100)})
		}
		if err := b.wire.Close(); err != nil {
			t.Error(err)
		}
		b.closed.Store(true)
		if n, err := b.wire.Send([]ethernet.Frame{frame(c.MAC[0], c.MAC[1], mine, "late")}); n != 0 || !errors.Is(err, ethernet.ErrClosed) {
			t.Errorf("%d taken, %v", n, err)
		}
		if err := b.wire.Join(ethernet.MAC{1}); !errors.Is(err, ethernet.ErrClosed) {
			t.Error(err)
		}
		_ = b.wire.State()
		_ = b.wire.Stats()
	}
	// One that was never started.
	w, err := c.Host[1].Open(ethernet.Config{Interface: c.Name[1], Types: []ethernet.Type{mine}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

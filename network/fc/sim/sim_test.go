package sim

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
)

// A user keeps what it is told.
type user struct {
	fc.Link
	mu     sync.Mutex
	events []string
	id     fc.ID
	frames []fc.Frame // copies
	sent   []error
}

func (u *user) note(s string) {
	u.mu.Lock()
	u.events = append(u.events, s)
	u.mu.Unlock()
}

func (u *user) Up(a fc.Attachment)           { u.note("up"); u.id = a.ID }
func (u *user) Down(error)                   { u.note("down") }
func (u *user) Found(n fc.Neighbour)         { u.note("found " + n.ID.String()) }
func (u *user) Gone(id fc.ID, _ error)       { u.note("gone " + id.String()) }
func (u *user) Sent(_ *fc.Sequence, e error) { u.mu.Lock(); u.sent = append(u.sent, e); u.mu.Unlock() }
func (u *user) Received(f *fc.Frame) {
	g := *f
	g.Payload = bytes.Clone(f.Payload)
	u.mu.Lock()
	u.frames = append(u.frames, g)
	u.mu.Unlock()
}

func (u *user) heard() string {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	s := strings.Join(u.events, ", ")
	u.events = nil
	return s
}

// send posts a frame whose payload is text.
func (u *user) send(to *user, text string) *fc.Sequence {
	s := &fc.Sequence{Header: fc.Header{D: to.id, S: u.id, FCtl: fc.FCtlRequest}, Data: buffer.Of([]byte(text)), Len: int64(len(text))}
	u.Post(s)
	u.Flush()
	return s
}

// text is all that has come.
func (u *user) text() string {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	var all []string
	for _, f := range u.frames {
		all = append(all, string(f.Payload))
	}
	u.frames = nil
	return strings.Join(all, " ")
}

// with runs test with a network that has two ports.
func with(t *testing.T, c Config, f Faults, test func(t *testing.T, n *Network, a, b *user)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := With(c)
		n.Break(f)
		a, b := new(user), new(user)
		for i, u := range []*user{a, b} {
			var err error
			if u.Link, err = n.Attach(fc.PortConfig{Node: 1, Port: fc.Name(0x2000_0000_0000_000a + i)}, u); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if s := a.heard(); s != "up, found 0x00000b" {
			t.Error(s)
		}
		if s := b.heard(); s != "up, found 0x00000a" {
			t.Error(s)
		}
		test(t, n, a, b)
		if n.Close() == nil {
			t.Error("closed with links")
		}
		a.Close()
		b.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestFaults(t *testing.T) {
	g := new(Gate)
	const from = 0x2000_0000_0000_000a
	for name, c := range map[string]struct {
		fate Fate
		n    int
		want string
	}{
		"none":   {Fate{}, 1, "1 2 3 4"},
		"drop":   {Fate{Drop: true}, 1, "1 3 4"},
		"damage": {Fate{Damage: true}, 1, "1 3 4"},
		"double": {Fate{Copies: 2}, 1, "1 2 2 2 3 4"},
		"hold":   {Fate{Hold: 2}, 1, "1 3 4 2"},
		"late":   {Fate{Hold: 1}, 3, "1 2 3 4"},
		"delay":  {Fate{Delay: time.Second}, 0, "2 3 4 1"},
		"gate":   {Fate{Gate: g}, 2, "1 2 3 4"},
	} {
		t.Run(name, func(t *testing.T) {
			with(t, Config{}, Nth(from, c.n, c.fate), func(t *testing.T, n *Network, a, b *user) {
				for _, s := range []string{"1", "2", "3", "4"} {
					a.send(b, s)
				}
				if c.fate.Gate != nil {
					synctest.Wait()
					if len(a.sent) != 2 {
						t.Errorf("%d were sent, and one is held", len(a.sent))
					}
					g.Open()
				}
				time.Sleep(2 * time.Second)
				if s := b.text(); s != c.want {
					t.Errorf("%q came, want %q", s, c.want)
				}
				if len(a.sent) != 4 {
					t.Errorf("%d of 4 are given back", len(a.sent))
				}
				if got := b.Stats().Dropped; c.fate.Damage != (got == 1) {
					t.Errorf("%d dropped", got)
				}
			})
		})
	}
}

func TestCut(t *testing.T) {
	g := new(Gate)
	with(t, Config{}, Nth(0x2000_0000_0000_000a, 1, Fate{Gate: g}), func(t *testing.T, n *Network, a, b *user) {
		a.send(b, "1")
		a.send(b, strings.Repeat("2", 5000))
		a.send(b, "3")
		synctest.Wait()
		n.Cut(0x2000_0000_0000_000a)
		if s := a.heard(); s != "down" {
			t.Error(s)
		}
		if s := b.heard(); s != "gone 0x00000a" {
			t.Error(s)
		}
		if len(a.sent) != 3 || !errors.Is(a.sent[1], fc.ErrDown) || !errors.Is(a.sent[2], fc.ErrDown) {
			t.Error(a.sent)
		}
		if a.Post(&fc.Sequence{Header: fc.Header{D: b.id, S: a.id}}) {
			t.Error("taken with the link down")
		}
		n.Mend()
		if s := a.heard(); s != "up, found 0x00000b" {
			t.Error(s)
		}
		if s := b.heard(); s != "found 0x00000a" {
			t.Error(s)
		}
		n.Cut()
		if s := a.heard() + "; " + b.heard(); !strings.Contains(s, "down") {
			t.Error(s)
		}
		n.Mend()
		a.heard()
		b.heard()
		g.Open()
		a.send(b, "4")
		if s := b.text(); s != "1 4" {
			t.Error(s)
		}
	})
}

// Neighbours learn late that a port is gone; if it is there again by then, they learn that alone.
func TestLearn(t *testing.T) {
	with(t, Config{Learn: time.Minute}, nil, func(t *testing.T, n *Network, a, b *user) {
		n.Cut(0x2000_0000_0000_000a)
		if s := b.heard(); s != "" {
			t.Error(s)
		}
		time.Sleep(2 * time.Minute)
		if s := b.heard(); s != "gone 0x00000a" {
			t.Error(s)
		}
		n.Mend()
		b.heard()
		n.Cut(0x2000_0000_0000_000a)
		time.Sleep(time.Second)
		n.Mend()
		time.Sleep(2 * time.Minute)
		if s := b.heard(); s != "found 0x00000a" {
			t.Error(s)
		}
	})
}

func TestCancel(t *testing.T) {
	for at := range 4 {
		g := new(Gate)
		with(t, Config{}, Nth(0x2000_0000_0000_000a, at, Fate{Gate: g}), func(t *testing.T, n *Network, a, b *user) {
			s := a.send(b, strings.Repeat("x", 4*2048))
			synctest.Wait()
			a.Cancel(s)
			synctest.Wait()
			if len(a.sent) != 1 || !errors.Is(a.sent[0], fc.ErrCancelled) {
				t.Error(a.sent)
			}
			g.Open()
			a.send(b, "y")
			if got := b.text(); strings.Count(got, "x") != 2048*at || !strings.HasSuffix(got, "y") {
				t.Errorf("%d bytes", len(got))
			}
		})
	}
}

// What a user does wrong is said at once.
func TestMisuse(t *testing.T) {
	with(t, Config{}, Nth(0x2000_0000_0000_000a, 0, Fate{Gate: new(Gate)}), func(t *testing.T, n *Network, a, b *user) {
		wrong := func(what string, f func()) {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: nobody complains", what)
				}
			}()
			f()
		}
		h := fc.Header{D: b.id, S: a.id}
		wrong("outside", func() { a.Post(&fc.Sequence{Header: h, Data: buffer.Of(make([]byte, 10)), At: 1, Len: 10}) })
		wrong("no data", func() { a.Post(&fc.Sequence{Header: h, Len: 10}) })
		wrong("head", func() { a.Post(&fc.Sequence{Header: h, Head: make([]byte, 600), MaxPayload: 512}) })
		wrong("of another", func() { a.Post(&fc.Sequence{Header: fc.Header{D: b.id, S: b.id}}) })
		s := &fc.Sequence{Header: h}
		wrong("not posted", func() { a.Cancel(s) })
		a.Post(s)
		wrong("twice", func() { a.Post(s) })
	})
}

// A frame that is kept after Received is seen to be.
func TestKept(t *testing.T) {
	with(t, Config{}, nil, func(t *testing.T, n *Network, a, b *user) {
		k := &keeper{user: b}
		b.Close()
		var err error
		if b.Link, err = n.Attach(fc.PortConfig{Port: 0x2000_0000_0000_000b}, k); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		a.send(b, "abc")
		synctest.Wait()
		if string(k.kept) != "\xdd\xdd\xdd" {
			t.Errorf("%q", k.kept)
		}
	})
}

type keeper struct {
	*user
	kept []byte
}

func (k *keeper) Received(f *fc.Frame) { k.kept = f.Payload }

// Fates of a seed are the same each time, and not those of another.
func TestSeeded(t *testing.T) {
	draw := func(seed uint64) (all []Fate) {
		f := Seeded(seed, Rates{Drop: 100, Double: 100, Hold: 100, Delay: 100})
		for n := range 1000 {
			all = append(all, f(Event{N: n, From: 7}))
		}
		return all
	}
	x, y, z := draw(1), draw(1), draw(2)
	if !slices.Equal(x, y) || slices.Equal(x, z) {
		t.Error("fates do not depend on the seed alone")
	}
	drops := 0
	for _, f := range x {
		if f.Drop {
			drops++
		}
	}
	if drops < 50 || drops > 150 {
		t.Errorf("%d of 1000 dropped", drops)
	}
}

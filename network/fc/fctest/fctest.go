// Package fctest checks that a provider of networks of Fibre Channel keeps the contract of package fc.
package fctest

import (
	"runtime"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
)

// A Bed is what the suite attaches ports to. Whoever made it closes its networks by t.Cleanup, which is after all that the
// suite does.
type Bed struct {
	// A and B are the networks of the two sides: ports of one reach those of the other. They can be the same network.
	A, B fc.Network
	// Cut takes the link of B's ports down, and Mend up again; nil: that cannot be done.
	Cut, Mend func()
	Traits
}

// Traits are what providers may differ in.
type Traits struct {
	// Fabric: there is one. Ports are not told of each other.
	Fabric bool
	// Inside: A's ports do not notice that a link is down, since they are inside of the fabric.
	Inside bool
	// Single: each side can have one port only.
	Single bool
	// Eager: what is posted may leave before Flush, with something that the network sends by itself.
	Eager bool
}

// Test runs the suite. open is called for each test, and closes what it has made by t.Cleanup.
func Test(t *testing.T, open func(t testing.TB) Bed) {
	for _, c := range []struct {
		name string
		f    func(t *testing.T, b *bed)
	}{
		{"attach", testAttach},
		{"come and go", testComeAndGo},
		{"several ports", testSeveral},

		{"lengths", testLengths},
		{"shapes", testShapes},
		{"limits", testLimits},
		{"long", testLong},
		{"headers", testHeaders},
		{"conversation", testConversation},
		{"order", testOrder},
		{"turns", testTurns},
		{"nobody", testNobody},

		{"cancel before flush", testCancelEarly},
		{"cancel", testCancel},
		{"cancel in the lane", testCancelQueued},
		{"down", testDown},
		{"down half sent", testDownHalf},
		{"close", testClose},
		{"close twice", testCloseTwice},
		{"stats", testStats},
		{"load", testLoad},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			t.Run("it", func(t *testing.T) {
				b := &bed{Bed: open(t), t: t}
				c.f(t, b)
			})
			leaks(t, before)
		})
	}
}

// leaks waits until there are no more goroutines than before.
func leaks(t *testing.T, before int) {
	for stop := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(stop) {
			all := make([]byte, 1<<16)
			t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), all[:runtime.Stack(all, true)])
			return
		}
	}
}

// A bed has ports as well.
type bed struct {
	Bed
	t     *testing.T
	sides []*side
}

// Names of ports; each is of one side.
const (
	nameA fc.Name = 0x2000_00a0_0000_0a01
	nameB fc.Name = 0x2000_00b0_0000_0b01
)

// attach makes a port, which is detached at the end of the test.
func (b *bed) attach(n fc.Network, name fc.Name) *side {
	b.t.Helper()
	s := newSide(b, name)
	l, err := n.Attach(s.config(), s)
	if err != nil {
		b.t.Fatalf("attach %v: %v", name, err)
	}
	s.mu.Lock()
	s.Link = l
	s.mu.Unlock()
	b.sides = append(b.sides, s)
	b.t.Cleanup(s.close)
	return s
}

// pair makes a port of each side, and waits until they reach each other.
func (b *bed) pair() (*side, *side) {
	b.t.Helper()
	x, y := b.attach(b.A, nameA), b.attach(b.B, nameB)
	b.meet(x, y)
	return x, y
}

// meet waits until two ports reach each other.
func (b *bed) meet(x, y *side) {
	b.t.Helper()
	x.isUp()
	y.isUp()
	if !b.Fabric {
		x.finds(y)
		y.finds(x)
	}
}

package tcp_test

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A glutton is a handler that always has more to do.
type glutton struct {
	turns *atomic.Int64 // of all gluttons
	stop  *atomic.Bool
	ended chan struct{}
}

func (g *glutton) MayBlock() bool { return false }
func (g *glutton) Idle()          {}
func (g *glutton) Ended(error)    { close(g.ended) }

func (g *glutton) Receive(uintptr) tcp.Next {
	if g.stop.Load() {
		return tcp.End
	}
	for began := time.Now(); time.Since(began) < 150*time.Microsecond; {
	}
	g.turns.Add(1)
	return tcp.More
}

// A modest is a handler of one byte at a time, which notes how often gluttons had a turn between the
// arrival of the byte and its own.
type modest struct {
	turns *atomic.Int64
	sent  atomic.Int64 // turns, when the byte was sent
	waits []int64
	ended chan error
	sock  tcp.Socket
}

func (m *modest) MayBlock() bool  { return false }
func (m *modest) Idle()           {}
func (m *modest) Ended(err error) { m.ended <- err }

func (m *modest) Receive(fd uintptr) tcp.Next {
	var b [1]byte
	n, err := tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b[:])})
	switch {
	case tcp.Again(err):
		return tcp.Nothing
	case err != nil || n == 0:
		return tcp.End
	}
	m.waits = append(m.waits, m.turns.Load()-m.sent.Load())
	_, _ = tcp.SendMsg(fd, []unix.Iovec{tcp.Vector(b[:])})
	return tcp.One
}

// Who has one thing to do waits for few turns of those that have always more. One processor does
// all of it: so no other goes on while the system has taken it away.
func TestTurns(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	engines(t, func(t *testing.T, e tcp.Engine) {
		if _, inline := e.(inlines); inline || strings.HasSuffix(t.Name(), "/reactors") {
			t.Skip("a connection has a thread of its own: the system says who goes first")
		}
		var turns atomic.Int64
		var stop atomic.Bool
		defer stop.Store(true)
		var gluttons []*glutton
		for range 8 {
			o, peer := attached(t, e, tcp.Options{})
			g := &glutton{&turns, &stop, make(chan struct{})}
			gluttons = append(gluttons, g)
			o.sock.Start(g)
			if _, err := peer.Write([]byte{1}); err != nil { // nobody reads it: so there is always more
				t.Fatal(err)
			}
		}
		o, peer := attached(t, e, tcp.Options{})
		m := &modest{turns: &turns, ended: make(chan error, 1), sock: o.sock}
		o.sock.Start(m)
		var b [1]byte
		for range 100 {
			time.Sleep(time.Millisecond)
			m.sent.Store(turns.Load())
			if _, err := peer.Write(b[:]); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Read(b[:]); err != nil {
				t.Fatal(err)
			}
		}
		peer.Close()
		<-m.ended
		stop.Store(true)
		for _, g := range gluttons {
			<-g.ended
		}
		slices.Sort(m.waits)
		t.Logf("waits for %d turns of others, 90 %% for no more than %d, at most %d", m.waits[50], m.waits[90], m.waits[99])
		if m.waits[90] > 6 { // a share has two, and a look at the poller comes behind it
			t.Error("others have too many turns meanwhile")
		}
	})
}

package roce

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/internal/handed"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/udp"
	"github.com/lunette-io/lunette/network/udp/sim"
)

// All service points of an address share a socket, those of all addresses have that of their family, and it is closed a while after the last of them.
func TestPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		at.Add(netip.MustParseAddr("2001:db8::1"))
		at.Add(netip.MustParseAddr("10.0.0.9"))
		d, dials := device(t, Config{Host: at}), device(t, Config{Host: from})
		ports := func(want ...string) {
			t.Helper()
			var got []string
			for _, p := range d.Ports() {
				got = append(got, p.Address)
			}
			if len(got) != len(want) {
				t.Fatalf("%v, want %v", got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%v, want %v", got, want)
				}
			}
		}
		open := func(addr string) rdma.Listener {
			t.Helper()
			l, err := d.Listen(t.Context(), addr)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		refused := func(addr string, want error) {
			t.Helper()
			if _, err := d.Listen(t.Context(), addr); !errors.Is(err, want) || errors.Is(err, ErrPort) && want == syscall.EADDRINUSE {
				t.Fatalf("%s: %v", addr, err)
			}
		}
		a, b, six := open("10.0.0.1:3260"), open("10.0.0.1:0"), open("[2001:db8::1]:3260")
		ports("10.0.0.1", "2001:db8::1")
		refused("10.0.0.1:3260", syscall.EADDRINUSE)
		refused("10.0.0.77:1", syscall.EADDRNOTAVAIL)
		x, y := connect(t, b, dials)
		for _, l := range []rdma.Listener{a, b, six} {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		ports("10.0.0.1", "2001:db8::1")
		time.Sleep(2 * lingers)
		ports("10.0.0.1") // there is a connection
		exchange(t, x, y, 3)
		finish(t, x, y)
		time.Sleep(2 * lingers)
		ports()

		a = open("10.0.0.1:3260")
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		all := open("0.0.0.0:3260") // the idle socket is not in its way
		ports("0.0.0.0")
		refused("10.0.0.1:3260", syscall.EADDRINUSE)
		one := open("10.0.0.9:3261")
		ports("0.0.0.0")
		for _, addr := range []string{"10.0.0.1:3260", "10.0.0.9:3260", "10.0.0.9:3261"} {
			l := all
			if addr == "10.0.0.9:3261" {
				l = one
			}
			x, y := connect(t, aliased{l, addr}, dials)
			if got := y.Info().Local; got != addr {
				t.Errorf("%s: %s", addr, got)
			}
			exchange(t, x, y, 2)
			finish(t, x, y)
		}
		if _, _, err := dials.Dial(t.Context(), "10.0.0.1:3261", options); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Error(err)
		}
		if err := errors.Join(all.Close(), one.Close()); err != nil {
			t.Error(err)
		}
	})
}

// An aliased is a listener that is dialled by another address.
type aliased struct {
	rdma.Listener
	addr string
}

func (a aliased) Addr() string { return a.addr }

// A service point is handed on with no moment at which nobody listens.
func TestHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		d, dials := device(t, Config{Host: at}), device(t, Config{Host: from})
		old, err := d.Listen(t.Context(), "10.0.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		dial := func(l rdma.Listener) {
			t.Helper()
			a, b := connect(t, l, dials)
			finish(t, a, b)
		}
		dial(old)
		for range 3 {
			f, err := rdma.Share(old)
			if err != nil {
				t.Fatal(err)
			}
			next, err := d.Listen(handed.With(t.Context(), f), "10.0.0.1:7")
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			dial(old) // the next one has not accepted yet
			waits := make(chan error)
			go func() {
				r, err := next.Accept()
				if err == nil {
					err = r.Reject(nil)
				}
				waits <- err
			}()
			synctest.Wait()
			if _, _, err := dials.Dial(t.Context(), "10.0.0.1:7", options); !errors.As(err, new(*rdma.RejectedError)) {
				t.Error(err)
			}
			if err := errors.Join(<-waits, old.Close()); err != nil {
				t.Error(err)
			}
			dial(next)
			old = next
		}
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		l, err := d.Listen(handed.With(t.Context(), f), "10.0.0.1:7") // there is none to take over
		if err := errors.Join(err, f.Close(), l.Close()); err != nil {
			t.Error(err)
		}
	})
}

// Who has asked and was not accepted before the service point was handed on is accepted afterwards.
func TestHandedOnWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		d, dials := device(t, Config{Host: at}), device(t, Config{Host: from})
		old, err := d.Listen(t.Context(), "10.0.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		f, err := rdma.Share(old)
		if err != nil {
			t.Fatal(err)
		}
		next, err := d.Listen(handed.With(t.Context(), f), "10.0.0.1:7")
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		dialled := make(chan *user, 1)
		go func() {
			c, _, err := dials.Dial(t.Context(), "10.0.0.1:7", options)
			if err != nil {
				t.Error(err)
				close(dialled)
				return
			}
			u := newUser(c)
			c.Start(u)
			dialled <- u
		}()
		synctest.Wait()
		if err := old.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		select {
		case <-dialled:
			t.Fatal("nobody has accepted")
		default:
		}
		r, err := next.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Accept(options)
		if err != nil {
			t.Fatal(err)
		}
		b := newUser(c)
		c.Start(b)
		finish(t, <-dialled, b)
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Who asks in thousands has a bounded number of requests, and the listener is told who had to go.
func TestEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, at, from := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
		d, dials := device(t, Config{Host: at, HalfOpen: 4}), device(t, Config{Host: from})
		l := listen(t, d, "10.0.0.1:7")
		told := 0
		l.(rdma.Evicter).Evicted(func(remote string) {
			if a, err := netip.ParseAddrPort(remote); err != nil || a.Addr() != netip.MustParseAddr("10.0.0.2") {
				t.Errorf("%s, %v", remote, err)
			}
			told++
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		for range 10 {
			go func() {
				_, _, err := dials.Dial(ctx, "10.0.0.1:7", options)
				ended <- err
			}()
		}
		synctest.Wait()
		if told < 6 {
			t.Errorf("told of %d", told)
		}
		l.(*Listener).mu.Lock()
		if n := len(l.(*Listener).asked); n > 4 {
			t.Errorf("%d wait", n)
		}
		l.(*Listener).mu.Unlock()
		cancel()
		for range 10 {
			if err := <-ended; err == nil {
				t.Error("connected")
			}
		}
	})
}

// A Dial to an address of loopback comes from another one where the first is another program's.
func TestLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.New()
		defer n.Close()
		host := n.Host("a", 65536, netip.MustParseAddr("127.0.0.1"))
		other := &any127{Host: host}
		listens, dials := device(t, Config{Host: host}), device(t, Config{Host: other})
		l := listen(t, listens, "127.0.0.1:7")
		a, b := connect(t, l, dials)
		exchange(t, a, b, 3)
		finish(t, a, b)
	})
}

// any127 is a host that has every address of loopback as soon as it is wanted, as Linux has.
type any127 struct{ *sim.Host }

func (h *any127) Open(ctx context.Context, c udp.Config) (udp.Socket, error) {
	if a := c.Local.Addr(); a != netip.MustParseAddr("127.0.0.1") {
		h.Add(a)
	}
	return h.Host.Open(ctx, c)
}

func TestClosedDevice(t *testing.T) {
	_, at, _ := hosts(t, 9000, "10.0.0.1", "10.0.0.2")
	d, err := New(Config{Host: at})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	if _, err := d.Listen(t.Context(), "10.0.0.1:7"); err == nil {
		t.Error("a closed device listens")
	}
	if _, _, err := d.Dial(t.Context(), "10.0.0.2:7", options); err == nil {
		t.Error("a closed device dials")
	}
	for _, c := range []Config{{}, {Host: at, MTU: 1000}, {Host: at, Lanes: 99}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is right", c)
		}
	}
}

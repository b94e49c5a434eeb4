package tcp_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/tcp"
)

// engines calls test with each engine, and closes it.
func engines(t *testing.T, test func(t *testing.T, e tcp.Engine)) {
	for name, make := range map[string]func() (tcp.Engine, error){
		"goroutines": func() (tcp.Engine, error) { return tcp.NewGoroutines(tcp.AutoSpin()), nil },
		"goroutines that spin": func() (tcp.Engine, error) {
			return tcp.NewGoroutines(tcp.Spin{Time: 50 * time.Microsecond, Always: true}), nil
		},
		"goroutines in a crowd": func() (tcp.Engine, error) { return tcp.InACrowd(), nil },
		"inline":                func() (tcp.Engine, error) { return inlines{}, nil },
		"one reactor":           func() (tcp.Engine, error) { return tcp.NewReactors(tcp.ReactorOptions{Count: 1, Spin: tcp.AutoSpin()}) },
		"reactors": func() (tcp.Engine, error) {
			return tcp.NewReactors(tcp.ReactorOptions{Count: 3, Spin: tcp.Spin{Time: 50 * time.Microsecond, Always: true}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := make()
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}()
			test(t, e)
		})
	}
}

// inlines is an Inline for each connection, and a goroutine that calls it.
type inlines struct{}

type calling struct {
	tcp.Socket
	e *tcp.Inline
}

func (inlines) Close() error { return nil }

func (inlines) Attach(c *tcp.Conn) (tcp.Socket, error) {
	e := &tcp.Inline{}
	s, err := e.Attach(c)
	return calling{s, e}, err
}

func (c calling) Start(h tcp.Handler) {
	c.Socket.Start(h)
	go func() {
		for i := 0; c.e.Serve(i%2 == 0) == nil; i++ {
		}
	}()
}

// What is sent to many handlers at a time comes back from each, whole.
func TestEngineEcho(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		var all sync.WaitGroup
		for i := range 20 {
			o, peer := attached(t, e, tcp.Options{SendBuffer: 128 << 10})
			o.sock.Start(o)
			all.Go(func() {
				for round := range 5 {
					want := bytes.Repeat([]byte{byte(i), byte(round)}, 1000*(i+1))
					if _, err := peer.Write(want); err != nil {
						t.Error(err)
					}
					got := make([]byte, len(want))
					if err := readFull(peer, got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("handler %d, round %d: other bytes, %v", i, round, err)
					}
				}
				peer.Close()
				if err := o.over(); err != nil {
					t.Errorf("handler %d ended with %v", i, err)
				}
				if o.idled == 0 {
					t.Errorf("handler %d has never been idle", i)
				}
			})
		}
		all.Wait()
	})
}

func readFull(c net.Conn, b []byte) error {
	for len(b) > 0 {
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// A peer that does not read makes its handler pause and await room, holds nobody else up,
// and gets everything in the end.
func TestEnginePause(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		slow, peer := attached(t, e, tcp.Options{SendBuffer: 4 << 10})
		slow.most = 0
		slow.sock.Start(slow)
		const total = 8 << 20
		sent := make(chan error, 1)
		go func() {
			_, err := peer.Write(make([]byte, total))
			sent <- err
		}()
		for paused := false; !paused; time.Sleep(time.Millisecond) {
			slow.mu.Lock()
			paused = slow.paused
			slow.mu.Unlock()
		}
		other, quick := attached(t, e, tcp.Options{})
		other.sock.Start(other)
		for range 100 {
			if _, err := quick.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			if err := readFull(quick, make([]byte, 1)); err != nil {
				t.Fatalf("a slow peer holds others up: %v", err)
			}
		}
		if err := readFull(peer, make([]byte, total)); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		peer.Close()
		quick.Close()
		if err := errors.Join(slow.over(), other.over()); err != nil {
			t.Error(err)
		}
		if slow.pauses == 0 || slow.awaited == 0 {
			t.Errorf("%d pauses, room was awaited %d times", slow.pauses, slow.awaited)
		}
	})
}

// Close ends a handler once, whatever it is waiting for: data, room, the end of a pause.
func TestEngineClose(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		for _, what := range []string{"nothing", "room", "pause"} {
			o, peer := attached(t, e, tcp.Options{SendBuffer: 4 << 10})
			if what == "pause" {
				o.most = 0
			}
			o.sock.Start(o)
			if what != "nothing" {
				go func() { _, _ = peer.Write(make([]byte, 16<<20)) }() // until it is closed
				for awaits := false; !awaits; time.Sleep(time.Millisecond) {
					o.mu.Lock()
					awaits = o.awaited > 0 && (what == "room" || o.paused)
					o.mu.Unlock()
				}
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { _ = o.sock.Close() })
			}
			all.Wait()
			if err := o.over(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: it ended with %v", what, err)
			}
			if err := o.sock.Try(func(uintptr) { t.Error("called") }); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: Try after the end: %v", what, err)
			}
			if _, err := peer.Read(make([]byte, 1<<20)); err == nil {
				for err == nil { // what was sent before
					_, err = peer.Read(make([]byte, 1<<20))
				}
			}
			o.sock.Resume() // too late, and harmless
			select {
			case <-o.ended:
				t.Errorf("%s: it ended twice", what)
			default:
			}
		}
	})
}

// The handler may end itself; what nobody started is closed at once.
func TestEngineEnd(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		o, peer := attached(t, e, tcp.Options{})
		o.end = 'x'
		o.sock.Start(o)
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := o.over(); err != nil {
			t.Error(err)
		}
		if _, err := peer.Read(make([]byte, 1)); err == nil {
			t.Error("the connection is not closed")
		}
		fresh, peer := attached(t, e, tcp.Options{})
		if err := fresh.sock.Close(); err != nil {
			t.Error(err)
		}
		if _, err := peer.Read(make([]byte, 1)); err == nil {
			t.Error("a connection that nobody started is not closed")
		}
	})
}

// The end of our direction leaves the peer's open.
func TestEngineCloseWrite(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		o, peer := attached(t, e, tcp.Options{})
		o.sock.Start(o)
		if err := o.sock.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, err := peer.Write([]byte("still")); err != nil {
			t.Error(err)
		}
		peer.Close()
		if err := o.over(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A handler that waits makes only itself wait: what it waits for may be another of the engine.
func TestEngineWaits(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		slow, peer := attached(t, e, tcp.Options{})
		slow.waits = make(chan struct{})
		slow.sock.Start(slow)
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		other, quick := attached(t, e, tcp.Options{})
		other.sock.Start(other)
		for range 10 {
			if _, err := quick.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			if err := readFull(quick, make([]byte, 1)); err != nil {
				t.Fatalf("one that waits holds others up: %v", err)
			}
		}
		quick.Close()
		if err := other.over(); err != nil {
			t.Error(err)
		}
		close(slow.waits)
		got := make([]byte, 5)
		if err := readFull(peer, got); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		peer.Close()
		if err := slow.over(); err != nil {
			t.Error(err)
		}
		// It may be closed meanwhile.
		closed, peer := attached(t, e, tcp.Options{})
		closed.waits = make(chan struct{})
		closed.sock.Start(closed)
		if _, err := peer.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		_ = closed.sock.Close()
		close(closed.waits)
		if err := closed.over(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

package sim

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A user keeps what a connection tells.
type user struct {
	messages chan string
	done     chan *rdma.Work
	failed   chan error
	closed   chan error
}

func newUser() *user {
	return &user{make(chan string, 100), make(chan *rdma.Work, 100), make(chan error, 100), make(chan error, 1)}
}

func (u *user) Received(m rdma.Message) { u.messages <- string(m.Data) }
func (u *user) Done(w *rdma.Work, err error) {
	if err != nil {
		u.failed <- err
	} else {
		u.done <- w
	}
}
func (u *user) Closed(err error) { u.closed <- err }

// pair connects two devices of n.
func pair(t *testing.T, n *Network, o rdma.Options) (a, b rdma.Conn) {
	t.Helper()
	d, e := n.Device(), n.Device()
	l, err := d.Listen(context.Background(), "host:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan rdma.Conn)
	go func() {
		r, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		c, err := r.Accept(o)
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	a, _, err = e.Dial(context.Background(), l.Addr(), o)
	if err != nil {
		t.Fatal(err)
	}
	b = <-accepted
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		for _, d := range []rdma.Device{d, e} {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return a, b
}

var usual = rdma.Options{Reads: 2, Serves: 2, MaxMessage: 1000, Messages: 4}

func TestWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, New(), usual)
		u, v := newUser(), newUser()
		a.Start(u)
		b.Start(v)
		mem := make([]byte, 100)
		at, err := b.Expose(buffer.Of(mem), rdma.RemoteRead|rdma.RemoteWrite)
		if err != nil {
			t.Fatal(err)
		}
		at.Addr += 10
		a.Post(&rdma.Work{Op: rdma.Write, Data: buffer.Of([]byte("..data..")), At: 2, Len: 4, Remote: at})
		a.Post(&rdma.Work{Op: rdma.Send, Head: []byte("he"), Data: buffer.Of([]byte("llo")), Len: 3})
		a.Flush()
		if m := <-v.messages; m != "hello" || !bytes.Equal(mem[9:15], []byte("\x00data\x00")) {
			t.Fatalf("%q, memory %q", m, mem[9:15])
		}
		into := make([]byte, 6)
		r := &rdma.Work{Op: rdma.Read, Data: buffer.Of(into), At: 1, Len: 4, Remote: at}
		a.Post(r)
		a.Flush()
		for <-u.done != r {
		}
		if !bytes.Equal(into, []byte("\x00data\x00")) {
			t.Fatalf("read %q", into)
		}
		a.Close(nil)
		if err := <-u.closed; err != nil {
			t.Error(err)
		}
		if err := <-v.closed; err != nil {
			t.Error(err)
		}
	})
}

func TestBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, New(), usual)
		u, v := newUser(), newUser()
		a.Start(u)
		b.Start(v)
		a.Post(&rdma.Work{Op: rdma.Write, Data: buffer.Of([]byte("x")), Len: 1})
		a.Flush()
		if err := <-u.failed; !errors.Is(err, rdma.ErrRemoteAccess) {
			t.Error(err)
		}
		if err := <-u.closed; !errors.Is(err, rdma.ErrRemoteAccess) {
			t.Error(err)
		}
		if err := <-v.closed; !errors.Is(err, rdma.ErrAccess) {
			t.Error(err)
		}
	})
}

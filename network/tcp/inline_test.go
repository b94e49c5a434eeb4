package tcp_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/tcp"
)

// Who serves a connection is told of deadlines, of what is not there, and of the end.
func TestInline(t *testing.T) {
	e := &tcp.Inline{}
	o, peer := attached(t, e, tcp.Options{})
	o.sock.Start(o)
	if err := e.Serve(false); err != nil || o.idled != 1 {
		t.Errorf("nothing is there: %v, idle %d times", err, o.idled)
	}
	e.SetDeadline(time.Unix(1, 0))
	for _, wait := range []bool{true, false} {
		if err := e.Serve(wait); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after the deadline: %v", err)
		}
	}
	e.SetDeadline(time.Time{})
	waiting := make(chan error)
	serve := func() { waiting <- e.Serve(true) }
	go serve()
	e.SetDeadline(time.Unix(1, 0)) // before it waits, or while it does
	if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a deadline for who waits: %v", err)
	}
	e.SetDeadline(time.Time{})
	go serve()
	go serve()
	for range 2 { // each serves once
		if _, err := peer.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; err != nil {
			t.Error(err)
		}
		if err := readFull(peer, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
	go serve()
	go serve()
	_ = o.sock.Close()
	first, second := <-waiting, <-waiting
	if errors.Is(first, net.ErrClosed) == errors.Is(second, net.ErrClosed) { // the one that finds the end, and the one after
		t.Errorf("closed: %v, %v", first, second)
	}
	if err := o.over(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
	if err := e.Serve(true); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	peer.Close()
}

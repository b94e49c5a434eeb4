package tcp_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A discarder closes its socket, and then throws away what the peer had sent before.
type discarder struct {
	sock  tcp.Socket
	after chan struct{} // Receive waits for it
	ended chan struct{}
}

func (d *discarder) MayBlock() bool { return true }
func (d *discarder) Idle()          {}
func (d *discarder) Ended(error)    { close(d.ended) }

func (d *discarder) Receive(fd uintptr) tcp.Next {
	<-d.after
	_ = d.sock.Close() // the peer sees to it that it fails if it does
	for b := make([]byte, 1<<20); ; {
		if n, err := tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b)}); n == 0 || err != nil {
			return tcp.End
		}
	}
}

// A peer that is in the middle of sending learns that the connection was closed, also if what it has sent
// was received afterwards: the window stays closed, and an end that looks orderly would let it wait until
// the system has forgotten the connection.
func TestCloseOnSender(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		o, peer := attached(t, e, tcp.Options{})
		d := &discarder{sock: o.sock, after: make(chan struct{}), ended: make(chan struct{})}
		d.sock.Start(d)
		wrote := make(chan error, 1)
		go func() {
			_, err := peer.Write(make([]byte, 64<<20))
			wrote <- err
		}()
		for !stuck(t, peer.(*net.TCPConn)) {
			time.Sleep(time.Millisecond)
		}
		close(d.after)
		<-d.ended
		if err := <-wrote; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the peer sends on, and finds %v", err)
		}
	})
}

// stuck reports that c cannot send what it has, since the peer's window is closed.
func stuck(t *testing.T, c *net.TCPConn) bool {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var all, unsent int
	cerr := raw.Control(func(fd uintptr) {
		if all, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			unsent, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD)
		}
	})
	if err = errors.Join(err, cerr); err != nil {
		t.Fatal(err)
	}
	return unsent > 1<<20 && unsent == all // all that was sent has arrived
}

// Package tcp is the TCP provider: listeners, connections and their socket options.
package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/handed"
)

// Options of the sockets of one service point.
type Options struct {
	// SendBuffer limits what lies in the send queue of a connection, in bytes. 0 is
	// automatic: a limit on connections that stay on this host, where a long queue only
	// pushes the data out of the processor's cache, and the system's own tuning elsewhere,
	// where a limit would cap the rate at SendBuffer per round trip. -1: never a limit.
	SendBuffer int
	// KeepAlive is how long a silent connection lives before the system looks whether
	// the peer is there; 0 means a minute.
	KeepAlive time.Duration
}

// localSendBuffer is the automatic limit, which the kernel doubles. With it, reads of 1 MiB on
// loopback were up to twice as fast, and small reads as fast as before.
const localSendBuffer = 512 << 10

// A Listener accepts TCP connections.
type Listener struct {
	// MakeRoom, if it is set before Accept is called, is called when the process has no descriptors
	// left. It reports whether it closes a connection.
	MakeRoom func() bool
	// Turned, if it is set before Accept is called, is told of a connection that was closed at once,
	// since there was no descriptor for it and no room could be made.
	Turned func(remote string, why error)

	l     *net.TCPListener
	opts  Options
	spare spare
}

// Listen makes a service point at addr, HOST:PORT. An IPv4 address takes IPv4 connections alone, 0.0.0.0
// too, and an IPv6 address those of IPv6 alone, [::] too, so that both can have the same port. If the
// context has a socket that was handed on it is used, whatever addr says (package handed).
func Listen(ctx context.Context, addr string, opts Options) (*Listener, error) {
	if f := handed.Socket(ctx); f != nil {
		return listenOn(f, opts)
	}
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false) // MPTCP sockets lack options that we set, and gain nothing here
	l, err := lc.Listen(ctx, family(addr), addr)
	if err != nil {
		return nil, err
	}
	return &Listener{l: l.(*net.TCPListener), opts: opts, spare: newSpare()}, nil
}

// listenOn makes a service point of a duplicate of a socket.
func listenOn(f *os.File, opts Options) (*Listener, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket that was handed on: %w", err)
	}
	t, ok := l.(*net.TCPListener)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("the socket that was handed on is one of %s", l.Addr().Network())
	}
	return &Listener{l: t, opts: opts, spare: newSpare()}, nil
}

// Share implements [handed.Sharer].
func (l *Listener) Share() (*os.File, error) { return l.l.File() }

// family is the network, as package net calls it, of an address or a host name with its port.
func family(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	switch ip, err := netip.ParseAddr(host); {
	case err != nil:
		return "tcp"
	case ip.Unmap().Is4():
		return "tcp4"
	}
	return "tcp6"
}

// Addr is the address that the listener is bound to, as ADDR:PORT.
func (l *Listener) Addr() string { return l.l.Addr().String() }

// Close stops accepting. A second call does nothing.
func (l *Listener) Close() error {
	err := l.l.Close()
	l.spare.close()
	if !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Short reports that a call failed since the process, or the system, has no descriptors left.
func Short(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }

// While there are no descriptors Accept tries again shortTries times, every 5 ms, before it turns anybody
// away: those that were told to end are being closed. Room is made once in roomTries of them, so that no
// more are ended than there is need for.
const (
	shortTries = 40
	roomTries  = 4
)

// Accept waits for the next connection. Errors that will pass (too many open files,
// a connection that was gone at once) are waited out; net.ErrClosed ends it.
func (l *Listener) Accept() (*Conn, error) {
	const shortest = 5 * time.Millisecond
	short := 0 // how often in a row there was no descriptor
	for delay := shortest; ; {
		c, err := l.l.AcceptTCP()
		switch {
		case err == nil:
			conn, err := NewConn(c)
			if err == nil {
				err = l.tune(c)
			}
			if err != nil {
				c.Close()
				continue
			}
			return conn, nil
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case errors.Is(err, unix.ECONNABORTED):
		case Short(err) && short < shortTries:
			if short%roomTries == 0 && l.MakeRoom != nil {
				l.MakeRoom()
			}
			short++
			time.Sleep(shortest) // until one is closed
		case Short(err) && l.turnAway(err):
			short, delay = shortTries-roomTries, shortest
		default:
			time.Sleep(delay)
			delay = min(2*delay, time.Second)
		}
	}
}

// turnAway closes the connection that has waited longest to be accepted, with the descriptor that is kept
// for this: its peer learns at once that there is no room, and those behind it do not wait in vain. It
// reports whether it did.
func (l *Listener) turnAway(why error) bool {
	raw, err := l.l.SyscallConn()
	if err != nil {
		return false
	}
	remote, ok := l.spare.lend(func() (remote string, ok bool) {
		_ = raw.Control(func(fd uintptr) { remote, ok = refuse(int(fd)) }) // closed: nothing is done
		return remote, ok
	})
	if ok && l.Turned != nil {
		l.Turned(remote, why)
	}
	return ok
}

// tune sets the options of an accepted connection.
func (l *Listener) tune(c *net.TCPConn) error {
	keep := l.opts.KeepAlive
	if keep == 0 {
		keep = time.Minute
	}
	err := c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: keep, Interval: keep / 4, Count: 4})
	if err != nil {
		return fmt.Errorf("keep-alive: %w", err)
	}
	switch n := l.opts.SendBuffer; {
	case n > 0:
		return c.SetWriteBuffer(n)
	case n == 0 && sameHost(c):
		return c.SetWriteBuffer(localSendBuffer)
	}
	return nil
}

// sameHost reports that both ends are on this host.
func sameHost(c *net.TCPConn) bool {
	local, ok1 := c.LocalAddr().(*net.TCPAddr)
	remote, ok2 := c.RemoteAddr().(*net.TCPAddr)
	return ok1 && ok2 && (remote.IP.IsLoopback() || local.IP.Equal(remote.IP))
}

package iscsi

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A stream is the link of a TCP connection.
type stream struct {
	tcp *net.TCPConn
	raw syscall.RawConn
	in  receiver
	out sender
}

func (l *stream) command(k *Command)                         { l.out.command(k) }
func (l *stream) dataOut(k *Command, ttt uint32, off, n int) { l.out.dataOut(k, ttt, off, n) }
func (l *stream) queue(h *pdu.BHS, data []byte)              { l.out.queue(h, data) }
func (l *stream) flush() error                               { return l.out.flush() }
func (l *stream) receive(wait bool) error                    { return l.in.receive(wait) }
func (l *stream) ended(*Command)                             {}
func (l *stream) close() error                               { return l.tcp.Close() }

func (l *stream) localAddr() string { return l.tcp.LocalAddr().String() }

func (l *stream) setDeadline(t time.Time) {
	_ = l.tcp.SetReadDeadline(t) // fails when it is closed, as what waits does then
}

// both waits until the socket can be read or written, for a moment at most.
func (l *stream) both(until time.Time) error {
	if !until.IsZero() && time.Now().After(until) {
		return context.DeadlineExceeded
	}
	return l.raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}, 20)
	})
}

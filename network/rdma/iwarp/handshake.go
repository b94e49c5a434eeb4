package iwarp

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// The handshake reads and writes the connection before an engine has it. It reads no byte more than
// the frames have: what follows them is received when the engine calls Conn.Receive.

// readFrame waits for a Request or Reply.
func readFrame(c *tcp.Conn, reply bool) (frame, error) {
	var head [frameLen]byte
	if err := readFull(c, head[:]); err != nil {
		return frame{}, err
	}
	f, n, err := parseFrame(&head, reply)
	if err != nil {
		return f, fmt.Errorf("%w: %w", rdma.ErrProtocol, err)
	}
	private := make([]byte, n)
	if err := readFull(c, private); err != nil {
		return f, err
	}
	f.setPrivate(private)
	return f, nil
}

func readFull(c *tcp.Conn, b []byte) error {
	var err error
	wait := c.Read(func(fd uintptr) bool {
		for len(b) > 0 {
			var n int
			n, err = tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b)})
			switch {
			case tcp.Again(err):
				return false
			case err != nil:
				return true
			case n == 0:
				err = io.ErrUnexpectedEOF
				return true
			}
			b = b[n:]
		}
		err = nil
		return true
	})
	if err = errors.Join(wait, err); err != nil {
		return fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	return nil
}

// quiet checks that the peer has sent nothing behind its Request: it must wait for the Reply
// (RFC 5044 7.1.2).
func quiet(c *tcp.Conn) error {
	var err error
	wait := c.Read(func(fd uintptr) bool {
		var n int
		var b [1]byte
		n, err = tcp.RecvMsg(fd, []unix.Iovec{tcp.Vector(b[:])})
		switch {
		case tcp.Again(err):
			err = nil
		case err != nil:
			err = fmt.Errorf("%w: %w", rdma.ErrLost, err)
		case n == 0:
			err = fmt.Errorf("%w: the peer has gone", rdma.ErrLost)
		default:
			err = fmt.Errorf("%w: data behind the MPA Request", rdma.ErrProtocol)
		}
		return true
	})
	if wait != nil {
		return fmt.Errorf("%w: %w", rdma.ErrLost, wait)
	}
	return err
}

// writeFrame sends a Request or Reply. It does not wait for room: a new connection has room for a few
// bytes, or is broken.
func writeFrame(c *tcp.Conn, f *frame) error {
	b := f.append(nil)
	var n int
	var err error
	wait := c.Write(func(fd uintptr) bool {
		n, err = tcp.SendMsg(fd, []unix.Iovec{tcp.Vector(b)})
		return true
	})
	if err = errors.Join(wait, err); err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("%w: %w", rdma.ErrLost, err)
	}
	return nil
}

//go:build hostile

package hostile

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// An adapter is one end of a connection of iWARP (RFC 5044, 5041, 5040) that does only what it is told:
// it answers no RDMA Read by itself. It asks for no CRCs.
type adapter struct {
	net.Conn
	answer []byte // the private data of the other side's answer

	mu  sync.Mutex // who sends
	msn uint32     // of the last message to queue 0
}

// mpa is an MPA request with private data: enhanced, and without peer-to-peer mode.
func mpa(private []byte) []byte {
	b := append([]byte("MPA ID Req Frame"), 0x10, 2)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(private)))
	b = binary.BigEndian.AppendUint16(b, 16)
	b = binary.BigEndian.AppendUint16(b, 16)
	return append(b, private...)
}

var errRefused = errors.New("the connection is refused")

// connect makes a connection from an address of this host.
func connect(from, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: hang}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	return c, nil
}

// dialAdapter connects; who is refused gets errRefused, and what was said with it.
func dialAdapter(from, addr string, private []byte) (*adapter, error) {
	c, err := connect(from, addr)
	if err != nil {
		return nil, err
	}
	a := &adapter{Conn: c}
	_ = c.SetReadDeadline(time.Now().Add(hang))
	var head [20]byte
	if _, err = c.Write(mpa(private)); err == nil {
		_, err = io.ReadFull(c, head[:])
	}
	if err == nil {
		a.answer = make([]byte, binary.BigEndian.Uint16(head[18:]))
		_, err = io.ReadFull(c, a.answer)
	}
	if err == nil && len(a.answer) >= 4 {
		a.answer = a.answer[4:]
	}
	if err == nil && head[16]&0x20 != 0 {
		err = errRefused
	}
	if err != nil {
		_ = c.Close()
		return a, err
	}
	_ = c.SetReadDeadline(time.Time{})
	return a, nil
}

// frame makes an FPDU: a header of DDP with its length, and what follows.
func frame(head, payload []byte) []byte {
	n := len(head) + len(payload)
	b := binary.BigEndian.AppendUint16(make([]byte, 0, n+9), uint16(n))
	b = append(append(b, head...), payload...)
	return append(b, make([]byte, -(n+2)&3+4)...)
}

// message makes an FPDU that is a whole Send.
func (a *adapter) message(b []byte) []byte {
	a.msn++
	h := append([]byte{0x41, 0x43}, make([]byte, 8)...)
	h = binary.BigEndian.AppendUint32(h, a.msn)
	return frame(binary.BigEndian.AppendUint32(h, 0), b)
}

// send sends a message.
func (a *adapter) send(b []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.Write(a.message(b))
	return err
}

// A request is an RDMA Read that the other side asks for.
type request struct {
	sink, source     uint32
	sinkTO, sourceTO uint64
	size             uint32
}

// respond sends a piece of what an RDMA Read has asked for.
func (a *adapter) respond(r request, off int, piece []byte, last bool) error {
	h := []byte{0x81, 0x42}
	if last {
		h[0] |= 0x40
	}
	h = binary.BigEndian.AppendUint32(h, r.sink)
	h = binary.BigEndian.AppendUint64(h, r.sinkTO+uint64(off))
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := a.Write(frame(h, piece))
	return err
}

// A heard is one thing that has come: a message, a Read that is asked for, or a piece of a Write.
type heard struct {
	message []byte
	read    *request
	written int
}

// hear waits for the next thing.
func (a *adapter) hear() (x heard, err error) {
	for {
		var length [2]byte
		if _, err := io.ReadFull(a, length[:]); err != nil {
			return x, err
		}
		n := int(binary.BigEndian.Uint16(length[:]))
		b := make([]byte, n+(-(n+2)&3)+4)
		if _, err := io.ReadFull(a, b); err != nil {
			return x, err
		}
		b = b[:n]
		if n < 14 || (b[0]&0x80 == 0 && n < 18) {
			return x, fmt.Errorf("an FPDU of %d bytes", n)
		}
		if b[0]&0x80 != 0 {
			return heard{written: n - 14}, nil
		}
		switch binary.BigEndian.Uint32(b[6:]) {
		case 0:
			x.message = append(x.message, b[18:]...)
			if b[0]&0x40 != 0 {
				return x, nil
			}
		case 1:
			if n < 18+28 {
				return x, fmt.Errorf("a Read Request of %d bytes", n)
			}
			b = b[18:]
			return heard{read: &request{
				sink: binary.BigEndian.Uint32(b), sinkTO: binary.BigEndian.Uint64(b[4:]), size: binary.BigEndian.Uint32(b[12:]),
				source: binary.BigEndian.Uint32(b[16:]), sourceTO: binary.BigEndian.Uint64(b[20:]),
			}}, nil
		default:
			return x, fmt.Errorf("the connection is terminated: % x", b[18:])
		}
	}
}

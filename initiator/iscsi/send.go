package iscsi

import (
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"

	"golang.org/x/sys/unix"
)

// A sender gathers PDUs until they are flushed: headers in frames of its own, data where
// the caller has it.
type sender struct {
	c     *Conn
	l     *stream
	iov   []unix.Iovec
	left  []unix.Iovec // of iov, not sent
	used  []*frame     // that iov refers to
	free  []*frame
	again bool
	err   error
	try   func(fd uintptr) bool
}

// A frame is what a PDU has besides its data.
type frame struct {
	h    [pdu.HeaderLen + 20 + pdu.DigestLen]byte // header, short additional headers, digest
	tail [3 + pdu.DigestLen]byte
}

const maxVectors = 1024

func (t *sender) init(c *Conn, l *stream) {
	t.c, t.l = c, l
	t.try = t.attempt
}

func (t *sender) frame() *frame {
	var f *frame
	if n := len(t.free); n > 0 {
		f = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		f = new(frame)
	}
	t.used = append(t.used, f)
	return f
}

func (t *sender) vector(b []byte) {
	if len(b) > 0 {
		t.iov = append(t.iov, tcp.Vector(b))
	}
}

// put queues the PDU whose header is in f; data stays where it is until it is sent.
func (t *sender) put(f *frame, ahs, data []byte) {
	h := (*pdu.BHS)(f.h[:pdu.HeaderLen])
	h.SetTotalAHSLength(len(ahs))
	h.SetDataSegmentLength(len(data))
	h.SetExpStatSN(t.c.expSN)
	b := append(f.h[:pdu.HeaderLen], ahs...) // allocates for long ones
	if t.c.params.HeaderDigest {
		n := len(b)
		b = append(b, 0, 0, 0, 0)
		pdu.HeaderDigest(h, ahs).Put(b[n:])
	}
	t.vector(b)
	if len(data) == 0 {
		return
	}
	t.vector(data)
	n := copy(f.tail[:], pdu.Padding(len(data)))
	if t.c.params.DataDigest {
		pdu.DataDigest(data).Put(f.tail[n:])
		n += pdu.DigestLen
	}
	t.vector(f.tail[:n])
}

// command queues a SCSI Command with its immediate and unsolicited data (11.3, 13.10, 13.11).
func (t *sender) command(k *Command) {
	f := t.frame()
	now, unasked := t.c.unasked(k)
	ahs := k.header((*pdu.BHS)(f.h[:pdu.HeaderLen]), unasked == now)
	t.put(f, ahs, k.Out[:now])
	if unasked > now {
		t.dataOut(k, pdu.NoTag, now, unasked-now)
	}
}

// dataOut queues one sequence of Data-Outs: n bytes from off on.
func (t *sender) dataOut(k *Command, ttt uint32, off, n int) {
	for sn := uint32(0); n > 0; sn++ {
		seg := min(n, int(t.c.params.MaxSendDataSegmentLength))
		f := t.frame()
		pdu.DataOut{
			Final: seg == n, LUN: uint64(k.LUN), ITT: k.tag, TTT: ttt, DataSN: sn, BufferOffset: uint32(off),
		}.Put((*pdu.BHS)(f.h[:pdu.HeaderLen]))
		t.put(f, nil, k.Out[off:off+seg])
		off += seg
		n -= seg
	}
}

// queue queues a PDU with any header.
func (t *sender) queue(h *pdu.BHS, data []byte) {
	f := t.frame()
	copy(f.h[:], h[:])
	t.put(f, nil, data)
}

// flush sends all. While the socket is full it receives, since the target may wait for
// us to do so.
func (t *sender) flush() error {
	t.left = t.iov
	for len(t.left) > 0 {
		t.again = false
		if err := t.l.raw.Write(t.try); err != nil {
			return t.c.fail(err)
		}
		if t.err != nil {
			return t.c.fail(t.err)
		}
		if !t.again {
			continue
		}
		// What comes in meanwhile may add to iov, and move it.
		sent := len(t.iov) - len(t.left)
		err := t.l.in.receive(false)
		if err == nil {
			err = t.l.both(t.c.until)
		}
		if err != nil {
			return t.c.fail(err)
		}
		t.left = t.iov[sent:]
	}
	clear(t.iov)
	t.iov, t.left = t.iov[:0], nil
	t.free = append(t.free, t.used...)
	t.used = t.used[:0]
	return nil
}

// attempt sends until nothing is left or the socket is full: the callback of RawConn.
func (t *sender) attempt(fd uintptr) bool {
	t.err = nil
	for len(t.left) > 0 {
		n, err := tcp.SendMsg(fd, t.left[:min(len(t.left), maxVectors)])
		if tcp.Again(err) {
			t.again = true
			return true
		}
		if err != nil {
			t.err = err
			return true
		}
		t.left = tcp.Advance(t.left, n)
	}
	return true
}

package initiator

import (
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"

	"golang.org/x/sys/unix"
)

// A sender gathers PDUs until they are flushed: headers in frames of its own, data where
// the caller has it.
type sender struct {
	c     *Conn
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

func (t *sender) init(c *Conn) {
	t.c = c
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
	prm := &t.c.params
	f := t.frame()
	now, unasked := 0, 0
	if len(k.Out) > 0 {
		burst := min(len(k.Out), int(prm.FirstBurstLength))
		if prm.ImmediateData {
			now = min(burst, int(prm.MaxSendDataSegmentLength))
		}
		unasked = now
		if !prm.InitialR2T {
			unasked = burst
		}
	}
	x := pdu.SCSICommand{
		Immediate: k.Immediate, Final: unasked == now, Read: len(k.In) > 0, Write: len(k.Out) > 0,
		Attr: k.Attr, Priority: k.Priority, LUN: uint64(k.LUN), ITT: k.tag, ExpectedDataLength: uint32(len(k.Out)),
	}
	copy(x.CDB[:], k.CDB)
	var ahs []byte
	if !x.Write {
		x.ExpectedDataLength = uint32(len(k.In))
	}
	if len(k.CDB) > 16 || (x.Write && x.Read) {
		a := pdu.AHS{HasBidiRead: x.Write && x.Read, BidiReadLength: uint32(len(k.In))}
		if len(k.CDB) > 16 {
			a.ExtendedCDB = k.CDB[16:]
		}
		ahs = a.Append(nil)
	}
	h := (*pdu.BHS)(f.h[:pdu.HeaderLen])
	x.Put(h)
	h.SetCmdSN(k.sn)
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

// Queue queues any PDU, behind what was submitted, with the numbers that h has but for
// ExpStatSN. data is lent until it is sent.
func (c *Conn) Queue(h *pdu.BHS, data []byte) {
	c.start()
	f := c.out.frame()
	copy(f.h[:], h[:])
	c.out.put(f, nil, data)
}

// flush sends all. While the socket is full it receives, since the target may wait for
// us to do so.
func (t *sender) flush() error {
	t.left = t.iov
	for len(t.left) > 0 {
		t.again = false
		if err := t.c.raw.Write(t.try); err != nil {
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
		err := t.c.in.receive(false)
		if err == nil {
			err = t.c.both()
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
		n, err := tcp.SendMsg(fd, t.left[:min(len(t.left), maxVectors)], false)
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

// Abandon sends a PDU as Queue does, at once, and forgets it: an answer to it is not one
// that a Conn expects, and ends it.
func (c *Conn) Abandon(h *pdu.BHS, data []byte) error {
	h.SetCmdSN(c.s.peek())
	c.Queue(h, data)
	return c.out.flush()
}

package iscsi

import (
	"fmt"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A receiver takes what the socket has with one call and handles it where it lies. The
// rest of a large Data-In segment is received straight into the command's buffer.
type receiver struct {
	c    *Conn
	l    *stream
	mem  []byte
	r, w int // mem[r:w] is received and not handled
	iov  [2]unix.Iovec
	n    int
	err  error
	wait bool
	try  func(fd uintptr) bool

	// What one receive takes into mem: little after a large segment, of which all that was
	// received before its header was seen must be copied; more when that was full.
	take  int
	large bool

	// A Data-In segment that is arriving.
	k       *Command // nil: nobody wants it any more
	at      int      // in k.In
	left    int      // bytes of data still to come
	tail    int      // bytes of padding and digest still to come
	pad     int
	digest  pdu.Digest
	trailer [3 + pdu.DigestLen]byte
	got     int
	head    pdu.BHS
	active  bool
}

const (
	batchLen = 256 << 10
	inPlace  = 16 << 10 // how much of a segment must be missing to be received in place
	narrow   = 256      // what is taken after such a segment
)

func (v *receiver) init(c *Conn, l *stream) {
	v.c, v.l = c, l
	v.mem = make([]byte, batchLen)
	v.take = batchLen
	v.try = v.attempt
}

// receive receives once, and handles that. While large segments arrive it goes on as long
// as something is there: what follows from them is sent together.
func (v *receiver) receive(wait bool) error {
	for total := 0; ; wait = false {
		v.wait = wait
		if err := v.l.raw.Read(v.try); err != nil {
			return err
		}
		switch {
		case tcp.Again(v.err):
			return nil
		case v.err != nil:
			return v.err
		case v.n == 0:
			return io.EOF
		}
		if err := v.advance(); err != nil {
			return err
		}
		if total += v.n; v.take == batchLen || total >= batchLen {
			return nil
		}
	}
}

func (v *receiver) attempt(fd uintptr) bool {
	if v.r == v.w {
		v.r, v.w = 0, 0
	}
	iov := v.iov[:0]
	room := v.mem[v.w:]
	if v.placing() {
		iov = append(iov, tcp.Vector(v.k.In[v.at:v.at+v.left]))
		room = room[:min(len(room), v.tail+pdu.HeaderLen+pdu.DigestLen)]
	} else {
		room = room[:min(len(room), v.take)]
	}
	v.n, v.err = tcp.RecvMsg(fd, append(iov, tcp.Vector(room)))
	return !v.wait || !tcp.Again(v.err)
}

// placing reports that the next bytes go straight to their place: the batch is empty then.
func (v *receiver) placing() bool { return v.active && v.k != nil && v.left >= inPlace && v.r == v.w }

func (v *receiver) advance() error {
	n := v.n
	defer v.window(n >= v.take)
	if v.placing() {
		m := min(n, v.left)
		v.took(v.k.In[v.at : v.at+m])
		n -= m
	}
	v.w += n
	for {
		if v.active {
			if more, err := v.finish(); more || err != nil {
				return err
			}
		}
		if again, err := v.handle(); !again || err != nil {
			return err
		}
	}
}

// window decides how much the next receive takes; full: the last took all it could.
func (v *receiver) window(full bool) {
	switch {
	case v.large:
		v.take = narrow
	case full:
		v.take = min(2*v.take, batchLen)
	}
	v.large = false
}

// took accounts for data of the segment, which is in its place.
func (v *receiver) took(b []byte) {
	if v.c.params.DataDigest {
		v.digest = v.digest.Add(b)
	}
	v.at += len(b)
	v.left -= len(b)
}

// finish takes what the batch has of the arriving segment.
func (v *receiver) finish() (more bool, err error) {
	b := v.mem[v.r:min(v.w, v.r+v.left)]
	if v.k != nil {
		copy(v.k.In[v.at:], b)
	}
	v.took(b)
	v.r += len(b)
	for v.left == 0 && v.tail > 0 && v.r < v.w {
		v.trailer[v.got] = v.mem[v.r]
		v.got++
		v.tail--
		v.r++
	}
	if v.left > 0 || v.tail > 0 {
		return true, nil
	}
	v.active = false
	if v.c.params.DataDigest && !v.digest.Add(v.trailer[:v.pad]).Matches(v.trailer[v.pad:]) {
		return false, ErrDigest
	}
	k := v.k
	v.k = nil
	if k == nil {
		return false, nil
	}
	return false, v.c.dataInDone(k, &v.head)
}

// handle handles one PDU of the batch. again: there may be another.
func (v *receiver) handle() (again bool, err error) {
	have := v.mem[v.r:v.w]
	if len(have) < pdu.HeaderLen {
		return false, v.fit(pdu.HeaderLen)
	}
	h := (*pdu.BHS)(unsafe.Pointer(&have[0]))
	prm := &v.c.params
	head := pdu.HeaderLen + h.TotalAHSLength()
	if prm.HeaderDigest {
		head += pdu.DigestLen
	}
	n := h.DataSegmentLength()
	if n > int(prm.MaxRecvDataSegmentLength) {
		return false, violation("%v with %d bytes of data, %d allowed", h.Opcode(), n, prm.MaxRecvDataSegmentLength)
	}
	if len(have) < head {
		return false, v.fit(head)
	}
	if prm.HeaderDigest && !pdu.HeaderDigest(h, have[pdu.HeaderLen:pdu.HeaderLen+h.TotalAHSLength()]).Matches(have[head-pdu.DigestLen:]) {
		return false, fmt.Errorf("%w of a header", ErrDigest)
	}
	tail := pdu.PadLen(n)
	if prm.DataDigest && n > 0 {
		tail += pdu.DigestLen
	}
	if h.Opcode() == pdu.OpDataIn {
		if e := v.c.events.Arrived; e != nil {
			e(h)
		}
		v.large = v.large || n > inPlace
		v.head = *h
		v.k, v.at, err = v.c.dataIn(&v.head)
		if err != nil {
			return false, err
		}
		v.r += head
		v.left, v.tail, v.pad, v.got, v.digest, v.active = n, tail, pdu.PadLen(n), 0, 0, true
		if n == 0 {
			v.active = false
			if k := v.k; k != nil {
				v.k = nil
				return true, v.c.dataInDone(k, &v.head)
			}
		}
		return true, nil
	}
	if len(have) < head+n+tail {
		return false, v.fit(head + n + tail)
	}
	data := have[head : head+n]
	if prm.DataDigest && n > 0 && !pdu.DataDigest(data).Matches(have[head+n+tail-pdu.DigestLen:]) {
		return false, ErrDigest
	}
	if e := v.c.events.Arrived; e != nil {
		e(h)
	}
	v.r += head + n + tail
	return true, v.c.arrived(h, data)
}

// fit makes room for n bytes from r on.
func (v *receiver) fit(n int) error {
	switch {
	case v.r+n <= len(v.mem):
	case n <= len(v.mem):
		v.w = copy(v.mem, v.mem[v.r:v.w])
		v.r = 0
	default:
		mem := make([]byte, n+pdu.HeaderLen)
		v.w = copy(mem, v.mem[v.r:v.w])
		v.r, v.mem = 0, mem
	}
	return nil
}

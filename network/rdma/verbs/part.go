package verbs

import (
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

var errNoReads = fmt.Errorf("%w: verbs: a Read, and none were agreed on", rdma.ErrClosed)

// Limits of a part of a Write or Read.
const (
	mostPieces = 16
	mostBytes  = 1 << 20   // every adapter takes as many
	mostCopied = 256 << 10 // of data that is not registered
)

// operations of works.
var operations = [...]uint8{rdma.Send: opSend, rdma.SendInvalidate: opSendInvalidate, rdma.Write: opWrite, rdma.Read: opRead}

// part appends the next part of w to what is posted. It returns false if there is no memory for a copy now, or none at all: then the
// connection ends. c.mu is held.
func (c *conn) part(w *rdma.Work) bool {
	x := work{op: operations[w.Op], key: uint32(w.Remote.Key), remote: w.Remote.Addr + uint64(w.Moved)}
	f := flight{w: w, read: w.Op == rdma.Read}
	begin := len(c.pieces)
	var n int64
	var err error
	switch w.Op {
	case rdma.Send, rdma.SendInvalidate:
		x.key, x.remote, n = uint32(w.Invalidate), 0, w.Len
		if w.Op == rdma.SendInvalidate && !c.card.can.invalidates {
			x.op = opSend // the peer sees that nothing was invalidated, and does it itself
		}
		if w.Solicited {
			x.flags |= solicited
		}
		f.stage, err = c.message(w, &x)
	case rdma.Read:
		n, f.stage, err = c.span(w, c.card.can.readPieces)
	default:
		n, f.stage, err = c.span(w, c.card.can.pieces)
		if f.stage != nil {
			c.stats.Copied += read(w.Data, w.At+w.Moved, f.stage)
		}
	}
	if err != nil {
		c.pieces = c.pieces[:begin]
		if errors.Is(err, buffer.ErrExhausted) {
			c.starve()
		} else {
			c.fail(err)
		}
		return false
	}
	f.at, f.n = w.At+w.Moved, n
	x.pieces = uint16(len(c.pieces) - begin)
	x.id = uint64(c.serial)<<32 | uint64(c.flight.put(f))
	c.works = append(c.works, x)
	w.Moved += n
	w.State += inFlight
	if f.read {
		c.asked++
	} else {
		c.stats.BytesOut += int64(len(w.Head)) + n
	}
	return true
}

// message appends the pieces of a whole message. It returns the memory that it was copied to, if it was. c.mu is held.
func (c *conn) message(w *rdma.Work, x *work) (*buffer.Lease, error) {
	begin := len(c.pieces)
	place := c.flight.free[len(c.flight.free)-1] // that it is going to have
	head := c.heads.Segment(0).Mem[int(place)*headSize:][:headSize:headSize]
	c.stats.MessagesOut++
	n := copy(head, w.Head)
	if w.Len > 0 && n == len(w.Head) {
		first := len(c.pieces)
		c.pieces = append(c.pieces, piece{uint64(addressOf(head)), uint32(n), c.headKey})
		if n == 0 {
			c.pieces = c.pieces[:first]
		}
		if c.gather(w.Data, w.At, w.Len, min(c.card.can.pieces, mostPieces)-(len(c.pieces)-first)) == w.Len {
			return nil, nil
		}
		c.pieces = c.pieces[:begin]
	}
	if n == len(w.Head) && int64(n)+w.Len <= headSize {
		if w.Len > 0 {
			got := w.Data.Read(w.At, head[n:int64(n)+w.Len])
			c.stats.Copied += int64(got)
			n += got
		}
		if n > 0 {
			c.pieces = append(c.pieces, piece{uint64(addressOf(head)), uint32(n), c.headKey})
			if n <= c.inline && x.op == opSend { // siw takes no others inline
				x.flags |= inlined
			}
		}
		return nil, nil
	}
	total := int64(len(w.Head)) + w.Len
	stage, err := c.dev.copies.Get(total)
	if err != nil {
		c.stats.MessagesOut--
		return nil, tooLarge(err, total, c)
	}
	stage.Copy(0, w.Head)
	at := int64(len(w.Head))
	for left := w.Len; left > 0; {
		mem := w.Data.At(w.At + w.Len - left)
		mem = mem[:min(int64(len(mem)), left)]
		at += int64(stage.Copy(at, mem))
		left -= int64(len(mem))
	}
	c.stats.Copied += w.Len
	if c.gather(stage, 0, total, min(c.card.can.pieces, mostPieces)) != total {
		stage.Release()
		return nil, fmt.Errorf("%w: verbs: a message of %d bytes", rdma.ErrExhausted, total)
	}
	return stage, nil
}

// span appends the pieces of as much of what is left of a Write or Read as goes into a part: n bytes. stage is where they are copied to or
// from, if they are not registered. c.mu is held.
func (c *conn) span(w *rdma.Work, pieces int) (n int64, stage *buffer.Lease, err error) {
	at, left := w.At+w.Moved, min(w.Len-w.Moved, mostBytes)
	if n = c.gather(w.Data, at, left, min(pieces, mostPieces)); n > 0 {
		return n, nil, nil
	}
	left = min(left, mostCopied)
	if stage, err = c.dev.copies.Get(left); err != nil {
		return 0, nil, tooLarge(err, left, c)
	}
	if n = c.gather(stage, 0, left, min(pieces, mostPieces)); n <= 0 {
		stage.Release()
		return 0, nil, fmt.Errorf("%w: verbs: memory cannot be registered", rdma.ErrExhausted)
	}
	stage.Truncate(n)
	return n, stage, nil
}

// tooLarge makes an error of its own of what will never fit.
func tooLarge(err error, n int64, c *conn) error {
	if n > c.dev.conf.Copies {
		return fmt.Errorf("%w: verbs: %d bytes have to be copied, and there is memory for %d", rdma.ErrExhausted, n, c.dev.conf.Copies)
	}
	return err
}

// gather appends up to most pieces for data from at on, and returns how many of n bytes they have: it stops at memory that is not
// registered. c.mu is held.
func (c *conn) gather(data *buffer.Lease, at, n int64, most int) (have int64) {
	begin := len(c.pieces)
	for i := range data.Segments() {
		s := data.Segment(i)
		if at >= int64(len(s.Mem)) {
			at -= int64(len(s.Mem))
			continue
		}
		key, ok := c.card.mem.key(s.Region)
		if !ok || have == n {
			break
		}
		mem := s.Mem[at:]
		mem = mem[:min(int64(len(mem)), n-have)]
		at = 0
		addr := uint64(addressOf(mem))
		if last := len(c.pieces) - 1; last >= begin && c.pieces[last].addr+uint64(c.pieces[last].size) == addr && c.pieces[last].localKey == key {
			c.pieces[last].size += uint32(len(mem))
		} else if len(c.pieces)-begin == most {
			break
		} else {
			c.pieces = append(c.pieces, piece{addr, uint32(len(mem)), key})
		}
		have += int64(len(mem))
	}
	return have
}

// read copies from data at off to all of to.
func read(data *buffer.Lease, off int64, to *buffer.Lease) (n int64) {
	for s := range to.All() {
		n += int64(data.Read(off+n, s.Mem))
	}
	return n
}

// write copies all of from to data at off.
func write(data *buffer.Lease, off int64, from *buffer.Lease) (n int64) {
	for s := range from.All() {
		n += int64(data.Copy(off+n, s.Mem))
	}
	return n
}

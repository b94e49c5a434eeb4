package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

const (
	// retry is when a queue of the kernel that was full is tried again, which nobody tells of.
	retry = time.Millisecond
	// patience is how long a socket that is full is waited for before it is tried again unasked.
	patience = 20 * time.Millisecond
	tpid     = 0x8100 // of an 802.1Q tag
)

// Send copies frames into the ring, from which the kernel sends them.
func (w *wire) Send(frames []ethernet.Frame) (n int, err error) {
	w.tx.Lock()
	defer w.tx.Unlock()
	if w.shutdown {
		return 0, ethernet.ErrClosed
	}
	s := w.now.Load()
	if !s.Up {
		return 0, fmt.Errorf("%w: %s", ethernet.ErrDown, w.name)
	}
	copied := int64(0)
	most := int64(min(s.MTU, w.config.Longest) + ethernet.HeaderLen)
	for n < len(frames) {
		f := &frames[n]
		if size := f.Size(); size > most || len(f.Head) < ethernet.HeaderLen {
			err = fmt.Errorf("%w: %d bytes behind the type, where %s takes %d", ethernet.ErrTooLong, size-ethernet.HeaderLen, w.name, most-ethernet.HeaderLen)
			break
		}
		if !w.put(f) {
			w.hungry = true
			w.stats.blocked.Add(1)
			break
		}
		n++
		copied += f.Size()
	}
	w.stats.copied.Add(copied)
	if n > 0 || w.hungry {
		if e := w.kick(); e != nil { // The interface is down, of which Changed tells.
			n, err = max(n-w.rewind(), 0), e
		}
	}
	w.stats.framesOut.Add(int64(n))
	return n, err
}

// put copies a frame into the next slot; false: the ring is full. w.tx is held.
func (w *wire) put(f *ethernet.Frame) bool {
	r := &w.out.ring
	if !w.room() {
		return false
	}
	slot := r.slot(r.at)
	b := slot[txHeader:]
	n := 0
	if w.vlan != 0 {
		n = copy(b, f.Head[:12])
		binary.BigEndian.PutUint16(b[12:], tpid)
		binary.BigEndian.PutUint16(b[14:], uint16(w.config.Priority)<<13|w.vlan)
		n += ethernet.TagLen
		n += copy(b[n:], f.Head[12:])
	} else {
		n = copy(b, f.Head)
	}
	n += copy(b[n:], f.Body)
	for at, rest := f.At, f.Len; rest > 0; {
		p := f.Data.At(at)
		if len(p) == 0 {
			break // The lease is shorter than the frame says: so is the frame.
		}
		p = p[:min(int64(len(p)), rest)]
		n += copy(b[n:], p)
		at, rest = at+int64(len(p)), rest-int64(len(p))
	}
	n += copy(b[n:], f.Tail)
	(*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0])).Len = uint32(n)
	atomic.StoreUint32(status(slot), unix.TP_STATUS_SEND_REQUEST)
	r.step()
	return true
}

// kick lets the kernel send what is in the ring, without waiting. What it does not take now is pushed later. An error says that it takes nothing at
// all. The wire is not closed. w.tx is held.
func (w *wire) kick() error {
	e := w.sendto()
	if e == unix.ENETDOWN {
		e = w.sendto() // The socket keeps the error of an interface that was down for a moment, and tells it once.
	}
	switch e {
	case 0, unix.EINTR:
	case unix.EAGAIN:
		w.full = w.full || w.out != w.socket.outs[0] // nobody hears of others
	case unix.ENOBUFS, unix.ENOMEM:
		w.full = true
	default:
		return fmt.Errorf("%w: %s: %w", ethernet.ErrDown, w.name, e)
	}
	w.pending = w.unsent()
	if w.pending || w.hungry {
		select {
		case w.push <- struct{}{}:
		default:
		}
	}
	return nil
}

// sendto lets the kernel send, once. w.tx is held.
func (w *wire) sendto() unix.Errno {
	w.stats.sends.Add(1)
	_, _, e := unix.Syscall6(unix.SYS_SENDTO, uintptr(w.out.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return e
}

// unsent reports whether the frame before the next one is not with the kernel yet. w.tx is held.
func (w *wire) unsent() bool {
	r := &w.out.ring
	return atomic.LoadUint32(status(r.slot((r.at+r.slots-1)%r.slots))) == unix.TP_STATUS_SEND_REQUEST
}

// rewind takes back what the kernel has not begun to send, and returns how many frames that were: it goes on with the slot that is the next one then.
// w.tx is held.
func (w *wire) rewind() (n int) {
	r := &w.out.ring
	for ; n < r.slots && w.unsent(); n++ {
		r.at = (r.at + r.slots - 1) % r.slots
		atomic.StoreUint32(status(r.slot(r.at)), unix.TP_STATUS_AVAILABLE)
	}
	w.pending = false
	return n
}

// pushing goes on with what could not be sent at once, until the wire is closed.
func (w *wire) pushing() {
	tell, done := false, false
	// It is called when the socket may take more, and first of all once more, so that no news of that is lost.
	again := func(uintptr) bool {
		done, tell = w.again()
		return done || tell
	}
	for {
		select {
		case <-w.closed:
			return
		case <-w.push:
		}
		for done = false; !done; {
			tell = false
			_ = w.file.SetWriteDeadline(time.Now().Add(patience))
			if err := w.raw.Write(again); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			if tell {
				w.calls.Lock()
				w.h.Writable()
				w.calls.Unlock()
			}
		}
	}
}

// again kicks if something is not sent. It reports that there is nothing to wait for any more, and that Writable is to be called. A queue that is full
// is waited for here: nobody tells when it is not.
func (w *wire) again() (done, tell bool) {
	w.tx.Lock()
	defer w.tx.Unlock()
	for {
		if w.shutdown {
			return true, false
		}
		w.full = false
		if w.pending && w.kick() != nil {
			w.rewind()
		}
		if !w.full {
			break
		}
		w.tx.Unlock()
		select {
		case <-w.closed:
		case <-time.After(retry):
		}
		w.tx.Lock()
	}
	if w.hungry && !w.room() {
		w.relieve()
	}
	if w.hungry && w.room() {
		w.hungry, tell = false, true
	}
	return !w.pending && !w.hungry, tell
}

// room reports that the ring has some. w.tx is held.
func (w *wire) room() bool { return w.out.ring.room() }

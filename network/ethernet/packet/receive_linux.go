package packet

import (
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// batch is how many frames are handed over between two calls of Batch.
const batch = 64

// status is the word of a slot that says whose it is.
func status(slot []byte) *uint32 { return (*uint32)(unsafe.Pointer(&slot[0])) }

// receive hands over what comes, until the wire is closed.
func (w *wire) receive() {
	ready := func(uintptr) bool {
		return atomic.LoadUint32(status(w.socket.rx.slot(w.socket.rx.at)))&unix.TP_STATUS_USER != 0
	}
	for {
		if !ready(0) {
			w.stats.receives.Add(1)
			if w.raw.Read(ready) != nil { // It waits; the memory is read, not the socket.
				// The wire is closed; or the interface is down, and the runtime was told of that error and of nothing else.
				select {
				case <-w.closed:
					return
				case <-time.After(retry):
					continue
				}
			}
		}
		select {
		case <-w.closed:
			return
		default:
		}
		w.hand()
	}
}

// hand hands over a batch.
func (w *wire) hand() {
	w.calls.Lock()
	defer w.calls.Unlock()
	r := &w.socket.rx
	n, good := 0, int64(0)
	for ; n < batch; n++ {
		slot := r.slot(r.at)
		word := status(slot)
		if atomic.LoadUint32(word)&unix.TP_STATUS_USER == 0 {
			break
		}
		head := (*unix.Tpacket2Hdr)(unsafe.Pointer(&slot[0]))
		b := slot[head.Mac:]
		switch {
		case head.Len > head.Snaplen || int(head.Snaplen) > len(b) || int(head.Snaplen) > w.config.Longest+ethernet.HeaderLen:
			w.stats.tooLong.Add(1)
		case head.Snaplen < ethernet.HeaderLen || !slices.Contains(*w.own.Load(), ethernet.MAC(b[:6])): // the handler may just have joined it
		default:
			good++
			w.h.Received(b[:head.Snaplen:head.Snaplen])
		}
		atomic.StoreUint32(word, unix.TP_STATUS_KERNEL)
		r.step()
	}
	if n > 0 {
		w.stats.framesIn.Add(good)
		w.h.Batch()
	}
}

package fcoe

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// A receiver makes FC frames of what comes on a wire. It belongs to the handler of the wire, on whose goroutine it is called.
type receiver struct {
	// deliver is told of each good frame: who owns D_ID has it. It borrows f. false: it is nobody's, or not from whom it says, and is counted.
	deliver func(dst, src ethernet.MAC, f *fc.Frame) bool
	frame   fc.Frame // the one that is being handed over

	frames, bytes     atomic.Int64 // good ones, and their payload
	malformed         atomic.Int64 // version, delimiters, length or fill bytes
	damaged, unwanted atomic.Int64 // CRC; those that deliver did not take
}

// newReceiver makes a receiver.
func newReceiver(deliver func(dst, src ethernet.MAC, f *fc.Frame) bool) *receiver {
	return &receiver{deliver: deliver}
}

// received takes a whole Ethernet frame of type FCoE, as [ethernet.Handler] has it, which it borrows.
func (r *receiver) received(b []byte) {
	f := &r.frame
	switch verdict := decode(b, f); verdict {
	case good:
		n := int64(len(f.Payload))
		if r.deliver(ethernet.MAC(b[0:6]), ethernet.MAC(b[6:12]), f) {
			r.frames.Add(1)
			r.bytes.Add(n)
		} else {
			r.unwanted.Add(1)
		}
		f.Payload = nil
	case damaged:
		r.damaged.Add(1)
	default:
		r.malformed.Add(1)
	}
}

// dropped is how many frames were thrown away.
func (r *receiver) dropped() int64 {
	return r.malformed.Load() + r.damaged.Load() + r.unwanted.Load()
}

// A verdict is what a frame is found to be.
type verdict uint8

const (
	good verdict = iota
	malformed
	damaged
)

// decode reads an FCoE frame into f, whose payload lies in b.
func decode(b []byte, f *fc.Frame) verdict {
	n := len(b) - wholeHead - pduTail // of payload and fill bytes
	if n < 0 || n > fc.MaxPayload || n&3 != 0 ||
		ethernet.Type(binary.BigEndian.Uint16(b[12:])) != typeFCoE || b[14]>>4 != 0 {
		return malformed
	}
	tail := b[len(b)-pduTail:]
	sof, eof := fc.SOF(b[wholeHead-fc.HeaderLen-1]), fc.EOF(tail[fc.CRCLen])
	if !sof.Class3() || !eof.Valid() { // We are logged in with class 3 alone; and whoever sent EOFni or EOFa knows that the frame is not valid.
		return malformed
	}
	body := b[wholeHead-fc.HeaderLen : len(b)-pduTail]
	if fc.CRC(0).Add(body) != fc.CRCAt(tail) {
		return damaged
	}
	f.First, f.Last = sof.First(), eof.Last()
	f.Header, _ = fc.ParseHeader(body)
	fill := 0
	if f.Last && f.FCtl&fc.FCtlEndSequence != 0 { // They mean something on the last frame alone (FC-FS-5 "F_CTL").
		fill = int(f.FCtl & fc.FCtlFill)
	}
	if fill > n {
		return malformed
	}
	f.Payload = body[fc.HeaderLen : len(body)-fill]
	return good
}

package iwarp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A frame is an MPA Request or Reply: what both sides say before the first FPDU (RFC 5044
// 7.1, RFC 6581 6 and 9).
type frame struct {
	reply   bool
	markers bool // M: the sender wants markers in what it receives
	crc     bool // C: the sender wants CRCs
	reject  bool // R: of a reply
	rev     byte
	// enhanced (S) says that the private data begins with what follows.
	enhanced bool
	peer     bool // A: peer-to-peer mode, the first FPDU of the initiator is one of the kinds in rtr
	rtr      RTR
	ird, ord uint16

	private []byte // the private data, without the enhanced data
}

// RTR is the kinds of ready-to-receive messages: an FPDU without data that an initiator sends
// first, so that the responder may send (RFC 6581 9.2).
type RTR uint8

// Kinds of RTR messages.
const (
	RTRSend RTR = 1 << iota
	RTRWrite
	RTRRead
)

const (
	requestKey = "MPA ID Req Frame"
	replyKey   = "MPA ID Rep Frame"

	frameLen    = 20  // without private data
	maxPrivate  = 512 // with the enhanced data
	enhancedLen = 4
	maxRevision = 2

	// free, as IRD or ORD, leaves the number to the upper layer protocol (RFC 6581 9.1).
	free = 0x3FFF
)

// The bits of the flags.
const (
	flagMarkers  = 0x80
	flagCRC      = 0x40
	flagReject   = 0x20
	flagEnhanced = 0x10
)

var errRevision = errors.New("MPA revision that is not supported")

// parseFrame parses the first 20 bytes of a frame; the private data of n bytes follows, for
// setPrivate.
func parseFrame(b *[frameLen]byte, reply bool) (f frame, n int, err error) {
	key := requestKey
	if reply {
		key = replyKey
	}
	if string(b[:16]) != key {
		return f, 0, errors.New("no MPA frame")
	}
	flags := b[16]
	f = frame{
		reply: reply, markers: flags&flagMarkers != 0, crc: flags&flagCRC != 0,
		reject: reply && flags&flagReject != 0, enhanced: flags&flagEnhanced != 0, rev: b[17],
	}
	n = int(binary.BigEndian.Uint16(b[18:]))
	switch {
	case f.rev > maxRevision:
		return f, 0, fmt.Errorf("%w: %d", errRevision, f.rev)
	case n > maxPrivate:
		return f, 0, fmt.Errorf("MPA frame with %d bytes of private data", n)
	case f.enhanced && f.rev < 2:
		return f, 0, fmt.Errorf("enhanced MPA frame of revision %d", f.rev)
	case f.enhanced && n < enhancedLen:
		return f, 0, fmt.Errorf("enhanced MPA frame with %d bytes of private data", n)
	}
	return f, n, nil
}

// setPrivate takes the private data of the frame, as it came.
func (f *frame) setPrivate(b []byte) {
	if f.enhanced {
		first, second := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		f.peer = first&0x8000 != 0
		for i, set := range []bool{first&0x4000 != 0, second&0x8000 != 0, second&0x4000 != 0} {
			if set {
				f.rtr |= 1 << i
			}
		}
		f.ird, f.ord = first&free, second&free
		b = b[enhancedLen:]
	}
	f.private = b
}

// append appends the frame with its private data.
func (f *frame) append(b []byte) []byte {
	key, flags, n := requestKey, byte(0), len(f.private)
	if f.reply {
		key = replyKey
	}
	for _, x := range []struct {
		set bool
		bit byte
	}{{f.markers, flagMarkers}, {f.crc, flagCRC}, {f.reject, flagReject}, {f.enhanced, flagEnhanced}} {
		if x.set {
			flags |= x.bit
		}
	}
	if f.enhanced {
		n += enhancedLen
	}
	b = append(b, key...)
	b = append(b, flags, f.rev)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	if f.enhanced {
		first, second := f.ird&free, f.ord&free
		if f.peer {
			first |= 0x8000
		}
		if f.rtr&RTRSend != 0 {
			first |= 0x4000
		}
		if f.rtr&RTRWrite != 0 {
			second |= 0x8000
		}
		if f.rtr&RTRRead != 0 {
			second |= 0x4000
		}
		b = binary.BigEndian.AppendUint16(b, first)
		b = binary.BigEndian.AppendUint16(b, second)
	}
	return append(b, f.private...)
}

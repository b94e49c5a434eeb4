package fcoe

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// An FCoE PDU (FC-BB-6 "FCoE frame format") is an FC frame behind a header of 14 bytes, which ends with the start of frame, and in front of
// a trailer of 8, which begins with the CRC and the end of frame.
//
//	14 bytes   destination, source, type
//	14 bytes   version (4 bits), reserved, SOF
//	24 bytes   frame header
//	           payload, fill bytes: a multiple of 4
//	 8 bytes   CRC (little-endian), EOF, reserved
const (
	typeFCoE ethernet.Type = 0x8906

	pduHead   = 14 // in front of the frame header
	pduTail   = 8
	wholeHead = ethernet.HeaderLen + pduHead + fc.HeaderLen
	// overhead is what a frame has behind the type beside its payload.
	overhead = pduHead + fc.HeaderLen + pduTail
	// longest is how many bytes behind the type the longest frame has.
	longest = overhead + fc.MaxPayload
)

// payloadIn is how much payload fits in a frame of an interface with that MTU: a multiple of 4, at most [fc.MaxPayload]. Less than
// [fc.MinPayload] is too little.
func payloadIn(mtu int) int {
	return min(max(mtu-overhead, 0)&^3, fc.MaxPayload)
}

// putHead writes all that is in front of the payload of p.
func putHead(b *[wholeHead]byte, dst, src ethernet.MAC, p *fc.Part) {
	copy(b[0:], dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], uint16(typeFCoE))
	// The version is 0, and so is what is reserved: nobody else writes there.
	b[wholeHead-fc.HeaderLen-1] = byte(fc.SOFn3)
	if p.First {
		b[wholeHead-fc.HeaderLen-1] = byte(fc.SOFi3)
	}
	p.Put(b[wholeHead-fc.HeaderLen:])
}

// putTail writes fill bytes and the trailer, and returns both.
func putTail(b *[maxTail]byte, crc fc.CRC, fill int, last bool) []byte {
	b[0], b[1], b[2] = 0, 0, 0
	t := b[fill:]
	crc.Put(t)
	t[4], t[5], t[6], t[7] = byte(fc.EOFn), 0, 0, 0
	if last {
		t[4] = byte(fc.EOFt)
	}
	return b[:fill+pduTail]
}

// maxTail is a trailer with the fill bytes before it.
const maxTail = 3 + pduTail

// checksum is the CRC of a frame: of its header, payload and fill bytes. It borrows what is in f, and its time is that of
// reading all of it once.
func checksum(f *ethernet.Frame, fill int) fc.CRC {
	crc := fc.CRC(0).Add(f.Head[wholeHead-fc.HeaderLen:])
	if len(f.Body) > 0 {
		crc = crc.Add(f.Body)
	}
	for at, n := f.At, f.Len; n > 0; {
		p := f.Data.At(at)
		if len(p) == 0 {
			break // The lease is shorter than the sequence says: the wire refuses it.
		}
		p = p[:min(int64(len(p)), n)]
		crc = crc.Add(p)
		at, n = at+int64(len(p)), n-int64(len(p))
	}
	if fill > 0 {
		var zero [3]byte
		crc = crc.Add(zero[:fill])
	}
	return crc
}

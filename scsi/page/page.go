// Package page builds, and where a host sends them reads, the data that SCSI commands carry: INQUIRY and VPD pages, mode and log pages, and the reports of SPC and SBC.
//
// Append functions append a whole element with its true lengths; cutting it to
// an allocation length is the caller's, and leaves those lengths as they are
// (SPC-5 4.2.5.6). Parsers read in place; what they return refers to their
// argument where its documentation says so.
package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A Peripheral is the first byte of INQUIRY data and of VPD pages (SPC-5 6.7.2).
type Peripheral struct {
	Qualifier scsi.PeripheralQualifier
	Type      scsi.PeripheralType
}

// NoUnit is what INQUIRY returns at a LUN where there is nothing: 7Fh.
func NoUnit() Peripheral { return Peripheral{scsi.Incapable, scsi.TypeUnknown} }

// Byte returns the wire form.
func (p Peripheral) Byte() byte { return byte(p.Qualifier)<<5 | byte(p.Type)&0x1f }

// flag returns bit if on, else 0.
func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

// appendPadded appends text cut or padded with spaces to n bytes.
func appendPadded(dst []byte, text string, n int) []byte {
	if len(text) > n {
		text = text[:n]
	}
	dst = append(dst, text...)
	for range n - len(text) {
		dst = append(dst, ' ')
	}
	return dst
}

// appendZeros appends n zero bytes.
func appendZeros(dst []byte, n int) []byte {
	return append(dst, make([]byte, n)...)
}

// setLen16 stores how many bytes follow the two-byte length at offset at.
func setLen16(b []byte, at int) []byte {
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-at-2))
	return b
}

// setLen32 stores how many bytes follow the four-byte length at offset at.
func setLen32(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

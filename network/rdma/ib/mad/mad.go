// Package mad is management datagrams of InfiniBand (IBTA volume 1, 13.4), and the messages of the communication manager in them (12.6): bytes in, values out,
// and back. Each message has a file. What is parsed borrows the datagram: private data are a part of it, of their full length.
package mad

import "encoding/binary"

// Lengths: of a management datagram, of its header, and of what follows.
const (
	Size      = 256
	HeaderLen = 24
	DataLen   = Size - HeaderLen
)

// Class and version of the communication manager, and of all datagrams.
const (
	BaseVersion     = 1
	ClassCM         = 0x07
	ClassVersionCM  = 2
	ClassDeviceMgmt = 0x06
)

// A Method says what a datagram wants (13.4.5).
type Method uint8

// Methods.
const (
	MethodGet         Method = 0x01
	MethodSend        Method = 0x03
	MethodGetResponse Method = 0x81
)

// An Attribute says what is in a datagram (13.4.8, 12.6).
type Attribute uint16

// Attributes of the communication manager.
const (
	AttrClassPortInfo Attribute = 0x0001
	AttrREQ           Attribute = 0x0010
	AttrMRA           Attribute = 0x0011
	AttrREJ           Attribute = 0x0012
	AttrREP           Attribute = 0x0013
	AttrRTU           Attribute = 0x0014
	AttrDREQ          Attribute = 0x0015
	AttrDREP          Attribute = 0x0016
	AttrSIDRREQ       Attribute = 0x0017
	AttrSIDRREP       Attribute = 0x0018
	AttrLAP           Attribute = 0x0019
	AttrAPR           Attribute = 0x001A
)

// Status values (13.4.7).
const (
	StatusOK                  = 0
	StatusBadVersion          = 1 << 2
	StatusMethodUnsupported   = 2 << 2
	StatusAttributeUnsuitable = 3 << 2 // the method does not go with the attribute, or it is not supported
)

// A Header is that of every management datagram (13.4.3).
type Header struct {
	BaseVersion   uint8
	Class         uint8
	ClassVersion  uint8
	Method        Method
	Status        uint16
	ClassSpecific uint16
	TID           uint64 // transaction ID
	Attribute     Attribute
	Modifier      uint32
}

// CM is the header of a message of the communication manager.
func CM(a Attribute, tid uint64) Header {
	return Header{BaseVersion: BaseVersion, Class: ClassCM, ClassVersion: ClassVersionCM, Method: MethodSend, TID: tid, Attribute: a}
}

// IsCM reports that a message of the communication manager follows, of the version that this package knows.
func (h *Header) IsCM() bool {
	return h.BaseVersion == BaseVersion && h.Class == ClassCM && h.ClassVersion == ClassVersionCM && h.Method == MethodSend
}

// Parse reads the header of a datagram; data is what follows, [DataLen] bytes. false: it has not [Size] bytes.
func Parse(b []byte) (h Header, data []byte, ok bool) {
	if len(b) != Size {
		return h, nil, false
	}
	return Header{
		BaseVersion: b[0], Class: b[1], ClassVersion: b[2], Method: Method(b[3]),
		Status: u16(b[4:]), ClassSpecific: u16(b[6:]), TID: u64(b[8:]), Attribute: Attribute(u16(b[16:])), Modifier: u32(b[20:]),
	}, b[HeaderLen:], true
}

// Append adds h to b: a message is appended to that.
func (h *Header) Append(b []byte) []byte {
	b = append(b, h.BaseVersion, h.Class, h.ClassVersion, byte(h.Method))
	b = put16(put16(b, h.Status), h.ClassSpecific)
	b = put16(put64(b, h.TID), uint16(h.Attribute))
	return put32(append(b, 0, 0), h.Modifier)
}

func u16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func u24(b []byte) uint32 { return u32(b) >> 8 }
func u32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

func put16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func put32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func put64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

// put24 adds 24 bits and the byte behind them.
func put24(b []byte, v uint32, low byte) []byte { return put32(b, v<<8|uint32(low)) }

// fixed adds p to b, cut or filled with zeros to n bytes.
func fixed(b, p []byte, n int) []byte {
	p = p[:min(len(p), n)]
	return zeros(append(b, p...), n-len(p))
}

// zeros adds n bytes of zero to b.
func zeros(b []byte, n int) []byte {
	var none [DataLen]byte
	return append(b, none[:n]...)
}

func bit(set bool, b byte) byte {
	if set {
		return b
	}
	return 0
}

package iser

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
)

// HeaderLen is the length of an iSER header in bytes (RFC 7145 9).
const HeaderLen = 28

// A Kind is the opcode of an iSER header: what the message is.
type Kind uint8

// Kinds of messages (9.2 to 9.4).
const (
	Control    Kind = 1 // the header of an iSCSI control-type PDU, which follows
	Hello      Kind = 2
	HelloReply Kind = 3
)

// String is the kind in the standard's words.
func (k Kind) String() string {
	switch k {
	case Control:
		return "iSCSI control-type PDU"
	case Hello:
		return "iSER Hello"
	case HelloReply:
		return "iSER HelloReply"
	}
	return fmt.Sprintf("iSER opcode %d", uint8(k))
}

// Version is the version of iSER that is spoken (9.3: 10).
const Version = 10

const (
	bitWrite  = 0x08 // WSV: the Write STag is valid
	bitRead   = 0x04 // RSV: the Read STag is valid
	bitReject = 0x01
)

// A Header is an iSER header.
type Header struct {
	Kind Kind

	// Of Control (9.2): what the initiator advertises for the data-out and for the data-in of
	// the SCSI Command that follows. Targets advertise nothing.
	Write, Read           rdma.Remote
	WriteValid, ReadValid bool

	// Of Hello and HelloReply (9.3, 9.4).
	MaxVersion uint8
	Version    uint8  // MinVer in a Hello, CurVer in a HelloReply
	Reads      uint16 // iSER-IRD in a Hello, iSER-ORD in a HelloReply
	Reject     bool   // HelloReply
}

var errShort = errors.New("iser: a message shorter than its header")

// ParseHeader reads the header of a message. What is reserved is ignored, and so are tags
// that the flags do not declare valid.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, errShort
	}
	h := Header{Kind: Kind(b[0] >> 4)}
	switch h.Kind {
	case Control:
		if h.WriteValid = b[0]&bitWrite != 0; h.WriteValid {
			h.Write = remote(b[4:16])
		}
		if h.ReadValid = b[0]&bitRead != 0; h.ReadValid {
			h.Read = remote(b[16:28])
		}
	case Hello, HelloReply:
		h.Reject = h.Kind == HelloReply && b[0]&bitReject != 0
		h.MaxVersion, h.Version = b[1]>>4, b[1]&15
		h.Reads = binary.BigEndian.Uint16(b[2:])
	default:
		return h, fmt.Errorf("iser: %v", h.Kind)
	}
	return h, nil
}

func remote(b []byte) rdma.Remote {
	return rdma.Remote{Key: rdma.Key(binary.BigEndian.Uint32(b)), Addr: binary.BigEndian.Uint64(b[4:])}
}

// Append appends the header in the form of the wire.
func (h Header) Append(b []byte) []byte {
	var w [HeaderLen]byte
	w[0] = byte(h.Kind) << 4
	put := func(valid bool, bit byte, at int, r rdma.Remote) {
		if valid {
			w[0] |= bit
			binary.BigEndian.PutUint32(w[at:], uint32(r.Key))
			binary.BigEndian.PutUint64(w[at+4:], r.Addr)
		}
	}
	switch h.Kind {
	case Control:
		put(h.WriteValid, bitWrite, 4, h.Write)
		put(h.ReadValid, bitRead, 16, h.Read)
	case Hello, HelloReply:
		if h.Reject && h.Kind == HelloReply {
			w[0] |= bitReject
		}
		w[1] = h.MaxVersion<<4 | h.Version&15
		binary.BigEndian.PutUint16(w[2:], h.Reads)
	}
	return append(b, w[:]...)
}

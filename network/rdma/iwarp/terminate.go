package iwarp

import (
	"encoding/binary"
	"fmt"

	"github.com/lunette-io/lunette/network/rdma"
)

// A cause is what a Terminate says: the layer that found the error, its type and its code
// (RFC 5040 4.8).
type cause struct{ layer, kind, code byte }

// Layers.
const (
	layerRDMAP = iota
	layerDDP
	layerLLP
)

// Causes (RFC 5040 4.8, RFC 5041 7.2, RFC 5044 8).
var (
	causeLocal         = cause{layerRDMAP, 0, 0}
	causeReadKey       = cause{layerRDMAP, 1, 0}
	causeReadBounds    = cause{layerRDMAP, 1, 1}
	causeAccess        = cause{layerRDMAP, 1, 2}
	causeReadWrap      = cause{layerRDMAP, 1, 4}
	causeInvalidate    = cause{layerRDMAP, 1, 9}
	causeVersion       = cause{layerRDMAP, 2, 5}
	causeOpcode        = cause{layerRDMAP, 2, 6}
	causeStream        = cause{layerRDMAP, 2, 7}
	causeUnspecified   = cause{layerRDMAP, 2, 0xFF}
	causeKey           = cause{layerDDP, 1, 0}
	causeBounds        = cause{layerDDP, 1, 1}
	causeWrap          = cause{layerDDP, 1, 3}
	causeTaggedVersion = cause{layerDDP, 1, 4}
	causeQueue         = cause{layerDDP, 2, 1}
	causeMSN           = cause{layerDDP, 2, 3}
	causeMO            = cause{layerDDP, 2, 4}
	causeTooLong       = cause{layerDDP, 2, 5}
	causeDDPVersion    = cause{layerDDP, 2, 6}
	causeCRC           = cause{layerLLP, 0, 2}
	causeLength        = cause{layerLLP, 0, 3}
)

func (c cause) String() string {
	where := [...]string{"RDMAP", "DDP", "MPA"}
	name := "a layer that is not known"
	if int(c.layer) < len(where) {
		name = where[c.layer]
	}
	if what := causes[c]; what != "" {
		return name + ": " + what
	}
	return fmt.Sprintf("%s: error type %d, code %#02x", name, c.kind, c.code)
}

// causes has the texts of all causes of the three standards, also of those that we never send.
var causes = map[cause]string{
	causeLocal: "local catastrophic error", causeReadKey: "invalid STag", causeReadBounds: "base or bounds violation",
	causeAccess: "access rights violation", {layerRDMAP, 1, 3}: "STag not of this stream", causeReadWrap: "TO wrap",
	causeInvalidate: "STag cannot be invalidated", {layerRDMAP, 1, 0xFF}: "protection error",
	causeVersion: "invalid RDMAP version", causeOpcode: "unexpected opcode", causeStream: "catastrophic error of the stream",
	{layerRDMAP, 2, 8}: "catastrophic error", {layerRDMAP, 2, 9}: "STag cannot be invalidated", causeUnspecified: "unspecified error",
	{layerDDP, 0, 0}: "local catastrophic error", causeKey: "invalid STag", causeBounds: "base or bounds violation",
	{layerDDP, 1, 2}: "STag not of this stream", causeWrap: "TO wrap", causeTaggedVersion: "invalid DDP version",
	causeQueue: "invalid QN", {layerDDP, 2, 2}: "no buffer for the MSN", causeMSN: "MSN out of range", causeMO: "invalid MO",
	causeTooLong: "message too long", causeDDPVersion: "invalid DDP version",
	{layerLLP, 0, 1}: "TCP connection lost", causeCRC: "CRC error", causeLength: "length that does not fit",
	{layerLLP, 0, 4}: "invalid MPA frame", {layerLLP, 0, 5}: "local catastrophic error",
	{layerLLP, 0, 6}: "insufficient IRD", {layerLLP, 0, 7}: "no RTR message that both know",
}

// A TerminateError is the end of a connection by a Terminate message.
type TerminateError struct {
	Layer, Type, Code byte
	// Peer says that the peer has sent the Terminate; else we have.
	Peer bool
	// Why says more than the code.
	Why string

	head    []byte // the header of the FPDU that is the reason
	request []byte // and its Read Request, if it is one
}

func (e *TerminateError) Error() string {
	who := "found"
	if e.Peer {
		who = "told by the peer"
	}
	s := fmt.Sprintf("iwarp: terminated: %v (%s)", cause{e.Layer, e.Type, e.Code}, who)
	if e.Why != "" {
		s += ": " + e.Why
	}
	return s
}

// Unwrap is the error of package rdma that the code stands for.
func (e *TerminateError) Unwrap() error {
	access := e.Layer == layerRDMAP && e.Type == 1 || e.Layer == layerDDP && e.Type == 1 && e.Code != causeTaggedVersion.code
	switch {
	case e.Peer && access:
		return rdma.ErrRemoteAccess
	case e.Peer:
		return rdma.ErrRemote
	case access:
		return rdma.ErrAccess
	case cause{e.Layer, e.Type, e.Code} == causeTooLong:
		return rdma.ErrLength
	}
	return rdma.ErrProtocol
}

// failure makes the error of a connection that we end because of c.
func failure(c cause, format string, args ...any) *TerminateError {
	return &TerminateError{Layer: c.layer, Type: c.kind, Code: c.code, Why: fmt.Sprintf(format, args...)}
}

// A terminate is the payload of a Terminate message, with the headers of the segment that is
// the reason, if it has one: the length of a DDP segment, its DDP header, and the header of a
// Read Request.
type terminate struct {
	cause
	segment bool
	length  uint16
	ddp     []byte // without the length
	rdmap   []byte
}

const (
	// maxTerminate is the length of the longest payload, which has a Read Request.
	maxTerminate = 4 + 2 + untaggedLen - lengthLen + readRequestLen

	bitSegment = 0x80 // M: the length is there
	bitDDP     = 0x40 // D: the DDP header
	bitRDMAP   = 0x20 // R: the RDMAP header
)

func (t *terminate) append(b []byte) []byte {
	var flags byte
	if t.segment {
		flags |= bitSegment
	}
	if len(t.ddp) > 0 {
		flags |= bitDDP
	}
	if len(t.rdmap) > 0 {
		flags |= bitRDMAP
	}
	b = append(b, t.layer<<4|t.kind&15, t.code, flags, 0)
	if t.segment {
		b = binary.BigEndian.AppendUint16(b, t.length)
	}
	return append(append(b, t.ddp...), t.rdmap...)
}

// parseTerminate parses the payload of a peer's Terminate; it does not look at the headers in it.
// Linux's siw sends the layer and the type in the wrong order, and is recognized by its flags, which
// it puts at the wrong end of their byte.
func parseTerminate(b []byte) (c cause, ok bool) {
	if len(b) < 4 {
		return c, false
	}
	c = cause{b[0] >> 4, b[0] & 15, b[1]}
	if b[2]&0xE0 == 0 && b[2]&7 != 0 {
		c.layer, c.kind = c.kind, c.layer
	}
	return c, true
}

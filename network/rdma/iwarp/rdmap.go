package iwarp

import "encoding/binary"

// An opcode is what an RDMAP message is (RFC 5040 4.2).
type opcode byte

const (
	opWrite opcode = iota
	opReadRequest
	opReadResponse
	opSend
	opSendInvalidate
	opSendSolicited
	opSendSolicitedInvalidate
	opTerminate
)

func (o opcode) String() string {
	names := [...]string{"Write", "Read Request", "Read Response", "Send", "Send with Invalidate",
		"Send with SE", "Send with SE and Invalidate", "Terminate"}
	if int(o) < len(names) {
		return names[o]
	}
	return "opcode that is not known"
}

// tagged reports that messages with the opcode o use DDP's tagged buffer model.
func (o opcode) tagged() bool { return o == opWrite || o == opReadResponse }

// queue is the queue number of untagged messages with the opcode o.
func (o opcode) queue() uint32 {
	switch o {
	case opReadRequest:
		return queueRead
	case opTerminate:
		return queueTerminate
	}
	return queueSend
}

func (o opcode) invalidates() bool { return o == opSendInvalidate || o == opSendSolicitedInvalidate }

// sendOp is the opcode of a Send.
func sendOp(solicited, invalidates bool) opcode {
	o := opSend
	if invalidates {
		o = opSendInvalidate
	}
	if solicited {
		o += opSendSolicited - opSend
	}
	return o
}

// A readRequest is the header of an RDMA Read Request (RFC 5040 4.4), which is the payload of
// its only segment.
type readRequest struct {
	sink     uint32
	sinkTO   uint64
	size     uint32
	source   uint32
	sourceTO uint64
}

const readRequestLen = 28

func parseReadRequest(b []byte) readRequest {
	return readRequest{
		sink: binary.BigEndian.Uint32(b), sinkTO: binary.BigEndian.Uint64(b[4:]), size: binary.BigEndian.Uint32(b[12:]),
		source: binary.BigEndian.Uint32(b[16:]), sourceTO: binary.BigEndian.Uint64(b[20:]),
	}
}

func (r *readRequest) put(b []byte) {
	binary.BigEndian.PutUint32(b, r.sink)
	binary.BigEndian.PutUint64(b[4:], r.sinkTO)
	binary.BigEndian.PutUint32(b[12:], r.size)
	binary.BigEndian.PutUint32(b[16:], r.source)
	binary.BigEndian.PutUint64(b[20:], r.sourceTO)
}

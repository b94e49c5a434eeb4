package iu

import "encoding/binary"

// ReadyLen is the length of an FCP_XFER_RDY IU.
const ReadyLen = 12

// A Ready is an FCP_XFER_RDY IU (FCP-4 9.2): the target asks for data-out.
type Ready struct {
	Offset uint32 // of its first byte in the data-out buffer
	Len    uint32 // FCP_BURST_LEN
}

// ParseReady reads an FCP_XFER_RDY.
func ParseReady(b []byte) (x Ready, err error) {
	if len(b) < ReadyLen {
		return x, ErrShort
	}
	return Ready{binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])}, nil
}

// Append appends the IU.
func (x Ready) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, x.Offset)
	dst = binary.BigEndian.AppendUint32(dst, x.Len)
	return zeros(dst, 4)
}

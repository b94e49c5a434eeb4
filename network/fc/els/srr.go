package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// RetransmitLen is the length of an SRR.
const RetransmitLen = 16

// A Retransmit is an SRR (FCP-4 "sequence retransmission request"), an FC-4 link service: R_CTL 32h, TYPE FCP. The answer is
// [AppendAccept]'s.
type Retransmit struct {
	OX, RX uint16
	Offset uint32  // relative, of the data
	RCtl   fc.RCtl // of the information unit that is wanted: data, data descriptor or status
}

// ParseRetransmit reads an SRR.
func ParseRetransmit(b []byte) (x Retransmit, err error) {
	if err := check(b, RetransmitLen, SRR); err != nil {
		return x, err
	}
	return Retransmit{binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), binary.BigEndian.Uint32(b[8:]), fc.RCtl(b[12])}, nil
}

// Append appends the payload.
func (x Retransmit) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(word(dst, SRR), x.OX)
	dst = binary.BigEndian.AppendUint16(dst, x.RX)
	dst = binary.BigEndian.AppendUint32(dst, x.Offset)
	return append(dst, byte(x.RCtl), 0, 0, 0)
}

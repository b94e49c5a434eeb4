package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// ExchangeLen is the length of an RRQ and of an REC.
const ExchangeLen = 12

// A Reinstate is an RRQ (FC-LS-4 "reinstate recovery qualifier"): identifiers of an exchange that was aborted may be used again.
// The answer is [AppendAccept]'s.
type Reinstate struct {
	S      fc.ID // the exchange's originator
	OX, RX uint16
}

// ParseReinstate reads an RRQ.
func ParseReinstate(b []byte) (x Reinstate, err error) {
	if err := check(b, ExchangeLen, RRQ); err != nil {
		return x, err
	}
	return Reinstate{fc.ID24(b[5:]), binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])}, nil
}

// Append appends the payload.
func (x Reinstate) Append(dst []byte) []byte { return appendExchange(dst, RRQ, x.S, x.OX, x.RX) }

// appendExchange appends a command about an exchange.
func appendExchange(dst []byte, c Command, s fc.ID, ox, rx uint16) []byte {
	dst = binary.BigEndian.AppendUint32(word(dst, c), uint32(s)&fc.MaxID)
	dst = binary.BigEndian.AppendUint16(dst, ox)
	return binary.BigEndian.AppendUint16(dst, rx)
}

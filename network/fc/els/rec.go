package els

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// ConciseLen is the length of the LS_ACC of REC.
const ConciseLen = 24

// A ReadExchange is an REC (FC-LS-4 "read exchange concise"): how far is an exchange?
type ReadExchange struct {
	S      fc.ID // the exchange's originator
	OX, RX uint16
}

// ParseReadExchange reads an REC.
func ParseReadExchange(b []byte) (x ReadExchange, err error) {
	if err := check(b, ExchangeLen, REC); err != nil {
		return x, err
	}
	return ReadExchange{fc.ID24(b[5:]), binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])}, nil
}

// Append appends the payload.
func (x ReadExchange) Append(dst []byte) []byte { return appendExchange(dst, REC, x.S, x.OX, x.RX) }

// ExchangeStatus is E_STAT (FC-FS-5 "exchange status").
type ExchangeStatus uint32

// Bits of E_STAT.
const (
	StatusResponder  ExchangeStatus = 1 << 31 // who answers is the responder of the exchange
	StatusInitiative ExchangeStatus = 1 << 30 // who answers has the sequence initiative
	StatusComplete   ExchangeStatus = 1 << 29 // the exchange is complete
	StatusAbnormal   ExchangeStatus = 1 << 28 // it has ended by an error
)

// A Concise is the LS_ACC of REC.
type Concise struct {
	OX, RX                uint16
	Originator, Responder fc.ID
	Value                 uint32 // the FC-4's: of FCP bytes transferred
	Status                ExchangeStatus
}

// ParseConcise reads it.
func ParseConcise(b []byte) (x Concise, err error) {
	if err := check(b, ConciseLen, LSAcc); err != nil {
		return x, err
	}
	return Concise{
		binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:]), fc.ID24(b[9:]), fc.ID24(b[13:]),
		binary.BigEndian.Uint32(b[16:]), ExchangeStatus(binary.BigEndian.Uint32(b[20:])),
	}, nil
}

// Append appends the payload.
func (x Concise) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(word(dst, LSAcc), x.OX)
	dst = binary.BigEndian.AppendUint16(dst, x.RX)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Originator)&fc.MaxID)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Responder)&fc.MaxID)
	dst = binary.BigEndian.AppendUint32(dst, x.Value)
	return binary.BigEndian.AppendUint32(dst, uint32(x.Status))
}

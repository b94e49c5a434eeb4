package iu

import "encoding/binary"

// CreditLen is the length of SRP_CRED_REQ and SRP_CRED_RSP IUs.
const CreditLen = 16

// A CreditRequest is an SRP_CRED_REQ IU (SRP 6.10): it changes the request limit.
type CreditRequest struct {
	Solicited bool
	Delta     int32
	Tag       uint64
}

// ParseCreditRequest reads an SRP_CRED_REQ.
func ParseCreditRequest(b []byte) (x CreditRequest, err error) {
	if err := check(b, OpCreditRequest, CreditLen); err != nil {
		return x, err
	}
	return CreditRequest{b[1]&1 != 0, int32(binary.BigEndian.Uint32(b[4:])), binary.BigEndian.Uint64(b[8:])}, nil
}

// Append appends the IU.
func (x CreditRequest) Append(dst []byte) []byte {
	dst = append(dst, byte(OpCreditRequest), bit(x.Solicited, 1), 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Delta))
	return binary.BigEndian.AppendUint64(dst, x.Tag)
}

// A CreditResponse is an SRP_CRED_RSP IU (SRP 6.11).
type CreditResponse struct{ Tag uint64 }

// ParseCreditResponse reads an SRP_CRED_RSP.
func ParseCreditResponse(b []byte) (x CreditResponse, err error) {
	if err := check(b, OpCreditResponse, CreditLen); err != nil {
		return x, err
	}
	return CreditResponse{binary.BigEndian.Uint64(b[8:])}, nil
}

// Append appends the IU.
func (x CreditResponse) Append(dst []byte) []byte {
	return binary.BigEndian.AppendUint64(zeros(append(dst, byte(OpCreditResponse)), 7), x.Tag)
}

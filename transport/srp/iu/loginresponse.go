package iu

import "encoding/binary"

// LoginResponseLen is the length of an SRP_LOGIN_RSP IU.
const LoginResponseLen = 52

// A Result says what became of the channels that there were (SRP 6.3, MULTI-CHANNEL RESULT).
type Result uint8

// Results.
const (
	NoChannels Result = 0 // there were none
	Terminated Result = 1
	Maintained Result = 2
)

// A LoginResponse is an SRP_LOGIN_RSP IU (SRP 6.3). It goes with the answer that the connection is
// made.
type LoginResponse struct {
	Delta     int32 // the request limit
	Tag       uint64
	MaxIn     uint32 // the longest IU that the target takes
	MaxOut    uint32 // the longest that it sends
	Formats   Formats
	Result    Result
	Immediate bool // the target takes immediate data
}

// ParseLoginResponse reads an SRP_LOGIN_RSP.
func ParseLoginResponse(b []byte) (x LoginResponse, err error) {
	if err := check(b, OpLoginResponse, LoginResponseLen); err != nil {
		return x, err
	}
	x.Delta = int32(binary.BigEndian.Uint32(b[4:]))
	x.Tag = binary.BigEndian.Uint64(b[8:])
	x.MaxIn = binary.BigEndian.Uint32(b[16:])
	x.MaxOut = binary.BigEndian.Uint32(b[20:])
	x.Formats = Formats(binary.BigEndian.Uint16(b[24:]))
	x.Result = Result(b[26] & 3)
	x.Immediate = b[26]&immediateBit != 0
	return x, nil
}

// Append appends the IU.
func (x LoginResponse) Append(dst []byte) []byte {
	dst = zeros(append(dst, byte(OpLoginResponse)), 3)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.Delta))
	dst = binary.BigEndian.AppendUint64(dst, x.Tag)
	dst = binary.BigEndian.AppendUint32(dst, x.MaxIn)
	dst = binary.BigEndian.AppendUint32(dst, x.MaxOut)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Formats))
	return zeros(append(dst, byte(x.Result)&3|bit(x.Immediate, immediateBit)), 25)
}

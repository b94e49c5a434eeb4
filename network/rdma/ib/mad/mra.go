package mad

import "github.com/lunette-io/lunette/network/rdma/ib"

// MRAPrivate is the length of an MRA's private data.
const MRAPrivate = 222

// A Subject is the message that an MRA or a REJ is about.
type Subject uint8

// Subjects.
const (
	OfREQ Subject = iota
	OfREP
	OfOther // LAP in an MRA, no message in particular in a REJ
)

// An MRA asks for more time to answer a message (12.6.6).
type MRA struct {
	LocalID, RemoteID uint32
	Subject           Subject
	Timeout           ib.Timeout // until the answer is sent
	Private           []byte
}

// ParseMRA reads an MRA. false: b has not [DataLen] bytes.
func ParseMRA(b []byte) (m MRA, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return MRA{u32(b), u32(b[4:]), Subject(b[8] >> 6), ib.Timeout(b[9] >> 3), b[10:DataLen:DataLen]}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *MRA) Append(b []byte) []byte {
	b = append(put32(put32(b, m.LocalID), m.RemoteID), byte(m.Subject)<<6, byte(m.Timeout)<<3)
	return fixed(b, m.Private, MRAPrivate)
}

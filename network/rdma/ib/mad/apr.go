package mad

// Lengths of an APR's additional information and private data.
const (
	APRInfo    = 72
	APRPrivate = 148
)

// An APStatus is the answer to a LAP (12.8.2.1).
type APStatus uint8

// Answers.
const (
	PathLoaded      APStatus = 0
	PathInvalidID   APStatus = 1
	PathUnsupported APStatus = 2
	PathRejected    APStatus = 3
)

// An APR answers a LAP (12.8.2).
type APR struct {
	LocalID, RemoteID uint32
	InfoLen           uint8
	Status            APStatus
	Info              []byte
	Private           []byte
}

// ParseAPR reads an APR. false: b has not [DataLen] bytes.
func ParseAPR(b []byte) (m APR, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return APR{
		LocalID: u32(b), RemoteID: u32(b[4:]), InfoLen: b[8], Status: APStatus(b[9]),
		Info: b[12 : 12+APRInfo : 12+APRInfo], Private: b[12+APRInfo : DataLen : DataLen],
	}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *APR) Append(b []byte) []byte {
	b = append(put32(put32(b, m.LocalID), m.RemoteID), m.InfoLen, byte(m.Status), 0, 0)
	return fixed(fixed(b, m.Info, APRInfo), m.Private, APRPrivate)
}

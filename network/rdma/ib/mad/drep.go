package mad

// A DREP answers a DREQ (12.6.11).
type DREP struct {
	LocalID, RemoteID uint32
	Private           []byte // RTUPrivate bytes
}

// ParseDREP reads a DREP. false: b has not [DataLen] bytes.
func ParseDREP(b []byte) (m DREP, ok bool) {
	r, ok := ParseRTU(b)
	return DREP(r), ok
}

// Append adds m to b: [DataLen] bytes.
func (m *DREP) Append(b []byte) []byte { return (*RTU)(m).Append(b) }

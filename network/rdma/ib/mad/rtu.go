package mad

// RTUPrivate is the length of the private data of RTU and DREP.
const RTUPrivate = 224

// An RTU says that the sender of the REQ is ready to use the connection (12.6.9).
type RTU struct {
	LocalID, RemoteID uint32
	Private           []byte
}

// ParseRTU reads an RTU. false: b has not [DataLen] bytes.
func ParseRTU(b []byte) (m RTU, ok bool) {
	if len(b) != DataLen {
		return m, false
	}
	return RTU{u32(b), u32(b[4:]), b[8:DataLen:DataLen]}, true
}

// Append adds m to b: [DataLen] bytes.
func (m *RTU) Append(b []byte) []byte {
	return fixed(put32(put32(b, m.LocalID), m.RemoteID), m.Private, RTUPrivate)
}

package message

// VringStateLen is the length of a [VringState].
const VringStateLen = 8

// A VringState is a number about a ring: how many entries it has (SET_VRING_NUM), where the device goes on (SET_VRING_BASE, GET_VRING_BASE and its reply), whether it runs (SET_VRING_ENABLE: 0 or 1).
type VringState struct {
	Index uint32 // of the queue
	Num   uint32
}

// ParseVringState reads the payload of a message of the type r.
func ParseVringState(r Request, b []byte) (s VringState, err error) {
	if err := length(r, b, VringStateLen); err != nil {
		return s, err
	}
	return VringState{u32(b), u32(b[4:])}, nil
}

// Append appends the payload.
func (s VringState) Append(dst []byte) []byte { return put32(put32(dst, s.Index), s.Num) }

package message

// VringFileLen is the length of a [VringFile].
const VringFileLen = 8

// Bits of a [VringFile].
const (
	vringFileIndex uint64 = 0xff
	vringFileNone  uint64 = 1 << 8
)

// A VringFile says which queue the descriptor that comes with it is for: SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR. With None there is no descriptor, and who would be told looks by itself.
type VringFile struct {
	Index uint8 // of the queue
	None  bool
}

// ParseVringFile reads the payload of a message of the type r. The protocol gives its other bits no meaning: they have to be 0.
func ParseVringFile(r Request, b []byte) (f VringFile, err error) {
	if err := length(r, b, VringFileLen); err != nil {
		return f, err
	}
	n := u64(b)
	if n&^(vringFileIndex|vringFileNone) != 0 {
		return f, Errorf(r, "bits without a meaning are set: %#x", n)
	}
	return VringFile{uint8(n & vringFileIndex), n&vringFileNone != 0}, nil
}

// Append appends the payload.
func (f VringFile) Append(dst []byte) []byte {
	n := uint64(f.Index)
	if f.None {
		n |= vringFileNone
	}
	return put64(dst, n)
}

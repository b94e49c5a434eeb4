package message

// VringAddrLen is the length of a [VringAddr].
const VringAddrLen = 40

// VringLog (VHOST_VRING_F_LOG): what is written to the used ring is marked at Log.
const VringLog uint32 = 1 << 0

// A VringAddr says where a ring is (SET_VRING_ADDR), in addresses of the front-end's process. Of a packed ring Desc is the ring, Avail the driver's event suppression and Used the device's.
type VringAddr struct {
	Index             uint32 // of the queue
	Flags             uint32
	Desc, Used, Avail uint64
	Log               uint64 // an address of the guest's memory, for VringLog
}

// ParseVringAddr reads the payload.
func ParseVringAddr(b []byte) (a VringAddr, err error) {
	if err := length(SetVringAddr, b, VringAddrLen); err != nil {
		return a, err
	}
	return VringAddr{u32(b), u32(b[4:]), u64(b[8:]), u64(b[16:]), u64(b[24:]), u64(b[32:])}, nil
}

// Append appends the payload.
func (a VringAddr) Append(dst []byte) []byte {
	dst = put64(put32(put32(dst, a.Index), a.Flags), a.Desc)
	return put64(put64(put64(dst, a.Used), a.Avail), a.Log)
}

package pdu

// DataOut is a SCSI Data-Out PDU (RFC 7143 section 11.7).
type DataOut struct {
	Final        bool // last of its sequence
	LUN          uint64
	ITT          uint32
	TTT          uint32 // that of the R2T; NoTag: unsolicited
	DataSN       uint32
	BufferOffset uint32 // bytes from the start of the command's data-out
}

// ParseDataOut reads a SCSI Data-Out. The value is filled even if there is an
// error.
func ParseDataOut(h *BHS) (DataOut, error) {
	x := DataOut{
		Final:        h.Final(),
		LUN:          h.LUN(),
		ITT:          h.ITT(),
		TTT:          h.TTT(),
		DataSN:       h.u32(36),
		BufferOffset: h.u32(40),
	}
	switch {
	case h.Opcode() != OpDataOut:
		return x, h.check(OpDataOut)
	case uint64(x.BufferOffset)+uint64(h.DataSegmentLength()) > 1<<32-1:
		return x, invalid(OpDataOut, "the data ends beyond 4 GiB")
	}
	return x, nil
}

// Put fills h.
func (x DataOut) Put(h *BHS) {
	h.reset(OpDataOut, false, flag(x.Final, bitFinal))
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
	h.putU32(36, x.DataSN)
	h.putU32(40, x.BufferOffset)
}

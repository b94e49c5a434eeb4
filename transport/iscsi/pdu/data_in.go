package pdu

const (
	dataInAck    = 0x40
	dataInStatus = 0x01
)

// DataIn is a SCSI Data-In PDU (RFC 7143 section 11.7).
type DataIn struct {
	Final        bool // last of its sequence
	Acknowledge  bool // A: asks for a DataACK SNACK; then LUN and TTT are set
	HasStatus    bool // S: ends the command; then Status, StatSN and residual count. Implies Final
	Status       uint8
	LUN          uint64
	ITT          uint32
	TTT          uint32 // NoTag unless Acknowledge
	DataSN       uint32
	BufferOffset uint32 // bytes from the start of the command's data-in
	Overflow     bool
	Underflow    bool
	Residual     uint32 // bytes, with Overflow or Underflow
}

// HasStatus reports the S bit of a Data-In: the PDU ends its command.
func (h *BHS) HasStatus() bool { return h[1]&dataInStatus != 0 }

// ParseDataIn reads a SCSI Data-In. The value is filled even if there is an
// error.
func ParseDataIn(h *BHS) (DataIn, error) {
	x := DataIn{
		Final:        h.Final(),
		Acknowledge:  h[1]&dataInAck != 0,
		HasStatus:    h[1]&dataInStatus != 0,
		Status:       h[3],
		LUN:          h.LUN(),
		ITT:          h.ITT(),
		TTT:          h.TTT(),
		DataSN:       h.u32(36),
		BufferOffset: h.u32(40),
		Overflow:     h[1]&bitOverflow != 0,
		Underflow:    h[1]&bitUnderflow != 0,
		Residual:     h.u32(44),
	}
	switch {
	case h.Opcode() != OpDataIn:
		return x, h.check(OpDataIn)
	case x.HasStatus && !x.Final:
		return x, violation(OpDataIn, "S without F")
	case x.HasStatus && x.Overflow && x.Underflow:
		return x, violation(OpDataIn, "residual overflow and underflow at once")
	case x.Acknowledge && x.TTT == NoTag:
		return x, violation(OpDataIn, "A without a Target Transfer Tag")
	case uint64(x.BufferOffset)+uint64(h.DataSegmentLength()) > 1<<32-1:
		return x, invalid(OpDataIn, "the data ends beyond 4 GiB")
	}
	return x, nil
}

// Put fills h.
func (x DataIn) Put(h *BHS) {
	h.reset(OpDataIn, false, flag(x.Final, bitFinal)|flag(x.Acknowledge, dataInAck)|flag(x.HasStatus, dataInStatus)|
		flag(x.Overflow, bitOverflow)|flag(x.Underflow, bitUnderflow))
	h[3] = x.Status
	h.putLUN(x.LUN)
	h.putU32(16, x.ITT)
	h.putU32(20, x.TTT)
	h.putU32(36, x.DataSN)
	h.putU32(40, x.BufferOffset)
	h.putU32(44, x.Residual)
}

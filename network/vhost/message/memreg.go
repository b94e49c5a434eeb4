package message

// MemRegLen is the length of the payload of ADD_MEM_REG and REM_MEM_REG.
const MemRegLen = 8 + RegionLen

// ParseMemReg reads the payload of a message of the type r, ADD_MEM_REG or REM_MEM_REG: one region. What stands before it is not looked at.
func ParseMemReg(r Request, b []byte) (Region, error) {
	if err := length(r, b, MemRegLen); err != nil {
		return Region{}, err
	}
	return parseRegion(b[8:]), nil
}

// AppendMemReg appends the payload.
func AppendMemReg(dst []byte, r Region) []byte { return r.Append(put64(dst, 0)) }

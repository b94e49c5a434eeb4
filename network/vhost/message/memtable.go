package message

// memTableHead is the length of what stands before the regions of a table.
const memTableHead = 8

// ParseMemTable appends the regions of the payload of SET_MEM_TABLE to dst: [MaxDescriptors] at the most, since each comes with a descriptor.
func ParseMemTable(dst []Region, b []byte) ([]Region, error) {
	if len(b) < memTableHead {
		return dst, Errorf(SetMemTable, "the payload has %d bytes, at least %d are wanted", len(b), memTableHead)
	}
	n := u32(b)
	if n > MaxDescriptors {
		return dst, Errorf(SetMemTable, "%d regions, at most %d have a descriptor", n, MaxDescriptors)
	}
	if err := length(SetMemTable, b, memTableHead+int(n)*RegionLen); err != nil {
		return dst, err
	}
	for b = b[memTableHead:]; len(b) > 0; b = b[RegionLen:] {
		dst = append(dst, parseRegion(b))
	}
	return dst, nil
}

// AppendMemTable appends the payload.
func AppendMemTable(dst []byte, regions []Region) []byte {
	dst = put32(put32(dst, uint32(len(regions))), 0)
	for _, r := range regions {
		dst = r.Append(dst)
	}
	return dst
}

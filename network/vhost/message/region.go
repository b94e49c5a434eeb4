package message

// RegionLen is the length of a [Region].
const RegionLen = 32

// A Region is a piece of the guest's memory: Size bytes at Offset of the file whose descriptor comes with it.
type Region struct {
	Guest  uint64 // address in the guest
	Size   uint64
	User   uint64 // address in the front-end's process
	Offset uint64
}

// parseRegion reads a region, of which b has at least the bytes.
func parseRegion(b []byte) Region { return Region{u64(b), u64(b[8:]), u64(b[16:]), u64(b[24:])} }

// Append appends the region.
func (r Region) Append(dst []byte) []byte {
	return put64(put64(put64(put64(dst, r.Guest), r.Size), r.User), r.Offset)
}

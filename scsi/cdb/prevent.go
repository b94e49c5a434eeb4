package cdb

import "github.com/lunette-io/lunette/scsi"

// A Prevent is PREVENT ALLOW MEDIUM REMOVAL (SBC-4 5.7).
type Prevent struct {
	Mode uint8 // 0 allow, 1 prevent, 2 and 3 are obsolete
}

// ParsePrevent reads PREVENT ALLOW MEDIUM REMOVAL.
func ParsePrevent(c []byte) (Prevent, error) {
	if err := needOp(c, scsi.OpPreventAllowRemoval); err != nil {
		return Prevent{}, err
	}
	return Prevent{Mode: c[4] & 3}, nil
}

// Append appends the CDB.
func (p Prevent) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpPreventAllowRemoval), 0, 0, 0, p.Mode&3, 0)
}

package cdb

import "github.com/lunette-io/lunette/scsi"

// A RequestSense is REQUEST SENSE (SPC-5 6.39).
type RequestSense struct {
	Descriptor bool  // DESC: wants descriptor format
	Allocation uint8 // bytes
}

// ParseRequestSense reads REQUEST SENSE.
func ParseRequestSense(c []byte) (RequestSense, error) {
	if err := needOp(c, scsi.OpRequestSense); err != nil {
		return RequestSense{}, err
	}
	return RequestSense{Descriptor: c[1]&0x01 != 0, Allocation: c[4]}, nil
}

// Append appends the CDB.
func (r RequestSense) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpRequestSense), flag(r.Descriptor, 0x01), 0, 0, r.Allocation, 0)
}

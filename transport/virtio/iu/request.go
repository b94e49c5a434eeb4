package iu

import "encoding/binary"

// Lengths of a request.
const (
	RequestLen = 51 // up to data-out; protection information is not agreed
	CDBLen     = 32 // of the CDB, always
)

// Task attributes (virtio 1.3, 5.6.6.1).
const (
	AttrSimple      = 0
	AttrOrdered     = 1
	AttrHeadOfQueue = 2
	AttrACA         = 3
)

// A Request is what a driver fills before data-out (virtio 1.3, 5.6.6.1, struct virtio_scsi_req_cmd).
type Request struct {
	Address  Address
	ID       uint64 // names the request as long as it is open
	Attr     uint8
	Priority uint8
	CRN      uint8
	CDB      [CDBLen]byte // what is behind a shorter one is not part of it
}

// ParseRequest reads a request. Bytes behind it are data-out.
func ParseRequest(b []byte) (x Request, err error) {
	if len(b) < RequestLen {
		return x, ErrShort
	}
	x.Address = Address(b)
	x.ID = binary.LittleEndian.Uint64(b[8:])
	x.Attr, x.Priority, x.CRN = b[16], b[17], b[18]
	x.CDB = [CDBLen]byte(b[19:])
	return x, nil
}

// Append appends the request.
func (x *Request) Append(dst []byte) []byte {
	dst = append(dst, x.Address[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, x.ID)
	dst = append(dst, x.Attr, x.Priority, x.CRN)
	return append(dst, x.CDB[:]...)
}

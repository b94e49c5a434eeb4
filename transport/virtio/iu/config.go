package iu

import "encoding/binary"

// ConfigLen is the length of the configuration space, and SenseSizeAt and CDBSizeAt are where the two fields are that a driver may write.
const (
	ConfigLen   = 36
	SenseSizeAt = 20
	CDBSizeAt   = 24
)

// A Config is the configuration space of a SCSI host (virtio 1.3, 5.6.4, struct virtio_scsi_config).
type Config struct {
	Queues     uint32 // for requests
	Segments   uint32 // pieces of data in one request, at most
	Sectors    uint32 // of 512 bytes, in one request, at most
	PerUnit    uint32 // open requests for one unit, at most
	EventSize  uint32
	SenseSize  uint32
	CDBSize    uint32
	MaxChannel uint16
	MaxTarget  uint16
	MaxLUN     uint32
}

// ParseConfig reads a configuration space.
func ParseConfig(b []byte) (x Config, err error) {
	if len(b) < ConfigLen {
		return x, ErrShort
	}
	for i, f := range []*uint32{&x.Queues, &x.Segments, &x.Sectors, &x.PerUnit, &x.EventSize, &x.SenseSize, &x.CDBSize} {
		*f = binary.LittleEndian.Uint32(b[4*i:])
	}
	x.MaxChannel, x.MaxTarget = binary.LittleEndian.Uint16(b[28:]), binary.LittleEndian.Uint16(b[30:])
	x.MaxLUN = binary.LittleEndian.Uint32(b[32:])
	return x, nil
}

// Append appends the configuration space.
func (x *Config) Append(dst []byte) []byte {
	for _, f := range [...]uint32{x.Queues, x.Segments, x.Sectors, x.PerUnit, x.EventSize, x.SenseSize, x.CDBSize} {
		dst = binary.LittleEndian.AppendUint32(dst, f)
	}
	dst = binary.LittleEndian.AppendUint16(dst, x.MaxChannel)
	dst = binary.LittleEndian.AppendUint16(dst, x.MaxTarget)
	return binary.LittleEndian.AppendUint32(dst, x.MaxLUN)
}

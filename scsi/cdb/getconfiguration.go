package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Which features GET CONFIGURATION returns (RT).
const (
	AllFeatures     = 0 // from First on
	CurrentFeatures = 1 // from First on, those that are current
	OneFeature      = 2 // First alone, if it is there
)

// A GetConfiguration is GET CONFIGURATION (MMC-6 6.6).
type GetConfiguration struct {
	Which      uint8  // RT, 0 to 3
	First      uint16 // STARTING FEATURE NUMBER
	Allocation uint16
}

// ParseGetConfiguration reads GET CONFIGURATION.
func ParseGetConfiguration(c []byte) (GetConfiguration, error) {
	if err := needOp(c, scsi.OpGetConfiguration); err != nil {
		return GetConfiguration{}, err
	}
	return GetConfiguration{Which: c[1] & 3, First: binary.BigEndian.Uint16(c[2:]), Allocation: binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (g GetConfiguration) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, byte(scsi.OpGetConfiguration), g.Which&3), g.First)
	return append(binary.BigEndian.AppendUint16(append(dst, 0, 0, 0), g.Allocation), 0)
}

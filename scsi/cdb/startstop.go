package cdb

import "github.com/lunette-io/lunette/scsi"

// A StartStop is START STOP UNIT (SBC-4 5.29).
type StartStop struct {
	Immed     bool  // answer before the work is done
	Modifier  uint8 // POWER CONDITION MODIFIER, 0 to 15
	Condition uint8 // POWER CONDITION, 0 to 15; 0 means that Start and LoadEject count
	NoFlush   bool  // leave the cache as it is
	LoadEject bool
	Start     bool
}

// ParseStartStop reads START STOP UNIT.
func ParseStartStop(c []byte) (StartStop, error) {
	if err := needOp(c, scsi.OpStartStopUnit); err != nil {
		return StartStop{}, err
	}
	return StartStop{
		Immed: c[1]&0x01 != 0, Modifier: c[3] & 0xf, Condition: c[4] >> 4,
		NoFlush: c[4]&0x04 != 0, LoadEject: c[4]&0x02 != 0, Start: c[4]&0x01 != 0,
	}, nil
}

// Append appends the CDB.
func (s StartStop) Append(dst []byte) []byte {
	return append(dst, byte(scsi.OpStartStopUnit), flag(s.Immed, 0x01), 0, s.Modifier&0xf,
		s.Condition<<4|flag(s.NoFlush, 0x04)|flag(s.LoadEject, 0x02)|flag(s.Start, 0x01), 0)
}

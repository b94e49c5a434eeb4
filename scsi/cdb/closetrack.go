package cdb

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// A CloseTrackSession is CLOSE TRACK/SESSION (MMC-6 6.3). What its functions do depends on the disc.
type CloseTrackSession struct {
	Immed    bool
	Function uint8 // CLOSE FUNCTION, 0 to 7
	Track    uint16
}

// ParseCloseTrackSession reads CLOSE TRACK/SESSION.
func ParseCloseTrackSession(c []byte) (CloseTrackSession, error) {
	if err := needOp(c, scsi.OpCloseTrackSession); err != nil {
		return CloseTrackSession{}, err
	}
	return CloseTrackSession{c[1]&0x01 != 0, c[2] & 7, binary.BigEndian.Uint16(c[4:])}, nil
}

// Append appends the CDB.
func (s CloseTrackSession) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpCloseTrackSession), flag(s.Immed, 0x01), s.Function&7, 0)
	return append(binary.BigEndian.AppendUint16(dst, s.Track), 0, 0, 0, 0)
}

// A SendOPC is SEND OPC INFORMATION (MMC-5 6.36).
type SendOPC struct {
	Calibrate bool  // DOOPC
	Exclude   uint8 // EXCLUDE, 0 to 3
	Length    uint16
}

// ParseSendOPC reads SEND OPC INFORMATION.
func ParseSendOPC(c []byte) (SendOPC, error) {
	if err := needOp(c, scsi.OpSendOPCInformation); err != nil {
		return SendOPC{}, err
	}
	return SendOPC{c[1]&0x01 != 0, c[2] & 3, binary.BigEndian.Uint16(c[7:])}, nil
}

// Append appends the CDB.
func (s SendOPC) Append(dst []byte) []byte {
	dst = append(dst, byte(scsi.OpSendOPCInformation), flag(s.Calibrate, 0x01), s.Exclude&3, 0, 0, 0, 0)
	return append(binary.BigEndian.AppendUint16(dst, s.Length), 0)
}

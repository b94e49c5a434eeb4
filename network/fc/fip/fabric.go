package fip

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/fc"
)

// A Fabric is a fabric descriptor (FC-BB-6 "fabric descriptor").
type Fabric struct {
	VFID uint16
	Map  uint32 // FC-MAP
	Name fc.Name
}

func parseFabric(d []byte) Fabric {
	return Fabric{binary.BigEndian.Uint16(d[2:]), uint32(fc.ID24(d[5:])), fc.Name(binary.BigEndian.Uint64(d[8:]))}
}

func (x *Fabric) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(head(dst, TypeFabric), x.VFID)
	dst = binary.BigEndian.AppendUint32(dst, x.Map&0xffffff)
	return binary.BigEndian.AppendUint64(dst, uint64(x.Name))
}

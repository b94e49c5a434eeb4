package fip

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// A VNPort is a VN_Port identification descriptor (FC-BB-6 "Vx_Port identification descriptor").
type VNPort struct {
	MAC  ethernet.MAC
	ID   fc.ID
	Port fc.Name
}

func parseVNPort(d []byte) VNPort {
	return VNPort{ethernet.MAC(d[2:]), fc.ID24(d[9:]), fc.Name(binary.BigEndian.Uint64(d[12:]))}
}

func (x *VNPort) append(dst []byte) []byte {
	dst = append(head(dst, TypeVNPort), x.MAC[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(x.ID)&fc.MaxID)
	return binary.BigEndian.AppendUint64(dst, uint64(x.Port))
}

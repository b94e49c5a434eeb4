package fip

import (
	"encoding/binary"
	"time"
)

// An Advertise is an FKA_ADV_PERIOD descriptor (FC-BB-6 "FKA_ADV_PERIOD descriptor"): how often a fabric advertises, and ports keep
// alive.
type Advertise struct {
	NoKeepAlive bool   // D: the fabric wants none from ports
	Period      uint32 // ms
}

// MakeAdvertise is one of that period.
func MakeAdvertise(d time.Duration) Advertise {
	return Advertise{Period: uint32(min(d.Milliseconds(), 1<<32-1))}
}

// Time is the period.
func (x Advertise) Time() time.Duration { return time.Duration(x.Period) * time.Millisecond }

func parseAdvertise(d []byte) Advertise {
	return Advertise{d[3]&1 != 0, binary.BigEndian.Uint32(d[4:])}
}

func (x *Advertise) append(dst []byte) []byte {
	flags := byte(0)
	if x.NoKeepAlive {
		flags = 1
	}
	return binary.BigEndian.AppendUint32(append(head(dst, TypeAdvertise), 0, flags), x.Period)
}

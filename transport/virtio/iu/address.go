package iu

import (
	"fmt"

	"github.com/lunette-io/lunette/scsi"
)

// AddressLen is the length of an Address in all structures.
const AddressLen = 8

// MaxLUN is the highest number of a logical unit that an Address has room for.
const MaxLUN = scsi.MaxFlatLUN

// An Address is the field lun of requests and events (virtio 1.3, 5.6.6.1): 1, the target's number, the first two bytes of the logical unit number, and zeros. Drivers read those of events
// another way than they write those of requests: see [EventAddress].
type Address [AddressLen]byte

// UnitAddress addresses a logical unit in a request, as drivers do: with flat space addressing whatever its number is. What is no number up to MaxLUN is taken as it is, as that of a well-known
// logical unit; only its first two bytes are.
func UnitAddress(target uint8, lun scsi.LUN) Address {
	a := EventAddress(target, lun)
	if n, ok := lun.Index(); ok && n <= MaxLUN {
		a[2] |= 0x40
	}
	return a
}

// EventAddress addresses a logical unit in an event. Linux takes the two bytes for the number as they are, and so numbers below 256 have to come with peripheral device addressing.
func EventAddress(target uint8, lun scsi.LUN) Address {
	lun = lun.Canonical()
	return Address{1, target, byte(lun >> 56), byte(lun >> 48)}
}

// Unit is what is addressed; false: nothing that there can be behind a host with one channel. The REPORT LUNS well-known logical unit of a host without a target (C1 01 in the first bytes) is none, and
// of logical unit numbers that are longer than two bytes there is only that of a target.
func (a Address) Unit() (target uint8, lun scsi.LUN, ok bool) {
	if a[0] != 1 || a[4]|a[5]|a[6]|a[7] != 0 || a[2] >= 0x80 && a[2] != 0xc1 {
		return 0, 0, false
	}
	return a[1], (scsi.LUN(a[2])<<56 | scsi.LUN(a[3])<<48).Canonical(), true
}

// String is target/unit, or the bytes.
func (a Address) String() string {
	if target, lun, ok := a.Unit(); ok {
		return fmt.Sprintf("%d/%v", target, lun)
	}
	return fmt.Sprintf("%x", a[:])
}

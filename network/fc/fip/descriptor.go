package fip

import (
	"fmt"
	"strings"
)

// A DescriptorType says what a descriptor is (FC-BB-6 "FIP descriptors").
type DescriptorType uint8

// Types of descriptors.
const (
	TypePriority  DescriptorType = 1
	TypeMAC       DescriptorType = 2
	TypeMap       DescriptorType = 3
	TypeName      DescriptorType = 4
	TypeFabric    DescriptorType = 5
	TypeMaxSize   DescriptorType = 6
	TypeFLOGI     DescriptorType = 7
	TypeFDISC     DescriptorType = 8
	TypeLOGO      DescriptorType = 9
	TypeELP       DescriptorType = 10
	TypeVNPort    DescriptorType = 11
	TypeAdvertise DescriptorType = 12
	TypeVendor    DescriptorType = 13
	TypeVLAN      DescriptorType = 14
	TypeFC4       DescriptorType = 15
	// FirstUncritical is the first of those that may be passed over by who does not know them.
	FirstUncritical DescriptorType = 128
)

var names = [...]string{
	TypePriority: "priority", TypeMAC: "MAC address", TypeMap: "FC-MAP", TypeName: "name", TypeFabric: "fabric", TypeMaxSize: "max FCoE size",
	TypeFLOGI: "FLOGI", TypeFDISC: "FDISC", TypeLOGO: "LOGO", TypeELP: "ELP", TypeVNPort: "VN_Port identification",
	TypeAdvertise: "FKA_ADV_PERIOD", TypeVendor: "vendor ID", TypeVLAN: "VLAN", TypeFC4: "FC-4 attributes",
}

// String is the name in the standard.
func (t DescriptorType) String() string {
	if int(t) < len(names) && names[t] != "" {
		return names[t] + " descriptor"
	}
	return fmt.Sprintf("descriptor %d", uint8(t))
}

// words is how long such a descriptor is, in words of four bytes; at least, of those that have an ELS in them. 0: it is not known.
func (t DescriptorType) words() int {
	switch t {
	case TypePriority, TypeMaxSize, TypeVLAN:
		return 1
	case TypeMAC, TypeMap, TypeAdvertise:
		return 2
	case TypeName, TypeVendor:
		return 3
	case TypeFabric:
		return 4
	case TypeVNPort:
		return 5
	case TypeFC4:
		return 41
	case TypeFLOGI, TypeFDISC, TypeLOGO, TypeELP:
		return linkWords
	}
	return 0
}

// link reports that a frame header and an ELS are in it.
func (t DescriptorType) link() bool { return t >= TypeFLOGI && t <= TypeELP }

// A Set is several types of descriptors.
type Set uint32

// SetOf is the set of the types.
func SetOf(all ...DescriptorType) (s Set) {
	for _, t := range all {
		s |= 1 << t
	}
	return s
}

// Has reports that t is one of them.
func (s Set) Has(t DescriptorType) bool { return t < 32 && s>>t&1 != 0 }

// String is their names.
func (s Set) String() string {
	var all []string
	for t := DescriptorType(0); t < 32; t++ {
		if s.Has(t) {
			all = append(all, t.String())
		}
	}
	return strings.Join(all, ", ")
}

// head appends type and length.
func head(dst []byte, t DescriptorType) []byte { return append(dst, byte(t), byte(t.words())) }

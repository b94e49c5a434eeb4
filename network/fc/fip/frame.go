package fip

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
)

// HeaderLen is how many bytes a frame has before its descriptors.
const HeaderLen = 10

// version is that of FC-BB-5 and FC-BB-6, in the upper four bits.
const version = 1

// A Frame is a frame: its kind, and what its descriptors say.
type Frame struct {
	Kind  Kind
	Flags Flags
	// Has says which of the descriptors below are there.
	Has Set

	Priority uint8 // the less, the better
	// MAC is the first MAC descriptor, and Forward a second one, if Forwarded says that there is: replies to logins alone may have it.
	MAC       ethernet.MAC
	Forwarded bool
	Forward   ethernet.MAC
	Map       uint32 // FC-MAP
	Name      fc.Name
	Fabric    Fabric
	MaxSize   uint16 // of FC frames with all that FCoE puts around them, behind the EtherType: see [MaxSizeOf]
	Link      Link
	VNPorts   []VNPort // one, but for clear virtual links
	Advertise Advertise
	Vendor    uint64
	VLANs     []uint16
	FC4       FC4
}

// Parse reads a frame, which begins behind the EtherType. It refuses what Linux refuses: another version; lists that are longer than the
// frame; descriptors of no length, of another length than theirs, or that reach beyond the list; a critical one that is there
// twice, or is not known; frames that lack what their kind must have. Link refers to b. The memory of VNPorts and VLANs is used again.
func (x *Frame) Parse(b []byte) error {
	*x = Frame{VNPorts: x.VNPorts[:0], VLANs: x.VLANs[:0]}
	if len(b) < HeaderLen {
		return malformed("%d bytes", len(b))
	}
	if b[0]>>4 != version {
		return malformed("version %d", b[0]>>4)
	}
	x.Kind = Kind{binary.BigEndian.Uint16(b[2:]), b[5]}
	x.Flags = Flags(binary.BigEndian.Uint16(b[8:]))
	r, ok := ruleOf(x.Kind)
	if !ok {
		return malformed("%v is not known", x.Kind)
	}
	list := b[HeaderLen:]
	if n := 4 * int(binary.BigEndian.Uint16(b[6:])); n > len(list) {
		return malformed("%v: %d bytes of descriptors in %d", x.Kind, n, len(list))
	} else {
		list = list[:n]
	}
	for i := 0; len(list) > 0; i++ {
		n := 4 * int(list[1])
		if n == 0 || n > len(list) {
			return malformed("%v: a descriptor of %d bytes in %d", x.Kind, n, len(list))
		}
		if err := x.add(i, list[:n:n], r); err != nil {
			return err
		}
		list = list[n:]
	}
	if lacks := r.needs &^ x.Has; lacks != 0 {
		return malformed("%v: it lacks %v", x.Kind, lacks)
	}
	if r.needs == 0 {
		return x.checkLink()
	}
	return nil
}

// add takes the i-th descriptor of the list.
func (x *Frame) add(i int, d []byte, r rule) error {
	t := DescriptorType(d[0])
	if t >= FirstUncritical {
		return nil
	}
	if want := t.words(); want == 0 {
		return malformed("%v: %v is not known", x.Kind, t)
	} else if got := int(d[1]); got != want && !(t.link() && got >= want) {
		return malformed("%v: %v of %d words", x.Kind, t, got)
	}
	again := x.Has.Has(t) && !r.many.Has(t)
	if t == TypeMAC && x.Has.Has(t) && r.macs > 1 && !x.Forwarded {
		again = false
	}
	if again {
		return malformed("%v: %v is there twice", x.Kind, t)
	}
	if t.link() && i != 0 {
		return malformed("%v: %v is not the first descriptor", x.Kind, t)
	}
	switch t {
	case TypePriority:
		x.Priority = d[3]
	case TypeMAC:
		if x.Has.Has(t) {
			x.Forwarded, x.Forward = true, ethernet.MAC(d[2:])
		} else {
			x.MAC = ethernet.MAC(d[2:])
		}
	case TypeMap:
		x.Map = uint32(fc.ID24(d[5:]))
	case TypeName:
		x.Name = fc.Name(binary.BigEndian.Uint64(d[4:]))
	case TypeFabric:
		x.Fabric = parseFabric(d)
	case TypeMaxSize:
		x.MaxSize = binary.BigEndian.Uint16(d[2:])
	case TypeFLOGI, TypeFDISC, TypeLOGO, TypeELP:
		x.Link = parseLink(d)
	case TypeVNPort:
		x.VNPorts = append(x.VNPorts, parseVNPort(d))
	case TypeAdvertise:
		x.Advertise = parseAdvertise(d)
	case TypeVendor:
		x.Vendor = binary.BigEndian.Uint64(d[4:])
	case TypeVLAN:
		x.VLANs = append(x.VLANs, binary.BigEndian.Uint16(d[2:])&0xfff)
	case TypeFC4:
		x.FC4 = parseFC4(d)
	}
	x.Has |= SetOf(t)
	return nil
}

// Append appends the frame: the descriptors that Has names, in the order that Linux expects.
func (x *Frame) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, version<<4, 0)
	dst = binary.BigEndian.AppendUint16(dst, x.Kind.Op)
	dst = append(dst, 0, x.Kind.Sub, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(x.Flags))
	for _, t := range [...]DescriptorType{TypeFLOGI, TypeFDISC, TypeLOGO, TypeELP} {
		if x.Has.Has(t) {
			dst = x.Link.append(dst, t)
			break
		}
	}
	if x.Has.Has(TypePriority) {
		dst = append(head(dst, TypePriority), 0, x.Priority)
	}
	if x.Has.Has(TypeMAC) {
		dst = append(head(dst, TypeMAC), x.MAC[:]...)
		if x.Forwarded {
			dst = append(head(dst, TypeMAC), x.Forward[:]...)
		}
	}
	if x.Has.Has(TypeMap) {
		dst = append(head(dst, TypeMap), 0, 0, 0, byte(x.Map>>16), byte(x.Map>>8), byte(x.Map))
	}
	if x.Has.Has(TypeName) {
		dst = binary.BigEndian.AppendUint64(append(head(dst, TypeName), 0, 0), uint64(x.Name))
	}
	if x.Has.Has(TypeFabric) {
		dst = x.Fabric.append(dst)
	}
	if x.Has.Has(TypeAdvertise) {
		dst = x.Advertise.append(dst)
	}
	if x.Has.Has(TypeVNPort) {
		for i := range x.VNPorts {
			dst = x.VNPorts[i].append(dst)
		}
	}
	if x.Has.Has(TypeFC4) {
		dst = x.FC4.append(dst)
	}
	if x.Has.Has(TypeMaxSize) {
		dst = binary.BigEndian.AppendUint16(head(dst, TypeMaxSize), x.MaxSize)
	}
	if x.Has.Has(TypeVendor) {
		dst = binary.BigEndian.AppendUint64(append(head(dst, TypeVendor), 0, 0), x.Vendor)
	}
	if x.Has.Has(TypeVLAN) {
		for _, v := range x.VLANs {
			dst = binary.BigEndian.AppendUint16(head(dst, TypeVLAN), v&0xfff)
		}
	}
	binary.BigEndian.PutUint16(dst[start+6:], uint16((len(dst)-start-HeaderLen)/4))
	return dst
}

// Pad appends zeros until the frame, which begins at start, has n bytes.
func Pad(dst []byte, start, n int) []byte {
	for len(dst)-start < n {
		dst = append(dst, 0)
	}
	return dst
}

package passthrough

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// minVPD is the version of SPC from which on a device is asked for VPD pages: older ones are known that choke on it.
const minVPD = 3

// mostAttentions is how many unit attentions a device may report one after the other before it is taken as it is.
const mostAttentions = 8

// learnFirst asks a device that has just been opened for all that has to be known of it. The unit attentions that it reports are those
// of whoever has come back, or of nobody yet: they are told to nobody.
func (p *path) learnFirst(l *link) (*facts, error) {
	f, err := p.identify(l)
	if err != nil {
		return nil, err
	}
	p.attentions(l)
	p.measure(l, f)
	return f, nil
}

// learn asks the device anew, and tells all initiators what has changed, but for what told says that they know.
func (p *path) learn(l *link, told []scsi.ASC) {
	f, err := p.identify(l)
	if err != nil {
		return // its end is noticed elsewhere
	}
	for _, a := range p.attentions(l) {
		if !knows(told, a) {
			p.policy.tell(a, nil)
			told = append(told, a)
		}
	}
	was := p.medium
	p.measure(l, f)
	p.policy.learned(f)
	if p.medium != was && was.blocks > 0 && p.medium.blocks > 0 && !knows(told, scsi.ASCCapacityDataChanged) && !knows(told, scsi.ASCMediumMayHaveChanged) {
		p.policy.nexuses.Announce(scsi.ASCCapacityDataChanged, nil)
	}
}

// knows reports that a, or what includes it, is among told: a device that was reset says so in more than one way.
func knows(told []scsi.ASC, a scsi.ASC) bool {
	for _, b := range told {
		if a == b || a.Code() == b.Code() && a.Code() == scsi.ASCPowerOnResetOrBusDeviceReset.Code() {
			return true
		}
	}
	return false
}

// identify asks who the device is.
func (p *path) identify(l *link) (*facts, error) {
	r := p.ask(l, cdb.Inquiry{Allocation: 252}.Append(nil), 252)
	switch {
	case !r.Executed():
		return nil, fmt.Errorf("%s does not answer INQUIRY: %w", l.info.Node, failure(&r))
	case r.Status != scsi.Good || len(r.data) < 36:
		return nil, fmt.Errorf("%s does not answer INQUIRY: %v, %d bytes", l.info.Node, r.Status, len(r.data))
	case r.data[0]>>5 != byte(scsi.Connected):
		return nil, fmt.Errorf("%s has no device behind it (peripheral qualifier %d)", l.info.Node, r.data[0]>>5)
	}
	f := &facts{standard: r.data, maxTransfer: maxTransfer}
	if l.info.MaxTransfer > 0 {
		f.maxTransfer = min(f.maxTransfer, l.info.MaxTransfer)
	}
	f.identity = scsi.Identity{
		Type: scsi.PeripheralType(r.data[0] & 0x1f), Removable: r.data[1]&0x80 != 0,
		Vendor: text(r.data[8:16]), Product: text(r.data[16:32]), Revision: text(r.data[32:36]),
	}
	if r.data[2]&7 >= minVPD {
		f.page00 = p.vpd(l, page.VPDSupported)
		f.page80 = p.vpd(l, page.VPDUnitSerial)
		f.page83 = p.vpd(l, page.VPDIdentification)
	}
	if f.page80 != nil {
		f.identity.Serial = text(f.page80[4:])
	}
	f.identity.NAA = nameOf(f)
	return f, nil
}

// failure is what the host has said, as an error.
func failure(r *reply) error {
	if r.Err != nil {
		return r.Err
	}
	return errHost{r.Host}
}

// vpd is a VPD page, whole and at least its header; nil if the device has none.
func (p *path) vpd(l *link, code byte) []byte {
	for n := 252; ; {
		r := p.ask(l, cdb.Inquiry{VPD: true, Page: code, Allocation: uint16(n)}.Append(nil), n)
		if !r.good() || len(r.data) < 4 || r.data[1] != code {
			return nil
		}
		whole := 4 + int(binary.BigEndian.Uint16(r.data[2:]))
		if whole <= len(r.data) {
			return r.data[:whole]
		}
		if n >= min(whole, 0xffff) {
			return nil // it does not give what it says
		}
		n = min(whole, 0xffff)
	}
}

// text is what a field of INQUIRY data says, without padding.
func text(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return -1
		}
		return r
	}, string(b)))
}

// nameOf is the name of the device, of the form that all units have: its own of NAA format 6, or else one that follows from what it calls itself, and is
// always the same, by whichever of its ports it is reached.
func nameOf(f *facts) scsi.NAA {
	if len(f.page83) > 0 {
		if all, err := page.ParseIdentification(f.page83); err == nil {
			for _, d := range all {
				if d.Association == page.OfUnit && d.Type == page.DesignatorNAA && len(d.Data) == len(scsi.NAA{}) && d.Data[0]>>4 == 6 {
					return scsi.NAA(d.Data)
				}
			}
		}
	}
	id := &f.identity
	return scsi.NAA6(strings.Join([]string{"passthrough", id.Vendor, id.Product, id.Serial, string(bytes.Join(f.names(), nil))}, "\x00"))
}

// attentions lets the device report what unit attentions are pending for this host.
func (p *path) attentions(l *link) (all []scsi.ASC) {
	for range mostAttentions {
		r := p.ask(l, cdb.AppendTestUnitReady(nil), 0)
		a, ok := r.attention()
		if !ok {
			break
		}
		all = append(all, a)
	}
	return all
}

// measure asks for what may change with the medium, and for time-outs. A device that does not answer some of it has none of that.
func (p *path) measure(l *link, f *facts) {
	f.descriptor, f.blockSize, p.medium = false, 0, medium{}
	sensed := cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: page.ModeControl, Allocation: 252}
	if r := p.ask(l, sensed.Append(nil), 252); r.good() && len(r.data) >= 4 {
		b := r.data[4:]
		descriptors := int(r.data[3])
		if descriptors >= 8 && len(b) >= 8 {
			f.blockSize = binary.BigEndian.Uint32(b[4:]) & 0xffffff
		}
		if len(b) >= descriptors {
			if c, ok := page.ParseControl(b[descriptors:min(len(b), descriptors+12)]); ok {
				f.descriptor = c.DescriptorSense
			}
		}
	}
	if hasBlocks(f.identity.Type) || f.identity.Type == scsi.TypeOptical {
		p.capacity(l, f)
	}
	codes := p.ask(l, cdb.ReportOpcodes{Timeouts: true, Allocation: maxOwn}.Append(nil), maxOwn)
	var all timeouts
	if codes.good() {
		all = parseTimeouts(codes.data)
	}
	p.times.Store(&all)
}

// A medium is how large the medium of a device with logical blocks was when it was asked last; zeros: nobody knows.
type medium struct {
	blocks uint64
	size   uint32
}

// capacity asks how many blocks there are, and how large they are.
func (p *path) capacity(l *link, f *facts) {
	f.blockSize = 0
	r := p.ask(l, cdb.ReadCapacity{Opcode: scsi.OpReadCapacity10}.Append(nil), 8)
	if !r.good() || len(r.data) < 8 {
		return
	}
	p.medium = medium{uint64(binary.BigEndian.Uint32(r.data)) + 1, binary.BigEndian.Uint32(r.data[4:])}
	f.blockSize = p.medium.size
	if p.medium.blocks <= 0xffffffff {
		return
	}
	long := p.ask(l, cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), 32)
	if long.good() && len(long.data) >= 12 {
		p.medium = medium{binary.BigEndian.Uint64(long.data) + 1, binary.BigEndian.Uint32(long.data[8:])}
		f.blockSize = p.medium.size
	}
}

// errNoDevice is what wraps the reason that a unit cannot be made.
var errNoDevice = errors.New("no device to pass commands to")

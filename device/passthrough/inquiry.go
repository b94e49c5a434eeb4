package passthrough

import (
	"encoding/binary"
	"slices"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// VPD pages (SPC-5 7.7) that say something of the device's ports, which are not the unit's, or of what is not given.
const (
	vpdPorts          = 0x88 // SCSI Ports
	vpdThirdPartyCopy = 0x8f
	vpdProtocolPorts  = 0x91 // Protocol Specific Port Information
)

// inquiry is INQUIRY (SPC-5 6.7). Pages of which lunette keeps the device's are answered from memory, also when the device is gone; all others are the device's, which is asked
// with the initiator's own CDB, so that it says what it would.
func (p *policy) inquiry(t *target.Task, _ *rule) {
	c, err := cdb.ParseInquiry(t.CDB)
	if err != nil {
		p.failWith(t, err)
		return
	}
	f := p.facts()
	switch {
	case !c.VPD || c.CmdDT:
		p.standardInquiry(t, c, f)
	case f.page00 == nil: // a device without VPD pages, or that did not say
		p.passInquiry(t, c)
	case c.Page == page.VPDSupported:
		p.reply(t, p.vpdList(f), uint32(c.Allocation))
	case c.Page == page.VPDUnitSerial && f.page80 != nil:
		p.reply(t, f.page80, uint32(c.Allocation))
	case c.Page == page.VPDIdentification:
		p.reply(t, identification(f, t.Nexus().Port), uint32(c.Allocation))
	case c.Page == page.VPDModePagePolicy: // one set of mode pages for all, since the device knows one initiator
		p.reply(t, page.AppendModePolicies(nil, peripheral(f), page.ModePolicy{Page: 0x3f, Subpage: 0xff}), uint32(c.Allocation))
	case p.hidden(c.Page):
		p.fail(t, scsi.InvalidFieldInCDB(2, -1))
	default:
		p.passInquiry(t, c)
	}
}

// standardInquiry is INQUIRY without EVPD.
func (p *policy) standardInquiry(t *target.Task, c cdb.Inquiry, f *facts) {
	edit := func(data []byte) {
		p.editStandard(data, t.Nexus().Port)
		p.reply(t, data, uint32(c.Allocation))
	}
	ask, room := t.CDB, int(c.Allocation)
	if room > versionsAt && room < versionsEnd { // what version descriptors there are is not seen in a part of them
		room = versionsEnd
		ask = cdb.Inquiry{CmdDT: c.CmdDT, Page: c.Page, Allocation: versionsEnd}.Append(nil)
	}
	p.line.own(ask, room, func(a *answer) {
		p.heard(t.ITL(), a)
		switch {
		case a.good():
			edit(a.data)
		case !a.Executed() && f.standard != nil && !c.CmdDT && c.Page == 0:
			edit(slices.Clone(f.standard))
		default:
			p.repeat(t, a)
		}
	})
}

// passInquiry is INQUIRY for a page that is the device's.
func (p *policy) passInquiry(t *target.Task, c cdb.Inquiry) {
	p.ask(t, t.CDB, int(c.Allocation), func(data []byte) {
		if len(data) > 1 && data[1] == c.Page {
			p.editVPD(c.Page, data, t.Nexus().Port)
		}
		p.reply(t, data, uint32(c.Allocation))
	})
}

// peripheral is the first byte of INQUIRY data.
func peripheral(f *facts) page.Peripheral { return page.PeripheralOf(f.identity.Type) }

// hidden reports the pages that are not given.
func (p *policy) hidden(code byte) bool {
	switch code {
	case vpdPorts, vpdProtocolPorts:
		return true
	case vpdThirdPartyCopy:
		return !p.allows(thirdParty)
	}
	return false
}

// vpdList is page 00h: the device's list without what is not given, with what is lunette's.
func (p *policy) vpdList(f *facts) []byte {
	codes := []byte{page.VPDSupported, page.VPDIdentification, page.VPDModePagePolicy}
	if b := f.page00; len(b) > 4 {
		codes = append(codes, slices.DeleteFunc(slices.Clone(b[4:]), p.hidden)...)
	}
	return page.AppendSupportedVPD(nil, peripheral(f), codes...)
}

// identification is page 83h: the device's names of the logical unit bit for bit, and ours of the port and the target.
func identification(f *facts, port *target.Port) []byte {
	all := f.names()
	named := len(all) > 0
	for _, d := range device.Designators(f.identity, port) {
		// A device that has no name at all is called by its serial number.
		if d.Association != page.OfUnit || !named && d.Type == page.DesignatorT10Vendor && f.identity.Serial != "" {
			all = append(all, d.Append(nil))
		}
	}
	data := page.AppendIdentification(nil, peripheral(f))
	for _, d := range all {
		if len(data)+len(d) > 0xffff {
			break
		}
		data = append(data, d...)
	}
	binary.BigEndian.PutUint16(data[2:], uint16(len(data)-4))
	return data
}

// editStandard changes standard INQUIRY data, of any length, in place: what the initiator gets is not what the device is, but what it is by this way (SPC-5 6.7.2).
func (p *policy) editStandard(b []byte, port *target.Port) {
	mask := func(at int, and, or byte) {
		if at < len(b) {
			b[at] = b[at]&and | or
		}
	}
	mask(0, 0x1f, byte(scsi.Connected)<<5)
	mask(1, 0xbf, 0) // LU_CONG
	mask(3, 0x0f, 0) // AERC and TrmTsk of old, NORMACA, HISUP
	copies := byte(0)
	if p.allows(thirdParty) {
		copies = 0x08
	}
	mask(5, 0x86|copies, 0) // ACC, TPGS, 3PC, PROTECT
	mask(6, 0x68, 0)        // BQUE, MULTIP and ADDR16 of a parallel bus; ENCSERV, the vendor's bit and MCHNGR stay
	mask(7, 0x01, 0x02)     // RELADR, WBUS, SYNC, LINKED, SFTRE; CMDQUE
	mask(56, 0, 0)          // of a parallel bus
	if len(b) >= versionsEnd && int(b[4])+5 >= versionsEnd {
		versions(b[versionsAt:versionsEnd], port)
	}
}

// Where version descriptors are in standard INQUIRY data.
const (
	versionsAt  = 58
	versionsEnd = 74
)

// versions changes version descriptors: those of transports are ours.
func versions(b []byte, port *target.Port) {
	var all []uint16
	for i := 0; i < len(b); i += 2 {
		if v := binary.BigEndian.Uint16(b[i:]); v != 0 && !ofTransport(v) && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	switch port.Protocol {
	case scsi.ProtocolISCSI:
		all = append(all, page.DescriptorISCSI)
	case scsi.ProtocolSRP:
		all = append(all, descriptorSRP)
	}
	clear(b)
	for i, v := range all[:min(len(all), len(b)/2)] {
		binary.BigEndian.PutUint16(b[2*i:], v)
	}
}

// descriptorSRP is the version descriptor of SRP (SPC-5 table 154).
const descriptorSRP = 0x0940

// ofTransport reports version descriptors of SCSI transport protocols, and of what they go over: SSA, FC, 1394, SRP, iSCSI, SAS, parallel SCSI, ADT, ATA, USB, SPL, SOP, PQI.
func ofTransport(v uint16) bool {
	return v >= 0x0820 && v < 0x1ea0 || v >= 0x2000 && v < 0x3000
}

// editVPD changes a page of the device in place; it may be cut anywhere.
func (p *policy) editVPD(code byte, b []byte, _ *target.Port) {
	b[0] = peripheral(p.facts()).Byte()
	switch {
	case code == page.VPDExtendedInquiry:
		editExtended(b)
	case code == page.VPDBlockLimits && hasBlocks(p.facts().identity.Type):
		p.lowerLimits(b)
	}
}

// editExtended changes page 86h (SPC-5 7.7.7): there is no protection information by this way, task attributes and unit attentions are the target's, and microcode is
// nobody's business but the initiator's that downloads it.
func editExtended(b []byte) {
	mask := func(at int, and, or byte) {
		if at < len(b) {
			b[at] = b[at]&and | or
		}
	}
	mask(4, 0xc0, 0)    // SPT, GRD_CHK, APP_CHK, REF_CHK
	mask(5, 0x30, 0x07) // PRIOR_SUP; HEADSUP, ORDSUP, SIMPSUP
	mask(7, 0xce, 0x01) // NO_PI_CHK, P_I_I_SUP; LUICLR
	mask(9, 0xf0, 0)    // MULTI I_T NEXUS MICROCODE DOWNLOAD
}

// lowerLimits changes page B0h (SBC-4 6.6.4): no command moves more than the adapter does.
func (p *policy) lowerLimits(b []byte) {
	f := p.facts()
	if f.maxTransfer == 0 || f.blockSize == 0 {
		return
	}
	most := uint32(min(f.maxTransfer/int64(f.blockSize), 1<<32-1))
	lower := func(at int, none bool) {
		if at+4 > len(b) {
			return
		}
		if v := binary.BigEndian.Uint32(b[at:]); v > most || v == 0 && none {
			binary.BigEndian.PutUint32(b[at:], most)
		}
	}
	lower(8, true)   // MAXIMUM TRANSFER LENGTH: 0 is no limit
	lower(12, false) // OPTIMAL TRANSFER LENGTH
	if len(b) > 5 {
		b[5] = byte(min(uint32(b[5]), most/2)) // MAXIMUM COMPARE AND WRITE LENGTH
	}
	lower(44, false) // MAXIMUM ATOMIC TRANSFER LENGTH
	lower(56, false) // with atomic boundary
}

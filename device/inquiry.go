package device

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// inquiry is INQUIRY (SPC-5 6.7).
func (s *Server) inquiry(t *target.Task) {
	c, err := cdb.ParseInquiry(t.CDB)
	if err != nil {
		s.FailWith(t, err)
		return
	}
	var data []byte
	if !c.VPD {
		if c.Page != 0 {
			s.Fail(t, scsi.InvalidFieldInCDB(2, -1))
			return
		}
		data = s.standardInquiry(t.Nexus().Port)
	} else if data = s.vpd(c.Page, t.Nexus().Port); data == nil {
		s.Fail(t, scsi.InvalidFieldInCDB(2, -1))
		return
	}
	s.Reply(t, data, uint32(c.Allocation))
}

func (s *Server) standardInquiry(port *target.Port) []byte {
	id := s.Identity()
	versions := []uint16{page.DescriptorSAM5}
	if port.Protocol == scsi.ProtocolISCSI {
		versions = append(versions, page.DescriptorISCSI)
	}
	versions = append(append(versions, page.DescriptorSPC4), s.cfg.Versions...)
	i := page.Inquiry{
		Peripheral:   s.peripheral(),
		Removable:    id.Removable,
		Version:      scsi.VersionSPC4,
		CommandQueue: true,
		Vendor:       id.Vendor, Product: id.Product, Revision: id.Revision,
		Versions: versions,
	}
	if s.cfg.Inquiry != nil {
		s.cfg.Inquiry(&i)
	}
	return i.Append(nil)
}

// peripheral is the first byte of INQUIRY data.
func (s *Server) peripheral() page.Peripheral {
	p := page.PeripheralOf(s.Identity().Type)
	if s.cfg.Nameless {
		p.Qualifier = scsi.Disconnected
	}
	return p
}

// vpd returns a VPD page, or nil.
func (s *Server) vpd(code byte, port *target.Port) []byte {
	id := s.Identity()
	p := s.peripheral()
	if s.cfg.Nameless {
		if code == page.VPDSupported {
			return page.AppendSupportedVPD(nil, p, page.VPDSupported)
		}
		return nil
	}
	for _, v := range s.cfg.VPD {
		if v.Code == code {
			return v.Append(nil, p)
		}
	}
	if slices.Contains(s.cfg.OmitVPD, code) {
		return nil
	}
	switch code {
	case page.VPDSupported:
		return page.AppendSupportedVPD(nil, p, s.vpdCodes()...)
	case page.VPDUnitSerial:
		return page.AppendUnitSerial(nil, p, id.Serial)
	case page.VPDIdentification:
		all := Designators(id, port)
		if s.cfg.Designator != nil {
			all[1] = s.cfg.Designator(id)
		}
		return page.AppendIdentification(nil, p, all...)
	case page.VPDExtendedInquiry:
		e := page.ExtendedInquiry{
			Simple: true, Ordered: true, HeadOfQueue: true, UnitClear: true, VolatileCache: s.cfg.VolatileCache,
		}
		if s.cfg.Extended != nil {
			s.cfg.Extended(&e)
		}
		return e.Append(nil, p)
	case page.VPDModePagePolicy:
		return page.AppendModePolicies(nil, p, s.modes.policies()...)
	}
	return nil
}

// vpdCodes are the pages that there are.
func (s *Server) vpdCodes() []byte {
	codes := slices.DeleteFunc([]byte{
		page.VPDSupported, page.VPDUnitSerial, page.VPDIdentification, page.VPDExtendedInquiry, page.VPDModePagePolicy,
	}, func(code byte) bool { return slices.Contains(s.cfg.OmitVPD, code) })
	for _, v := range s.cfg.VPD {
		codes = append(codes, v.Code)
	}
	return codes
}

// Designators name the unit, by its NAA and then by vendor, product and serial number, then the port that the command came through, then the
// target device: VPD page 83h (SPC-5 7.7.6).
func Designators(id scsi.Identity, port *target.Port) []page.Designator {
	all := []page.Designator{
		page.NAADesignator(id.NAA),
		page.T10Designator(id.Vendor, id.Product+" "+id.Serial),
		page.RelativePortDesignator(port.Protocol, port.Relative),
	}
	if port.Group != 0 {
		all = append(all, page.PortGroupDesignator(port.Protocol, port.Group))
	}
	if naa, ok := worldwideName(port.Name); ok {
		all = append(all, page.PortNameDesignator(port.Protocol, naa))
	}
	if isSCSIName(port.Name) {
		all = append(all, page.SCSINameDesignator(page.OfPort, port.Protocol, port.Name))
	}
	if isSCSIName(port.Target.Name) {
		all = append(all, page.SCSINameDesignator(page.OfDevice, port.Protocol, port.Target.Name))
	}
	return all
}

// worldwideName is the name of 64 bits in a SCSI name string of that kind, as ports of Fibre Channel have it.
func worldwideName(name string) (naa [8]byte, ok bool) {
	digits, found := strings.CutPrefix(name, "naa.")
	if !found || len(digits) != 2*len(naa) {
		return naa, false
	}
	_, err := hex.Decode(naa[:], []byte(digits))
	return naa, err == nil
}

// isSCSIName reports a name that SPC-5 7.7.6.11 allows in a SCSI name string.
func isSCSIName(name string) bool {
	for _, prefix := range []string{"iqn.", "eui.", "naa."} {
		if strings.HasPrefix(name, prefix) {
			return len(name) < 250
		}
	}
	return false
}

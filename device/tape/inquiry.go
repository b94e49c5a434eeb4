package tape

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

// Version descriptors of the standards of sequential-access devices (SPC-5 table 154).
const (
	descriptorSPC3 = 0x0300
	descriptorSSC3 = 0x0400
	descriptorSSC4 = 0x0520
)

// shapeInquiry makes standard INQUIRY data that of the model.
func (d *Drive) shapeInquiry(i *page.Inquiry) {
	m := &d.cfg.Model
	i.Length, i.Protect = m.Length, len(m.Protection) > 0
	if m.Version != 0 {
		i.Version = scsi.Version(m.Version)
	}
	if i.Version < scsi.VersionSPC4 {
		i.Versions = append(slices.DeleteFunc(i.Versions, func(v uint16) bool { return v == page.DescriptorSPC4 }), descriptorSPC3, descriptorSSC3)
	} else {
		i.Versions = append(i.Versions, descriptorSSC4)
	}
}

// shapeExtended says in VPD page 86h that logical block protection is there.
func (d *Drive) shapeExtended(e *page.ExtendedInquiry) {
	if len(d.cfg.Model.Protection) > 0 {
		e.ProtectionTypes = 1 // what SPT is for sequential-access devices (SPC-5 table 512)
	}
}

// IBM's VPD pages.
const (
	vpdFirmware  = 0xc0
	vpdIBMSerial = 0xc1
)

// vpd are the VPD pages of a drive.
func (d *Drive) vpd() []device.VPD {
	m, id := &d.cfg.Model, &d.cfg.Identity
	all := []device.VPD{
		{Code: page.VPDSequential, Append: func(dst []byte, p page.Peripheral) []byte { return page.AppendSequential(dst, p, m.WORM) }},
		{Code: page.VPDMakerSerial, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.AppendSpecificVPD(dst, p, page.VPDMakerSerial, []byte(id.Serial))
		}},
		{Code: page.VPDTapeAlert, Append: func(dst []byte, p page.Peripheral) []byte { return page.AppendTapeAlerts(dst, p, 1<<64-1) }},
	}
	if d.cfg.Library != "" {
		all = append(all, device.VPD{Code: page.VPDAutomationSerial, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.AppendSpecificVPD(dst, p, page.VPDAutomationSerial, []byte(d.cfg.Library))
		}})
	}
	if len(m.Protection) > 0 {
		all = append(all, device.VPD{Code: page.VPDBlockProtection, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.AppendBlockProtection(dst, p, m.Protection...)
		}})
	}
	if strings.TrimSpace(id.Vendor) != "IBM" {
		return all
	}
	return append(all,
		device.VPD{Code: vpdFirmware, Append: func(dst []byte, p page.Peripheral) []byte {
			// Code level (4), time (7), date (8) and what it is for (20).
			return page.AppendSpecificVPD(dst, p, vpdFirmware, fmt.Appendf(nil, "%-4.4s%7s%8s%-20s", id.Revision, "000000 ", "20200101", ""))
		}},
		device.VPD{Code: vpdIBMSerial, Append: func(dst []byte, p page.Peripheral) []byte {
			return page.AppendSpecificVPD(dst, p, vpdIBMSerial, fmt.Appendf(nil, "%-12.12s%-12.12s", id.Serial, id.Serial))
		}})
}

package changer

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/alert"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// logTemperature is a log page of SPC.
const logTemperature = 0x0d

// modePages are those of SMC. Where elements are is configuration: no page changes.
func (c *Changer) modePages(elements []Element) []*device.ModePage {
	var of [Drive + 1]page.ElementsOf
	a := c.model.Addresses
	of[Transport].First, of[Storage].First, of[Mail].First, of[Drive].First = a.Transport, a.Storage, a.Mail, a.Drive
	for _, e := range elements {
		t := &of[e.Type]
		if t.Count == 0 {
			t.First = e.Address
		}
		t.Count++
	}
	stores := byte(page.BitDrive | page.BitMail | page.BitStorage)
	can := page.ChangerCapabilities{Stores: stores, Moves: [4]byte{0, stores, stores, stores}}
	if !c.model.NoExchange {
		can.Exchanges = can.Moves
	}
	fixed := func(p []byte) *device.ModePage {
		changeable := make([]byte, len(p))
		copy(changeable, p[:2])
		return &device.ModePage{Default: p, Changeable: changeable}
	}
	pages := []*device.ModePage{
		fixed(page.ElementAddresses{Transports: of[Transport], Storage: of[Storage], ImportExport: of[Mail], Drives: of[Drive]}.Append(nil)),
		fixed(page.AppendTransportGeometry(nil, int(of[Transport].Count))),
		fixed(can.Append(nil)),
	}
	return pages
}

// logPages are those of SMC.
func (c *Changer) logPages() []device.LogPage {
	return []device.LogPage{
		{Code: logTemperature, Append: appendTemperature},
		{Code: page.LogChangerStatistics, Append: c.statistics.appendRobot, Reset: c.statistics.resetRobot},
		{Code: page.LogElementStatistics, Append: c.appendElements, Reset: c.statistics.resetElements},
		{Code: page.LogChangerDiagnostics, Append: func(dst []byte, _ *target.Unit) []byte {
			return page.AppendLogPage(dst, page.LogChangerDiagnostics, 0, nil) // nothing has needed a diagnosis
		}},
		{Code: alert.Page, Show: c.flags.Show, Thresholds: true},
	}
}

// appendTemperature appends log page 0Dh (SPC-5 7.3.21): nobody measures it.
func appendTemperature(dst []byte, _ *target.Unit) []byte {
	list := page.AppendLogParameter(nil, 0, page.LogBinaryList, 0, page.UnknownTemperature)
	list = page.AppendLogParameter(list, 1, page.LogBinaryList, 0, page.UnknownTemperature)
	return page.AppendLogPage(dst, logTemperature, 0, list)
}

package changer

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Log pages of SPC and SSC that a changer has too.
const (
	logTemperature = 0x0d
	logTapeAlert   = 0x2e
)

// tapeAlerts is how many TapeAlert flags there are.
const tapeAlerts = 64

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
		{Code: logTapeAlert, Show: c.showAlerts, Thresholds: true},
	}
}

// appendTemperature appends log page 0Dh (SPC-5 7.3.21): nobody measures it.
func appendTemperature(dst []byte, _ *target.Unit) []byte {
	list := page.AppendLogParameter(nil, 0, page.LogBinaryList, 0, page.UnknownTemperature)
	list = page.AppendLogParameter(list, 1, page.LogBinaryList, 0, page.UnknownTemperature)
	return page.AppendLogPage(dst, logTemperature, 0, list)
}

// showAlerts appends log page 2Eh, TapeAlert (SMC-3 7.2.6). A flag ends for an initiator when it has read it.
func (c *Changer) showAlerts(dst []byte, x *target.ITL, first uint16, room int) []byte {
	c.mu.Lock()
	p := c.of(x)
	flags := p.alerts
	var list []byte
	for f := uint16(1); f <= tapeAlerts; f++ {
		list = page.AppendLogParameter(list, f, page.LogBinaryList, byte(flags>>(f-1)&1))
		if end := 4 + 5*int(f-max(first, 1)+1); f >= first && end <= room {
			p.alerts &^= 1 << (f - 1)
		}
	}
	c.mu.Unlock()
	return page.AppendLogPage(dst, logTapeAlert, 0, list)
}

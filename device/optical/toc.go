package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// lastTime is the latest time that a table of contents can have, 255:59:74. It stands for all later ones of discs that are no CDs
// (MMC-6 6.25.3.2.7).
const lastTime = 0xff3b4a

// msf is the time of block lba: minutes, seconds and frames, of which there are 75 in a second. Block 0 is at 00:02:00. No time of a CD
// is behind 99:59:74; minutes above 99, and lastTime, are only those of other discs.
func msf(lba uint32) page.TOCAddress {
	n := uint64(lba) + 150
	m := n / 75 / 60
	if m > 255 {
		return lastTime
	}
	return page.TOCAddress(m<<16 | n/75%60<<8 | n%75)
}

// toc is READ TOC/PMA/ATIP data (MMC-6 6.25) of a disc with one data track. That of a DVD or BD is made up, as drives do for programs that
// know CDs. There is neither a program memory area nor a wobbled groove, and no text.
func (s shape) toc(c cdb.ReadTOC) ([]byte, error) {
	at := func(lba uint32) page.TOCAddress {
		if c.MSF {
			return msf(lba)
		}
		return page.TOCAddress(lba)
	}
	switch c.Format {
	case cdb.TOCTracks:
		first := page.TOCTrack{Control: page.TrackData, Number: 1, Start: at(0)}
		out := page.TOCTrack{Control: page.TrackData, Number: page.LeadOutTrack, Start: at(s.blocks)}
		switch {
		case c.Track <= 1:
			return page.AppendTOC(nil, 1, 1, first, out), nil
		case c.Track == page.LeadOutTrack:
			return page.AppendTOC(nil, 1, 1, out), nil
		}
		return nil, scsi.InvalidFieldInCDB(6, -1)
	case cdb.TOCSessions:
		return page.AppendSessions(nil, 1, 1, page.TOCTrack{Control: page.TrackData, Number: 1, Start: at(0)}), nil
	case cdb.TOCFull:
		if c.Track > 1 {
			return nil, scsi.InvalidFieldInCDB(6, -1)
		}
		entry := func(point uint8, at page.TOCAddress) page.TOCEntry {
			return page.TOCEntry{Session: 1, Control: page.TrackData, Point: point, At: at}
		}
		return page.AppendFullTOC(nil, 1, 1, entry(page.PointFirst, 1<<16|page.DiscKindCDROM<<8), entry(page.PointLast, 1<<16),
			entry(page.PointLeadOut, msf(s.blocks)), entry(1, msf(0))), nil
	}
	return nil, scsi.InvalidFieldInCDB(2, 3)
}

package devicetest

import (
	"bytes"
	"slices"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/transport/loopback"
)

func readLog(l cdb.LogSense) []byte {
	l.Control, l.Allocation = cdb.LogCumulative, 1024
	return l.Append(nil)
}

// logCodes are the pages and subpages that page 00h/FFh lists.
func (b *bench) logCodes(s *loopback.Session) (all []page.LogCode) {
	b.Helper()
	list := b.good(s, readLog(cdb.LogSense{Subpage: cdb.AllSubpages}), nil, 1024)
	if list[0] != 0x40 || list[1] != cdb.AllSubpages {
		b.Fatalf("supported pages and subpages: %x", list)
	}
	for c := range slices.Chunk(list[4:], 2) {
		all = append(all, page.LogCode{Page: c[0], Subpage: c[1]})
	}
	return all
}

// logs: each page that page 00h lists can be read, from any parameter on, and so can each
// subpage; the lists agree.
func (b *bench) logs() {
	s := b.login(1, loopback.Options{})
	codes := b.logCodes(s)
	var pages []byte
	subpages := make(map[byte][]byte)
	for _, c := range codes {
		if !slices.Contains(pages, c.Page) {
			pages = append(pages, c.Page)
		}
		subpages[c.Page] = append(subpages[c.Page], c.Page, c.Subpage)
		p := b.good(s, readLog(cdb.LogSense{Page: c.Page, Subpage: c.Subpage}), nil, 1024)
		if p[0]&0x3f != c.Page || p[1] != c.Subpage || (p[0]&0x40 != 0) != (c.Subpage != 0) || int(p[2])<<8|int(p[3]) != len(p)-4 {
			b.Errorf("page %+v: %x", c, p)
		}
		if c.Page != 0 && c.Subpage != cdb.AllSubpages {
			b.logParameters(s, c, p)
		}
	}
	if list := b.good(s, readLog(cdb.LogSense{}), nil, 1024); list[0] != 0 || !bytes.Equal(list[4:], pages) {
		b.Errorf("supported pages: %x, want %x", list, pages)
	}
	for code, want := range subpages {
		c := readLog(cdb.LogSense{Page: code, Subpage: cdb.AllSubpages})
		switch {
		case code == 0:
		case len(want) == 2: // no subpages
			b.fails(s, c, nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
		default:
			if list := b.good(s, c, nil, 1024); !bytes.Equal(list[4:], want) {
				b.Errorf("subpages of %02x: %x, want %x", code, list, want)
			}
		}
		b.fails(s, readLog(cdb.LogSense{Page: code, Subpage: 0xfe}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	}
	b.fails(s, readLog(cdb.LogSense{Page: 0x3e}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	b.fails(s, readLog(cdb.LogSense{Save: true}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
}

// logParameters reads the page p from each of its parameters on.
func (b *bench) logParameters(s *loopback.Session, c page.LogCode, p []byte) {
	b.Helper()
	sense := cdb.LogSense{Page: c.Page, Subpage: c.Subpage}
	for at := 4; at < len(p); at += 4 + int(p[at+3]) {
		sense.Pointer = uint16(p[at])<<8 | uint16(p[at+1])
		if rest := b.good(s, readLog(sense), nil, 1024); sense.Pointer != 0 && !bytes.Equal(rest[4:], p[at:]) {
			b.Errorf("page %+v from parameter %d: %x", c, sense.Pointer, rest)
		}
	}
	sense.Pointer++
	b.fails(s, readLog(sense), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
}

// logSelect: counters are reset, and told to the others; nothing is saved, and no threshold is
// set. What may be set is for the tests of the device type.
func (b *bench) logSelect() {
	if !slices.ContainsFunc(b.rows, func(c *device.Command) bool { return c.Op == scsi.OpLogSelect }) {
		return
	}
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.good(s, b.d.Write, make([]byte, b.d.WriteLen), 0) // counted, perhaps
	reset := 0
	for _, c := range append(b.logCodes(s), page.LogCode{}) {
		select10 := cdb.LogSelect{Reset: true, Control: cdb.LogCumulative, Page: c.Page, Subpage: c.Subpage}
		r := b.do(s, select10.Append(nil), nil, 0)
		all := c.Page == 0
		switch {
		case r.Status == scsi.Good:
			reset++
			b.attention(s)
			b.attention(other, scsi.ASCLogParametersChanged)
		case all || r.Sense.Key != scsi.KeyIllegalRequest || r.Sense.ASC != scsi.ASCInvalidFieldInCDB:
			b.Errorf("reset of page %+v: %v %v", c, r.Status, r.Sense)
		}
	}
	if reset < 2 {
		b.Error("no page could be reset")
	}
	good := page.AppendLogPage(nil, 0x3e, 0, nil) // of a page that is not there
	n := uint16(len(good))
	for name, c := range map[string]cdb.LogSelect{
		"SP":                  {Save: true, Control: cdb.LogCumulative},
		"thresholds":          {Control: cdb.LogThreshold, Length: n},
		"default thresholds":  {Control: cdb.LogDefaultThreshold},
		"defaults, a list":    {Control: cdb.LogDefaultCumulative, Length: n},
		"PCR, a list":         {Reset: true, Control: cdb.LogCumulative, Length: n},
		"a page and a list":   {Control: cdb.LogCumulative, Page: 0x3e, Length: n},
		"subpage and a list":  {Control: cdb.LogCumulative, Subpage: 1, Length: n},
		"no such page":        {Reset: true, Control: cdb.LogCumulative, Page: 0x3e},
		"no subpage of that":  {Reset: true, Control: cdb.LogCumulative, Subpage: 0x77},
		"default, no subpage": {Control: cdb.LogDefaultCumulative, Subpage: 0x77},
	} {
		if r := b.do(s, c.Append(nil), good, 0); r.Status != scsi.CheckCondition || r.Sense.ASC != scsi.ASCInvalidFieldInCDB {
			b.Errorf("%s: %v %v", name, r.Status, r.Sense)
		}
	}
	list := cdb.LogSelect{Control: cdb.LogCumulative, Length: n}.Append(nil)
	b.fails(s, list, good, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInParameterList)
	b.fails(s, list, good[:3], scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	b.good(s, cdb.LogSelect{Control: cdb.LogCumulative}.Append(nil), nil, 0) // nothing is asked for
	b.good(s, cdb.LogSelect{Control: cdb.LogDefaultCumulative}.Append(nil), nil, 0)
	b.attention(other, scsi.ASCLogParametersChanged)
}

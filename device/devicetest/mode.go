package devicetest

import (
	"bytes"
	"slices"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func (b *bench) modePage(s *loopback.Session, pc cdb.PageControl, m Mode) []byte {
	b.Helper()
	c := cdb.ModeSense{Opcode: scsi.OpModeSense10, DBD: true, Control: pc, Page: m.Code, Subpage: m.Subpage, Allocation: 1024}
	return b.good(s, c.Append(nil), nil, 1024)[8:]
}

// deviceParameter is that of the header as it is, but for write protection, which nobody can set there.
func (b *bench) deviceParameter(s *loopback.Session) byte {
	b.Helper()
	c := cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: cdb.AllPages, Allocation: 4}
	r := b.do(s, c.Append(nil), nil, 4)
	if len(r.data) < 4 {
		return 0
	}
	return r.data[2] &^ page.ModeWriteProtected
}

// modeSelect sends one page and returns how it ended.
func (b *bench) modeSelect(s *loopback.Session, op scsi.Opcode, p []byte) result {
	b.Helper()
	return b.modeSave(s, op, p, false)
}

// modeSave is modeSelect, with SP if the page is to be saved.
func (b *bench) modeSave(s *loopback.Session, op scsi.Opcode, p []byte, save bool) result {
	b.Helper()
	var list []byte
	h := page.ModeHeader{Device: b.deviceParameter(s)}
	if op == scsi.OpModeSelect6 {
		list = page.AppendMode6(nil, h, nil, p)
		list[0] = 0
	} else {
		list = page.AppendMode10(nil, h, false, nil, p)
		list[0], list[1] = 0, 0
	}
	return b.do(s, cdb.ModeSelect{Opcode: op, PF: true, Save: save, Length: uint16(len(list))}.Append(nil), list, 0)
}

// modes: each page in all its forms; each changeable bit changes, is told to the other
// nexuses, and goes with a reset; no other bit changes.
func (b *bench) modes() {
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	b.modeLists255(s)
	refused := func(m cdb.ModeSense, asc scsi.ASC) {
		b.Helper()
		m.Opcode, m.Allocation = scsi.OpModeSense6, 255
		b.fails(s, m.Append(nil), nil, scsi.KeyIllegalRequest, asc)
	}
	refused(cdb.ModeSense{Control: cdb.PageSaved, Page: 0x3f}, scsi.ASCSavingParametersNotSupported)
	refused(cdb.ModeSense{Page: 0x30}, scsi.ASCInvalidFieldInCDB)
	refused(cdb.ModeSense{Page: 0x0a, Subpage: 7}, scsi.ASCInvalidFieldInCDB)
	refused(cdb.ModeSense{Page: cdb.AllPages, Subpage: 7}, scsi.ASCInvalidFieldInCDB)
	for _, code := range b.d.Modes {
		defaults, mask := b.modePage(s, cdb.PageDefault, code), b.modePage(s, cdb.PageChangeable, code)
		if now := b.modePage(s, cdb.PageCurrent, code); b.d.Follows != nil && b.d.Follows(code) {
			defaults = now // and a reset brings it back
		} else if !bytes.Equal(now, defaults) {
			b.Errorf("page %v is %x, its default %x", code, now, defaults)
		}
		for i := code.header(); i < len(defaults); i++ {
			for bit := range 8 {
				p := slices.Clone(defaults)
				p[i] ^= 1 << bit
				op := []scsi.Opcode{scsi.OpModeSelect6, scsi.OpModeSelect10}[bit&1]
				r := b.modeSelect(s, op, p)
				reserved := code.Code == page.ModeControl && i == 2 && bit > 5 // the field TST may change, but not so far
				if mask[i]>>bit&1 == 0 || reserved {
					if r.Status != scsi.CheckCondition || r.Sense.ASC != scsi.ASCInvalidFieldInParameterList {
						b.Errorf("page %v byte %d bit %d: %v %v", code, i, bit, r.Status, r.Sense)
					}
					continue
				}
				bound := b.d.Bound != nil && b.d.Bound(code)
				if bound && r.Status == scsi.CheckCondition && r.Sense.ASC == scsi.ASCInvalidFieldInParameterList {
					if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, defaults) {
						b.Errorf("page %v is %x after a change that was refused", code, now)
					}
					continue
				}
				if r.Status != scsi.Good {
					b.Errorf("page %v byte %d bit %d: %v %v", code, i, bit, r.Status, r.Sense)
				}
				if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, p) && !bound {
					b.Errorf("page %v is %x, want %x", code, now, p)
				}
				b.attention(s)
				b.attention(other, scsi.ASCModeParametersChanged)
				s.Manage(target.ResetLogicalUnit, 0, 0)
				b.calm(s)
				b.calm(other)
				if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, defaults) {
					b.Errorf("page %v is %x after a reset", code, now)
				}
			}
		}
		if r := b.modeSelect(s, scsi.OpModeSelect6, defaults); r.Status != scsi.Good || r.Residual != 0 {
			b.Errorf("page %v as it is: %v %v", code, r.Status, r.Sense)
		}
		b.attention(other)
		if r := b.modeSelect(s, scsi.OpModeSelect6, defaults[:len(defaults)-1]); r.Sense.ASC != scsi.ASCParameterListLengthError {
			b.Errorf("page %v cut off: %v %v", code, r.Status, r.Sense)
		}
	}
	b.descriptorSense(s)
}

// modeLists255: what page code 3Fh and subpage FFh ask for is what their pages are one by one.
func (b *bench) modeLists255(s *loopback.Session) {
	var pages, all []byte
	subpages := make(map[byte][]byte)
	for _, m := range b.d.Modes {
		p := b.modePage(s, cdb.PageCurrent, m)
		all = append(all, p...)
		if m.Subpage == 0 {
			pages = append(pages, p...)
		}
		subpages[m.Code] = append(subpages[m.Code], p...)
	}
	if got := b.modePage(s, cdb.PageCurrent, Mode{cdb.AllPages, 0}); !bytes.Equal(got, pages) {
		b.Errorf("all pages are %x, one by one %x", got, pages)
	}
	if got := b.modePage(s, cdb.PageCurrent, Mode{cdb.AllPages, cdb.AllSubpages}); !bytes.Equal(got, all) {
		b.Errorf("all pages and subpages are %x, one by one %x", got, all)
	}
	for code, want := range subpages {
		if got := b.modePage(s, cdb.PageCurrent, Mode{code, cdb.AllSubpages}); !bytes.Equal(got, want) {
			b.Errorf("all subpages of %02x are %x, one by one %x", code, got, want)
		}
	}
}

// descriptorSense: D_SENSE chooses the format of autosense.
func (b *bench) descriptorSense(s *loopback.Session) {
	p := b.modePage(s, cdb.PageCurrent, Mode{Code: page.ModeControl})
	if b.modePage(s, cdb.PageChangeable, Mode{Code: page.ModeControl})[2]&0x04 == 0 {
		return
	}
	for _, on := range []bool{true, false} {
		p[2] &^= 0x04
		if on {
			p[2] |= 0x04
		}
		if r := b.modeSelect(s, scsi.OpModeSelect6, p); r.Status != scsi.Good {
			b.Fatalf("D_SENSE: %v", r.Sense)
		}
		if r := b.do(s, cdb.Inquiry{Page: 0x80, Allocation: 255}.Append(nil), nil, 255); r.Descriptor != on {
			b.Errorf("D_SENSE is %v, the sense is in descriptor format: %v", on, r.Descriptor)
		}
	}
}

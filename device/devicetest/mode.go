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

func (b *bench) modePage(s *loopback.Session, pc cdb.PageControl, code byte) []byte {
	b.Helper()
	c := cdb.ModeSense{Opcode: scsi.OpModeSense10, DBD: true, Control: pc, Page: code, Allocation: 1024}
	return b.good(s, c.Append(nil), nil, 1024)[8:]
}

// modeSelect sends one page and returns how it ended.
func (b *bench) modeSelect(s *loopback.Session, op scsi.Opcode, p []byte) result {
	b.Helper()
	var list []byte
	if op == scsi.OpModeSelect6 {
		list = page.AppendMode6(nil, page.ModeHeader{}, nil, p)
		list[0] = 0
	} else {
		list = page.AppendMode10(nil, page.ModeHeader{}, false, nil, p)
		list[0], list[1] = 0, 0
	}
	return b.do(s, cdb.ModeSelect{Opcode: op, PF: true, Length: uint16(len(list))}.Append(nil), list, 0)
}

// modes: each page in all its forms; each changeable bit changes, is told to the other
// nexuses, and goes with a reset; no other bit changes.
func (b *bench) modes() {
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	all := b.modePage(s, cdb.PageCurrent, cdb.AllPages)
	var joined []byte
	for _, code := range b.d.Modes {
		joined = append(joined, b.modePage(s, cdb.PageCurrent, code)...)
	}
	if !bytes.Equal(all, joined) {
		b.Errorf("all pages are %x, one by one %x", all, joined)
	}
	refused := func(m cdb.ModeSense, asc scsi.ASC) {
		b.Helper()
		m.Opcode, m.Allocation = scsi.OpModeSense6, 255
		b.fails(s, m.Append(nil), nil, scsi.KeyIllegalRequest, asc)
	}
	refused(cdb.ModeSense{Control: cdb.PageSaved, Page: 0x3f}, scsi.ASCSavingParametersNotSupported)
	refused(cdb.ModeSense{Page: 0x30}, scsi.ASCInvalidFieldInCDB)
	refused(cdb.ModeSense{Page: 0x0a, Subpage: 7}, scsi.ASCInvalidFieldInCDB)
	for _, code := range b.d.Modes {
		defaults, mask := b.modePage(s, cdb.PageDefault, code), b.modePage(s, cdb.PageChangeable, code)
		if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, defaults) {
			b.Errorf("page %02x is %x, its default %x", code, now, defaults)
		}
		for i := 2; i < len(defaults); i++ {
			for bit := range 8 {
				p := slices.Clone(defaults)
				p[i] ^= 1 << bit
				op := []scsi.Opcode{scsi.OpModeSelect6, scsi.OpModeSelect10}[bit&1]
				r := b.modeSelect(s, op, p)
				reserved := code == page.ModeControl && i == 2 && bit > 5 // the field TST may change, but not so far
				if mask[i]>>bit&1 == 0 || reserved {
					if r.Status != scsi.CheckCondition || r.Sense.ASC != scsi.ASCInvalidFieldInParameterList {
						b.Errorf("page %02x byte %d bit %d: %v %v", code, i, bit, r.Status, r.Sense)
					}
					continue
				}
				if r.Status != scsi.Good {
					b.Errorf("page %02x byte %d bit %d: %v %v", code, i, bit, r.Status, r.Sense)
				}
				if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, p) {
					b.Errorf("page %02x is %x, want %x", code, now, p)
				}
				b.attention(s)
				b.attention(other, scsi.ASCModeParametersChanged)
				s.Manage(target.ResetLogicalUnit, 0, 0)
				b.calm(s)
				b.calm(other)
				if now := b.modePage(s, cdb.PageCurrent, code); !bytes.Equal(now, defaults) {
					b.Errorf("page %02x is %x after a reset", code, now)
				}
			}
		}
		if r := b.modeSelect(s, scsi.OpModeSelect6, defaults); r.Status != scsi.Good || r.Residual != 0 {
			b.Errorf("page %02x as it is: %v %v", code, r.Status, r.Sense)
		}
		b.attention(other)
		if r := b.modeSelect(s, scsi.OpModeSelect6, defaults[:len(defaults)-1]); r.Sense.ASC != scsi.ASCParameterListLengthError {
			b.Errorf("page %02x cut off: %v %v", code, r.Status, r.Sense)
		}
	}
	b.descriptorSense(s)
}

// descriptorSense: D_SENSE chooses the format of autosense.
func (b *bench) descriptorSense(s *loopback.Session) {
	p := b.modePage(s, cdb.PageCurrent, page.ModeControl)
	if b.modePage(s, cdb.PageChangeable, page.ModeControl)[2]&0x04 == 0 {
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
		if r := b.do(s, []byte{0xff, 15: 0}, nil, 0); r.Descriptor != on {
			b.Errorf("D_SENSE is %v, the sense is in descriptor format: %v", on, r.Descriptor)
		}
	}
}

// logs: each page that page 00h lists can be read, from any parameter on.
func (b *bench) logs() {
	s := b.login(1, loopback.Options{})
	read := func(l cdb.LogSense) []byte {
		l.Control, l.Allocation = cdb.LogCumulative, 1024
		return l.Append(nil)
	}
	list := b.good(s, read(cdb.LogSense{}), nil, 1024)
	if len(list) < 5 || list[4] != 0 {
		b.Fatalf("supported pages: %x", list)
	}
	for _, code := range list[4:] {
		p := b.good(s, read(cdb.LogSense{Page: code}), nil, 1024)
		if p[0]&0x3f != code || int(p[2])<<8|int(p[3]) != len(p)-4 {
			b.Errorf("page %02x: %x", code, p)
		}
		if code == 0 {
			continue
		}
		var last uint16
		for at := 4; at < len(p); at += 4 + int(p[at+3]) {
			last = uint16(p[at])<<8 | uint16(p[at+1])
			rest := b.good(s, read(cdb.LogSense{Page: code, Pointer: last}), nil, 1024)
			if last != 0 && !bytes.Equal(rest[4:], p[at:]) {
				b.Errorf("page %02x from parameter %d: %x", code, last, rest)
			}
		}
		b.fails(s, read(cdb.LogSense{Page: code, Pointer: last + 1}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	}
	b.fails(s, read(cdb.LogSense{Page: 0x3e}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	b.fails(s, read(cdb.LogSense{Save: true}), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
}

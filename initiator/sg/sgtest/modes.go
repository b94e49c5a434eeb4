package sgtest

import (
	"bytes"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// controlPage is the control mode page, of which D_SENSE and SWP may be changed.
func controlPage() modePage {
	return modePage{page.Control{}.Append(nil), page.Control{DescriptorSense: true, WriteProtect: true}.Append(nil)}
}

// allModes are the mode pages. d.mu is held.
func (d *Device) allModes() []modePage {
	if d.state.modes == nil {
		d.state.modes = d.model.pages()
	}
	return d.state.modes
}

// modeSense is MODE SENSE. d.mu is held.
func (d *Device) modeSense(r *request) {
	c, err := cdb.ParseModeSense(r.cdb)
	if r.failed(err) {
		return
	}
	header, block := d.model.mode()
	var pages, descriptor []byte
	found := c.Page == 0x3f || c.Page == 0
	for i, m := range d.allModes() {
		if c.Page != 0x3f && m.current[0]&0x3f != c.Page {
			continue
		}
		found = true
		switch b := m.current; c.Control {
		case cdb.PageChangeable:
			pages = append(append(pages, b[:2]...), m.mask[2:]...)
		case cdb.PageDefault:
			pages = append(pages, d.model.pages()[i].current...)
		default:
			pages = append(pages, b...)
		}
	}
	if !found {
		r.fail(scsi.InvalidFieldInCDB(2, 5))
		return
	}
	if !c.DBD {
		descriptor = block.Append(nil)
	}
	if c.Opcode == scsi.OpModeSense6 {
		r.reply(page.AppendMode6(nil, header, descriptor, pages), int(c.Allocation))
	} else {
		r.reply(page.AppendMode10(nil, header, false, descriptor, pages), int(c.Allocation))
	}
}

// modeSelect is MODE SELECT. d.mu is held.
func (d *Device) modeSelect(r *request) {
	c, err := cdb.ParseModeSelect(r.cdb)
	if r.failed(err) || c.Length == 0 {
		return
	}
	list := r.take(int(c.Length))
	if list == nil {
		return
	}
	l, err := page.ParseModeSelect(list, c.Opcode == scsi.OpModeSelect10)
	if r.failed(err) {
		return
	}
	modes := d.allModes()
	find := func(code byte) *modePage {
		for i := range modes {
			if modes[i].current[0]&0x3f == code {
				return &modes[i]
			}
		}
		return nil
	}
	for p := range l.Pages() {
		m := find(p.Code)
		if m == nil || len(p.Data) != len(m.current) {
			r.fail(scsi.InvalidFieldInParameterList(p.Offset, -1))
			return
		}
		if r.failed(p.CheckChangeable(m.current, m.mask)) {
			return
		}
	}
	if l.HasBlock && !d.model.block(l.Block) {
		r.fail(scsi.InvalidFieldInParameterList(l.BlockOffset, -1))
		return
	}
	for p := range l.Pages() {
		m := find(p.Code)
		m.current = bytes.Clone(p.Data)
		m.current[0] &= 0x3f
	}
}

package device

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A ModePage is one mode page, or subpage, of a unit, the same for all initiators unless each has
// its own. A reset brings back the saved values, or if there are none the default values.
type ModePage struct {
	// Default and Changeable are whole pages; in the subpage format if it is a subpage (SPF).
	Default, Changeable []byte
	// Check refuses values that a changeable field must not have: it returns the byte of the
	// page, and the bit of it or -1, that is wrong; byte 0 means that all is well. May be nil.
	Check func(next []byte) (at, bit int)
	// PerNexus says that with [Config.Own] each nexus has values of its own, which cannot be saved
	// (SPC-5 7.7.9: a mode page policy of "per I_T nexus").
	PerNexus bool
	// Follow sets in page, which is a copy, what follows from the state of the unit now, such as from the cartridge in
	// a drive: MODE SENSE shows it among the current values, and MODE SELECT compares with it. It is called with the
	// lock of the values held: it must be fast, and call nothing of the server. May be nil.
	Follow func(x *target.ITL, page []byte)
	// Complete returns the whole page for one that MODE SELECT sends with another length, nil if it must not have
	// that; nil: it must not. sent is borrowed and has at least a header.
	Complete func(sent []byte) []byte
	// Apply makes the unit behave as the page says from now on, for the nexus x if it is the page
	// of that; nil for a page that cannot change. It runs on a worker and may wait for storage.
	// With an error MODE SELECT fails. Reset does not wait and cannot fail: see Reverted.
	Apply func(x *target.ITL, now []byte) error
	// Reverted is called when a reset has set the page, or saved values have at the start.
	Reverted func(now []byte)

	current []byte // guarded by modes.mu
	saved   []byte // nil: none; guarded by modes.mu
}

func (p *ModePage) code() uint8 { return p.Default[0] & 0x3f }

func (p *ModePage) subpage() uint8 {
	if p.Default[0]&0x40 == 0 {
		return 0
	}
	return p.Default[1]
}

func (p *ModePage) header() int {
	if p.Default[0]&0x40 == 0 {
		return 2
	}
	return 4
}

// changes reports that MODE SELECT may change something of the page.
func (p *ModePage) changes() bool {
	return slices.ContainsFunc(p.Changeable[p.header():], func(b byte) bool { return b != 0 })
}

// A ModeKeeper keeps the saved values of a unit's mode pages. Its methods may take time and
// may fail; there is one Save at a time.
type ModeKeeper interface {
	// Load returns what Save was given last, nil if nothing was.
	Load(ctx context.Context) ([]byte, error)
	// Save keeps the values of all pages that can be saved, one after the other as MODE SENSE
	// returns them. It borrows pages. When it returns nil they survive a loss of power; after an
	// error those are kept that were before.
	Save(ctx context.Context, pages []byte) error
}

// modes are the pages of a unit in order of their codes and subpages.
type modes struct {
	pages  []*ModePage
	keeper ModeKeeper // nil: no page can be saved
	own    bool       // nexuses have values of their own

	changing sync.Mutex // one MODE SELECT at a time; held while a change waits; before mu
	mu       sync.Mutex // guards the values of all pages; never held while waiting
}

// init takes the pages, and the saved values that the keeper has. A wrong page is a
// programming error.
func (m *modes) init(pages []*ModePage, keeper ModeKeeper) error {
	m.pages, m.keeper = pages, keeper
	for i, p := range pages {
		switch {
		case len(p.Default) < 3 || page.ModePageLen(p.Default) != len(p.Default) || p.Default[0]&0x80 != 0 || len(p.Changeable) != len(p.Default):
			panic("device: incomplete mode page")
		case p.changes() && p.Apply == nil:
			panic("device: a mode page that changes without effect")
		case slices.ContainsFunc(pages[:i], func(o *ModePage) bool { return o.code() == p.code() && o.subpage() == p.subpage() }):
			panic(fmt.Sprintf("device: mode page %02x/%02x is there twice", p.code(), p.subpage()))
		}
		p.current = slices.Clone(p.Default)
	}
	slices.SortFunc(pages, func(a, b *ModePage) int {
		return int(a.code())<<8 + int(a.subpage()) - int(b.code())<<8 - int(b.subpage())
	})
	if keeper == nil {
		return nil
	}
	kept, err := keeper.Load(context.Background()) // no command waits for it
	if err != nil {
		return err
	}
	list, err := page.ParseModePages(kept)
	if err != nil {
		return fmt.Errorf("what was kept are no mode pages: %w", err)
	}
	for k := range list.Pages() {
		if p := m.find(k.Code, k.Subpage); p != nil && m.savable(p) {
			p.saved = p.fit(k.Data)
		}
	}
	return nil
}

// fit returns kept values of the page, which may come from another version of the program: in
// what cannot change it is the default page. Nil if the values are none of this page.
func (p *ModePage) fit(kept []byte) []byte {
	if len(kept) != len(p.Default) || !p.changes() {
		return nil
	}
	v := slices.Clone(p.Default)
	for i := p.header(); i < len(v); i++ {
		v[i] ^= (v[i] ^ kept[i]) & p.Changeable[i]
	}
	if p.Check != nil {
		if at, _ := p.Check(v); at != 0 {
			return nil
		}
	}
	return v
}

// index returns where a page is; less than 0 if there is none.
func (m *modes) index(code, subpage uint8) int {
	return slices.IndexFunc(m.pages, func(p *ModePage) bool { return p.code() == code && p.subpage() == subpage })
}

// find returns a page; nil if there is none.
func (m *modes) find(code, subpage uint8) *ModePage {
	if i := m.index(code, subpage); i >= 0 {
		return m.pages[i]
	}
	return nil
}

// savable reports that p has saved values (PS).
func (m *modes) savable(p *ModePage) bool { return m.keeper != nil && p.changes() && !m.perNexus(p) }

// perNexus reports that each nexus has its own values of p.
func (m *modes) perNexus(p *ModePage) bool { return m.own && p.PerNexus }

// policies say of each page whether it is the same for all nexuses (SPC-5 7.7.9).
func (m *modes) policies() []page.ModePolicy {
	var all []page.ModePolicy
	for _, p := range m.pages {
		if m.perNexus(p) {
			all = append(all, page.ModePolicy{Page: p.code(), Subpage: p.subpage(), Policy: page.PolicyPerNexus})
		}
	}
	return append(all, page.ModePolicy{Page: cdb.AllPages, Subpage: cdb.AllSubpages, Policy: page.PolicyShared})
}

// ownValues are those that the nexus of x has set of its own page i; nil: none. m.mu is held.
func (m *modes) ownValues(i int, x *target.ITL) []byte {
	if pages := nexus.Of(x).Own.Pages; m.perNexus(m.pages[i]) && i < len(pages) {
		return pages[i]
	}
	return nil
}

// current are the values of page i that the nexus of x sees. m.mu is held.
func (m *modes) current(i int, x *target.ITL) []byte {
	if v := m.ownValues(i, x); v != nil {
		return v
	}
	return m.pages[i].current
}

// shown are the values of page i that the initiator of x sees, appended to dst. m.mu is held.
func (m *modes) shown(dst []byte, i int, x *target.ITL) []byte {
	at := len(dst)
	dst = append(dst, m.current(i, x)...)
	if p := m.pages[i]; p.Follow != nil {
		p.Follow(x, dst[at:])
	}
	return dst
}

// set sets the values of page i, for the nexus of x if it has its own. m.mu is held.
func (m *modes) set(i int, x *target.ITL, now []byte) {
	if !m.perNexus(m.pages[i]) {
		copy(m.pages[i].current, now)
		return
	}
	own := &nexus.Of(x).Own
	if own.Pages == nil {
		own.Pages = make([][]byte, len(m.pages))
	}
	own.Pages[i] = slices.Clone(now)
}

// reset sets the values that a unit has after power on, for all nexuses in table, and then, with no
// lock held, makes the unit behave so.
func (m *modes) reset(table *nexus.Table) {
	m.mu.Lock()
	table.Each(func(n *nexus.Nexus) { n.Own.Pages = nil })
	now := make([][]byte, len(m.pages))
	for i, p := range m.pages {
		copy(p.current, p.atPowerOn())
		now[i] = slices.Clone(p.current)
	}
	m.mu.Unlock()
	for i, p := range m.pages {
		if p.Reverted != nil {
			p.Reverted(now[i])
		}
	}
}

// start makes the unit behave as pages with saved values say.
func (m *modes) start() {
	for _, p := range m.pages {
		if p.saved != nil {
			copy(p.current, p.saved)
			if p.Reverted != nil {
				p.Reverted(p.current)
			}
		}
	}
}

// atPowerOn are the values of p after power on. modes.mu is held.
func (p *ModePage) atPowerOn() []byte {
	if p.saved != nil {
		return p.saved
	}
	return p.Default
}

// values are a copy of the values of page i that the nexus of x sees.
func (m *modes) values(i int, x *target.ITL) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown(nil, i, x)
}

// data returns the pages that MODE SENSE of the nexus of x asks for (SPC-5 6.13.1).
func (m *modes) data(c cdb.ModeSense, x *target.ITL) ([]byte, error) {
	if c.Control == cdb.PageSaved && m.keeper == nil {
		return nil, scsi.IllegalRequest(scsi.ASCSavingParametersNotSupported)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var data []byte
	known := c.Page == cdb.AllPages
	for i, p := range m.pages {
		if c.Page != cdb.AllPages && c.Page != p.code() {
			continue
		}
		known = true
		if c.Subpage != cdb.AllSubpages && c.Subpage != p.subpage() {
			continue
		}
		at := len(data)
		switch c.Control {
		case cdb.PageChangeable:
			data = append(data, p.Changeable...)
		case cdb.PageDefault:
			data = append(data, p.Default...)
		case cdb.PageSaved:
			data = append(data, p.atPowerOn()...)
		default:
			data = m.shown(data, i, x)
		}
		if m.savable(p) {
			data[at] |= 0x80 // PS
		}
	}
	switch {
	case data != nil:
		return data, nil
	case known:
		return nil, scsi.InvalidFieldInCDB(3, -1)
	}
	return nil, scsi.InvalidFieldInCDB(2, 5)
}

// change sets the pages of a list, which the initiator of x has sent: all, or none if one of them
// is wrong. block, called in between, changes the block descriptor. It reports whether anything
// differs for other nexuses too. m.changing is held.
func (m *modes) change(x *target.ITL, list page.ModeList, block func() (bool, error)) (changed bool, err error) {
	for sent := range list.Pages() {
		if err := m.check(x, sent); err != nil {
			return false, err
		}
	}
	if changed, err = block(); err != nil {
		return changed, err
	}
	for sent := range list.Pages() {
		i := m.index(sent.Code, sent.Subpage)
		p := m.pages[i]
		next := p.whole(sent)
		next[0] &= 0x7f
		if bytes.Equal(next, m.values(i, x)) {
			continue
		}
		if err := p.Apply(x, next); err != nil {
			return changed, err
		}
		m.mu.Lock()
		m.set(i, x, next)
		m.mu.Unlock()
		changed = changed || !m.perNexus(p)
	}
	return changed, nil
}

// check refuses a page that MODE SELECT of the initiator of x must not set.
func (m *modes) check(x *target.ITL, sent page.ModePage) error {
	i := m.index(sent.Code, sent.Subpage)
	if i < 0 {
		return scsi.InvalidFieldInParameterList(sent.Offset, 5)
	}
	p := m.pages[i]
	sent.Data = p.whole(sent)
	if err := sent.CheckChangeable(m.values(i, x), p.Changeable); err != nil {
		return err
	}
	if p.Check != nil {
		if at, bit := p.Check(sent.Data); at != 0 {
			return scsi.InvalidFieldInParameterList(sent.Offset+at, bit)
		}
	}
	return nil
}

// whole is a page as MODE SELECT sends it, completed if it has another length and may. The caller may change it.
func (p *ModePage) whole(sent page.ModePage) []byte {
	if len(sent.Data) != len(p.Default) && p.Complete != nil {
		if all := p.Complete(sent.Data); len(all) == len(p.Default) {
			return all
		}
	}
	return slices.Clone(sent.Data)
}

// replaced are the pages of SPC, but for those that the device type has in their place, and then its own.
func replaced(primary, own []*ModePage) []*ModePage {
	primary = slices.DeleteFunc(primary, func(p *ModePage) bool {
		return slices.ContainsFunc(own, func(o *ModePage) bool { return o.code() == p.code() && o.subpage() == p.subpage() })
	})
	return append(primary, own...)
}

// save keeps the current values of all pages that can be saved (SP). m.changing is held.
func (m *modes) save(ctx context.Context) error {
	m.mu.Lock()
	var pages []byte
	for _, p := range m.pages {
		if m.savable(p) {
			pages = append(pages, p.current...)
		}
	}
	m.mu.Unlock()
	if err := m.keeper.Save(ctx, pages); err != nil {
		return err
	}
	list, err := page.ParseModePages(pages)
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range list.Pages() {
		m.find(k.Code, k.Subpage).saved = k.Data
	}
	return err
}

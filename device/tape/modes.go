package tape

import (
	"slices"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A modePage is a mode page whose values are the settings of the drive, and what follows from its medium: they are nowhere else.
type modePage struct {
	now        func(s *setting, v view) []byte    // the page
	changeable []byte                             // nil: nothing
	check      func(next []byte) (at, bit int)    // as device.ModePage.Check; nil: all is well
	set        func(s *setting, next []byte)      // makes the settings what the page says
	follow     func(p []byte, s *setting, v view) // in place of now, for a page that has more than settings
	complete   func(sent []byte) []byte
}

// modePages are the mode pages of the drive (SSC-5 8.5).
func (d *Drive) modePages() []*device.ModePage {
	fixed := func(n int, head ...byte) modePage {
		p := append(head, make([]byte, n-len(head))...)
		return modePage{now: func(*setting, view) []byte { return p }}
	}
	all := []modePage{
		fixed(12, page.ModeRecovery, 0x0a),
		fixed(16, page.ModeDisconnect, 0x0e),
		// Control extension: the timestamp changes by other means too (TCMOS), but not once it was set (SCSIP).
		fixed(32, 0x40|page.ModeControl, page.SubpageControlExtension, 0, 0x1c, 0x06),
		d.compressionPage(), d.configurationPage(), d.configurationMorePage(), d.exceptionsPage(), d.partitionPage(),
		{now: func(_ *setting, v view) []byte {
			return page.AppendMediumConfiguration(nil, v.label.Type == medium.WORM)
		}},
	}
	if len(d.cfg.Model.Protection) > 0 {
		all = append(all, d.protectionPage())
	}
	pages := make([]*device.ModePage, len(all))
	for i, p := range all {
		pages[i] = d.modePage(p)
	}
	return pages
}

// modePage is p for the server.
func (d *Drive) modePage(p modePage) *device.ModePage {
	on := powerOn(&d.cfg)
	m := &device.ModePage{Default: p.now(&on, view{}), Check: p.check, Complete: p.complete}
	m.Changeable = make([]byte, len(m.Default))
	copy(m.Changeable, m.Default[:4])
	if m.Default[0]&0x40 == 0 {
		clear(m.Changeable[2:4])
	}
	for i, b := range p.changeable {
		m.Changeable[i] |= b
	}
	m.Follow = func(_ *target.ITL, shown []byte) {
		s, v := d.settings.get(), d.look()
		if p.follow != nil {
			p.follow(shown, s, v)
			return
		}
		copy(shown, p.now(s, v))
	}
	if p.set != nil {
		m.Apply = func(_ *target.ITL, next []byte) error {
			d.settings.set(func(s *setting) { p.set(s, next) })
			return nil
		}
		m.Reverted = func(next []byte) { d.settings.set(func(s *setting) { p.set(s, next) }) }
	}
	return m
}

// at is a mask of n bytes with some bits.
func mask(n int, bits map[int]byte) []byte {
	b := make([]byte, n)
	for i, v := range bits {
		b[i] = v
	}
	return b
}

// compressionPage is page 0Fh: DCE turns compression on.
func (d *Drive) compressionPage() modePage {
	algorithm := d.cfg.Model.Compression
	p := modePage{now: func(s *setting, _ view) []byte {
		return page.Compression{
			Enabled: s.Compress, Capable: algorithm != 0, Decompress: true, Algorithm: algorithm, Reading: algorithm,
		}.Append(nil)
	}}
	if algorithm != 0 {
		p.changeable = mask(16, map[int]byte{2: 0x80})
		p.set = func(s *setting, next []byte) { s.Compress = next[2]&0x80 != 0 }
	}
	return p
}

// configurationPage is page 10h. Of the ways to protect the medium, SWP and ASOCWP may be set: the latter ends with the load.
func (d *Drive) configurationPage() modePage {
	bits := map[int]byte{8: 0x01, 10: 0x0c, 15: 0x04}
	if d.cfg.Model.Compression != 0 {
		bits[14] = 0x01
	}
	return modePage{
		now: func(s *setting, v view) []byte {
			c := page.Configuration{
				Partition: byte(v.partition), WriteDelay: 100, BlockIDs: true, GenerateEOD: true, TamperedWORM: 2,
				ReportEW: s.REW, SyncEW: s.SEW, Software: s.SoftwareWP,
				Associated: s.AssociatedWP, Persistent: s.PersistentWP, Permanent: s.PermanentWP,
			}
			if s.Compress {
				c.Compression = 1
			}
			return c.Append(nil)
		},
		changeable: mask(16, bits),
		set: func(s *setting, next []byte) {
			if c, ok := page.ParseConfiguration(next); ok {
				s.REW, s.SEW, s.SoftwareWP, s.AssociatedWP = c.ReportEW, c.SyncEW, c.Software, c.Associated
				if d.cfg.Model.Compression != 0 {
					s.Compress = c.Compression != 0
				}
			}
		},
	}
}

// shortErase says in page 10h/01h that a short ERASE writes the end of data.
const shortErase = 2

// configurationMorePage is page 10h/01h: programmable early warning, and append-only mode, which begins at the beginning of a partition, or
// without a medium, and ends without one only.
func (d *Drive) configurationMorePage() modePage {
	bits := map[int]byte{6: 0xff, 7: 0xff}
	if d.cfg.Model.AppendOnly {
		bits[5] = 0x10
	}
	return modePage{
		now: func(s *setting, _ view) []byte {
			c := page.ConfigurationMore{ShortErase: shortErase, EarlyWarning: s.PEWS}
			if s.AppendOnly {
				c.WriteMode = 1
			}
			return c.Append(nil)
		},
		changeable: mask(32, bits),
		check: func(next []byte) (at, bit int) {
			c, _ := page.ParseConfigurationMore(next)
			v := d.look()
			if was := d.settings.get().AppendOnly; v.loaded && was != (c.WriteMode == 1) && (was || v.position.Object != 0) {
				return 5, 7
			}
			return 0, 0
		},
		set: func(s *setting, next []byte) {
			if c, ok := page.ParseConfigurationMore(next); ok {
				s.PEWS, s.AppendOnly = c.EarlyWarning, c.WriteMode == 1
			}
		},
	}
}

// protectionLen is how many bytes of protection information blocks have.
const protectionLen = 4

// protectionPage is page 0Ah/F0h: logical block protection.
func (d *Drive) protectionPage() modePage {
	return modePage{
		now: func(s *setting, _ view) []byte {
			p := page.DataProtection{Method: s.LBPMethod, Write: s.LBPW, Read: s.LBPR}
			if s.LBPMethod != 0 {
				p.Length = protectionLen
			}
			return p.Append(nil)
		},
		changeable: mask(32, map[int]byte{4: 0xff, 5: 0x3f, 6: 0xc0}),
		check: func(next []byte) (at, bit int) {
			p, _ := page.ParseDataProtection(next)
			switch {
			case p.Method == 0 && (p.Write || p.Read):
				return 6, 7
			case p.Method == 0 && p.Length != 0 && p.Length != protectionLen, p.Method != 0 && p.Length != protectionLen:
				return 5, 5
			case p.Method != 0 && !slices.Contains(d.cfg.Model.Protection, p.Method):
				return 4, -1
			}
			return 0, 0
		},
		set: func(s *setting, next []byte) {
			if p, ok := page.ParseDataProtection(next); ok {
				s.LBPMethod, s.LBPW, s.LBPR = p.Method, p.Write, p.Read
			}
		},
	}
}

// testFlags is how far the TEST FLAG NUMBER of page 1Ch goes: one flag is set, a negative one is taken back.
const testFlags = 64

// exceptionsPage is page 1Ch: exceptions are reported by TapeAlert alone (DEXCPT), of which a flag may be tried out.
func (d *Drive) exceptionsPage() modePage {
	flag := func(p []byte) int {
		return int(int32(uint32(p[8])<<24 | uint32(p[9])<<16 | uint32(p[10])<<8 | uint32(p[11])))
	}
	const test = 0x04
	return modePage{
		now:        func(*setting, view) []byte { return page.Exceptions{Disabled: true, Method: 3}.Append(nil) },
		follow:     func([]byte, *setting, view) {}, // it is as it was set
		changeable: mask(12, map[int]byte{2: test, 8: 0xff, 9: 0xff, 10: 0xff, 11: 0xff}),
		check: func(next []byte) (at, bit int) {
			if n := flag(next); next[2]&test != 0 && (n == 0 || n > testFlags || n < -testFlags) {
				return 8, -1
			}
			return 0, 0
		},
		set: func(_ *setting, next []byte) {
			switch n := flag(next); {
			case next[2]&test == 0:
			case n > 0:
				d.pages.flags.Set(n)
			default:
				d.pages.flags.Clear(-n)
			}
		},
	}
}

// modeParameter is the device-specific parameter of the mode parameter header: write protection, and how writes are buffered.
func (d *Drive) modeParameter(x *target.ITL) byte {
	s, v := d.settings.get(), d.look()
	b := s.Buffered & 7 << 4
	if v.label.WriteProtect || v.readOnly || s.SoftwareWP || s.AssociatedWP || s.PersistentWP || s.PermanentWP || d.WriteProtected(x) {
		b |= page.ModeWriteProtected
	}
	return b
}

// setModeParameter is what MODE SELECT sends of it: BUFFERED MODE and a SPEED of 0. Where the medium is protected is not for it.
func (d *Drive) setModeParameter(_ *target.ITL, b byte) (changed bool) {
	buffered := b >> 4 & 7
	d.settings.set(func(s *setting) { changed, s.Buffered = s.Buffered != buffered, buffered })
	return changed
}

func checkModeParameter(b byte) (bit int) {
	switch {
	case b>>4&7 > 1:
		return 6
	case b&0x0f != 0:
		return 3
	}
	return -1
}

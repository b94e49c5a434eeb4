package optical

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// modes are the mode pages of the drive (MMC-6 7), which nobody can change: reading again is the business of what the image lies on, and
// the drive is always awake. What depends on the disc follows it.
func (r *Drive) modes() []*device.ModePage {
	fixed := func(p []byte, follow func(now []byte)) *device.ModePage {
		changeable := make([]byte, len(p))
		copy(changeable, p[:2])
		m := &device.ModePage{Default: p, Changeable: changeable}
		if follow != nil {
			m.Follow = func(_ *target.ITL, now []byte) { follow(now) }
		}
		return m
	}
	return []*device.ModePage{
		fixed(page.ErrorRecovery{}.Append(nil), nil),
		fixed(page.Caching{}.Append(nil), func(now []byte) {
			l := r.tray.usable()
			copy(now, page.Caching{WriteCache: l != nil && l.part.Volatile() && !l.part.ReadOnly()}.Append(nil))
		}),
		fixed(page.PowerCondition{}.Append(nil), nil),
		fixed(page.Timeout{}.Append(nil), nil),
		fixed(capabilities(nil, false), func(now []byte) { copy(now, capabilities(r.tray.usable(), r.prevents.initiators())) }),
	}
}

// capabilities is mode page 2Ah, which Linux goes by, with the disc l, which may be nil.
func capabilities(l *loaded, locked bool) []byte {
	p := l.profile()
	speed, write := uint16(p.speed()), uint16(0)
	if p.rewritable() {
		write = speed
	}
	return page.Capabilities{
		ReadCDR: true, ReadCDRW: true, ReadDVDROM: true, ReadDVDR: true,
		Loading: page.LoadingTray, Eject: true, Lock: true, Locked: locked,
		MaxRead: uint16(profile(page.ProfileNone).speed()), ReadSpeed: speed, MaxWrite: write, WriteSpeed: write, BufferKB: bufferSize >> 10,
	}.Append(nil)
}

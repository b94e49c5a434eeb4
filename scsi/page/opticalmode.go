package page

import "encoding/binary"

// Mode pages of optical drives (MMC-6 7), beside those of disks. Page 1Dh is another one on tapes.
const (
	ModePowerCondition = 0x1a
	ModeTimeout        = 0x1d
	ModeCapabilities   = 0x2a
)

// A PowerCondition is mode page 1Ah (MMC-6 7.6). Timers are in tenths of a second.
type PowerCondition struct {
	Idle, Standby           bool // the timers count
	IdleTimer, StandbyTimer uint32
}

// Append appends the page, 12 bytes.
func (p PowerCondition) Append(dst []byte) []byte {
	dst = append(dst, ModePowerCondition, 0x0a, 0, flag(p.Idle, 0x02)|flag(p.Standby, 0x01))
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(dst, p.IdleTimer), p.StandbyTimer)
}

// ParsePowerCondition reads the page: false if p is not one of 12 bytes.
func ParsePowerCondition(p []byte) (PowerCondition, bool) {
	if len(p) != 12 || p[0]&0x7f != ModePowerCondition || p[1] != 0x0a {
		return PowerCondition{}, false
	}
	return PowerCondition{p[3]&0x02 != 0, p[3]&0x01 != 0, binary.BigEndian.Uint32(p[4:]), binary.BigEndian.Uint32(p[8:])}, true
}

// A Timeout is mode page 1Dh, Timeout and Protect (MMC-6 7.9). Times are in seconds.
type Timeout struct {
	Group3Enable   bool // G3ENABLE
	Enable         bool // TMOE
	Unavailable    bool // DISP: the drive is not available until its power comes back
	WriteProtected bool // SWPP
	Group1, Group2 uint16
	Group3         uint16
}

// Append appends the page, 12 bytes.
func (t Timeout) Append(dst []byte) []byte {
	dst = append(dst, ModeTimeout, 0x0a, 0, 0, flag(t.Group3Enable, 0x08)|flag(t.Enable, 0x04)|flag(t.Unavailable, 0x02)|flag(t.WriteProtected, 0x01), 0)
	for _, v := range [...]uint16{t.Group1, t.Group2, t.Group3} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	return dst
}

// ParseTimeout reads the page: false if p is not one of 12 bytes.
func ParseTimeout(p []byte) (Timeout, bool) {
	if len(p) != 12 || p[0]&0x7f != ModeTimeout || p[1] != 0x0a {
		return Timeout{}, false
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(p[i:]) }
	return Timeout{p[4]&0x08 != 0, p[4]&0x04 != 0, p[4]&0x02 != 0, p[4]&0x01 != 0, at(6), at(8), at(10)}, true
}

// A Capabilities is mode page 2Ah, MM Capabilities and Mechanical Status (MMC-3 and later: MMC-6 annex E). It is obsolete, and what hosts go
// by that know no features: Linux's sr, and most programs that write discs. Speeds are in kilobytes (1000) a second.
type Capabilities struct {
	ReadCDR, ReadCDRW, Method2, ReadDVDROM, ReadDVDR, ReadDVDRAM bool
	WriteCDR, WriteCDRW, TestWrite, WriteDVDR, WriteDVDRAM       bool
	Mode2Form1, Mode2Form2, MultiSession, Underrun               bool // Underrun: buffer under-run free recording (BUF)
	Audio                                                        bool // CD-DA commands: READ CD of audio tracks
	Loading                                                      uint8
	Eject                                                        bool
	JumperPrevents                                               bool
	Locked                                                       bool // LOCK STATE: who asks to take the disc out is refused
	Lock                                                         bool
	MaxRead, ReadSpeed                                           uint16
	MaxWrite, WriteSpeed                                         uint16
	BufferKB                                                     uint16
	CopyManagement                                               uint16
	Rotation                                                     uint8    // ROTATION CONTROL SELECTED, 0 to 3
	WriteSpeeds                                                  []uint16 // 50 at the most, in descending order
}

// Append appends the page: 32 bytes, and 4 for each write speed.
func (c Capabilities) Append(dst []byte) []byte {
	speeds := c.WriteSpeeds[:min(len(c.WriteSpeeds), 50)]
	dst = append(dst, ModeCapabilities, byte(30+4*len(speeds)),
		flag(c.ReadDVDRAM, 0x20)|flag(c.ReadDVDR, 0x10)|flag(c.ReadDVDROM, 0x08)|flag(c.Method2, 0x04)|flag(c.ReadCDRW, 0x02)|flag(c.ReadCDR, 0x01),
		flag(c.WriteDVDRAM, 0x20)|flag(c.WriteDVDR, 0x10)|flag(c.TestWrite, 0x04)|flag(c.WriteCDRW, 0x02)|flag(c.WriteCDR, 0x01),
		flag(c.Underrun, 0x80)|flag(c.MultiSession, 0x40)|flag(c.Mode2Form2, 0x20)|flag(c.Mode2Form1, 0x10),
		flag(c.Audio, 0x01),
		c.Loading<<5|flag(c.Eject, 0x08)|flag(c.JumperPrevents, 0x04)|flag(c.Locked, 0x02)|flag(c.Lock, 0x01),
		0)
	for _, v := range [...]uint16{c.MaxRead, 0, c.BufferKB, c.ReadSpeed, 0, c.MaxWrite, c.WriteSpeed, c.CopyManagement} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	dst = append(dst, 0, 0, 0, c.Rotation&3)
	dst = binary.BigEndian.AppendUint16(dst, c.WriteSpeed)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(speeds)))
	for _, s := range speeds {
		dst = binary.BigEndian.AppendUint16(append(dst, 0, 0), s)
	}
	return dst
}

// ParseCapabilities reads the page of any of its versions, of which the oldest end behind the current write speed: false if p is not one.
func ParseCapabilities(p []byte) (Capabilities, bool) {
	if len(p) < 20 || p[0]&0x3f != ModeCapabilities || int(p[1]) != len(p)-2 {
		return Capabilities{}, false
	}
	bit := func(i int, b byte) bool { return p[i]&b != 0 }
	at := func(i int) uint16 {
		if len(p) < i+2 {
			return 0
		}
		return binary.BigEndian.Uint16(p[i:])
	}
	c := Capabilities{
		ReadDVDRAM: bit(2, 0x20), ReadDVDR: bit(2, 0x10), ReadDVDROM: bit(2, 0x08), Method2: bit(2, 0x04), ReadCDRW: bit(2, 0x02), ReadCDR: bit(2, 0x01),
		WriteDVDRAM: bit(3, 0x20), WriteDVDR: bit(3, 0x10), TestWrite: bit(3, 0x04), WriteCDRW: bit(3, 0x02), WriteCDR: bit(3, 0x01),
		Underrun: bit(4, 0x80), MultiSession: bit(4, 0x40), Mode2Form2: bit(4, 0x20), Mode2Form1: bit(4, 0x10), Audio: bit(5, 0x01),
		Loading: p[6] >> 5, Eject: bit(6, 0x08), JumperPrevents: bit(6, 0x04), Locked: bit(6, 0x02), Lock: bit(6, 0x01),
		MaxRead: at(8), BufferKB: at(12), ReadSpeed: at(14), MaxWrite: at(18), WriteSpeed: at(20), CopyManagement: at(22),
	}
	if len(p) < 32 {
		return c, true
	}
	c.Rotation, c.WriteSpeed = p[27]&3, at(28)
	for i := 32; i+4 <= len(p) && len(c.WriteSpeeds) < int(at(30)); i += 4 {
		c.WriteSpeeds = append(c.WriteSpeeds, at(i+2))
	}
	return c, true
}

package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// A profile is what kind of disc a drive has (MMC-6 5.4): which features are current follows from it.
type profile uint16

// How many blocks discs have at the most. A CD has 99 minutes: what is longer has times that no player can show. The others are the
// largest discs of two layers, and of one, that are made.
const (
	mostOfCD     = 99 * 60 * 75 // 912 MB
	mostOfDVD    = 4_173_824    // DVD+R of two layers, 8.54 GB
	mostOfDVDRW  = 2_295_104    // DVD+RW, 4.7 GB
	layerOfDVD   = 2_295_104    // the most that fits on the first layer of two
	mostOfBlocks = 1<<32 - 1    // that READ CAPACITY can say, of any disc
)

// profileOf is that of a disc with so many blocks.
func profileOf(blocks uint64, writable bool) profile {
	switch {
	case blocks == 0:
		return page.ProfileNone
	case writable && blocks <= mostOfDVDRW:
		return page.ProfileDVDRW
	case writable:
		return page.ProfileBDRE
	case blocks <= mostOfCD:
		return page.ProfileCDROM
	case blocks <= mostOfDVD:
		return page.ProfileDVDROM
	}
	return page.ProfileBDROM
}

// profiles are those of the discs that a drive takes, in the order in which drives list them: the best first.
var profiles = [...]uint16{page.ProfileBDRE, page.ProfileBDROM, page.ProfileDVDRW, page.ProfileDVDROM, page.ProfileCDROM}

// String is the name of p; empty: there is no disc.
func (p profile) String() string {
	switch p {
	case page.ProfileCDROM:
		return "CD-ROM"
	case page.ProfileDVDROM:
		return "DVD-ROM"
	case page.ProfileBDROM:
		return "BD-ROM"
	case page.ProfileDVDRW:
		return "DVD+RW"
	case page.ProfileBDRE:
		return "BD-RE"
	}
	return ""
}

func (p profile) isCD() bool       { return p == page.ProfileCDROM }
func (p profile) isDVD() bool      { return p == page.ProfileDVDROM || p == page.ProfileDVDRW }
func (p profile) isBD() bool       { return p == page.ProfileBDROM || p == page.ProfileBDRE }
func (p profile) rewritable() bool { return p == page.ProfileDVDRW || p == page.ProfileBDRE }

// blocking is how many blocks are read and written at a time: those that an error correction code of the disc covers.
func (p profile) blocking() uint16 {
	switch {
	case p.isDVD():
		return 16
	case p.isBD():
		return 32
	}
	return 1
}

// speed is how fast the fastest drives read and write such a disc, in kilobytes (1000) a second: 48 times a CD, 16 times a DVD, 12 times
// a BD. Hosts choose the time they wait, and programs what they show, by it. Without a disc it is that of a BD.
func (p profile) speed() uint32 {
	switch {
	case p.isCD():
		return 8467
	case p.isDVD():
		return 22160
	}
	return 53954
}

// A shape is what can be said of a disc without reading it: its profile, and how many blocks it has. The zero value is no disc.
type shape struct {
	profile profile
	blocks  uint32
}

// shapeOf is that of a disc with so many blocks.
func shapeOf(blocks uint64, writable bool) shape {
	return shape{profileOf(blocks, writable), uint32(min(blocks, mostOfBlocks))}
}

// information is READ DISC INFORMATION data (MMC-6 6.21): one session with one track, which is complete.
func (s shape) information(c cdb.ReadDiscInformation) ([]byte, error) {
	if c.Type != cdb.DiscStandard {
		return nil, scsi.InvalidFieldInCDB(1, 2)
	}
	d := page.DiscInformation{
		Erasable: s.profile.rewritable(), Session: page.SessionWhole, Status: page.DiscComplete,
		First: 1, Sessions: 1, FirstOfLast: 1, LastOfLast: 1, Unrestricted: true, Kind: page.DiscKindCDROM,
	}
	if s.profile.isCD() {
		d.LastLeadIn, d.LastLeadOut = noTime, noTime
	}
	if s.profile == page.ProfileDVDRW {
		d.Background = 3 // formatted
	}
	return d.Append(nil), nil
}

// noTime is where the lead-in of another session would be on a disc that takes no more.
const noTime = 0xffffffff

// track is READ TRACK INFORMATION data (MMC-6 6.26) of the only track.
func (s shape) track(c cdb.ReadTrackInformation) ([]byte, error) {
	switch {
	case c.Open: // no track is open
		return nil, scsi.InvalidFieldInCDB(1, 2)
	case c.Type == cdb.TrackByLBA && c.Address >= s.blocks:
		return nil, scsi.LBAOutOfRange()
	case c.Type == cdb.TrackByNumber && c.Address != 1, c.Type == cdb.TrackBySession && c.Address != 1:
		return nil, scsi.InvalidFieldInCDB(2, -1)
	case c.Type > cdb.TrackBySession:
		return nil, scsi.InvalidFieldInCDB(1, 1)
	}
	t := page.TrackInformation{
		Track: 1, Session: 1, Mode: page.TrackData & 0xf, DataMode: page.DataMode1,
		Size: s.blocks, LastRecorded: s.blocks - 1, LastValid: true,
	}
	if n := s.profile.blocking(); n > 1 {
		t.Blocking = uint32(n)
	}
	if s.profile.rewritable() {
		t.Packet, t.FixedPacket = true, true
	}
	return t.Append(nil), nil
}

// formats is READ FORMAT CAPACITIES data (MMC-6 6.23): a disc can be formatted to the size it has.
func (s shape) formats() []byte {
	f := page.FormatCapacities{Blocks: s.blocks, Kind: page.CapacityFormatted, Block: BlockSize}
	switch s.profile {
	case page.ProfileNone:
		f.Blocks, f.Kind = mostOfDVDRW, page.CapacityNoMedium
	case page.ProfileDVDRW:
		f.All = []page.FormatCapacity{{Blocks: s.blocks, Type: page.FormatDVDPlusRW}}
	case page.ProfileBDRE:
		f.All = []page.FormatCapacity{
			{Blocks: s.blocks, Type: page.FormatFull, Parameter: BlockSize},
			{Blocks: s.blocks, Type: page.FormatBDSpares},
			{Blocks: s.blocks, Type: page.FormatBDNone},
		}
	}
	return f.Append(nil)
}

// performance is GET PERFORMANCE data (MMC-6 6.8): every block is read, and written, at one speed.
func (s shape) performance(c cdb.GetPerformance) ([]byte, error) {
	speed := s.profile.speed()
	switch c.Type {
	case cdb.PerformanceData:
		write := c.Data&cdb.PerformanceWrite != 0
		switch except := c.Data & cdb.PerformanceExcept; {
		case c.Data&cdb.PerformanceTolerance != 0x10, except == 3:
			return nil, scsi.InvalidFieldInCDB(1, 4)
		case s.blocks > 0 && c.LBA >= s.blocks:
			return nil, scsi.LBAOutOfRange()
		case except != 0:
			return page.AppendNoExceptions(nil, write), nil
		case c.Maximum == 0, s.blocks == 0, write && !s.profile.rewritable():
			return page.AppendPerformance(nil, write), nil
		}
		return page.AppendPerformance(nil, write, page.Performance{FirstSpeed: speed, Last: s.blocks - 1, LastSpeed: speed}), nil
	case cdb.PerformanceWriteSpeeds:
		if c.Data != 0 {
			return nil, scsi.InvalidFieldInCDB(1, 4)
		}
		if c.Maximum == 0 || !s.profile.rewritable() {
			return page.AppendWriteSpeeds(nil), nil
		}
		return page.AppendWriteSpeeds(nil, page.WriteSpeed{Exact: true, Last: s.blocks - 1, Read: speed, Write: speed}), nil
	}
	return nil, scsi.InvalidFieldInCDB(10, -1)
}

package page

import "encoding/binary"

// Formats of READ DISC STRUCTURE (MMC-6 6.22). Those of DVD and BD have the same numbers.
const (
	StructurePhysical      = 0x00 // of DVD
	StructureCopyright     = 0x01 // of DVD
	StructureBurstCutting  = 0x03
	StructureManufacturing = 0x04 // of DVD

	StructureDiscInformation = 0x00 // of BD
	StructureCartridge       = 0x09 // of BD
	StructureSpareArea       = 0x0a // of BD

	StructureWriteProtection = 0xc0
	StructureList            = 0xff
)

// StructureHeaderLen is the length of what READ DISC STRUCTURE data begins with.
const StructureHeaderLen = 4

// AppendStructure appends READ DISC STRUCTURE data of a structure.
func AppendStructure(dst, structure []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(2+len(structure)))
	return append(append(dst, 0, 0), structure...)
}

// Book types of DVDs.
const (
	BookDVDROM    = 0
	BookDVDPlusRW = 9
	LayerROM      = 0x1 // embossed
	LayerWrite    = 0x2 // recordable
	LayerRewrite  = 0x4
)

// FirstDVDSector is the physical sector number of block 0 of a DVD.
const FirstDVDSector = 0x030000

// A DVDPhysical is the physical format information of a DVD (MMC-6 6.22.3.2.1), of 12 cm.
type DVDPhysical struct {
	Book, Version uint8
	MaximumRate   uint8 // 0 to 15: 2 is 10.08 Mb/s, 15 is not specified
	Layers        uint8 // 1 or 2
	Opposite      bool  // OTP: the second layer is read from the outside in
	Layer         uint8
	Linear, Track uint8  // densities
	Blocks        uint32 // of all layers
	FirstLayer    uint32 // blocks of the first layer, if there are two
	BurstCutting  bool
}

// DVDPhysicalLen is the length of the physical format information.
const DVDPhysicalLen = 2048

// Append appends the structure, 2048 bytes. On two layers with opposite track paths the numbers of the second one's sectors are those of
// the first one's, inverted.
func (d DVDPhysical) Append(dst []byte) []byte {
	last := FirstDVDSector + d.Blocks - 1
	first := uint32(0)
	if d.Layers > 1 && d.FirstLayer > 0 && d.FirstLayer < d.Blocks {
		first = FirstDVDSector + d.FirstLayer - 1
		if d.Opposite {
			last = ^(first - (d.Blocks - d.FirstLayer - 1))
		}
	}
	dst = append(dst, d.Book<<4|d.Version&0xf, d.MaximumRate&0xf, (d.Layers-1)&3<<5|flag(d.Opposite, 0x10)|d.Layer&0xf, d.Linear<<4|d.Track&0xf)
	for _, n := range [...]uint32{FirstDVDSector, last, first} {
		dst = binary.BigEndian.AppendUint32(dst, n&0xffffff)
	}
	return appendZeros(append(dst, flag(d.BurstCutting, 0x80)), DVDPhysicalLen-17)
}

// AppendDVDCopyright appends the copyright information of a DVD (MMC-6 6.22.3.2.2) that may be read and played everywhere.
func AppendDVDCopyright(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// AppendDVDManufacturing appends the manufacturing information of a DVD (MMC-6 6.22.3.2.5) about which nothing is known, 2048 bytes.
func AppendDVDManufacturing(dst []byte) []byte { return appendZeros(dst, 2048) }

// BDInformationLen is the length of the disc information of a BD.
const BDInformationLen = 4096

// AppendBDInformation appends the disc information of a BD (MMC-6 6.22.3.3.1): one unit of 112 bytes, which says what kind of disc it is:
// "BDO" read-only, "BDW" rewritable, "BDR" recordable. The rest of a unit is about lasers, and there is none.
func AppendBDInformation(dst []byte, kind string, class, version uint8) []byte {
	from := len(dst)
	dst = append(dst, 'D', 'I', 1, 1, 0, 0, 112, 0)
	dst = appendPadded(dst, kind, 3)
	dst = append(dst, class&3<<4|version&0xf)
	return appendZeros(dst, from+BDInformationLen-len(dst))
}

// AppendBDCartridge appends the cartridge status of a BD (MMC-6 6.22.3.3.4) without a cartridge.
func AppendBDCartridge(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// AppendBDSpareArea appends the spare area information of a BD (MMC-6 6.22.3.3.5).
func AppendBDSpareArea(dst []byte, free, all uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 0), free), all)
}

// AppendWriteProtection appends the write protection status (MMC-6 6.22.3.1.2): software is that of mode page 1Dh.
func AppendWriteProtection(dst []byte, software bool) []byte {
	return append(dst, flag(software, 0x01), 0, 0, 0)
}

// A StructureEntry is an entry of the list of structures (MMC-6 6.22.3.1.1), all of which can be read.
type StructureEntry struct {
	Format uint8
	Length uint16 // with the header
}

// AppendStructureList appends the list of structures.
func AppendStructureList(dst []byte, all ...StructureEntry) []byte {
	for _, e := range all {
		dst = binary.BigEndian.AppendUint16(append(dst, e.Format, 0x40), e.Length)
	}
	return dst
}

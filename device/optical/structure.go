package optical

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// structure is READ DISC STRUCTURE data (MMC-6 6.22): DVDs and BDs have each their own structures, CDs none but for the list of them.
// Protected is that of mode page 1Dh.
func (s shape) structure(c cdb.ReadDiscStructure, protected bool) ([]byte, error) {
	switch {
	case c.Media > cdb.StructureBD:
		return nil, scsi.InvalidFieldInCDB(1, 3)
	case c.Format == page.StructureList:
		return page.AppendStructure(nil, page.AppendStructureList(nil, s.structures(c.Media)...)), nil
	case c.Media == cdb.StructureDVD && !s.profile.isDVD(), c.Media == cdb.StructureBD && !s.profile.isBD():
		return nil, scsi.IllegalRequest(scsi.ASCIncompatibleFormat)
	case c.Layer >= s.layers():
		return nil, scsi.InvalidFieldInCDB(6, -1)
	case c.Format == page.StructureWriteProtection && s.profile.rewritable():
		return page.AppendStructure(nil, page.AppendWriteProtection(nil, protected)), nil
	}
	var b []byte
	if s.profile.isDVD() {
		b = s.dvdStructure(c.Format)
	} else {
		b = s.bdStructure(c.Format)
	}
	if b == nil {
		return nil, scsi.InvalidFieldInCDB(7, -1)
	}
	return page.AppendStructure(nil, b), nil
}

// layers is how many layers a disc has that large.
func (s shape) layers() uint8 {
	switch {
	case s.profile.isDVD() && s.blocks > layerOfDVD, s.profile.isBD() && s.blocks > layerOfBD:
		return 2
	}
	return 1
}

// layerOfBD is how many blocks are on a layer of a BD, 25 GB.
const layerOfBD = 12_219_392

// structures are those that there are.
func (s shape) structures(media uint8) []page.StructureEntry {
	var all []page.StructureEntry
	add := func(format uint8, n uint16) {
		all = append(all, page.StructureEntry{Format: format, Length: page.StructureHeaderLen + n})
	}
	if media == cdb.StructureDVD {
		add(page.StructurePhysical, page.DVDPhysicalLen)
		add(page.StructureCopyright, 4)
		add(page.StructureManufacturing, 2048)
	} else {
		add(page.StructureDiscInformation, page.BDInformationLen)
		add(page.StructureCartridge, 4)
		add(page.StructureSpareArea, 12)
	}
	add(page.StructureWriteProtection, 4)
	add(page.StructureList, 4*uint16(len(all)+1))
	return all
}

// dvdStructure is a structure of a DVD; nil: it has none of that format. A rewritable one is of version 1.2.
func (s shape) dvdStructure(format uint8) []byte {
	switch format {
	case page.StructurePhysical:
		d := page.DVDPhysical{Book: page.BookDVDROM, Version: 1, MaximumRate: 2, Layers: s.layers(), Layer: page.LayerROM, Blocks: s.blocks}
		if d.Layers > 1 {
			d.Opposite, d.Linear = true, 1
			d.FirstLayer = (s.blocks/2 + 15) / 16 * 16
		}
		if s.profile.rewritable() {
			d.Book, d.Version, d.MaximumRate, d.Layer = page.BookDVDPlusRW, 2, 15, page.LayerRewrite
		}
		return d.Append(nil)
	case page.StructureCopyright:
		return page.AppendDVDCopyright(nil)
	case page.StructureManufacturing:
		return page.AppendDVDManufacturing(nil)
	}
	return nil
}

// bdStructure is a structure of a BD; nil: it has none of that format. No block was ever replaced, and none is kept for that.
func (s shape) bdStructure(format uint8) []byte {
	switch format {
	case page.StructureDiscInformation:
		if s.profile.rewritable() {
			return page.AppendBDInformation(nil, "BDW", 1, 2)
		}
		return page.AppendBDInformation(nil, "BDO", 0, 1)
	case page.StructureCartridge:
		return page.AppendBDCartridge(nil)
	case page.StructureSpareArea:
		if s.profile.rewritable() {
			return page.AppendBDSpareArea(nil, 0, 0)
		}
	}
	return nil
}

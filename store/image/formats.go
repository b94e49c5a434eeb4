package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A kind is a format of images, and how it is recognized.
type kind struct {
	name    string
	what    string // with an article
	advice  string
	certain bool
	atEnd   bool
}

// A mark is what a format begins with, or has somewhere else.
type mark struct {
	at   int64 // from the start; below 0: from the end
	text string
}

// disks are formats of images of disks, and of discs with marks that no plain disk has by chance.
var disks = []struct {
	mark
	name, advice string
}{
	{mark{0, "KDMV"}, "VMDK", toRaw},
	{mark{0, "COWD"}, "VMDK", toRaw},
	{mark{0, "\xbe\xba\xfe\xca\x00\x00\x00\x00"}, "VMDK", toRaw},
	{mark{0, "vhdxfile"}, "VHDX", toRaw},
	{mark{0, "conectix"}, "VHD", toRaw},
	{mark{64, "\x7f\x10\xda\xbe"}, "VDI", toRaw},
	{mark{0, "QED\x00"}, "QED", toRaw},
	{mark{0, "WithoutFreeSpace"}, "Parallels", toRaw},
	{mark{0, "WithouFreSpacExt"}, "Parallels", toRaw},
	{mark{0, "Bochs Virtual HD Image"}, "Bochs", toRaw},
	{mark{0, "#!/bin/sh\n#V2.0 Format\n"}, "cloop", toRaw},
	{mark{0, "EVF\x09\x0d\x0a\xff\x00"}, "EWF", "export it (ewfexport -f raw IMAGE)"},
	{mark{0, "EVF2\x0d\x0a\x81\x00"}, "EWF", "export it (ewfexport -f raw IMAGE)"},
	{mark{0, "AFF10\r\n\x00"}, "AFF", "export it (affconvert -r IMAGE)"},
	{mark{0, "MSWIM\x00\x00\x00"}, "WIM", "it has files, and no disk: apply it to one (wimapply)"},
	{mark{0, "MComprHD"}, "CHD", "extract it (chdman extractdvd, or extractcd and bchunk)"},
	{mark{0, "MEDIA DESCRIPTOR"}, "MDS", "it says where the data is: serve the MDF file beside it if that is a plain one"},
	{mark{0, "BWT5 STREAM SIGN"}, "BlindWrite", toDisc},
	{mark{0, "Adaptec CeQuadrat VirtualCD File"}, "C2D", toDisc},
	{mark{0, "Roxio Image File Format 3.0"}, "C2D", toDisc},
	{mark{0, "DAA\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}, "DAA", toDisc},
	{mark{0, "GBI\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"}, "GBI", toDisc},
}

// discs are formats of images of discs with short marks, which a file is only if it is called so, or as discs are.
var discs = []struct {
	mark
	name, advice string
}{
	{mark{0, "IsZ!"}, "ISZ", "unpack it (isz-tool, or with its own program)"},
	{mark{0, "CISO"}, "CSO", "unpack it (ciso 0 IMAGE DISC, or maxcso --decompress)"},
	{mark{0, "ZISO"}, "ZSO", "unpack it (maxcso --decompress)"},
	{mark{0, "DAX\x00"}, "DAX", "unpack it (maxcso --decompress)"},
	{mark{0, "JISO"}, "JISO", "unpack it with its own program"},
	{mark{0, "ECM\x00"}, "ECM", "unpack it (unecm), and make a plain one of what comes out (bchunk)"},
	{mark{0, "[CloneCD]"}, "CloneCD", "it says where the data is: make a plain one of the IMG file beside it (ccd2iso IMAGE DISC)"},
}

const (
	toRaw  = "convert it (qemu-img convert -O raw IMAGE DISK)"
	toDisc = "convert it to a plain image with 2048 bytes a sector (iat IMAGE DISC, or with its own program)"
	toPack = "convert it to a plain image with 2048 bytes a sector (bchunk, ccd2iso or iat)"
)

// packed are compressed files and archives, with the names that they have. A disk can begin with such bytes: what is written to a disk
// without a file system may be an archive.
var packed = []struct {
	mark
	name, advice string
	names        []string
}{
	{mark{0, "\x1f\x8b\x08"}, "gzip", "decompress it (gunzip)", []string{".gz", ".tgz"}},
	{mark{0, "\xfd7zXZ\x00"}, "xz", "decompress it (unxz)", []string{".xz", ".txz"}},
	{mark{0, "\x28\xb5\x2f\xfd"}, "zstd", "decompress it (unzstd)", []string{".zst", ".zstd"}},
	{mark{0, "BZh"}, "bzip2", "decompress it (bunzip2)", []string{".bz2", ".tbz", ".tbz2"}},
	{mark{0, "\x04\x22\x4d\x18"}, "lz4", "decompress it (unlz4)", []string{".lz4"}},
	{mark{0, "LZIP\x01"}, "lzip", "decompress it (lzip -d)", []string{".lz"}},
	{mark{0, "\x89LZO\x00\r\n\x1a\n"}, "lzop", "decompress it (lzop -d)", []string{".lzo"}},
	{mark{0, "\x1f\x9d"}, "compress", "decompress it (uncompress)", []string{".z"}},
	{mark{0, "PK\x03\x04"}, "zip", "unpack it (unzip), and serve the image that is in it", []string{".zip"}},
	{mark{0, "7z\xbc\xaf\x27\x1c"}, "7z", "unpack it (7z x), and serve the image that is in it", []string{".7z"}},
	{mark{0, "Rar!\x1a\x07"}, "rar", "unpack it (unrar x), and serve the image that is in it", []string{".rar"}},
	{mark{257, "ustar"}, "tar", "unpack it (tar xf), and serve the image that is in it", []string{".tar"}},
}

// format is what the file looks like; nil: none of these.
func (l *looker) format() *kind {
	for _, look := range []func() *kind{l.qcow, l.descriptor, l.marked, l.text, l.ova, l.archive, l.rawSectors, l.ending} {
		if k := look(); k != nil {
			return k
		}
	}
	return nil
}

// an is the image of a format.
func an(name, advice string, certain bool) *kind {
	return &kind{name: name, what: article(name) + " " + name + " image", advice: advice, certain: certain}
}

// article is that of a name as it is said: "an ISZ", "a VMDK".
func article(name string) string {
	if strings.ContainsRune("AEFILMNORSX", rune(name[0])) && strings.ToUpper(name) == name && name != "LUKS" || strings.ContainsRune("aeioAEIO", rune(name[0])) {
		return "an"
	}
	return "a"
}

// qcow tells the first version from the others, which are qcow2.
func (l *looker) qcow() *kind {
	b := l.at(0, 8)
	if !bytes.HasPrefix(b, []byte("QFI\xfb")) {
		return nil
	}
	if len(b) == 8 && binary.BigEndian.Uint32(b[4:]) == 1 {
		return an("qcow", toRaw, true)
	}
	return an("qcow2", toRaw, true)
}

// descriptor is the text of a VMDK that says where its data is.
func (l *looker) descriptor() *kind {
	if !l.has(0, "# Disk DescriptorFile") {
		return nil
	}
	// A flat extent is a plain disk: RW 8388608 FLAT "disk-flat.vmdk" 0
	var extents, flat []string
	for line := range strings.Lines(string(l.at(0, 4096))) {
		f := strings.Fields(line)
		if len(f) < 4 || !slices.Contains([]string{"RW", "RDONLY", "NOACCESS"}, f[0]) {
			continue
		}
		extents = append(extents, line)
		name, _, ok := strings.Cut(strings.TrimPrefix(line[strings.Index(line, f[2])+len(f[2]):], " "), `" `)
		if ok && strings.HasPrefix(name, `"`) && (f[2] == "FLAT" || f[2] == "VMFS") {
			flat = append(flat, name[1:])
		}
	}
	advice := toRaw
	if len(extents) == 1 && len(flat) == 1 {
		advice = fmt.Sprintf("it says where the data is: serve %q, which is the plain disk", filepath.Base(flat[0]))
	}
	return an("VMDK", advice, true)
}

// marked goes by the marks of the tables.
func (l *looker) marked() *kind {
	for _, d := range disks {
		if l.has(d.at, d.text) {
			return an(d.name, d.advice, true)
		}
	}
	for _, d := range discs {
		if l.has(d.at, d.text) {
			return an(d.name, d.advice, l.called("."+strings.ToLower(d.name), ".ccd") || l.calledDisc())
		}
	}
	return nil
}

// text is a cue sheet, which goes by its name: it can begin with many words.
func (l *looker) text() *kind {
	if !l.called(".cue") || l.size > 1<<20 {
		return nil
	}
	b := l.at(0, 4096)
	if !bytes.Contains(b, []byte("FILE ")) || bytes.IndexByte(b, 0) >= 0 {
		return nil
	}
	return &kind{name: "CUE", what: "a cue sheet", certain: true,
		advice: "it says where the data is: make a plain image of the BIN file that it names (bchunk BIN CUE DISC)"}
}

// called reports that the file is called so, capitals or not.
func (l *looker) called(names ...string) bool {
	return slices.Contains(names, strings.ToLower(filepath.Ext(l.name)))
}

// calledDisc reports that the file is called as discs are, which is no name for a disk.
func (l *looker) calledDisc() bool { return l.called(".iso", ".udf") }

// ova is an archive of a virtual machine.
func (l *looker) ova() *kind {
	b := l.at(0, 262)
	if len(b) < 262 || string(b[257:]) != "ustar" {
		return nil
	}
	first, _, _ := bytes.Cut(b[:100], []byte{0})
	if !bytes.HasSuffix(bytes.ToLower(first), []byte(".ovf")) {
		return nil
	}
	return &kind{name: "OVA", what: "an archive of a virtual machine (OVA)", certain: true,
		advice: "unpack it (tar xf), and convert the disk that is in it (qemu-img convert -O raw IMAGE DISK)"}
}

// archive is a compressed file or an archive, of which a disk is only one if it is called so.
func (l *looker) archive() *kind {
	for _, p := range packed {
		if !l.has(p.at, p.text) || p.name == "bzip2" && !l.bzip2() {
			continue
		}
		k := &kind{name: p.name, advice: p.advice, certain: l.called(p.names...) || l.calledDisc(), what: "a file compressed by " + p.name}
		if strings.Contains(p.advice, "unpack") {
			k.what = "an archive (" + p.name + ")"
		}
		return k
	}
	return nil
}

// bzip2 checks what follows the short mark: the size of blocks, and that of the first block.
func (l *looker) bzip2() bool {
	b := l.at(0, 10)
	return len(b) == 10 && b[3] >= '1' && b[3] <= '9' && (string(b[4:]) == "1AY&SY" || string(b[4:]) == "\x17\x72\x45\x38\x50\x90")
}

// sync is what each sector of a CD begins with, as it is on the disc.
const sync = "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"

// rawSectors are whole sectors of a CD, with headers and codes, in which there are 2048 bytes of data each (BIN, MDF and IMG files).
func (l *looker) rawSectors() *kind {
	what := func(n int) *kind {
		return &kind{name: "raw sectors", what: fmt.Sprintf("an image with raw sectors of %d bytes (BIN, MDF, IMG)", n), advice: toPack, certain: true}
	}
	if l.has(0, sync) {
		for _, n := range []int{2352, 2448, 2368} {
			if l.has(int64(n), sync) {
				return what(n)
			}
		}
		return nil
	}
	// Sectors in mode 2 without sync and header: the volume descriptor tells.
	if n := int64(2336); l.has(16*n+8+1, "CD001") && !l.has(16*2048+1, "CD001") {
		return what(int(n))
	}
	return nil
}

// ending is a format with its mark at the end.
func (l *looker) ending() *kind {
	end := func(name, advice string, certain bool) *kind {
		k := an(name, advice, certain)
		k.atEnd = true
		return k
	}
	if l.has(-512, "conectix") {
		return end("VHD", toRaw, true)
	}
	if b := l.at(-512, 12); len(b) == 12 && string(b) == "koly\x00\x00\x00\x04\x00\x00\x02\x00" {
		return end("DMG", toRaw, true)
	}
	if l.has(-64, "bbis") {
		return end("UIF", "unpack it (uif2iso IMAGE DISC)", l.called(".uif") || l.calledDisc())
	}
	b := l.at(-12, 12)
	if len(b) < 12 {
		return nil
	}
	if at := binary.BigEndian.Uint64(b[4:]); string(b[:4]) == "NER5" && l.chunk(at) {
		return end("NRG", toDisc+"; nrg2iso", true)
	}
	if at := binary.BigEndian.Uint32(b[8:]); string(b[4:8]) == "NERO" && l.chunk(uint64(at)) {
		return end("NRG", toDisc+"; nrg2iso", true)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v >= 0x80000004 && v <= 0x80000006 && l.called(".cdi") {
		return end("CDI", toDisc, true)
	}
	return nil
}

// chunk reports that a chunk of Nero's begins at an offset.
func (l *looker) chunk(at uint64) bool {
	if at >= uint64(l.size) {
		return false
	}
	return slices.Contains([]string{"CUES", "CUEX", "DAOI", "DAOX", "ETNF", "ETN2", "CDTX", "SINF", "MTYP"}, string(l.at(int64(at), 4)))
}

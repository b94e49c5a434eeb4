package image_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode"

	"github.com/lunette-io/lunette/store/image"
)

const sector = 2048

// A file is bytes at offsets of a file of zeros.
type file struct {
	name string
	size int
	at   map[int]string // below 0: from the end
}

func (f file) bytes() []byte {
	b := make([]byte, f.size)
	for at, s := range f.at {
		if at < 0 {
			at += len(b)
		}
		copy(b[at:], s)
	}
	return b
}

func (f file) look() image.Found {
	b := f.bytes()
	return image.Look(bytes.NewReader(b), int64(len(b)), f.name)
}

const (
	raw  = "qemu-img convert -O raw"
	sync = "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00"
)

var formats = []struct {
	file
	format, advice string
	disk           bool // refused as a disk too
}{
	{file{"a", 8192, map[int]string{0: "QFI\xfb\x00\x00\x00\x01"}}, "qcow", raw, true},
	{file{"a", 8192, map[int]string{0: "QFI\xfb\x00\x00\x00\x02"}}, "qcow2", raw, true},
	{file{"a", 8192, map[int]string{0: "QFI\xfb\x00\x00\x00\x03"}}, "qcow2", raw, true},
	{file{"a", 8192, map[int]string{0: "KDMV\x01"}}, "VMDK", raw, true},
	{file{"a", 8192, map[int]string{0: "COWD\x01"}}, "VMDK", raw, true},
	{file{"a", 8192, map[int]string{0: "\xbe\xba\xfe\xca"}}, "VMDK", raw, true},
	{file{"a.vmdk", 512, map[int]string{0: "# Disk DescriptorFile\nversion=1\nRW 8192 FLAT \"my disk-flat.vmdk\" 0\n"}}, "VMDK", `serve "my disk-flat.vmdk"`, true},
	{file{"a.vmdk", 512, map[int]string{0: "# Disk DescriptorFile\nRW 8192 SPARSE \"a-s001.vmdk\"\nRW 8192 FLAT \"b\" 0\n"}}, "VMDK", raw, true},
	{file{"a.vmdk", 64, map[int]string{0: "# Disk DescriptorFile\nRW 1 FLAT"}}, "VMDK", raw, true},
	{file{"a", 8192, map[int]string{0: "vhdxfile"}}, "VHDX", raw, true},
	{file{"a", 8192, map[int]string{0: "conectix"}}, "VHD", raw, true},
	{file{"a", 8192, map[int]string{-512: "conectix"}}, "VHD", raw, true},
	{file{"a", 8192, map[int]string{0: "<<< Oracle VM VirtualBox Disk Image >>>\n", 64: "\x7f\x10\xda\xbe"}}, "VDI", raw, true},
	{file{"a", 8192, map[int]string{0: "QED\x00"}}, "QED", raw, true},
	{file{"a", 8192, map[int]string{0: "WithoutFreeSpace"}}, "Parallels", raw, true},
	{file{"a", 8192, map[int]string{0: "WithouFreSpacExt"}}, "Parallels", raw, true},
	{file{"a", 8192, map[int]string{0: "Bochs Virtual HD Image"}}, "Bochs", raw, true},
	{file{"a", 8192, map[int]string{0: "#!/bin/sh\n#V2.0 Format\n"}}, "cloop", raw, true},
	{file{"a.dmg", 8192, map[int]string{-512: "koly\x00\x00\x00\x04\x00\x00\x02\x00"}}, "DMG", raw, true},
	{file{"a.E01", 8192, map[int]string{0: "EVF\x09\x0d\x0a\xff\x00"}}, "EWF", "ewfexport", true},
	{file{"a.aff", 8192, map[int]string{0: "AFF10\r\n\x00"}}, "AFF", "affconvert", true},
	{file{"a.wim", 8192, map[int]string{0: "MSWIM\x00\x00\x00"}}, "WIM", "wimapply", true},
	{file{"a.ova", 8192, map[int]string{0: "a.ovf\x00", 257: "ustar\x00"}}, "OVA", "tar xf", true},

	{file{"a.bin", 8192, map[int]string{0: sync, 2352: sync}}, "raw sectors", "bchunk", true},
	{file{"a.mdf", 8192, map[int]string{0: sync, 2448: sync}}, "raw sectors", "bchunk", true},
	{file{"a.bin", 40000, map[int]string{16*2336 + 9: "CD001"}}, "raw sectors", "bchunk", true},
	{file{"a.cue", 100, map[int]string{0: "\xef\xbb\xbfREM x\r\nFILE \"a.bin\" BINARY\r\n" + strings.Repeat(" ", 70)}}, "CUE", "bchunk BIN CUE DISC", true},
	{file{"a.ccd", 100, map[int]string{0: "[CloneCD]\r\nVersion=3\r\n"}}, "CloneCD", "ccd2iso", true},
	{file{"a.mds", 8192, map[int]string{0: "MEDIA DESCRIPTOR\x01"}}, "MDS", "MDF", true},
	{file{"a.nrg", 8192, map[int]string{4096: "CUEX", -12: "NER5\x00\x00\x00\x00\x00\x00\x10\x00"}}, "NRG", "nrg2iso", true},
	{file{"a.nrg", 8192, map[int]string{4096: "CUES", -8: "NERO\x00\x00\x10\x00"}}, "NRG", "nrg2iso", true},
	{file{"a.cdi", 8192, map[int]string{-8: "\x06\x00\x00\x80"}}, "CDI", "iat", true},
	{file{"a.chd", 8192, map[int]string{0: "MComprHD"}}, "CHD", "chdman", true},
	{file{"a.isz", 8192, map[int]string{0: "IsZ!"}}, "ISZ", "unpack", true},
	{file{"a.cso", 8192, map[int]string{0: "CISO"}}, "CSO", "maxcso", true},
	{file{"a.zso", 8192, map[int]string{0: "ZISO"}}, "ZSO", "maxcso", true},
	{file{"a.dax", 8192, map[int]string{0: "DAX\x00"}}, "DAX", "maxcso", true},
	{file{"a.ecm", 8192, map[int]string{0: "ECM\x00"}}, "ECM", "unecm", true},
	{file{"a.daa", 8192, map[int]string{0: "DAA"}}, "DAA", "iat", true},
	{file{"a.gbi", 8192, map[int]string{0: "GBI"}}, "GBI", "iat", true},
	{file{"a.uif", 8192, map[int]string{-64: "bbis"}}, "UIF", "uif2iso", true},
	{file{"a.b5t", 8192, map[int]string{0: "BWT5 STREAM SIGN"}}, "BlindWrite", "iat", true},

	{file{"a.iso.gz", 8192, map[int]string{0: "\x1f\x8b\x08"}}, "gzip", "gunzip", true},
	{file{"a.img", 8192, map[int]string{0: "\x1f\x8b\x08"}}, "gzip", "gunzip", false},
	{file{"a.iso", 8192, map[int]string{0: "\x1f\x8b\x08"}}, "gzip", "gunzip", true},
	{file{"a.img", 8192, map[int]string{0: "CISO"}}, "CSO", "maxcso", false},
	{file{"a.ISO", 8192, map[int]string{0: "CISO"}}, "CSO", "maxcso", true},
	{file{"a", 8192, map[int]string{-64: "bbis"}}, "UIF", "uif2iso", false},
	{file{"A.ISO.XZ", 8192, map[int]string{0: "\xfd7zXZ\x00"}}, "xz", "unxz", true},
	{file{"a.zst", 8192, map[int]string{0: "\x28\xb5\x2f\xfd"}}, "zstd", "unzstd", true},
	{file{"a.bz2", 8192, map[int]string{0: "BZh91AY&SY"}}, "bzip2", "bunzip2", true},
	{file{"a.zip", 8192, map[int]string{0: "PK\x03\x04"}}, "zip", "unzip", true},
	{file{"a.7z", 8192, map[int]string{0: "7z\xbc\xaf\x27\x1c"}}, "7z", "7z x", true},
	{file{"a.rar", 8192, map[int]string{0: "Rar!\x1a\x07"}}, "rar", "unrar", true},
	{file{"a", 8192, map[int]string{0: "file", 257: "ustar"}}, "tar", "tar xf", false},
}

func TestFormats(t *testing.T) {
	for _, c := range formats {
		f := c.look()
		if f.Format != c.format || !strings.Contains(f.Advice, c.advice) || f.Disc {
			t.Errorf("%s, %v: %+v", c.format, c.at, f)
			continue
		}
		disk, disc := f.Disk("NAME"), f.OnDrive("NAME")
		if (disk != nil) != c.disk || f.Certain != c.disk || (f.Served("NAME") != "") != c.disk {
			t.Errorf("%s as a disk: %v", c.format, disk)
		}
		if disc == nil || !strings.HasPrefix(disc.Error(), "NAME: it looks like a") || !strings.Contains(disc.Error(), "format raw") {
			t.Errorf("%s as a disc: %v", c.format, disc)
		}
	}
	got := formats[1].look().Disk("a.img").Error()
	if want := "a.img: it looks like a qcow2 image, whose bytes are not those of the disk in it: convert it (qemu-img convert -O raw IMAGE DISK), or insist with the format raw if its bytes are what you want to serve"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What a disk, or a disc, may well hold.
func TestPlain(t *testing.T) {
	for _, f := range []file{
		{"empty", 0, nil},
		{"short", 3, map[int]string{0: "QFI"}},
		{"luks", 8192, map[int]string{0: "LUKS\xba\xbe\x00\x02"}},
		{"pc", 8192, map[int]string{0: "\xeb\x63\x90", 510: "\x55\xaa"}},
		{"gpt", 8192, map[int]string{510: "\x55\xaa", 512: "EFI PART"}},
		{"lvm", 8192, map[int]string{512: "LABELONE"}},
		{"bz", 8192, map[int]string{0: "BZh hello"}},
		{"one sync field", 8192, map[int]string{0: sync}},
		{"nero without chunks", 8192, map[int]string{-12: "NER5\x00\x00\x00\x00\x00\x00\x10\x00"}},
		{"nero far away", 8192, map[int]string{-12: "NER5\xff\xff\xff\xff\xff\xff\xff\xff"}},
		{"koly without a version", 8192, map[int]string{-512: "koly"}},
		{"disc juggler by chance", 8192, map[int]string{-8: "\x06\x00\x00\x80"}},
		{"a.cue", 8192, map[int]string{0: "no sheet"}},
		{"late iso", 65536, map[int]string{17*sector + 1: "CD001"}},
	} {
		if got := f.look(); got != (image.Found{}) {
			t.Errorf("%s: %+v", f.name, got)
		}
	}
}

// iso is a primary volume descriptor.
func iso(label string, blocks uint32) string {
	b := make([]byte, sector)
	copy(b, "\x01CD001\x01")
	copy(b[40:72], label+strings.Repeat(" ", 32))
	binary.LittleEndian.PutUint32(b[80:], blocks)
	binary.LittleEndian.PutUint16(b[128:], sector)
	return string(b)
}

// tag is a descriptor of UDF.
func tag(kind uint16, fields map[int]string) string {
	b := make([]byte, sector)
	binary.LittleEndian.PutUint16(b, kind)
	for at, s := range fields {
		copy(b[at:], s)
	}
	for i, v := range b[:16] {
		if i != 4 {
			b[4] += v
		}
	}
	return string(b)
}

func le(v uint32) string { return string(binary.LittleEndian.AppendUint32(nil, v)) }

// dstring is one of n bytes.
func dstring(kind byte, s string, n int) string {
	return string(kind) + s + strings.Repeat("\x00", n-2-len(s)) + string(rune(1+len(s)))
}

// udf is the descriptors of a file system of UDF alone, with blocks blocks.
func udf(blocks uint32, at map[int]string) map[int]string {
	for i, s := range []string{"\x00BEA01\x01", "\x00NSR02\x01", "\x00TEA01\x01"} {
		if at[(16+i)*sector] == "" {
			at[(16+i)*sector] = s
		}
	}
	at[256*sector] = tag(2, map[int]string{16: le(16 * sector), 20: le(32)})
	at[32*sector] = tag(1, map[int]string{24: dstring(8, "volume", 32)})
	at[33*sector] = tag(5, map[int]string{188: le(257), 192: le(blocks - 257)})
	at[34*sector] = tag(6, map[int]string{84: dstring(16, "\x00U\x00\xc4", 128)})
	at[35*sector] = tag(8, nil)
	return at
}

func TestDiscs(t *testing.T) {
	terminator := "\xffCD001\x01"
	joliet := "\x02CD001\x01" + strings.Repeat("\x00", 33) + "\x00J\x00o\x00l" + strings.Repeat("\x00 ", 13) + strings.Repeat("\x00", 16) + "%/E"
	for _, c := range []struct {
		name string
		file
		want image.Found
	}{
		{"plain", file{"a.iso", 400 * sector, map[int]string{16 * sector: iso("DEBIAN 13", 400), 17 * sector: terminator}},
			image.Found{Disc: true, System: "ISO 9660", Label: "DEBIAN 13", Bytes: 400 * sector}},
		{"boots", file{"a.iso", 400 * sector, map[int]string{16 * sector: iso("A", 400), 17 * sector: "\x00CD001\x01EL TORITO SPECIFICATION", 18 * sector: terminator}},
			image.Found{Disc: true, System: "ISO 9660", Label: "A", Bytes: 400 * sector, Bootable: true}},
		{"hybrid", file{"a.iso", 400 * sector, map[int]string{0: "\x45\x52", 446: "\x80\x00\x00\x00\x17\x00\x00\x00\x00\x00\x00\x00\x01", 510: "\x55\xaa", 16 * sector: iso("A", 400)}},
			image.Found{Disc: true, System: "ISO 9660", Label: "A", Bytes: 400 * sector, Hybrid: true}},
		{"no partition", file{"a.iso", 400 * sector, map[int]string{510: "\x55\xaa", 16 * sector: iso("A", 400)}},
			image.Found{Disc: true, System: "ISO 9660", Label: "A", Bytes: 400 * sector}},
		{"no label but that of Joliet", file{"a.iso", 400 * sector, map[int]string{16 * sector: iso("", 400), 17 * sector: joliet, 18 * sector: terminator}},
			image.Found{Disc: true, System: "ISO 9660", Label: "Jol", Bytes: 400 * sector}},
		{"rubbish in the label", file{"a.iso", 400 * sector, map[int]string{16 * sector: iso("A\x1b[2J\x00B\xe4", 400)}},
			image.Found{Disc: true, System: "ISO 9660", Label: "A[2JBä", Bytes: 400 * sector}},
		{"UDF", file{"a.iso", 500 * sector, udf(500, map[int]string{})},
			image.Found{Disc: true, System: "UDF", Label: "UÄ", Bytes: 500 * sector}},
		{"both", file{"a.iso", 500 * sector, udf(500, map[int]string{16 * sector: iso("WIN", 40), 17 * sector: terminator, 18 * sector: "\x00BEA01", 19 * sector: "\x00NSR03", 20 * sector: "\x00TEA01"})},
			image.Found{Disc: true, System: "ISO 9660 and UDF", Label: "WIN", Bytes: 500 * sector}},
		{"UDF without an anchor", file{"a.iso", 100 * sector, map[int]string{16 * sector: "\x00BEA01", 17 * sector: "\x00NSR02"}},
			image.Found{Disc: true, System: "UDF"}},
		{"High Sierra", file{"a.iso", 100 * sector, map[int]string{16*sector + 9: "CDROM", 16*sector + 48: "OLD", 16*sector + 88: le(90), 16*sector + 136: "\x00\x08"}},
			image.Found{Disc: true, System: "High Sierra", Label: "OLD", Bytes: 90 * sector}},
	} {
		got := c.look()
		if got != c.want {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
		if err := got.OnDrive("a"); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Nero's images of whole discs are plain ones with something behind them.
func TestPlainWithSomethingBehind(t *testing.T) {
	f := file{"a.nrg", 400 * sector, map[int]string{16 * sector: iso("A", 300), 350 * sector: "CUEX", -12: "NER5\x00\x00\x00\x00\x00\x0a\xf0\x00"}}.look()
	if f.Format != "NRG" || !f.Disc || f.OnDrive("a") != nil || f.Disk("a") == nil {
		t.Errorf("%+v", f)
	}
}

func TestCutOff(t *testing.T) {
	f := file{"a.iso", 200 * sector, map[int]string{16 * sector: iso("A", 400)}}.look()
	if s := f.Short(200 * sector); !strings.Contains(s, "it has 409600 bytes, and its volume 819200") {
		t.Error(s)
	}
	if s := f.Short(400 * sector); s != "" {
		t.Error(s)
	}
	if s := (image.Found{}).Short(0); s != "" {
		t.Error(s)
	}
}

func FuzzLook(f *testing.F) {
	for _, c := range formats {
		f.Add(c.bytes(), c.name)
	}
	f.Add(file{"a.iso", 300 * sector, udf(300, map[int]string{16 * sector: iso("A", 300)})}.bytes(), "a.iso")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		got := image.Look(bytes.NewReader(b), int64(len(b)), name)
		for _, r := range got.Label {
			if !unicode.IsPrint(r) {
				t.Fatalf("label %q", got.Label)
			}
		}
		if (got.Format == "") != (got.Advice == "") || got.Certain && got.Format == "" || got.Bytes < 0 || !got.Disc && got.Bytes != 0 {
			t.Fatalf("%+v", got)
		}
		got.Disk(name)
		got.OnDrive(name)
		// A size that is not that of the file: it was cut off meanwhile.
		image.Look(bytes.NewReader(b), int64(len(b))*2, name)
		image.Look(bytes.NewReader(b), 1<<62, name)
	})
}

// Package iso makes images of discs with an ISO 9660 file system (ECMA-119) for the tests: files in one directory, and if it is to boot, an
// image for the BIOS (El Torito 1.0, no emulation).
package iso

import (
	"encoding/binary"
	"strings"
)

// Sector is the length of a logical sector, in bytes.
const Sector = 2048

// A File is one in the root directory. Its name is one of ECMA-119 7.5 at level 1: up to 8 characters of A to Z, 0 to 9 and _, and up to 3
// behind a dot.
type File struct {
	Name string
	Data []byte
}

// A Disc is what an image is made of.
type Disc struct {
	Label string // up to 32 characters of a name's
	Files []File
	// Boot, if it is not nil, is called with the sector of the first file, and returns what the BIOS loads to 7C00h and runs.
	Boot func(first uint32) []byte
}

// Where things are, in sectors. What is not there has its place all the same.
const (
	primary = 16 + iota
	bootRecord
	terminator
	pathTable
	pathTableBig
	root
	catalog
	bootImage
	firstFile = bootImage + 4
)

// Image returns the image.
func (d Disc) Image() []byte {
	var entries [][]byte
	at := uint32(firstFile)
	image := make([]byte, firstFile*Sector)
	for _, f := range d.Files {
		entries = append(entries, directoryRecord(f.Name+";1", at, uint32(len(f.Data)), 0))
		image = append(image, f.Data...)
		image = append(image, make([]byte, (Sector-len(image)%Sector)%Sector)...)
		at = uint32(len(image) / Sector)
	}
	put := func(sector int, parts ...[]byte) {
		b := image[sector*Sector:]
		for _, p := range parts {
			b = b[copy(b, p):]
		}
	}
	put(primary, d.primary(uint32(len(image)/Sector)))
	last := terminator
	if d.Boot == nil {
		last = bootRecord
	} else {
		put(bootRecord, append(descriptor(0), "EL TORITO SPECIFICATION"...))
		binary.LittleEndian.PutUint32(image[bootRecord*Sector+71:], catalog)
		put(catalog, bootCatalog())
		put(bootImage, d.Boot(firstFile))
	}
	put(last, descriptor(255))
	put(pathTable, []byte{1, 0, root, 0, 0, 0, 1, 0, 0, 0})
	put(pathTableBig, []byte{1, 0, 0, 0, 0, root, 0, 1, 0, 0})
	put(root, append([][]byte{directoryRecord("\x00", root, Sector, 2), directoryRecord("\x01", root, Sector, 2)}, entries...)...)
	return image
}

// descriptor is the head of a volume descriptor (ECMA-119 8.1).
func descriptor(kind byte) []byte { return append([]byte{kind}, "CD001\x01"...) }

// primary is the primary volume descriptor (ECMA-119 8.4) of a volume of that many sectors.
func (d Disc) primary(sectors uint32) []byte {
	b := make([]byte, Sector)
	copy(b, descriptor(1))
	pad(b[8:40], "")
	pad(b[40:72], d.Label)
	both32(b[80:], sectors)
	both16(b[120:], 1) // volumes
	both16(b[124:], 1) // which of them
	both16(b[128:], Sector)
	both32(b[132:], 10) // bytes of the path table
	binary.LittleEndian.PutUint32(b[140:], pathTable)
	binary.BigEndian.PutUint32(b[148:], pathTableBig)
	copy(b[156:190], directoryRecord("\x00", root, Sector, 2))
	pad(b[190:813], "")
	for i := 813; i < 881; i += 17 { // times: none
		copy(b[i:], "0000000000000000")
	}
	b[881] = 1 // version of the structure
	return b
}

// directoryRecord is one of ECMA-119 9.1.
func directoryRecord(name string, sector, length uint32, flags byte) []byte {
	b := make([]byte, 33, 33+len(name)+1)
	both32(b[2:], sector)
	both32(b[10:], length)
	copy(b[18:25], []byte{126, 11, 30, 0, 0, 0, 0}) // the day
	b[25] = flags
	both16(b[28:], 1)
	b[32] = byte(len(name))
	b = append(b, name...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b[0] = byte(len(b))
	return b
}

// bootCatalog is that of El Torito (figures 2 and 3) with one entry, for PCs.
func bootCatalog() []byte {
	b := make([]byte, 64)
	b[0], b[30], b[31] = 1, 0x55, 0xaa
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	binary.LittleEndian.PutUint16(b[28:], -sum)
	b[32] = 0x88                             // bootable
	binary.LittleEndian.PutUint16(b[38:], 4) // units of 512 bytes
	binary.LittleEndian.PutUint32(b[40:], bootImage)
	return b
}

// Says is a Boot that reads the first sector of the first file through the BIOS (INT 13h, 42h), and sends it, up to a byte of zero, to
// the first serial port. Then it ends QEMU, if that has the device isa-debug-exit at F4h: with 1, or with 3 if it could not read.
func Says(first uint32) []byte {
	code := []byte{
		0xfa,       // cli
		0x31, 0xc0, // xor ax, ax
		0x8e, 0xd8, // mov ds, ax
		0x8e, 0xd0, // mov ss, ax
		0xbc, 0x00, 0x7c, // mov sp, 7C00h
		0xfb,             // sti
		0xbe, 0x38, 0x7c, // mov si, packet
		0xb4, 0x42, // mov ah, 42h
		0xcd, 0x13, // int 13h, of the drive that the BIOS has left in dl
		0xb0, 0x01, // mov al, 1
		0x72, 0x1a, // jc end
		0xbe, 0x00, 0x80, // mov si, 8000h
		0xac,       // next: lodsb
		0x84, 0xc0, // test al, al
		0x74, 0x12, // jz end
		0x88, 0xc4, // mov ah, al
		0xba, 0xfd, 0x03, // mov dx, 3FDh
		0xec,       // busy: in al, dx
		0xa8, 0x20, // test al, 20h
		0x74, 0xfb, // jz busy
		0xba, 0xf8, 0x03, // mov dx, 3F8h
		0x88, 0xe0, // mov al, ah
		0xee,       // out dx, al
		0xeb, 0xe9, // jmp next
		0xe6, 0xf4, // end: out F4h, al
		0xf4,       // hlt
		0xeb, 0xfd, // jmp to it
	}
	code = append(code, make([]byte, 0x38-len(code))...)
	code = append(code, 16, 0, 1, 0, 0x00, 0x80, 0, 0) // packet: one sector to 0:8000h
	code = binary.LittleEndian.AppendUint64(code, uint64(first))
	return append(code, make([]byte, 2048-len(code))...)
}

func pad(b []byte, s string) { copy(b, s+strings.Repeat(" ", len(b)-min(len(s), len(b)))) }

func both16(b []byte, v uint16) {
	binary.LittleEndian.PutUint16(b, v)
	binary.BigEndian.PutUint16(b[2:], v)
}

func both32(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
	binary.BigEndian.PutUint32(b[4:], v)
}

// Package image tells what a file holds that is to be served byte for byte: a disc, or an image of a disk or disc in a format whose bytes are others.
package image

import (
	"fmt"
	"io"
)

// Found is what [Look] has found.
type Found struct {
	// Format is that of an image whose bytes are not those of the disk or disc in it: "qcow2", "VMDK", "gzip" …; empty: none that is known.
	Format string
	// Advice says what to do with such a file: "convert it (qemu-img convert -O raw IMAGE DISK)".
	Advice string
	// Certain: no plain disk looks like this by chance. Only then [Found.Disk] refuses it.
	Certain bool

	what  string // with an article: "a qcow2 image"
	atEnd bool   // the mark is behind what may be a plain image

	// Disc: it is the plain image of a disc, with blocks of 2048 bytes and a file system of discs.
	Disc bool
	// System is the file system of the disc: "ISO 9660", "UDF", "ISO 9660 and UDF", "High Sierra".
	System string
	// Label is the name of the volume; empty: it has none.
	Label string
	// Bytes is how many the volume says that it has; 0: unknown. A file that has fewer was cut off.
	Bytes int64
	// Bootable: El Torito, which a machine boots from.
	Bootable bool
	// Hybrid: it begins with a partition table as well, so that it boots from a disk too.
	Hybrid bool
}

// Look reads a few blocks of r, which has size bytes, and says what it is. What cannot be read is as if it was not there.
// The name is that of the file: a disk may begin with any bytes, also with those of a compressed file, but not if it is called so.
func Look(r io.ReaderAt, size int64, name string) Found {
	l := looker{r: r, size: size, name: name}
	var f Found
	if k := l.format(); k != nil {
		f.Format, f.Advice, f.Certain, f.what, f.atEnd = k.name, k.advice, k.certain, k.what, k.atEnd
	}
	l.disc(&f)
	return f
}

// Disk is nil, or why the file called name is not to be served as a disk: with what to do about it.
func (f Found) Disk(name string) error {
	if !f.Certain {
		return nil
	}
	return f.refuse(name, "disk", "or insist with the format raw if its bytes are what you want to serve")
}

// OnDrive is nil, or why the file called name is not to be served as a disc: with what to do about it. A file that begins as a plain
// disc is one, whatever is behind that.
func (f Found) OnDrive(name string) error {
	if f.Format == "" || f.Disc && f.atEnd {
		return nil
	}
	return f.refuse(name, "disc", "or, if its bytes are what you want to serve, make it the unit's store with the format raw")
}

func (f Found) refuse(name, as, insist string) error {
	return fmt.Errorf("%s: it looks like %s, whose bytes are not those of the %s in it: %s, %s", name, f.what, as, f.Advice, insist)
}

// Served is a warning for a device called name whose bytes are served as they are, though [Found.Disk] would refuse a file; empty: there is none.
func (f Found) Served(name string) string {
	if !f.Certain {
		return ""
	}
	return fmt.Sprintf("%s: it looks like %s, whose bytes are not those of the disk in it, and it is served as it is: if initiators have not written that, take it away again, and %s", name, f.what, f.Advice)
}

// Short says that a file of size bytes is shorter than its volume says; empty: it is not.
func (f Found) Short(size int64) string {
	if f.Bytes <= size {
		return ""
	}
	return fmt.Sprintf("it has %d bytes, and its volume %d: it was cut off, as by a download that did not end, and what is missing cannot be read", size, f.Bytes)
}

// A looker reads a file piecewise.
type looker struct {
	r    io.ReaderAt
	size int64
	name string
}

// at is up to n bytes from off on, which may be negative: from the end. It is shorter where the file ends, and empty if it cannot be read.
func (l *looker) at(off int64, n int) []byte {
	if off < 0 {
		off += l.size
	}
	if off < 0 || off >= l.size {
		return nil
	}
	b := make([]byte, min(int64(n), l.size-off))
	have, err := l.r.ReadAt(b, off)
	if err != nil && err != io.EOF {
		return nil
	}
	return b[:max(min(have, len(b)), 0)]
}

// has reports that mark is at off.
func (l *looker) has(off int64, mark string) bool { return string(l.at(off, len(mark))) == mark }

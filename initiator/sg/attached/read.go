package attached

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/scsi"
)

// Bounds of what is read of a file of sysfs: a page is 4096 bytes, a VPD page at most 4 + 65535.
const (
	maxText = 4096
	maxPage = 4 + 0xffff
)

// read reads what dir has of s: false if it is not a device, or not any more.
func (h Host) read(s *seen) bool {
	kind, ok := decimal(text(s.dir, "type"), 8)
	if !ok || kind > uint64(scsi.TypeUnknown) {
		return false
	}
	s.Address = filepath.Base(s.dir)
	if a, ok := parseAddress(s.Address); !ok || a != s.address {
		return false
	}
	s.Type = scsi.PeripheralType(kind)
	s.Vendor, s.Product, s.Revision = printable(text(s.dir, "vendor")), printable(text(s.dir, "model")), printable(text(s.dir, "rev"))
	s.Serial = serialOf(bytesOf(s.dir, "vpd_pg80", maxPage))
	s.Page83 = wholePage(bytesOf(s.dir, "vpd_pg83", maxPage), 0x83)
	if names := Names(s.Page83); len(names) > 0 {
		s.Name = names[0]
	}
	if target, err := os.Readlink(filepath.Join(s.dir, "driver")); err == nil {
		s.Driver = filepath.Base(target)
	}
	if n, ok := decimal(text(s.dir, "queue_depth"), 31); ok {
		s.Depth = int(n)
	}
	s.nodes = readNodes(s.dir)
	s.Nodes = h.usable(s.nodes)
	s.MaxTransfer = h.transfer(s)
	return true
}

// transfer is how many bytes a command moves. An adapter takes so many bytes, and so many pieces, each of which lies in one place of the real memory.
//
// Of a disk a piece is a page, whatever the memory is: initiators learn the limit and divide what is longer. The block of a tape cannot be
// divided, and a limit that is too low makes tapes unreadable: there pieces are what they are in memory of huge pages, which the arena asks for.
func (h Host) transfer(s *seen) int64 {
	size := int64(os.Getpagesize())
	for _, n := range s.nodes {
		if n.kind != "block" || n.partition {
			continue
		}
		bytes, ok := decimal(text(n.dir, "queue/max_hw_sectors_kb"), 32)
		if !ok || bytes == 0 {
			break
		}
		most := int64(bytes) << 10
		if pieces, ok := decimal(text(n.dir, "queue/max_segments"), 31); ok && pieces > 0 {
			most = min(most, int64(pieces)*size)
		}
		return most
	}
	adapter := filepath.Join(h.path("/sys/class/scsi_host"), "host"+strconv.FormatUint(uint64(s.address.host), 10))
	pieces, ok := decimal(text(adapter, "sg_tablesize"), 31)
	if !ok || pieces == 0 {
		return 0
	}
	if s.Type != scsi.TypeDisk && !strings.Contains(text(h.path("/sys/kernel/mm/transparent_hugepage"), "enabled"), "[never]") {
		size = pieceSize
	}
	most := int64(pieces) * size
	// Without a block device sysfs does not say how many bytes. sg does, but not more than is usual: from there on nothing is known.
	if soft := h.sectors(s.Nodes.SG); soft > 0 && soft < usualSectors {
		most = min(most, soft)
	}
	return most
}

// pieceSize is the longest piece that every adapter takes (BLK_MAX_SEGMENT_SIZE).
const pieceSize = 64 << 10

// usualSectors is what the kernel makes of adapters that take more, in bytes: its limit for file systems, which does not hold for us (BLK_DEF_MAX_SECTORS; newer kernels have more).
const usualSectors = 1280 << 10

// bytesOf are the bytes of a file, nil if it cannot be read or has more than limit.
func bytesOf(dir, name string, limit int64) []byte {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil || int64(len(b)) > limit {
		return nil
	}
	return b
}

// text is the one line of a file, without its end; empty if it cannot be read.
func text(dir, name string) string {
	return strings.TrimSuffix(string(bytesOf(dir, name, maxText)), "\n")
}

// printable is a text of a device's as people may see it: without padding, and each character that is not printable ASCII as a question mark.
func printable(s string) string {
	s = strings.Trim(s, " \x00")
	b := []byte(s)
	for i, c := range b {
		if c < 0x20 || c > 0x7e {
			b[i] = '?'
		}
	}
	return string(b)
}

// decimal reads a number that is nothing but decimal digits and fits so many bits.
func decimal(s string, bits int) (uint64, bool) {
	if s == "" || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, bits)
	return n, err == nil
}

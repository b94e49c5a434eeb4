package mhvtl

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/archive"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// memory is what the memory of a cartridge says.
type memory struct {
	about   archive.About
	density byte
}

// oldMemory is how long the memory of older versions is, a structure of fixed places. In versions up to 3 it is the beginning of
// the file meta, in version 4 it is the file mam. Later ones have attributes in mam: its number, its length (16 bits each), its value;
// behind the versions of the formats of tape and memory (32 bits each).
const oldMemory = 1024

// maxMemory is how much of a file is read.
const maxMemory = 1 << 20

// readMemory reads the memory of a cartridge. One that has none is as good: its barcode says what it is.
func readMemory(dir string) (memory, error) {
	text, err := readSome(filepath.Join(dir, "mam"))
	if errors.Is(err, fs.ErrNotExist) {
		text, err = readSome(filepath.Join(dir, "meta"))
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) < 8 {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, err
	}
	if version := binary.LittleEndian.Uint32(text); version <= 4 {
		return structured(text), nil
	}
	m := memory{}
	m.about.Partitions = make([]archive.Partition, archive.MaxPartitions)
	attributes(text[8:], m.attribute)
	private, err := readSome(filepath.Join(dir, "mhvtl_data"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	attributes(private, m.private)
	return m, nil
}

func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxMemory))
	return text, errors.Join(err, f.Close())
}

// attributes calls do with all that are whole.
func attributes(text []byte, do func(id uint16, value []byte)) {
	for len(text) >= 4 {
		id, n := binary.LittleEndian.Uint16(text), int(binary.LittleEndian.Uint16(text[2:]))
		if text = text[4:]; len(text) < n {
			return
		}
		do(id, text[:n])
		text = text[n:]
	}
}

// structured reads the memory of older versions.
func structured(text []byte) memory {
	m := memory{}
	if len(text) < oldMemory {
		return m
	}
	m.about.Capacity = capacity(text[16:24])
	m.about.Maker = word(text[250:258])
	m.about.Serial = word(text[258:290])
	m.density = text[319]
	m.about.Type = cartridgeType(text[320])
	return m
}

// attribute takes one of the memory.
func (m *memory) attribute(id uint16, value []byte) {
	switch {
	case id == 0x0001 && len(value) == 8:
		m.about.Capacity = capacity(value)
	case id == 0x0400:
		m.about.Maker = word(value)
	case id == 0x0401:
		m.about.Serial = word(value)
	case id == 0x0405 && len(value) == 1:
		m.density = value[0]
	case id == 0x0408 && len(value) == 1:
		m.about.Type = cartridgeType(value[0])
	case id == 0x0806: // its barcode, which the label has
	case id >= 0x0800 && id < 0x0c00, id >= 0x1400 && id < 0x1800:
		m.set(0, id, value)
	}
}

// private takes one of those that mhvtl has for itself: what hosts have set of other partitions, and their sizes.
func (m *memory) private(id uint16, value []byte) {
	switch {
	case id >= 0x0a && id <= 0x0c:
		m.set(int(id-0x0a)+1, 0x080c, value)
	case id >= 0x0d && id <= 0x10 && len(value) == 8:
		m.about.Partitions[id-0x0d].Capacity = capacity(value)
	case id == 0x02 && len(value) == 2:
		m.about.WriteProtect = (value[0]|value[1])&0x02 != 0
	}
}

// set takes an attribute that a host has set; one of zeros was never set.
func (m *memory) set(partition int, id uint16, value []byte) {
	if len(bytes.Trim(value, "\x00")) == 0 {
		return
	}
	format := byte(0)
	switch id {
	case 0x0800, 0x0801, 0x0802, 0x0804, 0x080b:
		format = 1
	case 0x0803, 0x0807, 0x0808:
		format = 2
	}
	p := &m.about.Partitions[partition]
	p.Attributes = append(p.Attributes, archive.Attribute{ID: id, Format: format, Value: bytes.Clone(value)})
}

// capacity is one in bytes.
func capacity(b []byte) int64 {
	n := binary.BigEndian.Uint64(b)
	if n > 1<<56 {
		return 0
	}
	return int64(n)
}

func word(b []byte) string {
	return strings.TrimSpace(string(bytes.TrimRight(b, "\x00")))
}

func cartridgeType(b byte) medium.Type {
	switch b {
	case 1:
		return medium.WORM
	case 6:
		return medium.Cleaning
	}
	return medium.Data
}

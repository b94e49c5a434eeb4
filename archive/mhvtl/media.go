package mhvtl

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/lunette-io/lunette/archive"
)

// ErrEncrypted says that blocks of a cartridge are encrypted.
var ErrEncrypted = errors.New("it has encrypted blocks, which are not read: restore it with the program that has written it")

// A record of an index (indx) is 512 bytes, in the byte order of the machine, which is taken for little-endian: where the data of
// an object begins in the file beside it (64 bits), what it is, flags, its number, its length, the length of what is kept of it,
// and a checksum of the block (32 bits each). Keys of encryption follow, and are not read.
const (
	recordSize = 512

	typeData     = 11
	typeFilemark = 3
	typeEnd      = 5
	typeNothing  = 8

	flagZlib      = 0x01
	flagEncrypted = 0x02
	flagLZO       = 0x04
	flagChecksum  = 0x08
)

// maxKept is how long what is kept of a block may be: compression may make it longer.
const maxKept = archive.MaxBlock + archive.MaxBlock/16 + 4096

type record struct {
	offset                    int64
	kind, flags               uint32
	length, kept, sum, number uint32
}

func decodeRecord(b []byte) record {
	le := binary.LittleEndian
	return record{
		offset: int64(le.Uint64(b)), kind: le.Uint32(b[8:]), flags: le.Uint32(b[12:]), number: le.Uint32(b[16:]),
		length: le.Uint32(b[20:]), kept: le.Uint32(b[24:]), sum: le.Uint32(b[28:]),
	}
}

// A Cartridge is one of mhvtl, opened.
type Cartridge struct {
	about   archive.About
	density byte
	parts   []partition
}

// A partition is the files of one.
type partition struct{ index, data string }

// IsCartridge reports that path is a directory with a cartridge of mhvtl.
func IsCartridge(path string) bool { return len(partitions(path)) > 0 }

// partitions are those of a cartridge. Older versions have one, whose files have no number.
func partitions(dir string) []partition {
	is := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.Mode().IsRegular()
	}
	if is("indx") && is("data") {
		return []partition{{filepath.Join(dir, "indx"), filepath.Join(dir, "data")}}
	}
	var all []partition
	for n := 0; n < archive.MaxPartitions && is(fmt.Sprintf("indx.%d", n)) && is(fmt.Sprintf("data.%d", n)); n++ {
		all = append(all, partition{filepath.Join(dir, fmt.Sprintf("indx.%d", n)), filepath.Join(dir, fmt.Sprintf("data.%d", n))})
	}
	return all
}

// Open opens a cartridge, the directory of which is named by its barcode. One with encrypted blocks is [ErrEncrypted].
func Open(dir string) (*Cartridge, error) {
	c := &Cartridge{parts: partitions(dir)}
	if len(c.parts) == 0 {
		return nil, fmt.Errorf("%s: there is no cartridge of mhvtl, which has the files data and indx", dir)
	}
	m, err := readMemory(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c.density, c.about = m.density, m.about
	c.about.Barcode = filepath.Base(filepath.Clean(dir))
	c.about.Partitions = make([]archive.Partition, len(c.parts))
	copy(c.about.Partitions, m.about.Partitions)
	for _, p := range c.parts {
		if err := p.clear(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.index, err)
		}
	}
	return c, nil
}

// Density is the PRIMARY DENSITY CODE of the medium; 0: not known.
func (c *Cartridge) Density() byte { return c.density }

// About implements [archive.Source]. Format is not known: the barcode or Density say it.
func (c *Cartridge) About() archive.About { return c.about }

// SetFormat says what format it is.
func (c *Cartridge) SetFormat(format string) { c.about.Format = format }

// Close implements [archive.Source]. Files are closed when a partition was read.
func (c *Cartridge) Close() error { return nil }

// clear holds that nothing is encrypted.
func (p partition) clear() error {
	f, err := os.Open(p.index)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(f, 1<<20)
	var b [recordSize]byte
	for err == nil {
		if _, err = io.ReadFull(r, b[:]); err == nil && decodeRecord(b[:]).flags&flagEncrypted != 0 {
			err = ErrEncrypted
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Reader implements [archive.Source].
func (c *Cartridge) Reader(_ context.Context, n int) (archive.Reader, error) {
	index, err := os.Open(c.parts[n].index)
	if err != nil {
		return nil, err
	}
	data, err := os.Open(c.parts[n].data)
	if err != nil {
		return nil, errors.Join(err, index.Close())
	}
	return &reader{partition: n, index: bufio.NewReaderSize(index, 1<<20), data: data, files: []io.Closer{index, data}}, nil
}

// A reader reads a partition.
type reader struct {
	partition int
	index     *bufio.Reader
	data      io.ReaderAt
	files     []io.Closer // until it was all
	object    uint64
	kept, buf []byte
}

// Next implements [archive.Reader].
func (r *reader) Next(context.Context) (archive.Object, error) {
	var b [recordSize]byte
	for {
		_, err := io.ReadFull(r.index, b[:])
		switch {
		case errors.Is(err, io.EOF):
			return archive.Object{}, r.end(io.EOF)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return archive.Object{}, r.end(r.lost(0, errors.New("the index ends in the middle of a record")))
		case err != nil:
			return archive.Object{}, r.end(err)
		}
		rec := decodeRecord(b[:])
		switch rec.kind {
		case typeEnd:
			return archive.Object{}, r.end(io.EOF)
		case typeNothing:
			continue
		case typeFilemark:
			r.object++
			return archive.Object{Filemark: true}, nil
		case typeData:
			return r.block(rec)
		}
		r.object++
		return archive.Object{}, r.lost(1, fmt.Errorf("the index has an object of the type %d, which is none", rec.kind))
	}
}

// lost is the error of the object that was just counted, or of all from here on.
func (r *reader) lost(count uint64, err error) error {
	return &archive.LostError{Partition: r.partition, Object: r.object - count, Count: count, Err: err}
}

// end closes the files, once.
func (r *reader) end(err error) error {
	for _, f := range r.files {
		if closing := f.Close(); closing != nil {
			err = errors.Join(err, closing)
		}
	}
	r.files = nil
	return err
}

// block reads the data of a block.
func (r *reader) block(rec record) (archive.Object, error) {
	r.object++
	switch {
	case rec.length == 0 || rec.length > archive.MaxBlock:
		return archive.Object{}, r.lost(1, fmt.Errorf("a block of %d bytes: there are 1 to %d", rec.length, int64(archive.MaxBlock)))
	case rec.kept > maxKept || rec.offset < 0:
		return archive.Object{}, r.lost(1, errors.New("the index is damaged"))
	case rec.flags&flagEncrypted != 0:
		return archive.Object{}, r.lost(1, ErrEncrypted)
	}
	r.kept = sized(r.kept, int(rec.kept))
	if _, err := r.data.ReadAt(r.kept, rec.offset); err != nil {
		return archive.Object{}, r.lost(1, fmt.Errorf("its data is not there: %w", err))
	}
	data, err := r.expanded(rec)
	if err == nil && rec.flags&flagChecksum != 0 && checksum(data) != rec.sum {
		err = errors.New("its data is not what was written: the checksum is another one")
	}
	if err != nil {
		return archive.Object{}, r.lost(1, err)
	}
	return archive.Object{Data: data}, nil
}

// sized returns n bytes, those of b if it has as many.
func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// expanded is a block as it was written, of what is kept of it.
func (r *reader) expanded(rec record) ([]byte, error) {
	switch {
	case rec.flags&flagLZO != 0:
		r.buf = sized(r.buf, int(rec.length))
		return r.buf, expandLZO(r.buf, r.kept)
	case rec.flags&flagZlib != 0:
		r.buf = sized(r.buf, int(rec.length))
		return r.buf, expandZlib(r.buf, r.kept)
	case rec.kept != rec.length:
		return nil, fmt.Errorf("%d bytes are kept of a block of %d that is not compressed", rec.kept, rec.length)
	}
	return r.kept, nil
}

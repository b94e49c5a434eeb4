package archive

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A file of SIMH (".tap") has a record for each block: its length (32 bits, little-endian), its data, padded to an even number of
// bytes, and its length again. A length of 0 is a tape mark, and all bits set are the end of the medium. The highest bit says that
// the block was read with an error; lengths of other classes than data are private to programs.
const (
	simhMark  = 0x00000000
	simhEnd   = 0xffffffff
	simhGap   = 0xfffffffe
	simhError = 0x80000000
	simhClass = 0x7f000000
)

// A simhSource reads a file of SIMH.
type simhSource struct {
	file *os.File
	r    *bufio.Reader
	n    uint64
	buf  []byte
}

// OpenSIMH reads a tape from a file of SIMH.
func OpenSIMH(path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &simhSource{file: f}, nil
}

// About implements [Source].
func (s *simhSource) About() About { return About{Partitions: make([]Partition, 1)} }

// Reader implements [Source].
func (s *simhSource) Reader(context.Context, int) (Reader, error) {
	s.r = bufio.NewReaderSize(s.file, 1<<20)
	return s, nil
}

// Next implements [Reader].
func (s *simhSource) Next(context.Context) (Object, error) {
	for {
		length, err := s.length()
		switch {
		case errors.Is(err, io.EOF), err == nil && length == simhEnd:
			return Object{}, io.EOF
		case err != nil:
			return Object{}, fmt.Errorf("%s, object %d: %w", s.file.Name(), s.n, err)
		case length == simhGap:
			continue
		case length == simhMark:
			s.n++
			return Object{Filemark: true}, nil
		}
		data, err := s.record(length)
		if err != nil {
			return Object{}, fmt.Errorf("%s, object %d: %w", s.file.Name(), s.n, err)
		}
		at := s.n
		s.n++
		if length&simhError != 0 {
			return Object{}, &LostError{Object: at, Count: 1, Err: errors.New("it was read with an error when the file was made")}
		}
		return Object{Data: data}, nil
	}
}

// record reads the data of a block, and its length again.
func (s *simhSource) record(length uint32) ([]byte, error) {
	n := int(length &^ simhError)
	if length&simhClass != 0 || n > MaxBlock || n == 0 {
		return nil, fmt.Errorf("%#08x is no length of a block: it is no file of SIMH, or is damaged", length)
	}
	padded := n + n&1
	if cap(s.buf) < padded {
		s.buf = make([]byte, padded)
	}
	b := s.buf[:padded]
	if _, err := io.ReadFull(s.r, b); err != nil {
		return nil, fmt.Errorf("it ends in the middle of a block: %w", err)
	}
	again, err := s.length()
	if err != nil || again != length {
		return nil, fmt.Errorf("the length of a block is %d before it and %d behind it: the file is damaged", length, again)
	}
	return b[:n], nil
}

func (s *simhSource) length() (uint32, error) {
	var b [4]byte
	if _, err := io.ReadFull(s.r, b[:]); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// Close implements [Source].
func (s *simhSource) Close() error { return s.file.Close() }

// A simhSink writes a file of SIMH.
type simhSink struct {
	file  *os.File
	path  string
	w     *bufio.Writer
	ended bool
}

// CreateSIMH makes a file of SIMH for a tape.
func CreateSIMH(path string) (Sink, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: it is there already", path)
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	return &simhSink{file: f, path: path, w: bufio.NewWriterSize(f, 1<<20)}, nil
}

// Begin implements [Sink].
func (s *simhSink) Begin(_ context.Context, about About) error {
	if len(about.Partitions) > 1 {
		return fmt.Errorf("it has %d partitions, and a file of SIMH is for one: copy it to a directory or a tar file", len(about.Partitions))
	}
	return about.check()
}

// Writer implements [Sink].
func (s *simhSink) Writer(context.Context, int) (Writer, error) { return s, nil }

// Block implements [Writer].
func (s *simhSink) Block(_ context.Context, data []byte) error {
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(data)))
	_, _ = s.w.Write(length[:]) // an error stays, and the last write tells it
	_, _ = s.w.Write(data)
	if len(data)%2 == 1 {
		_ = s.w.WriteByte(0)
	}
	_, err := s.w.Write(length[:])
	return err
}

// Filemark implements [Writer].
func (s *simhSink) Filemark(context.Context) error {
	_, err := s.w.Write([]byte{0, 0, 0, 0})
	return err
}

// End implements [Sink].
func (s *simhSink) End(context.Context) error {
	_, err := s.w.Write([]byte{0xff, 0xff, 0xff, 0xff})
	if err = errors.Join(err, s.w.Flush(), s.file.Sync()); err != nil {
		return err
	}
	if err := os.Rename(s.file.Name(), s.path); err != nil {
		return err
	}
	s.ended = true
	return syncDirectory(filepath.Dir(s.path))
}

// Close implements [Sink].
func (s *simhSink) Close() error {
	err := s.file.Close()
	if !s.ended {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}

package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A tarSink writes a tape as a tar of files. A file of the tape goes to a temporary one first, since a tar says how long a file
// is before it comes.
type tarSink struct {
	to     io.Writer
	file   *os.File // that is made, under another name until it is whole; nil: to is not ours
	path   string
	spools string // directory for temporary files
	tar    *tar.Writer
	out    *splitter
	time   time.Time
	ended  bool
}

// CreateTar makes a tar file for a tape.
func CreateTar(path string) (Sink, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: it is there already", path)
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return nil, err
	}
	return &tarSink{to: f, file: f, path: path, spools: filepath.Dir(path)}, nil
}

// WriteTar writes a tar of a tape to w. Its temporary files lie where the system has its.
func WriteTar(w io.Writer) Sink { return &tarSink{to: w} }

// Begin implements [Sink].
func (t *tarSink) Begin(_ context.Context, about About) error {
	if err := about.check(); err != nil {
		return err
	}
	text, err := encodeManifest(about)
	if err != nil {
		return err
	}
	t.tar, t.time = tar.NewWriter(t.to), time.Now()
	return t.member(manifestName, int64(len(text)), bytes.NewReader(text))
}

func (t *tarSink) member(name string, size int64, from io.Reader) error {
	if err := t.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o640, ModTime: t.time}); err != nil {
		return err
	}
	_, err := io.CopyN(t.tar, from, size)
	return err
}

// Writer implements [Sink].
func (t *tarSink) Writer(_ context.Context, partition int) (Writer, error) {
	if err := t.out.end(); err != nil {
		return nil, err
	}
	t.out = &splitter{open: func(file int) (*part, error) {
		var spools [2]*os.File
		for i := range spools {
			f, err := spool(t.spools)
			if err != nil {
				return nil, err
			}
			spools[i] = f
		}
		return newPart(spools[0], spools[1], func() error {
			name := partName(partition, file)
			err := t.spooled(name+".blocks", spools[1])
			if err == nil {
				err = t.spooled(name+".data", spools[0])
			}
			return errors.Join(err, spools[0].Close(), spools[1].Close())
		}), nil
	}}
	return t.out, nil
}

// spooled writes what is in a temporary file.
func (t *tarSink) spooled(name string, f *os.File) error {
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	return t.member(name, size, f)
}

// End implements [Sink].
func (t *tarSink) End(context.Context) error {
	if err := t.out.end(); err != nil {
		return err
	}
	if err := t.tar.Close(); err != nil {
		return err
	}
	t.ended = true
	if t.file == nil {
		return nil
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(t.file.Name(), t.path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(t.path))
}

// Close implements [Sink].
func (t *tarSink) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	if !t.ended {
		err = errors.Join(err, os.Remove(t.file.Name()))
	}
	return err
}

// spool makes a temporary file that has no name.
func spool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".lunette-*")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// A tarSource reads a tape from a tar of files.
type tarSource struct {
	from   io.Closer
	spools string
	tar    *tar.Reader
	about  About
	next   *tar.Header // that was read and is not taken; nil: none
	spool  *os.File
}

// OpenTar reads a tape from a tar file.
func OpenTar(path string) (Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s, err := ReadTar(f, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return s, nil
}

// ReadTar reads a tape from a tar. close is closed at the end, and may be nil.
func ReadTar(r io.Reader, end io.Closer) (Source, error) {
	t := &tarSource{from: end, tar: tar.NewReader(r)}
	h, err := t.peek()
	if err != nil || h.Name != manifestName {
		return nil, errors.Join(errors.New("it is no tar of a tape, which begins with "+manifestName), err)
	}
	t.next = nil
	t.about, err = decodeManifest(t.tar)
	return t, err
}

// peek reads the header of the next file; directories are passed by.
func (t *tarSource) peek() (*tar.Header, error) {
	for t.next == nil {
		h, err := t.tar.Next()
		if err != nil {
			return nil, err
		}
		if h.Typeflag != tar.TypeDir {
			h.Name = filepath.ToSlash(filepath.Clean(h.Name)) // tar writes ./ in front
			t.next = h
		}
	}
	return t.next, nil
}

// About implements [Source].
func (t *tarSource) About() About { return t.about }

// Reader implements [Source].
func (t *tarSource) Reader(_ context.Context, partition int) (Reader, error) {
	return &joiner{open: func(file int) (io.Reader, io.Reader, error) {
		name := partName(partition, file)
		h, err := t.peek()
		if err != nil {
			return nil, nil, err
		}
		if h.Name != name+".blocks" {
			if filepath.Dir(h.Name) == filepath.Dir(name) {
				return nil, nil, fmt.Errorf("%s comes where %s.blocks should: the files of a tape stand in its order, each list of blocks before its data", h.Name, name)
			}
			return nil, nil, io.EOF // the next partition
		}
		if t.spool == nil {
			if t.spool, err = spool(""); err != nil {
				return nil, nil, err
			}
		}
		if err := t.spooled(); err != nil {
			return nil, nil, err
		}
		if h, err = t.peek(); err != nil || h.Name != name+".data" {
			return nil, nil, errors.Join(fmt.Errorf("%s.data is not there", name), err)
		}
		t.next = nil
		return t.spool, t.tar, nil
	}}, nil
}

// spooled puts the file that comes into the temporary one.
func (t *tarSource) spooled() error {
	t.next = nil
	if err := t.spool.Truncate(0); err != nil {
		return err
	}
	if _, err := t.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(t.spool, t.tar); err != nil {
		return err
	}
	_, err := t.spool.Seek(0, io.SeekStart)
	return err
}

// Close implements [Source].
func (t *tarSource) Close() error {
	var err error
	if t.spool != nil {
		err = t.spool.Close()
	}
	if t.from != nil {
		err = errors.Join(err, t.from.Close())
	}
	return err
}

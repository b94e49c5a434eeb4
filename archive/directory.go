package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A directory is a tape as files in a directory.
type directory struct {
	path  string
	about About
	files []*os.File // that are open
	out   *splitter  // of the partition that is being written
}

// IsDirectory reports that path is a directory with a tape as files.
func IsDirectory(path string) bool {
	info, err := os.Stat(filepath.Join(path, manifestName))
	return err == nil && info.Mode().IsRegular()
}

// OpenDirectory opens a tape as files in a directory.
func OpenDirectory(path string) (Source, error) {
	f, err := os.Open(filepath.Join(path, manifestName))
	if err != nil {
		return nil, err
	}
	about, err := decodeManifest(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &directory{path: path, about: about}, nil
}

// CreateDirectory makes a directory, or takes an empty one, for a tape as files.
func CreateDirectory(path string) (Sink, error) {
	if err := os.Mkdir(path, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if some, err := os.ReadDir(path); err != nil || len(some) > 0 {
		return nil, errors.Join(err, fmt.Errorf("%s: it is not an empty directory", path))
	}
	return &directory{path: path}, nil
}

// About implements [Source].
func (d *directory) About() About { return d.about }

// Reader implements [Source].
func (d *directory) Reader(_ context.Context, partition int) (Reader, error) {
	return &joiner{open: func(file int) (io.Reader, io.Reader, error) {
		if err := d.close(); err != nil {
			return nil, nil, err
		}
		name := filepath.Join(d.path, partName(partition, file))
		blocks, err := os.Open(name + ".blocks")
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, io.EOF
		}
		if err != nil {
			return nil, nil, err
		}
		d.files = append(d.files, blocks)
		data, err := os.Open(name + ".data")
		if err != nil {
			return nil, nil, err
		}
		d.files = append(d.files, data)
		return blocks, data, nil
	}}, nil
}

// close closes the files that are open.
func (d *directory) close() (err error) {
	for _, f := range d.files {
		err = errors.Join(err, f.Close())
	}
	d.files = nil
	return err
}

// Begin implements [Sink].
func (d *directory) Begin(_ context.Context, about About) error {
	d.about = about
	return about.check()
}

// Writer implements [Sink].
func (d *directory) Writer(_ context.Context, partition int) (Writer, error) {
	if err := d.out.end(); err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(d.path, fmt.Sprintf("p%d", partition)), 0o750); err != nil {
		return nil, err
	}
	d.out = &splitter{open: func(file int) (*part, error) {
		name := filepath.Join(d.path, partName(partition, file))
		var files [2]*os.File
		for i, end := range []string{".data", ".blocks"} {
			f, err := os.OpenFile(name+end, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
			if err != nil {
				return nil, err
			}
			files[i] = f
			d.files = append(d.files, f)
		}
		return newPart(files[0], files[1], d.close), nil
	}}
	return d.out, nil
}

// End implements [Sink]. What says what the tape is comes last, when all else is durable: a directory without it is no tape.
func (d *directory) End(context.Context) error {
	if err := d.out.end(); err != nil {
		return err
	}
	if err := syncAll(d.path); err != nil {
		return err
	}
	text, err := encodeManifest(d.about)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(d.path, manifestName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close(), syncDirectory(d.path))
}

// Close implements [Source] and [Sink].
func (d *directory) Close() error { return d.close() }

// syncAll makes all files of the file system durable that a directory is on: there may be a million of ours.
func syncAll(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

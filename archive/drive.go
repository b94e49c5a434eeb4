package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/initiator/st"
)

// A drive is a tape in a real drive.
type drive struct {
	drive *st.Drive
	buf   []byte
}

// OpenDrive opens a real drive to read the tape in it.
func OpenDrive(path string) (Source, error) {
	d, err := st.Open(path, false)
	if err != nil {
		return nil, err
	}
	return &drive{drive: d, buf: make([]byte, MaxBlock)}, nil
}

// ToDrive opens a real drive to write the tape in it, from its beginning.
func ToDrive(path string) (Sink, error) {
	d, err := st.Open(path, true)
	if err != nil {
		return nil, err
	}
	return &drive{drive: d}, nil
}

// About implements [Source].
func (d *drive) About() About { return About{Partitions: make([]Partition, 1)} }

// Reader implements [Source].
func (d *drive) Reader(context.Context, int) (Reader, error) { return d, nil }

// Next implements [Reader].
func (d *drive) Next(context.Context) (Object, error) {
	n, err := d.drive.Read(d.buf)
	switch {
	case errors.Is(err, st.ErrFilemark):
		return Object{Filemark: true}, nil
	case err != nil:
		return Object{}, err
	}
	return Object{Data: d.buf[:n]}, nil
}

// Begin implements [Sink].
func (d *drive) Begin(_ context.Context, about About) error {
	if len(about.Partitions) > 1 {
		return fmt.Errorf("it has %d partitions, and a tape in a drive is written as one: copy it to a directory or a tar file", len(about.Partitions))
	}
	return about.check()
}

// Writer implements [Sink].
func (d *drive) Writer(context.Context, int) (Writer, error) { return d, nil }

// Block implements [Writer].
func (d *drive) Block(_ context.Context, data []byte) error { return d.drive.Write(data) }

// Filemark implements [Writer].
func (d *drive) Filemark(context.Context) error { return d.drive.Filemark() }

// End implements [Sink].
func (d *drive) End(context.Context) error { return d.drive.Sync() }

// Close implements [Source] and [Sink].
func (d *drive) Close() error { return d.drive.Close() }

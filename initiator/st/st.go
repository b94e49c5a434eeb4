// Package st is the other end of a real tape drive: it reads and writes tapes through Linux's driver st, by a device that does not
// rewind by itself, such as /dev/nst0.
package st

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Operations of MTIOCTOP, and bits of what MTIOCGET says of a drive (linux/mtio.h).
const (
	opFilemarks = 5  // MTWEOF
	opRewind    = 6  // MTREW
	opEnd       = 12 // MTEOM
	opBlock     = 20 // MTSETBLK; 0: blocks of any length

	statusEndOfData    = 0x08000000 // GMT_EOD
	statusWriteProtect = 0x04000000 // GMT_WR_PROT
	statusOnline       = 0x01000000 // GMT_ONLINE
	statusDoor         = 0x00040000 // GMT_DR_OPEN
)

// ErrFilemark says that a filemark came instead of a block.
var ErrFilemark = errors.New("filemark")

// ErrFull says that the end of the tape was reached.
var ErrFull = errors.New("the tape in the drive is full")

// A status is what MTIOCGET says.
type status struct {
	bits uint64
	file int64
}

// A device is what is asked of the driver.
type device interface {
	io.ReadWriteCloser
	operate(op int16, count int32) error
	status() (status, error)
	position() (int64, error) // MTIOCPOS: how many objects are before it
}

// A Drive is a drive with a tape in it.
type Drive struct {
	dev     device
	written bool // a block, and nothing that is behind it
}

// IsDrive reports that path is a device that may be a drive.
func IsDrive(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Open opens a drive, and rewinds the tape in it. Blocks may have any length.
func Open(path string, write bool) (*Drive, error) {
	dev, err := openDevice(path, write)
	if err != nil {
		return nil, err
	}
	d, err := open(dev, write)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), dev.Close())
	}
	return d, nil
}

func open(dev device, write bool) (*Drive, error) {
	s, err := dev.status()
	switch {
	case errors.Is(err, syscall.ENOTTY), errors.Is(err, syscall.EINVAL):
		return nil, errors.New("it is no tape drive")
	case err != nil:
		return nil, err
	case s.bits&statusDoor != 0 || s.bits&statusOnline == 0:
		return nil, errors.New("there is no tape in the drive")
	case write && s.bits&statusWriteProtect != 0:
		return nil, errors.New("the tape in the drive is write protected")
	}
	if err := dev.operate(opRewind, 1); err != nil {
		return nil, fmt.Errorf("rewinding: %w", err)
	}
	if err := dev.operate(opBlock, 0); err != nil {
		return nil, fmt.Errorf("blocks of any length: %w", err)
	}
	return &Drive{dev: dev}, nil
}

// Read reads the next block. It returns [ErrFilemark], or io.EOF at the end of data.
func (d *Drive) Read(p []byte) (int, error) {
	before, err := d.dev.status()
	if err != nil {
		return 0, err
	}
	n, err := d.dev.Read(p)
	if n > 0 {
		return n, nil
	}
	after, asked := d.dev.status()
	switch {
	case asked != nil:
		return 0, asked
	case after.bits&statusEndOfData != 0, errors.Is(err, syscall.EIO) && d.atEnd():
		return 0, io.EOF
	case err == nil || errors.Is(err, io.EOF):
		if after.file == before.file {
			return 0, io.EOF
		}
		return 0, ErrFilemark
	case errors.Is(err, syscall.ENOMEM):
		return 0, fmt.Errorf("a block is longer than %d bytes: %w", len(p), err)
	}
	return 0, err
}

// atEnd reports that the tape is at the end of data. Behind a block the driver says no more of that than of a block that cannot be
// read: it is where going to the end of data goes nowhere.
func (d *Drive) atEnd() bool {
	here, err := d.dev.position()
	if err != nil || d.dev.operate(opEnd, 1) != nil {
		return false
	}
	end, err := d.dev.position()
	return err == nil && here == end
}

// Write writes a block. Near the end of the tape the driver refuses each second one, as a warning: it is written again.
// [ErrFull]: that was refused too.
func (d *Drive) Write(p []byte) error {
	n, err := d.dev.Write(p)
	if errors.Is(err, syscall.ENOSPC) && n <= 0 {
		n, err = d.dev.Write(p)
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return ErrFull
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EOVERFLOW):
		return fmt.Errorf("the drive takes no block of %d bytes: %w", len(p), err)
	case err != nil:
		return err
	case n != len(p):
		return fmt.Errorf("the drive took %d of %d bytes", n, len(p))
	}
	d.written = true
	return nil
}

// Filemark writes a filemark.
func (d *Drive) Filemark() error {
	d.written = false
	return d.end(1)
}

func (d *Drive) end(filemarks int32) error {
	err := d.dev.operate(opFilemarks, filemarks)
	if errors.Is(err, syscall.ENOSPC) {
		return ErrFull
	}
	return err
}

// Sync waits until all is on the tape. Without it Close would write a filemark behind a block, as the driver does.
func (d *Drive) Sync() error {
	if !d.written {
		return nil
	}
	d.written = false
	return d.end(0)
}

// Close rewinds, and gives the drive back.
func (d *Drive) Close() error {
	return errors.Join(d.Sync(), d.dev.operate(opRewind, 1), d.dev.Close())
}

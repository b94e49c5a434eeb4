package sg

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"
)

// ErrInvalid says that no interface of the kernel takes such a command. It was not sent.
var ErrInvalid = errors.New("not a command for the kernel")

// Reasons of ErrInvalid.
var (
	errCDB      = fmt.Errorf("%w: a CDB has 1 to %d bytes", ErrInvalid, MaxCDB)
	errNone     = fmt.Errorf("%w: it has data, and no direction", ErrInvalid)
	errTransfer = fmt.Errorf("%w: it has more data than the adapter moves with one command", ErrInvalid)
)

// check says why c is not to be sent.
func check(c *Command, maxTransfer int64) error {
	n := int64(len(c.Data.Mem))
	switch {
	case len(c.CDB) == 0 || len(c.CDB) > MaxCDB:
		return errCDB
	case n == 0:
		return nil
	case c.Direction != In && c.Direction != Out:
		return errNone
	case n > math.MaxInt32 || maxTransfer > 0 && n > maxTransfer: // residuals have 31 bits
		return errTransfer
	}
	return nil
}

// fail ends a command that was not sent.
func fail(c *Command, err error) {
	c.Result = Result{Err: err, Residual: int64(len(c.Data.Mem))}
	c.Done(c)
}

// reason is what an error of the kernel says of a command that it has not sent.
func reason(err error) error {
	switch err {
	case syscall.ENODEV, syscall.ENXIO:
		return ErrGone
	case syscall.EPERM, syscall.EACCES:
		return ErrPrivilege
	}
	return err
}

const defaultTimeout = time.Minute

// milliseconds is a timeout as the kernel takes it. It calculates with 31 bits, and takes 0 for something else.
func milliseconds(d time.Duration) uint32 {
	if d <= 0 {
		d = defaultTimeout
	}
	return uint32(min(max(d.Milliseconds(), 1), math.MaxInt32))
}

// A list has commands in the order in which they came.
type list struct {
	first, last *Command
	n           int
}

func (l *list) push(c *Command) {
	c.Link = nil
	if l.first == nil {
		l.first = c
	} else {
		l.last.Link = c
	}
	l.last = c
	l.n++
}

// unshift puts back what was popped.
func (l *list) unshift(c *Command) {
	if c.Link = l.first; l.first == nil {
		l.last = c
	}
	l.first = c
	l.n++
}

func (l *list) pop() *Command {
	c := l.first
	if c != nil {
		l.first, c.Link = c.Link, nil
		l.n--
	}
	return c
}

// take moves all of from behind what is in l.
func (l *list) take(from *list) {
	switch {
	case from.first == nil:
		return
	case l.first == nil:
		*l = *from
	default:
		l.last.Link, l.last = from.first, from.last
		l.n += from.n
	}
	*from = list{}
}

// errClosed is what commands get that come after Close.
var errClosed = fmt.Errorf("the device is closed: %w", os.ErrClosed)

package disk

import (
	"errors"
	"log/slog"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/store"
)

// An errorLog tells an operator what the store of a disk does wrong: initiators are told too, but
// theirs is another log, on another machine. A disk that fails does so thousands of times in a
// second: so a few are told, and how many more there were.
type errorLog struct {
	log   *slog.Logger // nil: nobody is told
	paced ratelog.Paced
}

func newErrorLog(log *slog.Logger) *errorLog { return &errorLog{log: log} }

// failed tells of an error of the store.
func (l *errorLog) failed(err error, kind ioKind, lba uint64) {
	msg := "the store has failed"
	switch {
	case errors.Is(err, store.ErrOutOfSpace):
		msg = "there is no space left where the data lies: writes fail until there is some"
	case errors.Is(err, store.ErrUnavailable):
		msg = "the store cannot be reached for now: initiators are told to ask again"
	case errors.Is(err, store.ErrReadOnly):
		msg = "the store cannot be written any more"
	}
	l.warn(msg, "operation", kind.String(), "lba", lba, "errno", errno(err), "error", err)
}

// notKept tells that reservations could not be kept.
func (l *errorLog) notKept(err error) {
	l.warn("reservations cannot be kept: the command that changed them was refused", "errno", errno(err), "error", err)
}

func (l *errorLog) warn(msg string, args ...any) {
	if l.log != nil {
		l.paced.Warn(l.log, msg, args...)
	}
}

// close tells what was held back.
func (l *errorLog) close() {
	if l.log != nil {
		l.paced.Flush(l.log, "more errors of the store")
	}
}

// errno is the name of the system's error in err; "-" if there is none.
func errno(err error) string {
	var e syscall.Errno
	if !errors.As(err, &e) {
		return "-"
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return e.Error()
}

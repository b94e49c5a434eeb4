package state

import (
	"io"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// A files is what a [Dir] asks of the operating system. Paths are below the state directory; "" is
// the directory itself. What is not synced may be lost, or half there, after a crash. Tests let it
// fail, and crash.
type files interface {
	// list are the names in a directory, without an order.
	list(dir string) ([]string, error)
	// read gives at most limit bytes from the start of a regular file, and how many it has. The error
	// about something else of that name is a *wrong.
	read(path string, limit int64) (b []byte, size int64, err error)
	// create makes a new file.
	create(path string) (output, error)
	// rename puts a file in the place of another, or of nothing.
	rename(from, to string) error
	remove(path string) error
	// syncDir makes durable which names a directory has.
	syncDir(dir string) error
}

// An output is a file that is being written.
type output interface {
	io.WriteCloser
	// Sync makes all that was written durable.
	Sync() error
}

// The names of a state directory.
const (
	lockName       = "lock"
	formatName     = "format"      // says that it is one, as soon as there was a generation
	journalName    = "journal"     // of the transaction under way
	generationsDir = "generations" // a file for each generation
	unitsDir       = "units"       // what units keep: a file for each unit

	newSuffix     = ".new"     // of a file that is being written
	damagedSuffix = ".damaged" // of a file that was put aside
)

// put makes b the content of a new file at path, durably but for its name. Another file may be there;
// after an error it still is.
func put(f files, path string, b []byte) error {
	next := path + newSuffix
	_ = f.remove(next) // left by a put that failed
	err := write(f, next, b)
	failpoint.Here("state/put/written")
	if err == nil {
		err = f.rename(next, path)
	}
	if err != nil {
		_ = f.remove(next)
	}
	return err
}

// write makes a new file with the content b, durably but for its name.
func write(f files, path string, b []byte) error {
	out, err := f.create(path)
	if err != nil {
		return err
	}
	_, err = out.Write(b)
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

package kind

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
)

// Lengths of serial numbers: INQUIRY data and designators of real machines have room for as many.
const (
	serialLength = 12 // of a library
	driveLength  = 10
)

// keptDir is the folder of a store with what units keep: a folder for each library, with a file for each logical unit.
const keptDir = "units"

// kept is where a library keeps what belongs neither to cartridges nor to their places: who it is, reservations, and saved mode
// pages.
type kept struct{ dir string }

// lock takes the folder, which is made if there is none, for one unit of one process; close gives it back.
func (k kept) lock() (*os.File, error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.Open(k.dir)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("library %s in %s: another unit has it, or another process", filepath.Base(k.dir), filepath.Dir(filepath.Dir(k.dir)))
		}
		return nil, fmt.Errorf("%s cannot be locked: %w: the store has to be where files can be locked (flock), as on local disks and NFSv4", k.dir, err)
	}
	return f, nil
}

// file has the records of a logical unit.
func (k kept) file(unit string) *record.File { return record.At(filepath.Join(k.dir, unit)) }

// slots are where a logical unit keeps its reservations and its mode pages.
func (k kept) slots(unit string) (reservations, modes store.Record) {
	f := k.file(unit)
	return f.Slot("reservations"), f.Slot("modes")
}

// serial is the serial number of the library: given, or the one that it has, which is made at first.
func (k kept) serial(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	at := k.file("library").Slot("serial")
	b, err := at.Load()
	if err != nil || len(b) > 0 {
		return string(b), err
	}
	// The alphabet has neither 0 and O nor 1 and I beside each other.
	text := "LU" + base32.StdEncoding.EncodeToString([]byte(rand.Text()))[:serialLength-2]
	if err := at.Save([]byte(text)); err != nil {
		return "", fmt.Errorf("the serial number of the library: %w", err)
	}
	return text, nil
}

// driveSerial is that of a drive, which nobody else has as long as nobody else has that of the library.
func driveSerial(library string, drive int) string {
	sum := sha256.Sum256([]byte("drive\x00" + library))
	const digits = 3
	return base32.StdEncoding.EncodeToString(sum[:])[:driveLength-digits] + fmt.Sprintf("%0*s", digits, strconv.Itoa(drive))
}

// naa is the name of a logical unit.
func naa(library, unit string) scsi.NAA { return scsi.NAA6("library\x00" + library + "\x00" + unit) }

// there says what is wrong with the directory of a store; nil: nothing is.
func there(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no directory %s: \"lunette vtl create NAME --store %s\" makes it", dir, dir)
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory: the store of a library is one", dir)
	}
	return nil
}

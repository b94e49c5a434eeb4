package medium

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// Names of what is not a cartridge yet, or not any more, beside the cartridges. No barcode starts with a point, by convention of who names
// directories.
const (
	prefixNew  = ".new-"
	prefixGone = ".gone-"
)

// Create makes a cartridge in a directory that is not there yet. It is there as a whole, durably, or not at all; what a crash leaves of
// one that is not whole is removed by [Sweep].
func Create(dir string, s Spec) error {
	parent, name := filepath.Split(filepath.Clean(dir))
	if parent == "" {
		parent = "."
	}
	next := filepath.Join(parent, prefixNew+name+"-"+token())
	if err := os.Mkdir(next, 0o700); err != nil {
		return space(err)
	}
	err := createIn(directory(next), s)
	if err == nil {
		failpoint.Here("medium/create/made")
		err = unix.Renameat2(unix.AT_FDCWD, next, unix.AT_FDCWD, filepath.Clean(dir), unix.RENAME_NOREPLACE)
		if err == unix.EINVAL || err == unix.ENOSYS { // a file system that does not know this: an empty directory is replaced
			err = os.Rename(next, dir)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s: cannot make a cartridge: %w", dir, space(err)), os.RemoveAll(next))
	}
	failpoint.Here("medium/create/named")
	return space(directory(parent).syncDir("."))
}

// Delete removes a cartridge and its directory: as a whole, or not at all. It must not be in use.
func Delete(dir string) error {
	d := directory(dir)
	if _, err := os.Stat(d.path("label.json")); err != nil {
		return err // it is no cartridge: nothing of it is touched
	}
	lock, err := d.lock(true)
	if err != nil {
		return err
	}
	defer lock.Close()
	parent, name := filepath.Split(filepath.Clean(dir))
	if parent == "" {
		parent = "."
	}
	gone := filepath.Join(parent, prefixGone+name+"-"+token())
	if err := os.Rename(dir, gone); err != nil {
		return err
	}
	if err := directory(parent).syncDir("."); err != nil {
		return err
	}
	failpoint.Here("medium/delete/renamed")
	return os.RemoveAll(gone)
}

// Sweep removes what crashes in Create and Delete have left in a directory of cartridges. Nobody else may create or delete some there
// meanwhile.
func Sweep(parent string) error {
	all, err := os.ReadDir(parent)
	for _, e := range all {
		if n := e.Name(); strings.HasPrefix(n, prefixNew) || strings.HasPrefix(n, prefixGone) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(parent, n)))
		}
	}
	return err
}

// token is a few random characters.
func token() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}

// createIn makes a cartridge in an empty folder.
func createIn(d folder, s Spec) error {
	l := Label{Version: Version, Barcode: s.Barcode, Serial: s.Serial, Format: s.Format, Maker: s.Maker, Type: s.Type, Capacity: s.Capacity,
		Made: time.Now().UTC().Format(time.RFC3339)}
	if l.Serial == "" {
		l.Serial = strings.ToUpper(token())[:10]
	}
	if err := l.check(); err != nil {
		return err
	}
	st := state{Generation: 1}
	st.Partitions = []partition{{Dir: partitionDir(0, 1), Salt: random(), Capacity: s.Capacity}}
	if err := makePartition(d, &st.Partitions[0]); err != nil {
		return err
	}
	label, err := l.encode()
	if err != nil {
		return err
	}
	memory, err := st.encode()
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		b    []byte
	}{{"lock", nil}, {"state", memory}, {"label.json", label}} {
		if err := write(d, f.name, f.b); err != nil {
			return space(err)
		}
	}
	return space(d.syncDir("."))
}

// makePartition makes an empty partition, durably but for the name of its directory.
func makePartition(d folder, p *partition) error {
	dir := p.Dir
	if err := d.mkdir(dir); err != nil {
		return space(err)
	}
	for _, name := range []string{"header", "index", "marks"} {
		f, err := d.open(dir+"/"+name, true)
		if err != nil {
			return space(err)
		}
		if name == "header" {
			err = makeHeader(f, header{salt: p.Salt, capacity: p.Capacity, epoch: 1})
		} else {
			err = space(f.sync())
		}
		if err = errors.Join(err, f.close()); err != nil {
			return err
		}
	}
	return space(d.syncDir(dir))
}

// SetWriteProtect moves the tab on the cartridge. It must not be in use.
func SetWriteProtect(dir string, on bool) error {
	return changeLabel(dir, func(l *Label) { l.WriteProtect = on })
}

// Relabel gives the cartridge another barcode; the directory keeps its name. It must not be in use.
func Relabel(dir, barcode string) error {
	return changeLabel(dir, func(l *Label) { l.Barcode = barcode })
}

func changeLabel(dir string, f func(*Label)) error {
	d := directory(dir)
	if _, err := readLabel(d); err != nil {
		return err
	}
	lock, err := d.lock(true)
	if err != nil {
		return err
	}
	defer lock.Close()
	l, err := readLabel(d)
	if err != nil {
		return err
	}
	f(&l)
	if err := l.check(); err != nil {
		return err
	}
	b, err := l.encode()
	if err != nil {
		return err
	}
	return replace(d, "label.json", b)
}

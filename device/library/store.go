package library

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// What is in the directory of a store.
const (
	cartridgesDir = "cartridges" // a directory for each cartridge
	librariesDir  = "libraries"  // the states of libraries, and their locks
	storeLock     = "store.lock" // held while cartridges come to a library, or leave one, or are made or deleted
	stateSuffix   = ".state"
	lockSuffix    = ".lock"
)

// A depot is the directory of a store, which several libraries may share, also those of other processes. A cartridge is in one
// library at the most: what libraries have is in their states, and who holds the lock of the store can read all of them.
type depot struct {
	dir string
	own string // name of the library that this is of

	mu     sync.Mutex
	others map[string]*view // what was read of other libraries' states; guarded by mu
}

// A view is the state of another library, as far as it was read.
type view struct {
	file   os.FileInfo
	claims map[string]bool // the barcodes that it has
}

func (d *depot) cartridges() string              { return filepath.Join(d.dir, cartridgesDir) }
func (d *depot) cartridge(barcode string) string { return filepath.Join(d.dir, cartridgesDir, barcode) }
func (d *depot) state(library string) string {
	return filepath.Join(d.dir, librariesDir, library+stateSuffix)
}

func (d *depot) lockOf(library string) string {
	return filepath.Join(d.dir, librariesDir, library+lockSuffix)
}

// lock locks the store.
func (d *depot) lock(ctx context.Context) (*lock, error) {
	return waitLock(ctx, filepath.Join(d.dir, storeLock))
}

// locked calls f while the store is locked.
func (d *depot) locked(ctx context.Context, f func() error) error {
	l, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer l.unlock()
	return f()
}

// prepare makes the directories that are not there.
func (d *depot) prepare() error {
	for _, dir := range []string{d.dir, filepath.Join(d.dir, cartridgesDir), filepath.Join(d.dir, librariesDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// present are the barcodes of all cartridges of the store. What has no name of a cartridge is none.
func (d *depot) present() (map[string]bool, error) {
	entries, err := os.ReadDir(d.cartridges())
	if err != nil {
		return nil, fmt.Errorf("the cartridges of the store cannot be listed: is it mounted? %w", err)
	}
	all := make(map[string]bool, len(entries))
	for _, e := range entries {
		if e.IsDir() && CheckBarcode(e.Name()) == nil {
			all[e.Name()] = true
		}
	}
	return all, nil
}

// exists reports that there is a cartridge, whoever has it.
func (d *depot) exists(barcode string) bool {
	_, err := os.Lstat(d.cartridge(barcode))
	return err == nil
}

// Names are the libraries that have a state in a store, in order.
func Names(store string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(store, librariesDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), stateSuffix); ok && checkName(name) == nil {
			names = append(names, name)
		}
	}
	return names, err
}

// ShapeOf is how many elements a library of a store had when it was open last.
func ShapeOf(store, name string) (Shape, error) {
	if err := checkName(name); err != nil {
		return Shape{}, err
	}
	d := depot{dir: store}
	b, err := readState(d.state(name))
	if err != nil {
		return Shape{}, err
	}
	s, _, err := decode(b)
	if err != nil {
		return Shape{}, fmt.Errorf("%s: %w", d.state(name), err)
	}
	return s.shape, nil
}

// Forget removes the state of a library that nobody has open. Its cartridges are on the shelf then.
func Forget(ctx context.Context, store, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	d := depot{dir: store}
	if _, err := os.Stat(d.state(name)); err != nil {
		return err
	}
	mine, ok, err := tryLock(d.lockOf(name))
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: %w", name, ErrInUse)
	}
	defer mine.unlock()
	l, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer l.unlock()
	if err := os.Remove(d.state(name)); err != nil {
		return err
	}
	return syncDir(filepath.Join(store, librariesDir))
}

// claims calls f with what each other library of the store has. The lock of the store is held.
func (d *depot) claims(f func(library string, barcodes map[string]bool)) error {
	names, err := Names(d.dir)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		if name == d.own {
			continue
		}
		v, err := d.look(name)
		if err != nil {
			return fmt.Errorf("what library %s of the store has is not known: %w", name, err)
		}
		f(name, v.claims)
	}
	for name := range d.others {
		if !slices.Contains(names, name) {
			delete(d.others, name)
		}
	}
	return nil
}

// claimedBy is the other library that has a cartridge; "": none. The lock of the store is held.
func (d *depot) claimedBy(barcode string) (by string, err error) {
	err = d.claims(func(library string, barcodes map[string]bool) {
		if barcodes[barcode] {
			by = library
		}
	})
	return by, err
}

// look reads what is new of the state of another library. d.mu is held.
func (d *depot) look(name string) (*view, error) {
	// A file that is written anew meanwhile has the same cartridges: they come and go under the lock of the store alone.
	info, err := os.Stat(d.state(name))
	if err != nil {
		return nil, err
	}
	v := d.others[name]
	if v != nil && os.SameFile(v.file, info) && info.Size() == v.file.Size() && info.ModTime().Equal(v.file.ModTime()) {
		return v, nil
	}
	b, err := readState(d.state(name))
	if err != nil {
		return nil, err
	}
	v = &view{file: info, claims: make(map[string]bool)}
	s, _, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.state(name), err)
	}
	for _, x := range s.cells {
		v.claims[x.barcode] = true
	}
	if d.others == nil {
		d.others = make(map[string]*view)
	}
	d.others[name] = v
	return v, nil
}

package medium

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

var errPower = errors.New("no power")

// sector is what a disk writes whole.
const sector = 512

// A lossy folder is one on a disk with a volatile cache and a file system with a journal: what was not synced is lost in part when the
// power goes, and names are lost from some point on. It may be full.
type lossy struct {
	mu     sync.Mutex
	rand   *rand.Rand
	names  map[string]*lossyFile // nil: a directory
	safe   map[string]*lossyFile // names that are durable
	undone []func(map[string]*lossyFile)
	budget int   // calls that change something before the power goes; less than 0: it stays
	room   int64 // bytes that files may have; 0: no end
	off    bool
	lie    bool // syncs do nothing: to see that the test notices
}

// A lossyFile has what is read, what is durable, and what was done in between.
type lossyFile struct {
	d    *lossy
	now  []byte
	safe []byte
	todo []pending
}

// A pending is a write, or with a nil data that the file has another length.
type pending struct {
	at   int64
	data []byte
}

func newLossy(r *rand.Rand) *lossy {
	return &lossy{rand: r, names: map[string]*lossyFile{".": nil}, safe: map[string]*lossyFile{".": nil}, budget: -1}
}

// step counts a call that changes something. d.mu is held.
func (d *lossy) step() error {
	if d.off {
		return errPower
	}
	if d.budget == 0 {
		d.off = true
		return errPower
	}
	d.budget--
	return nil
}

func (d *lossy) isOff() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// set says when the power goes, and how much room there is.
func (d *lossy) set(budget int, room int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.budget, d.room = budget, room
}

// killed starts again as after the end of the process: nothing is lost.
func (d *lossy) killed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off, d.budget = false, -1
}

// powerOff loses what is not durable, in part.
func (d *lossy) powerOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.undone[:d.rand.IntN(len(d.undone)+1)] {
		f(d.safe)
	}
	d.undone = nil
	d.names = make(map[string]*lossyFile)
	for _, n := range slices.Sorted(maps.Keys(d.safe)) {
		f := d.safe[n]
		d.names[n] = f
		if f == nil {
			continue
		}
		for _, c := range f.todo {
			if d.rand.IntN(3) == 0 {
				continue
			}
			f.safe = c.apply(f.safe, func() bool { return d.rand.IntN(8) > 0 })
		}
		f.todo, f.now = nil, slices.Clone(f.safe)
	}
	d.off, d.budget = false, -1
}

// apply makes the change, but for the sectors that are not taken.
func (c *pending) apply(b []byte, take func() bool) []byte {
	if c.data == nil {
		return resize(b, c.at)
	}
	for off := int64(0); off < int64(len(c.data)); {
		n := min(sector-(c.at+off)%sector, int64(len(c.data))-off)
		if take() {
			b = resize(b, max(int64(len(b)), c.at+off+n))
			copy(b[c.at+off:], c.data[off:off+n])
		}
		off += n
	}
	return b
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return slices.Clone(b[:n])
	}
	return append(slices.Clone(b), make([]byte, n-int64(len(b)))...)
}

// name changes the names, durably after syncDir. d.mu is held.
func (d *lossy) name(f func(map[string]*lossyFile)) {
	f(d.names)
	d.undone = append(d.undone, f)
}

func (d *lossy) open(name string, write bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, errPower
	}
	f := d.names[name]
	if f == nil {
		if _, ok := d.names[path.Dir(name)]; !ok || !write {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		if err := d.step(); err != nil {
			return nil, err
		}
		f = &lossyFile{d: d}
		d.name(func(m map[string]*lossyFile) { m[name] = f })
	}
	return f, nil
}

func (d *lossy) mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.name(func(m map[string]*lossyFile) { m[name] = nil })
	return nil
}

func (d *lossy) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	f := d.names[from]
	d.name(func(m map[string]*lossyFile) {
		delete(m, from)
		m[to] = f
	})
	return nil
}

func (d *lossy) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil {
		return err
	}
	d.name(func(m map[string]*lossyFile) {
		for n := range m {
			if n == name || strings.HasPrefix(n, name+"/") {
				delete(m, n)
			}
		}
	})
	return nil
}

func (d *lossy) list(name string) (all []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.off {
		return nil, errPower
	}
	for n := range d.names {
		if n != "." && path.Dir(n) == name {
			all = append(all, path.Base(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

// syncDir makes all names durable: a journal has one order.
func (d *lossy) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.step(); err != nil || d.lie {
		return err
	}
	for _, f := range d.undone {
		f(d.safe)
	}
	d.undone = nil
	return nil
}

func (f *lossyFile) readv(v [][]byte, off int64) (n int64, err error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.off {
		return 0, errPower
	}
	for _, p := range v {
		k := 0
		if off < int64(len(f.now)) {
			k = copy(p, f.now[off:])
		}
		if off, n = off+int64(k), n+int64(k); k < len(p) {
			return n, io.EOF
		}
	}
	return n, nil
}

// do makes a change: all of it, or a part of it if the power goes. d.mu is held.
func (f *lossyFile) do(c pending) error {
	err := f.d.step()
	if err != nil && c.data == nil {
		return err
	}
	take := func() bool { return true }
	if err != nil {
		if f.d.budget < 0 {
			return err // it was off before
		}
		f.d.budget = -1
		take = func() bool { return f.d.rand.IntN(2) > 0 }
		c.data = c.data[:f.d.rand.IntN(len(c.data)+1)]
	}
	f.now = c.apply(f.now, take)
	f.todo = append(f.todo, c)
	return err
}

func (f *lossyFile) writev(v [][]byte, off int64) (int64, error) {
	b := slices.Concat(v...)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.room > 0 && off+int64(len(b)) > int64(len(f.now)) {
		all := int64(0)
		for _, g := range f.d.names {
			if g != nil && g != f {
				all += int64(len(g.now))
			}
		}
		if fits := f.d.room - all - off; fits < int64(len(b)) {
			fits = max(fits, 0)
			if err := f.do(pending{off, append([]byte{}, b[:fits]...)}); err != nil {
				return 0, err
			}
			return fits, unix.ENOSPC
		}
	}
	if err := f.do(pending{off, append([]byte{}, b...)}); err != nil {
		return 0, err
	}
	return int64(len(b)), nil
}

func (f *lossyFile) truncate(n int64) error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return f.do(pending{at: n})
}

func (f *lossyFile) size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.now)), nil
}

func (f *lossyFile) sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.step(); err != nil || f.d.lie {
		return err
	}
	f.safe, f.todo = slices.Clone(f.now), nil
	return nil
}

func (f *lossyFile) close() error { return nil }

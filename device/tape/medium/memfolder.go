package medium

import (
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// A memFolder is a folder in memory.
type memFolder struct {
	mu    sync.Mutex
	files map[string]*memFile
	dirs  map[string]bool
}

func newMemFolder() *memFolder {
	return &memFolder{files: make(map[string]*memFile), dirs: map[string]bool{".": true}}
}

func (d *memFolder) open(name string, write bool) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		if !write || !d.dirs[path.Dir(name)] {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		f = new(memFile)
		d.files[name] = f
	}
	return f, nil
}

func (d *memFolder) mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirs[name] = true
	return nil
}

func (d *memFolder) rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[from]
	if f == nil {
		return fmt.Errorf("%s: %w", from, fs.ErrNotExist)
	}
	delete(d.files, from)
	d.files[to] = f
	return nil
}

func (d *memFolder) remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	delete(d.dirs, name)
	maps.DeleteFunc(d.files, func(n string, _ *memFile) bool { return strings.HasPrefix(n, name+"/") })
	return nil
}

func (d *memFolder) list(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for n := range d.files {
		if path.Dir(n) == name {
			all = append(all, path.Base(n))
		}
	}
	for n := range d.dirs {
		if n != "." && path.Dir(n) == name {
			all = append(all, path.Base(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

func (d *memFolder) syncDir(string) error { return nil }

// chunk is how much a memFile takes at a time.
const chunk = 64 << 10

// A memFile is a file in memory.
type memFile struct {
	mu     sync.Mutex
	chunks [][]byte // nil: zeros
	n      int64
}

// each calls f with the pieces of v and where they go.
func (m *memFile) each(v [][]byte, off int64, f func(at []byte, p []byte)) (done int64) {
	for _, p := range v {
		for len(p) > 0 {
			i, from := int(off/chunk), off%chunk
			n := min(int64(len(p)), chunk-from)
			if m.chunks[i] == nil {
				m.chunks[i] = make([]byte, chunk)
			}
			f(m.chunks[i][from:from+n], p[:n])
			p, off, done = p[n:], off+n, done+n
		}
	}
	return done
}

func (m *memFile) readv(v [][]byte, off int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left, short := max(m.n-off, 0), false
	cut := v
	for i, p := range v {
		if int64(len(p)) > left {
			cut, short = append(slices.Clone(v[:i]), p[:left]), true
			break
		}
		left -= int64(len(p))
	}
	n := m.each(cut, off, func(at, p []byte) { copy(p, at) })
	if short {
		return n, io.EOF
	}
	return n, nil
}

func (m *memFile) writev(v [][]byte, off int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := off
	for _, p := range v {
		end += int64(len(p))
	}
	m.grow(end)
	return m.each(v, off, func(at, p []byte) { copy(at, p) }), nil
}

// grow makes the file n bytes at least. m.mu is held.
func (m *memFile) grow(n int64) {
	if n > m.n {
		m.n = n
	}
	for int64(len(m.chunks))*chunk < n {
		m.chunks = append(m.chunks, nil)
	}
}

func (m *memFile) truncate(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.grow(n)
	m.n = n
	m.chunks = m.chunks[:(n+chunk-1)/chunk]
	if rest := n % chunk; rest > 0 && m.chunks[n/chunk] != nil {
		clear(m.chunks[n/chunk][rest:])
	}
	return nil
}

func (m *memFile) size() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.n, nil
}

func (m *memFile) sync() error { return nil }

func (m *memFile) close() error { return nil }

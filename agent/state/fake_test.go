package state

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A fake is a file system in memory that can lose what is not durable. It stands for the weakest file
// system that is thought of: of the names that have changed in a directory since it was synced, any
// may be there after a crash and any not; of what was written to a file since it was synced, all may
// be there, nothing, a part, or zeros in the place of a part.
type fake struct {
	names   map[string]*inode // by path
	pending []change          // since the directory that they are about was synced
	durable map[string]*inode // what is there of names without pending

	steps int // that were done: calls that change something
	// fail is asked before each step. What is to be done nevertheless is done if late is true.
	fail func(step int, call string) (late bool, err error)
	log  []string
}

// An inode is a file.
type inode struct {
	content []byte
	synced  []byte
}

// A change is of names.
type change struct {
	dir      string
	from, to string // "": none
	file     *inode // that to is now
}

func newFake() *fake {
	return &fake{names: make(map[string]*inode), durable: make(map[string]*inode)}
}

func dirOf(p string) string { return strings.TrimSuffix(strings.TrimPrefix(path.Dir(p), "."), "/") }

// step does one step.
func (f *fake) step(call string, do func() error) error {
	if f.fail != nil {
		if late, err := f.fail(f.steps, call); err != nil {
			if late {
				_ = do()
			}
			return err
		}
	}
	f.steps++
	f.log = append(f.log, call)
	return do()
}

func (c change) apply(names map[string]*inode) {
	if c.from != "" {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.file
	}
}

func (f *fake) change(c change) {
	f.pending = append(f.pending, c)
	c.apply(f.names)
}

func (f *fake) list(dir string) (all []string, err error) {
	for p := range f.names {
		if dirOf(p) == dir {
			all = append(all, path.Base(p))
		}
	}
	return all, nil
}

func (f *fake) read(p string, limit int64) ([]byte, int64, error) {
	file := f.names[p]
	if file == nil {
		return nil, 0, fs.ErrNotExist
	}
	return slices.Clone(file.content[:min(limit, int64(len(file.content)))]), int64(len(file.content)), nil
}

func (f *fake) create(p string) (o output, err error) {
	err = f.step("create "+p, func() error {
		if f.names[p] != nil {
			return fs.ErrExist
		}
		file := new(inode)
		f.change(change{dir: dirOf(p), to: p, file: file})
		o = &fakeOutput{f, p, file}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

func (f *fake) rename(from, to string) error {
	return f.step("rename "+from+" "+to, func() error {
		if f.names[from] == nil {
			return fs.ErrNotExist
		}
		f.change(change{dir: dirOf(from), from: from, to: to, file: f.names[from]})
		return nil
	})
}

func (f *fake) remove(p string) error {
	return f.step("remove "+p, func() error {
		if f.names[p] == nil {
			return fs.ErrNotExist
		}
		f.change(change{dir: dirOf(p), from: p})
		return nil
	})
}

func (f *fake) syncDir(dir string) error {
	return f.step("syncDir "+dir, func() error {
		f.pending = slices.DeleteFunc(f.pending, func(c change) bool {
			if c.dir == dir {
				c.apply(f.durable)
			}
			return c.dir == dir
		})
		return nil
	})
}

type fakeOutput struct {
	f    *fake
	path string
	file *inode
}

func (o *fakeOutput) Write(b []byte) (int, error) {
	err := o.f.step("write "+o.path, func() error {
		o.file.content = append(o.file.content, b...)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

func (o *fakeOutput) Sync() error {
	return o.f.step("sync "+o.path, func() error {
		o.file.synced = slices.Clone(o.file.content)
		return nil
	})
}

func (*fakeOutput) Close() error { return nil }

// contents are what may be in a file after a crash.
func (n *inode) contents() [][]byte {
	synced, all := len(n.synced), len(n.content)
	if synced == all { // files are only appended to
		return [][]byte{n.content}
	}
	out := [][]byte{n.content[:synced], n.content}
	for _, cut := range []int{synced + 1, synced + (all-synced)/2, all - 1} {
		if cut > synced && cut < all {
			out = append(out, n.content[:cut], append(slices.Clone(n.content[:cut]), make([]byte, all-cut)...))
		}
	}
	// The second half has come, and the first has not.
	half := synced + (all-synced)/2
	torn := append(slices.Clone(n.content[:synced]), make([]byte, half-synced)...)
	return append(out, append(slices.Clone(n.content[:synced]), make([]byte, all-synced)...), append(torn, n.content[half:]...))
}

// A disk is what there is after a crash, or to start with.
type disk map[string]string

// crashes calls do with each disk that a crash now may leave.
func (f *fake) crashes(do func(disk)) {
	for some := range 1 << len(f.pending) {
		names := maps.Clone(f.durable)
		for i, c := range f.pending {
			if some&(1<<i) != 0 {
				c.apply(names)
			}
		}
		paths := slices.Sorted(maps.Keys(names))
		var each func(d disk, paths []string)
		each = func(d disk, paths []string) {
			if len(paths) == 0 {
				do(maps.Clone(d))
				return
			}
			for _, b := range names[paths[0]].contents() {
				d[paths[0]] = string(b)
				each(d, paths[1:])
			}
		}
		each(make(disk), paths)
	}
}

// start is the file system with what is on a disk.
func (d disk) start() *fake {
	f := newFake()
	for p, text := range d {
		f.names[p] = &inode{content: []byte(text), synced: []byte(text)}
	}
	f.durable = maps.Clone(f.names)
	return f
}

// key tells disks apart.
func (d disk) key() string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(d)) {
		fmt.Fprintf(&b, "%q %q\n", p, d[p])
	}
	return b.String()
}

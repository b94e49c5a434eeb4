package library_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// media are cartridges that are a directory with a label, and nothing else. What is open is known by its directory.
type media struct {
	mu     sync.Mutex
	open   map[string]bool
	fails  map[string]error // by the name of the directory: Open does not open it
	opened int
}

func newMedia() *media { return &media{open: make(map[string]bool), fails: make(map[string]error)} }

// fakeTape is one that is open.
type fakeTape struct {
	medium.Tape
	media *media
	dir   string
	label medium.Label
}

func (t *fakeTape) Label() medium.Label { return t.label }

func (t *fakeTape) Close() error {
	t.media.mu.Lock()
	defer t.media.mu.Unlock()
	if !t.media.open[t.dir] {
		return errors.New("closed twice")
	}
	delete(t.media.open, t.dir)
	return nil
}

func (m *media) label(dir string) (l medium.Label, err error) {
	b, err := os.ReadFile(filepath.Join(dir, "label.json"))
	if err == nil {
		err = json.Unmarshal(b, &l)
	}
	return l, err
}

func (m *media) write(dir string, l medium.Label) error {
	b, err := json.Marshal(l)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "label.json"), b, 0o600)
	}
	return err
}

func (m *media) Create(dir string, s medium.Spec) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return m.write(dir, medium.Label{Version: 1, Barcode: s.Barcode, Format: s.Format, Type: s.Type, Capacity: s.Capacity})
}

func (m *media) Open(dir string) (medium.Tape, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails[filepath.Base(dir)]; err != nil {
		return nil, err
	}
	if m.open[dir] {
		return nil, medium.ErrLocked
	}
	l, err := m.label(dir)
	if err != nil {
		return nil, err
	}
	m.open[dir] = true
	m.opened++
	return &fakeTape{media: m, dir: dir, label: l}, nil
}

func (m *media) Inspect(dir string) (medium.Info, error) {
	l, err := m.label(dir)
	return medium.Info{Label: l}, err
}

func (m *media) change(dir string, f func(*medium.Label)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[dir] {
		return medium.ErrLocked
	}
	l, err := m.label(dir)
	if err != nil {
		return err
	}
	f(&l)
	return m.write(dir, l)
}

func (m *media) SetWriteProtect(dir string, on bool) error {
	return m.change(dir, func(l *medium.Label) { l.WriteProtect = on })
}

func (m *media) Relabel(dir, barcode string) error {
	return m.change(dir, func(l *medium.Label) { l.Barcode = barcode })
}

func (m *media) Delete(dir string) error { return os.RemoveAll(dir) }
func (m *media) Sweep(string) error      { return nil }

// drive is one without commands.
type drive struct {
	mu        sync.Mutex
	tape      medium.Tape
	prevented bool
	refuses   error         // what Load says
	gives     error         // what Unload says
	gate      chan struct{} // Unload waits for it; nil: not
	unloading chan struct{} // is told when it does
	released  int
}

func (d *drive) Load(_ context.Context, t medium.Tape) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.refuses != nil:
		return d.refuses
	case d.tape != nil:
		return tape.ErrFull
	}
	d.tape = t
	return nil
}

func (d *drive) Unload(ctx context.Context, force bool) (medium.Tape, error) {
	if d.gate != nil {
		d.unloading <- struct{}{}
		select {
		case <-d.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.prevented && !force {
		return nil, tape.ErrPrevented
	}
	if d.gives != nil && !force {
		return nil, d.gives
	}
	t := d.tape
	d.tape = nil
	return t, d.gives
}

func (d *drive) Release(t medium.Tape) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tape != nil {
		panic("a cartridge is released into a drive that has one")
	}
	d.tape = t
	d.released++
}

func (d *drive) Status() tape.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := tape.Status{Loaded: d.tape != nil, Prevented: d.prevented}
	if d.tape != nil {
		s.Barcode = filepath.Base(d.tape.(*fakeTape).dir)
	}
	return s
}

func (d *drive) prevent(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.prevented = on
}

var formats = personality.Set{Formats: []personality.Format{
	{Name: "L8", Capacity: 12_000_000, WORMType: 0x8c, WORMName: "LY"}, {Name: "L6", Capacity: 2_500_000},
}}

// A bench is a library with fakes.
type bench struct {
	testing.TB
	*library.Library
	store  string
	cfg    library.Config
	media  *media
	drives []*drive
	moves  []library.Move
	told   []bool
}

func newBench(t testing.TB, drives, mail, slots int) *bench {
	b := &bench{TB: t, store: storeOf(t), media: newMedia()}
	b.cfg = library.Config{
		Store: b.store, Name: "test", Set: formats, Media: b.media, Slots: slots, Mail: mail,
		Model: personality.Library{Name: "model", Addresses: personality.Addresses{Transport: 1, Storage: 1000, Mail: 10, Drive: 100}},
	}
	b.setDrives(drives)
	b.open()
	t.Cleanup(func() { b.shut() })
	return b
}

// storeOf is a directory, in memory if there is such: but for benchmarks, which are about disks.
func storeOf(t testing.TB) string {
	t.Helper()
	if _, ok := t.(*testing.B); ok || memory() == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory(), "library")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func (b *bench) setDrives(n int) {
	b.drives, b.cfg.Drives, b.cfg.DriveNames = nil, nil, nil
	for range n {
		d := &drive{}
		b.drives = append(b.drives, d)
		b.cfg.Drives = append(b.cfg.Drives, d)
		b.cfg.DriveNames = append(b.cfg.DriveNames, changer.Identifier{Vendor: "V", Product: "P", Serial: "S"})
	}
}

func (b *bench) open() {
	b.Helper()
	l, err := library.Open(context.Background(), b.cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Library = l
	l.OnMove(func(m library.Move) { b.moves = append(b.moves, m) })
	l.Tell(func(imported bool) { b.told = append(b.told, imported) })
}

// shut closes the library, with all cartridges.
func (b *bench) shut() {
	b.Helper()
	if err := b.Close(); err != nil {
		b.Error(err)
	}
	if len(b.media.open) != 0 {
		b.Errorf("open after all: %v", b.media.open)
	}
}

func (b *bench) again() {
	b.Helper()
	b.shut()
	b.open()
}

// make makes n cartridges in slots.
func (b *bench) make(n int) []string {
	b.Helper()
	all, err := b.Create(context.Background(), library.Spec{Count: n, Format: "L8", Prefix: "LUN"})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// where is what Cartridges says, by barcode.
func (b *bench) where() map[string]library.Cartridge {
	b.Helper()
	all, err := b.Cartridges(context.Background(), false)
	b.ok(err)
	m := make(map[string]library.Cartridge)
	for _, c := range all {
		if _, twice := m[c.Barcode]; twice {
			b.Fatalf("%s is there twice", c.Barcode)
		}
		m[c.Barcode] = c
	}
	return m
}

// at is the element with an address, as the robot shows it.
func (b *bench) at(address uint16) changer.Element {
	b.Helper()
	for _, e := range b.Elements() {
		if e.Address == address {
			return e
		}
	}
	b.Fatalf("there is no element %d", address)
	return changer.Element{}
}

func specOf(barcode string) medium.Spec {
	return medium.Spec{Barcode: barcode, Format: "L8", Capacity: 1 << 30}
}

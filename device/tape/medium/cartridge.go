package medium

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// Options say how a cartridge is opened.
type Options struct {
	// ReadOnly opens it so that nothing is written into its directory. Several may have it so, but not beside one that writes.
	ReadOnly bool
}

// A Cartridge is one that is open. It is a [Tape].
type Cartridge struct {
	d         folder
	cfg       config
	readOnly  bool
	quick     bool      // blocks are not read at Open
	lock      io.Closer // nil: in memory
	codecs    codecs
	recovered []Recovered

	mu    sync.Mutex // guards what follows; heads have their own goroutine
	label Label
	state state
	dirty bool // usage is not in the file
	heads []*head
}

// Open opens a cartridge. Nobody else can open it until Close: [ErrLocked].
func Open(dir string, o Options) (*Cartridge, error) {
	d := directory(dir)
	if _, err := readLabel(d); err != nil { // so that nothing is made in a directory that is no cartridge
		return nil, err
	}
	l, err := d.lock(!o.ReadOnly)
	if err != nil {
		return nil, err
	}
	c, err := openIn(d, o, defaults(), l)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), l.Close())
	}
	return c, nil
}

// Memory returns a blank cartridge without files, which is gone with the last reference to it. It is the same code as that
// for files; for tests. Closed, it can be had again with [Reopen].
func Memory(s Spec) Tape {
	d := newMemFolder()
	err := createIn(d, s)
	var c *Cartridge
	if err == nil {
		c, err = openIn(d, Options{}, defaults(), nil)
	}
	if err != nil {
		panic(err) // whoever writes a test has got the Spec wrong
	}
	return c
}

// Reopen opens a cartridge of [Memory] again that was closed, as Open does with files.
func Reopen(t Tape, o Options) (Tape, error) {
	c, ok := t.(*Cartridge)
	if !ok {
		return nil, errForeign
	}
	if _, ok := c.d.(*memFolder); !ok {
		return nil, errForeign
	}
	again, err := openIn(c.d, o, c.cfg, nil)
	if err != nil {
		return nil, err
	}
	return again, nil
}

func readLabel(d folder) (Label, error) {
	b, err := readAll(d, "label.json", 1<<16)
	if err != nil {
		return Label{}, err
	}
	return decodeLabel(b)
}

func readState(d folder) (state, error) {
	b, err := readAll(d, "state", maxState)
	if err != nil {
		return state{}, err
	}
	return decodeState(b)
}

// openIn opens the cartridge in a folder, and takes lock.
func openIn(d folder, o Options, cfg config, lock io.Closer) (c *Cartridge, err error) {
	c = &Cartridge{d: d, cfg: cfg, readOnly: o.ReadOnly, lock: lock}
	if c.label, err = readLabel(d); err != nil {
		return nil, err
	}
	if c.state, err = readState(d); err != nil {
		return nil, err
	}
	if !c.readOnly {
		if err := c.sweep(); err != nil {
			return nil, err
		}
	}
	if err := c.openHeads(); err != nil {
		return nil, err
	}
	return c, nil
}

// openHeads opens the partitions of the state.
func (c *Cartridge) openHeads() error {
	c.heads = nil
	for i, p := range c.partitions() {
		h, r, err := c.openHead(context.Background(), i, &p)
		if err != nil {
			c.closeHeads()
			return err
		}
		c.heads = append(c.heads, h)
		if r.Objects > 0 || r.Cut > 0 {
			c.recovered = append(c.recovered, r)
		}
	}
	return nil
}

// partitions are those of the state.
func (c *Cartridge) partitions() []partition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.state.Partitions)
}

func (c *Cartridge) closeHeads() {
	for _, h := range c.heads {
		h.settle()
		h.close()
	}
}

// sweep removes what a crash has left of partitions that are not those of the state.
func (c *Cartridge) sweep() error {
	all := c.partitions()
	names, err := c.d.list(".")
	if err != nil {
		return err
	}
	for _, n := range names {
		var p int
		var generation uint64
		if _, err := fmt.Sscanf(n, "p%d.%d", &p, &generation); err != nil || n != partitionDir(p, generation) {
			continue
		}
		if !slices.ContainsFunc(all, func(p partition) bool { return p.Dir == n }) {
			if err := c.d.remove(n); err != nil {
				return err
			}
		}
	}
	// The state that was read may have been put in its place just before a crash.
	return c.d.syncDir(".")
}

// writable reports whether data may be written.
func (c *Cartridge) writable() error {
	if c.readOnly || c.label.WriteProtect {
		return ErrReadOnly
	}
	return nil
}

// Label says what the cartridge is. One that was opened with ReadOnly is write-protected.
func (c *Cartridge) Label() Label {
	l := c.label
	l.WriteProtect = l.WriteProtect || c.readOnly
	return l
}

// Usage is what it has counted.
func (c *Cartridge) Usage() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.state.Usage
	u.Drives = slices.Clone(u.Drives)
	return u
}

// Recovered says what Open has found that nobody had closed.
func (c *Cartridge) Recovered() []Recovered { return c.recovered }

// SetUsage keeps usage with the next Sync or Close.
func (c *Cartridge) SetUsage(f func(*Usage)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.state.Usage)
	c.dirty = true
}

// Attributes are those that hosts have set on a partition.
func (c *Cartridge) Attributes(partition int) []Attribute {
	c.mu.Lock()
	defer c.mu.Unlock()
	if partition < 0 || partition >= len(c.state.Partitions) {
		return nil
	}
	return slices.Clone(c.state.Partitions[partition].Attributes)
}

// SetAttributes sets some, durably.
func (c *Cartridge) SetAttributes(partition int, set []Attribute) error {
	if err := c.writable(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if partition < 0 || partition >= len(c.state.Partitions) {
		return fmt.Errorf("there is no partition %d", partition)
	}
	all, err := change(c.state.Partitions[partition].Attributes, set)
	if err != nil {
		return err
	}
	next := c.state
	next.Partitions = slices.Clone(next.Partitions)
	next.Partitions[partition].Attributes = all
	return c.commit(next)
}

// commit makes next the state, durably. c.mu is held.
func (c *Cartridge) commit(next state) error {
	b, err := next.encode()
	if err != nil {
		return err
	}
	if len(b) > maxState {
		return fmt.Errorf("the cartridge's memory has no room for %d bytes", len(b))
	}
	failpoint.Here("medium/state/begun")
	if err := replace(c.d, "state", b); err != nil {
		return err
	}
	failpoint.Here("medium/state/done")
	c.state, c.dirty = next, false
	return nil
}

// Partitions is how many there are.
func (c *Cartridge) Partitions() int { return len(c.heads) }

// Disk is how much is free on the disk below, and how much it has.
func (c *Cartridge) Disk() (free, size int64) {
	if d, ok := c.d.(directory); ok {
		return d.disk()
	}
	return 0, 0
}

// Head is that of a partition; nil: there is no such partition.
func (c *Cartridge) Head(partition int) Head {
	if partition < 0 || partition >= len(c.heads) {
		return nil
	}
	return c.heads[partition]
}

// Sync makes all durable; on a full disk usage follows later, since nobody shall be kept from taking out a cartridge that was only read.
func (c *Cartridge) Sync(ctx context.Context) error {
	if c.readOnly {
		return nil
	}
	for _, h := range c.heads {
		if err := errors.Join(ctx.Err(), h.sync()); err != nil {
			return err
		}
	}
	if err := c.keepUsage(); !errors.Is(err, ErrNoSpace) {
		return err
	}
	return nil
}

// keepUsage writes usage, if it has changed.
func (c *Cartridge) keepUsage() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty || c.readOnly {
		return nil
	}
	return c.commit(c.state)
}

// Close syncs, and gives the cartridge back, also after an error.
func (c *Cartridge) Close() error {
	var err error
	if !c.readOnly {
		for _, h := range c.heads {
			e := h.saveNow()
			if errors.Is(e, ErrNoSpace) {
				e = h.sync() // the next Open makes the index from what is written
			}
			err = errors.Join(err, e)
		}
		err = errors.Join(err, c.keepUsage())
	}
	c.closeHeads()
	c.codecs.close()
	if c.lock != nil {
		err = errors.Join(err, c.lock.Close())
		c.lock = nil
	}
	return err
}

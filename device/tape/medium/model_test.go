package medium

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
)

// small has of everything so little that a test comes to all of it.
var small = config{segment: 100 << 10, entryBytes: 24 << 10, entryFrames: 5, saveBytes: 64 << 10, saveEntries: 12, inline: true}

// A thing is an object of the model: a block, or a filemark.
type thing struct {
	mark bool
	data []byte
	key  byte // 0: in the clear
}

func equal(a, b thing) bool {
	return a.mark == b.mark && bytes.Equal(a.data, b.data) && a.key == b.key
}

// A toy encrypts for tests: XOR, and a checksum.
type toy byte

func (k toy) Seal(dst, plain []byte) []byte {
	n := len(dst)
	dst = append(dst, plain...)
	for i := range dst[n:] {
		dst[n+i] ^= byte(k)
	}
	return binary.BigEndian.AppendUint32(dst, uint32(len(plain)))
}
func (k toy) Overhead() int  { return 4 }
func (k toy) Header() []byte { return []byte{'K', byte(k)} }
func (k toy) Open(dst, sealed, header []byte) ([]byte, error) {
	if len(header) != 2 || header[1] != byte(k) || len(sealed) < 4 {
		return nil, ErrKey
	}
	n := len(dst)
	dst = append(dst, sealed[:len(sealed)-4]...)
	for i := range dst[n:] {
		dst[n+i] ^= byte(k)
	}
	return dst, nil
}

// A model is what a partition is, as simply as it can be said.
type model struct {
	t    *rapid.T
	d    *lossy
	c    *Cartridge
	cfg  config
	all  []thing
	at   int
	seed int

	// After a crash it is the start of one of these, and has as much as is durable.
	versions [][]thing
	durable  int
	usage    uint64 // durable
	attrs    []Attribute
	fails    int
}

func (m *model) head() *head { return m.c.heads[0] }

func (m *model) open() {
	if !m.tryOpen() {
		m.t.Fatal("the power is off")
	}
}

// tryOpen reports false if the power went meanwhile.
func (m *model) tryOpen() bool {
	c, err := openIn(m.d, Options{}, m.cfg, nil)
	if m.d.isOff() {
		return false
	}
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.c, m.at = c, 0
	return true
}

// safe says that all is durable.
func (m *model) safe() { m.versions, m.durable = [][]thing{slices.Clone(m.all)}, len(m.all) }

func (m *model) file(at int) (n uint64) {
	for _, o := range m.all[:at] {
		if o.mark {
			n++
		}
	}
	return n
}

// check compares the position.
func (m *model) check(what string) {
	if p := m.head().Position(); p != (Position{uint64(m.at), m.file(m.at)}) {
		m.t.Fatalf("%s: it is at %v, not %d, file %d", what, p, m.at, m.file(m.at))
	}
	r := m.head().Room()
	if r.Here > r.Data || r.Data > r.Capacity || m.at == len(m.all) && r.Here != r.Data || m.at == 0 && r.Here != 0 {
		m.t.Fatalf("%s: room %+v", what, r)
	}
}

// wrote takes the result of writing some things at the head.
func (m *model) wrote(things []thing, n int, err error) {
	if m.d.isOff() {
		old := m.all
		if m.at < len(old) {
			m.versions = append(m.versions, old[:m.at])
			m.durable = min(m.durable, m.at)
		}
		m.versions = append(m.versions, append(slices.Clone(old[:m.at]), things...))
		return
	}
	if errors.Is(err, ErrEndOfPartition) {
		m.fails++
	} else if err != nil && !errors.Is(err, ErrNoSpace) || err == nil && n != len(things) {
		m.t.Fatalf("wrote %d of %d: %v", n, len(things), err)
	}
	if n == 0 && errors.Is(err, ErrEndOfPartition) || errors.Is(err, ErrNoSpace) && m.head().end.object == uint64(len(m.all)) {
		return
	}
	if m.at < len(m.all) {
		m.all = slices.Clone(m.all[:m.at])
		m.safe()
	}
	m.all = append(m.all, things[:n]...)
	m.at = len(m.all)
	m.versions = append(m.versions, slices.Clone(m.all))
}

func (m *model) write(t *rapid.T) {
	length := rapid.SampledFrom([]int{1, 100, 512, 3000, 4096, 5000, 20000}).Draw(t, "length")
	count := 1
	if length < 8000 {
		count = rapid.IntRange(1, 8).Draw(t, "count")
	}
	codec := Codec(rapid.IntRange(0, 2).Draw(t, "codec"))
	key := byte(rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(t, "key"))
	shrinks := rapid.Bool().Draw(t, "compressible")
	var things []thing
	off := rapid.IntRange(0, 3).Draw(t, "off")
	mem := make([]byte, off)
	for range count {
		m.seed++
		b := pattern(length, m.seed, shrinks)
		things = append(things, thing{data: b, key: key})
		mem = append(mem, b...)
	}
	half := len(mem) / 2
	l := buffer.New(nil, buffer.Segment{Mem: mem[:half]}, buffer.Segment{Mem: mem[half:]})
	b := Blocks{Data: l, Off: int64(off), Len: int64(length), Count: count, Codec: codec}
	if key > 0 {
		b.Cipher = toy(key)
	}
	f, err := m.head().Pack(b)
	if err != nil {
		t.Fatal(err)
	}
	if plain := int64(length * count); f.Stored() > plain+frameCharge+4 || f.Blocks() != count {
		t.Fatalf("%d bytes are kept as %d", plain, f.Stored())
	}
	n, err := m.head().Append(context.Background(), f)
	m.wrote(things, n, err)
}

func (m *model) marks(t *rapid.T) {
	k := rapid.IntRange(1, 5).Draw(t, "marks")
	n, err := m.head().Filemarks(context.Background(), k)
	m.wrote(slices.Repeat([]thing{{mark: true}}, k), n, err)
}

func (m *model) erase() {
	err := m.head().Erase(context.Background())
	m.wrote(nil, 0, err)
}

func (m *model) sync(t *rapid.T) {
	use := rapid.Bool().Draw(t, "usage")
	if use {
		m.c.SetUsage(func(u *Usage) { u.Loads++ })
	}
	if err := m.c.Sync(context.Background()); err == nil {
		m.safe()
		if !m.c.dirty { // else the disk is full
			m.usage = m.c.Usage().Loads
		}
	} else if !m.d.isOff() && !errors.Is(err, ErrNoSpace) {
		t.Fatalf("sync: %v", err)
	}
}

func (m *model) attributes(t *rapid.T) {
	set := []Attribute{{ID: uint16(rapid.IntRange(0x800, 0x803).Draw(t, "id")), Format: 1, Value: bytes.Repeat([]byte{'x'}, rapid.IntRange(0, 3).Draw(t, "len"))}}
	err := m.c.SetAttributes(0, set)
	if err == nil {
		m.attrs, _ = change(m.attrs, set)
		m.usage = m.c.Usage().Loads
	} else if !m.d.isOff() && !errors.Is(err, ErrNoSpace) {
		t.Fatalf("attributes: %v", err)
	} else if m.d.isOff() {
		m.attrs = nil // either: it crashes now
	}
}

// close closes it and opens it again.
func (m *model) close(t *rapid.T) {
	if err := m.c.Close(); err != nil {
		if !m.d.isOff() && !errors.Is(err, ErrNoSpace) {
			t.Fatalf("close: %v", err)
		}
		m.crash(t)
		return
	}
	m.safe()
	if !m.tryOpen() {
		m.crash(t)
		return
	}
	if r := m.c.Recovered(); len(r) > 0 && m.d.room == 0 {
		t.Fatalf("after a close it has recovered %+v", r)
	}
	m.whole()
}

// crash ends the process, or takes the power; what is there then is one of what may be.
func (m *model) crash(t *rapid.T) {
	m.head().settle()
	power := rapid.Bool().Draw(t, "power")
	if power {
		m.d.powerOff()
	} else {
		m.d.killed()
	}
	m.d.set(rapid.IntRange(-1, 20).Draw(t, "again"), 0)
	if !m.tryOpen() {
		m.crash(t)
		return
	}
	m.d.set(-1, 0)
	got := m.readAll()
	fits := func(v []thing) bool {
		return len(got) <= len(v) && slices.EqualFunc(got, v[:len(got)], equal)
	}
	if len(got) < m.durable || !slices.ContainsFunc(m.versions, fits) {
		t.Fatalf("power %v: after the crash it has %d objects, %d were durable, of %d; it is the start of none of %d", power, len(got), m.durable, len(m.all), len(m.versions))
	}
	if u := m.c.Usage().Loads; u < m.usage {
		t.Fatalf("usage was %d and is %d", m.usage, u)
	}
	if a := m.c.Attributes(0); m.attrs != nil && fmt.Sprint(a) != fmt.Sprint(m.attrs) {
		t.Fatalf("attributes were %v and are %v", m.attrs, a)
	} else if a == nil {
		m.attrs = []Attribute{}
	} else {
		m.attrs = a
	}
	m.all = got
	m.at = 0
	m.safe()
}

// readAll reads all objects that there are.
func (m *model) readAll() (all []thing) {
	ctx := context.Background()
	must(m.t, m.head().Locate(ctx, 0))
	for {
		l := buffer.Of(make([]byte, 32<<10))
		o, err := m.head().Next(ctx)
		if err != nil {
			m.t.Fatalf("object %d: %v", len(all), err)
		}
		x := thing{}
		var opener Opener
		if o.Sealed {
			x.key = o.Header[1]
			opener = toy(x.key)
		}
		n, err := m.head().Read(ctx, l, 0, l.Len(), opener)
		switch {
		case errors.Is(err, ErrEndOfData):
			must(m.t, m.head().Locate(ctx, 0))
			return all
		case errors.Is(err, ErrFilemark):
			x.mark = true
		case err != nil:
			m.t.Fatalf("object %d: %v", len(all), err)
		default:
			x.data = l.At(0)[:n]
		}
		all = append(all, x)
	}
}

func (m *model) whole() {
	if got := m.readAll(); !slices.EqualFunc(got, m.all, equal) {
		m.t.Fatalf("it has %d objects, not the %d", len(got), len(m.all))
	}
	m.at = 0
}

// TestModel: whatever is done, a cartridge is what the model says; after a crash it is what it may be.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { runModel(t, small) })
}

// TestModelBeside is the same with saving beside the writing; what fails here need not fail again.
func TestModelBeside(t *testing.T) {
	cfg := small
	cfg.inline = false
	rapid.Check(t, func(t *rapid.T) { runModel(t, cfg) })
}

func runModel(t *rapid.T, cfg config) {
	d := newLossy(rand.New(rand.NewPCG(uint64(rapid.IntRange(0, 1<<30).Draw(t, "seed")), 1)))
	m := &model{t: t, d: d, cfg: cfg, attrs: []Attribute{}}
	must(t, createIn(d, Spec{Barcode: "A", Capacity: int64(rapid.SampledFrom([]int{100 << 10, 1 << 20}).Draw(t, "capacity"))}))
	m.open()
	m.safe()
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		what := rapid.SampledFrom([]string{"write", "write", "write", "write", "marks", "marks", "read", "read", "space", "filemarks", "locate", "erase", "sync", "attributes", "format", "close", "verify", "compact", "reindex", "power", "full", "crash"}).Draw(t, "what")
		switch what {
		case "write":
			m.write(t)
		case "marks":
			m.marks(t)
		case "read":
			m.read(t)
		case "space":
			m.space(t)
		case "filemarks":
			m.spaceFilemarks(t)
		case "locate":
			m.locate(t)
		case "erase":
			m.erase()
		case "sync":
			m.sync(t)
		case "format":
			m.format(t)
		case "verify", "compact", "reindex":
			m.administer(t, what)
		case "attributes":
			m.attributes(t)
		case "close":
			m.close(t)
		case "power":
			d.set(rapid.IntRange(0, 12).Draw(t, "budget"), d.room)
			continue
		case "full":
			d.mu.Lock()
			d.room = 0
			if rapid.Bool().Draw(t, "is full") {
				for _, f := range d.names {
					if f != nil {
						d.room += int64(len(f.now))
					}
				}
				d.room += int64(rapid.IntRange(0, 20000).Draw(t, "room"))
			}
			d.mu.Unlock()
			continue
		case "crash":
			m.crash(t)
		}
		if d.isOff() {
			m.crash(t)
		}
		if m.head().failed != nil {
			if !errors.Is(m.head().failed, ErrNoSpace) {
				t.Fatalf("failed: %v", m.head().failed)
			}
			m.crash(t)
		}
		m.check(what)
	}
	m.close(t)
}

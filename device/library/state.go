package library

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// Version is that of the format of states. docs/reference/library.md has it.
const Version = 1

// Errors of what is kept.
var (
	// ErrState is wrapped by every error about a state that cannot be read.
	ErrState = errors.New("the state of the library is damaged")
	ErrNewer = errors.New("the state of the library was written by a newer version of lunette")
)

// maxIndex bounds the index of a place: there are no more addresses.
const maxIndex = 65535

// A cell is what an element has.
type cell struct {
	barcode  string // "": it is empty
	source   int    // the slot that the cartridge was in last; 0: none
	imported bool   // an operator has put it there
	kind     medium.Type
	format   string
	capacity int64 // bytes
}

// A state is which cartridge is in which element. Elements that are empty are not in it.
type state struct {
	library string
	seq     uint64 // how many changes there were
	shape   Shape
	cells   map[Place]cell
	relabel *relabel // a change of a barcode that has begun
}

// A Shape is how many elements a library has.
type Shape struct {
	Slots  int `json:"slots"`
	Mail   int `json:"mail"`
	Drives int `json:"drives"`
}

// A relabel is a change of a barcode: the directory is called From before it, and To after it.
type relabel struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// What stands in the file: a record a line.
type (
	// A snapshot is the first record: the whole state.
	snapshot struct {
		Version  int       `json:"version"`
		Library  string    `json:"library"`
		Seq      uint64    `json:"seq"`
		Shape    Shape     `json:"shape"`
		Elements []content `json:"elements"`
		Relabel  *relabel  `json:"relabel,omitempty"`
	}
	// A change is every other record: what elements have after it, and nothing of those that it does not name.
	change struct {
		Seq     uint64    `json:"seq"`
		Set     []content `json:"set"`
		Relabel *relabel  `json:"relabel,omitempty"` // begins
		Ends    bool      `json:"ends,omitempty"`    // the change of a barcode that had begun is done, or is none
	}
	// A content is what an element has.
	content struct {
		At       Place       `json:"at"`
		Barcode  string      `json:"barcode,omitempty"`
		Source   int         `json:"source,omitempty"`
		Imported bool        `json:"imported,omitempty"`
		Type     medium.Type `json:"type,omitempty"`
		Format   string      `json:"format,omitempty"`
		Capacity int64       `json:"capacity,omitempty"`
	}
)

// MarshalText writes a place as states have it: s5, m2, d0.
func (p Place) MarshalText() ([]byte, error) {
	switch p.Type {
	case changer.Storage:
		return strconv.AppendInt([]byte("s"), int64(p.Index), 10), nil
	case changer.Mail:
		return strconv.AppendInt([]byte("m"), int64(p.Index), 10), nil
	case changer.Drive:
		return strconv.AppendInt([]byte("d"), int64(p.Index), 10), nil
	}
	return nil, fmt.Errorf("%v is no element", p)
}

// UnmarshalText reads what MarshalText writes.
func (p *Place) UnmarshalText(b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("%q is no element", b)
	}
	t, ok := map[byte]changer.ElementType{'s': changer.Storage, 'm': changer.Mail, 'd': changer.Drive}[b[0]]
	n, err := strconv.ParseUint(string(b[1:]), 10, 16)
	if !ok || err != nil || n == 0 && t != changer.Drive {
		return fmt.Errorf("%q is no element", b)
	}
	*p = Place{Type: t, Index: int(n)}
	return nil
}

func (c cell) content(at Place) content {
	return content{At: at, Barcode: c.barcode, Source: c.source, Imported: c.imported, Type: c.kind, Format: c.format, Capacity: c.capacity}
}

// cell checks what an element is to have.
func (c content) cell() (cell, error) {
	if c.Barcode == "" {
		return cell{}, nil
	}
	if err := CheckBarcode(c.Barcode); err != nil {
		return cell{}, err
	}
	if c.Source < 0 || c.Source > maxIndex {
		return cell{}, fmt.Errorf("slot %d is none", c.Source)
	}
	return cell{barcode: c.Barcode, source: c.Source, imported: c.Imported, kind: c.Type, format: c.Format, capacity: c.Capacity}, nil
}

// clone is a state that may be changed.
func (s *state) clone() *state {
	n := *s
	n.cells = maps.Clone(s.cells)
	return &n
}

// apply makes a change, all of it or nothing. A cartridge is in one element at the most.
func (s *state) apply(c change) error {
	if c.Seq != s.seq+1 {
		return fmt.Errorf("change %d follows change %d", c.Seq, s.seq)
	}
	if c.Relabel != nil {
		if err := errors.Join(CheckBarcode(c.Relabel.From), CheckBarcode(c.Relabel.To)); err != nil {
			return err
		}
	}
	next := make(map[Place]cell, len(c.Set))
	for _, k := range c.Set {
		x, err := k.cell()
		if err != nil {
			return err
		}
		if _, twice := next[k.At]; twice {
			return fmt.Errorf("%v is set twice", k.At)
		}
		next[k.At] = x
	}
	for at, x := range next {
		if x.barcode == "" {
			delete(s.cells, at)
		} else {
			s.cells[at] = x
		}
	}
	s.seq = c.Seq
	if c.Relabel != nil || c.Ends {
		s.relabel = c.Relabel
	}
	return nil
}

// check refuses a state in which a cartridge is in two elements.
func (s *state) check() error {
	seen := make(map[string]Place, len(s.cells))
	for at, x := range s.cells {
		if other, twice := seen[x.barcode]; twice {
			return fmt.Errorf("%s is in %v and in %v", x.barcode, other, at)
		}
		seen[x.barcode] = at
	}
	return nil
}

// places are those with cartridges, in order.
func (s *state) places() []Place { return slices.SortedFunc(maps.Keys(s.cells), comparePlaces) }

func comparePlaces(a, b Place) int {
	if a.Type != b.Type {
		return int(a.Type) - int(b.Type)
	}
	return a.Index - b.Index
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends a record: its checksum, a space, and what it says, in a line.
func appendRecord(dst []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
	dst = append(hex.AppendEncode(dst, sum), ' ')
	return append(append(dst, b...), '\n'), nil
}

// encode is the state as the first record of a file.
func (s *state) encode() ([]byte, error) {
	n := snapshot{Version: Version, Library: s.library, Seq: s.seq, Shape: s.shape, Relabel: s.relabel, Elements: make([]content, 0, len(s.cells))}
	for _, at := range s.places() {
		n.Elements = append(n.Elements, s.cells[at].content(at))
	}
	return appendRecord(nil, n)
}

// record returns what a line says, if its checksum is right.
func record(line []byte) ([]byte, bool) {
	if len(line) < 10 || line[8] != ' ' {
		return nil, false
	}
	var sum [4]byte
	if _, err := hex.Decode(sum[:], line[:8]); err != nil {
		return nil, false
	}
	return line[9:], binary.BigEndian.Uint32(sum[:]) == crc32.Checksum(line[9:], castagnoli)
}

// unmarshal reads a record that has nothing but what is known.
func unmarshal(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// decode reads a file. It returns the state and how long what counts of the file is: what a crash has cut off at the end, a last
// record that is not whole, does not count. A record that is damaged with others behind it is an error.
func decode(file []byte) (*state, int, error) {
	first, _, _ := bytes.Cut(file, []byte{'\n'})
	b, ok := record(first)
	if !ok || len(first) == len(file) {
		return nil, 0, fmt.Errorf("%w: its first record is not right", ErrState)
	}
	var version struct {
		Version int `json:"version"`
	}
	var n snapshot
	if err := json.Unmarshal(b, &version); err == nil && version.Version > Version {
		return nil, 0, fmt.Errorf("%w: its format is version %d, and this program knows %d", ErrNewer, version.Version, Version)
	}
	if err := unmarshal(b, &n); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	s := &state{library: n.Library, shape: n.Shape, cells: make(map[Place]cell, len(n.Elements))}
	if n.Version < 1 || n.Seq == 0 {
		return nil, 0, fmt.Errorf("%w: its first record has no version", ErrState)
	}
	s.seq = n.Seq - 1
	if err := s.apply(change{Seq: n.Seq, Set: n.Elements, Relabel: n.Relabel}); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	at, err := s.follow(file, len(first)+1)
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	return s, at, nil
}

// follow makes the changes that stand in file from at on, and returns how long what counts is.
func (s *state) follow(file []byte, at int) (int, error) {
	for at < len(file) {
		n := bytes.IndexByte(file[at:], '\n')
		if n < 0 {
			break // cut off
		}
		b, ok := record(file[at : at+n])
		if !ok {
			if len(bytes.Trim(file[at+n+1:], "\x00")) > 0 {
				return at, fmt.Errorf("the record at byte %d is not right", at)
			}
			break // cut off, and the disk has put something there
		}
		var c change
		err := unmarshal(b, &c)
		if err == nil {
			err = s.apply(c)
		}
		if err != nil {
			return at, fmt.Errorf("the record at byte %d: %w", at, err)
		}
		at += n + 1
	}
	return at, nil
}

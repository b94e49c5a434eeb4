package medium

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what a cartridge's memory has.
const (
	maxState      = 8 << 20
	maxAttributes = 4096 // of a partition
	maxValues     = 1 << 20
)

// A state is what the state file has. It is replaced as a whole; so what it says of partitions changes in one step.
type state struct {
	Generation uint64      `json:"generation"`         // of the directories of partitions
	Capacity   int64       `json:"capacity,omitempty"` // what SetCapacity has left of the label's; 0: all
	Usage      Usage       `json:"usage"`
	Partitions []partition `json:"partitions"`
}

// A partition is the directory that has it, and its attributes.
type partition struct {
	Dir        string      `json:"dir"`
	Salt       uint64      `json:"salt"` // it and the capacity are in the header too, which can be made again with them
	Capacity   int64       `json:"capacity"`
	Attributes []Attribute `json:"attributes,omitempty"`
}

const stateMagic = "lunette-cartridge-state"

// encode is a line with the version and the checksum of what follows, which is JSON.
func (s *state) encode() ([]byte, error) {
	body, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append(fmt.Appendf(nil, "%s %d %08x\n", stateMagic, Version, crc32.Checksum(body, castagnoli)), body...), nil
}

var errState = errors.New("the cartridge's state is damaged")

// decodeState reads a state file.
func decodeState(b []byte) (s state, err error) {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	var version int64
	var sum uint32
	if n, err := fmt.Sscanf(string(line[:min(len(line), 100)]), stateMagic+" %d %x", &version, &sum); n != 2 || err != nil || !ok {
		return s, errState
	}
	if version != Version {
		return s, newer("state", version)
	}
	if crc32.Checksum(body, castagnoli) != sum {
		return s, errState
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("%w: %w", errState, err)
	}
	if len(s.Partitions) < 1 || len(s.Partitions) > MaxPartitions || len(s.Usage.Drives) > 64 || s.Capacity < 0 {
		return s, errState
	}
	for i, p := range s.Partitions {
		var n int
		var generation uint64
		if _, err := fmt.Sscanf(p.Dir, "p%d.%d", &n, &generation); err != nil || n != i || p.Dir != partitionDir(n, generation) || checkAttributes(p.Attributes) != nil {
			return s, errState
		}
	}
	return s, nil
}

func partitionDir(n int, generation uint64) string { return fmt.Sprintf("p%d.%d", n, generation) }

// checkAttributes reports attributes that are out of order, or too many.
func checkAttributes(all []Attribute) error {
	bytes := 0
	for i, a := range all {
		if bytes += len(a.Value); i > 0 && all[i-1].ID >= a.ID || a.Format > 3 || len(a.Value) == 0 || len(a.Value) > math.MaxUint16 {
			return fmt.Errorf("attribute %04xh cannot be kept", a.ID)
		}
	}
	if len(all) > maxAttributes || bytes > maxValues {
		return fmt.Errorf("the cartridge's memory has no room for %d attributes of %d bytes", len(all), bytes)
	}
	return nil
}

// change is attributes with some of them set, or taken away; all stays as it is.
func change(all, set []Attribute) ([]Attribute, error) {
	next := slices.Clone(all)
	for _, a := range set {
		i, is := slices.BinarySearchFunc(next, a.ID, func(b Attribute, id uint16) int { return int(b.ID) - int(id) })
		a.Value = bytes.Clone(a.Value)
		switch {
		case is && len(a.Value) == 0:
			next = slices.Delete(next, i, i+1)
		case is:
			next[i] = a
		case len(a.Value) > 0:
			next = slices.Insert(next, i, a)
		}
	}
	return next, checkAttributes(next)
}

func (l *Label) encode() ([]byte, error) {
	b, err := json.MarshalIndent(l, "", "\t")
	return append(b, '\n'), err
}

// decodeLabel reads label.json.
func decodeLabel(b []byte) (l Label, err error) {
	var v struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return l, fmt.Errorf("label.json is damaged: %w", err)
	}
	if v.Version != Version {
		return l, newer("label", int64(v.Version))
	}
	if err := json.Unmarshal(b, &l); err != nil {
		return l, fmt.Errorf("label.json is damaged: %w", err)
	}
	return l, l.check()
}

// check reports what a label cannot be.
func (l *Label) check() error {
	switch {
	case !printable(l.Barcode, 1, 32) || strings.ContainsRune(l.Barcode, '/'):
		return fmt.Errorf("barcode %q: it has 1 to 32 printable characters, no slash, and no spaces at its ends", l.Barcode)
	case !printable(l.Serial, 0, 32):
		return fmt.Errorf("serial number %q: it has up to 32 printable characters", l.Serial)
	case !printable(l.Maker, 0, 8):
		return fmt.Errorf("maker %q: it has up to 8 printable characters", l.Maker)
	case len(l.Format) > 64 || !utf8.ValidString(l.Format):
		return fmt.Errorf("format %q: it is a name", l.Format)
	case l.Type != Data && l.Type != WORM && l.Type != Cleaning:
		return fmt.Errorf("there is no type of cartridge %02xh", byte(l.Type))
	case l.Capacity < 0 || l.Capacity > 1<<60 || l.Capacity == 0 && l.Type != Cleaning:
		return fmt.Errorf("a cartridge has no capacity of %d bytes", l.Capacity)
	}
	return nil
}

// printable reports least to most printable characters of ASCII without spaces at the ends.
func printable(s string, least, most int) bool {
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e {
			return false
		}
	}
	return len(s) >= least && len(s) <= most && strings.TrimSpace(s) == s
}

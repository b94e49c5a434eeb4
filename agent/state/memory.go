package state

import (
	"bytes"
	"slices"
	"sync"
	"time"
)

// What a [Memory] keeps at most, beside the current generation.
const (
	memoryKeep  = 100
	memoryBytes = 64 << 20
)

// A Memory keeps generations for as long as the process lives: the last hundred, or as many of them
// as are not larger than 64 MiB together. The zero value has none. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	all  []Stored // oldest first
	busy bool     // a transaction is under way
}

var _ Generations = (*Memory)(nil)

// Current implements [Generations].
func (g *Memory) Current() (Stored, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) == 0 {
		return Stored{}, false
	}
	return g.all[len(g.all)-1], true
}

// History implements [Generations].
func (g *Memory) History() ([]Meta, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]Meta, 0, len(g.all))
	for _, s := range slices.Backward(g.all) {
		all = append(all, s.Meta)
	}
	return all, nil
}

// Load implements [Generations].
func (g *Memory) Load(generation uint64) (Stored, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.all {
		if s.Generation == generation {
			return s, nil
		}
	}
	return Stored{}, notFound(generation)
}

// Begin implements [Generations].
func (g *Memory) Begin() (Transaction, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy {
		return nil, ErrBusy
	}
	g.busy = true
	return &memoryTransaction{g: g}, nil
}

type memoryTransaction struct {
	g         *Memory
	ended     bool // g.mu guards it
	committed bool // g.mu guards it
}

// Makes notes nothing: what is not kept needs no taking back.
func (t *memoryTransaction) Makes(Made) error {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	if t.ended {
		return ErrEnded
	}
	return nil
}

func (t *memoryTransaction) Commit(text []byte, m Meta) (Meta, error) {
	g := t.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.ended {
		return Meta{}, ErrEnded
	}
	t.ended, g.busy = true, false
	var parent uint64
	if n := len(g.all); n > 0 {
		parent = g.all[n-1].Generation
	}
	m, err := complete(m, parent+1, parent, text, time.Now)
	if err != nil {
		return Meta{}, err
	}
	t.committed = true
	g.all = append(g.all, Stored{Meta: m, Text: bytes.Clone(text)})
	// From the newest back, those are kept that fit.
	first, size := len(g.all)-1, len(text)
	for first > 0 && len(g.all)-first < memoryKeep && size+len(g.all[first-1].Text) <= memoryBytes {
		first--
		size += len(g.all[first].Text)
	}
	g.all = slices.Delete(g.all, 0, first)
	return m, nil
}

func (t *memoryTransaction) Abort() error {
	t.g.mu.Lock()
	defer t.g.mu.Unlock()
	if t.committed {
		return ErrEnded
	}
	if !t.ended {
		t.ended, t.g.busy = true, false
	}
	return nil
}

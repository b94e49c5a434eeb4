package transporttest

import (
	"encoding/binary"
	"fmt"
)

// A Model is what a part of a unit may hold, block by block, for tests in which writes can fail: a block of a write that has failed holds the old or
// the new, and when it has been seen it stays what it was. It is for one goroutine.
type Model struct {
	seed   uint64
	writes uint64
	blocks []state
}

// A state is which writes a block may be from: 0 is none, zeros.
type state struct {
	from  []uint64
	first [1]uint64 // the memory of from, mostly
}

// NewModel is a model of blocks that are zeros. Models with other seeds have other data.
func NewModel(seed uint64, blocks int) *Model {
	m := &Model{seed: seed, blocks: make([]state, blocks)}
	for i := range m.blocks {
		m.blocks[i].is(0)
	}
	return m
}

func (s *state) is(write uint64) { s.first[0] = write; s.from = s.first[:] }

// Fill makes new data for blocks from at on, which Wrote is told of.
func (m *Model) Fill(b []byte, at int) (write uint64) {
	m.writes++
	for i := 0; i < len(b); i += BlockSize {
		m.block(b[i:i+BlockSize], at+i/BlockSize, m.writes)
	}
	return m.writes
}

// block makes the data of a block of a write.
func (m *Model) block(b []byte, at int, write uint64) {
	if write == 0 {
		clear(b)
		return
	}
	binary.LittleEndian.PutUint64(b, m.seed<<32|uint64(at))
	binary.LittleEndian.PutUint64(b[8:], write)
	x := m.seed*0x9e3779b97f4a7c15 ^ uint64(at)<<40 ^ write
	for i := 16; i < BlockSize; i += 8 {
		x = x*0xbf58476d1ce4e5b9 + 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(b[i:], x)
	}
}

// Wrote tells how a write of n blocks has ended: well, or so that nobody knows.
func (m *Model) Wrote(write uint64, at, n int, well bool) {
	for i := at; i < at+n; i++ {
		if s := &m.blocks[i]; well {
			s.is(write)
		} else {
			s.from = append(s.from, write)
		}
	}
}

// Read checks what was read of blocks from at on.
func (m *Model) Read(b []byte, at int) error {
	var want [BlockSize]byte
	for i := 0; i < len(b); i += BlockSize {
		s := &m.blocks[at+i/BlockSize]
		found := false
		for _, w := range s.from {
			m.block(want[:], at+i/BlockSize, w)
			if string(want[:]) == string(b[i:i+BlockSize]) {
				s.is(w)
				found = true
				break
			}
		}
		if !found {
			x := b[i:]
			return fmt.Errorf("WRONG DATA in block %d of model %d: it says block %d of model %d, write %d; it may be one of %v",
				at+i/BlockSize, m.seed, binary.LittleEndian.Uint32(x), binary.LittleEndian.Uint32(x[4:]), binary.LittleEndian.Uint64(x[8:]), s.from)
		}
	}
	return nil
}

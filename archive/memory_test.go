package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"testing"
)

// A memoryTape is a tape in memory: each object is a block, or nil for a filemark.
type memoryTape struct {
	about About
	parts [][][]byte
	lost  map[uint64]error // what cannot be read of partition 0, by object
	ended bool
}

func (m *memoryTape) About() About                           { return m.about }
func (m *memoryTape) Close() error                           { return nil }
func (m *memoryTape) End(context.Context) error              { m.ended = true; return nil }
func (m *memoryTape) Begin(_ context.Context, a About) error { m.about = a; return a.check() }

func (m *memoryTape) Reader(_ context.Context, n int) (Reader, error) {
	return &memoryReader{tape: m, partition: n}, nil
}

func (m *memoryTape) Writer(_ context.Context, n int) (Writer, error) {
	m.parts = append(m.parts, nil)
	return &memoryWriter{m, n}, nil
}

type memoryReader struct {
	tape      *memoryTape
	partition int
	n         uint64
}

func (r *memoryReader) Next(context.Context) (Object, error) {
	all := r.tape.parts[r.partition]
	if r.n == uint64(len(all)) {
		return Object{}, io.EOF
	}
	r.n++
	if err := r.tape.lost[r.n-1]; err != nil && r.partition == 0 {
		return Object{}, &LostError{Object: r.n - 1, Count: 1, Err: err}
	}
	b := all[r.n-1]
	return Object{Filemark: b == nil, Data: b}, nil
}

type memoryWriter struct {
	tape      *memoryTape
	partition int
}

func (w *memoryWriter) Block(_ context.Context, b []byte) error {
	w.tape.parts[w.partition] = append(w.tape.parts[w.partition], bytes.Clone(b))
	return nil
}

func (w *memoryWriter) Filemark(context.Context) error {
	w.tape.parts[w.partition] = append(w.tape.parts[w.partition], nil)
	return nil
}

// tapeOf makes a tape of one partition for each text: "m" is a filemark, a number the length of a block.
func tapeOf(partitions ...[]int) *memoryTape {
	m := &memoryTape{about: About{Barcode: "LUN001L8", Format: "L8", Capacity: 1 << 30, Partitions: make([]Partition, len(partitions))}}
	for _, lengths := range partitions {
		var all [][]byte
		for i, n := range lengths {
			if n == 0 {
				all = append(all, nil)
				continue
			}
			b := bytes.Repeat([]byte{byte(i + 1)}, n)
			copy(b, fmt.Sprint(i, n))
			all = append(all, b)
		}
		m.parts = append(m.parts, all)
	}
	return m
}

func same(t *testing.T, got, want *memoryTape) {
	t.Helper()
	if !got.ended {
		t.Error("it was not ended")
	}
	if !reflect.DeepEqual(got.parts, want.parts) {
		t.Errorf("%d partitions came back, and are not the same", len(got.parts))
	}
	if !reflect.DeepEqual(got.about, want.about) {
		t.Errorf("it is about %+v, not %+v", got.about, want.about)
	}
}

package state

import (
	"bytes"
	"testing"
	"time"
)

// FuzzGeneration: whatever a file has, it is refused, or it is what writing what was read gives.
func FuzzGeneration(f *testing.F) {
	m, err := complete(Meta{Schema: 1, Author: "me", Comment: "why"}, 7, 6, []byte("a: 1\n"), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	good := encodeGeneration(m, []byte("a: 1\n"))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(bytes.Replace(good, []byte("format 1"), []byte("format 2"), 1))
	f.Add([]byte(generationMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeGeneration(b)
		if err == nil && !bytes.Equal(encodeGeneration(s.Meta, s.Text), b) {
			t.Errorf("%q is taken as %+v", b, s)
		}
		if _, _, e := decodeHeader(b[:min(len(b), maxHeader)], int64(len(b))); (e != nil) && err == nil {
			t.Errorf("the header alone is refused: %v", e)
		}
	})
}

// FuzzJournal: the same of a journal, but for what is torn at its end.
func FuzzJournal(f *testing.F) {
	all := []noted{{made: Made{Path: "/a; b"}}, {made: Made{Path: "/b\xff\"", Grown: true, Size: 9}}, {old: "x", new: "y"}}
	good := append(journalLine(43, all[:2]), journalLine(0, all[2:])...)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good[:20])
	f.Add(make([]byte, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		generation, all, err := decodeJournal(b)
		if err != nil && (generation != 0 || all != nil) {
			t.Errorf("%v, and %v", all, err)
		}
		if len(all) > 0 && generation == 0 {
			t.Errorf("%v of no generation", all)
		}
		for _, n := range all {
			if err := n.check(); err != nil {
				t.Errorf("%v: %v", n, err)
			}
		}
		if len(all) == 0 {
			return
		}
		again, same, err := decodeJournal(journalLine(generation, all))
		if err != nil || again != generation || len(same) != len(all) {
			t.Errorf("%v is %v when it is read again: %v", all, same, err)
		}
	})
}

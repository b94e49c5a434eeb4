package state

import (
	"errors"
	"fmt"
	"testing"
)

func commit(t *testing.T, g Generations, text string) Meta {
	t.Helper()
	tx, err := g.Begin()
	if err != nil {
		t.Fatal(err)
	}
	m, err := tx.Commit([]byte(text), Meta{Schema: 1, Author: "root", Comment: "because"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// generations holds what every implementation of [Generations] does.
func generations(t *testing.T, g Generations) {
	t.Helper()
	if s, ok := g.Current(); ok {
		t.Fatalf("there is one already: %v", s)
	}
	tx, err := g.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Begin(); !errors.Is(err, ErrBusy) {
		t.Errorf("two transactions at a time: %v", err)
	}
	if err := tx.Abort(); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(nil, Meta{}); !errors.Is(err, ErrEnded) {
		t.Errorf("commit after abort: %v", err)
	}
	if err := tx.Makes(Made{Path: "/a"}); !errors.Is(err, ErrEnded) {
		t.Errorf("makes after abort: %v", err)
	}
	text := []byte("a: 1\n")
	if tx, err = g.Begin(); err != nil {
		t.Fatal(err)
	}
	m, err := tx.Commit(text, Meta{Schema: 3, Author: "me", Comment: "why"})
	if err != nil {
		t.Fatal(err)
	}
	text[0] = 'x' // it is ours again
	if m.Generation != 1 || m.Parent != 0 || m.Schema != 3 || m.Author != "me" || m.Comment != "why" || m.Size != 5 ||
		m.Digest != "37b128c59f1f5097f73f82691cb519f1f568667faab5ced1b4ab979d36837eae" || m.Time.IsZero() {
		t.Errorf("%+v", m)
	}
	if s, ok := g.Current(); !ok || s.Meta != m || string(s.Text) != "a: 1\n" {
		t.Errorf("%v, %v", s, ok)
	}
	for i := 2; i <= 130; i++ {
		if m := commit(t, g, fmt.Sprint("text ", i)); m.Generation != uint64(i) || m.Parent != uint64(i-1) {
			t.Fatalf("%+v", m)
		}
	}
	all, err := g.History()
	if err != nil || len(all) != 100 || all[0].Generation != 130 || all[99].Generation != 31 {
		t.Fatalf("%d generations, %v", len(all), err)
	}
	if s, err := g.Load(31); err != nil || string(s.Text) != "text 31" || s.Meta != all[99] {
		t.Errorf("%v, %v", s, err)
	}
	for _, n := range []uint64{0, 30, 131} {
		if _, err := g.Load(n); !errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", n, err)
		}
	}
	if tx, err = g.Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Commit(make([]byte, maxText+1), Meta{}); err == nil {
		t.Error("a text without a bound")
	}
	if commit(t, g, "after it").Generation != 131 {
		t.Error("a commit that failed has left a gap")
	}
}

func TestMemory(t *testing.T) { generations(t, new(Memory)) }

// What is kept is bounded in bytes too, and the current one is always kept.
func TestMemoryBytes(t *testing.T) {
	var g Memory
	large := string(make([]byte, maxText))
	for range 6 {
		commit(t, &g, large)
	}
	if all, err := g.History(); err != nil || len(all) != memoryBytes/maxText || all[0].Generation != 6 {
		t.Errorf("%d, %v", len(all), err)
	}
}

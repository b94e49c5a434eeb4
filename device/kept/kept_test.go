package kept

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store/record"
)

var unit = scsi.NAA6("a unit")

// one is a record in memory.
type one struct {
	b     []byte
	err   error
	saved int
}

func (r *one) Load() ([]byte, error) { return bytes.Clone(r.b), r.err }
func (r *one) Where() string         { return "the record" }
func (r *one) Save(b []byte) error {
	if r.err != nil {
		return r.err
	}
	r.saved++
	r.b = bytes.Clone(b)
	return nil
}

var host = reserve.Nexus{Initiator: scsi.TransportID{Protocol: scsi.ProtocolISCSI, Name: "iqn.2026-11.io.lunette:h"}, Target: "t", Port: 1}

// step registers host with a key, with or without APTPL, and commits it.
func step(t *testing.T, k *Keeper, s *reserve.State, key uint64, persist bool) error {
	t.Helper()
	next := s.Clone()
	e, err := next.Apply(reserve.Change{Op: reserve.RegisterAndIgnore, From: host, ActionKey: key, Persist: persist})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Commit(t.Context(), reserve.Step{After: next.Snapshot(), Effects: e}); err != nil {
		return err
	}
	*s = next
	return nil
}

func load(t *testing.T, r *one) (*Keeper, reserve.State) {
	t.Helper()
	k := New(r, unit, func(error) {})
	p, err := k.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := reserve.Restore(p)
	if err != nil {
		t.Fatal(err)
	}
	return k, s
}

func TestKeepsWhatPersists(t *testing.T) {
	r := new(one)
	k, s := load(t, r)
	if err := step(t, k, &s, 1, false); err != nil || r.saved != 0 {
		t.Errorf("%v, %d times written what does not persist", err, r.saved)
	}
	if err := step(t, k, &s, 2, true); err != nil {
		t.Fatal(err)
	}
	k, s = load(t, r)
	if all := s.Registrations(); len(all) != 1 || all[0].Key != 2 || all[0].Nexus != host || !s.Persists() {
		t.Errorf("%+v", all)
	}
	if err := step(t, k, &s, 3, false); err != nil {
		t.Fatal(err)
	}
	if _, s = load(t, r); len(s.Registrations()) != 0 || r.b != nil {
		t.Errorf("%+v, %x", s.Registrations(), r.b)
	}
}

func TestCommitThatFails(t *testing.T) {
	r := new(one)
	var told error
	k := New(r, unit, func(err error) { told = err })
	var s reserve.State
	if err := step(t, k, &s, 1, true); err != nil {
		t.Fatal(err)
	}
	r.err = errors.New("the disk is full")
	if err := step(t, k, &s, 2, true); !errors.Is(err, r.err) || !errors.Is(told, r.err) {
		t.Errorf("%v, told %v", err, told)
	}
	r.err = nil
	if err := step(t, k, &s, 3, true); err != nil {
		t.Errorf("after it: %v", err)
	}
	if err := k.Commit(t.Context(), reserve.Step{After: s.Snapshot()}); !errors.Is(err, reserve.ErrStale) {
		t.Errorf("the same version again: %v", err)
	}
}

// What cannot be read keeps the unit from being served: it may keep somebody out.
func TestRefusesWhatItCannotUse(t *testing.T) {
	r := new(one)
	k, s := load(t, r)
	if err := step(t, k, &s, 1, true); err != nil {
		t.Fatal(err)
	}
	good := r.b
	for i := range good {
		for _, b := range [][]byte{good[:i], append(bytes.Clone(good), 0)} {
			if _, err := New(&one{b: b}, unit, nil).Load(t.Context()); !errors.Is(err, ErrRecord) {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}
	}
	if _, err := New(r, scsi.NAA6("another"), nil).Load(t.Context()); !errors.Is(err, ErrRecord) {
		t.Errorf("of another unit: %v", err)
	}
	if _, err := New(&one{err: errors.New("no")}, unit, nil).Load(t.Context()); !errors.Is(err, ErrRecord) {
		t.Errorf("not readable: %v", err)
	}
}

// With the record that units have: what was answered is there for whoever opens the unit next.
func TestInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img"+record.Suffix)
	k := New(record.At(path).Slot("reservations"), unit, func(error) {})
	var s reserve.State
	for key := uint64(1); key < 20; key++ {
		if err := step(t, k, &s, key, true); err != nil {
			t.Fatal(err)
		}
		p, err := New(record.At(path).Slot("reservations"), unit, nil).Load(t.Context())
		if err != nil || len(p.Registrations) != 1 || p.Registrations[0].Key != key {
			t.Fatalf("%+v, %v", p, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(unit, reserve.Snapshot{Version: 1}))
	f.Add(encode(unit, reserve.Snapshot{Version: 7, Persist: true, Registrations: []reserve.Registration{{Nexus: host, Key: 1}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		u, p, err := decode(b)
		if err != nil {
			return
		}
		if again := encode(u, p); !bytes.Equal(again, b) {
			t.Errorf("%x is read and written as %x", b, again)
		}
	})
}

package library_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
)

// The library of the model.
const (
	modelDrives = 3
	modelMail   = 2
	modelSlots  = 6
)

// killed is what a place panics with that a process is killed at.
type killed struct{ place string }

// A model is what a library should have: where each cartridge is, and what is prevented.
type model struct {
	where    map[string]library.Place
	prevents [modelDrives]bool
	mailLock bool
	doors    [modelMail + 1]bool
}

func (m *model) clone() *model {
	c := *m
	c.where = maps.Clone(m.where)
	return &c
}

// in is the cartridge at a place.
func (m *model) in(p library.Place) string {
	for b, at := range m.where {
		if at == p {
			return b
		}
	}
	return ""
}

// carry moves what is at from; false: it must be refused.
func (m *model) carry(from, to library.Place, force bool) bool {
	b := m.in(from)
	switch {
	case b == "" || from != to && m.in(to) != "":
		return false
	case from == to:
		return !(from.Type == changer.Mail && m.doors[from.Index])
	case from.Type == changer.Drive && m.prevents[from.Index] && !force, to.Type == changer.Mail && m.mailLock:
		return false
	case from.Type == changer.Mail && m.doors[from.Index], to.Type == changer.Mail && m.doors[to.Index]:
		return false
	}
	m.where[b] = to
	return true
}

// A system is the library under test, beside its model.
type system struct {
	*rapid.T
	bench *bench
	m     *model
	kill  int // at which place it is killed; 0: not
	next  int // number of a barcode that there was not yet
}

func places() []library.Place {
	var all []library.Place
	for i := range modelSlots {
		all = append(all, slot(i+1))
	}
	for i := range modelMail {
		all = append(all, mail(i+1))
	}
	for i := range modelDrives {
		all = append(all, inDrive(i))
	}
	return all
}

func address(p library.Place) uint16 {
	switch p.Type {
	case changer.Storage:
		return uint16(999 + p.Index)
	case changer.Mail:
		return uint16(9 + p.Index)
	}
	return uint16(100 + p.Index)
}

// start starts another process.
func (s *system) start() {
	b := s.bench
	b.media = newMedia()
	b.cfg.Media = b.media
	b.setDrives(modelDrives)
	l, err := library.Open(context.Background(), b.cfg)
	if err != nil {
		s.Fatal(err)
	}
	b.Library = l
	s.m.prevents, s.m.mailLock, s.m.doors = [modelDrives]bool{}, false, [modelMail + 1]bool{}
}

// do does f. want says whether it should succeed, and after is the model then. If the process is killed meanwhile the next one
// has what was before, or what is after.
func (s *system) do(what string, want bool, after *model, f func() error) {
	if s.kill = 0; rapid.IntRange(0, 3).Draw(s.T, "kill") == 0 {
		s.kill = rapid.IntRange(1, 6).Draw(s.T, "place")
	}
	places := 0
	var last string
	durable, whole := s.stateSize(), s.stateSize()
	s.bench.SetPoint(func(place string) {
		if place == "library.appended" {
			durable, whole = whole, s.stateSize()
		}
		if places++; places == s.kill {
			last = place
			panic(killed{place})
		}
	})
	err := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				k, ok := r.(killed)
				if !ok {
					panic(r)
				}
				err = errors.New("killed at " + k.place)
			}
		}()
		return f()
	}()
	s.bench.SetPoint(func(string) {})
	if last != "" {
		s.bench.Abandon()
		if last == "library.appended" && rapid.Bool().Draw(s.T, "power") { // what was not synchronized is there in part
			path := filepath.Join(s.bench.store, "libraries", "test.state")
			if err := os.Truncate(path, rapid.Int64Range(durable, whole).Draw(s.T, "left")); err != nil {
				s.Fatal(err)
			}
		}
		before := s.m
		s.start()
		if got := s.look(); maps.Equal(got, before.where) {
			after = before
		} else if !want || !maps.Equal(got, after.where) {
			s.Fatalf("%s, killed at %s: %v; it was %v, and should become %v", what, last, got, before.where, after.where)
		}
		s.m = after
		s.m.prevents, s.m.mailLock, s.m.doors = [modelDrives]bool{}, false, [modelMail + 1]bool{}
		return
	}
	if (err == nil) != want {
		s.Fatalf("%s: %v, want success %v; %+v", what, err, want, s.m)
	}
	if err == nil {
		s.m = after
	}
}

func (s *system) stateSize() int64 {
	info, err := os.Stat(filepath.Join(s.bench.store, "libraries", "test.state"))
	if err != nil {
		s.Fatal(err)
	}
	return info.Size()
}

// look is where cartridges are, as operators see it.
func (s *system) look() map[string]library.Place {
	all, err := s.bench.Cartridges(context.Background(), false)
	if err != nil {
		s.Fatal(err)
	}
	got := make(map[string]library.Place)
	for _, c := range all {
		if _, twice := got[c.Barcode]; twice || c.Problem != "" {
			s.Fatalf("%+v", c)
		}
		got[c.Barcode] = c.Where
	}
	return got
}

// check compares what operators, the robot and the drives say, and what is open, with the model.
func (s *system) check() {
	if got := s.look(); !maps.Equal(got, s.m.where) {
		s.Fatalf("cartridges are in %v, want %v", got, s.m.where)
	}
	loaded := 0
	elements := s.bench.Elements()
	for _, p := range places() {
		i := slices.IndexFunc(elements, func(e changer.Element) bool { return e.Address == address(p) })
		e, want := elements[i], s.m.in(p)
		if e.Barcode != want || e.Full != (want != "") {
			s.Fatalf("%v: %+v, want %q", p, e, want)
		}
		if e.SourceValid && s.m.in(slot(int(e.Source)-999)) != "" {
			s.Fatalf("%v: its source %d has another cartridge", p, e.Source)
		}
		if p.Type != changer.Drive {
			continue
		}
		if want != "" {
			loaded++
		}
		if got := s.bench.drives[p.Index].Status().Barcode; got != want {
			s.Fatalf("%v has %q, and the robot says %q", p, got, want)
		}
	}
	if len(s.bench.media.open) != loaded {
		s.Fatalf("open: %v, and %d drives are loaded", s.bench.media.open, loaded)
	}
}

package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

// lab is a daemon whose document is changed as a whole, with its initiators.
type lab struct {
	*testing.T
	d       *Daemon
	p       *pipe.Process
	doc     *model.Document
	made    []state.Made
	stopped bool
}

// labText is a document of units, with a target that has each at the LUN of its place.
func labText(units ...string) string {
	text := "version: 1\nunits:\n"
	luns := ""
	for i, u := range units {
		text += "- {" + u + "}\n"
		luns += fmt.Sprintf("%d: %s, ", i, strings.TrimSuffix(strings.Fields(u)[1], ","))
	}
	return text + "targets:\n- {name: \"" + disks + "\", luns: {" + luns + "}}\nportals: [{kind: pipe+process, address: /lab, slots: 100}]\n"
}

func newLab(t *testing.T, opts func(*Options), units ...string) *lab {
	t.Helper()
	p := pipe.New()
	l := &lab{T: t, p: p}
	l.doc = l.read(labText(units...))
	o := quiet(t)
	o.Strict = false
	if opts != nil {
		opts(&o)
	}
	d, err := Start(t.Context(), l.doc, with(p), o)
	if err != nil {
		t.Fatal(err)
	}
	l.d = d
	d.current.Store(l.doc)
	t.Cleanup(func() {
		if l.stopped {
			return
		}
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) read(text string) *model.Document {
	l.Helper()
	doc, err := model.Read("lab.yaml", []byte(text), with(l.p).Schema())
	if err != nil {
		l.Fatal(err)
	}
	return doc
}

// try prepares the way to a document.
func (l *lab) try(units []string, steps ...plan.Step) (apply.Prepared, *model.Document, error) {
	l.Helper()
	doc := l.read(labText(units...))
	steps = append(steps, plan.Step{Op: plan.Change, Key: model.Key{Kind: model.TargetObject, Name: disks}})
	var making sync.Mutex // units are opened several at a time
	x, err := l.d.Prepare(l.Context(), apply.Transition{Old: l.doc, New: doc, Plan: &plan.Plan{Steps: steps}, Makes: func(m state.Made) error {
		making.Lock()
		defer making.Unlock()
		l.made = append(l.made, m)
		return nil
	}})
	return x, doc, err
}

// to goes to a document.
func (l *lab) to(units []string, steps ...plan.Step) {
	l.Helper()
	x, doc, err := l.try(units, steps...)
	if err != nil {
		l.Fatal(err)
	}
	x.Publish()
	l.doc = doc
	if err := x.Retire(l.Context()); err != nil {
		l.Fatal(err)
	}
}

func step(op plan.Op, name string) plan.Step {
	return plan.Step{Op: op, Effect: plan.LosesData, Key: model.Key{Kind: model.UnitObject, Name: name}}
}

func renamed(from, to string) plan.Step {
	s := step(plan.Rename, to)
	s.From = model.Key{Kind: model.UnitObject, Name: from}
	return s
}

func (l *lab) login(who string) *pipe.Session {
	l.Helper()
	s, err := l.p.Login("/lab", disks, who)
	if err != nil {
		l.Fatal(err)
	}
	l.Cleanup(func() { _ = s.Close() })
	return s
}

// told are the unit attentions of a LUN until there are none.
func (l *lab) told(s *pipe.Session, lun int) (all []scsi.ASC) {
	l.Helper()
	at, _ := scsi.FlatLUN(uint32(lun))
	for {
		r, _, err := s.Do(l.Context(), at, cdb.AppendTestUnitReady(nil), nil, 0)
		switch {
		case err != nil:
			l.Fatal(err)
		case r.Sense.Key != scsi.KeyUnitAttention:
			return all
		}
		all = append(all, r.Sense.ASC)
	}
}

func (l *lab) holds(s *pipe.Session, lun int, want string) {
	l.Helper()
	got, err := blockOf(l.Context(), s, lun, 0, nil)
	if err != nil || !bytes.HasPrefix(got, []byte(want)) {
		l.Errorf("LUN %d holds %.8q and not %q: %v", lun, got, want, err)
	}
}

func (l *lab) write(s *pipe.Session, lun int, text string) {
	l.Helper()
	if _, err := blockOf(l.Context(), s, lun, 0, append([]byte(text), make([]byte, 512-len(text))...)); err != nil {
		l.Fatal(err)
	}
}

const (
	fileA  = "name: a, store: {kind: file, path: a.img, size: 1M}"
	fileB  = "name: b, store: {kind: file, path: b.img, size: 1M}"
	stands = "name: by, store: {kind: memory, size: 1M}"
)

// Each class of change is told to those who see the unit, and to nobody else; what they read and write
// meanwhile is right, and what they have written is still there.
func TestUnitsChangeUnderBystanders(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA, fileB, stands)
	var all []*pipe.Session
	for i := range 50 {
		s := l.login(fmt.Sprintf("guest:%d", i))
		for lun := range 3 {
			l.told(s, lun)
		}
		all = append(all, s)
	}
	l.write(all[0], 0, "alpha")
	l.write(all[0], 1, "beta")
	var loads []*load
	for lun := range 3 {
		loads = append(loads, startLoad(l.Context(), l.login("guest:load"), lun, 100))
	}
	replaced := []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCInquiryDataChanged}
	for _, c := range []struct {
		what  string
		units []string
		steps []plan.Step
		told  map[int][]scsi.ASC
		holds [2]string
	}{
		{"grown", []string{strings.Replace(fileA, "1M", "2M", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: {scsi.ASCCapacityDataChanged}}, [2]string{"alpha", "beta"}},
		{"revision", []string{strings.Replace(fileA, "1M}", "2M}, device: {kind: disk, revision: \"7\"}", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: {scsi.ASCInquiryDataChanged}}, [2]string{"alpha", "beta"}},
		{"shrunk", []string{fileA, fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: {scsi.ASCCapacityDataChanged, scsi.ASCInquiryDataChanged}}, [2]string{"alpha", "beta"}},
		{"another device on the same store", []string{strings.Replace(fileA, "1M}", "1M}, device: {kind: disk, settings: shared}", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: replaced}, [2]string{"alpha", "beta"}},
		{"filters on the same store, which grows", []string{strings.Replace(fileA, "1M}", "2M}, filters: [{kind: verify}, {kind: stats}]", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: replaced}, [2]string{"alpha", "beta"}},
		{"the file opened in another way", []string{strings.Replace(fileA, "1M}", "2M, sync: true}", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: replaced}, [2]string{"alpha", "beta"}},
		{"as it was", []string{strings.Replace(fileA, "1M", "2M", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			map[int][]scsi.ASC{0: replaced}, [2]string{"alpha", "beta"}},
		{"the same file by another name", []string{strings.Replace(fileA, "a.img, size: 1M", "./a.img, size: 2M", 1), fileB, stands}, []plan.Step{step(plan.Change, "a")},
			nil, [2]string{"alpha", "beta"}},
		{"paths swapped", []string{strings.Replace(fileA, "a.img", "b.img", 1), strings.Replace(fileB, "b.img, size: 1M", "a.img, size: 2M", 1), stands}, []plan.Step{step(plan.Change, "a"), step(plan.Change, "b")},
			map[int][]scsi.ASC{0: replaced, 1: replaced}, [2]string{"beta", "alpha"}},
		{"a memory unit grows", []string{strings.Replace(fileA, "a.img", "b.img", 1), strings.Replace(fileB, "b.img, size: 1M", "a.img, size: 2M", 1), strings.Replace(stands, "1M", "3M", 1)}, []plan.Step{step(plan.Change, "by")},
			map[int][]scsi.ASC{2: {scsi.ASCCapacityDataChanged}}, [2]string{"beta", "alpha"}},
	} {
		if c.what == "paths swapped" { // whoever writes before and reads behind it finds the other's
			for _, x := range loads[:2] {
				x.end(t)
			}
			loads = loads[2:]
		}
		l.to(c.units, c.steps...)
		for i, s := range all {
			for lun := range 3 {
				if got := l.told(s, lun); !slices.Equal(got, c.told[lun]) {
					t.Fatalf("%s: initiator %d is told %v of LUN %d, want %v", c.what, i, got, lun, c.told[lun])
				}
			}
		}
		l.holds(all[1], 0, c.holds[0])
		l.holds(all[1], 1, c.holds[1])
		for _, x := range loads {
			x.moves(t)
		}
	}
	for _, x := range loads {
		x.end(t)
	}
	if info, err := os.Stat("a.img"); err != nil || info.Size() != 2<<20 {
		t.Errorf("a.img: %v, %v", info, err)
	}
	if !slices.ContainsFunc(l.made, func(m state.Made) bool {
		return m.Grown && m.Size == 1<<20 && strings.HasSuffix(m.Path, "/a.img")
	}) {
		t.Errorf("it was noted that %v are made", l.made)
	}
}

// A unit that is renamed goes on as it is: nobody is told anything.
func TestUnitIsRenamed(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA, stands)
	s := l.login("guest:me")
	l.told(s, 0)
	l.told(s, 1)
	l.write(s, 0, "alpha")
	l.to([]string{strings.Replace(fileA, "name: a", "name: z", 1), stands}, renamed("a", "z"))
	if told := append(l.told(s, 0), l.told(s, 1)...); len(told) != 0 {
		t.Errorf("%v is told", told)
	}
	l.holds(s, 0, "alpha")
	if name := l.d.Units()[0].Name; name != "z" {
		t.Errorf("it is called %s", name)
	}
	// Its file goes to one that comes; what is to be removed with it is refused before.
	x, _, err := l.try([]string{strings.Replace(fileA, "name: a", "name: y", 1), stands}, step(plan.Remove, "z"), step(plan.Create, "y"))
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Cancel(); err != nil {
		t.Fatal(err)
	}
	l.holds(s, 0, "alpha")
	l.to([]string{strings.Replace(fileA, "name: a", "name: y", 1), stands}, step(plan.Remove, "z"), step(plan.Create, "y"))
	l.told(s, 0)
	l.holds(s, 0, "alpha")
}

// What cannot be prepared leaves everything as it was.
func TestUnitsThatCannotBePrepared(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA, fileB+", filters: [{kind: fault, calls: resize, error: out-of-space, late: true}]")
	s := l.login("guest:me")
	l.told(s, 0)
	l.told(s, 1)
	l.write(s, 0, "alpha")
	if err := os.Link("a.img", "link.img"); err != nil {
		t.Fatal(err)
	}
	b := fileB + ", filters: [{kind: fault, calls: resize, error: out-of-space, late: true}]"
	for what, c := range map[string]struct {
		units []string
		steps []plan.Step
		want  string
	}{
		"no room":              {[]string{strings.Replace(fileA, "1M", "4M", 1), strings.Replace(b, "1M", "2M", 1)}, []plan.Step{step(plan.Change, "a"), step(plan.Change, "b")}, "out of space"},
		"a file of another":    {[]string{fileA, b, "name: c, store: {kind: file, path: link.img}"}, []plan.Step{step(plan.Create, "c")}, "the unit \"a\" serves it already"},
		"a directory":          {[]string{"name: a, store: {kind: file, path: /}", b}, []plan.Step{step(plan.Change, "a")}, "is a directory"},
		"one behind others":    {[]string{fileA, b, "name: c, store: {kind: file, path: c.img, size: 1M}", "name: d, store: {kind: file, path: d.img, size: 1M}", "name: e, store: {kind: memory, size: 512}, device: {kind: disk, block-size: 4096}"}, []plan.Step{step(plan.Create, "c"), step(plan.Create, "d"), step(plan.Create, "e")}, "unit e: "},
		"one that comes first": {[]string{fileA, b, "name: c, store: {kind: file, path: c.img, size: 1M}", "name: d, store: {kind: file, path: no/d.img, size: 1M}"}, []plan.Step{step(plan.Create, "c"), step(plan.Create, "d")}, "no/d.img"},
	} {
		if _, _, err := l.try(c.units, c.steps...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if told := append(l.told(s, 0), l.told(s, 1)...); len(told) != 0 {
			t.Errorf("%s: %v is told", what, told)
		}
		l.holds(s, 0, "alpha")
		for name, size := range map[string]int64{"a.img": 1 << 20, "b.img": 1 << 20, "c.img": -1} {
			info, err := os.Stat(name)
			if size < 0 != errors.Is(err, os.ErrNotExist) || err == nil && info.Size() != size {
				t.Errorf("%s: %s: %v, %v", what, name, info, err)
			}
		}
	}
}

// A unit that cannot be opened is there and not ready; it is tried again, and then told of. The others are
// served meanwhile.
func TestUnitBecomesReady(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, "name: a, store: {kind: file, path: a.img}", stands)
	s := l.login("guest:me")
	if got := l.told(s, 0); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
		t.Errorf("told %v", got)
	}
	l.told(s, 1)
	r, _, err := s.Do(l.Context(), 0, cdb.AppendTestUnitReady(nil), nil, 0)
	if err != nil || r.Sense != scsi.NotReady(scsi.ASCBecomingReady) {
		t.Errorf("%v, %v", r.Sense, err)
	}
	l.write(s, 1, "by")
	all := l.d.Conditions()
	if len(all) != 1 || all[0].Type != apply.NotReady || all[0].Key.Name != "a" || !strings.Contains(all[0].Message, "a.img: it does not exist") || all[0].Since.IsZero() {
		t.Errorf("conditions %+v", all)
	}
	if left := l.d.units.retry(time.Now().Add(time.Hour)); !left {
		t.Error("it is not tried any more")
	}
	if err := os.WriteFile("a.img", append([]byte("alpha"), make([]byte, 1<<20-5)...), 0o600); err != nil {
		t.Fatal(err)
	}
	l.d.units.retry(time.Now().Add(2 * time.Hour))
	l.d.units.working.Wait()
	if got := l.told(s, 0); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCInquiryDataChanged}) {
		t.Errorf("told %v", got)
	}
	l.holds(s, 0, "alpha")
	if told := l.told(s, 1); len(told) != 0 || len(l.d.Conditions()) != 0 {
		t.Errorf("%v is told of the other, conditions %v", told, l.d.Conditions())
	}
}

// A unit that is removed leaves its data, unless that is to be removed as well.
func TestUnitIsRemovedWithItsData(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA, fileB, stands)
	for _, c := range []struct {
		name  string
		left  []string
		erase []string
		there bool
	}{{"a", []string{fileB, stands}, nil, true}, {"b", []string{stands}, []string{"b"}, false}} {
		doc := l.read(labText(c.left...))
		x, err := l.d.Prepare(t.Context(), apply.Transition{Old: l.doc, New: doc, Delete: c.erase, Plan: &plan.Plan{Steps: []plan.Step{
			step(plan.Remove, c.name), {Op: plan.Change, Key: model.Key{Kind: model.TargetObject, Name: disks}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		x.Publish()
		if err := x.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.doc = doc
		if _, err := os.Stat(c.name + ".img"); (err == nil) != c.there {
			t.Errorf("the data of %s: %v", c.name, err)
		}
	}
}

// A memory unit is the same after a restart, where there is a place to keep that.
func TestMemoryUnitKeepsItsName(t *testing.T) {
	t.Chdir(t.TempDir())
	var names []any
	for range 2 {
		l := newLab(t, func(o *Options) {
			o.UnitRecord = func(unit string) func(func(string) error) error {
				return func(do func(string) error) error { return do(unit + ".kept") }
			}
		}, stands)
		names = append(names, l.d.Units()[0].Facts.Value("naa"))
		if err := l.d.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.stopped = true
	}
	if names[0] != names[1] {
		t.Errorf("it is called %v", names)
	}
}

// Who sees a unit read-only cannot write, and is told when that changes; others write all the time.
func TestMappingIsReadOnly(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA, stands)
	s := l.login("guest:me")
	l.told(s, 0)
	l.told(s, 1)
	steady := startLoad(t.Context(), l.login("guest:load"), 1, 0)
	l.write(s, 0, "alpha")
	wp := func() bool {
		r, data, err := s.Do(t.Context(), 0, cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: 0x3f, Allocation: 255}.Append(nil), nil, 255)
		if err != nil || r.Status != scsi.Good {
			t.Fatal(r.Sense, err)
		}
		return data[2]&0x80 != 0
	}
	for _, readOnly := range []bool{true, false} {
		text := labText(fileA, stands)
		if readOnly {
			text = strings.Replace(text, "0: a", "0: {unit: a, read-only: true}", 1)
		}
		doc := l.read(text)
		x, err := l.d.Prepare(t.Context(), apply.Transition{Old: l.doc, New: doc, Plan: &plan.Plan{Steps: []plan.Step{
			{Op: plan.Change, Key: model.Key{Kind: model.TargetObject, Name: disks}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		x.Publish()
		if err := x.Retire(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.doc = doc
		if got := l.told(s, 0); !slices.Equal(got, []scsi.ASC{scsi.ASCModeParametersChanged}) {
			t.Errorf("read-only %v: %v is told", readOnly, got)
		}
		if got := l.told(s, 1); len(got) != 0 {
			t.Errorf("read-only %v: %v is told of the other", readOnly, got)
		}
		if wp() != readOnly {
			t.Errorf("read-only %v: WP is not", readOnly)
		}
		r, _, err := s.Do(t.Context(), 0, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}.Append(nil), make([]byte, 512), 0)
		if want := map[bool]scsi.Sense{true: scsi.WriteProtected()}[readOnly]; err != nil || r.Sense != want {
			t.Errorf("read-only %v: a write ends with %v, %v", readOnly, r.Sense, err)
		}
		steady.moves(t)
	}
	steady.end(t)
}

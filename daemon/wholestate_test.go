package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

// What is read and written are chunks at some places: of the smallest unit, and of what only larger ones have.
const chunk = 4096

var chunks = []int{0, 15, 16, 31}

// unknown is what a chunk holds that a plan has lost.
const unknown = -1

// A holding is what units hold by the expectation: of files by their paths, of memory by a number that goes with
// the unit. A chunk that was never written holds 0.
type holding struct {
	places map[string]map[int]int
	memory map[string]string // places of units in memory
	last   int
}

// placeOf is where a unit of a document keeps what it holds.
func (h *holding) placeOf(u *model.Unit) string {
	if path := u.Store.Values.String("path"); path != "" {
		return path
	}
	return h.memory[u.Name]
}

// follow changes the expectation as a plan says that was done.
func (h *holding) follow(p *plan.Plan, now *model.Document) {
	was := h.memory
	h.memory = make(map[string]string)
	steps := make(map[string]plan.Step)
	for _, s := range p.Steps {
		if s.Key.Kind == model.UnitObject && s.Op != plan.Remove {
			steps[s.Key.Name] = s
		}
	}
	for i := range now.Units {
		u := &now.Units[i]
		if u.Store.Kind != "memory" {
			continue
		}
		s, name := steps[u.Name], u.Name
		switch s.Op {
		case plan.Rename:
			name = s.From.Name
		case plan.Create:
			name = ""
		}
		place, kept := was[name]
		if !kept {
			h.last++
			place = fmt.Sprint("memory ", h.last)
			h.places[place] = make(map[int]int)
		} else if s.Effect == plan.LosesData {
			for _, c := range chunks {
				h.places[place][c] = unknown
			}
		}
		h.memory[u.Name] = place
		h.cut(place, int64(u.Store.Values.Size("size")))
	}
	h.look()
}

// cut forgets what lies behind an end.
func (h *holding) cut(place string, size int64) {
	for c := range h.places[place] {
		if int64(c+1)*chunk > size {
			delete(h.places[place], c)
		}
	}
}

// look looks how long the files are.
func (h *holding) look() {
	for place := range h.places {
		if strings.HasPrefix(place, "/") {
			info, err := os.Stat(place)
			if err != nil {
				delete(h.places, place)
				continue
			}
			h.cut(place, info.Size())
		}
	}
}

func (h *holding) at(place string, c int) int { return h.places[place][c] }

func (h *holding) put(place string, c, what int) {
	if h.places[place] == nil {
		h.places[place] = make(map[int]int)
	}
	h.places[place][c] = what
}

// filled is what a chunk holds that says a number.
func filled(what int) []byte {
	b := make([]byte, chunk)
	if what != 0 {
		for i := 0; i < chunk; i += 8 {
			binary.BigEndian.PutUint64(b[i:], uint64(what)<<16|uint64(i))
		}
	}
	return b
}

// A visitor is a session of an initiator.
type visitor struct {
	*pipe.Session
	id, guest, target string
}

// A seen is a LUN that a visitor sees.
type seen struct {
	lun      int
	unit     *model.Unit
	readOnly bool
}

// sees are the LUNs of a target in a document that a guest sees.
func sees(doc *model.Document, target, guest string) map[int]seen {
	all := make(map[int]seen)
	i := slices.IndexFunc(doc.Targets, func(t model.Target) bool { return t.Name == target })
	if i < 0 {
		return all
	}
	luns := doc.Targets[i].LUNs
	for _, a := range doc.Targets[i].Access {
		if slices.ContainsFunc(a.Initiators, func(p string) bool {
			ok, _ := filepath.Match(p, guest)
			return ok
		}) {
			luns = a.LUNs
			break
		}
	}
	for _, l := range luns {
		u := slices.IndexFunc(doc.Units, func(u model.Unit) bool { return u.Name == l.Unit })
		all[l.Number] = seen{l.Number, &doc.Units[u], l.ReadOnly || doc.Units[u].Device.Values.Bool("read-only")}
	}
	return all
}

// told reports that a plan tells a visitor something of a LUN.
func told(p *plan.Plan, v *visitor, lun int, old, now *model.Document) bool {
	units := make(map[string]bool)
	for _, doc := range []*model.Document{old, now} {
		if x, ok := sees(doc, v.target, v.guest)[lun]; ok {
			units[x.unit.Name] = true
		}
	}
	return slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		target, _, _ := strings.Cut(s.Key.Name, "/")
		switch {
		case s.Effect == plan.Unseen:
			return false
		case s.Key.Kind == model.TargetObject, s.Key.Kind == model.AccessObject:
			return target == v.target
		case s.Key.Kind == model.UnitObject:
			return units[s.Key.Name] || s.Op == plan.Rename && units[s.From.Name]
		}
		return false
	})
}

// attentions takes the unit attentions that a visitor has at a LUN.
func attentions(v *visitor, lun int) (all []scsi.ASC, err error) {
	at, _ := scsi.FlatLUN(uint32(lun))
	for range 20 {
		r, _, err := v.Do(context.Background(), at, cdb.AppendTestUnitReady(nil), nil, 0)
		if err != nil || r.Sense.Key != scsi.KeyUnitAttention {
			return all, err
		}
		all = append(all, r.Sense.ASC)
	}
	return all, fmt.Errorf("nothing but unit attentions: %v", all)
}

// transfer reads a chunk, or writes it. It does not get past unit attentions.
func transfer(v *visitor, x seen, c int, out []byte) ([]byte, scsi.Sense, error) {
	block := int(x.unit.Device.Values.Size("block-size"))
	command, room := make([]byte, 10), chunk
	command[0] = byte(scsi.OpRead10)
	if out != nil {
		command[0], room = byte(scsi.OpWrite10), 0
	}
	binary.BigEndian.PutUint32(command[2:], uint32(c*chunk/block))
	command[8] = byte(chunk / block)
	at, _ := scsi.FlatLUN(uint32(x.lun))
	r, in, err := v.Do(context.Background(), at, command, out, room)
	return in, r.Sense, err
}

// verify reads all that a visitor sees, compares it, and writes some of it.
func (w *estate) verify(v *visitor) {
	shown := sees(w.doc, v.target, v.guest)
	for lun := range 4 {
		x, ok := shown[lun]
		if _, err := attentions(v, lun); err != nil {
			w.t.Fatalf("%s of %s: LUN %d: %v", v.guest, v.target, lun, err)
		}
		if !ok {
			if _, sense, err := transfer(v, seen{lun: lun, unit: &model.Unit{Device: model.Plugin{Values: model.Values{"block-size": model.Size(512)}}}}, 0, nil); err != nil || sense.ASC != scsi.ASCLogicalUnitNotSupported {
				w.t.Fatalf("%s of %s: LUN %d is there, which nothing maps: %v, %v", v.guest, v.target, lun, sense, err)
			}
			continue
		}
		place := w.holds.placeOf(x.unit)
		size := w.sizeOf(x.unit)
		for _, c := range chunks {
			want := w.holds.at(place, c)
			got, sense, err := transfer(v, x, c, nil)
			if int64(c+1)*chunk > size {
				if err != nil || sense.ASC != scsi.ASCLBAOutOfRange {
					w.t.Fatalf("chunk %d of the unit %s of %d bytes: %v, %v", c, x.unit.Name, size, sense, err)
				}
				continue
			}
			if err != nil || sense.Key != 0 || want != unknown && !bytes.Equal(got, filled(want)) {
				w.t.Fatalf("%s of %s: chunk %d of LUN %d, %s at %s, is %x and not %x: %v, %v", v.guest, v.target, c, lun, x.unit.Name, place, got[:min(8, len(got))], filled(want)[:8], sense, err)
			}
			if want != unknown && rapid.IntRange(0, 3).Draw(w.t, "write") > 0 {
				continue
			}
			w.written++
			_, sense, err = transfer(v, x, c, filled(w.written))
			switch {
			case err != nil || x.readOnly != (sense.Key == scsi.KeyDataProtect) || !x.readOnly && sense.Key != 0:
				w.t.Fatalf("a write of LUN %d, read-only %v: %v, %v", lun, x.readOnly, sense, err)
			case !x.readOnly:
				w.holds.put(place, c, w.written)
			}
		}
	}
}

// sizeOf is how large a unit has to be.
func (w *estate) sizeOf(u *model.Unit) int64 {
	path := u.Store.Values.String("path")
	if path == "" {
		return int64(u.Store.Values.Size("size"))
	}
	info, err := os.Stat(path)
	if err != nil {
		w.t.Fatal(err)
	}
	if size := int64(u.Store.Values.Size("size")); size > 0 && size != info.Size() {
		w.t.Fatalf("%s has %d bytes, and not %d", path, info.Size(), size)
	}
	return info.Size()
}

// A watcher reads a chunk of a LUN that a change does not concern, all the time while it is made.
type watcher struct {
	stop chan struct{}
	wg   sync.WaitGroup
	err  error
}

// watch begins to read.
func (w *estate) watch(v *visitor, x seen) *watcher {
	r := &watcher{stop: make(chan struct{})}
	want := w.holds.at(w.holds.placeOf(x.unit), 0)
	begun := make(chan struct{})
	r.wg.Go(func() {
		for i := 0; ; i++ {
			got, sense, err := transfer(v, x, 0, nil)
			if err != nil || sense.Key != 0 || want != unknown && !bytes.Equal(got, filled(want)) {
				r.err = fmt.Errorf("%s of %s: LUN %d while a change is made that does not concern it: %v, %w", v.guest, v.target, x.lun, sense, err)
			}
			if i == 0 {
				close(begun)
			}
			select {
			case <-r.stop:
				return
			default:
			}
			if r.err != nil {
				return
			}
		}
	})
	<-begun
	return r
}

func (r *watcher) end() error {
	close(r.stop)
	r.wg.Wait()
	return r.err
}

// open are the descriptors that are open.
func open(t *rapid.T) string {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil { // which that of the directory has not any more
			names = append(names, to)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "\n")
}

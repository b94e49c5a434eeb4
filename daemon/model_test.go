package daemon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/test/plugin/pipe"
)

// A reference is what a daemon should serve after changes, and the sessions that should live.
type reference struct {
	t        *rapid.T
	d        *Daemon
	p        *pipe.Process
	schema   model.Schema
	units    map[string]byte           // what is in the first block
	targets  map[string]map[int]string // LUNs
	portals  map[string][]string       // what each shows
	sessions map[*pipe.Session]string  // the targets
}

func (r *reference) unit(name string) model.Unit {
	size := rapid.SampledFrom([]string{"64K", "32K", "128K"}).Draw(r.t, "size")
	settings := rapid.SampledFrom([]string{"own", "shared"}).Draw(r.t, "settings") // another one is another device on the same store
	revision := rapid.IntRange(1, 2).Draw(r.t, "revision")
	text := fmt.Sprintf(`{version: 1, units: [{name: %s, store: {kind: memory, size: %s}, device: {kind: disk, settings: %s, revision: "%d"}}], targets: [{name: "iqn.2026-11.io.lunette:x", luns: {0: %s}}]}`,
		name, size, settings, revision, name)
	d, err := model.Read("unit", []byte(text), r.schema)
	if err != nil {
		r.t.Fatal(err)
	}
	return d.Units[0]
}

func (r *reference) target(name string, luns map[int]string) model.Target {
	t := model.Target{Name: name, Values: model.Values{}}
	for _, n := range slices.Sorted(maps.Keys(luns)) {
		t.LUNs = append(t.LUNs, model.LUN{Number: n, Unit: luns[n]})
	}
	return t
}

// expect checks that a change has gone as it should.
func (r *reference) expect(err error, good bool, what string) bool {
	if (err == nil) != good {
		r.t.Fatalf("%s: %v", what, err)
	}
	return good
}

func (r *reference) maps(unit string) bool {
	for _, luns := range r.targets {
		for _, u := range luns {
			if u == unit {
				return true
			}
		}
	}
	return false
}

// luns draws LUNs, which may name units that there are not.
func (r *reference) luns() (luns map[int]string, good bool) {
	luns = rapid.MapOfN(rapid.IntRange(0, 3), rapid.SampledFrom([]string{"u0", "u1", "u2"}), 1, 3).Draw(r.t, "luns")
	good = true
	for _, u := range luns {
		_, ok := r.units[u]
		good = good && ok
	}
	return luns, good
}

func (r *reference) step() {
	ctx := context.Background()
	name := func(of string) string { return of + fmt.Sprint(rapid.IntRange(0, 2).Draw(r.t, "which")) }
	switch op := rapid.IntRange(0, 8).Draw(r.t, "op"); op {
	case 0, 1:
		u := name("u")
		_, there := r.units[u]
		if r.expect(r.d.units.create(ctx, r.unit(u)), !there, "create "+u) {
			r.units[u] = 0
		}
	case 2:
		u := name("u")
		_, there := r.units[u]
		if r.expect(r.d.units.remove(ctx, u), there && !r.maps(u), "remove "+u) {
			delete(r.units, u)
		}
	case 3:
		u := name("u")
		_, there := r.units[u]
		r.expect(r.d.units.update(ctx, r.unit(u)), there, "update "+u) // another size: what it holds stays
	case 4:
		t := "iqn.2026-11.io.lunette:" + name("t")
		luns, good := r.luns()
		_, there := r.targets[t]
		if r.expect(r.d.targets.create(ctx, r.target(t, luns)), good && !there, "create "+t) {
			r.targets[t] = luns
		}
	case 5:
		t := "iqn.2026-11.io.lunette:" + name("t")
		luns, good := r.luns()
		if _, there := r.targets[t]; r.expect(r.d.targets.update(ctx, r.target(t, luns)), good && there, "update "+t) {
			r.targets[t] = luns
		}
	case 6:
		t := "iqn.2026-11.io.lunette:" + name("t")
		_, there := r.targets[t]
		if r.expect(r.d.targets.remove(ctx, t), there, "remove "+t) {
			delete(r.targets, t)
			for s, of := range r.sessions {
				if of == t {
					delete(r.sessions, s)
					if _, _, err := s.Do(ctx, 0, make([]byte, 6), nil, 0); err == nil {
						r.t.Fatalf("a session with %s is still there", t)
					}
				}
			}
		}
	case 7:
		r.portal(name("/p"))
	case 8:
		r.login(name("/p"), "iqn.2026-11.io.lunette:"+name("t"))
	}
}

// portal makes a portal, or lets it show others, or closes it.
func (r *reference) portal(addr string) {
	ctx := context.Background()
	url := "pipe+process://" + addr
	shows, there := r.portals[addr]
	switch {
	case !there:
		spec, err := r.schema.ParsePortal(url)
		if err != nil {
			r.t.Fatal(err)
		}
		spec.Values = model.Values{"slots": int64(1000)}
		r.expect(r.d.portals.create(ctx, spec), true, "create "+url)
		r.portals[addr] = nil
	case len(shows) == 0 && len(r.targets) > 0:
		some := slices.Sorted(maps.Keys(r.targets))[:1]
		r.expect(r.d.portals.show(url, some), true, "show")
		r.portals[addr] = some
	default:
		r.expect(r.d.portals.close(ctx, url), true, "close "+url)
		delete(r.portals, addr)
	}
}

func (r *reference) login(addr, target string) {
	shows, there := r.portals[addr]
	_, known := r.targets[target]
	good := there && known && (len(shows) == 0 || slices.Contains(shows, target))
	s, err := r.p.Login(addr, target, "guest:me")
	if r.expect(err, good, "login to "+target+" by "+addr) {
		r.sessions[s] = target
	}
}

// check compares what is shown, and what every session sees.
func (r *reference) check() {
	var units, targets []string
	for _, u := range r.d.Units() {
		units = append(units, u.Name)
	}
	for _, t := range r.d.Targets() {
		var luns []string
		for _, l := range t.LUNs {
			luns = append(luns, fmt.Sprint(l.LUN, "=", l.Unit))
		}
		targets = append(targets, t.Name+" "+strings.Join(luns, " "))
	}
	var want []string
	for name, luns := range r.targets {
		text := name
		for _, n := range slices.Sorted(maps.Keys(luns)) {
			text += fmt.Sprint(" ", n, "=", luns[n])
		}
		want = append(want, text)
	}
	slices.Sort(units)
	slices.Sort(targets)
	slices.Sort(want)
	if !slices.Equal(units, slices.Sorted(maps.Keys(r.units))) || !slices.Equal(targets, want) || len(r.d.portals.load()) != len(r.portals) {
		r.t.Fatalf("units %v, targets %v, %d portals; want %v, %v, %d", units, targets, len(r.d.portals.load()), r.units, want, len(r.portals))
	}
	for s, name := range r.sessions {
		for lun := range 4 {
			u, mapped := r.targets[name][lun]
			got, err := blockOf(context.Background(), s, lun, 0, nil)
			if (err == nil) != mapped {
				r.t.Fatalf("LUN %d of %s, %q: %v", lun, name, u, err)
			}
			if !mapped {
				continue
			}
			if got[0] != r.units[u] {
				r.t.Fatalf("LUN %d of %s is not %s", lun, name, u)
			}
			r.units[u]++
			if _, err := blockOf(context.Background(), s, lun, 0, bytes.Repeat([]byte{r.units[u]}, 512)); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// Random changes go as a simple reference says, and leave nothing behind.
func TestChangesAsTheReferenceSays(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		p := pipe.New()
		reg := with(p)
		socket := filepath.Join(dir, "s")
		start, err := reg.Schema().ParsePortal("pipe+process:///start") // without one there would be that of the schema
		if err != nil {
			t.Fatal(err)
		}
		start.Values = model.Values{"slots": int64(8)}
		doc := &model.Document{Version: 1, Limits: model.Limits{Memory: 64 << 20}, Values: model.Values{}, Portals: []model.Portal{start}}
		d, err := Start(context.Background(), doc, reg, Options{Log: slog.New(slog.DiscardHandler), Socket: socket})
		if err != nil {
			t.Fatal(err)
		}
		d.current.Store(doc) // which has no text, and no portal by default
		r := &reference{
			t: t, d: d, p: p, schema: reg.Schema(), units: make(map[string]byte), targets: make(map[string]map[int]string),
			portals: map[string][]string{"/start": nil}, sessions: make(map[*pipe.Session]string),
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			r.step()
			r.check()
		}
		if err := d.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(socket); err == nil || p.Opened() != 0 {
			t.Fatalf("left behind: %v, %d networks", err, p.Opened())
		}
	})
}

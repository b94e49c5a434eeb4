package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	server "github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
)

// A player is a device that opens what people put in.
type player struct {
	*server.Server
	in map[string]plugin.Opened
}

func (p player) Close() error {
	var errs []error
	for _, o := range p.in {
		errs = append(errs, o.Close())
	}
	return errors.Join(append(errs, p.Server.Close())...)
}

// players is the device type of it: it opens the path of its option "first", fails then if it shall, and does "put" and "take".
func players(seen chan<- plugin.Parts) plugin.Device {
	path := []model.Option{{Name: "path", Type: model.Path, Required: true, Help: "which"}}
	return plugin.Device{
		About: plugin.About{Name: "player", Help: "It plays.", Options: append([]model.Option{
			{Name: "first", Type: model.Path, Help: "what is in it"}, {Name: "broken", Type: model.Bool, Help: "it does not open"},
		}, plugin.IdentityOptions("player")...)},
		Stores: model.OptionalStore, Type: scsi.TypeDisk,
		Actions: []plugin.Action{{Name: "put", Help: "Puts in.", Arguments: path, Changes: true}, {Name: "take", Help: "Takes out.", Arguments: path, Changes: true}},
		Open: func(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
			pl := player{in: make(map[string]plugin.Opened)}
			if first := p.Values.String("first"); first != "" {
				o, err := p.Stores.OpenPath(ctx, first, true)
				if err != nil {
					return nil, err
				}
				pl.in[first] = o
			}
			if p.Values.Bool("broken") {
				return nil, errors.New("it is broken")
			}
			id, err := plugin.Identity(scsi.TypeDisk, p.Name, p.Values)
			if err != nil {
				return nil, err
			}
			if pl.Server, err = server.New(server.Config{Identity: id, Workers: 1}); err != nil {
				return nil, err
			}
			if seen != nil {
				seen <- p
			}
			return []plugin.Unit{{LU: pl, Act: func(ctx context.Context, action string, v model.Values) (any, error) {
				path := v.String("path")
				if action == "take" {
					o, ok := pl.in[path]
					if !ok {
						return nil, errors.New("it is not in there")
					}
					delete(pl.in, path)
					return nil, o.Close()
				}
				o, err := p.Stores.OpenPath(ctx, path, false)
				if err != nil {
					return nil, err
				}
				pl.in[path] = o
				return o.Info().Size, nil
			}}}, nil
		},
	}
}

// A device opens what is at a path, as the kind of store that holds it, with the filters of its unit; nobody else gets that until it is
// closed, by whichever name, and neither does it what is another unit's.
func TestOpenPath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a.img", "b.img", "c.img"} {
		if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.img", "link"); err != nil {
		t.Fatal(err)
	}
	seen := make(chan plugin.Parts, 2)
	reg := Builtin().With(players(seen))
	base := "version: 1\nunits:\n- {name: one, device: {kind: player, first: a.img}, filters: [{kind: stats}]}\n- {name: two, device: {kind: player}}\n- {name: plain, store: {kind: file, path: b.img}}\n"
	doc, err := model.Read("test.yaml", []byte(base), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	opts := quiet(t)
	records := func(string) func(func(string) error) error {
		return func(do func(string) error) error { return do(filepath.Join(dir, "records")) }
	}
	opts.UnitRecord = records
	d, err := Start(t.Context(), doc, reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil || len(d.units.places.held) != 0 {
			t.Errorf("%v are held, %v", d.units.places.held, err)
		}
	})
	act := func(unit, action, path string) (any, error) {
		u, _ := d.units.find(unit)
		return u.device.Load().parts[0].Act(t.Context(), action, model.Values{"path": path})
	}
	held := func(unit, path, by string) {
		t.Helper()
		if _, err := act(unit, "put", path); !errors.Is(err, errHeld) || !strings.Contains(err.Error(), path+`: the unit "`+by+`" serves it already`) {
			t.Error(err)
		}
	}
	held("two", "link", "one")
	held("two", "b.img", "plain")
	if _, err := act("one", "take", "a.img"); err != nil {
		t.Fatal(err)
	}
	if size, err := act("two", "put", "link"); err != nil || size != int64(4096) {
		t.Fatal(size, err)
	}
	held("one", "a.img", "two")
	if _, err := d.engine.Apply(t.Context(), whatever(base+"- {name: late, store: {kind: file, path: link}}\n")); err == nil || !strings.Contains(err.Error(), `the unit "two" serves it already`) {
		t.Error(err)
	}
	if _, err := act("one", "put", "c.img"); err != nil {
		t.Fatal(err)
	}
	u, _ := d.units.find("one")
	if err := u.device.Load().stores.lost(); err != nil {
		t.Error(err)
	}
	if err := os.Remove("c.img"); err != nil {
		t.Fatal(err)
	}
	if err := u.device.Load().stores.lost(); err == nil || !strings.Contains(err.Error(), "c.img") {
		t.Error(err)
	}
	if _, err := act("one", "take", "c.img"); err != nil {
		t.Fatal(err)
	}
	if err := u.device.Load().stores.lost(); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{dir: "it is a directory", "none.img": "there is no such file", "/dev/null": "neither a file nor a block device"} {
		if _, err := act("two", "put", path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	p := <-seen
	if err := p.Keep("reservations").Save([]byte("kept")); err != nil {
		t.Fatal(err)
	}
	if b, err := p.Keep("reservations").Load(); err != nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
}

// The filters of the unit are on what a device opens by its path, and what is opened for a device that fails is closed.
func TestOpenPathFiltered(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a.img", make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	reg := Builtin().With(players(nil))
	doc, err := model.Read("test.yaml", []byte("version: 1\nunits:\n- {name: one, device: {kind: player}, filters: [{kind: stats}]}\n"), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	c := &units{}
	c.places.stored = c.storedAt
	s := &stores{reg: &reg, spec: doc.Units[0], places: &c.places}
	o, err := s.OpenPath(t.Context(), "a.img", true)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := o.Store.(store.Filter); !ok || !o.Info().ReadOnly {
		t.Errorf("%T, %+v", o.Store, o.Info())
	}
	if unit, ok := c.places.holder(o.Same); !ok || unit != "one" {
		t.Error(unit, ok)
	}
	if err := s.drop(); err != nil || len(c.places.held) != 0 {
		t.Error(err, c.places.held)
	}
	if _, err := s.OpenPath(t.Context(), "nothing", true); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What a store lends of its own memory lies in regions of the list that all data lies in.
func TestStoreIsListed(t *testing.T) {
	reg := Builtin()
	doc, err := model.Read("test.yaml", []byte("version: 1\nunits:\n- {name: one, store: {kind: memory, size: 1M}, filters: [{kind: stats}]}\n"), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	var all buffer.Regions
	s := &stores{reg: &reg, spec: doc.Units[0], log: slog.New(slog.DiscardHandler), memory: &all}
	o, err := s.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := o.Store.(store.Lender).Lend(0, 512, store.ForWrite)
	if err != nil {
		t.Fatal(err)
	}
	if r := l.Segment(0).Region; r == nil || !r.Of(&all) {
		t.Error("no region, or of another list")
	}
	l.Release()
	if err := s.drop(); err != nil {
		t.Error(err)
	}
}

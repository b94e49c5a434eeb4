package daemon

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/daemon/plugin"
	server "github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A hermit is the logical unit of a device that cannot be open twice.
type hermit struct {
	*server.Server
	open *atomic.Int32
}

func (h hermit) Close() error {
	h.open.Add(-1)
	return h.Server.Close()
}

// hermits is the device type of it. open counts those that are.
func hermits(open *atomic.Int32) plugin.Device {
	return plugin.Device{
		About:  plugin.About{Name: "hermit", Help: "One that is alone.", Options: append([]model.Option{{Name: "cell", Type: model.Int, Help: "where"}}, plugin.IdentityOptions("hermit")...)},
		Stores: model.NoStore, Type: scsi.TypeDisk, Alone: true,
		Fits: func(v model.Values, _ map[string]plugin.Found) error {
			if v.Int("cell") > 9 {
				return errors.New("there is no such cell")
			}
			return nil
		},
		Open: func(_ context.Context, p plugin.Parts) ([]plugin.Unit, error) {
			if open.Add(1) > 1 {
				open.Add(-1)
				return nil, errors.New("somebody is in there")
			}
			id, err := plugin.Identity(scsi.TypeDisk, p.Name, p.Values)
			if err != nil {
				return nil, err
			}
			s, err := server.New(server.Config{Identity: id, Workers: 1})
			if err != nil {
				return nil, err
			}
			var lu target.LogicalUnit = hermit{s, open}
			return []plugin.Unit{{LU: lu}}, nil
		},
	}
}

// A device that cannot be open twice takes the place of another of its kind when that is closed. What its options cannot be is told
// before.
func TestAlone(t *testing.T) {
	var open atomic.Int32
	reg := Builtin().With(hermits(&open))
	text := func(cell string) string {
		return "version: 1\nunits:\n- {name: h, device: {kind: hermit, cell: " + cell + "}}\n"
	}
	doc, err := model.Read("test.yaml", []byte(text("1")), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, reg, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil || open.Load() != 0 {
			t.Errorf("%d are open, %v", open.Load(), err)
		}
	})
	first := d.units.load()[0].device.Load()
	asked(t, d, text("2"))
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if now := d.units.load()[0].device.Load(); now != first && now.err == nil {
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatal("no other device has come")
		}
	}
	if _, err := d.engine.Apply(t.Context(), apply.Request{Text: []byte(text("10")), Confirm: []plan.Confirm{plan.ConfirmReplace}}); err == nil {
		t.Error("a device that cannot be is taken")
	}
	if now := d.units.load()[0].device.Load(); now.err != nil || open.Load() != 1 {
		t.Errorf("%d are open: %v", open.Load(), now.err)
	}
}

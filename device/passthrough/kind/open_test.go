package kind

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
	"github.com/lunette-io/lunette/target"
)

// drive is a tape drive in memory on a fake host, and the bridge to it.
func drive() (*fakeHost, *sgtest.Tape, bridge) {
	h := tapeHost()
	d := sgtest.NewTape(sgtest.Config{Identity: scsi.Identity{Vendor: "IBM", Product: "ULT3580-TD8", Revision: "1", Serial: "S1"}})
	return h, d, bridge{host: h, open: func(sg.Nodes, sg.Config) (sg.Device, error) { return d.Open() }}
}

// parts are those of a unit whose options say more than the device, with notes of what it tells.
func parts(t *testing.T, more model.Values) (plugin.Parts, *[]string) {
	t.Helper()
	v := model.Values{"id": "S1", "io": sg.Auto, "reservations": model.Auto}
	for name, value := range more {
		v[name] = value
	}
	notes := new([]string)
	arena := buffer.NewArena(1 << 24)
	t.Cleanup(func() {
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	return plugin.Parts{
		Name: "tape", Log: slog.New(slog.DiscardHandler), Values: v, Arena: arena,
		Note: func(n plugin.Notice) { *notes = append(*notes, n.Text) },
		Keep: func(name string) store.Record { return record.At(filepath.Join(dir, "kept")).Slot(name) },
	}, notes
}

func fact(t *testing.T, all api.Facts, name string) any {
	t.Helper()
	for _, f := range all {
		if f.Name == name {
			return f.Value
		}
	}
	t.Errorf("there is no fact %s", name)
	return nil
}

// A unit takes the device, says what it is, follows it when it goes and comes back, and gives it back at the end.
func TestOpen(t *testing.T) {
	h, d, b := drive()
	p, notes := parts(t, model.Values{"detach-driver": true})
	all, err := b.openUnit(t.Context(), p)
	if err != nil || len(all) != 1 {
		t.Fatal(err)
	}
	u := all[0]
	if h.detached != 1 || len(*notes) != 0 {
		t.Error(h.detached, *notes)
	}
	what := u.Describe()
	if !strings.HasPrefix(what.Summary, "tape IBM ULT3580-TD8 at 0:0:1:0, serial number S1, by ") || !strings.HasSuffix(what.Summary, ", taken from its driver") {
		t.Error(what.Summary)
	}
	if fact(t, what.Facts, "driver") != "detached" || fact(t, what.Facts, "state") != "present" || fact(t, what.Facts, "serial") != "S1" {
		t.Error(what.Facts)
	}
	if _, err := u.Act(t.Context(), doReset, nil); err != nil || d.Resets() != 1 {
		t.Error(err, d.Resets())
	}
	if _, err := u.Act(t.Context(), "fly", nil); err == nil {
		t.Error("it flies")
	}
	if err := u.LU.Close(); err != nil || h.detached != 0 || d.Opened() != 0 {
		t.Error(err, h.detached, d.Opened())
	}
	if what := u.Describe(); what.Summary == "" {
		t.Error("a closed unit says nothing")
	}
	if _, err := u.Act(t.Context(), doReset, nil); !errors.Is(err, errClosed) {
		t.Error(err)
	}
	if wrong := d.Wrong(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// What is to be known of a device that others use is told, and who has it is refused.
func TestOpenNotes(t *testing.T) {
	h, d, b := drive()
	p, notes := parts(t, model.Values{"reservations": none, "exclusive": true, "timeouts": []any{"ERASE(6)=8h"}, "allow": []any{allowFormat}})
	all, err := b.openUnit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "the kernel's driver st has it as well") || !strings.Contains((*notes)[0], "/dev/nst0") || h.detached != 0 {
		t.Error(*notes)
	}
	if err := all[0].LU.Close(); err != nil {
		t.Error(err)
	}
	h.users = []string{"bacula-sd (pid 7) has /dev/nst0 open"}
	if _, err := b.openUnit(t.Context(), p); !errors.Is(err, attached.ErrInUse) || d.Opened() != 0 {
		t.Error(err)
	}
}

// What was taken is given back when the device cannot be opened.
func TestOpenFails(t *testing.T) {
	h, d, b := drive()
	p, _ := parts(t, model.Values{"detach-driver": true})
	b.open = func(sg.Nodes, sg.Config) (sg.Device, error) { return nil, sg.ErrPrivilege }
	if _, err := b.openUnit(t.Context(), p); !errors.Is(err, sg.ErrPrivilege) || h.detached != 0 || d.Opened() != 0 {
		t.Error(err, h.detached)
	}
	p.Values["reservations"] = filepath.Join(t.TempDir(), "no", "file")
	if _, err := b.openUnit(t.Context(), p); err == nil || h.detached != 0 {
		t.Error(err)
	}
}

// The document's options are the unit's.
func TestAllowed(t *testing.T) {
	k := Kind()
	for _, o := range k.Options {
		if o.Name != "allow" {
			continue
		}
		for _, w := range o.Values {
			if allowed([]string{w}) == allowed(nil) {
				t.Errorf("%s allows nothing", w)
			}
		}
	}
}

// The reservations of the unit can be seen, and ended, by hand.
func TestManaged(t *testing.T) {
	_, _, b := drive()
	p, _ := parts(t, nil)
	all, err := b.openUnit(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	r, ok := all[0].LU.(target.Reservable)
	if !ok || len(r.Reservations().Registrations) != 0 {
		t.Error("nobody sees reservations")
	}
	if err := all[0].LU.Close(); err != nil {
		t.Error(err)
	}
}

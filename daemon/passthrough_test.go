package daemon

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	passthrough "github.com/lunette-io/lunette/device/passthrough/kind"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
)

// A machine has one tape drive attached, or none. It implements passthrough.Host.
type machine struct {
	drive *sgtest.Tape

	mu       sync.Mutex
	unit     attached.Unit
	gone     bool
	detached int // how often it was taken from its driver, less how often it was given back
	changed  func()
}

func newMachine() *machine {
	return &machine{
		drive: sgtest.NewTape(sgtest.Config{Identity: scsi.Identity{Vendor: "IBM", Product: "ULT3580-TD8", Revision: "1", Serial: "S1"}}),
		unit:  attached.Unit{Address: "0:0:1:0", Type: scsi.TypeTape, Vendor: "IBM", Product: "ULT3580-TD8", Serial: "S1", Driver: "st", Nodes: attached.Nodes{BSG: "/dev/bsg/0:0:1:0"}},
	}
}

func (m *machine) Find(id string) (attached.Unit, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone || id != m.unit.Serial {
		return attached.Unit{}, attached.ErrNotFound
	}
	return m.unit, nil
}

func (m *machine) Same(u attached.Unit) (attached.Unit, error) { return m.Find(u.Serial) }

func (m *machine) Users(attached.Unit) ([]string, error) { return nil, nil }

func (m *machine) Detach(attached.Unit) (func() error, error) {
	take := func(n int, driver string) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.detached += n
		m.unit.Driver = driver
		return nil
	}
	return func() error { return take(-1, "st") }, take(1, "")
}

func (m *machine) Watch(ctx context.Context, changed func()) error {
	m.mu.Lock()
	m.changed = changed
	m.mu.Unlock()
	<-ctx.Done()
	return nil
}

// unplug takes the drive away; plug brings it back, at another address and with a driver. Both tell who watches.
func (m *machine) unplug() {
	m.drive.Unplug()
	m.change(func() { m.gone = true })
}

func (m *machine) plug() {
	m.drive.Plug()
	m.change(func() { m.gone, m.detached, m.unit.Address, m.unit.Driver = false, 0, "0:0:9:0", "st" })
}

func (m *machine) change(do func()) {
	m.mu.Lock()
	do()
	changed := m.changed
	m.mu.Unlock()
	if changed != nil {
		changed()
	}
}

func (m *machine) taken() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.detached
}

const ofTape = `version: 1
units:
- {name: tape, optional: true, device: {kind: passthrough, id: S1, detach-driver: true, OPTIONS}}
targets:
- {name: "iqn.2026-11.io.lunette:t", luns: {0: tape}}
`

func tapeText(options string) []byte { return []byte(strings.Replace(ofTape, "OPTIONS", options, 1)) }

// onMachine is a daemon on a machine.
func onMachine(t *testing.T, m *machine) *client.Client {
	t.Helper()
	reg := Builtin()
	for i, d := range reg.Devices {
		if d.Name == "passthrough" {
			reg.Devices[i] = passthrough.On(m, func(sg.Nodes, sg.Config) (sg.Device, error) { return m.drive.Open() })
		}
	}
	doc, err := model.Read("test.yaml", tapeText("io: auto"), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	opts := quiet(t)
	opts.Strict = false
	d, err := Start(t.Context(), doc, reg, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil || m.taken() != 0 || m.drive.Opened() != 0 {
			t.Errorf("%v, detached %d, opened %d", err, m.taken(), m.drive.Opened())
		}
		if wrong := m.drive.Wrong(); len(wrong) > 0 {
			t.Error(wrong)
		}
	})
	return client.New(d.Socket())
}

// untilUnit waits for what a unit says of itself.
func untilUnit(t *testing.T, c *client.Client, what string, is func(api.Facts) bool) {
	t.Helper()
	var last api.Facts
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(5 * time.Millisecond) {
		all, err := c.Units(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
		if last = all[0].Facts; is(last) {
			return
		}
	}
	t.Fatalf("it never was so that %s: %v", what, last)
}

func saysOf(name string, want any) func(api.Facts) bool {
	return func(f api.Facts) bool { return f.Value(name) == want }
}

// A daemon opens the device, keeps its unit while options change that need no other, opens it again for those that do, and follows it when it goes and returns.
func TestPassthrough(t *testing.T) {
	m := newMachine()
	c := onMachine(t, m)
	untilUnit(t, c, "the drive is there", saysOf("state", "present"))
	if m.taken() != 1 {
		t.Error(m.taken())
	}
	opened := m.drive.Opened()
	for _, options := range []string{`timeouts: ["ERASE(6)=8h"], allow: [format]`, "exclusive: true"} {
		if _, err := c.Apply(t.Context(), client.ApplyRequest{Text: tapeText(options), Options: client.Options{Confirm: []plan.Confirm{plan.ConfirmReplace}}}); err != nil {
			t.Fatal(err)
		}
		untilUnit(t, c, "the drive is there with "+options, saysOf("state", "present"))
	}
	if m.taken() != 1 || m.drive.Opened() != opened {
		t.Error(m.taken(), m.drive.Opened())
	}
	if err := c.Act(t.Context(), "tape", "reset", nil, nil); err != nil || m.drive.Resets() != 1 {
		t.Error(err, m.drive.Resets())
	}
	m.unplug()
	untilUnit(t, c, "the drive is gone", saysOf("state", "gone"))
	m.plug()
	untilUnit(t, c, "the drive is back", func(f api.Facts) bool { return f.Value("state") == "present" && f.Value("address") == "0:0:9:0" })
}

// A daemon that starts while the device is away takes it when it comes.
func TestPassthroughWaits(t *testing.T) {
	m := newMachine()
	m.unplug()
	c := onMachine(t, m)
	untilUnit(t, c, "the drive is missed", func(f api.Facts) bool { return f.Value("notReady") != nil })
	m.plug()
	untilUnit(t, c, "the drive is there", saysOf("state", "present"))
}

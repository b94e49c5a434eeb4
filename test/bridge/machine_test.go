package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/passthrough/kind"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang is how long anything may take: only what never ends takes as long, whatever else this machine does.
const hang = 60 * time.Second

// A machine has one device attached, whose serial number is S1.
type machine struct {
	device *sgtest.Device

	mu       sync.Mutex
	unit     attached.Unit
	gone     bool
	detached int // how often it was taken from its driver, less how often it was given back
	changed  func()
}

func newMachine(d *sgtest.Device, driver string) *machine {
	id := d.Identity()
	return &machine{device: d, unit: attached.Unit{
		Address: "0:0:1:0", Type: id.Type, Vendor: id.Vendor, Product: id.Product, Serial: id.Serial, Driver: driver, Nodes: attached.Nodes{BSG: "/dev/bsg/0:0:1:0"},
	}}
}

// Find implements [kind.Host], as do the others.
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

func (m *machine) Detach(u attached.Unit) (func() error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.detached++
	m.unit.Driver = ""
	return func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.detached--
		m.unit.Driver = u.Driver
		return nil
	}, nil
}

func (m *machine) Watch(ctx context.Context, changed func()) error {
	m.mu.Lock()
	m.changed = changed
	m.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (m *machine) taken() int { m.mu.Lock(); defer m.mu.Unlock(); return m.detached }

// set changes what is attached, and tells who watches.
func (m *machine) set(change func(*attached.Unit)) {
	m.mu.Lock()
	change(&m.unit)
	changed := m.changed
	m.mu.Unlock()
	if changed != nil {
		changed()
	}
}

// unplug takes the device away; plug brings it back, at another address, without a driver; binds gives it one.
func (m *machine) unplug() {
	m.device.Unplug()
	m.set(func(*attached.Unit) { m.gone = true })
}

func (m *machine) plug(address string) {
	m.device.Plug()
	m.set(func(u *attached.Unit) { m.gone, m.detached, u.Address, u.Driver = false, 0, address, "" })
}

func (m *machine) binds(driver string) { m.set(func(u *attached.Unit) { u.Driver = driver }) }

// A scene is a daemon on a machine.
type scene struct {
	*testing.T
	*machine
	d *daemon.Daemon
	c *client.Client
}

const targetName = "iqn.2026-11.io.lunette:t"

// document has the device, as LUN 0, and a disk that has nothing to do with it, as LUN 1. Without a bridge only the latter.
func document(options string, bridged bool) []byte {
	unit, lun := fmt.Sprintf("- {name: real, optional: true, device: {kind: passthrough, id: S1, %s}}\n", options), "0: real, "
	if !bridged {
		unit, lun = "", ""
	}
	return []byte("version: 1\nunits:\n" + unit + "- {name: by, store: {kind: memory, size: 1M}}\n" +
		fmt.Sprintf("targets:\n- {name: %q, luns: {%s1: by}}\nportals: [\"127.0.0.1:0\"]\nlimits: {stop-timeout: 1s}\n", targetName, lun))
}

// serve starts a daemon. When the test ends it stops, and nothing is left of it.
func serve(t *testing.T, m *machine, options string) *scene {
	t.Helper()
	s := serveNoMore(t, m, options)
	t.Cleanup(func() {
		s.stops()
		s.over()
	})
	return s
}

// serveNoMore starts a daemon that the test stops.
func serveNoMore(t *testing.T, m *machine, options string) *scene {
	t.Helper()
	var reg daemon.Registry
	builtin := daemon.Builtin()
	for _, d := range builtin.Devices {
		if d.Name == "passthrough" {
			d = kind.On(m, func(sg.Nodes, sg.Config) (sg.Device, error) { return m.device.Open() })
		}
		reg.Devices = append(reg.Devices, d)
	}
	reg.Stores, reg.Filters, reg.Transports, reg.Providers = builtin.Stores, builtin.Filters, builtin.Transports, builtin.Providers
	doc, err := model.Read("test.yaml", document(options, true), plugin.Registry(reg).Schema())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bridge") // a path that has room in the address of a socket
	if err != nil {
		t.Fatal(err)
	}
	d, err := daemon.Start(t.Context(), doc, reg, daemon.Options{Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(dir, "s"), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &scene{t, m, d, client.New(d.Socket())}
}

// stops stops the daemon.
func (s *scene) stops() {
	s.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- s.d.Stop(context.Background()) }()
	select {
	case err := <-stopped:
		if err != nil {
			s.Error(err)
		}
	case <-time.After(hang):
		s.Fatal("the daemon does not stop")
	}
}

// over looks at what is left of a daemon that has stopped.
func (s *scene) over() {
	s.Helper()
	s.eventually("the device is given back", func() bool { return s.taken() == 0 && s.device.Opened() == 0 && s.device.UnderWay() == 0 })
	if wrong := s.device.Wrong(); len(wrong) > 0 {
		s.Error(strings.Join(wrong, "\n"))
	}
}

// eventually waits until something is so.
func (s *scene) eventually(what string, so func() bool) {
	s.Helper()
	for begin := time.Now(); !so(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > hang {
			s.Fatalf("not so after %v: %s", hang, what)
		}
	}
}

// facts are what the unit of the device says of itself.
func (s *scene) facts() api.Facts {
	s.Helper()
	all, err := s.c.Units(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for _, u := range all {
		if u.Name == "real" {
			return u.Facts
		}
	}
	s.Fatal("there is no unit of the device")
	return nil
}

// until waits for what the unit says of itself.
func (s *scene) until(what string, is func(api.Facts) bool) {
	s.Helper()
	var last api.Facts
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if last = s.facts(); is(last) {
			return
		}
		if time.Since(begin) > hang {
			s.Fatalf("it never was so that %s: %v", what, last)
		}
	}
}

func says(name string, want any) func(api.Facts) bool {
	return func(f api.Facts) bool { return fmt.Sprint(f.Value(name)) == fmt.Sprint(want) }
}

// dial logs an initiator in.
func (s *scene) dial(n byte) (*initiator.Conn, error) {
	s.Helper()
	all, err := s.c.Targets(s.Context())
	if err != nil || len(all) != 1 || len(all[0].Portals) != 1 {
		s.Fatal(all, err)
	}
	_, addr, _ := strings.Cut(all[0].Portals[0], "://")
	c, err := initiator.Dial(s.Context(), addr, initiator.Config{
		InitiatorName: fmt.Sprintf("iqn.2026-11.io.lunette.test:h%d", n), TargetName: targetName, ISID: pdu.ISID{0x80, 5: n}, Login: initiator.DefaultLogin(),
	})
	if err == nil {
		c.SetDeadline(time.Now().Add(hang))
	}
	return c, err
}

// enter logs an initiator in until the test ends, past what the units have to tell.
func (s *scene) enter(n byte, luns ...scsi.LUN) *initiator.Conn {
	s.Helper()
	c, err := s.dial(n)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = c.Close() })
	for _, lun := range luns {
		s.good(c, lun, make([]byte, 6), nil, nil)
	}
	return c
}

// good does a command, past unit attentions, which has to end with GOOD.
func (s *scene) good(c *initiator.Conn, lun scsi.LUN, cdb, out, in []byte) *initiator.Result {
	s.Helper()
	for range 8 {
		r, err := c.Do(lun, cdb, out, in)
		switch {
		case err != nil:
			s.Fatalf("%x: %v", cdb, err)
		case r.Status == scsi.Good:
			return r
		case r.Status != scsi.CheckCondition || r.Sense().Key != scsi.KeyUnitAttention:
			s.Fatalf("%x: %v, %v", cdb, r.Status, r.Sense())
		}
	}
	s.Fatalf("%x: nothing but unit attentions", cdb)
	return nil
}

// LUNs.
const (
	real = scsi.LUN(0)
	by   = scsi.LUN(1 << 48)
)

// rw is a READ (10) or WRITE (10).
func rw(op scsi.Opcode, lba uint32, blocks byte) []byte {
	return []byte{byte(op), 0, byte(lba >> 24), byte(lba >> 16), byte(lba >> 8), byte(lba), 0, 0, blocks, 0}
}

// lbaOf is the block of one that was made by rw.
func lbaOf(cdb []byte) uint32 {
	return uint32(cdb[2])<<24 | uint32(cdb[3])<<16 | uint32(cdb[4])<<8 | uint32(cdb[5])
}

// disk is one of 8 MiB.
func disk() *sgtest.Device {
	return sgtest.NewDisk(sgtest.Config{Identity: scsi.Identity{Serial: "S1"}}, 16<<10, 512).Device
}

func tape() *sgtest.Device {
	return sgtest.NewTape(sgtest.Config{Identity: scsi.Identity{Serial: "S1"}}).Device
}

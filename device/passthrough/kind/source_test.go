package kind

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/scsi"
)

// A fakeHost has one device, or none.
type fakeHost struct {
	mu       sync.Mutex
	unit     attached.Unit
	gone     bool
	users    []string
	inUse    error // of Detach
	probed   int   // how often a device without a driver was given back
	noWatch  error
	detached int // how often it was taken, less how often it was given back
	changed  func()
}

func (h *fakeHost) Find(id string) (attached.Unit, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gone || id != h.unit.Serial {
		return attached.Unit{}, attached.ErrNotFound
	}
	return h.unit, nil
}

func (h *fakeHost) Same(u attached.Unit) (attached.Unit, error) { return h.Find(u.Serial) }

func (h *fakeHost) Users(attached.Unit) ([]string, error) { return h.users, nil }

func (h *fakeHost) Detach(attached.Unit) (func() error, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.inUse != nil {
		return nil, h.inUse
	}
	if h.unit.Driver == "" {
		return func() error { h.set(func() { h.probed++ }); return nil }, nil
	}
	h.detached++
	h.unit.Driver = ""
	return func() error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.detached--
		h.unit.Driver = "st"
		return nil
	}, nil
}

func (h *fakeHost) Watch(ctx context.Context, changed func()) error {
	if h.noWatch != nil {
		return h.noWatch
	}
	h.mu.Lock()
	h.changed = changed
	h.mu.Unlock()
	<-ctx.Done()
	return nil
}

func (h *fakeHost) set(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

// tell says that something has changed.
func (h *fakeHost) tell() {
	h.mu.Lock()
	changed := h.changed
	h.mu.Unlock()
	changed()
}

// A fakeDevice counts resets, and waits for the end of them.
type fakeDevice struct {
	cfg    sg.Config
	nodes  sg.Nodes
	resets chan struct{} // nil: they end at once
	closed bool
	err    error
}

func (d *fakeDevice) Submit(c *sg.Command) { c.Result = sg.Result{Err: sg.ErrGone}; c.Done(c) }
func (d *fakeDevice) Info() sg.Info        { return sg.Info{IO: "threads", Node: d.nodes.BSG} }
func (d *fakeDevice) Close() error         { d.closed = true; return nil }
func (d *fakeDevice) Reset() error {
	if d.resets != nil {
		<-d.resets
	}
	if d.closed {
		return errors.New("it is closed")
	}
	return d.err
}

func tapeHost() *fakeHost {
	return &fakeHost{unit: attached.Unit{
		Address: "0:0:1:0", Type: scsi.TypeTape, Vendor: "IBM", Product: "ULT3580-TD8", Serial: "S1", Name: "naa.5000", Driver: "st",
		Nodes: attached.Nodes{BSG: "/dev/bsg/0:0:1:0", SG: "/dev/sg1", Upper: "/dev/nst0"}, MaxTransfer: 1 << 20, Depth: 64,
	}}
}

func sourceOn(t *testing.T, h *fakeHost, d *fakeDevice, detach bool) *source {
	t.Helper()
	open := func(n sg.Nodes, cfg sg.Config) (sg.Device, error) {
		if d.err != nil {
			return nil, d.err
		}
		d.nodes, d.cfg = n, cfg
		return d, nil
	}
	return &source{bridge: bridge{host: h, open: open}, log: slog.New(slog.DiscardHandler), detach: detach, io: sg.Auto, unit: h.unit}
}

// What came to the address of a device between its being found and its being opened is not taken for it.
func TestSourceReplaced(t *testing.T) {
	for name, comes := range map[string]func(u *attached.Unit){
		"another one comes":         func(u *attached.Unit) { u.Serial = "S2" },
		"it comes to a new address": func(u *attached.Unit) { u.Address = "0:0:9:0" },
	} {
		h, d := tapeHost(), &fakeDevice{}
		s := sourceOn(t, h, d, false)
		open := s.bridge.open
		s.bridge.open = func(n sg.Nodes, cfg sg.Config) (sg.Device, error) {
			h.set(func() { comes(&h.unit) })
			return open(n, cfg)
		}
		if _, err := s.Open(t.Context()); !errors.Is(err, sg.ErrGone) || !d.closed {
			t.Errorf("%s: %v, closed: %v", name, err, d.closed)
		}
	}
}

// A device that comes back is not opened while somebody of this host uses it, who has been faster.
func TestSourceInUse(t *testing.T) {
	for _, detach := range []bool{false, true} {
		h, d := tapeHost(), &fakeDevice{}
		s := sourceOn(t, h, d, detach)
		h.set(func() { h.users = []string{"tar has it open"}; h.inUse = attached.ErrInUse })
		if _, err := s.Open(t.Context()); !errors.Is(err, attached.ErrInUse) {
			t.Errorf("%v: %v", detach, err)
		}
		h.set(func() { h.users, h.inUse = nil, nil })
		if _, err := s.Open(t.Context()); err != nil {
			t.Errorf("%v: %v", detach, err)
		}
	}
}

// A device is taken from its driver when it is opened, anew when it comes back, and given back at the end.
func TestSource(t *testing.T) {
	h, d := tapeHost(), &fakeDevice{}
	s := sourceOn(t, h, d, true)
	if _, err := s.Open(t.Context()); err != nil || h.detached != 1 || d.cfg.Depth != 2 || d.cfg.MaxTransfer != 1<<20 || d.nodes.BSG != "/dev/bsg/0:0:1:0" {
		t.Fatal(err, h.detached, d.cfg, d.nodes)
	}
	h.gone = true
	if _, err := s.Open(t.Context()); !errors.Is(err, sg.ErrGone) || !errors.Is(err, attached.ErrNotFound) {
		t.Error(err)
	}
	h.gone, h.detached, h.unit.Driver, h.unit.Address = false, 0, "st", "0:0:7:0"
	if _, err := s.Open(t.Context()); err != nil || h.detached != 1 {
		t.Error(err, h.detached)
	}
	if u, _ := s.found(); u.Address != "0:0:7:0" {
		t.Error(u.Address)
	}
	if err := s.giveBack(); err != nil || h.detached != 0 || h.unit.Driver != "st" {
		t.Error(err, h.detached)
	}
	if err := s.reset(t.Context()); !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

// A device that has no driver when it is opened may have lost it to a daemon that was killed: it is given back as one that was taken.
func TestFoundWithoutDriver(t *testing.T) {
	for _, detach := range []bool{true, false} {
		h, d := tapeHost(), &fakeDevice{}
		h.unit.Driver = ""
		s := sourceOn(t, h, d, detach)
		if _, err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := 0
		if detach {
			want = 1
		}
		if err := s.giveBack(); err != nil || h.probed != want {
			t.Errorf("detach-driver %v: given back %d times, %v", detach, h.probed, err)
		}
	}
}

// A driver that binds to the device after it was opened loses it again, as soon as nobody uses it; the log says once that somebody does.
func TestRetake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, d := tapeHost(), &fakeDevice{}
		h.unit.Driver = "" // it has just come
		s := sourceOn(t, h, d, true)
		var log lines
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		if _, err := s.Open(t.Context()); err != nil || h.detached != 0 {
			t.Fatal(err, h.detached)
		}
		looks := 0
		stop := s.Watch(func() { looks++ })
		binds := func(inUse error) {
			h.set(func() { h.unit.Driver, h.inUse = "st", inUse })
			h.tell()
			synctest.Wait()
		}
		driver := func() string { return unit{source: s}.driver() }
		synctest.Wait()
		for n := range 2 {
			binds(nil)
			if h.detached != n+1 || h.unit.Driver != "" || driver() != "detached" || looks != n+1 {
				t.Error(n, h.detached, h.unit.Driver, driver(), looks)
			}
		}
		binds(attached.ErrInUse)
		binds(attached.ErrInUse)
		if h.detached != 2 || driver() != "st" || log.n.Load() != 0 { // udev looks into it perhaps
			t.Error(h.detached, driver(), log.n.Load())
		}
		time.Sleep(10 * takeAgainMost)
		if synctest.Wait(); h.detached != 2 || log.n.Load() != 1 {
			t.Error(h.detached, log.n.Load())
		}
		h.set(func() { h.inUse = nil })
		time.Sleep(takeAgainMost)
		if synctest.Wait(); h.detached != 3 || driver() != "detached" {
			t.Error(h.detached, driver())
		}
		h.set(func() { h.gone = true })
		h.tell()
		synctest.Wait()
		stop()
		if err := s.giveBack(); err != nil || h.detached != 2 { // the drivers had it themselves before
			t.Error(err, h.detached)
		}
		if err := s.retake(); err != nil || h.detached != 2 {
			t.Error(err, h.detached)
		}
	})
}

// lines counts what a log has.
type lines struct{ n atomic.Int64 }

func (l *lines) Write(b []byte) (int, error) {
	l.n.Add(int64(strings.Count(string(b), "\n")))
	return len(b), nil
}

// The errors of opening say which device, and what to do.
func TestSourceErrors(t *testing.T) {
	h, d := tapeHost(), &fakeDevice{err: sg.ErrPrivilege}
	s := sourceOn(t, h, d, false)
	if _, err := s.Open(t.Context()); !errors.Is(err, sg.ErrPrivilege) || !strings.Contains(err.Error(), "IBM ULT3580-TD8 at 0:0:1:0: ") || !strings.Contains(err.Error(), "DeviceAllow") {
		t.Error(err)
	}
	h.inUse = attached.ErrInUse
	s = sourceOn(t, h, &fakeDevice{}, true)
	if _, err := s.Open(t.Context()); !errors.Is(err, attached.ErrInUse) || !strings.Contains(err.Error(), "backup program") {
		t.Error(err)
	}
}

// Who uses a device is named, unless it can be taken away.
func TestInUse(t *testing.T) {
	h := tapeHost()
	h.users = []string{"bacula-sd (pid 7) has /dev/nst0 open"}
	b := bridge{host: h}
	v := model.Values{"id": "S1", "reservations": model.Auto}
	if err := b.fits(v, nil); !errors.Is(err, attached.ErrInUse) || !strings.Contains(err.Error(), "bacula-sd (pid 7)") {
		t.Error(err)
	}
	v["detach-driver"] = true
	if err := b.fits(v, nil); !errors.Is(err, attached.ErrInUse) {
		t.Error(err)
	}
	v["id"] = "S2"
	if err := b.fits(v, nil); !errors.Is(err, attached.ErrNotFound) {
		t.Error(err)
	}
	v["id"], v["reservations"], h.users = "S1", t.TempDir()+"/no/file", nil
	if err := b.fits(v, nil); err == nil || !strings.Contains(err.Error(), "reservations: the directory") {
		t.Error(err)
	}
	v["reservations"], v["exclusive"] = t.TempDir()+"/file", true
	if err := b.fits(v, nil); err == nil || !strings.Contains(err.Error(), "they are the device's own") {
		t.Error(err)
	}
	for _, where := range []string{model.Auto, none} {
		if v["reservations"] = where; b.fits(v, nil) != nil {
			t.Error(where, b.fits(v, nil))
		}
	}
}

// A device is not closed while it is reset by hand, and not reset afterwards.
func TestResetByHand(t *testing.T) {
	h, d := tapeHost(), &fakeDevice{resets: make(chan struct{})}
	s := sourceOn(t, h, d, false)
	if err := s.reset(t.Context()); !errors.Is(err, sg.ErrGone) {
		t.Error(err)
	}
	open, err := s.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.reset(t.Context()) }()
	d.resets <- struct{}{}
	if err := <-done; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.reset(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(d.resets)
	if err := open.Close(); err != nil {
		t.Error(err)
	}
	if err := open.Reset(); !errors.Is(err, sg.ErrGone) {
		t.Error(err)
	}
	if err := s.giveBack(); err != nil {
		t.Error(err)
	}
}

// What watches ends when it is told to, also where the system says nothing.
func TestWatch(t *testing.T) {
	for _, noWatch := range []error{nil, errors.New("no sockets")} {
		h := tapeHost()
		h.noWatch = noWatch
		s := sourceOn(t, h, &fakeDevice{}, false)
		s.Watch(func() {})()
	}
}

// Two devices clash if initiators would take them for one: by their names, or, where there are none, by vendor, product and serial number.
func TestNames(t *testing.T) {
	for _, x := range []struct {
		unit attached.Unit
		want string
	}{
		{tapeHost().unit, "device naa.5000; NAA name 5000"},
		{attached.Unit{Vendor: "IET", Product: "VIRTUAL-DISK", Serial: "beaf11", Name: "t10.IET     00010001"}, "device t10.IET     00010001"},
		{attached.Unit{Vendor: "A", Product: "B", Serial: "beaf11"}, "device A B beaf11"},
		{attached.Unit{Vendor: "OTHER", Product: "B", Serial: "beaf11"}, "device OTHER B beaf11"},
		{attached.Unit{Vendor: "A", Product: "B", Address: "1:0:0:0"}, "device 1:0:0:0"},
	} {
		var text []string
		for _, c := range names(x.unit) {
			text = append(text, c.What+" "+c.Value)
		}
		if got := strings.Join(text, "; "); got != x.want {
			t.Errorf("%q instead of %q", got, x.want)
		}
	}
	if got := who(attached.Unit{Vendor: "A", Product: "B", Serial: "C"}); got != "A B C" {
		t.Error(got)
	}
	if got := who(attached.Unit{Address: "0:0:0:0"}); got != "0:0:0:0" {
		t.Error(got)
	}
	for _, id := range []string{"", " ", "a\nb", strings.Repeat("x", maxID+1)} {
		if checkID(id) == nil {
			t.Errorf("%.10q is taken", id)
		}
	}
	if err := checkID("/dev/nst0"); err != nil {
		t.Error(err)
	}
}

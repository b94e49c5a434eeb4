package target_test

import (
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// holding is a unit that starts tasks and ends them when the test says so.
type holding struct {
	mu       sync.Mutex
	started  []uint64 // tags, in order
	running  map[uint64]*target.Task
	events   []event
	attached int
	closed   bool
	onStart  func(*target.Task) bool // reports true if it ends the task itself
}

type event struct {
	e target.Event
	x *target.ITL
}

func newHolding() *holding { return &holding{running: map[uint64]*target.Task{}} }

// Order takes the first byte of the CDB for the class, the second and third for the extent.
func (h *holding) Order(cdb []byte) target.Order {
	return target.Order{Class: target.Class(cdb[0] & 3), First: uint64(cdb[1]), Blocks: uint64(cdb[2])}
}

func (h *holding) Attach(*target.ITL) { h.mu.Lock(); h.attached++; h.mu.Unlock() }
func (h *holding) Detach(*target.ITL) { h.mu.Lock(); h.attached--; h.mu.Unlock() }

func (h *holding) Execute(t *target.Task) {
	h.mu.Lock()
	h.started = append(h.started, t.Tag)
	h.running[t.Tag] = t
	on := h.onStart
	h.mu.Unlock()
	if on != nil && on(t) {
		h.mu.Lock()
		delete(h.running, t.Tag)
		h.mu.Unlock()
	}
}

func (h *holding) Event(e target.Event, x *target.ITL) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{e, x})
}

func (h *holding) Close() error { h.closed = true; return nil }

// end ends a task that has started.
func (h *holding) end(t testing.TB, tag uint64) {
	t.Helper()
	h.mu.Lock()
	task := h.running[tag]
	delete(h.running, tag)
	h.mu.Unlock()
	if task == nil {
		t.Fatalf("task %d has not started", tag)
	}
	task.Respond(target.Response{})
}

// is reports whether a task has started and not ended.
func (h *holding) is(tag uint64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running[tag] != nil
}

func (h *holding) all() []event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]event(nil), h.events...)
}

type bench struct {
	h    *holding
	unit *target.Unit
	tgt  *target.Target
	port *target.Port
}

func newBench(t testing.TB) *bench {
	t.Helper()
	h := newHolding()
	u := target.NewUnit("unit", h)
	tgt, err := target.NewTarget("target", target.Mapping{Unit: u})
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Name: "port"})
	if err != nil {
		t.Fatal(err)
	}
	return &bench{h: h, unit: u, tgt: tgt, port: port}
}

func (b *bench) login(t testing.TB, name string, opt loopback.Options) *loopback.Session {
	t.Helper()
	s := loopback.Login(b.port, target.Initiator{Name: name, Port: scsi.ISCSIDevice(name)}, opt)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var anyCDB = []byte{0, 0, 0, 0, 0, 0}

// soon reports what comes through c, or that nothing does for a while.
func soon[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(5 * time.Second):
		t.Fatal("nothing happened for 5 s")
		panic("unreachable")
	}
}

func never[T any](t testing.TB, c <-chan T, why string) {
	t.Helper()
	select {
	case v := <-c:
		t.Fatalf("%s: %v", why, v)
	case <-time.After(20 * time.Millisecond):
	}
}

// manage performs a task management function; the channel gets its result.
func manage(s *loopback.Session, f target.Function, lun scsi.LUN, tag uint64) <-chan target.FunctionResult {
	c := make(chan target.FunctionResult, 1)
	s.Nexus.Manage(f, lun, tag, func(r target.FunctionResult) { c <- r })
	return c
}

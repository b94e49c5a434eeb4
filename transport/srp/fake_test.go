package srp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A fakeDevice has peers that are the test itself, which decides when works are done.
type fakeDevice struct{ asked chan rdma.Request }

func (d *fakeDevice) Listen(context.Context, string) (rdma.Listener, error) {
	return &fakeListener{d: d, closed: make(chan struct{})}, nil
}

func (d *fakeDevice) Dial(context.Context, string, rdma.Options) (rdma.Conn, []byte, error) {
	return nil, nil, errors.New("a fake does not dial")
}

func (d *fakeDevice) Close() error { return nil }

type fakeListener struct {
	d      *fakeDevice
	once   sync.Once
	closed chan struct{}
}

func (l *fakeListener) Accept() (rdma.Request, error) {
	select {
	case r := <-l.d.asked:
		return r, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Addr() string { return "10.0.0.1:5555" }
func (l *fakeListener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

// A fakeConn is a connection and the request for it. Works are done when the test says so.
type fakeConn struct {
	private []byte
	remote  string
	answer  []byte
	started chan struct{}

	h rdma.Handler

	mu    sync.Mutex
	open  []*rdma.Work // posted, not done
	sent  [][]byte
	asked int // of open, so many Reads cannot be cancelled
	ended bool
	over  bool
	auto  bool // Flush does what is posted
	busy  bool
	stats rdma.Stats
	check func(w *rdma.Work)
	fill  func(w *rdma.Work)
}

func (c *fakeConn) Private() []byte { return c.private }
func (c *fakeConn) Info() rdma.Info {
	return rdma.Info{Provider: "fake", Local: "10.0.0.1:5555", Remote: c.remote, Reads: 4}
}

func (c *fakeConn) Accept(o rdma.Options) (rdma.Conn, error) {
	c.answer = append([]byte(nil), o.Private...)
	return c, nil
}

func (c *fakeConn) Reject(private []byte) error {
	c.answer = append([]byte(nil), private...)
	close(c.started)
	return nil
}

func (c *fakeConn) Start(h rdma.Handler) { c.h = h; close(c.started) }

func (c *fakeConn) Post(w *rdma.Work) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	for _, o := range c.open {
		if o == w {
			panic("a work was posted twice")
		}
	}
	if w.Op == rdma.Send {
		c.sent = append(c.sent, append([]byte(nil), w.Head...))
	}
	if c.check != nil {
		c.check(w)
	}
	c.open = append(c.open, w)
	return true
}

func (c *fakeConn) Flush() {
	c.mu.Lock()
	if !c.auto || c.busy {
		c.mu.Unlock()
		return
	}
	c.busy = true
	c.mu.Unlock()
	for c.complete(nil) {
	}
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
}

// complete does the work that was posted first.
func (c *fakeConn) complete(err error) bool {
	c.mu.Lock()
	if len(c.open) == 0 {
		c.mu.Unlock()
		return false
	}
	w := c.open[0]
	c.open = c.open[1:]
	c.asked = max(0, c.asked-1)
	c.mu.Unlock()
	if w.Op == rdma.Read && err == nil && c.fill != nil {
		c.fill(w)
	}
	c.h.Done(w, err)
	return true
}

func (c *fakeConn) Cancel(w *rdma.Work) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range c.open {
		if o == w && i >= c.asked && w.Op == rdma.Read {
			c.open = append(c.open[:i:i], c.open[i+1:]...)
			return true
		}
	}
	return false
}

func (c *fakeConn) Close(error) {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

// settle ends what was closed, as the connection's own goroutine does.
func (c *fakeConn) settle() {
	c.mu.Lock()
	end := c.ended && !c.over
	c.over = c.over || end
	c.mu.Unlock()
	if !end {
		return
	}
	for c.complete(rdma.ErrFlushed) {
	}
	c.h.Closed(nil)
}

// isOver reports that nothing comes of the connection any more.
func (c *fakeConn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// ask says how many of the works that are open cannot be taken back.
func (c *fakeConn) ask(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = min(n, len(c.open))
}

// take returns what was sent so far.
func (c *fakeConn) take() [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.sent
	c.sent = nil
	return all
}

func (c *fakeConn) Expose(*buffer.Lease, rdma.Access) (rdma.Remote, error) {
	return rdma.Remote{}, errors.New("a target exposes nothing")
}
func (c *fakeConn) Revoke(rdma.Key) bool { return false }

func (c *fakeConn) Stats() rdma.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// owes changes what the connection tells of itself.
func (c *fakeConn) owes(change func(s *rdma.Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// A fakeUnit is a logical unit without a store, on the goroutine of whoever calls it. Byte 9 of a
// CDB says how.
type fakeUnit struct {
	arena          *buffer.Arena
	held           []*target.Task
	started, ended int
	taken          func(*buffer.Lease) // looks at data-out

	more func(*target.Task) // method values allocate
	then func(*target.Task, *buffer.Lease, error)
}

func newFakeUnit(a *buffer.Arena) *fakeUnit {
	u := &fakeUnit{arena: a}
	u.more, u.then = u.read, u.written
	return u
}

func (u *fakeUnit) Order(cdb []byte) target.Order {
	switch cdb[0] {
	case 0x28:
		return target.Order{Class: target.Reads, Blocks: 1}
	case 0x2a:
		return target.Order{Class: target.Writes, Blocks: 1}
	}
	return target.Order{}
}
func (u *fakeUnit) Attach(*target.ITL)              {}
func (u *fakeUnit) Detach(*target.ITL)              {}
func (u *fakeUnit) Event(target.Event, *target.ITL) {}
func (u *fakeUnit) Close() error                    { return nil }

func (u *fakeUnit) Execute(t *target.Task) {
	u.started++
	t.Work = target.Work{Len: int64(binary.BigEndian.Uint16(t.CDB[7:])) * 512}
	if t.CDB[9]&8 != 0 {
		u.held = append(u.held, t)
		return
	}
	u.run(t)
}

// release goes on with what is held.
func (u *fakeUnit) release() {
	held := u.held
	u.held = nil
	for _, t := range held {
		u.run(t)
	}
}

func (u *fakeUnit) run(t *target.Task) {
	switch t.CDB[0] {
	case 0x28:
		u.read(t)
	case 0x2a:
		u.write(t)
	default:
		u.end(t, target.Response{})
	}
}

func (u *fakeUnit) end(t *target.Task, r target.Response) {
	u.ended++
	t.Respond(r)
}

func (u *fakeUnit) get(t *target.Task, n int64) *buffer.Lease {
	l, err := u.arena.Get(n)
	if err != nil {
		u.end(t, target.Response{Status: scsi.TaskSetFull})
		return nil
	}
	return l
}

func (u *fakeUnit) read(t *target.Task) {
	w := &t.Work
	n := min(w.Len, t.WantIn)
	if t.CDB[9]&1 != 0 { // in pieces
		for n-w.Done > 1000 {
			l := u.get(t, 1000)
			if l == nil {
				return
			}
			at := w.Done
			w.Done += 1000
			if !t.SendDataIn(at, l, u.more) {
				return
			}
		}
	}
	if n == w.Done {
		u.end(t, target.Response{Moves: w.Len})
		return
	}
	l := u.get(t, n-w.Done)
	if l == nil {
		return
	}
	r := target.Response{Moves: w.Len, DataIn: l, At: w.Done}
	if t.CDB[9]&2 != 0 {
		r.Status, r.Sense, r.Descriptor = scsi.CheckCondition, scsi.UnrecoveredReadError(1), t.CDB[9]&4 != 0
	}
	u.end(t, r)
}

func (u *fakeUnit) write(t *target.Task) {
	w := &t.Work
	n := min(w.Len, t.HaveOut, target.MaxPiece)
	if n == 0 {
		u.end(t, target.Response{Moves: w.Len})
		return
	}
	t.ReceiveDataOut(0, n, u.then)
}

func (u *fakeUnit) written(t *target.Task, data *buffer.Lease, err error) {
	r := target.Response{Moves: t.Work.Len}
	if err != nil {
		r = target.Response{Status: scsi.CheckCondition, Sense: scsi.AbortedCommand(scsi.ASCDataPhaseError)}
	} else {
		if u.taken != nil {
			u.taken(data)
		}
		data.Release()
	}
	u.end(t, r)
}

// A fake is a node whose peers are the test.
type fake struct {
	tb     tb
	node   *srp.Node
	arena  *buffer.Arena
	unit   *fakeUnit // at LUN 0
	other  *fakeUnit // at LUN 1
	tgt    *target.Target
	dev    *fakeDevice
	portal *srp.Portal
	conns  []*fakeConn
}

func newFake(tb tb, cfg srp.Config) *fake {
	tb.Helper()
	cfg.Arena = buffer.NewArena(8 << 20)
	f := &fake{tb: tb, arena: cfg.Arena, unit: newFakeUnit(cfg.Arena), other: newFakeUnit(cfg.Arena), dev: &fakeDevice{asked: make(chan rdma.Request)}}
	var err error
	if f.tgt, err = target.NewTarget("t", target.Mapping{Unit: target.NewUnit("u", f.unit)}, target.Mapping{LUN: 1 << 48, Unit: target.NewUnit("o", f.other)}); err != nil {
		tb.Fatal(err)
	}
	if f.node, err = srp.NewNode(cfg); err != nil {
		tb.Fatal(err)
	}
	if err = f.node.SetTarget(srp.Target{SCSI: f.tgt, IDExt: 1, IOCGUID: 2}); err != nil {
		tb.Fatal(err)
	}
	if f.portal, err = srp.Listen(context.Background(), f.dev, "", f.node); err != nil {
		tb.Fatal(err)
	}
	f.portal.Start()
	return f
}

// dial logs in. Where immediate data begins is offset.
func (f *fake) dial(offset uint16, a iu.Action) *fakeConn {
	return f.dialFrom("10.0.0.9:1000", offset, a)
}

// dialFrom is dial from an address.
func (f *fake) dialFrom(remote string, offset uint16, a iu.Action) *fakeConn {
	x := iu.LoginRequest{MaxIU: 4096, Needs: 6, Action: a, Immediate: offset > 0, ImmediateOffset: offset, Initiator: iu.MakePortID(0, 1), Target: iu.MakePortID(1, 2)}
	c := &fakeConn{private: x.AppendCM(nil), remote: remote, started: make(chan struct{})}
	f.dev.asked <- c
	<-c.started
	if c.h != nil { // else it was rejected
		f.conns = append(f.conns, c)
	}
	return c
}

// close ends everything and checks that all was given back.
func (f *fake) close() {
	for range 3 {
		f.unit.release()
		f.other.release()
	}
	for _, c := range f.conns {
		c.Close(nil)
		c.settle()
	}
	f.unit.release()
	f.other.release()
	if err := f.portal.Close(); err != nil {
		f.tb.Error(err)
	}
	if err := f.node.Shutdown(context.Background()); err != nil {
		f.tb.Error(err)
	}
	if n := len(f.tgt.Nexuses()); n != 0 {
		f.tb.Errorf("%d nexuses are left", n)
	}
	for _, u := range []*fakeUnit{f.unit, f.other} {
		if u.started != u.ended {
			f.tb.Errorf("%d tasks started, %d ended", u.started, u.ended)
		}
	}
	if n := f.arena.Outstanding(); n != 0 {
		f.tb.Errorf("%d bytes of the arena are out", n)
	}
	_ = f.arena.Close()
}

func message(b []byte) rdma.Message { return rdma.Message{Data: b} }

// tb is what testing.TB and rapid.T have in common.
type tb interface {
	Helper()
	Error(...any)
	Errorf(string, ...any)
	Fatal(...any)
}

package vhost

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// A mirror is a device that answers each chain with what it has read, backwards. It is the Backend, and the Handler of all lives.
type mirror struct {
	queues int

	mu     sync.Mutex // guards what follows
	config [36]byte
	keep   bool // chains are kept until release
	slow   bool // Abort releases nothing
	kept   []*Chain
	lives  int
	driver *Driver
	again  int
	aborts chan *Queue
	ended  chan error
	came   chan *Chain
}

func newMirror() *mirror {
	return &mirror{queues: 3, aborts: make(chan *Queue, 64), ended: make(chan error, 64), came: make(chan *Chain, 1024)}
}

func (d *mirror) Features() (uint64, map[uint64]string) {
	return 1<<1 | 1<<2, map[uint64]string{1 << 3: "VIRTIO_SCSI_F_T10_PI: switch it off (QEMU: t10_pi=off)"}
}
func (d *mirror) Queues() int     { return d.queues }
func (d *mirror) Idle(i int) bool { return i == 1 }

func (d *mirror) ReadConfig(b []byte, off uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if int64(off) < int64(len(d.config)) {
		copy(b, d.config[off:])
	}
}

func (d *mirror) WriteConfig(b []byte, off uint32) error {
	if off != 20 || len(b) != 4 {
		return errors.New("only sense_size can be written")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.config[off:], b)
	return nil
}

func (d *mirror) Attach(driver *Driver) Handler {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lives++
	d.driver = driver
	return d
}

func (d *mirror) Handle(c *Chain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.Again() {
		d.again++
	}
	if d.keep {
		d.kept = append(d.kept, c)
		d.came <- c
		return
	}
	d.answer(c)
}

func (d *mirror) answer(c *Chain) {
	b := make([]byte, min(c.Readable(), c.Writable(), 1<<16))
	if c.Read(0, b) != nil {
		b = nil
	}
	slices.Reverse(b)
	if c.Write(0, b) != nil {
		b = nil
	}
	c.Return(int64(len(b)))
}

func (d *mirror) Burst(q *Queue) { q.Flush() }

func (d *mirror) Abort(q *Queue) {
	d.aborts <- q
	d.mu.Lock()
	slow := d.slow
	d.mu.Unlock()
	if !slow {
		d.release()
	}
}

func (d *mirror) Ended(err error) { d.ended <- err }

// release answers what is kept, and keeps nothing from now on.
func (d *mirror) release() {
	d.mu.Lock()
	kept := d.kept
	d.kept, d.keep = nil, false
	d.mu.Unlock()
	for _, c := range kept {
		q := c.Queue()
		d.answer(c)
		q.Flush()
	}
}

func (d *mirror) hold() {
	d.mu.Lock()
	d.keep = true
	d.mu.Unlock()
}

// who is the driver that lives, or has lived last.
func (d *mirror) who() *Driver {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.driver
}

// late has Abort release nothing.
func (d *mirror) late() {
	d.mu.Lock()
	d.slow = true
	d.mu.Unlock()
}

func (d *mirror) count() (lives, again int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lives, d.again
}

// A clock makes timers that end when a test says so.
type clock struct {
	mu     sync.Mutex
	timers map[int]timer
	made   int
	more   chan struct{}
}

type timer struct {
	d time.Duration
	f func()
}

func (c *clock) after(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timers == nil {
		c.timers = make(map[int]timer)
	}
	c.made++
	n := c.made
	c.timers[n] = timer{d, f}
	select {
	case c.more <- struct{}{}:
	default:
	}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, there := c.timers[n]
		delete(c.timers, n)
		return there
	}
}

// passed waits for a timer of d and lets it end.
func (c *clock) passed(d time.Duration) {
	for {
		c.mu.Lock()
		for n, t := range c.timers {
			if t.d == d {
				delete(c.timers, n)
				c.mu.Unlock()
				t.f()
				return
			}
		}
		c.mu.Unlock()
		<-c.more
	}
}

// A bed is a host with a socket.
type bed struct {
	t      testing.TB
	host   *Host
	socket *Socket
	device *mirror
	clock  *clock
	log    *lines
}

// lines is a log that a test reads.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), s)
}

func newBed(t testing.TB, o Options) *bed {
	t.Helper()
	b := &bed{t: t, device: newMirror(), clock: &clock{more: make(chan struct{}, 1)}, log: new(lines)}
	b.host = New(Config{Log: slog.New(slog.NewTextHandler(b.log, nil)), Poll: -1})
	b.host.after = b.clock.after
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "s")
	}
	o.UID, o.GID = -1, -1
	var err error
	if b.socket, err = b.host.Listen(o, b.device); err != nil {
		t.Fatal(err)
	}
	b.socket.Start()
	t.Cleanup(func() {
		if err := b.host.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Where the memory of a monitor's guest is.
const (
	guestBase  = 0x1_0000_0000
	userBase   = 0x7f00_0000_0000
	guestBytes = 1 << 20
)

// A monitor is a front-end: a virtual machine's monitor, and the driver in its guest.
type monitor struct {
	t      testing.TB
	conn   *net.UnixConn
	stream *message.Stream
	file   int
	mem    []byte
	next   int // of the memory that is not used yet
	rings  map[int]*driven
	ack    bool
}

// driven is a ring of a monitor's guest.
type driven struct {
	ring.Driver
	size              int
	desc, avail, used uint64 // in the monitor's addresses
	kick, call        int
}

// newMonitor has memory, and is not connected.
func newMonitor(t testing.TB) *monitor {
	t.Helper()
	m := &monitor{t: t, rings: make(map[int]*driven)}
	m.file = memoryFile(t, guestBytes)
	var err error
	if m.mem, err = unix.Mmap(m.file, 0, guestBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Munmap(m.mem)
		for _, r := range m.rings {
			unix.Close(r.kick)
			unix.Close(r.call)
		}
	})
	return m
}

// memoryFile is a file in memory, of which seals may be asked, until the test ends.
func memoryFile(t testing.TB, size int64) int {
	t.Helper()
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	return fd
}

// eventFile is an eventfd.
func eventFile(t testing.TB) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// connect attaches to a socket.
func (m *monitor) connect(path string) *monitor {
	m.t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.Close() })
	m.conn = c.(*net.UnixConn)
	m.stream = message.NewStream(m.conn, nil)
	return m
}

// send sends a message; if acknowledgements were agreed on it waits for one, and says what it is.
func (m *monitor) send(r message.Request, payload []byte, fds ...int) error {
	m.t.Helper()
	h := message.Header{Request: r}
	if m.ack {
		h.Flags = message.FlagNeedReply
	}
	if err := m.stream.Write(h, payload, fds...); err != nil {
		return err
	}
	if !m.ack {
		return nil
	}
	var a message.Message
	if err := m.stream.Read(&a); err != nil {
		return err
	}
	defer a.Descriptors.Close()
	n, err := message.ParseNumber(r, a.Payload)
	if err != nil || a.Request != r {
		return fmt.Errorf("%v is answered with %v (%w)", r, a.Header, err)
	}
	if n != 0 {
		return fmt.Errorf("%v is answered with %d", r, n)
	}
	return nil
}

// must is send without an error.
func (m *monitor) must(r message.Request, payload []byte, fds ...int) {
	m.t.Helper()
	if err := m.send(r, payload, fds...); err != nil {
		m.t.Fatalf("%v: %v", r, err)
	}
}

// ask sends a message that has a reply of its own. The descriptors of that are closed when the test ends.
func (m *monitor) ask(r message.Request, payload []byte) message.Message {
	m.t.Helper()
	var a message.Message
	err := m.stream.Write(message.Header{Request: r}, payload)
	if err == nil {
		err = m.stream.Read(&a)
	}
	if err != nil || a.Request != r || a.Flags != message.FlagReply {
		m.t.Fatalf("%v is answered with %+v, %v", r, a.Header, err)
	}
	m.t.Cleanup(a.Descriptors.Close)
	return a
}

func (m *monitor) number(r message.Request) uint64 {
	m.t.Helper()
	a := m.ask(r, nil)
	n, err := message.ParseNumber(r, a.Payload)
	if err != nil {
		m.t.Fatal(err)
	}
	return n
}

// usual are the features that a Linux guest agrees on.
const usual = featureVersion1 | featureIndirect | featureEventIndex | message.FeatureProtocol | 1<<1 | 1<<2

// greet does what QEMU does before there is a driver.
func (m *monitor) greet() {
	m.t.Helper()
	m.number(message.GetFeatures)
	m.must(message.SetProtocolFeatures, message.AppendNumber(nil, m.number(message.GetProtocolFeatures)))
	m.ack = true
	m.number(message.GetQueueNum)
	m.number(message.GetMaxMemSlots)
	m.must(message.SetOwner, nil)
	m.must(message.ResetDevice, nil)
}

// region is all of the guest's memory.
func (m *monitor) region() message.Region {
	return message.Region{Guest: guestBase, Size: guestBytes, User: userBase}
}

// agree does what QEMU does when a driver is there, up to its rings.
func (m *monitor) agree(features uint64) {
	m.t.Helper()
	m.must(message.SetFeatures, message.AppendNumber(nil, features))
	m.must(message.AddMemReg, message.AppendMemReg(nil, m.region()), m.file)
}

// cut takes n bytes of the guest's memory: where they are for the guest and for the monitor.
func (m *monitor) cut(n int) (mem []byte, guest, user uint64) {
	at := (m.next + 63) &^ 63
	if m.next = at + n; m.next > len(m.mem) {
		m.t.Fatal("the guest's memory is used up")
	}
	return m.mem[at:][:n:n], guestBase + uint64(at), userBase + uint64(at)
}

// layout makes a ring, which is zeros, and the driver's half of it.
func (m *monitor) layout(i, size int, features uint64) *driven {
	m.t.Helper()
	o := ring.Options{Packed: features&featurePacked != 0, Indirect: features&featureIndirect != 0, EventIndex: features&featureEventIndex != 0}
	desc, avail, used := ring.Bytes(size, o.Packed)
	r := &driven{size: size}
	p := ring.Place{Size: size}
	p.Desc, _, r.desc = m.cut(desc)
	p.Avail, _, r.avail = m.cut(avail)
	p.Used, _, r.used = m.cut(used)
	var err error
	if r.Driver, err = ring.NewDriver(p, o, ring.Tables{}); err != nil {
		m.t.Fatal(err)
	}
	r.kick, r.call = eventFile(m.t), eventFile(m.t)
	m.rings[i] = r
	return r
}

// start lets ring i run, as QEMU does.
func (m *monitor) start(i int, base uint32) {
	m.t.Helper()
	r := m.rings[i]
	x := uint32(i)
	m.must(message.SetVringNum, message.VringState{Index: x, Num: uint32(r.size)}.Append(nil))
	m.must(message.SetVringBase, message.VringState{Index: x, Num: base}.Append(nil))
	m.must(message.SetVringAddr, message.VringAddr{Index: x, Desc: r.desc, Used: r.used, Avail: r.avail}.Append(nil))
	m.must(message.SetVringKick, message.VringFile{Index: uint8(i)}.Append(nil), r.kick)
	m.enable(i, 1)
	m.must(message.SetVringCall, message.VringFile{Index: uint8(i)}.Append(nil), r.call)
}

func (m *monitor) enable(i int, on uint32) {
	m.t.Helper()
	m.must(message.SetVringEnable, message.VringState{Index: uint32(i), Num: on}.Append(nil))
}

// stop stops ring i and says where it goes on.
func (m *monitor) stop(i int) uint32 {
	m.t.Helper()
	a := m.ask(message.GetVringBase, message.VringState{Index: uint32(i)}.Append(nil))
	s, err := message.ParseVringState(a.Request, a.Payload)
	if err != nil || s.Index != uint32(i) {
		m.t.Fatal(s, err)
	}
	return s.Num
}

// up is a monitor with ring 2 running.
func (b *bed) up(features uint64) *monitor {
	b.t.Helper()
	m := newMonitor(b.t).connect(b.socket.Path())
	m.greet()
	m.agree(features)
	m.layout(2, 16, features)
	m.start(2, 0)
	return m
}

// post posts a request on ring i, and returns what the device reads and what it fills.
func (m *monitor) post(i int, text string) (out, in []byte) {
	m.t.Helper()
	out, outAt, _ := m.cut(len(text))
	in, inAt, _ := m.cut(len(text))
	copy(out, text)
	r := m.rings[i]
	if err := r.Add([]ring.Piece{{Addr: outAt, Len: uint32(len(text))}}, []ring.Piece{{Addr: inAt, Len: uint32(len(text))}}, uint64(len(text))); err != nil {
		m.t.Fatal(err)
	}
	r.Kick()
	m.kick(i)
	return out, in
}

// kick kicks.
func (m *monitor) kick(i int) { ringBell(m.rings[i].kick) }

// wait waits until the device has given a request of ring i back.
func (m *monitor) wait(i int) (written uint32) {
	m.t.Helper()
	for {
		_, written, ok, err := m.rings[i].Get()
		if err != nil {
			m.t.Fatal(err)
		}
		if ok {
			return written
		}
		if !m.rings[i].Want(true) {
			m.called(i)
		}
	}
}

// called waits for a call.
func (m *monitor) called(i int) {
	m.event(m.rings[i].call)
}

// event waits for an eventfd, which the device has made one that does not block.
func (m *monitor) event(fd int) {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(p, -1); err == nil {
			break
		} else if err != unix.EINTR {
			m.t.Fatal(err)
		}
	}
	var b [8]byte
	if _, err := unix.Read(fd, b[:]); err != nil {
		m.t.Fatal(err)
	}
}

// echoed posts a request on ring i and sees it answered.
func (m *monitor) echoed(i int, text string) {
	m.t.Helper()
	_, in := m.post(i, text)
	n := m.wait(i)
	want := []byte(text)
	slices.Reverse(want)
	if int(n) != len(text) || !bytes.Equal(in, want) {
		m.t.Errorf("%q is answered with %d bytes, %q", text, n, in)
	}
}

// gone waits until the back-end has closed the socket.
func (m *monitor) gone() {
	m.t.Helper()
	for {
		var x message.Message
		err := m.stream.Read(&x)
		x.Descriptors.Close()
		if err == nil {
			continue
		}
		if err != io.EOF && !errors.Is(err, unix.ECONNRESET) {
			m.t.Errorf("the end of the connection: %v", err)
		}
		return
	}
}

// resources counts open files and mappings of guests' memory of this process.
func resources(t testing.TB) (files, mappings int) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return len(all), strings.Count(string(maps), "/memfd:")
}

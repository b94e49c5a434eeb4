package vhost

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/network/vhost/message"
)

// TestListen: what is at the path before, and what is there after.
func TestListen(t *testing.T) {
	h := New(Config{})
	defer h.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	o := Options{Path: path, Mode: 0o640, UID: -1, GID: -1}

	// The umask counts for what bind makes, not for what is asked for.
	s, err := h.Listen(o, newMirror())
	if err != nil {
		t.Fatal(err)
	}
	if file, err := os.Lstat(path); err != nil || file.Mode() != fs.ModeSocket|0o640 {
		t.Errorf("%v, %v", file.Mode(), err)
	}
	if s.Path() != path {
		t.Error(s.Path())
	}
	if _, err := h.Listen(o, newMirror()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second socket: %v", err)
	}
	o.Mode = 0o666
	if err := s.Set(o); err != nil {
		t.Error(err)
	}
	if file, err := os.Lstat(path); err != nil || file.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", file.Mode(), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}

	// A socket that a process has left that is no more.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	o.Mode = 0
	if s, err = h.Listen(o, newMirror()); err != nil {
		t.Fatal(err)
	}
	if file, err := os.Lstat(path); err != nil || file.Mode().Perm() != DefaultMode {
		t.Errorf("%v, %v", file.Mode(), err)
	}

	// Somebody has put another file there.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("Close removes another file: %v", err)
	}
	if _, err := h.Listen(o, newMirror()); !errors.Is(err, ErrNotSocket) {
		t.Errorf("at a file: %v", err)
	}
	o.Path = filepath.Join(dir, "none", "s")
	if _, err := h.Listen(o, newMirror()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no directory: %v", err)
	}
	h.Close()
	o.Path = filepath.Join(dir, "t")
	if _, err := h.Listen(o, newMirror()); !errors.Is(err, errHostClosed) {
		t.Errorf("of a host that is closed: %v", err)
	}
}

// TestPeers: who may not connect is not listened to, and the log says who it was.
func TestPeers(t *testing.T) {
	b := newBed(t, Options{Peers: []uint32{uint32(os.Getuid()) + 1}})
	newMonitor(t).connect(b.socket.Path()).gone()
	if _, ok := b.socket.Connection(); ok {
		t.Error("a user is let in who is not on the list")
	}
	for !b.log.has("may not connect") {
		runtime.Gosched()
	}
	if err := b.socket.Set(Options{UID: -1, GID: -1, Peers: []uint32{7, uint32(os.Getuid())}}); err != nil {
		t.Fatal(err)
	}
	m := newMonitor(t).connect(b.socket.Path())
	m.greet()
}

// TestOneFrontEnd: a second one is closed, and the first does not notice.
func TestOneFrontEnd(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	newMonitor(t).connect(b.socket.Path()).gone()
	m.echoed(2, "still there")
	for !b.log.has("while process") {
		runtime.Gosched()
	}
}

// TestNextFrontEnd: a front-end that has gone while its chains are out is followed by another one at once; the rings of that wait for the chains, and do them again.
func TestNextFrontEnd(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	b.device.hold()
	m.post(2, "lost")
	<-b.device.came
	// What is aborted is given back when the test says so.
	b.device.late()
	m.conn.Close()
	if q := <-b.device.aborts; q == nil || q.Index() != 2 {
		t.Errorf("what is aborted is %v", q)
	}

	m = newMonitor(t).connect(b.socket.Path())
	m.greet()
	m.agree(usual)
	m.layout(2, 16, usual)
	m.start(2, 0) // and it is answered though the ring does not run
	_, in := m.post(2, "new")
	if x, _ := b.socket.Connection(); x.Queues[2].Running {
		t.Error("the ring runs while chains of the connection before are out")
	}
	if len(b.device.ended) != 0 {
		t.Error("a life has ended while its chains are out")
	}
	b.device.release()
	if n := m.wait(2); n != 3 || string(in) != "wen" {
		t.Errorf("%d, %q", n, in)
	}
	if err := <-b.device.ended; err == nil {
		t.Error("the first life has ended as after a reset")
	}
	if lives, _ := b.device.count(); lives != 2 {
		t.Errorf("%d lives", lives)
	}
}

// TestBusyFrontEnd: a front-end that has gone while a queue of its is waited for does not keep the next one out.
func TestBusyFrontEnd(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	b.device.hold()
	m.post(2, "slow")
	<-b.device.came
	b.device.late()
	if err := m.stream.Write(message.Header{Request: message.GetVringBase}, message.VringState{Index: 2}.Append(nil)); err != nil {
		t.Fatal(err)
	}
	for q := b.device.who().Queue(2); !q.halting.Load(); {
		runtime.Gosched()
	}
	m.conn.Close()
	m = newMonitor(t).connect(b.socket.Path())
	m.greet()
	if q := <-b.device.aborts; q == nil || q.Index() != 2 {
		t.Errorf("what is aborted is %v", q)
	}
	b.device.release()
	<-b.device.ended
}

// TestClose: a socket that is closed lets its chains end, and the driver sees them; after a time it aborts them, and the driver does not.
func TestClose(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	b.device.hold()
	_, in := m.post(2, "in time")
	<-b.device.came
	closed := make(chan error)
	go func() { closed <- b.socket.Close() }()
	m.gone()
	b.device.release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := <-b.device.ended; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if n := m.wait(2); n != 7 || string(in) != "emit ni" {
		t.Errorf("%d, %q", n, in)
	}
	if len(b.device.aborts) != 0 {
		t.Error("what was in time is aborted")
	}

	b = newBed(t, Options{})
	m = b.up(usual)
	b.device.hold()
	m.post(2, "late")
	<-b.device.came
	go func() { closed <- b.socket.Close() }()
	b.clock.passed(Patience)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, _, ok, err := m.rings[2].Get(); ok || err != nil {
		t.Errorf("the driver sees what was aborted: %v, %v", ok, err)
	}
	if _, err := net.Dial("unix", b.socket.Path()); err == nil {
		t.Error("the socket is there")
	}
}

// TestSlowMessage: a message that does not come whole in time ends the connection, and the next front-end is let in.
func TestSlowMessage(t *testing.T) {
	b := newBed(t, Options{})
	m := newMonitor(t).connect(b.socket.Path())
	if _, err := m.conn.Write(message.Header{Request: message.SetFeatures, Size: 8}.Append(nil)); err != nil {
		t.Fatal(err)
	}
	b.clock.passed(messageTime)
	m.gone()
	for !b.log.has("a message has not come") {
		runtime.Gosched()
	}
	m = newMonitor(t).connect(b.socket.Path())
	m.greet()
}

// TestDrop: the connection ends, the socket stays.
func TestDrop(t *testing.T) {
	b := newBed(t, Options{})
	b.socket.Drop(errors.New("nobody is there"))
	m := b.up(usual)
	why := errors.New("a rule of the device was broken")
	b.device.who().Fail(why)
	m.gone()
	if err := <-b.device.ended; !errors.Is(err, why) {
		t.Error(err)
	}
	b.device.who().Fail(why) // is over: it does not hit the next
	m = b.up(usual)
	m.echoed(2, "hello")
}

// A monitor that comes and goes, and asks for what it does not get, is told of a few times, and not each time.
func TestLogOfMany(t *testing.T) {
	b := newBed(t, Options{})
	begin := time.Now()
	for range 40 {
		m := newMonitor(t).connect(b.socket.Path())
		m.greet()
		if err := m.send(message.SetFeatures, message.AppendNumber(nil, 0)); err == nil {
			t.Fatal("no features are taken")
		}
		m.gone()
	}
	most := ratelog.PacedEvents * (2 + int(time.Since(begin)/ratelog.PacedWindow))
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	for _, what := range []string{"a front-end is attached", "the connection to a front-end has ended"} {
		if n := bytes.Count(b.log.b.Bytes(), []byte(what)); n == 0 || n > most {
			t.Errorf("%q %d times", what, n)
		}
	}
}

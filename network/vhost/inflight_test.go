package vhost

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// area asks for an in-flight area as QEMU does, and has the device use it. The file is open until the test ends.
func (m *monitor) area(queues, size uint16) (message.Inflight, int) {
	m.t.Helper()
	a := m.ask(message.GetInflightFD, message.Inflight{Queues: queues, QueueSize: size, Padded: true}.Append(nil))
	x, err := message.ParseInflight(a.Request, a.Payload)
	if err != nil || a.Descriptors.Len() != 1 {
		m.t.Fatal(err, a.Descriptors.Len())
	}
	fd, _ := a.Descriptors.Take()
	m.t.Cleanup(func() { unix.Close(fd) })
	m.must(message.SetInflightFD, x.Append(nil), fd)
	return x, fd
}

// TestInflight: a driver goes on with the next back-end as if nothing had been. What was not answered is done again; what was is not.
func TestInflight(t *testing.T) {
	for _, features := range []uint64{usual, usual | featurePacked} {
		b := newBed(t, Options{})
		m := newMonitor(t).connect(b.socket.Path())
		m.greet()
		m.agree(features)
		x, fd := m.area(3, 16)
		if x.Queues != 3 || x.QueueSize != 16 || !x.Padded || x.Size < 3*1024*16 {
			t.Errorf("%+v", x)
		}
		m.layout(2, 16, features)
		first := uint32(0)
		if features&featurePacked != 0 {
			first = 1<<31 | 1<<15 // both wrap counters are 1
		}
		m.start(2, first)
		m.echoed(2, "one")
		m.echoed(2, "two")
		b.device.hold()
		_, in := m.post(2, "three")
		_, in2 := m.post(2, "four")
		<-b.device.came
		<-b.device.came
		m.conn.Close()
		<-b.device.ended

		m.connect(b.socket.Path())
		m.ack = false
		m.greet()
		m.must(message.SetFeatures, message.AppendNumber(nil, features))
		m.must(message.AddMemReg, message.AppendMemReg(nil, m.region()), m.file)
		m.must(message.SetInflightFD, x.Append(nil), fd)
		m.start(2, first) // a base that is wrong, as after a crash
		m.wait(2)
		m.wait(2)
		if string(in) != "eerht" || string(in2) != "ruof" {
			t.Errorf("%q %q", in, in2)
		}
		m.echoed(2, "five")
		if lives, again := b.device.count(); lives != 2 || again != 2 {
			t.Errorf("%d lives, %d requests again", lives, again)
		}
	}
}

// TestInflightRefused: areas that cannot be.
func TestInflightRefused(t *testing.T) {
	fd := memoryFile(t, mib)
	good := message.Inflight{Size: 3 * 16448, Queues: 3, QueueSize: 1024}
	a, err := openArea(good, fd, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.part(0)) != 16448 || &a.part(2)[0] != &a.mapped[2*16448] || a.part(3) != nil || (*area)(nil).part(0) != nil {
		t.Error("the parts are somewhere else")
	}
	a.unmap()
	for name, change := range map[string]func(*message.Inflight){
		"no queues":       func(x *message.Inflight) { x.Queues = 0 },
		"too many queues": func(x *message.Inflight) { x.Queues = 4 },
		"no bytes":        func(x *message.Inflight) { x.Size = 0 },
		"a few bytes":     func(x *message.Inflight) { x.Size = 3*64 - 1 },
		"too many bytes":  func(x *message.Inflight) { x.Size = 1 << 40 },
		"outside":         func(x *message.Inflight) { x.Offset = mib },
		"far outside":     func(x *message.Inflight) { x.Offset = 1<<64 - 64 },
		"not aligned":     func(x *message.Inflight) { x.Offset = 8 },
	} {
		x := good
		change(&x)
		if a, err := openArea(x, fd, 3); err == nil {
			a.unmap()
			t.Errorf("%s: %+v is taken", name, x)
		}
	}
	if _, fd, err := newArea(message.Inflight{Queues: 4}, 3); err == nil {
		unix.Close(fd)
		t.Error("an area for 4 queues of 3")
	}
	if _, fd, err := newArea(message.Inflight{Queues: 1, QueueSize: 32769}, 3); err == nil {
		unix.Close(fd)
		t.Error("an area for 32769 entries")
	}
	// Cloud Hypervisor's message is shorter, and so is the answer.
	x, fd, err := newArea(message.Inflight{Queues: 3, QueueSize: 2048}, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if x.Padded || x.Size < 3*2048*16 {
		t.Errorf("%+v", x)
	}
	if err := unix.Ftruncate(fd, 0); err != unix.EPERM {
		t.Errorf("an area is cut short: %v", err)
	}
}

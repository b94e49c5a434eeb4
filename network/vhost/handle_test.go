package vhost

import (
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// TestFeatures: what is offered, let through, and refused with what the user is told to do.
func TestFeatures(t *testing.T) {
	b := newBed(t, Options{})
	m := newMonitor(t).connect(b.socket.Path())
	if n := m.number(message.GetFeatures); n != 1<<1|1<<2|1<<28|1<<29|1<<30|1<<32|1<<34 {
		t.Errorf("%#x is offered", n)
	}
	if n := m.number(message.GetProtocolFeatures); n != 0xb209 {
		t.Errorf("the protocol features %#x are offered", n)
	}
	if n := m.number(message.GetQueueNum); n != 3 {
		t.Errorf("%d queues", n)
	}
	if n := m.number(message.GetMaxMemSlots); n != DefaultMaxRegions {
		t.Errorf("%d regions", n)
	}
	for _, n := range []uint64{
		featureVersion1,
		0x170000006,                  // Linux by QEMU 7.2
		0x570000006,                  // with packed=on
		usual | 1<<27 | 1<<36 | 1<<4, // harmless
	} {
		m.must(message.SetFeatures, message.AppendNumber(nil, n))
	}
	m.conn.Close()
	for n, why := range map[uint64]string{
		0x70000006:           "VIRTIO_F_VERSION_1 is missing",
		0x17000000e:          "t10_pi=off",
		usual | 1<<33:        "iommu_platform=off",
		usual | 1<<35:        "in_order=off",
		usual | 1<<26:        "cannot be migrated",
		0:                    "VIRTIO_F_VERSION_1",
		usual | 1<<33 | 1<<3: "iommu_platform=off",
	} {
		b := newBed(t, Options{})
		m := newMonitor(t).connect(b.socket.Path())
		m.greet()
		if err := m.send(message.SetFeatures, message.AppendNumber(nil, n)); err == nil {
			t.Errorf("%#x is taken", n)
		}
		m.gone()
		if !b.log.has(why) {
			t.Errorf("of %#x the log does not say %q", n, why)
		}
	}
}

// TestFeaturesChange: other features without a reset are another driver; not while queues run.
func TestFeaturesChange(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	m.must(message.SetFeatures, message.AppendNumber(nil, usual))
	m.stop(2)
	m.must(message.SetFeatures, message.AppendNumber(nil, featureVersion1))
	if err := <-b.device.ended; err != nil {
		t.Error(err)
	}
	m.layout(2, 16, featureVersion1)
	m.start(2, 0)
	m.enable(2, 1)
	m.echoed(2, "another")
	if err := m.send(message.SetFeatures, message.AppendNumber(nil, usual)); err == nil {
		t.Error("features change while a queue runs")
	}
	m.gone()
}

// TestConfig: the configuration space is the back-end's.
func TestConfig(t *testing.T) {
	b := newBed(t, Options{})
	_ = b.device.WriteConfig([]byte("sion"), 20)
	m := newMonitor(t).connect(b.socket.Path())
	a := m.ask(message.GetConfig, message.Config{Offset: 18, Bytes: make([]byte, 36)}.Append(nil))
	x, err := message.ParseConfig(a.Request, a.Payload)
	if err != nil || x.Offset != 18 || string(x.Bytes) != "\x00\x00sion"+strings.Repeat("\x00", 30) {
		t.Errorf("%+v, %v", x, err)
	}
	m.greet()
	m.must(message.SetConfig, message.Config{Offset: 20, Bytes: []byte{1, 2, 3, 4}}.Append(nil))
	one := make([]byte, 1)
	if b.device.ReadConfig(one, 23); one[0] != 4 {
		t.Error("nothing is written")
	}
	if err := m.send(message.SetConfig, message.Config{Offset: 0, Bytes: []byte{1}}.Append(nil)); err == nil {
		t.Error("all is written")
	}
	m.must(message.SetOwner, nil) // it goes on
}

// TestUnknown: a message that is not known is refused, with its descriptors, and the connection goes on.
func TestUnknown(t *testing.T) {
	b := newBed(t, Options{})
	m := newMonitor(t).connect(b.socket.Path())
	m.greet()
	files, _ := resources(t)
	for _, r := range []message.Request{6, 7, 19, 21, 22, 39, 42, 44, 1 << 31} {
		if err := m.send(r, []byte{1, 2, 3}, m.file); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%v: %v", r, err)
		}
	}
	m.must(message.SetOwner, nil, m.file) // descriptors that a message has no use for
	if now, _ := resources(t); now != files {
		t.Errorf("%d files are open, and were %d", now, files)
	}
}

// TestRules: a front-end that breaks the rules is told, its connection ends, and nothing of it is left.
func TestRules(t *testing.T) {
	event := eventFile(t)
	defer unix.Close(event)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	state := func(i, n uint32) []byte { return message.VringState{Index: i, Num: n}.Append(nil) }
	file := func(i uint8, none bool) []byte { return message.VringFile{Index: i, None: none}.Append(nil) }
	region := message.Region{Guest: guestBase, Size: guestBytes, User: userBase}
	for _, c := range []struct {
		name    string
		request message.Request
		payload []byte
		fds     []int
		why     string
	}{
		{"short", message.SetFeatures, []byte{1}, nil, "has 1 bytes"},
		{"protocol features", message.SetProtocolFeatures, message.AppendNumber(nil, 2), nil, "not offered"},
		{"queue", message.SetVringNum, state(3, 16), nil, "num_queues=1"},
		{"queue far away", message.SetVringEnable, state(1<<31, 1), nil, "queue 2147483648"},
		{"no entries", message.SetVringNum, state(2, 0), nil, "of 0 entries"},
		{"many entries", message.SetVringNum, state(2, 65536), nil, "of 65536 entries"},
		{"enabled twice over", message.SetVringEnable, state(2, 2), nil, "neither 0 nor 1"},
		{"a log", message.SetVringAddr, message.VringAddr{Index: 2, Flags: 1}.Append(nil), nil, "not logged"},
		{"no kicks", message.SetVringKick, file(2, true), nil, "does not kick"},
		{"no ring", message.SetVringKick, file(2, false), []int{event}, "has no ring"},
		{"a pipe to kick", message.SetVringKick, file(2, false), []int{pipe[0]}, "not that of an eventfd"},
		{"a pipe to call", message.SetVringCall, file(2, false), []int{pipe[1]}, "not that of an eventfd"},
		{"a file for errors", message.SetVringErr, file(2, false), []int{-1}, "not that of an eventfd"},
		{"no descriptor", message.SetVringCall, file(2, false), nil, "0 descriptors"},
		{"two descriptors", message.SetVringCall, file(2, false), []int{event, event}, "2 descriptors"},
		{"regions without files", message.SetMemTable, message.AppendMemTable(nil, []message.Region{region}), nil, "0 descriptors came with 1 regions"},
		{"a region without a file", message.AddMemReg, message.AppendMemReg(nil, region), nil, "0 descriptors"},
		{"a region that is not there", message.RemMemReg, message.AppendMemReg(nil, region), nil, "no region"},
		{"a region of a pipe", message.AddMemReg, message.AppendMemReg(nil, region), []int{pipe[0]}, "not that of a file"},
		{"areas", message.GetInflightFD, message.Inflight{Queues: 4}.Append(nil), nil, "4 queues"},
		{"an area without a file", message.SetInflightFD, message.Inflight{Size: 4096, Queues: 1}.Append(nil), nil, "0 descriptors"},
	} {
		b := newBed(t, Options{}) // each its own, whose log says all
		m := newMonitor(t).connect(b.socket.Path())
		m.greet()
		for i, fd := range c.fds {
			if fd == -1 {
				c.fds[i] = m.file
			}
		}
		if err := m.send(c.request, c.payload, c.fds...); err == nil {
			t.Errorf("%s is taken", c.name)
		}
		m.gone()
		if !b.log.has(c.why) {
			t.Errorf("%s: the log does not say %q", c.name, c.why)
		}
	}
	m := newMonitor(t).connect(newBed(t, Options{}).socket.Path())
	if err := m.stream.Write(message.Header{Request: message.GetFeatures, Flags: message.FlagReply}, nil); err != nil {
		t.Fatal(err)
	}
	m.gone()
}

// TestRunning: what a ring runs with does not change.
func TestRunning(t *testing.T) {
	for _, r := range []message.Request{message.SetVringNum, message.SetVringBase, message.SetVringAddr} {
		b := newBed(t, Options{})
		m := b.up(usual)
		payload := message.VringState{Index: 2, Num: 16}.Append(nil)
		if r == message.SetVringAddr {
			payload = message.VringAddr{Index: 2}.Append(nil)
		}
		if err := m.send(r, payload); err == nil {
			t.Errorf("%v is taken while the queue runs", r)
		}
		m.gone()
	}
}

// TestNewDescriptors: a driver may be called, and kick, by other descriptors while its ring runs.
func TestNewDescriptors(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	m.echoed(2, "one")
	r := m.rings[2]
	unix.Close(r.call)
	r.call = eventFile(t)
	m.must(message.SetVringCall, message.VringFile{Index: 2}.Append(nil), r.call)
	m.called(2) // once for what it may have missed
	m.echoed(2, "two")
	unix.Close(r.kick)
	r.kick = eventFile(t)
	m.must(message.SetVringKick, message.VringFile{Index: 2}.Append(nil), r.kick)
	m.echoed(2, "three")
	m.must(message.SetVringCall, message.VringFile{Index: 2, None: true}.Append(nil))
	m.post(2, "nobody is called")
	for {
		if _, _, ok, err := r.Get(); ok || err != nil {
			break
		}
	}
}

// TestBroken: a ring whose rules are broken ends the connection; the front-end is told by the descriptor for that.
func TestBroken(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	fd := eventFile(t)
	defer unix.Close(fd)
	m.must(message.SetVringErr, message.VringFile{Index: 2}.Append(nil), fd)
	binary.LittleEndian.PutUint16(m.mem[m.rings[2].avail-userBase+2:], 1000)
	m.kick(2)
	m.event(fd)
	m.gone()
	if err := <-b.device.ended; err == nil || !b.log.has("queue 2: the driver has broken the rules of the ring") {
		t.Error(err)
	}
	m = b.up(usual)
	m.echoed(2, "a new life")
}

// TestPlaces: rings that can be nowhere.
func TestPlaces(t *testing.T) {
	for name, change := range map[string]func(*driven){
		"outside":     func(r *driven) { r.used = userBase + guestBytes },
		"at the end":  func(r *driven) { r.desc = userBase + guestBytes - 16 },
		"not aligned": func(r *driven) { r.desc++ },
		"five":        func(r *driven) { r.size = 5 },
	} {
		b := newBed(t, Options{})
		m := newMonitor(t).connect(b.socket.Path())
		m.greet()
		m.agree(usual)
		r := m.layout(2, 16, usual)
		change(r)
		x := message.VringState{Index: 2, Num: uint32(r.size)}
		m.must(message.SetVringNum, x.Append(nil))
		m.must(message.SetVringAddr, message.VringAddr{Index: 2, Desc: r.desc, Used: r.used, Avail: r.avail}.Append(nil))
		m.must(message.SetVringKick, message.VringFile{Index: 2}.Append(nil), r.kick)
		x.Num = 1
		if err := m.send(message.SetVringEnable, x.Append(nil)); err == nil {
			t.Errorf("%s: a ring is there", name)
		}
		m.gone()
	}
}

// TestNotShared: kicks for a ring that stays empty are what memory looks like that is not shared.
func TestNotShared(t *testing.T) {
	b := newBed(t, Options{})
	m := newMonitor(t).connect(b.socket.Path())
	m.greet()
	other := memoryFile(t, guestBytes)
	own := m.file
	m.file = other
	m.agree(usual)
	m.file = own
	m.layout(2, 16, usual)
	m.start(2, 0)
	m.kick(2)
	for {
		if x, _ := b.socket.Connection(); x.Queues[2].Kicks > 0 {
			break
		}
	}
	if b.log.has("share=on") {
		t.Error("one kick may be the front-end's own")
	}
	m.post(2, "hello")
	for !b.log.has("share=on") {
		runtime.Gosched()
	}
}

// TestResetRunning: a device that is reset while its queues run forgets what is out.
func TestResetRunning(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	b.device.hold()
	m.post(2, "lost")
	<-b.device.came
	m.must(message.ResetDevice, nil)
	if err := <-b.device.ended; err != nil {
		t.Error(err)
	}
	if _, _, ok, err := m.rings[2].Get(); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if x, _ := b.socket.Connection(); x.Features != 0 || x.Memory != guestBytes || x.Protocol == 0 {
		t.Errorf("%+v", x)
	}
}

package vhost

import (
	"encoding/binary"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/message"
)

// A script is what a hostile front-end sends, as bytes that a fuzzer changes.
type script struct{ b []byte }

// next takes n bytes; those that are missing are 0.
func (s *script) next(n int) []byte {
	b := make([]byte, n)
	s.b = s.b[copy(b, s.b):]
	return b
}

func (s *script) byte() byte { return s.next(1)[0] }

// value is a number that is likely to matter.
func (s *script) value() uint64 {
	switch k := s.byte(); k % 8 {
	case 0:
		return uint64(k / 8)
	case 1:
		return guestBase + uint64(s.byte())*4096
	case 2:
		return userBase + uint64(s.byte())*4096
	case 3:
		return uint64(s.byte()) * 4096
	case 4:
		return 1 << (k / 8 * 2)
	case 5:
		return binary.LittleEndian.Uint64(s.next(8))
	case 6:
		return -uint64(k / 8)
	}
	return guestBytes
}

// message is the next message but for its descriptors.
func (s *script) message() (message.Header, []byte) {
	h := message.Header{Request: message.Request(s.byte() % 45), Flags: uint32(s.byte()) & (message.FlagNeedReply | message.FlagReply)}
	if h.Flags&message.FlagReply != 0 && s.byte() > 8 {
		h.Flags &^= message.FlagReply // it ends the connection, which is soon boring
	}
	state := message.VringState{Index: uint32(s.byte() % 4), Num: uint32(s.value())}
	region := message.Region{Guest: s.value(), Size: s.value(), User: s.value(), Offset: s.value()}
	switch h.Request {
	case message.SetFeatures, message.SetProtocolFeatures:
		return h, message.AppendNumber(nil, s.value())
	case message.SetVringNum, message.SetVringBase, message.GetVringBase, message.SetVringEnable:
		return h, state.Append(nil)
	case message.SetVringAddr:
		return h, message.VringAddr{Index: state.Index, Desc: region.User, Used: region.Size, Avail: region.Offset}.Append(nil)
	case message.SetVringKick, message.SetVringCall, message.SetVringErr:
		return h, message.VringFile{Index: uint8(state.Index), None: state.Num == 1}.Append(nil)
	case message.SetMemTable:
		return h, message.AppendMemTable(nil, []message.Region{region, {Guest: s.value(), Size: s.value(), User: s.value(), Offset: s.value()}}[:1+s.byte()%2])
	case message.AddMemReg, message.RemMemReg:
		return h, message.AppendMemReg(nil, region)
	case message.GetInflightFD, message.SetInflightFD:
		return h, message.Inflight{Size: region.Size, Offset: region.Offset, Queues: uint16(s.byte()), QueueSize: uint16(s.value()), Padded: state.Num == 0}.Append(nil)
	case message.GetConfig, message.SetConfig:
		return h, message.Config{Offset: uint32(s.value()), Bytes: make([]byte, s.byte())}.Append(nil)
	}
	return h, s.next(int(s.byte()) % 64)
}

// attack sends what a script says, with descriptors from files, and does not look at what is answered, but takes it.
func attack(conn *net.UnixConn, s *script, files []int, mem []byte) {
	stream := message.NewStream(conn, nil)
	taken := make(chan struct{})
	go func() {
		defer close(taken)
		for {
			var m message.Message
			err := message.NewStream(conn, nil).Read(&m)
			m.Descriptors.Close()
			if err != nil {
				return
			}
		}
	}()
	// Some bytes are the script's, so that it gets further than to the first message.
	for n := 0; len(s.b) > 0 && n < 200; n++ {
		h, payload := s.message()
		var fds []int
		for range s.byte() % 4 {
			fds = append(fds, files[int(s.byte())%len(files)])
		}
		if s.byte() == 255 {
			payload = payload[:len(payload)/2]
		}
		if stream.Write(h, payload, fds...) != nil {
			break
		}
		if at := int(binary.LittleEndian.Uint16(s.next(2))) * 4; at+8 <= len(mem) {
			copy(mem[at:], s.next(8))
		}
		ringBell(files[0])
	}
	conn.Close()
	<-taken
}

// opening is what gets a script to a ring that runs.
func opening(m *monitor, conn *net.UnixConn) error {
	stream := message.NewStream(conn, nil)
	r := m.layout(2, 16, usual)
	for _, x := range []struct {
		r       message.Request
		payload []byte
		fds     []int
	}{
		{message.SetFeatures, message.AppendNumber(nil, usual), nil},
		{message.SetMemTable, message.AppendMemTable(nil, []message.Region{m.region()}), []int{m.file}},
		{message.SetVringNum, message.VringState{Index: 2, Num: 16}.Append(nil), nil},
		{message.SetVringAddr, message.VringAddr{Index: 2, Desc: r.desc, Used: r.used, Avail: r.avail}.Append(nil), nil},
		{message.SetVringKick, message.VringFile{Index: 2}.Append(nil), []int{r.kick}},
		{message.SetVringEnable, message.VringState{Index: 2, Num: 1}.Append(nil), nil},
	} {
		if err := stream.Write(message.Header{Request: x.r}, x.payload, x.fds...); err != nil {
			return err
		}
	}
	return nil
}

// FuzzFrontEnd: a front-end that sends what it likes, and writes to its memory what it likes, costs nobody anything: it ends, all that it has brought is closed and unmapped, and the next is served.
func FuzzFrontEnd(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{2, 0, 0, 37, 0, 0, 11, 0, 1, 18, 0, 2, 34, 0}, true)
	f.Add([]byte{1, 0, 15, 0, 17, 0, 36, 0, 31, 0, 0, 0, 0, 0, 3, 3, 32, 0, 0, 0, 1, 2, 3}, false)
	f.Fuzz(func(t *testing.T, b []byte, open bool) {
		t.Chdir(t.TempDir())
		device := newMirror()
		h := New(Config{Poll: -1})
		s, err := h.Listen(Options{Path: "s", UID: -1, GID: -1, MaxMemory: 4 * guestBytes, MaxRegions: 8}, device)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		m := newMonitor(t)
		files := []int{eventFile(t), m.file, memoryFile(t, 2*guestBytes)}
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		files = append(files, pipe[:]...)
		opens, maps := resources(t)

		c, err := net.Dial("unix", "s")
		if err != nil {
			t.Fatal(err)
		}
		conn := c.(*net.UnixConn)
		if open {
			err = opening(m, conn)
		}
		if err == nil {
			attack(conn, &script{b}, files, m.mem)
		}
		// The next one is served, whatever there was: this waits for the end of the first.
		next := newMonitor(t).connect("s")
		next.greet()
		next.agree(usual)
		next.layout(2, 16, usual)
		next.start(2, 0)
		next.echoed(2, "hello")
		next.conn.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, fd := range []int{files[0], pipe[0], pipe[1]} {
			unix.Close(fd)
		}
		// Gone are the listener, the eventfd and the pipe; there are two rings' eventfds of the monitors, if they were made, and the memory of the next.
		want := opens - 1 - 3 + 1 + 2*len(m.rings) + 2*len(next.rings)
		if now, mapped := resources(t); now != want || mapped != maps+1 {
			t.Errorf("%d files are open, not %d; %d mappings, not %d", now, want, mapped, maps+1)
		}
	})
}

// TestHostileWhileServed: one guest cuts its memory short behind the rings; another, at another socket, does not notice.
func TestHostileWhileServed(t *testing.T) {
	good := newBed(t, Options{})
	m := good.up(usual)
	b := newBed(t, Options{})
	bad := newMonitor(t)
	unix.Close(bad.file)
	// A file that cannot be sealed.
	file, err := os.CreateTemp("/dev/shm", "guest")
	if err != nil {
		t.Skip("SKIPPED: there is no /dev/shm: ", err)
	}
	os.Remove(file.Name())
	defer file.Close()
	if err := file.Truncate(guestBytes); err != nil {
		t.Fatal(err)
	}
	bad.file = int(file.Fd())
	unix.Munmap(bad.mem)
	if bad.mem, err = unix.Mmap(bad.file, 0, guestBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	bad.connect(b.socket.Path())
	bad.greet()
	bad.agree(usual)
	bad.layout(2, 16, usual)
	bad.start(2, 0)
	bad.echoed(2, "hello")
	if err := file.Truncate(0); err != nil {
		t.Fatal(err)
	}
	bad.kick(2)
	bad.gone()
	if err := <-b.device.ended; err == nil {
		t.Error("a life ends without a reason")
	}
	m.echoed(2, "served")
	next := b.up(usual)
	next.echoed(2, "and the next")
}

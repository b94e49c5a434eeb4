//go:build hostile

package hostile

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/vhosttest"
)

// requests are those that a back-end may know, and some that nobody has.
var vhostRequests = []uint32{
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 100, 0, 1 << 31,
}

// A bag has descriptors of all kinds; Close closes them.
type bag []int

// newBag opens them: pipes, files, sockets, memory of all kinds, eventfds that are empty, and full, and block.
func newBag(t *testing.T) (b bag) {
	add := func(fd int, err error) {
		if err != nil {
			t.Error(err)
			return
		}
		b = append(b, fd)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err == nil {
		b = append(b, p[0], p[1])
	}
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err == nil {
		b = append(b, p[0], p[1])
	}
	s, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		b = append(b, s[0], s[1])
	}
	add(unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0))
	add(unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0))
	add(unix.Open(os.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	add(unix.Open("/proc/self/status", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	add(unix.Open(t.TempDir(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600))
	add(unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0))
	add(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	add(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC))
	for _, flags := range []int{0, unix.EFD_NONBLOCK, unix.EFD_SEMAPHORE} {
		for _, full := range []bool{false, true} {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|flags)
			if add(fd, err); err == nil && full {
				_, _ = unix.Write(fd, vhosttest.U64(1<<64-2))
			}
		}
	}
	for _, how := range []int{0, vhosttest.Sealable, vhosttest.Sealed} {
		for _, size := range []int64{0, 1, 4096, 1 << 20} {
			flags := unix.MFD_CLOEXEC
			if how != 0 {
				flags |= unix.MFD_ALLOW_SEALING
			}
			fd, err := unix.MemfdCreate("guest", flags)
			if add(fd, err); err != nil {
				continue
			}
			_ = unix.Ftruncate(fd, size)
			if how == vhosttest.Sealed {
				_, _ = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE)
			}
		}
	}
	return b
}

func (b bag) close() {
	for _, fd := range b {
		_ = unix.Close(fd)
	}
}

// some takes up to n of them at random.
func (b bag) some(r *rand.Rand, n int) (fds []int) {
	for range r.IntN(n + 1) {
		fds = append(fds, b[r.IntN(len(b))])
	}
	return fds
}

// noise fills b with what a program may have: small numbers, and any.
func noise(r *rand.Rand, b []byte) {
	for i := 0; i+8 <= len(b); i += 8 {
		v := r.Uint64()
		switch r.IntN(8) {
		case 0:
			v = 0
		case 1:
			v = uint64(r.IntN(300))
		case 2:
			v = vhosttest.GuestBase + uint64(r.IntN(guestRAM))
		case 3:
			v = vhosttest.UserBase + uint64(r.IntN(guestRAM))
		case 4:
			v = -uint64(r.IntN(1 << 20))
		case 5:
			v = uint64(r.IntN(8)) | uint64(r.IntN(1025))<<32
		}
		binary.LittleEndian.PutUint64(b[i:], v)
	}
}

// drain throws away what a back-end says, until the connection ends.
func drain(m *vhosttest.Monitor) {
	go func() {
		for {
			_, _, fd, err := m.Receive()
			if fd >= 0 {
				_ = unix.Close(fd)
			}
			if err != nil {
				return
			}
		}
	}()
}

func messageAbuses() []abuse {
	return []abuse{
		{"messages at random", func(t *testing.T, path string, r *rand.Rand) {
			b := newBag(t)
			defer b.close()
			for range 300 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				drain(m)
				for range 1 + r.IntN(30) {
					p := make([]byte, []int{0, 8, 8, 40, 12, 8 + 32, 24, 4 + r.IntN(600)}[r.IntN(8)])
					noise(r, p)
					if m.Send(vhostRequests[r.IntN(len(vhostRequests))], uint32(r.IntN(3)/2)*vhosttest.NeedReply, p, b.some(r, 3)...) != nil {
						break
					}
				}
				_ = m.Close()
			}
		}},
		{"good messages in any order", func(t *testing.T, path string, r *rand.Rand) {
			b := newBag(t)
			defer b.close()
			for range 200 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				drain(m)
				shuffled(m, b, r)
				_ = m.Close()
			}
		}},
		{"headers that lie", func(t *testing.T, path string, r *rand.Rand) {
			for range 300 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				size := []int{1, 4096, 4097, 1 << 20, 1<<31 - 1, -1, -12}[r.IntN(7)]
				_ = m.Raw(append(vhosttest.Header(vhostRequests[r.IntN(len(vhostRequests))], r.Uint32N(16), size), make([]byte, r.IntN(100))...))
				if r.IntN(2) == 0 {
					time.Sleep(time.Millisecond)
				}
				_ = m.Close()
			}
		}},
		{"half messages", func(t *testing.T, path string, r *rand.Rand) {
			b := newBag(t)
			defer b.close()
			for i := range 100 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				whole := append(vhosttest.Header(vhosttest.SetMemTable, vhosttest.Version, 40), make([]byte, 40)...)
				_ = m.Raw(whole[:1+r.IntN(len(whole)-1)], b.some(r, 1)...)
				if i == 99 { // it stays, and says nothing more: others must get in all the same
					_, _, _, _ = m.Receive()
				}
				_ = m.Close()
			}
		}},
		{"all descriptors that there are room for", func(t *testing.T, path string, r *rand.Rand) {
			b := newBag(t)
			defer b.close()
			for range 50 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				drain(m)
				for range 20 {
					var fds []int
					for range 253 {
						fds = append(fds, b[r.IntN(len(b))])
					}
					if m.Send(vhostRequests[r.IntN(len(vhostRequests))], 0, make([]byte, 8*r.IntN(6)), fds[:1+r.IntN(253)]...) != nil {
						break
					}
				}
				_ = m.Close()
			}
		}},
		{"ten thousand connections", func(t *testing.T, path string, r *rand.Rand) {
			for i := range 10_000 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				switch i % 100 {
				case 0:
					_ = m.Up(0, guestRAM, guestQueues, ringSize)
				case 1, 2, 3, 4, 5:
					_ = m.Agree(vhosttest.Version1, 0)
				case 6, 7:
					_ = m.Send(vhosttest.GetFeatures, 0, nil)
				}
				_ = m.Close()
			}
		}},
		{"connections while one is there", func(t *testing.T, path string, r *rand.Rand) {
			g, err := attaches(path, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer g.close()
			for range 500 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, _, err := m.Receive(); err == nil {
					t.Error("a second front-end is told something")
				}
				_ = m.Close()
			}
			if _, _, err := g.do(work{cdb: make([]byte, 6)}); err != nil {
				t.Errorf("who was there is not served any more: %v", err)
			}
		}},
	}
}

// shuffled sends what a front-end sends, in another order, some of it twice, some with other numbers.
func shuffled(m *vhosttest.Monitor, b bag, r *rand.Rand) {
	ram, err := vhosttest.NewRAM(guestRAM, r.IntN(3))
	if err != nil {
		return
	}
	m.RAM = ram
	table := append(vhosttest.State(1, 0), ram.Region()...)
	single := append(vhosttest.U64(0), ram.Region()...)
	type message struct {
		request uint32
		payload []byte
		fds     []int
	}
	var all []message
	add := func(request uint32, payload []byte, fds ...int) { all = append(all, message{request, payload, fds}) }
	add(vhosttest.SetFeatures, vhosttest.U64(vhosttest.Version1|uint64(r.IntN(2))<<34|uint64(r.IntN(4))<<28))
	add(vhosttest.SetProtocolFeatures, vhosttest.U64(r.Uint64()))
	add(vhosttest.SetOwner, nil)
	add(vhosttest.SetMemTable, table, int(ram.File.Fd()))
	add(vhosttest.AddMemReg, single, int(ram.File.Fd()))
	add(vhosttest.RemMemReg, single)
	add(vhosttest.GetInflight, append(append(vhosttest.U64(0), vhosttest.U64(0)...), 3, 0, 128, 0))
	add(vhosttest.ResetDevice, nil)
	add(vhosttest.GetConfig, append(append(vhosttest.State(0, 36), 0, 0, 0, 0), make([]byte, 36)...))
	for q := range 3 {
		eventfd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			return
		}
		defer unix.Close(eventfd)
		at := func(n int) uint64 { return vhosttest.UserBase + uint64(vhosttest.At(q)+n) }
		add(vhosttest.SetVringNum, vhosttest.State(q, 1<<r.IntN(12)))
		add(vhosttest.SetVringBase, vhosttest.State(q, r.IntN(3)))
		add(vhosttest.SetVringAddr, vhosttest.Addresses(q, at(0), at(32<<10), at(48<<10)))
		add(vhosttest.SetVringKick, vhosttest.U64(uint64(q)), eventfd)
		add(vhosttest.SetVringCall, vhosttest.U64(uint64(q)), b[r.IntN(len(b))])
		add(vhosttest.SetVringEnable, vhosttest.State(q, r.IntN(2)))
		add(vhosttest.GetVringBase, vhosttest.State(q, 0))
	}
	for range 60 {
		k := all[r.IntN(len(all))]
		if m.Send(k.request, uint32(r.IntN(2))*vhosttest.NeedReply, k.payload, k.fds...) != nil {
			return
		}
	}
}

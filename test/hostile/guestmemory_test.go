//go:build hostile

package hostile

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/vhosttest"
	"github.com/lunette-io/lunette/scsi"
)

// badRegions are tables of memory that no back-end may take: the region, and how long the file is.
var badRegions = map[string]struct {
	region []byte
	size   int64
}{
	"nothing":                {vhosttest.Region(0, 0, 0, 0), 4096},
	"more than the file":     {vhosttest.Region(0, 8192, 0, 0), 4096},
	"behind the file":        {vhosttest.Region(0, 4096, 0, 8192), 4096},
	"an offset that wraps":   {vhosttest.Region(0, 8192, 0, 1<<64-4096), 1 << 20},
	"a size that wraps":      {vhosttest.Region(0, 1<<64-1, 0, 0), 4096},
	"an address that wraps":  {vhosttest.Region(1<<64-4096, 8192, 0, 0), 1 << 20},
	"a monitor's that wraps": {vhosttest.Region(0, 8192, 1<<64-4096, 0), 1 << 20},
	"all that there is":      {vhosttest.Region(0, 1<<62, 0, 0), 1 << 50},
}

func memoryAbuses() []abuse {
	return []abuse{
		{"regions that cannot be", func(t *testing.T, path string, r *rand.Rand) {
			for name, x := range badRegions {
				for _, single := range []bool{true, false} {
					m, err := vhosttest.Dial(path)
					if err != nil {
						t.Error(err)
						return
					}
					fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
					if err != nil {
						t.Error(err)
						return
					}
					_ = unix.Ftruncate(fd, x.size)
					err = m.Agree(vhosttest.Version1|vhosttest.ProtocolFeatures, vhosttest.ReplyAck|vhosttest.MemSlots)
					if err == nil && single {
						err = m.Tell(vhosttest.AddMemReg, append(vhosttest.U64(0), x.region...), fd)
					} else if err == nil {
						err = m.Tell(vhosttest.SetMemTable, append(vhosttest.State(1, 0), x.region...), fd)
					}
					if err == nil {
						t.Errorf("%s is taken", name)
					}
					_, _ = m.Close(), unix.Close(fd)
				}
			}
		}},
		{"regions without number", func(t *testing.T, path string, r *rand.Rand) {
			m, err := vhosttest.Dial(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.Close()
			ram, err := vhosttest.NewRAM(1<<20, 0)
			if err == nil {
				m.RAM = ram
				err = m.Agree(vhosttest.Version1|vhosttest.ProtocolFeatures, vhosttest.ReplyAck|vhosttest.MemSlots)
			}
			if err != nil {
				t.Error(err)
				return
			}
			taken := 0
			for i := range uint64(3000) {
				if m.Tell(vhosttest.AddMemReg, append(vhosttest.U64(0), vhosttest.Region(i<<21, 1<<20, i<<21, 0)...), int(ram.File.Fd())) != nil {
					break
				}
				taken++
			}
			if taken > 600 {
				t.Errorf("%d regions are taken", taken)
			}
		}},
		{"memory that is cut short", func(t *testing.T, path string, r *rand.Rand) {
			for i := range 60 {
				g, err := attaches(path, 0)
				if err != nil {
					t.Error(err)
					return
				}
				if i%2 == 0 {
					for k := range 8 {
						g.command(16*k, k, r)
					}
				} else {
					g.post(work{lun: onMemory, cdb: cdb10(scsi.OpWrite10, 0, 256, 0), out: make([]byte, 128<<10)})
				}
				x := g.Rings[requestQueue]
				if r.IntN(2) == 0 {
					x.Kick()
					nap(r)
				}
				switch i % 4 { // nothing of what is gone is touched here any more
				case 0:
					err = g.RAM.Cut(0)
				case 1:
					err = g.RAM.Cut(int64(vhosttest.At(guestQueues))) // the rings stay
				case 2:
					err = g.RAM.Cut(atData)
				default:
					err = g.RAM.Cut(atData + 4096*int64(r.IntN(40)))
				}
				if err != nil {
					t.Errorf("the memory cannot be cut: %v", err)
				}
				x.Kick()
				nap(r)
				if r.IntN(3) == 0 {
					_, _ = g.Ask(vhosttest.GetVringBase, vhosttest.State(requestQueue, 0))
				}
				g.close()
			}
		}},
		{"memory that comes and goes during commands", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 30, 0, func(i int, g *guest) {
				var all sync.WaitGroup
				stop := make(chan struct{})
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						_ = g.RAM.Cut(atData)
						_ = g.RAM.Cut(guestRAM)
					}
				})
				for range 10 {
					for k := range 8 {
						g.command(16*k, k, r)
					}
					g.Rings[requestQueue].Kick()
					for range 8 {
						if _, _, ok := g.Rings[requestQueue].Wait(20 * time.Millisecond); !ok {
							break
						}
					}
				}
				close(stop)
				all.Wait()
			})
		}},
		{"memory that may be sealed", func(t *testing.T, path string, r *rand.Rand) {
			for _, how := range []int{vhosttest.Sealable, vhosttest.Sealed} {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				ram, err := vhosttest.NewRAM(guestRAM, how)
				if err == nil {
					err = errors.Join(m.Agree(vhosttest.Version1|vhosttest.ProtocolFeatures, vhosttest.ReplyAck), m.Give(ram))
				}
				if err != nil {
					t.Error(err)
				} else if err := ram.Cut(0); !errors.Is(err, unix.EPERM) {
					t.Errorf("memory that can be sealed, and that a back-end maps, can be cut: %v", err)
				}
				_ = m.Close()
			}
		}},
		{"kicks and calls by anything", func(t *testing.T, path string, r *rand.Rand) {
			fds := evilEventfds()
			b := newBag(t)
			defer bag(fds).close()
			defer b.close()
			for _, fd := range append(fds, b...) {
				for _, request := range []uint32{vhosttest.SetVringKick, vhosttest.SetVringCall, vhosttest.SetVringErr} {
					g, err := attaches(path, 0)
					if err != nil {
						t.Error(err)
						return
					}
					if g.Tell(request, vhosttest.U64(requestQueue), fd) == nil {
						g.post(work{cdb: make([]byte, 6)})
						g.Rings[requestQueue].Kick()
						nap(r)
					}
					g.close()
				}
			}
		}},
		{"an area of requests under way that lies", func(t *testing.T, path string, r *rand.Rand) {
			for range 60 {
				m, err := vhosttest.Dial(path)
				if err != nil {
					t.Error(err)
					return
				}
				lies(m, r)
				_ = m.Close()
			}
		}},
		{"rings where none can be", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 60, 0, func(i int, g *guest) {
				u := func() uint64 {
					return []uint64{0, 1<<64 - 8, vhosttest.UserBase - 16, vhosttest.UserBase + guestRAM - 8, vhosttest.UserBase + 1, vhosttest.UserBase + uint64(16*r.IntN(guestRAM/16)), vhosttest.GuestBase}[r.IntN(7)]
				}
				q := []int{0, 1, 2, 3, 255, 1 << 31}[r.IntN(6)]
				_ = g.Send(vhosttest.SetVringNum, 0, vhosttest.State(q, []int{0, 3, 65536, 1 << 31, 128, 32768}[r.IntN(6)]))
				_ = g.Send(vhosttest.SetVringAddr, 0, vhosttest.Addresses(q, u(), u(), u()))
				_ = g.Send(vhosttest.SetVringEnable, vhosttest.NeedReply, vhosttest.State(q, 1))
				g.Rings[requestQueue].Kick()
				nap(r)
			})
		}},
	}
}

// lies asks for an area for requests under way, fills it with noise, and gives it back; or gives another.
func lies(m *vhosttest.Monitor, r *rand.Rand) {
	if m.Agree(vhosttest.Version1|vhosttest.ProtocolFeatures, vhosttest.ReplyAck|vhosttest.InflightShared) != nil {
		return
	}
	ask := func(size, offset uint64) []byte {
		b := append(vhosttest.U64(size), vhosttest.U64(offset)...)
		return binary.NativeEndian.AppendUint16(binary.NativeEndian.AppendUint16(b, guestQueues), ringSize)
	}
	if m.Send(vhosttest.GetInflight, 0, ask(0, 0)) != nil {
		return
	}
	_, b, fd, err := m.Receive()
	if err != nil || fd < 0 || len(b) < 20 {
		return
	}
	defer unix.Close(fd)
	size := int64(binary.NativeEndian.Uint64(b))
	area := make([]byte, min(size, 1<<20))
	noise(r, area)
	for at := 0; at+64 < len(area); at += 64 + r.IntN(4096)&^63 { // some of it as it may be
		copy(area[at:], vhosttest.U64(0))
		binary.NativeEndian.PutUint16(area[at+8:], uint16(r.IntN(3)))
		binary.NativeEndian.PutUint16(area[at+10:], ringSize)
	}
	_, _ = unix.Pwrite(fd, area, 0)
	switch r.IntN(4) {
	case 0:
		_ = unix.Ftruncate(fd, size/2)
	case 1:
		b = ask(uint64(size)*2, 0)
	case 2:
		b = ask(uint64(size), 1<<63)
	}
	ram, err := vhosttest.NewRAM(guestRAM, 0)
	if err != nil {
		return
	}
	if m.Tell(vhosttest.SetInflight, b, fd) != nil || m.Give(ram) != nil {
		if m.RAM == nil {
			_ = ram.Close()
		}
		return
	}
	for q := range guestQueues {
		x, err := m.Ring(q, ringSize)
		if err != nil {
			return
		}
		x.Post(uint16(q))
		x.Kick()
		if r.IntN(3) == 0 {
			_ = unix.Ftruncate(fd, 0)
		}
		noise(r, area)
		_, _ = unix.Pwrite(fd, area[:64], int64(64*r.IntN(8)))
	}
	nap(r)
}

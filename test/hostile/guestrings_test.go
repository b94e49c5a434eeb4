//go:build hostile

package hostile

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/vhosttest"
	"github.com/lunette-io/lunette/scsi"
)

func guestAbuses() []abuse { return slices.Concat(messageAbuses(), ringAbuses(), memoryAbuses()) }

// rounds attaches guests, one after the other, and lets f do something with each.
func rounds(t *testing.T, path string, n int, features uint64, f func(i int, g *guest)) {
	for i := range n {
		g, err := attaches(path, features)
		if err != nil {
			t.Errorf("round %d: %v", i, err)
			return
		}
		f(i, g)
		g.close()
	}
}

// badChains are chains that break the rules of rings, or of SCSI hosts. Each puts descriptors into a ring, and says which head to post.
var badChains = map[string]func(g *guest, r *vhosttest.Ring) uint16{
	"a chain that loops": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, 1)
		r.Put(1, guestAddr(atData), 64, vhosttest.Next, 0)
		return 0
	},
	"a descriptor that follows itself": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(5, guestAddr(atAnswer), answerLen, vhosttest.Next|vhosttest.Write, 5)
		return 5
	},
	"a head that there is not": func(g *guest, r *vhosttest.Ring) uint16 { return ringSize },
	"a next that there is not": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, ringSize+7)
		return 0
	},
	"a table in a table": func(g *guest, r *vhosttest.Ring) uint16 {
		table(g, vhosttest.Descriptor(guestAddr(atTable), 64, vhosttest.IsTable, 0))
		r.Put(0, guestAddr(atTable), 16, vhosttest.IsTable, 0)
		return 0
	},
	"a table that goes on": func(g *guest, r *vhosttest.Ring) uint16 {
		table(g, vhosttest.Descriptor(guestAddr(atHeader), headerLen, 0, 0))
		r.Put(0, guestAddr(atTable), 16, vhosttest.IsTable|vhosttest.Next, 1)
		return 0
	},
	"a table that loops": func(g *guest, r *vhosttest.Ring) uint16 {
		table(g, vhosttest.Descriptor(guestAddr(atHeader), headerLen, vhosttest.Next, 1), vhosttest.Descriptor(guestAddr(atData), 8, vhosttest.Next, 0))
		r.Put(0, guestAddr(atTable), 32, vhosttest.IsTable, 0)
		return 0
	},
	"a next outside of the table": func(g *guest, r *vhosttest.Ring) uint16 {
		table(g, vhosttest.Descriptor(guestAddr(atHeader), headerLen, vhosttest.Next, 2))
		r.Put(0, guestAddr(atTable), 32, vhosttest.IsTable, 0)
		return 0
	},
	"a table of no bytes": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atTable), 0, vhosttest.IsTable, 0)
		return 0
	},
	"a table of part of a descriptor": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atTable), 17, vhosttest.IsTable, 0)
		return 0
	},
	"a table of 4 GiB": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atTable), 1<<32-16, vhosttest.IsTable, 0)
		return 0
	},
	"a table outside": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(guestRAM-8), 16, vhosttest.IsTable, 0)
		return 0
	},
	"memory outside": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, vhosttest.GuestBase-1, headerLen, 0, 0)
		return 0
	},
	"memory at the end of all": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, 1<<64-8, headerLen, 0, 0)
		return 0
	},
	"memory that is too long": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(guestRAM-4096), 8192, 0, 0)
		return 0
	},
	"a front-end's address": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, vhosttest.UserBase+atHeader, headerLen, 0, 0)
		return 0
	},
	"readable after writable": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atAnswer), answerLen, vhosttest.Write|vhosttest.Next, 1)
		r.Put(1, guestAddr(atHeader), headerLen, 0, 0)
		return 0
	},
	"nothing": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, 0, 0, 0, 0)
		return 0
	},
	"empty descriptors": func(g *guest, r *vhosttest.Ring) uint16 {
		for i := range ringSize - 1 {
			r.Put(i, guestAddr(atData), 0, vhosttest.Next, uint16(i+1))
		}
		r.Put(ringSize-1, guestAddr(atAnswer), answerLen, vhosttest.Write, 0)
		return 0
	},
	"half a header": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atHeader), headerLen-1, vhosttest.Next, 1)
		r.Put(1, guestAddr(atAnswer), answerLen, vhosttest.Write, 0)
		return 0
	},
	"half an answer": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, 1)
		r.Put(1, guestAddr(atAnswer), answerLen-1, vhosttest.Write, 0)
		return 0
	},
	"an answer alone": func(g *guest, r *vhosttest.Ring) uint16 {
		r.Put(0, guestAddr(atAnswer), answerLen, vhosttest.Write, 0)
		return 0
	},
	"gigabytes": func(g *guest, r *vhosttest.Ring) uint16 {
		h := g.header(onMemory, cdb10(scsi.OpRead10, 0, 0xffff, 0))
		copy(g.RAM.Mem[atHeader:], h[:])
		r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, 1)
		for i := 1; i < ringSize-1; i++ {
			r.Put(i, guestAddr(0), guestRAM, vhosttest.Write|vhosttest.Next, uint16(i+1))
		}
		r.Put(ringSize-1, guestAddr(0), guestRAM, vhosttest.Write, 0)
		return 0
	},
	"data on the ring itself": func(g *guest, r *vhosttest.Ring) uint16 {
		h := g.header(onMemory, cdb10(scsi.OpRead10, 0, vhosttest.Room/blockSize, 0))
		copy(g.RAM.Mem[atHeader:], h[:])
		r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, 1)
		r.Put(1, guestAddr(atAnswer), answerLen, vhosttest.Write|vhosttest.Next, 2)
		r.Put(2, guestAddr(vhosttest.At(r.Index)), vhosttest.Room, vhosttest.Write, 0)
		return 0
	},
}

// table puts an indirect table.
func table(g *guest, all ...[16]byte) {
	for i, d := range all {
		copy(g.RAM.Mem[atTable+16*i:], d[:])
	}
}

// nap lets the device see what was done.
func nap(r *rand.Rand) { time.Sleep(time.Duration(r.IntN(1000)) * time.Microsecond) }

func ringAbuses() []abuse {
	return []abuse{
		{"chains that break rules", func(t *testing.T, path string, r *rand.Rand) {
			for _, features := range []uint64{0, vhosttest.Indirect, vhosttest.Indirect | vhosttest.EventIndex} {
				for name, bad := range badChains {
					rounds(t, path, 3, features, func(i int, g *guest) {
						x := g.Rings[[]int{requestQueue, controlQueue, eventQueue}[i]]
						x.Post(bad(g, x))
						x.Kick()
						if _, _, ok := x.Wait(2 * time.Millisecond); ok && name == "a chain that loops" {
							t.Errorf("%s is given back", name)
						}
					})
				}
			}
		}},
		{"a head that is given twice", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 50, 0, func(i int, g *guest) {
				x := g.Rings[requestQueue]
				g.post(work{lun: onFile, cdb: cdb10(scsi.OpRead10, 0, 256, 0), in: make([]byte, 128<<10)})
				for range 1 + i%ringSize {
					x.Post(0)
				}
				x.Kick()
				nap(r)
			})
		}},
		{"more chains than there is room for", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 50, 0, func(i int, g *guest) {
				g.Rings[i%guestQueues].SetAvail(uint16(ringSize + 1 + r.IntN(60000)))
				g.Rings[i%guestQueues].Kick()
				nap(r)
			})
		}},
		{"rings of noise", func(t *testing.T, path string, r *rand.Rand) {
			for _, features := range []uint64{0, vhosttest.Indirect | vhosttest.EventIndex, vhosttest.Packed, vhosttest.Packed | vhosttest.Indirect | vhosttest.EventIndex} {
				rounds(t, path, 25, features, func(i int, g *guest) {
					noise(r, g.RAM.Mem[atHeader:atData])
					for _, x := range g.Rings {
						at := vhosttest.At(x.Index)
						noise(r, g.RAM.Mem[at:at+24*ringSize])
						x.SetAvail(uint16(r.IntN(ringSize + 1)))
						x.Kick()
					}
					nap(r)
				})
			}
		}},
		{"rings that change while they are read", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 40, vhosttest.Indirect, func(i int, g *guest) { changing(g, rand.New(rand.NewPCG(uint64(i), 7))) })
		}},
		{"requests at random", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 30, 0, func(i int, g *guest) {
				for range 60 {
					if !g.anything(r) {
						return
					}
				}
			})
		}},
		{"commands that are stopped half way", func(t *testing.T, path string, r *rand.Rand) {
			rounds(t, path, 60, 0, func(i int, g *guest) {
				for range 3 {
					for k := range 8 {
						g.command(16*k, k, r)
					}
					g.Rings[requestQueue].Kick()
					nap(r)
					var err error
					switch r.IntN(4) {
					case 0:
						_, err = g.Ask(vhosttest.GetVringBase, vhosttest.State(requestQueue, 0))
					case 1:
						err = g.Tell(vhosttest.ResetDevice, nil)
					case 2:
						err = g.Tell(vhosttest.RemMemReg, append(vhosttest.U64(0), g.RAM.Region()...))
					default:
						return // the connection ends
					}
					if err != nil || g.Start(g.Rings[requestQueue]) != nil {
						return
					}
				}
			})
		}},
	}
}

// command posts a READ or WRITE of 128 KiB by descriptors from number d on, with memory of its own, and does not kick.
func (g *guest) command(d, k int, r *rand.Rand) {
	op, flags := scsi.OpRead10, uint16(vhosttest.Write)
	if r.IntN(2) == 0 {
		op, flags = scsi.OpWrite10, 0
	}
	h := g.header([]scsi.LUN{onFile, onMemory}[r.IntN(2)], cdb10(op, uint32(r.IntN(64)), 256, 0))
	x, at := g.Rings[requestQueue], atHeader+512*k
	copy(g.RAM.Mem[at:], h[:])
	x.Put(d, guestAddr(at), headerLen, vhosttest.Next, uint16(d+1))
	data, answer := d+1, d+2
	if flags != 0 {
		data, answer = d+2, d+1
	}
	more := func(i int) uint16 {
		if i == d+2 {
			return 0
		}
		return vhosttest.Next
	}
	x.Put(data, guestAddr(atData+k*(128<<10)), 128<<10, flags|more(data), uint16(data+1))
	x.Put(answer, guestAddr(at+128), answerLen, vhosttest.Write|more(answer), uint16(answer+1))
	x.Post(uint16(d))
}

// anything sends a request of any kind to any queue; false: the guest has no rings any more.
func (g *guest) anything(r *rand.Rand) bool {
	x := g.Rings[r.IntN(guestQueues)]
	h := g.RAM.Mem[atHeader:][:4096]
	noise(r, h[:256])
	if r.IntN(3) > 0 { // to a unit that may be there
		clear(h[:8])
		h[0], h[1], h[2], h[3] = 1, byte(r.IntN(2)), 0x40, byte(r.IntN(3))
		h[19] = []byte{0, 0x12, 0x28, 0x2a, 0xa0, 0x5f, 0x89, 0x42, 0x55, 0x1a}[r.IntN(10)]
	}
	if x.Index == controlQueue {
		binary.LittleEndian.PutUint32(h, uint32(r.IntN(4)))
		binary.LittleEndian.PutUint32(h[4:], uint32(r.IntN(9)))
		h[8], h[9], h[10], h[11] = 1, byte(r.IntN(2)), 0x40, byte(r.IntN(3))
	}
	in, out := r.IntN(3)*r.IntN(300), r.IntN(3)*r.IntN(5000)
	n := 0
	put := func(at, size int, flags uint16) {
		if size > 0 {
			x.Put(n, guestAddr(at), uint32(size), flags|vhosttest.Next, uint16(n+1))
			n++
		}
	}
	put(atHeader, []int{headerLen, controlLen, r.IntN(60)}[r.IntN(3)], 0)
	put(atData, out, 0)
	put(atAnswer, []int{answerLen, 5, 16, r.IntN(120)}[r.IntN(4)], vhosttest.Write)
	put(atData+8192, in, vhosttest.Write)
	x.Put(n, guestAddr(atAnswer+256), uint32(1+r.IntN(8)), vhosttest.Write, 0)
	x.Post(0)
	x.Kick()
	if x.Index == eventQueue {
		return true
	}
	_, _, ok := x.Wait(100 * time.Millisecond)
	return ok
}

// changing has two commands posted all the time whose descriptors, table and header are written to meanwhile.
func changing(g *guest, r *rand.Rand) {
	var all sync.WaitGroup
	stop := make(chan struct{})
	all.Go(func() {
		r := rand.New(rand.NewPCG(r.Uint64(), 1))
		x := g.Rings[requestQueue]
		for {
			select {
			case <-stop:
				return
			default:
			}
			for range 200 {
				switch r.IntN(5) {
				case 0:
					x.Put(r.IntN(4), guestAddr(r.IntN(guestRAM)), r.Uint32(), uint16(r.IntN(8)), uint16(r.IntN(4)))
				case 1:
					x.Put(1, guestAddr(atData), uint32(r.IntN(1<<20)), vhosttest.Next, 2)
				case 2:
					g.RAM.Mem[atHeader+r.IntN(headerLen)] = byte(r.Uint32())
				case 3:
					h := g.header(onMemory, cdb10(scsi.OpWrite10, 0, r.IntN(64), 0))
					copy(g.RAM.Mem[atHeader:], h[:])
				default:
					table(g, vhosttest.Descriptor(guestAddr(r.IntN(guestRAM)), uint32(r.IntN(8192)), uint16(r.IntN(8)), uint16(r.IntN(8))))
				}
			}
		}
	})
	for range 100 {
		g.post(work{lun: onMemory, cdb: cdb10(scsi.OpWrite10, 0, 8, 0), out: make([]byte, 4096)})
		g.Rings[requestQueue].Kick()
		if _, _, ok := g.Rings[requestQueue].Wait(5 * time.Millisecond); !ok {
			break
		}
	}
	close(stop)
	all.Wait()
}

// evilEventfds are what a guest's monitor may say its kicks and calls come by.
func evilEventfds() (all []int) {
	var p [2]int
	if unix.Pipe2(p[:], unix.O_CLOEXEC) == nil {
		_, _ = unix.Write(p[1], make([]byte, 60_000)) // nearly full: who writes to it waits
		all = append(all, p[:]...)
	}
	for _, flags := range []int{0, unix.EFD_NONBLOCK} {
		if fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|flags); err == nil {
			_, _ = unix.Write(fd, vhosttest.U64(1<<64-2))
			all = append(all, fd)
		}
	}
	return all
}

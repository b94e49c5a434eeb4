package virtio_test

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/network/vhost/vhosttest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
)

// The memory of the guests of FuzzGuest: rings, then what chains are made of.
const (
	fuzzQueues = 3
	fuzzRing   = 16
	fuzzData   = fuzzQueues * vhosttest.Room
	fuzzRAM    = fuzzData + 256<<10
)

// FuzzGuest has a driver post anything in any of its queues, change it while it is there, stop its queues and go. Whatever it is: nothing is written that the driver has not let be written, no chain is given back
// that is not with the device, all that keep the rules are given back, others are served, and nothing is left.
//
// The input is a program: see fuzzGuest.step.
func FuzzGuest(f *testing.F) {
	s := transporttest.StartVirtio(f, vhost.Config{}, virtio.Config{}, nil)
	path := s.Socket(1)
	request := []byte{0, 0, 0, 1, 0x28, 0, 8, 0, 9, 0}
	f.Add(byte(0), request)
	f.Add(byte(0), bytes.Repeat([]byte{0, 2, 1, 3, 0x2a, 1, 4, 2, 40, 0x91}, 20))
	f.Add(byte(1), append(bytes.Repeat(request, 4), 1, 5, 0, 1, 0, 5, 4, 2, 8, 0, 9, 2, 6, 7))
	f.Add(byte(3), []byte{2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 3, 1, 7, 0, 200, 4, 3, 5, 2, 9, 1, 4, 4, 4, 10, 200, 3, 11, 1, 2})
	f.Add(byte(2), []byte{12, 9, 1, 3, 0, 1, 2, 3, 4, 0, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Fuzz(func(t *testing.T, how byte, program []byte) {
		if len(program) > 4096 {
			return
		}
		x := &fuzzGuest{t: t, s: s, program: program, out: make(map[head]int)}
		stop := transporttest.Meanwhile(time.Millisecond, func() { s.Units[0].Release(); s.Units[1].Release() })
		defer stop()
		if !x.attach(path, how) {
			return
		}
		for len(x.program) > 0 && x.step() {
		}
		x.finish()
		transporttest.Eventually(t, "all is given back", func() bool {
			return len(s.Node.Sessions()) == 0 && s.Arena.Outstanding() == 0 && s.Units[0].Store.Outstanding() == 0 && s.Units[1].Store.Outstanding() == 0
		})
	})
}

// A head names a chain.
type head struct{ queue, first int }

// A fuzzGuest is a guest that runs a program.
type fuzzGuest struct {
	t       *testing.T
	s       *transporttest.Virtio
	m       *vhosttest.Monitor
	program []byte
	next    [fuzzQueues]int           // the descriptor that is used next
	of      [fuzzQueues][fuzzRing]int // of which chain a descriptor is: one more than its head
	out     map[head]int              // how often each head was posted more than it came back
	posted  [fuzzQueues]uint16
	seen    [fuzzQueues]uint16
	bad     bool   // the driver has broken a rule, so that the connection may end
	may     []bool // which bytes of the memory the device was let write to
	was     []byte // the memory as the driver has left it
}

// attach attaches; false: the guest before is still going.
func (x *fuzzGuest) attach(path string, how byte) bool {
	features := []uint64{0, vhosttest.Indirect, vhosttest.EventIndex, vhosttest.Indirect | vhosttest.EventIndex}[how%4]
	var err error
	for begin := time.Now(); time.Since(begin) < transporttest.Patience; time.Sleep(time.Millisecond) {
		if x.m, err = vhosttest.Dial(path); err != nil {
			continue
		}
		if err = x.m.Up(features, fuzzRAM, fuzzQueues, fuzzRing); err == nil {
			break
		}
		_ = x.m.Close()
	}
	if err != nil {
		x.t.Fatalf("no guest can attach: %v", err)
	}
	x.may = make([]bool, fuzzRAM)
	for _, r := range x.m.Rings {
		for i := range 8*fuzzRing + 6 {
			x.may[r.AtUsed()+i] = true
		}
	}
	x.was = bytes.Clone(x.m.RAM.Mem)
	return true
}

func (x *fuzzGuest) byte() byte {
	if len(x.program) == 0 {
		return 0
	}
	b := x.program[0]
	x.program = x.program[1:]
	return b
}

func (x *fuzzGuest) number(n int) int { return (int(x.byte())<<8 | int(x.byte())) % n }

// write is what the driver writes to its memory.
func (x *fuzzGuest) write(at int, b []byte) {
	copy(x.m.RAM.Mem[at:], b)
	copy(x.was[at:], b)
}

// put puts a descriptor into a ring.
func (x *fuzzGuest) put(q, i int, addr uint64, n uint32, flags, next uint16) {
	d := vhosttest.Descriptor(addr, n, flags, next)
	x.write(vhosttest.At(q)+16*(i%fuzzRing), d[:])
	x.lets(addr, n, flags)
}

// lets notes which memory a descriptor lets the device write to.
func (x *fuzzGuest) lets(addr uint64, n uint32, flags uint16) {
	if flags&vhosttest.Write == 0 || addr < vhosttest.GuestBase || addr-vhosttest.GuestBase > fuzzRAM || uint64(n) > fuzzRAM-(addr-vhosttest.GuestBase) {
		return
	}
	at := int(addr - vhosttest.GuestBase)
	for i := range int(n) {
		x.may[at+i] = true
	}
}

// post posts a head.
func (x *fuzzGuest) post(q, first int) {
	x.out[head{q, first % fuzzRing}]++
	if x.out[head{q, first % fuzzRing}] > 1 || first >= fuzzRing {
		x.bad = true
	}
	r := x.m.Rings[q]
	x.posted[q]++
	r.Post(uint16(first))
	at := vhosttest.At(q)
	copy(x.was[at+16*fuzzRing:], x.m.RAM.Mem[at+16*fuzzRing:r.AtUsed()])
}

// step does what the next bytes say; false: the connection has ended.
func (x *fuzzGuest) step() bool {
	q := 2
	switch op := x.byte(); op % 14 {
	default: // a command
		x.command()
	case 1: // task management, or what looks like it
		q = 0
		b := make([]byte, 24)
		b[0], b[4] = x.byte()%4, x.byte()%10
		b[8], b[10], b[11] = 1, 0x40, x.byte()%3
		binary.LittleEndian.PutUint64(b[16:], uint64(x.byte()))
		x.chain(0, b, nil, int(x.byte()%16))
	case 2: // room for an event
		q = 1
		x.chain(1, nil, nil, 12+int(x.byte()%8))
	case 3: // a descriptor of any kind, and its head
		q = int(x.byte()) % fuzzQueues
		i := int(x.byte()) % fuzzRing
		x.bad = true
		x.put(q, i, vhosttest.GuestBase+uint64(x.number(1<<16))*8, uint32(x.number(1<<16)), uint16(x.byte()%8), uint16(x.byte())%(fuzzRing+2))
		x.post(q, int(x.byte())%(fuzzRing+2))
	case 4: // another byte where the device may be reading
		x.write(fuzzData+x.number(fuzzRAM-fuzzData), []byte{x.byte()})
	case 5: // the queue stops, and goes on
		q = int(x.byte()) % fuzzQueues
		if err := x.m.Stop(x.m.Rings[q]); err != nil {
			return x.ended(err)
		}
		x.take(q)
		if err := x.m.Start(x.m.Rings[q]); err != nil {
			return x.ended(err)
		}
	case 6: // the memory is handed over again
		if err := x.m.Give(x.m.RAM); err != nil {
			return x.ended(err)
		}
	case 7:
		x.s.Units[0].Release()
	case 8:
		for q := range fuzzQueues {
			x.take(q)
		}
	}
	x.m.Rings[q].Kick()
	x.take(q)
	return true
}

// command posts a SCSI request, in pieces of some length.
func (x *fuzzGuest) command() {
	h := make([]byte, 51)
	h[0], h[1], h[2], h[3] = 1, x.byte()/100, 0x40, x.byte()%3
	h[16] = x.byte() % 5
	op := []scsi.Opcode{scsi.OpTestUnitReady, scsi.OpRead10, scsi.OpWrite10, 0xff}[x.byte()%4]
	blocks := int(x.byte())
	copy(h[19:], transporttest.CDB10(op, uint32(x.byte()), uint16(blocks), transporttest.Way(x.byte()%10)))
	binary.LittleEndian.PutUint64(h[8:], uint64(x.byte()))
	n := blocks * transporttest.BlockSize
	switch x.byte() % 8 {
	case 0:
		n += 512
	case 1:
		n = max(n-100, 0)
	case 2:
		h = h[:50]
	}
	n = min(n, 64<<10)
	if op == scsi.OpWrite10 {
		x.chain(2, h, make([]byte, n), 108)
	} else {
		x.chain(2, h, nil, 108+n)
	}
}

// chain posts a chain: what the device reads, and room for what it writes, in a table or not.
func (x *fuzzGuest) chain(q int, head, out []byte, in int) {
	shape := x.byte()
	type piece struct {
		at, n int
		flags uint16
	}
	var all []piece
	first := x.next[q]
	at := fuzzData + (q*fuzzRing+first)*4096%(64<<10) // chains may overlap: the driver does not mind
	add := func(n int, flags uint16, b []byte) {
		for step := []int{n, n, 1 + n/2, 1 + n/3}[shape%4]; n > 0; {
			k := min(step, n)
			if b != nil {
				x.write(at, b[:k])
				b = b[k:]
			}
			all = append(all, piece{at, k, flags})
			at, n = at+k, n-k
		}
	}
	add(len(head), 0, head)
	add(len(out), 0, out)
	add(in, vhosttest.Write, nil)
	indirect := shape&16 != 0 && x.m.Features&vhosttest.Indirect != 0
	takes := len(all)
	if indirect {
		takes = 1
	}
	if len(all) == 0 || len(all) > fuzzRing {
		return
	}
	for i := range takes { // descriptors that the device has are not touched
		if x.of[q][(first+i)%fuzzRing] != 0 {
			return
		}
	}
	link := func(i int) uint16 {
		if i == len(all)-1 {
			return 0
		}
		return vhosttest.Next
	}
	if indirect {
		table := fuzzRAM - (q*fuzzRing+first+1)*512
		for i, p := range all {
			d := vhosttest.Descriptor(vhosttest.GuestBase+uint64(p.at), uint32(p.n), p.flags|link(i), uint16(i+1))
			x.write(table+16*i, d[:])
			x.lets(vhosttest.GuestBase+uint64(p.at), uint32(p.n), p.flags)
		}
		x.put(q, first, vhosttest.GuestBase+uint64(table), uint32(16*len(all)), vhosttest.IsTable, 0)
	} else {
		for i, p := range all {
			x.put(q, first+i, vhosttest.GuestBase+uint64(p.at), uint32(p.n), p.flags|link(i), uint16((first+i+1)%fuzzRing))
		}
	}
	for i := range takes {
		x.of[q][(first+i)%fuzzRing] = first + 1
	}
	x.next[q] = (first + takes) % fuzzRing
	x.post(q, first)
}

// open is how many chains of a queue have not come back.
func (x *fuzzGuest) open(q int) (open int) {
	for h, n := range x.out {
		if h.queue == q {
			open += n
		}
	}
	return open
}

// take looks at what came back.
func (x *fuzzGuest) take(q int) {
	r := x.m.Rings[q]
	for ; x.seen[q] != r.Used(); x.seen[q]++ {
		e := x.m.RAM.Mem[r.AtUsed()+4+8*(int(x.seen[q])%fuzzRing):]
		id := binary.LittleEndian.Uint32(e)
		h := head{q, int(id)}
		if x.out[h]--; x.out[h] < 0 {
			x.t.Fatalf("queue %d: head %d is given back, which the device has not", q, id)
		}
		for i := range x.of[q] {
			if x.of[q][i] == int(id)+1 {
				x.of[q][i] = 0
			}
		}
	}
}

// ended is told that the connection has: it is wrong for a driver that has kept the rules.
func (x *fuzzGuest) ended(err error) bool {
	if !x.bad {
		x.t.Fatalf("the connection of a driver that keeps the rules has ended: %v", err)
	}
	return false
}

// finish stops the queues, which all chains have to come back for, and looks at the memory.
func (x *fuzzGuest) finish() {
	for q := range fuzzQueues {
		if err := x.m.Stop(x.m.Rings[q]); err != nil {
			x.ended(err)
			break
		}
		x.take(q)
		if n := x.posted[q] - uint16(x.m.Rings[q].Base); q != 1 && !x.bad && x.open(q) != int(n) {
			x.t.Fatalf("queue %d has stopped before %d chains, and %d are not given back: %v", q, n, x.open(q), x.out)
		}
	}
	_ = x.m.Conn.Close()
	transporttest.Eventually(x.t, "the driver's end", func() bool { return len(x.s.Node.Sessions()) == 0 })
	for i, b := range x.m.RAM.Mem {
		if b != x.was[i] && !x.may[i] {
			x.t.Fatalf("byte %#x was written to, and no descriptor lets the device do so", i)
		}
	}
	_ = x.m.Close()
}

package vhost

import (
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/vhost/message"
)

const mib = 1 << 20

func testMemory(t testing.TB, o Options) *memory {
	o.defaults()
	m := newMemory(o)
	t.Cleanup(m.unmap)
	return m
}

// TestRegions: what is taken, and what is not.
func TestRegions(t *testing.T) {
	m := testMemory(t, Options{MaxMemory: 8 * mib, MaxRegions: 3})
	fd := memoryFile(t, 4*mib)
	add := func(guest, size, user, offset uint64, fault string) {
		t.Helper()
		err := m.add(message.Region{Guest: guest, Size: size, User: user, Offset: offset}, fd)
		if fault == "" && err != nil || fault != "" && (err == nil || !strings.Contains(err.Error(), fault)) {
			t.Errorf("%d bytes at %#x, %#x, %#x: %v, want %q", size, guest, user, offset, err, fault)
		}
	}
	add(mib, 0, mib, 0, "no bytes")
	add(math.MaxUint64-mib+1, 2*mib, mib, 0, "wraps")
	add(mib, 2*mib, math.MaxUint64-mib, 0, "wraps")
	add(mib, 2*mib, mib, math.MaxUint64-mib, "wraps")
	add(mib, math.MaxUint64, mib, 0, "wraps")
	add(mib, mib, mib, math.MaxInt64-mib, "the file has")
	add(mib, mib, mib, 3*mib+1, "the file has")
	add(mib, 4*mib+1, mib, 0, "the file has")
	add(mib, 2*mib, mib, mib/2+8, "")
	add(mib, mib, 16*mib, 0, "overlaps")
	add(3*mib-1, 1, 16*mib, 0, "overlaps")
	add(0, mib+1, 16*mib, 0, "overlaps")
	add(16*mib, mib, 2*mib, 0, "overlaps")
	add(0, 8*mib, 16*mib, 0, "more than 8388608 bytes")
	add(0, mib, 16*mib, 0, "")
	add(3*mib, mib, 32*mib, 0, "")
	add(5*mib, 1, 64*mib, 0, "more than 3 regions")
	if x := m.table.Load(); x.bytes != 4*mib || len(x.regions) != 3 {
		t.Errorf("%d bytes in %d regions", x.bytes, len(x.regions))
	}
	if err := m.remove(message.Region{Guest: 0, Size: mib, User: 16*mib + 1}); err == nil {
		t.Error("a region is removed that is not there")
	}
	if err := m.remove(message.Region{Guest: 0, Size: mib, User: 16 * mib, Offset: 77}); err != nil {
		t.Error(err)
	}
	add(0, mib, 16*mib, 0, "")

	// What cannot be replaced stays.
	before := m.table.Load()
	err := m.replace(message.SetMemTable, []message.Region{{Guest: 0, Size: mib}, {Guest: 7, Size: mib, User: mib}}, []int{fd, fd})
	if err == nil || m.table.Load() != before {
		t.Error("two regions that overlap are taken", err)
	}
	if err := m.replace(message.SetMemTable, []message.Region{{Guest: 0, Size: mib}}, []int{fd}); err != nil || len(m.table.Load().regions) != 1 {
		t.Error(err)
	}
}

// TestRegionFiles: what a guest's memory can be.
func TestRegionFiles(t *testing.T) {
	x := message.Region{Size: 4096}
	m := testMemory(t, Options{})
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	zero, err := unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(zero)
	event := eventFile(t)
	defer unix.Close(event)
	for name, fd := range map[string]int{"a pipe": pipe[0], "a device": zero, "an eventfd": event, "none": -1} {
		if err := m.add(x, fd); err == nil {
			t.Errorf("%s is taken for a guest's memory", name)
		}
	}
	// A file that may be sealed cannot be cut short from then on.
	fd := memoryFile(t, 8192)
	if err := m.add(x, fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Ftruncate(fd, 4096); err != unix.EPERM {
		t.Errorf("a file that is mapped is cut short: %v", err)
	}
}

// TestTranslate: requests find their memory, in pieces if need be, and nothing outside.
func TestTranslate(t *testing.T) {
	m := testMemory(t, Options{})
	fd := memoryFile(t, 4*mib)
	// Two regions touch, in another order in the file; a third is away from them. The last bytes of a guest's addresses are not used.
	for _, x := range []message.Region{
		{Guest: mib, Size: mib, User: 100 * mib, Offset: 2 * mib},
		{Guest: 2 * mib, Size: mib, User: 50 * mib, Offset: 0},
		{Guest: math.MaxUint64 - mib, Size: mib, User: 10 * mib, Offset: 3 * mib},
	} {
		if err := m.add(x, fd); err != nil {
			t.Fatal(err)
		}
	}
	f := &finder{memory: m}
	regions := m.table.Load().regions
	for _, c := range []struct {
		addr   uint64
		n      uint32
		pieces []int
		region int // of the first
	}{
		{mib, mib, []int{mib}, 0},
		{2*mib - 1, 1, []int{1}, 0},
		{2*mib - 1, 2, []int{1, 1}, 0},
		{mib, 2 * mib, []int{mib, mib}, 0},
		{2 * mib, 10, []int{10}, 1},
		{mib - 1, 1, nil, 0},
		{mib - 1, 2, nil, 0},
		{3*mib - 1, 2, nil, 0},
		{0, math.MaxUint32, nil, 0},
		{math.MaxUint64 - 1, 1, []int{1}, 2},
		{math.MaxUint64 - 1, 2, nil, 0},
		{math.MaxUint64, 1, nil, 0},
		{mib, 0, []int{}, 0},
	} {
		head := []buffer.Segment{{Mem: []byte{1}}}
		got, err := f.Translate(head, c.addr, c.n)
		if (err != nil) != (c.pieces == nil) || len(got) != 1+len(c.pieces) {
			t.Errorf("%d bytes at %#x: %d pieces, %v", c.n, c.addr, len(got)-1, err)
			continue
		}
		for i, n := range c.pieces {
			if len(got[1+i].Mem) != n || cap(got[1+i].Mem) != n {
				t.Errorf("%d bytes at %#x: piece %d has %d bytes", c.n, c.addr, i, len(got[1+i].Mem))
			}
		}
		if len(c.pieces) > 0 && c.pieces[0] > 0 {
			r := &regions[c.region]
			if &got[1].Mem[0] != &r.mem[c.addr-r.Guest] {
				t.Errorf("%#x is found somewhere else", c.addr)
			}
		}
	}
	// The monitor's addresses.
	for _, c := range []struct {
		addr uint64
		n    int
		ok   bool
	}{{100 * mib, mib, true}, {100*mib + 5, mib - 5, true}, {100*mib + 5, mib - 4, false}, {100*mib - 1, 1, false}, {51 * mib, 1, false}, {0, 1, false}, {math.MaxUint64, 1, false}} {
		b, err := m.table.Load().user(c.addr, c.n)
		if (err == nil) != c.ok || c.ok && len(b) != c.n {
			t.Errorf("%d bytes at %#x of the monitor: %d, %v", c.n, c.addr, len(b), err)
		}
	}
	// Nothing is allocated to find memory.
	var dst []buffer.Segment
	dst, _ = f.Translate(dst, mib, 2*mib)
	if n := testing.AllocsPerRun(100, func() { dst, _ = f.Translate(dst[:0], mib, 2*mib) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRegionsComeAndGo: a region more changes nothing for rings that run; one less lets them rest, and a ring whose memory goes and comes back goes on.
func TestRegionsComeAndGo(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	more := memoryFile(t, mib)
	x := message.Region{Guest: guestBase + guestBytes, Size: mib, User: userBase + guestBytes}
	b.device.hold()
	_, in := m.post(2, "slow")
	<-b.device.came
	m.must(message.AddMemReg, message.AppendMemReg(nil, x), more) // and it does not wait
	b.device.release()
	if m.wait(2); string(in) != "wols" {
		t.Errorf("%q", in)
	}
	q := b.device.who().Queue(2)
	m.echoed(2, "with more memory")
	if b.device.who().Queue(2) != q {
		t.Error("the queue is another")
	}

	// QEMU sends a descriptor with a region that goes, in old versions.
	m.must(message.RemMemReg, message.AppendMemReg(nil, x), more)
	m.echoed(2, "with less")
	m.must(message.RemMemReg, message.AppendMemReg(nil, m.region()))
	if q := b.device.who().Queue(2); q != nil {
		t.Error("the queue runs though its ring is in no memory")
	}
	m.post(2, "later")
	half := m.region()
	half.Size /= 2
	m.must(message.AddMemReg, message.AppendMemReg(nil, half), m.file)
	rest := half
	rest.Guest += half.Size
	rest.User += half.Size
	rest.Offset += half.Size
	m.must(message.AddMemReg, message.AppendMemReg(nil, rest), m.file)
	if n := m.wait(2); n != 5 {
		t.Errorf("%d", n)
	}
	// All of it at once.
	m.must(message.SetMemTable, message.AppendMemTable(nil, []message.Region{m.region(), x}), m.file, more)
	m.echoed(2, "in one piece")
	if lives, _ := b.device.count(); lives != 1 || len(b.device.ended) != 0 {
		t.Errorf("%d lives", lives)
	}
	if x, _ := b.socket.Connection(); x.Regions != 2 || x.Memory != guestBytes+mib {
		t.Errorf("%+v", x)
	}
}

// TestPatience: chains that are out when a queue is to stop have some time, and are aborted then, which the driver sees.
func TestPatience(t *testing.T) {
	b := newBed(t, Options{})
	m := b.up(usual)
	b.device.hold()
	m.post(2, "slow")
	<-b.device.came
	answered := make(chan error)
	go func() {
		answered <- m.send(message.SetMemTable, message.AppendMemTable(nil, []message.Region{m.region()}), m.file)
	}()
	b.clock.passed(Patience)
	if q := <-b.device.aborts; q.Index() != 2 {
		t.Errorf("queue %d is aborted", q.Index())
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if n := m.wait(2); n != 4 {
		t.Errorf("%d", n)
	}
	m.echoed(2, "on")
}

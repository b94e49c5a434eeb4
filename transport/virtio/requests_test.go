package virtio_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/network/vhost/vhosttest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// TestRefused: what cannot be done is refused by its own code, and the driver goes on.
func TestRefused(t *testing.T) {
	_, c, _ := start(t, virtio.Config{}, initiator.Config{})
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Fatal(code)
	}
	ready := make([]byte, 6)
	edit := func(at int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[at:], v); return b }
	}
	for _, x := range []struct {
		what string
		k    initiator.Command
		want iu.Code
	}{
		{"a target that there is not", initiator.Command{CDB: ready, Target: 77}, iu.CodeBadTarget},
		{"another channel", initiator.Command{CDB: ready, Change: edit(0, 2)}, iu.CodeBadTarget},
		{"a LUN of two levels", initiator.Command{CDB: ready, Change: edit(4, 1)}, iu.CodeBadTarget},
		{"the well-known unit of the host", initiator.Command{CDB: ready, Change: edit(0, 0xc1, 1, 0, 0)}, iu.CodeBadTarget},
		{"data both ways", initiator.Command{CDB: ready, Out: make([]byte, 512), In: make([]byte, 512)}, iu.CodeFailure},
		{"an attribute that there is not", initiator.Command{CDB: ready, Attr: 4}, iu.CodeFailure},
		{"a request that is too short", initiator.Command{CDB: ready, Change: func(b []byte) []byte { return b[:50] }}, iu.CodeFailure},
		{"more data than there is room for", initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, 2, 0), In: make([]byte, 512)}, iu.CodeOverrun},
	} {
		k := x.k
		var code *initiator.CodeError
		if err := c.Do(&k); !errors.As(err, &code) || code.Code != x.want || int(k.Written) < iu.ResponseLen {
			t.Errorf("%s: %v, %d bytes", x.what, err, k.Written)
		}
	}
	for _, attr := range []uint8{iu.AttrSimple, iu.AttrOrdered, iu.AttrHeadOfQueue} {
		k := initiator.Command{CDB: ready, Attr: attr}
		if err := c.Do(&k); err != nil || k.Status != scsi.Good {
			t.Errorf("attribute %d: %v, %v", attr, err, k.Status)
		}
	}
	k := initiator.Command{CDB: ready, LUN: 9 << 48}
	if err := c.Do(&k); err != nil || k.Sense != scsi.LogicalUnitNotSupported() {
		t.Errorf("a LUN without a unit: %v, %v", err, k.Sense)
	}
	in := make([]byte, 4096)
	k = initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, 2, transporttest.Sense), In: in}
	if err := c.Do(&k); err != nil || k.Status != scsi.CheckCondition || k.Sense.Key == 0 {
		t.Errorf("%v, %v, %v", err, k.Status, k.Sense)
	}
	k = initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, 2, 0), In: in}
	if err := c.Do(&k); err != nil || k.Status != scsi.Good || k.Residual != 3072 || int(k.Written) != iu.ResponseLen+1024 {
		t.Errorf("%v, %v, residual %d, %d bytes", err, k.Status, k.Residual, k.Written)
	}
	for _, x := range []struct {
		what string
		ask  []byte
		n    int
		want []byte
	}{
		{"nothing", []byte{0}, 8, nil},
		{"a function that is too short", make([]byte, 23), 8, nil},
		{"a type that there is not", binary.LittleEndian.AppendUint32(nil, 9), 8, nil},
		{"a query that is too short", []byte{1, 0, 0, 0, 1, 0, 0x40}, 8, nil},
		{"a query of a target", []byte{1, 0, 0, 0, 1, 0, 0x40, 0, 0, 0, 0, 0, 0xff, 0, 0, 0}, 8, []byte{0, 0, 0, 0, 0}},
		{"a query of no target", []byte{2, 0, 0, 0, 1, 3, 0x40, 0, 0, 0, 0, 0, 0xff, 0, 0, 0}, 8, []byte{0, 0, 0, 0, 3}},
		{"a function at no target", append([]byte{0, 0, 0, 0, 5, 0, 0, 0, 1, 3, 0x40}, make([]byte, 13)...), 8, []byte{3}},
	} {
		got, err := c.Ask(x.ask, x.n)
		if err != nil || !bytes.Equal(got, x.want) {
			t.Errorf("%s: %x, %v", x.what, got, err)
		}
	}
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Error(code)
	}
}

// guest attaches a monitor whose driver has three rings of 16 entries.
func guest(t *testing.T, path string) *vhosttest.Monitor {
	t.Helper()
	m, err := vhosttest.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	if err := m.Up(0, 1<<20, 3, 16); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestNoRoom: a request without room for a response ends the connection, and no other.
func TestNoRoom(t *testing.T) {
	s, c, _ := start(t, virtio.Config{}, initiator.Config{})
	m := guest(t, s.Socket(2))
	r := m.Rings[2]
	data := uint64(vhosttest.GuestBase + 3*vhosttest.Room)
	r.Put(0, data, 51, vhosttest.Next, 1)
	r.Put(1, data+4096, 107, vhosttest.Write, 0)
	r.Post(0)
	r.Kick()
	if _, _, _, err := m.Receive(); err == nil {
		t.Error("the connection goes on")
	}
	transporttest.Eventually(t, "its session ends", func() bool { return len(s.Node.Sessions()) == 1 })
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Error(code)
	}
}

// TestFault: memory that goes away while commands use it, in either direction, ends their driver and nobody else.
func TestFault(t *testing.T) {
	for name, write := range map[string]bool{"data-in": false, "data-out": true} {
		t.Run(name, func(t *testing.T) {
			s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
			c := s.Dial(1, initiator.Config{Frontend: frontend.Config{Memory: []frontend.Region{{Size: 8 << 20}, {Size: 2 << 20, Unsealed: true}}}})
			other := s.Dial(2, initiator.Config{})
			if code := reaches(t, c, 0); code != iu.CodeOK {
				t.Fatal(code)
			}
			memory := c.Device().Memory
			var lost []byte
			for { // until it lies in what goes away
				b, err := c.Buffer(1 << 20)
				if err != nil {
					t.Fatal("the second region is never used")
				}
				if addr, _ := memory.Address(b); addr >= memory.Regions[1].Guest {
					lost = b
					break
				}
			}
			k := initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, 8, transporttest.Hold), In: lost[:4096]}
			if write {
				k = initiator.Command{CDB: transporttest.CDB10(scsi.OpWrite10, 0, 8, transporttest.Hold), Out: lost[:4096]}
			}
			if err := c.Submit(&k); err != nil {
				t.Fatal(err)
			}
			defer s.Units[0].Release()
			transporttest.Eventually(t, "it waits", func() bool { return s.Units[0].Held.Load() == 1 })
			if err := memory.Cut(1, 0); err != nil {
				t.Fatal(err)
			}
			s.Units[0].Release()
			<-c.Gone()
			_ = c.Finish(&k)
			transporttest.Eventually(t, "its session ends", func() bool { return len(s.Node.Sessions()) == 1 })
			if code := reaches(t, other, 0); code != iu.CodeOK {
				t.Error(code)
			}
			if started, ended := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); started != ended {
				t.Errorf("%d commands were started, and %d have ended", started, ended)
			}
		})
	}
}

// A drive is a unit of a type that does nothing, and counts.
type drive struct {
	*transporttest.Unit
	kind scsi.PeripheralType
	ran  chan scsi.Opcode
}

func (d drive) Identity() scsi.Identity { return scsi.Identity{Type: d.kind} }

func (d drive) Execute(t *target.Task) {
	d.ran <- scsi.Opcode(t.CDB[0])
	t.Respond(target.Response{})
}

// TestAgain: of what a back-end before this one has left, which may have done it, a tape drive runs what does not move the tape, and says of the rest that nobody knows.
func TestAgain(t *testing.T) {
	s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
	d := drive{s.Units[0], scsi.TypeTape, make(chan scsi.Opcode, 10)}
	x, err := target.NewTarget("iqn.2026-11.io.lunette.test:tape", target.Mapping{Unit: target.NewUnit("drive", d)})
	if err != nil {
		t.Fatal(err)
	}
	take(t, s, virtio.Target{SCSI: x, Number: 1})
	m, err := vhosttest.Dial(s.Socket(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Up(0, 1<<20, 0, 0); err != nil {
		t.Fatal(err)
	}
	// The area says that the device had the first three of four heads.
	const queues, entries = 3, 16
	const part = 1024
	fd, err := unix.MemfdCreate("inflight", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	area := make([]byte, queues*part)
	for q := range queues {
		binary.LittleEndian.PutUint16(area[q*part+8:], 1)
		binary.LittleEndian.PutUint16(area[q*part+10:], entries)
	}
	for i := range 3 {
		e := area[2*part+16+16*i:]
		e[0] = 1
		binary.LittleEndian.PutUint64(e[8:], uint64(i+1))
	}
	if _, err := unix.Pwrite(fd, area, 0); err != nil {
		t.Fatal(err)
	}
	about := vhosttest.U64(queues * part)
	about = append(about, vhosttest.U64(0)...)
	about = binary.NativeEndian.AppendUint16(about, queues)
	about = binary.NativeEndian.AppendUint16(about, entries)
	if err := m.Tell(vhosttest.SetInflight, append(about, 0, 0, 0, 0), fd); err != nil {
		t.Fatal(err)
	}
	ops := []scsi.Opcode{scsi.OpWrite6, scsi.OpInquiry, scsi.OpRewind, scsi.OpSpace6}
	post := func(r *vhosttest.Ring, i int) {
		at := uint64(3*vhosttest.Room + 1024*i)
		req := iu.Request{Address: iu.UnitAddress(1, 0), ID: uint64(i)}
		req.CDB[0] = byte(ops[i])
		copy(m.RAM.Mem[at:], req.Append(nil))
		r.Put(2*i, vhosttest.GuestBase+at, iu.RequestLen, vhosttest.Next, uint16(2*i+1))
		r.Put(2*i+1, vhosttest.GuestBase+at+256, iu.ResponseLen, vhosttest.Write, 0)
		r.Post(uint16(2 * i))
	}
	// Heads are 0, 2, 4: so are the entries.
	area = area[2*part:]
	clear(area[16:])
	for i := range 3 {
		e := area[16+16*2*i:]
		e[0] = 1
		binary.LittleEndian.PutUint64(e[8:], uint64(i+1))
	}
	if _, err := unix.Pwrite(fd, area[:part], 2*part); err != nil {
		t.Fatal(err)
	}
	r, err := m.Prepare(2, entries)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ops {
		post(r, i)
	}
	r.Base = 3
	if err := m.Start(r); err != nil {
		t.Fatal(err)
	}
	r.Kick()
	want := []scsi.Sense{scsi.UnitAttention(scsi.ASCNexusLossOccurred), {}, scsi.UnitAttention(scsi.ASCNexusLossOccurred), {}}
	for range ops {
		head, written, ok := r.Wait(transporttest.Patience)
		if !ok || written < iu.ResponseLen {
			t.Fatalf("head %d, %d bytes, %v", head, written, ok)
		}
		i := int(head) / 2
		got, err := iu.ParseResponse(m.RAM.Mem[3*vhosttest.Room+1024*i+256:])
		if err != nil || got.Code != iu.CodeOK {
			t.Fatalf("%v: %+v, %v", ops[i], got, err)
		}
		var sense scsi.Sense
		if len(got.Sense) > 0 {
			sense, _ = scsi.ParseSense(got.Sense)
		}
		if sense != want[i] {
			t.Errorf("%v: %v instead of %v", ops[i], sense, want[i])
		}
	}
	var ran []scsi.Opcode
	for len(d.ran) > 0 {
		ran = append(ran, <-d.ran)
	}
	if len(ran) != 2 || ran[0] != scsi.OpInquiry || ran[1] != scsi.OpSpace6 {
		t.Errorf("%v have run", ran)
	}
}

// TestAllocations: a command allocates nothing, in the driver and in the node together.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	_, c, _ := start(t, virtio.Config{}, initiator.Config{})
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Fatal(code)
	}
	buffer, err := c.Buffer(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*initiator.Command{
		"ready":  {CDB: make([]byte, 6)},
		"read":   {CDB: transporttest.CDB10(scsi.OpRead10, 0, 8, transporttest.Lend), In: buffer[:4096]},
		"lease":  {CDB: transporttest.CDB10(scsi.OpRead10, 0, 8, transporttest.Lease), In: buffer[:4096]},
		"large":  {CDB: transporttest.CDB10(scsi.OpRead10, 0, 128, transporttest.Lease), In: buffer},
		"write":  {CDB: transporttest.CDB10(scsi.OpWrite10, 0, 8, transporttest.Lease), Out: buffer[:4096]},
		"lands":  {CDB: transporttest.CDB10(scsi.OpWrite10, 0, 8, transporttest.Lend), Out: buffer[:4096]},
		"no one": {CDB: make([]byte, 6), Target: 9},
	} {
		run := func() {
			if err := c.Do(k); err != nil && k.Target == 0 {
				t.Fatal(err)
			}
		}
		for range 10 {
			run()
		}
		allowed := 0.0
		if k.Target != 0 {
			allowed = 1 // the driver's error
		}
		if n := testing.AllocsPerRun(200, run); n > allowed {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestUnended: a driver that is broken off in the middle of commands leaves nothing, whoever has them.
func TestUnended(t *testing.T) {
	s, c, _ := start(t, virtio.Config{}, initiator.Config{})
	if code := reaches(t, c, 0); code != iu.CodeOK {
		t.Fatal(code)
	}
	var all []*initiator.Command
	for i := range 8 {
		k := &initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, uint32(8*i), 8, transporttest.Hold), In: make([]byte, 4096), LUN: scsi.LUN(uint64(i%2) << 48)}
		if i%4 > 1 {
			k.CDB, k.In, k.Out = transporttest.CDB10(scsi.OpWrite10, uint32(8*i), 8, transporttest.Hold), nil, make([]byte, 4096)
		}
		if err := c.Submit(k); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	transporttest.Eventually(t, "all wait", func() bool { return s.Units[0].Held.Load()+s.Units[1].Held.Load() == 8 })
	c.Abandon()
	stop := transporttest.Meanwhile(time.Millisecond, func() { s.Units[0].Release(); s.Units[1].Release() })
	defer stop()
	for _, k := range all {
		if err := c.Finish(k); err == nil {
			t.Error("a command has ended well")
		}
	}
	transporttest.Eventually(t, "the session ends", func() bool { return len(s.Node.Sessions()) == 0 })
}

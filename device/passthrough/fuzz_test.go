package passthrough

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// garbage is what a device answers to everything.
type garbage struct {
	on     bool
	data   []byte
	result sg.Result
	sense  []byte
}

// FuzzAnswers: whatever a device answers to whatever command, it ends, and nothing comes of it that the initiator has no room for.
func FuzzAnswers(f *testing.F) {
	for _, c := range [][]byte{
		cdb.Inquiry{Allocation: 96}.Append(nil), cdb.Inquiry{VPD: true, Page: page.VPDBlockLimits, Allocation: 64}.Append(nil),
		cdb.Inquiry{VPD: true, Page: page.VPDExtendedInquiry, Allocation: 5}.Append(nil), cdb.ReportOpcodes{Timeouts: true, Allocation: 4096}.Append(nil),
		long(10, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), long(6, 5), long(16, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), long(6, 0x1e, 0, 0, 0, 1), long(6, 0x1a, 0, 0x3f, 0, 255),
		rw(scsi.OpRead10, 0, 1), long(32, 0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 9), long(12, 0xa2, 0, 0, 0, 0x80, 0, 0, 0, 0, 2), {0x1e}, {0x7f, 0, 0, 0, 0, 0, 0, 2, 0, 9},
	} {
		f.Add(uint8(0), c, []byte{0, 0, 0, 16, 0x28, 0, 0, 0, 0, 3, 0, 10, 0, 10, 0, 0}, []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x28, 0, 0, 0, 0, 0}, uint8(2), uint8(0), int64(0))
		f.Add(uint8(3), c, []byte{5, 0x83, 0xff, 0xff, 1, 3, 0, 200}, []byte{0x72, 6, 0x29}, uint8(0), uint8(8), int64(-1))
	}
	devices := []*sgtest.Device{
		disk(sgtest.Config{}).Device, sgtest.NewTape(sgtest.Config{}).Device, sgtest.NewChanger(sgtest.Config{}, "A", "").Device, sgtest.NewDisc(sgtest.Config{}, make([]byte, 4096)).Device,
	}
	var mu sync.Mutex
	var says garbage // guarded by mu
	type side struct {
		b *bench
		s [2]*loopback.Session
	}
	var sides []side
	for _, d := range devices {
		b := newBench(f, d, Config{Allow: Allowed{Firmware: true, Format: true, Vendor: true, ThirdParty: true, Keys: true}})
		sides = append(sides, side{b, [2]*loopback.Session{b.login(1, loopback.Options{}), b.login(2, loopback.Options{})}})
		d.Fault(sgtest.Fault{Edit: func(c *sg.Command) {
			mu.Lock()
			defer mu.Unlock()
			if !says.on {
				return
			}
			copy(c.Data.Mem, says.data)
			c.Result = says.result
			c.Result.Sense = copy(c.Sense[:], says.sense)
		}})
	}
	f.Fuzz(func(t *testing.T, device uint8, c, data, sense []byte, status, host uint8, residual int64) {
		if len(c) == 0 || len(c) > 260 {
			return
		}
		x := sides[int(device)%len(sides)]
		if host == uint8(sg.HostNoConnect) || host == uint8(sg.HostBadTarget) { // it would be gone, and come back in its own time
			host = 0
		}
		mu.Lock()
		says = garbage{true, data, sg.Result{Status: scsi.Status(status), Host: sg.HostStatus(host), Residual: residual}, sense}
		mu.Unlock()
		for _, room := range []int{0, 64, 8192} {
			in := make([]byte, room)
			out := make([]byte, 8192-room)
			r, err := x.s[0].Run(loopback.Command{CDB: c, In: in, WantIn: int64(room), Out: out, HaveOut: int64(len(out))})
			if err != nil {
				t.Fatal(err)
			}
			if r.In > int64(room) {
				t.Errorf("%d bytes in %d", r.In, room)
			}
			if r.Status == scsi.Good && host != 0 && x.b.u.policy.table.find(c).whose == passes {
				t.Errorf("%x: GOOD, though the host says %v", c, sg.HostStatus(host))
			}
		}
		_, _, err := x.s[1].Do(context.Background(), 0, c, nil, 64)
		if err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzNames: what a device calls itself is read within its bounds, and what is made of it can be read.
func FuzzNames(f *testing.F) {
	id := scsi.Identity{Type: scsi.TypeTape, Vendor: "A", Product: "B", Revision: "C", Serial: "D", NAA: scsi.NAA6("x")}
	f.Add(page.Inquiry{Vendor: "A", Versions: []uint16{0x960, 0x460}}.Append(nil), page.AppendSupportedVPD(nil, page.Peripheral{}, 0x80, 0x83, 0x88, 0x91),
		page.AppendIdentification(nil, page.Peripheral{}, page.NAADesignator(id.NAA), page.RelativePortDesignator(scsi.ProtocolSAS, 1)))
	f.Add([]byte{0x7f}, []byte{0, 0, 0xff, 0xff}, []byte{0, 0x83, 0, 4, 1, 3, 0, 255})
	b := newBench(f, disk(sgtest.Config{}).Device, Config{})
	f.Fuzz(func(t *testing.T, standard, page00, page83 []byte) {
		p := &policy{}
		known := &facts{identity: id, standard: standard, page00: page00, page83: page83, blockSize: 512, maxTransfer: 1 << 20}
		p.known.Store(known)
		got := bytes.Clone(standard)
		p.editStandard(got, b.port)
		if len(got) > 5 && (got[0]>>5 != 0 || got[3]&0xf0 != 0 || got[5]&0x79 != 0) {
			t.Errorf("% x", got)
		}
		list := p.vpdList(known)
		if int(binary.BigEndian.Uint16(list[2:])) != len(list)-4 || bytes.IndexByte(list[4:], vpdPorts) >= 0 {
			t.Errorf("% x", list)
		}
		if _, err := page.ParseIdentification(identification(known, b.port)); err != nil {
			t.Error(err)
		}
		for _, code := range []byte{page.VPDExtendedInquiry, page.VPDBlockLimits} {
			if len(page83) > 1 {
				p.editVPD(code, bytes.Clone(page83), b.port)
			}
		}
	})
}

// FuzzCommands: the list of commands that is made of a device's is whole, and has nothing that is refused.
func FuzzCommands(f *testing.F) {
	f.Add(page.AppendCommands(nil, true, page.Command{Opcode: 0x28, Length: 10}, page.Command{Opcode: 0x04, Length: 6}, page.Command{Opcode: 0xa3, Action: 0x0c, Length: 12}), true)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x5f, 0, 0, 7, 0, 3}, false)
	p, err := newPolicy(Config{}, nil, &facts{identity: scsi.Identity{Type: scsi.TypeDisk}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.close)
	f.Fuzz(func(t *testing.T, data []byte, timeouts bool) {
		for _, c := range opcodes(t, p.editCommands(data, timeouts)) {
			if action := c.action; !p.permitted(p.table.findAction(c.op, action)) && c.actions {
				t.Errorf("%v %d is refused, and told", c.op, action)
			}
		}
		parseTimeouts(data)
	})
}

// FuzzOrder: a CDB of any bytes has an order, and data within bounds.
func FuzzOrder(f *testing.F) {
	f.Add([]byte{0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 9, 0, 0, 0, 0, 0, 0})
	f.Add(rw(scsi.OpWrite10, 1, 2))
	var all []*policy
	for _, t := range []scsi.PeripheralType{scsi.TypeDisk, scsi.TypeTape, scsi.TypeChanger, scsi.TypeOptical, typeEnclosure, scsi.TypeArray} {
		p, err := newPolicy(Config{}, nil, &facts{identity: scsi.Identity{Type: t}, blockSize: 4096})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(p.close)
		all = append(all, p)
	}
	f.Fuzz(func(t *testing.T, c []byte) {
		for _, p := range all {
			if o := p.order(c); o.Class == target.Atomic {
				t.Errorf("%+v", o)
			}
			r := p.table.find(c)
			r.class(c)
			if way, n, known := r.moves(c, p.facts()); n < 0 || way > sg.Out || !known && n > 1<<50 {
				t.Errorf("%x: %v %d %v", c, way, n, known)
			}
		}
	})
}

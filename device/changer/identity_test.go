package changer_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
)

// TestIdentity: INQUIRY data are those of the model.
func TestIdentity(t *testing.T) {
	b := newBench(t, newInventory(1, 1, 1), func(c *changer.Config) { c.Model.Length, c.Model.Version = 58, 3 })
	d := b.good(cdb.Inquiry{Allocation: 255}.Append(nil), nil, 255)
	if len(d) != 58 || d[0] != 8 || d[1] != 0x80 || d[2] != 3 || d[4] != 0x35 || d[6]&0x20 == 0 || string(d[8:36]) != "IBM     03584L32        0402" ||
		string(d[38:50]) != "LUN0000001  " || d[55] != 1 {
		t.Errorf("%q", d)
	}
	vpd := b.good(cdb.Inquiry{VPD: true, Page: page.VPDIdentification, Allocation: 1024}.Append(nil), nil, 1024)
	if !bytes.Contains(vpd, []byte("IBM     03584L32        LUN0000001")) {
		t.Errorf("%q", vpd)
	}
	no := newBench(t, newInventory(1, 1, 1), func(c *changer.Config) {
		c.Model = changer.Config{}.Model
		c.Model.Vendor, c.Model.Product, c.Model.Revision = "STK", "L700", "0104"
		c.Model.NoIdentification = true
	})
	no.fails(cdb.Inquiry{VPD: true, Page: page.VPDIdentification, Allocation: 255}.Append(nil), nil, scsi.InvalidFieldInCDB(2, -1))
	if list := no.good(cdb.Inquiry{VPD: true, Allocation: 255}.Append(nil), nil, 255); bytes.Contains(list[4:], []byte{0x83}) {
		t.Errorf("%x", list)
	}
	if d := no.good(cdb.Inquiry{Allocation: 255}.Append(nil), nil, 255); d[2] != 5 || d[6]&0x20 != 0 || d[55] != 0 {
		t.Errorf("%x", d)
	}
}

// TestDemands: what Proxmox Backup's pmtx asks of a changer, and how it checks the answers.
func TestDemands(t *testing.T) {
	b := newBench(t, filled())
	d := b.good([]byte{0x1a, 8, 0x1d, 0, 255, 0}, nil, 255)
	if len(d) != 24 || d[0] != 23 || d[4]&0x3f != 0x1d {
		t.Fatalf("MODE SENSE(6) DBD 1Dh: %x", d)
	}
	at := func(i int) uint16 { return binary.BigEndian.Uint16(d[i:]) }
	first := map[uint8]uint16{1: at(6), 2: at(10), 3: at(14), 4: at(18)}
	count := map[uint8]uint16{1: at(8), 2: at(12), 3: at(16), 4: at(20)}
	total := 0
	for kind := uint8(1); kind <= 4; kind++ {
		total += int(count[kind])
		r := cdb.ReadElementStatus{Type: kind, Tags: true, Count: 1000, Allocation: 0xffff}
		data := b.good(r.Append(nil), nil, 0xffff)
		s, err := page.ParseElementStatus(data)
		if err != nil || len(s.Elements) != int(count[kind]) || s.Header.Count != count[kind] {
			t.Errorf("type %d: %v, %d elements, the page says %d", kind, err, len(s.Elements), count[kind])
		}
		for i, e := range s.Elements {
			if e.Type != kind || e.Address != first[kind]+uint16(i) {
				t.Errorf("type %d: %+v", kind, e)
			}
		}
		if data[8+1]&0x80 == 0 {
			t.Errorf("type %d: no PVOLTAG", kind)
		}
	}
	for _, tags := range []bool{false, true} {
		s := b.status(cdb.ReadElementStatus{Type: 4, Identifiers: true, Tags: tags, Count: 1000})
		for i, e := range s.Elements {
			if id := e.Identifier; id.CodeSet != 2 || id.Type != 1 || len(id.Data) != 34 || !strings.HasSuffix(string(id.Data), inventorySerial(i)) {
				t.Errorf("%+v", id)
			}
		}
	}
	if d := b.good(cdb.ReadElementStatus{Count: 1000, Allocation: 8}.Append(nil), nil, 8); len(d) != 8 || int(binary.BigEndian.Uint16(d[2:])) != total {
		t.Errorf("allocation 8: %x", d)
	}
	// Linux's ch asks with block descriptors allowed, and one element at a time.
	if d := b.good([]byte{0x1a, 0, 0x1d, 0, 255, 0}, nil, 255); d[3] != 0 || d[4] != 0x1d {
		t.Errorf("%x", d)
	}
	if d := b.good(cdb.ReadElementStatus{Tags: true, Start: 0x402, Count: 1, Type: 2, Allocation: 512}.Append(nil), nil, 512); binary.BigEndian.Uint16(d[16:]) != 0x402 {
		t.Errorf("%x", d)
	}
	// Nothing of where elements are can be changed.
	p := append([]byte{0, 0, 0, 0}, d[4:24]...)
	b.good(cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 24}.Append(nil), p, 0)
	p[4+6]++
	b.fails(cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 24}.Append(nil), p, scsi.InvalidFieldInParameterList(10, 0))
	// Commands say how long they take, in 20 bytes each.
	all := b.good([]byte{0xa3, 0x0c, 0x80, 0, 0, 0, 0, 0, 0x40, 0, 0, 0}, nil, 0x4000)
	if n := int(binary.BigEndian.Uint32(all)); n != len(all)-4 || n%20 != 0 {
		t.Errorf("%d of %d bytes", n, len(all))
	}
	for e := all[4:]; len(e) > 0; e = e[20:] {
		if nominal := binary.BigEndian.Uint32(e[12:]); nominal == 0 {
			t.Errorf("command %02xh has no time-out", e[0])
		}
	}
}

func inventorySerial(i int) string { return "DRV000000" + string(rune('0'+i)) }

// What is no library is refused.
func TestNew(t *testing.T) {
	for what, elements := range map[string][]changer.Element{
		"no transport":   {{Address: 1, Type: changer.Storage}},
		"twice":          {{Address: 1, Type: changer.Transport}, {Address: 1, Type: changer.Storage}},
		"no type":        {{Address: 1, Type: changer.Transport}, {Address: 2}},
		"out of order":   {{Address: 2, Type: changer.Transport}, {Address: 1, Type: changer.Storage}},
		"unknown a type": {{Address: 1, Type: changer.Transport}, {Address: 2, Type: 9}},
	} {
		if _, err := changer.New(changer.Config{Model: model, Identity: identity, Inventory: &inventory{elements: elements}}); err == nil {
			t.Error(what)
		}
	}
}

// FuzzCommands sends CDBs and parameter lists of any kind.
func FuzzCommands(f *testing.F) {
	b := newBench(f, filled())
	f.Add(cdb.SendVolumeTag{Length: 40}.Append(nil), cdb.VolumeTagTemplate{Volume: "*"}.Append(nil))
	f.Add(cdb.RequestVolumeElementAddress{Count: 9, Allocation: 100}.Append(nil), []byte(nil))
	f.Add(cdb.ReadElementStatus{Count: 9, Tags: true, Identifiers: true, Allocation: 100}.Append(nil), []byte(nil))
	f.Add(cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 24}.Append(nil), append(make([]byte, 4), page.ElementAddresses{}.Append(nil)...))
	f.Add(cdb.MaintenanceOut{Action: scsi.ActionSetTimestamp, Length: 12}.Append(nil), make([]byte, 12))
	f.Add(moving(0x401, 0x101), []byte(nil))
	f.Add(cdb.LogSense{Control: cdb.LogCumulative, Page: 0x2e, Allocation: 200}.Append(nil), []byte(nil))
	f.Fuzz(func(t *testing.T, c, out []byte) {
		if len(c) > 260 || len(c) == 0 {
			return
		}
		r, data, err := b.s.Do(t.Context(), 0, c, out, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == scsi.CheckCondition && r.Sense.Key == scsi.KeyHardwareError {
			t.Fatalf("%x: %v", c, r.Sense)
		}
		if op := scsi.Opcode(c[0]); op == scsi.OpReadElementStatus && r.Status == scsi.Good && len(data) < 4096 {
			if x, err := cdb.ParseReadElementStatus(c); err == nil && int(x.Allocation) >= 4096 {
				if _, err := page.ParseElementStatus(data); err != nil {
					t.Fatalf("%x: %v", c, err)
				}
			}
		}
	})
}

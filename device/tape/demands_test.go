package tape_test

import (
	"bytes"
	"testing"
)

// What programs that speak SCSI themselves (Proxmox Backup's pmt, LTFS) demand of a drive with a cartridge, in their order and
// with their CDBs.
func TestDemands(t *testing.T) {
	k := newDesk(t, nil)
	k.load(nil)
	h := k.host(1)
	count := 0
	check := func(what string, ok bool, got any) {
		t.Helper()
		if count++; !ok {
			t.Errorf("%s: %v", what, got)
		}
	}
	r := h.cmd(wire(0x12, 1, 0x80, 0, 255, 0), 255, nil)
	check("VPD 80 serial", r.good() && r.data[1] == 0x80 && string(r.data[4:]) == deskSerial, r)
	r = h.cmd(wire(0x34, 6, uint64(0)), 32, nil)
	check("READ POSITION long: 32 bytes", r.good() && len(r.data) == 32, r)
	r = h.cmd(wire(0x34, 8, 0, 0, 0, 0, 0, uint16(32), 0), 32, nil)
	check("READ POSITION extended: 32 bytes, length 1Ch", r.good() && len(r.data) == 32 && be(r.data[2:4]) == 28, r)
	r = h.cmd(wire(0xa3, 0x0c, 0x80, 0, 0, 0, uint32(0x4000), 0, 0), 0x4000, nil)
	check("RSOC with RCTD: 20-byte descriptors", r.good() && be(r.data[:4])%20 == 0 && be(r.data[:4]) > 0, r)
	for _, p := range []struct{ code, length int }{{0x0f, 0x0e}, {0x1d, 0x1e}, {0x10, 0x0e}, {0x11, 0}} {
		r = h.cmd(wire(0x5a, 0, p.code, 0, 0, 0, 0, uint16(255), 0), 255, nil)
		at := 8 + int(be(r.data[6:8]))
		check("MODE SENSE(10) with block descriptor", r.good() && at == 16 && int(r.data[at]&0x3f) == p.code && (p.length == 0 || int(r.data[at+1]) == p.length), r)
	}
	r = h.cmd(wire(0x5a, 0, 0x10, 1, 0, 0, 0, uint16(255), 0), 255, nil)
	check("MODE SENSE(10) 10h/01h: 48 bytes", r.good() && len(r.data) == 48, r)
	for _, page := range []int{0x0c, 0x11, 0x17, 0x2e, 0x31} {
		for _, control := range []int{1, 0} {
			if control == 0 && page != 0x2e {
				continue
			}
			r = h.cmd(wire(0x4d, 0, control<<6|page, 0, 0, 0, 0, uint16(0x2000), 0), 0x2000, nil)
			check("LOG SENSE", r.good() && int(r.data[0]&0x3f) == page && len(r.data) == 4+int(be(r.data[2:4])), r)
		}
	}
	r = h.cmd(wire(0x44, 1, 0, 0, 0, 0, 0, uint16(0x1000), 0), 0x1000, nil)
	check("REPORT DENSITY SUPPORT MEDIA=1", r.good() && len(r.data) == 2+int(be(r.data[:2])) && (len(r.data)-4)%52 == 0 && len(r.data) > 4, r)
	attribute := func(first, n int) outcome { return h.cmd(readAttribute(0, 0, first, n), n, nil) }
	r = attribute(0, 0x1000)
	check("READ ATTRIBUTE from 0", r.good() && len(r.data) == 4+int(be(r.data[:4])), r)
	r = attribute(0x1623, 0x1000)
	check("READ ATTRIBUTE 1623h (unset) is 5/24 00", r.is(5, 0x24, 0), r)
	r = attribute(9, 0x1000)
	check("READ ATTRIBUTE 0009h first answer", r.good() && bytes.Equal(r.data[4:6], []byte{0, 9}), r)
	list := attributeList(0x806, 1, "LUN999L9                        ")
	r = h.cmd(writeAttribute(0, list), 0, list)
	q := attribute(0x806, 0x1000)
	check("WRITE ATTRIBUTE 0806h and back", r.good() && q.good() && string(q.data[9:17]) == "LUN999L9", q)
	list = attributeList(0x806, 1, "")
	r = h.cmd(writeAttribute(0, list), 0, list)
	q = attribute(0x806, 64)
	check("length 0 deletes it", r.good() && q.is(5, 0x24, 0), q)
	r = h.cmd(wire(0xa2, 0x20, uint16(0x10), 0, 0, uint32(0x2000), 0, 0), 0x2000, nil)
	check("SPIN 20h/0010h: exact length, descriptors 14h long", r.good() && len(r.data) == 4+int(be(r.data[2:4])) && be(r.data[22:24]) == 0x14, r)
	r = h.cmd(wire(0xa2, 0x20, uint16(0x20), 0, 0, uint32(0x2000), 0, 0), 0x2000, nil)
	check("SPIN 20h/0020h", r.good() && len(r.data) == 4+int(be(r.data[2:4])) && len(r.data) >= 24, r)

	type place struct{ object, file uint64 }
	position := func() place {
		b := h.ask(wire(0x34, 6, uint64(0)), 32)
		return place{be(b[8:16]), be(b[16:24])}
	}
	h.ask(wire(1, 0, 0, 0, 0, 0), 0)
	for i := range 6 {
		for range 3 {
			h.tell(wire(0x0a, 0, u24(0x1000), 0), bytes.Repeat([]byte{byte(i)}, 4096))
		}
		h.ask(wire(0x10, 0, 0, 0, 1, 0), 0)
	}
	check("after 6 files of 3 blocks and a mark: object 24, file 6", position() == place{24, 6}, position())
	r = h.cmd(wire(0x92, 8, 0, 0, uint64(3), uint32(0)), 0, nil)
	first := position()
	h.ask(wire(0x11, 1, 0, 0, 1, 0), 0)
	check("LOCATE(16) file 3, then SPACE 1 mark: file 4", r.good() && first.file == 3 && position().file == 4, position())
	r = h.cmd(wire(0x92, 0, 0, 0, uint64(5), uint32(0)), 0, nil)
	check("LOCATE(16) object 5", r.good() && position() == place{5, 1}, position())
	read := func(sili, n int) outcome { return h.cmd(wire(8, sili, u24(n), 0), n, nil) }
	information := func(o outcome) int { return int(int32(uint32(o.sense.Info))) }
	r = read(2, 8192)
	check("READ SILI: 4096 of 8192, GOOD, residual 4096", r.good() && len(r.data) == 4096 && r.resid == 4096, r)
	r = read(0, 8192)
	check("READ without SILI: ILI, information 4096", r.is(0, 0, 0) && r.sense.ILI && information(r) == 4096 && len(r.data) == 4096, r)
	r = read(0, 8192)
	check("READ at a mark: FM, 00 01, information 8192", r.is(0, 0, 1) && r.sense.Filemark && information(r) == 8192, r)
	r = read(0, 2048)
	check("READ of a longer block: ILI, information -2048", r.is(0, 0, 0) && r.sense.ILI && information(r) == -2048 && len(r.data) == 2048, r)
	r = h.cmd(wire(0x11, 3, 0, 0, 0, 0), 0, nil)
	check("SPACE EOD", r.good() && position() == place{24, 6}, position())
	r = read(0, 4096)
	check("READ at EOD: 8/00 05", r.is(8, 0, 5), r)
	r = h.cmd(wire(0x11, 0, u24(0xfffffe), 0), 0, nil)
	check("SPACE -2 blocks meets the mark: FM, information 2", r.is(0, 0, 1) && r.sense.Filemark && information(r) == 2 && position() == place{23, 5}, r)
	r = h.cmd(wire(0x11, 1, u24(0xfffff7), 0), 0, nil)
	check("SPACE -9 marks: BOM 0/00 04, EOM, information 4", r.is(0, 0, 4) && r.sense.EOM && information(r) == 4, r)
	t.Logf("%d demands", count)
}

// readAttribute is the CDB of READ ATTRIBUTE.
func readAttribute(action, partition, first, n int) []byte {
	return wire(0x8c, action, 0, 0, 0, 0, 0, partition, uint16(first), uint32(n), 0, 0)
}

// writeAttribute is the CDB of WRITE ATTRIBUTE with a list.
func writeAttribute(partition int, list []byte) []byte {
	return wire(0x8d, 1, 0, 0, 0, 0, 0, partition, 0, 0, uint32(len(list)), 0, 0)
}

// attributeList is one of one attribute.
func attributeList(id, format int, value string) []byte {
	return wire(uint32(5+len(value)), uint16(id), format, uint16(len(value)), value)
}

package devicetest

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// zeroCDB is the CDB of a command with all fields 0.
func zeroCDB(c *device.Command) []byte {
	b := make([]byte, len(c.Usage))
	b[0] = byte(c.Op)
	if c.Op.HasServiceActions() {
		b[1] = byte(c.Action)
	}
	return b
}

// opcodes: what has no row in the table is refused, whatever comes with it, or goes to the
// default row.
func (b *bench) opcodes() {
	s := b.login(1, loopback.Options{})
	unknown := func(c []byte, asc scsi.ASC) {
		b.Helper()
		if b.d.Default {
			b.good(s, c, nil, 0)
			return
		}
		b.fails(s, c, nil, scsi.KeyIllegalRequest, asc)
	}
	for op := range 256 {
		var have []scsi.ServiceAction
		for _, c := range b.rows {
			if c.Op == scsi.Opcode(op) {
				have = append(have, c.Action)
			}
		}
		c := make([]byte, 16)
		c[0] = byte(op)
		if len(have) == 0 {
			unknown(c, scsi.ASCInvalidOpcode)
			unknown(c[:1], scsi.ASCInvalidOpcode)
			continue
		}
		if scsi.Opcode(op).HasServiceActions() {
			c[1] = byte(have[0])
		}
		if b.fails(s, c[:2], nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB); !scsi.Opcode(op).HasServiceActions() {
			continue
		}
		for a := range byte(32) {
			if c[1] = a; !slices.Contains(have, scsi.ServiceAction(a)) {
				unknown(c, scsi.ASCInvalidFieldInCDB)
			}
		}
	}
}

// usage: each bit that a command gives no meaning is refused, and pointed at.
func (b *bench) usage() {
	s := b.login(1, loopback.Options{})
	for _, c := range b.rows {
		last := len(c.Usage) - 1
		for i := 1; i <= last; i++ {
			refused := ^(c.Usage[i] | c.Tolerated[i])
			switch {
			case i == last:
				refused = cdb.ControlNACA
			case i == 1 && len(c.Usage) == 6:
				refused &= 0x1f
			case i == 1 && c.Op.HasServiceActions():
				refused &= 0xe0
			}
			for ; refused != 0; refused &= refused - 1 {
				bit := bits.TrailingZeros8(refused)
				for _, n := range []int{len(c.Usage), 16} {
					x := make([]byte, max(n, len(c.Usage)))
					copy(x, zeroCDB(c))
					x[i] |= 1 << bit
					got := b.fails(s, x, nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB).Field
					if want := (scsi.FieldPointer{Valid: true, InCDB: true, Byte: uint16(i), BitValid: true, Bit: uint8(bit)}); got != want {
						b.Errorf("%x: points at %+v, want %+v", x, got, want)
					}
				}
			}
		}
	}
}

// reportOpcodes: REPORT SUPPORTED OPERATION CODES says what the table says, in all of
// its forms.
func (b *bench) reportOpcodes() {
	s := b.login(1, loopback.Options{})
	for _, timeouts := range []bool{false, true} {
		all := b.good(s, cdb.ReportOpcodes{Timeouts: timeouts, Allocation: 65535}.Append(nil), nil, 65535)
		size := 8
		if timeouts {
			size = 20
		}
		rows := b.rows
		if int(binary.BigEndian.Uint32(all)) != len(all)-4 || len(all)-4 != size*len(rows) {
			b.Fatalf("%d bytes for %d commands", len(all), len(rows))
		}
		for i, c := range rows {
			d := all[4+i*size:]
			if d[0] != byte(c.Op) || int(d[7]) != len(c.Usage) || (d[5]&1 != 0) != c.Op.HasServiceActions() || (d[5]&2 != 0) != timeouts {
				b.Errorf("%v: %x", c.Op, d[:size])
			}
			option := uint8(cdb.ReportOpcode)
			if c.Op.HasServiceActions() {
				option = cdb.ReportAction
			}
			for _, o := range []uint8{option, cdb.ReportEither} {
				one := b.good(s, cdb.ReportOpcodes{Timeouts: timeouts, Options: o, Opcode: c.Op, Action: c.Action, Allocation: 255}.Append(nil), nil, 255)
				if one[1]&7 != byte(page.SupportStandard) || string(one[4:4+len(c.Usage)]) != string(c.Usage) || (one[1]&0x80 != 0) != timeouts {
					b.Errorf("%v: %x", c.Op, one)
				}
			}
			wrong := cdb.ReportOpcodes{Options: 3 - option, Opcode: c.Op, Action: c.Action, Allocation: 255}.Append(nil)
			if f := b.fails(s, wrong, nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB).Field; f.Byte != 2 {
				b.Errorf("%x: points at byte %d", wrong, f.Byte)
			}
		}
	}
	none := b.good(s, cdb.ReportOpcodes{Options: cdb.ReportOpcode, Opcode: 0xff, Allocation: 255}.Append(nil), nil, 255)
	support := page.SupportNone
	if b.d.Default {
		support = page.SupportUnknown
	}
	if !bytes.Equal(none, []byte{0, byte(support), 0, 0}) {
		b.Errorf("a command that is not there: %x", none)
	}
	b.fails(s, cdb.ReportOpcodes{Options: 7, Allocation: 255}.Append(nil), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
}

// reportFunctions: what is told about task management is what is done.
func (b *bench) reportFunctions() {
	s := b.login(1, loopback.Options{})
	got := b.good(s, cdb.ReportTaskManagement{Allocation: 255}.Append(nil), nil, 255)
	bits := map[target.Function][2]byte{
		target.AbortTask: {0, 0x80}, target.AbortTaskSet: {0, 0x40}, target.ClearACA: {0, 0x20}, target.ClearTaskSet: {0, 0x10},
		target.ResetLogicalUnit: {0, 0x08}, target.QueryTask: {0, 0x04}, target.ResetTarget: {0, 0x02},
		target.QueryTaskSet: {1, 0x02}, target.ResetNexus: {1, 0x01},
	}
	for f, bit := range bits {
		if told, does := got[bit[0]]&bit[1] != 0, s.Manage(f, 0, 0) != target.FunctionUnsupported; told != does {
			b.Errorf("function %v: told %v, done %v", f, told, does)
		}
	}
	if got[1]&0x04 != 0 {
		b.Error("QUERY ASYNCHRONOUS EVENT is told")
	}
}

// order: commands that only look are free, those for data are not, and a CDB of any length and
// content is answered.
func (b *bench) order() {
	for _, c := range [][]byte{testUnitReady, inquire, senseOf, cdb.ReportLUNs{Allocation: 255}.Append(nil)} {
		if o := b.lu.Order(c); o.Class != target.Free {
			b.Errorf("%x: %+v", c, o)
		}
	}
	if o := b.lu.Order(b.d.Write); o.Class != target.Writes || o.Blocks == 0 {
		b.Errorf("%x: %+v", b.d.Write, o)
	}
	for op := range 256 {
		for _, fill := range []byte{0, 0xff} {
			c := bytes.Repeat([]byte{fill}, 16)
			c[0] = byte(op)
			for n := range len(c) + 1 {
				b.lu.Order(c[:n])
			}
		}
	}
	for _, c := range b.rows {
		fenced := c.Access == reserve.Reading || c.Access == reserve.Writing
		if o := b.lu.Order(zeroCDB(c)); fenced && o.Class == target.Free {
			b.Errorf("%s: %+v", scsi.CommandName(c.Op, c.Action), o)
		}
	}
}

// allocationLengths: data is cut at any length, and its own lengths stay.
func (b *bench) allocationLengths() {
	s := b.login(1, loopback.Options{})
	forms := map[string]func(n int) []byte{
		"INQUIRY": func(n int) []byte { return cdb.Inquiry{Allocation: uint16(n)}.Append(nil) },
		"MODE SENSE(6)": func(n int) []byte {
			return cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: 0x3f, Allocation: uint16(n)}.Append(nil)
		},
		"MODE SENSE(10)": func(n int) []byte {
			return cdb.ModeSense{Opcode: scsi.OpModeSense10, Page: 0x3f, Allocation: uint16(n)}.Append(nil)
		},
		"LOG SENSE":     func(n int) []byte { return cdb.LogSense{Control: cdb.LogCumulative, Allocation: uint16(n)}.Append(nil) },
		"REPORT LUNS":   func(n int) []byte { return cdb.ReportLUNs{Allocation: uint32(n)}.Append(nil) },
		"REQUEST SENSE": func(n int) []byte { return cdb.RequestSense{Allocation: uint8(n)}.Append(nil) },
		"opcodes":       func(n int) []byte { return cdb.ReportOpcodes{Allocation: uint32(n)}.Append(nil) },
		"functions":     func(n int) []byte { return cdb.ReportTaskManagement{Extended: true, Allocation: uint32(n)}.Append(nil) },
		"READ KEYS":     func(n int) []byte { return cdb.PersistentIn{Allocation: uint16(n)}.Append(nil) },
		"CAPABILITIES": func(n int) []byte {
			return cdb.PersistentIn{Action: scsi.ActionReportCapabilities, Allocation: uint16(n)}.Append(nil)
		},
	}
	for _, code := range b.good(s, cdb.Inquiry{VPD: true, Allocation: 255}.Append(nil), nil, 255)[4:] {
		forms["VPD "+string("0123456789abcdef"[code>>4])+string("0123456789abcdef"[code&15])] = func(n int) []byte {
			return cdb.Inquiry{VPD: true, Page: code, Allocation: uint16(n)}.Append(nil)
		}
	}
	for name, form := range forms {
		whole := b.good(s, form(255), nil, 255)
		for _, n := range []int{0, 1, 3, 4, 5, len(whole) - 1, len(whole)} {
			r := b.do(s, form(n), nil, 255)
			if r.Status != scsi.Good || !bytes.Equal(r.data, whole[:n]) || r.Residual != int64(255-n) {
				b.Errorf("%s of %d bytes: %v %x, residual %d", name, n, r.Status, r.data, r.Residual)
			}
			// The initiator has less room than it says.
			if n > 1 {
				if r := b.do(s, form(n), nil, n-1); r.Status != scsi.Good || !bytes.Equal(r.data, whole[:n-1]) || r.Residual != -1 {
					b.Errorf("%s with room for %d bytes: %v %x, residual %d", name, n-1, r.Status, r.data, r.Residual)
				}
			}
		}
	}
}

func (b *bench) inquiry() {
	s := b.login(1, loopback.Options{})
	id := b.lu.(interface{ Identity() scsi.Identity }).Identity()
	std := b.good(s, inquire, nil, 96)
	if std[0] != byte(id.Type) || std[2] < 4 || std[2] > 6 || std[3]&0xf != 2 || int(std[4]) != len(std)-5 {
		b.Errorf("standard data: %x", std)
	}
	for _, c := range []struct {
		at, n int
		want  string
	}{{8, 8, id.Vendor}, {16, 16, id.Product}, {32, 4, id.Revision}} {
		if got := string(std[c.at : c.at+c.n]); got != (c.want + "                ")[:c.n] {
			b.Errorf("%q, want %q", got, c.want)
		}
	}
	b.fails(s, cdb.Inquiry{Page: 0x80, Allocation: 255}.Append(nil), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	b.fails(s, cdb.Inquiry{VPD: true, Page: 0xfe, Allocation: 255}.Append(nil), nil, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
	serial := b.good(s, cdb.Inquiry{VPD: true, Page: page.VPDUnitSerial, Allocation: 255}.Append(nil), nil, 255)
	if string(serial[4:]) != id.Serial {
		b.Errorf("serial number %q", serial[4:])
	}
	all, err := page.ParseIdentification(b.good(s, cdb.Inquiry{VPD: true, Page: page.VPDIdentification, Allocation: 1024}.Append(nil), nil, 1024))
	if err != nil {
		b.Fatal(err)
	}
	var naa, port bool
	for _, d := range all {
		naa = naa || d.Association == page.OfUnit && d.Type == page.DesignatorNAA && bytes.Equal(d.Data, id.NAA[:])
		port = port || d.Association == page.OfPort && d.Type == page.DesignatorRelativePort && d.Data[3] == 1
	}
	if !naa || !port {
		b.Errorf("designators %+v", all)
	}
}

package passthrough

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// modeSense is MODE SENSE(6) and (10). It passes, but for an initiator that may only read: its header says that the medium is write protected (SBC-4 6.5.1, SSC-5 8.3).
func (p *policy) modeSense(t *target.Task, r *rule) {
	if !t.ITL().ReadOnly() {
		p.line.pass(t, r)
		return
	}
	at, room := 2, int(t.CDB[4])
	if scsi.Opcode(t.CDB[0]) == scsi.OpModeSense10 {
		at, room = 3, int(bigEndian(t.CDB[7:9]))
	}
	p.ask(t, t.CDB, room, func(data []byte) {
		if at < len(data) {
			data[at] |= 0x80
		}
		p.reply(t, data, uint32(room))
	})
}

// readCapacity16 is READ CAPACITY(16) (SBC-4 5.20): there is no protection information by this way.
func (p *policy) readCapacity16(t *target.Task, _ *rule) {
	room := binary.BigEndian.Uint32(t.CDB[10:])
	p.ask(t, t.CDB, int(min(room, maxOwn)), func(data []byte) {
		if len(data) >= 12 {
			p.sized(binary.BigEndian.Uint32(data[8:]))
		}
		if len(data) > 12 {
			data[12] &^= 0x0f // P_TYPE, PROT_EN
		}
		if len(data) > 13 {
			data[13] &^= 0xf0 // P_I_EXPONENT
		}
		p.reply(t, data, room)
	})
}

// blockLimits is READ BLOCK LIMITS (SSC-5 7.7): no command moves more than the adapter does. With MLOI it is about object numbers.
func (p *policy) blockLimits(t *target.Task, r *rule) {
	if t.CDB[1]&1 != 0 {
		p.line.pass(t, r)
		return
	}
	p.ask(t, t.CDB, 6, func(data []byte) {
		if most := p.facts().maxTransfer; most > 0 && len(data) >= 4 {
			if n := min(int64(bigEndian(data[1:4])), most); n > 0 || bigEndian(data[1:4]) == 0 {
				if n == 0 { // no limit
					n = min(most, 1<<24-1)
				}
				data[1], data[2], data[3] = byte(n>>16), byte(n>>8), byte(n)
			}
		}
		p.reply(t, data, 6)
	})
}

// reportsAll is how many bytes a descriptor of REPORT SUPPORTED OPERATION CODES data takes.
const (
	commandLen  = 8
	timeoutsLen = 12
)

// reportOpcodes is REPORT SUPPORTED OPERATION CODES (SPC-5 6.35): what the device says without what is refused, and with what is ours.
func (p *policy) reportOpcodes(t *target.Task, _ *rule) {
	c, err := cdb.ParseReportOpcodes(t.CDB)
	if err != nil {
		p.failWith(t, err)
		return
	}
	if c.Options == cdb.ReportAll {
		all := c
		all.Allocation = maxOwn
		p.ask(t, all.Append(nil), maxOwn, func(data []byte) { p.reply(t, p.editCommands(data, c.Timeouts), c.Allocation) })
		return
	}
	if data, known := p.commandData(c); known {
		p.reply(t, data, c.Allocation)
		return
	}
	p.ask(t, t.CDB, int(min(c.Allocation, maxOwn)), func(data []byte) { p.reply(t, data, c.Allocation) })
}

//go:build hostile

package hostile

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// orderAttacks make others wait for their turn.
func orderAttacks() []attack {
	return []attack{
		{name: "ORDERED behind a write that is not fed", over: transports, stands: owed, begin: func(g *gang) {
			g.fill(4, 8, one, func(k int) command {
				c := write(k / 4)
				if k%4 != 0 {
					c = command{lun: c.lun, cdb: make([]byte, 6), attr: ordered}
				}
				return c
			}, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "writes on the blocks of others that are not fed", over: transports, patience: true, stands: owed, begin: func(g *gang) {
			g.fill(4, 16, one, func(k int) command {
				c := write(k)
				c.cdb = cdb10(scsi.OpWrite10, home, 2048*3, 0)
				c.out = 3 << 20
				return c
			}, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "COMPARE AND WRITE on the blocks of others that is not fed", over: transports, patience: true, begin: func(g *gang) {
			g.fill(4, 16, one, func(k int) command {
				c := cdb16(scsi.OpCompareAndWrite, 0, uint64(home+k/2%6*span), 0)
				c[13] = 1
				return command{lun: lunOf(k), cdb: c, attr: pdu.AttrSimple, out: 2 * blockSize}
			}, true)
		}},
		{name: "HEAD OF QUEUE", over: transports, begin: func(g *gang) {
			g.flood(2, 32, func(k int) command {
				return command{lun: lunOf(k), cdb: cdb10(scsi.OpRead10, far, 8, 0), attr: pdu.AttrHeadOfQueue, in: 4096}
			})
		}},
		{name: "ORDERED", over: transports, begin: func(g *gang) {
			g.flood(2, 32, func(k int) command {
				return command{lun: lunOf(k), cdb: cdb10(scsi.OpRead10, far, 8, 0), attr: ordered, in: 4096}
			})
		}},
	}
}

//go:build hostile

package hostile

import (
	"encoding/binary"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// workerAttacks ask for much work with few bytes, or for much data.
func workerAttacks() []attack {
	simple := func(k int, cdb []byte) command { return command{lun: lunOf(k), cdb: cdb, attr: pdu.AttrSimple} }
	return []attack{
		{name: "VERIFY of all", over: transports, begin: func(g *gang) {
			g.fill(2, 60, one, func(k int) command {
				if k%4 == 1 {
					return simple(1, cdb16(scsi.OpVerify16, 0, 0, memorySize/blockSize))
				}
				return simple(0, cdb16(scsi.OpVerify16, 0, 0, fileSize/blockSize))
			}, true)
		}},
		{name: "WRITE SAME", over: []string{"tcp"}, begin: func(g *gang) {
			pattern := make([]byte, blockSize)
			for i := range pattern {
				pattern[i] = byte(i)
			}
			g.fill(2, 60, one, func(k int) command {
				c := simple(k, cdb16(scsi.OpWriteSame16, 0, far, memorySize/blockSize-far))
				switch k % 4 {
				case 0: // on the file, which has room for it
					c = simple(k, cdb16(scsi.OpWriteSame16, 0, far, 256<<20/blockSize))
				case 2: // zeros, a GiB, unmapped
					c = simple(k, cdb16(scsi.OpWriteSame16, 8, far, 1<<30/blockSize))
				}
				if c.out, c.data = blockSize, pattern; k%4 == 2 {
					c.data = make([]byte, blockSize)
				}
				return c
			}, true)
		}},
		{name: "UNMAP of many ranges", over: []string{"tcp"}, begin: func(g *gang) {
			const ranges = 2000
			list := make([]byte, 8+16*ranges)
			binary.BigEndian.PutUint16(list, uint16(len(list)-2))
			binary.BigEndian.PutUint16(list[2:], uint16(len(list)-8))
			for i := range ranges {
				binary.BigEndian.PutUint64(list[8+16*i:], uint64(far+i*16))
				binary.BigEndian.PutUint32(list[16+16*i:], 8)
			}
			g.flood(2, 32, func(k int) command {
				c := simple(k, []byte{byte(scsi.OpUnmap), 0, 0, 0, 0, 0, 0, byte(len(list) >> 8), byte(len(list) & 0xff), 0})
				c.out, c.data = len(list), list
				return c
			})
		}},
		{name: "large reads", over: transports, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command {
				c := simple(k, cdb10(scsi.OpRead10, uint32(far+k%64*512), 512, 0))
				c.in = 256 << 10
				return c
			})
		}},
		{name: "small reads", over: transports, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command {
				c := simple(k, cdb10(scsi.OpRead10, uint32(far+k%64*8), 8, 0))
				c.in = 4096
				return c
			})
		}},
		{name: "INQUIRY and REPORT LUNS", over: transports, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command {
				c := simple(k, []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0})
				if k%2 == 0 {
					c = simple(k, []byte{byte(scsi.OpReportLUNs), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0})
				}
				c.in = 16 // less than there is
				return c
			})
		}},
		{name: "SYNCHRONIZE CACHE", over: transports, begin: func(g *gang) {
			g.flood(2, 60, func(k int) command { return simple(k, cdb10(scsi.OpSynchronizeCache10, 0, 0, 0)) })
		}},
		{name: "commands whose answers nobody takes", over: transports, begin: func(g *gang) {
			for range 8 {
				p, _ := g.comes("evil")
				if p == nil {
					continue
				}
				g.goes(func() { // until the daemon takes no more
					for k := 0; !g.stopped() && p.put(simple(k, make([]byte, 6))) == nil; k++ {
					}
				})
			}
			g.nap(500 * time.Millisecond)
		}},
		{name: "commands that are refused", over: transports, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command {
				c := simple(k, cdb10(scsi.OpRead10, 0xffffffff, 1, 0))
				c.lun = scsi.LUN(uint64(k%200) << 48)
				if c.cdb[0] = byte(k); c.lun != onFile && c.lun != onMemory {
					return c
				}
				c.lun, c.cdb[0] = onFile, byte(scsi.OpRead10)
				return c
			})
		}},
	}
}

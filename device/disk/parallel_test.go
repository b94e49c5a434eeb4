package disk_test

import (
	"sync"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// BenchmarkParallel runs commands of several nexuses on one unit, each on blocks of its own: run
// it with -cpu 1,2,… to see what they share. Nothing is copied for reads.
func BenchmarkParallel(b *testing.B) {
	for _, op := range []scsi.Opcode{scsi.OpRead16, scsi.OpWrite16} {
		for _, name := range []string{"lending", "trying", "waiting"} {
			b.Run(op.String()+"/"+name, func(b *testing.B) {
				u := newBench(b, kinds(b, 64<<20)[name], nil)
				var n byte
				var mu sync.Mutex
				b.ReportAllocs()
				b.RunParallel(func(p *testing.PB) {
					mu.Lock()
					n++
					i, s := n, u.login(n, loopback.Options{First: -1})
					mu.Unlock()
					c := loopback.Command{CDB: cdb.ReadWrite{Opcode: op, LBA: uint64(i) * 4096, Blocks: 8}.Append(nil)}
					if op == scsi.OpRead16 {
						c.WantIn = 4096
					} else {
						c.Out = make([]byte, 4096)
					}
					for p.Next() {
						s.Run(c)
					}
				})
			})
		}
	}
}

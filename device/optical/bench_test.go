package optical_test

import (
	"testing"

	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Reading of a disc, and of whole sectors of a CD, which are made.
func BenchmarkRead(b *testing.B) {
	for name, c := range map[string]struct {
		cdb  []byte
		size int
	}{
		"READ 64K":        {readCDB(8, 32), 32 * 2048},
		"READ CD sectors": {cdb.ReadCD{Opcode: scsi.OpReadCD, LBA: 8, Blocks: 32, Parts: 0xf8}.Append(nil), 32 * 2352},
	} {
		b.Run(name, func(b *testing.B) {
			s := newBench(b, &optical.Disc{Store: way(b, "trying", 8<<20)}, nil).login(1, loopback.Options{})
			read := loopback.Command{CDB: c.cdb, In: make([]byte, c.size)}
			b.SetBytes(int64(c.size))
			b.ReportAllocs()
			for b.Loop() {
				if r, err := s.Run(read); err != nil || r.Status != scsi.Good {
					b.Fatal(r, err)
				}
			}
		})
	}
}

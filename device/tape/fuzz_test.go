package tape_test

import (
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// FuzzCommands sends commands as they come: whatever they are, each ends, the drive lives on, and nothing is left behind. A command is
// 16 bytes of CDB, and two that say how much data-out and room for data-in there is.
func FuzzCommands(f *testing.F) {
	one := func(c []byte, out, in byte) []byte { return append(append(c, make([]byte, 16-len(c))...), out, in) }
	seed := func(all ...[]byte) {
		var b []byte
		for _, c := range all {
			b = append(b, c...)
		}
		f.Add(b)
	}
	seed(one(writeCDB(0x100), 1, 0), one(marks(1), 0, 0), one(rewind(), 0, 0), one(readCDB(0x100), 0, 1), one(readSILI(0x200), 0, 2))
	seed(one(writeFixed(2), 4, 0), one(space(cdb.SpaceFilemarks, -1), 0, 0), one(locate(1), 0, 0), one(cdb.Verify6{ToEnd: true}.Append(nil), 0, 0))
	seed(one(cdb.FormatMedium{Format: 2, Immed: true}.Append(nil), 0, 0), one(locateIn(1, 0), 0, 0), one(cdb.Erase{Long: true}.Append(nil), 0, 0))
	seed(one(cdb.LoadUnload{}.Append(nil), 0, 0), one(cdb.LoadUnload{Load: true}.Append(nil), 0, 0), one(cdb.SetCapacity{Proportion: 1}.Append(nil), 0, 0))
	seed(one(cdb.ReadPosition{Action: 8, Allocation: 32}.Append(nil), 0, 1), one(cdb.Transfer{Opcode: scsi.OpReadReverse6, Length: 256}.Append(nil), 0, 1))
	f.Fuzz(func(t *testing.T, all []byte) {
		b := loaded(t, 6<<20, func(c *tape.Config) {
			c.Model.ReadReverse, c.Model.Encryption, c.Compression, c.Buffer = true, 0x10014, medium.Fast, 100<<10
		})
		b.d.Set(func(s *tape.Setting) { s.BlockLength, s.Plan = 512, tape.Plan{Additional: 1} })
		for n := 0; len(all) >= 18 && n < 30; n++ {
			c, out, in := all[:16], int(all[16])<<8, int(all[17])<<8
			all = all[18:]
			if op := scsi.Opcode(c[0]); (op == scsi.OpWriteFilemarks6 || op == scsi.OpRead6 || op == scsi.OpReadReverse6) && c[2] > 1 {
				continue // it only takes its time
			}
			b.do(c, make([]byte, out), in)
		}
		b.calm(b.s)
		if b.do(ready(), nil, 0).Err() == nil {
			b.position()
		}
	})
}

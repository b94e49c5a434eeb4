package tape_test

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// blockSize is what backup programs write.
const blockSize = 256 << 10

// A load is data, and how it is kept.
type load struct {
	name     string
	data     []byte
	compress bool
	codec    medium.Codec
	set      func(*tape.Setting)
}

func loads() []load {
	random := block(1, blockSize)
	text := bytes.Repeat([]byte("what a backup has: names, and what changes little\n"), blockSize/50+1)[:blockSize]
	half := bytes.Clone(random)
	for i := 0; i < blockSize; i += 2048 {
		copy(half[i:i+1024], text)
	}
	return []load{
		{name: "plain", data: random},
		{name: "incompressible", data: random, compress: true, codec: medium.Fast},
		{name: "half", data: half, compress: true, codec: medium.Fast},
		{name: "compressible", data: text, compress: true, codec: medium.Fast},
		{name: "zstd", data: text, compress: true, codec: medium.Zstd},
		{name: "CRC32C", data: guarded(2, random[:blockSize-4]), set: func(s *tape.Setting) { s.LBPMethod, s.LBPW, s.LBPR = 2, true, true }},
		{name: "Reed-Solomon", data: guarded(1, random[:blockSize-4]), set: func(s *tape.Setting) { s.LBPMethod, s.LBPW, s.LBPR = 1, true, true }},
	}
}

// speeds runs a benchmark on each load, with cartridges in memory and in files.
func speeds(b *testing.B, run func(*testing.B, *bench, load)) {
	for _, where := range []string{"memory", "file"} {
		for _, l := range loads() {
			if where == "memory" && l.name != "plain" {
				continue
			}
			b.Run(fmt.Sprintf("%s/%s", where, l.name), func(b *testing.B) {
				dir := filepath.Join(b.TempDir(), "cartridge") // it goes after the drive
				x := newBench(b, func(c *tape.Config) { c.Compression = l.codec })
				spec := medium.Spec{Barcode: "LUN001L8", Serial: "1", Format: "L8", Maker: "LUNETTE", Capacity: 64 << 30}
				var m medium.Tape
				if where == "memory" {
					m = medium.Memory(spec)
				} else {
					err := medium.Create(dir, spec)
					if errors.Is(err, errors.ErrUnsupported) {
						b.Skip("no files")
					}
					if err != nil {
						b.Fatal(err)
					}
					if m, err = medium.Open(dir, medium.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				x.load(m)
				x.d.Set(func(s *tape.Setting) { s.Compress = l.compress })
				if l.set != nil {
					x.d.Set(l.set)
				}
				b.SetBytes(blockSize)
				b.ReportAllocs()
				run(b, x, l)
				b.StopTimer()
			})
		}
	}
}

// lap is after how many blocks a benchmark begins anew: so no disk gets full.
const lap = 4096

func (b *bench) run(c loopback.Command) {
	if r, err := b.s.Run(c); err != nil || r.Status != scsi.Good {
		b.Fatal(err, r.Err())
	}
}

func BenchmarkWrite(b *testing.B) {
	speeds(b, func(b *testing.B, x *bench, l load) {
		c := loopback.Command{CDB: writeCDB(blockSize), Out: l.data}
		b.ResetTimer()
		for i := range b.N {
			if i%lap == 0 {
				x.run(loopback.Command{CDB: rewind()})
			}
			x.run(c)
		}
		x.run(loopback.Command{CDB: cdb.WriteFilemarks{Immed: true, Count: 1}.Append(nil)})
	})
}

func BenchmarkRead(b *testing.B) {
	speeds(b, func(b *testing.B, x *bench, l load) {
		for range min(b.N, lap) {
			x.run(loopback.Command{CDB: writeCDB(blockSize), Out: l.data})
		}
		c := loopback.Command{CDB: readCDB(blockSize), In: make([]byte, blockSize)}
		x.run(loopback.Command{CDB: rewind()})
		b.ResetTimer()
		for i := range b.N {
			if i > 0 && i%lap == 0 {
				x.run(loopback.Command{CDB: rewind()})
			}
			x.run(c)
		}
	})
}

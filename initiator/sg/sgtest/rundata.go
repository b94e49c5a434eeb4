package sgtest

import (
	"bytes"
	"math/rand/v2"
	"sync"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// blocks is the CDB that moves so many blocks at lba.
func blocks(op scsi.Opcode, lba uint64, n int) []byte {
	return cdb.ReadWrite{Opcode: op, LBA: lba, Blocks: uint32(n)}.Append(nil)
}

// most is how many blocks a command moves at most in this suite.
func (s *suite) most() int {
	most := int64(1 << 20)
	if n := s.dev.Info().MaxTransfer; n > 0 {
		most = min(most, n)
	}
	return int(min(most/int64(s.facts.BlockSize), int64(s.facts.Blocks)))
}

// pattern fills b with bytes that follow from n alone.
func pattern(b []byte, n int) {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16), 's', 'g'})
	r.Read(b)
}

// data: both ways, with each length of CDB, from one block to the most.
func (s *suite) data() {
	size := s.facts.BlockSize
	for i, c := range []struct {
		write, read scsi.Opcode
		n           int
	}{
		{scsi.OpWrite6, scsi.OpRead16, 1}, {scsi.OpWrite10, scsi.OpRead6, 3}, {scsi.OpWrite16, scsi.OpRead10, 8}, {scsi.OpWrite10, scsi.OpRead12, 128},
		{scsi.OpWrite16, scsi.OpRead16, s.most()},
	} {
		n := min(c.n, s.most())
		lba := uint64(i) % (s.facts.Blocks - uint64(n) + 1)
		out, in := s.memory(n*size), s.memory(n*size)
		x := s.call()
		if s.facts.Writable {
			pattern(out, i)
			s.good(x.set(blocks(c.write, lba, n), sg.Out, out).after(s.dev), 0)
			if x.Result.Residual != 0 {
				s.Errorf("a residual of %d after WRITE", x.Result.Residual)
			}
		} else {
			s.good(x.set(blocks(scsi.OpRead16, lba, n), sg.In, out).after(s.dev), n*size)
		}
		s.good(x.set(blocks(c.read, lba, n), sg.In, in).after(s.dev), n*size)
		s.same(c.read.String(), in, out)
	}
}

// unaligned: data need not lie on a boundary, and nothing beside it is touched.
func (s *suite) unaligned() {
	size := s.facts.BlockSize
	n := min(4, s.most())
	all := s.memory((n+2)*size + 8192)
	want := s.memory(n * size)
	x := s.call()
	if s.facts.Writable {
		pattern(want, 77)
		s.good(x.set(blocks(scsi.OpWrite10, 0, n), sg.Out, want).after(s.dev), 0)
	} else {
		s.good(x.set(blocks(scsi.OpRead10, 0, n), sg.In, want).after(s.dev), n*size)
	}
	for _, at := range []int{4096, 512, 8, 4, 1, 4095} {
		for i := range all {
			all[i] = 0xa5
		}
		mine := all[at:][: n*size : n*size]
		s.good(x.set(blocks(scsi.OpRead10, 0, n), sg.In, mine).after(s.dev), n*size)
		s.same("READ(10)", mine, want)
		if !filled(all[:at], 0xa5) || !filled(all[at+n*size:], 0xa5) {
			s.Errorf("at %d: bytes beside the data were written", at)
		}
		if !s.facts.Writable {
			continue
		}
		pattern(mine, at)
		copy(want, mine)
		s.good(x.set(blocks(scsi.OpWrite10, 0, n), sg.Out, mine).after(s.dev), 0)
	}
}

// filled reports that each byte of b is c.
func filled(b []byte, c byte) bool { return bytes.Count(b, []byte{c}) == len(b) }

// pastEnd: an error of the device is the device's, and moves nothing.
func (s *suite) pastEnd() {
	x := s.call().set(blocks(scsi.OpRead16, s.facts.Blocks, 1), sg.In, s.memory(s.facts.BlockSize))
	if sense := s.sense(x.after(s.dev)); sense.Key != scsi.KeyIllegalRequest || sense.ASC != scsi.ASCLBAOutOfRange {
		s.Errorf("a READ past the end: %v", sense)
	}
	if x.Result.Residual < 0 || x.Result.Residual > int64(s.facts.BlockSize) {
		s.Errorf("a residual of %d", x.Result.Residual)
	}
}

// many: more commands than the device takes, each with its own blocks, both ways.
func (s *suite) many() {
	const senders = 64
	each := int(min(s.facts.Blocks/senders, uint64(s.most()), 16))
	if each == 0 {
		s.Skip("it has too few blocks")
	}
	size := each * s.facts.BlockSize
	var wait sync.WaitGroup
	for i := range senders {
		wait.Go(func() {
			out, in, x := s.memory(size), s.memory(size), s.call()
			for round := range 8 {
				if s.facts.Writable {
					pattern(out, i<<8|round)
					if r := x.set(blocks(scsi.OpWrite10, uint64(i*each), each), sg.Out, out).do(s.dev); !r.Executed() || r.Status != scsi.Good {
						s.Errorf("WRITE: %+v", *r)
					}
				}
				if r := x.set(blocks(scsi.OpRead10, uint64(i*each), each), sg.In, in).do(s.dev); !r.Executed() || r.Status != scsi.Good {
					s.Errorf("READ: %+v", *r)
				}
				if s.facts.Writable {
					s.same("READ(10)", in, out)
				}
			}
		})
	}
	wait.Wait()
}

// givenBack: nobody touches the data of a command after Done.
func (s *suite) givenBack() {
	size := min(8, s.most()) * s.facts.BlockSize
	in := s.memory(size)
	x, y := s.call(), s.call()
	for range 50 {
		s.good(x.set(blocks(scsi.OpRead10, 0, size/s.facts.BlockSize), sg.In, in).after(s.dev), size)
		for i := range in {
			in[i] = 0x5a
		}
		s.good(y.set(make([]byte, 6), sg.None, nil).after(s.dev), 0)
		if !filled(in, 0x5a) {
			s.Fatal("the data was written after Done")
		}
	}
}

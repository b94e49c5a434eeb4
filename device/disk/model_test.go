package disk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// The disk against an array of bytes: every command that reads or changes the medium,
// on every way that data can take, with data-out in every shape.
func TestAgainstModel(t *testing.T) {
	const blocks = 5000 // more than one stripe of the locks
	for _, size := range []int{512, 4096} {
		for name, st := range kinds(t, int64(blocks*size)) {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				b := newBench(t, st, func(c *disk.Config) { c.BlockSize = size })
				sessions := []*loopback.Session{
					b.login(1, loopback.Options{}),
					b.login(2, loopback.Options{First: -1}),
					b.login(3, loopback.Options{First: 700}),
					b.login(4, loopback.Options{Later: true, Piece: 4000}),
				}
				m := &model{bs: size, mem: make([]byte, blocks*size)}
				rapid.Check(t, func(rt *rapid.T) {
					for range 4 {
						s := rapid.SampledFrom(sessions).Draw(rt, "session")
						m.step(t, rt, s)
					}
				})
				got := make([]byte, 0, len(m.mem))
				for lba := 0; lba < blocks; lba += 1000 {
					got = append(got, do(t, sessions[0], cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: uint64(lba), Blocks: 1000}.Append(nil), nil, 1000*size, scsi.Sense{})...)
				}
				if !bytes.Equal(got, m.mem) {
					t.Error("the medium differs in the end")
				}
			})
		}
	}
}

type model struct {
	bs  int
	mem []byte
}

func (m *model) blocks() int { return len(m.mem) / m.bs }

func (m *model) at(lba, n int) []byte { return m.mem[lba*m.bs : (lba+n)*m.bs] }

// data is n random blocks, often few different ones.
func (m *model) data(rt *rapid.T, n int) []byte {
	b := make([]byte, n*m.bs)
	kind := rapid.IntRange(0, 2).Draw(rt, "data")
	if kind == 0 {
		return b
	}
	one := make([]byte, m.bs)
	if kind == 2 {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		for i := 0; i < m.bs; i += 8 {
			binary.LittleEndian.PutUint64(one[i:], r.Uint64())
		}
	}
	for i := range n { // no two blocks alike
		copy(b[i*m.bs:], one)
		b[i*m.bs+i%m.bs] ^= byte(i + 1)
	}
	return b
}

func (m *model) step(t *testing.T, rt *rapid.T, s *loopback.Session) {
	longest := 300
	if m.bs == 4096 {
		longest = 600 // more than a MaxPiece
	}
	lba := rapid.IntRange(0, m.blocks()-1).Draw(rt, "lba")
	n := min(rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, longest)).Draw(rt, "blocks"), m.blocks()-lba)
	op := func(ops ...scsi.Opcode) scsi.Opcode { return rapid.SampledFrom(ops).Draw(rt, "opcode") }
	run := func(c, out []byte, in int, want scsi.Sense) []byte { return do(t, s, c, out, in, want) }
	u, k := uint64(lba), uint32(n)
	fua := rapid.IntRange(0, 4).Draw(rt, "fua") == 0
	switch rapid.IntRange(0, 9).Draw(rt, "command") {
	case 0, 1:
		c := cdb.ReadWrite{Opcode: op(scsi.OpRead10, scsi.OpRead12, scsi.OpRead16), LBA: u, Blocks: k, FUA: fua}
		if !bytes.Equal(run(c.Append(nil), nil, n*m.bs, scsi.Sense{}), m.at(lba, n)) {
			rt.Fatalf("%+v: wrong data", c)
		}
	case 2, 3:
		data := m.data(rt, n)
		c := cdb.ReadWrite{Opcode: op(scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16), LBA: u, Blocks: k, FUA: fua}
		run(c.Append(nil), data, 0, scsi.Sense{})
		copy(m.at(lba, n), data)
	case 4:
		data := m.data(rt, n)
		c := cdb.Verify{Opcode: op(scsi.OpWriteAndVerify10, scsi.OpWriteAndVerify12, scsi.OpWriteAndVerify16), LBA: u, Blocks: k, ByteCheck: 1}
		run(c.Append(nil), data, 0, scsi.Sense{})
		copy(m.at(lba, n), data)
	case 5:
		m.verify(rt, run, op(scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16), lba, n)
	case 6:
		m.same(rt, run, lba, n)
	case 7:
		one := min(3, n)
		list := cdb.AppendUnmapList(nil, cdb.UnmapRange{LBA: u, Blocks: k}, cdb.UnmapRange{LBA: 0, Blocks: uint32(one)})
		if _, thin := s.Nexus.ITLs()[0].Unit().LogicalUnit().(*disk.Disk); thin && run(cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), nil, 32, scsi.Sense{})[14]&0x80 != 0 {
			run(cdb.Unmap{Length: uint16(len(list))}.Append(nil), list, 0, scsi.Sense{})
			clear(m.at(lba, n))
			clear(m.at(0, one))
		}
	case 8:
		n = min(n, 200)
		m.compareAndWrite(rt, run, lba, n, fua)
	case 9:
		data := m.data(rt, n)
		run(cdb.ReadWrite{Opcode: scsi.OpORWrite16, LBA: u, Blocks: k, FUA: fua}.Append(nil), data, 0, scsi.Sense{})
		for to, i := m.at(lba, n), 0; i < len(data); i += 8 {
			binary.LittleEndian.PutUint64(to[i:], binary.LittleEndian.Uint64(to[i:])|binary.LittleEndian.Uint64(data[i:]))
		}
	}
}

type runner func(c, out []byte, in int, want scsi.Sense) []byte

func (m *model) verify(rt *rapid.T, run runner, op scsi.Opcode, lba, n int) {
	c := cdb.Verify{Opcode: op, LBA: uint64(lba), Blocks: uint32(n), ByteCheck: rapid.SampledFrom([]uint8{0, 1, 3}).Draw(rt, "bytchk")}
	var out []byte
	want := scsi.Sense{}
	switch c.ByteCheck {
	case 1:
		out = bytes.Clone(m.at(lba, n))
		if rapid.Bool().Draw(rt, "differs") {
			out[rapid.IntRange(0, len(out)-1).Draw(rt, "where")]++
			want = scsi.Miscompare(0)
		}
	case 3:
		out = bytes.Clone(m.at(lba, 1))
		for i := range n {
			if !bytes.Equal(m.at(lba+i, 1), out) {
				want = scsi.Miscompare(0)
			}
		}
	}
	run(c.Append(nil), out, 0, want)
}

func (m *model) same(rt *rapid.T, run runner, lba, n int) {
	c := cdb.WriteSame{Opcode: rapid.SampledFrom([]scsi.Opcode{scsi.OpWriteSame10, scsi.OpWriteSame16}).Draw(rt, "opcode"), LBA: uint64(lba), Blocks: uint32(n)}
	capacity := run(cdb.ReadCapacity{Opcode: scsi.OpServiceActionIn16, Allocation: 32}.Append(nil), nil, 32, scsi.Sense{})
	c.Unmap = capacity[14]&0x80 != 0 && rapid.Bool().Draw(rt, "unmap")
	c.NoData = c.Opcode == scsi.OpWriteSame16 && rapid.Bool().Draw(rt, "no data")
	data := m.data(rt, 1)
	if c.NoData {
		clear(data)
		run(c.Append(nil), nil, 0, scsi.Sense{})
	} else {
		run(c.Append(nil), data, 0, scsi.Sense{})
	}
	for i := range n {
		copy(m.at(lba+i, 1), data)
	}
}

func (m *model) compareAndWrite(rt *rapid.T, run runner, lba, n int, fua bool) {
	c := cdb.CompareAndWrite{LBA: uint64(lba), Blocks: uint8(n), FUA: fua}
	with := m.data(rt, n)
	out := append(bytes.Clone(m.at(lba, n)), with...)
	if rapid.Bool().Draw(rt, "differs") {
		out[rapid.IntRange(0, n*m.bs-1).Draw(rt, "where")] ^= 0x10
		run(c.Append(nil), out, 0, scsi.Miscompare(0))
		return
	}
	run(c.Append(nil), out, 0, scsi.Sense{})
	copy(m.at(lba, n), with)
}

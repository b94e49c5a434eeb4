package tape_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

func TestReadReverse(t *testing.T) {
	none := loaded(t, 10<<20, nil)
	none.ends([]byte{0x0f, 0, 0, 0, 10, 0}, nil, 10, scsi.InvalidOpcode(), 10)
	b := loaded(t, 100<<20, func(c *tape.Config) { c.Model.ReadReverse = true })
	written(b) // bbbmbbmmb, of 100 and more bytes
	turn := func(p []byte) []byte {
		p = slices.Clone(p)
		slices.Reverse(p)
		return p
	}
	reverse := func(n int, fixed, order, sili bool) []byte {
		return cdb.Transfer{Opcode: scsi.OpReadReverse6, Fixed: fixed, Order: order, SILI: sili, Length: uint32(n)}.Append(nil)
	}
	b.d.SetBlockLength(101)
	for _, c := range []struct {
		from     uint64
		cdb      []byte
		n        int
		want     scsi.Sense
		residual int64
		data     []byte
		at, file uint64
	}{
		{9, reverse(108, false, false, false), 108, scsi.Sense{}, 0, turn(block(8, 108)), 8, 3},
		{9, reverse(108, false, true, false), 108, scsi.Sense{}, 0, block(8, 108), 8, 3},
		{9, reverse(120, false, false, false), 120, ili(12), 12, turn(block(8, 108)), 8, 3},
		{9, reverse(120, false, false, true), 120, scsi.Sense{}, 12, turn(block(8, 108)), 8, 3},
		{9, reverse(50, false, false, false), 50, ili(-58), 0, turn(block(8, 108))[:50], 8, 3},
		{9, reverse(50, false, true, false), 50, ili(-58), 0, block(8, 108)[:50], 8, 3},
		{8, reverse(50, false, false, false), 50, mark(50), 50, nil, 7, 2},
		{0, reverse(50, false, false, false), 50, beginning(50), 50, nil, 0, 0},
		{2, reverse(1, true, false, false), 101, scsi.Sense{}, 0, turn(block(1, 101)), 1, 0},
		{2, reverse(2, true, false, false), 202, ili(1), 1, slices.Concat(turn(block(1, 101)), turn(block(0, 100))), 0, 0},
		{3, reverse(2, true, false, false), 202, ili(2), 101, turn(block(2, 102))[:101], 2, 0},
		{4, reverse(2, true, true, false), 202, mark(2), 202, nil, 3, 0},
		{3, reverse(0, false, false, false), 0, scsi.Sense{}, 0, nil, 3, 0},
	} {
		b.good(locate(c.from), nil, 0)
		if r := b.ends(c.cdb, nil, c.n, c.want, c.residual); !bytes.Equal(r.data, c.data) {
			t.Errorf("%x from %d: %x, want %x", c.cdb, c.from, r.data, c.data)
		}
		b.at(c.at, c.file)
	}
}

package tape_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// Every outcome of READ of blocks of any length: data, status, information, residue, position.
func TestReadVariable(t *testing.T) {
	for _, buffered := range []bool{true, false} {
		b := loaded(t, 100<<20, nil)
		data := block(1, 1000)
		b.good(writeCDB(1000), data, 0)
		b.good(marks(1), nil, 0)
		if !buffered {
			b.good(rewind(), nil, 0)
			b.good(space(cdb.SpaceEndOfData, 0), nil, 0)
		}
		for _, c := range []struct {
			name     string
			cdb      []byte
			n        int
			want     scsi.Sense
			residual int64
			got      int
			after    uint64
		}{
			{"equal", readCDB(1000), 1000, scsi.Sense{}, 0, 1000, 1},
			{"equal, SILI", readSILI(1000), 1000, scsi.Sense{}, 0, 1000, 1},
			{"short", readCDB(1500), 1500, ili(500), 500, 1000, 1},
			{"short, SILI", readSILI(1500), 1500, scsi.Sense{}, 500, 1000, 1},
			{"long", readCDB(600), 600, ili(-400), 0, 600, 1},
			{"long, SILI", readSILI(600), 600, scsi.Sense{}, 0, 600, 1},
			{"nothing", readCDB(0), 0, scsi.Sense{}, 0, 0, 0},
			{"no room", readCDB(1000), 400, scsi.Sense{}, -600, 400, 1},
		} {
			b.good(rewind(), nil, 0)
			r := b.ends(c.cdb, nil, c.n, c.want, c.residual)
			if !bytes.Equal(r.data, data[:c.got]) {
				t.Errorf("%s: %d bytes, want %d", c.name, len(r.data), c.got)
			}
			b.at(c.after, 0)
		}
		b.good(locate(1), nil, 0)
		if r := b.ends(readCDB(1000), nil, 1000, mark(1000), 1000); len(r.data) != 0 {
			t.Errorf("%d bytes with a filemark", len(r.data))
		}
		b.at(2, 1)
		for range 3 {
			if r := b.ends(readCDB(1000), nil, 1000, eod(1000), 1000); len(r.data) != 0 {
				t.Errorf("%d bytes at the end of data", len(r.data))
			}
			b.at(2, 1)
		}
	}
}

// A blank cartridge has no data, and no bytes come.
func TestReadBlank(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	for _, c := range [][]byte{readCDB(512), readSILI(512)} {
		if r := b.ends(c, nil, 512, eod(512), 512); len(r.data) != 0 {
			t.Errorf("%x: %d bytes", c, len(r.data))
		}
	}
	b.d.SetBlockLength(512)
	if r := b.ends(readFixed(3), nil, 1536, eod(3), 1536); len(r.data) != 0 {
		t.Errorf("%d bytes", len(r.data))
	}
	b.at(0, 0)
}

// SILI with a block that is longer is only for a block length of 0 (SSC-5).
func TestReadLongSILI(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.good(writeCDB(1000), block(1, 1000), 0)
	b.d.SetBlockLength(512)
	b.good(rewind(), nil, 0)
	b.ends(readSILI(600), nil, 600, ili(-400), 0)
}

// Every outcome of READ of blocks of a fixed length.
func TestReadFixed(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	b.d.SetBlockLength(512)
	data := block(1, 10*512)
	b.good(writeFixed(10), data, 0) // 0 to 9
	odd := block(2, 300)
	b.good(writeCDB(300), odd, 0) // 10
	long := block(3, 700)
	b.good(writeCDB(700), long, 0)       // 11
	b.good(marks(1), nil, 0)             // 12
	b.good(writeFixed(1), data[:512], 0) // 13
	for _, c := range []struct {
		from     uint64
		n        int
		want     scsi.Sense
		residual int64
		got      []byte
		at, file uint64
	}{
		{0, 10, scsi.Sense{}, 0, data, 10, 0},
		{2, 3, scsi.Sense{}, 0, data[1024:2560], 5, 0},
		{8, 5, ili(3), 3*512 - 300, slices.Concat(data[8*512:], odd), 11, 0},
		{10, 1, ili(1), 212, odd, 11, 0},
		{11, 2, ili(2), 512, long[:512], 12, 0},
		{12, 2, mark(2), 1024, nil, 13, 1},
		{13, 2, eod(1), 512, data[:512], 14, 1},
		{14, 2, eod(2), 1024, nil, 14, 1},
	} {
		b.good(locate(c.from), nil, 0)
		r := b.ends(readFixed(c.n), nil, c.n*512, c.want, c.residual)
		if !bytes.Equal(r.data, c.got) {
			t.Errorf("from %d: %d bytes, want %d", c.from, len(r.data), len(c.got))
		}
		b.at(c.at, c.file)
	}
	b.ends(cdb.Transfer{Opcode: scsi.OpRead6, Fixed: true, SILI: true, Length: 1}.Append(nil), nil, 512, scsi.InvalidFieldInCDB(1, 1), 512)
	b.d.SetBlockLength(0)
	b.ends(readFixed(1), nil, 512, scsi.InvalidFieldInCDB(1, 0), 512)
	b.ends(writeFixed(1), make([]byte, 512), 0, scsi.InvalidFieldInCDB(1, 0), 512)
}

// A fixed READ of many blocks goes out in pieces; distinct blocks come back as they were written.
func TestFixedPieces(t *testing.T) {
	b := loaded(t, 100<<20, func(c *tape.Config) { c.Buffer = 1 << 20 })
	b.d.SetBlockLength(4096)
	data := block(1, 3000*4096)
	b.good(writeFixed(3000), data, 0)
	b.good(rewind(), nil, 0)
	if got := b.good(readFixed(3000), nil, len(data)); !bytes.Equal(got, data) {
		t.Error("other data")
	}
	b.good(rewind(), nil, 0)
	r := b.ends(readFixed(3000), nil, 5000, scsi.Sense{}, 5000-int64(len(data)))
	if !bytes.Equal(r.data, data[:5000]) {
		t.Errorf("%d bytes", len(r.data))
	}
	b.at(3000, 0)
}

// What ends a READ of many blocks at the border of a piece of it, or just behind, is counted as anywhere else.
func TestFixedPiecesEnd(t *testing.T) {
	b := loaded(t, 100<<20, nil)
	const size, piece = 4096, 64 // blocks that are in memory at a time
	b.d.SetBlockLength(size)
	data := block(1, 2*piece*size)
	b.good(writeFixed(2*piece), data, 0)
	b.good(marks(1), nil, 0)
	b.good(writeFixed(piece), data[:piece*size], 0)
	odd := block(3, 100)
	b.good(writeCDB(100), odd, 0)
	b.good(rewind(), nil, 0)
	r := b.ends(readFixed(2*piece+10), nil, (2*piece+10)*size, mark(10), 10*size)
	if !bytes.Equal(r.data, data) {
		t.Errorf("%d bytes before the filemark", len(r.data))
	}
	b.at(2*piece+1, 1)
	r = b.ends(readFixed(piece+5), nil, (piece+5)*size, ili(5), 5*size-100)
	if !bytes.Equal(r.data, slices.Concat(data[:piece*size], odd)) {
		t.Errorf("%d bytes with the odd block", len(r.data))
	}
	b.at(3*piece+2, 1)
	b.ends(readFixed(5), nil, 5*size, eod(5), 5*size)
	b.good(locate(2*piece+1), nil, 0)
	b.good(readFixed(piece), nil, piece*size)
	b.good(rewind(), nil, 0)
	r = b.ends(readFixed(2*piece+10), nil, 100, mark(10), 100-2*piece*size) // the initiator has less room
	if !bytes.Equal(r.data, data[:100]) {
		t.Errorf("%d bytes", len(r.data))
	}
	b.good(rewind(), nil, 0)
	b.ends(readFixed(0xffffff), nil, (2*piece+10)*size, mark(0xffffff-2*piece), 10*size)
}

// Reading ahead changes nothing but the time: not the order, not the position, not what comes after it.
func TestReadAhead(t *testing.T) {
	b := loaded(t, 100<<20, func(c *tape.Config) { c.Buffer = 1 << 20 })
	const blocks = 200
	for i := range blocks {
		b.good(writeCDB(10000+i), block(i, 10000+i), 0)
		if i == 99 {
			b.good(marksImmed(1), nil, 0)
		}
	}
	b.good(rewind(), nil, 0)
	for i := range 50 {
		b.reads(block(i, 10000+i))
		if i%10 == 9 {
			b.at(uint64(i+1), 0)
		}
	}
	if b.arena.Outstanding() == 0 {
		t.Error("nothing was read ahead")
	}
	b.d.ForgetAhead()
	if n := b.arena.Outstanding(); n != 0 {
		t.Errorf("%d bytes are kept for nobody", n)
	}
	b.at(50, 0)
	b.reads(block(50, 10050))
	b.reads(block(51, 10051))
	b.reads(block(52, 10052))
	b.d.ForgetAhead()
	b.good(space(cdb.SpaceBlocks, -5), nil, 0)
	b.at(48, 0)
	for i := 48; i < 60; i++ {
		b.reads(block(i, 10000+i))
	}
	b.good(writeCDB(5), []byte("hello"), 0) // what follows is gone
	b.at(61, 0)
	b.ends(readCDB(5), nil, 5, eod(5), 5)
	b.good(locate(57), nil, 0)
	for i := 57; i < 60; i++ {
		b.reads(block(i, 10000+i))
	}
	b.reads([]byte("hello"))
	b.ends(readCDB(5), nil, 5, eod(5), 5)
	b.at(61, 0)
	if r := b.do(ready(), nil, 0); r.Err() != nil {
		t.Error(r.Err())
	}
}

package tape_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/internal/guard/guardtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// filed is a bench whose cartridge lies in files, with an initiator whose memory is lent.
func filed(t *testing.T, compress bool) (*bench, *loopback.Session) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cartridge")
	if err := medium.Create(dir, medium.Spec{Barcode: "LUN001L8", Serial: "1", Format: "L8", Maker: "LUNETTE", Capacity: 1 << 30}); err != nil {
		t.Skipf("SKIPPED: no cartridge in files: %v", err)
	}
	b := newBench(t, func(c *tape.Config) { c.Compression = medium.Fast })
	m, err := medium.Open(dir, medium.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.load(m)
	b.d.Set(func(s *tape.Setting) { s.Compress = compress })
	return b, b.login(2, loopback.Options{Lend: true, LendPiece: 4096})
}

// must runs a command that ends with GOOD.
func must(t *testing.T, s *loopback.Session, c loopback.Command) loopback.Result {
	t.Helper()
	r, err := s.Run(c)
	if err != nil || r.Err() != nil {
		t.Fatalf("%x: %v, %v", c.CDB, r.Err(), err)
	}
	return r
}

// Records that are kept as they were written are read into the initiator's memory, one after the other, and nothing is copied; records that
// are compressed are copied once.
func TestLentRead(t *testing.T) {
	const size, count = 256 << 10, 8
	for _, c := range []struct {
		name     string
		compress bool
		data     []byte
		copied   bool
	}{
		{"plain", false, block(1, size), false},
		{"compressed", true, bytes.Repeat([]byte("lunette!"), size/8), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, s := filed(t, c.compress)
			for range count {
				must(t, s, loopback.Command{CDB: writeCDB(size), Out: c.data})
			}
			moved := s.Moved()
			if moved != count*size {
				t.Errorf("%d bytes of %d were moved by WRITE: each is copied once", moved, count*size)
			}
			must(t, s, loopback.Command{CDB: rewind()})
			mem := guardtest.New(t, size)
			for i := range count {
				clear(mem.Mem)
				if r := must(t, s, loopback.Command{CDB: readCDB(size), In: mem.Mem}); r.In != size || !bytes.Equal(mem.Mem, c.data) {
					t.Fatalf("record %d: %d bytes, or other data", i, r.In)
				}
			}
			if n := s.Moved() - moved; (n != 0) != c.copied {
				t.Errorf("%d bytes were moved by READ", n)
			}
		})
	}
}

// Blocks of a fixed length, however they are kept.
func TestLentReadFixed(t *testing.T) {
	for _, length := range []int{512, 4096, 64 << 10} {
		_, s := filed(t, false)
		count := 1 << 20 / length
		data := block(3, count*length)
		must(t, s, loopback.Command{CDB: cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 12}.Append(nil),
			Out: []byte{3: 8, 9: byte(length >> 16), 10: byte(length >> 8), 11: byte(length)}})
		must(t, s, loopback.Command{CDB: cdb.Transfer{Opcode: scsi.OpWrite6, Fixed: true, Length: uint32(count)}.Append(nil), Out: data})
		must(t, s, loopback.Command{CDB: rewind()})
		moved := s.Moved()
		in := make([]byte, len(data))
		if r := must(t, s, loopback.Command{CDB: cdb.Transfer{Opcode: scsi.OpRead6, Fixed: true, Length: uint32(count)}.Append(nil), In: in}); r.In != int64(len(in)) || !bytes.Equal(in, data) {
			t.Errorf("blocks of %d: %d bytes, or other data", length, r.In)
		}
		if n := s.Moved() - moved; n != 0 {
			t.Errorf("blocks of %d: %d bytes were moved", length, n)
		}
	}
}

// Memory that is gone says nothing about the cartridge: the position stays, and the record can be read.
func TestLentReadGone(t *testing.T) {
	const size = 256 << 10
	for _, compress := range []bool{false, true} {
		b, s := filed(t, compress)
		data := block(1, size)
		must(t, s, loopback.Command{CDB: writeCDB(size), Out: data})
		mem := guardtest.New(t, size)
		for _, left := range []int{0, guardtest.Page} {
			must(t, s, loopback.Command{CDB: rewind()})
			mem.Cut(left)
			r, err := s.Run(loopback.Command{CDB: readCDB(size), In: mem.Mem})
			if err != nil || r.Sense.Key != scsi.KeyAbortedCommand || r.Sense.ASC != scsi.ASCDataInBufferError {
				t.Fatalf("%d bytes are left: %+v, %v", left, r, err)
			}
			mem.Cut(size)
			if r := must(t, s, loopback.Command{CDB: readCDB(size), In: mem.Mem}); r.In != size || !bytes.Equal(mem.Mem, data) {
				t.Fatal("with memory again: other data")
			}
		}
		if st := b.d.Status(); len(st.Alerts) != 0 {
			t.Errorf("alerts %v", st.Alerts)
		}
	}
}

package optical_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/loopback"
)

// An image that ends within a block is read to its end, with zeros behind that.
func TestPartOfABlock(t *testing.T) {
	for _, more := range []int64{512, 1024, 1536} {
		s := memoryStore(t, 40*optical.BlockSize+more)
		data := fill(t, s, 3)
		b := newBench(t, &optical.Disc{Store: s, Label: "hybrid"}, nil)
		x := b.login(1, loopback.Options{})
		want := append(bytes.Clone(data), make([]byte, optical.BlockSize-more)...)
		capacity := do(t, x, cdb.ReadCapacity{Opcode: scsi.OpReadCapacity10}.Append(nil), nil, 8, good)
		if !bytes.Equal(capacity, []byte{0, 0, 0, 40, 0, 0, 8, 0}) {
			t.Errorf("%d bytes more: capacity %x", more, capacity)
		}
		for _, from := range []int{0, 17, 39, 40} {
			if got := do(t, x, readCDB(uint64(from), uint32(41-from)), nil, (41-from)*optical.BlockSize, good); !bytes.Equal(got, want[from*optical.BlockSize:]) {
				t.Errorf("%d bytes more: blocks from %d on are others", more, from)
			}
		}
		do(t, x, readCDB(40, 2), nil, 2*optical.BlockSize, scsi.LBAOutOfRange())
		b.close()
	}
	b := newBench(t, nil, nil)
	d := &optical.Disc{Store: memoryStore(t, 5*optical.BlockSize+512), Label: "blank", Writable: true}
	if err := b.drive.Load(t.Context(), d, false); err == nil || !strings.Contains(err.Error(), "truncate -s 12288") {
		t.Error(err)
	}
	if err := d.Store.Close(); err != nil { // it is still the caller's
		t.Error(err)
	}
}

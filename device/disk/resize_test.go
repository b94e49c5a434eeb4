package disk_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A disk that is resized has the new capacity, keeps what it had, and tells every initiator once.
func TestResize(t *testing.T) {
	for _, size := range []int{512, 4096} {
		b := newBench(t, memoryStore(t, 1<<20), func(c *disk.Config) { c.BlockSize = size })
		sessions := []*loopback.Session{b.login(1, loopback.Options{}), b.login(2, loopback.Options{})}
		data := bytes.Repeat([]byte("lunette!"), 512)
		do(t, sessions[0], writeCDB(0, uint32(4096/size)), data, 0, scsi.Sense{})
		resize := func(bytes int64, want error) {
			t.Helper()
			if err := b.unit.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := b.disk.Resize(t.Context(), bytes)
			b.unit.Resume()
			if !errors.Is(err, want) {
				t.Fatalf("%d bytes: %v", bytes, err)
			}
		}
		ready := func(s *loopback.Session) scsi.ASC {
			r, _, err := s.Do(t.Context(), 0, cdb.AppendTestUnitReady(nil), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			return r.Sense.ASC
		}
		for _, n := range []int64{2 << 20, 1<<19 + 512, 1 << 20} {
			resize(n, nil)
			blocks := uint64(n) / uint64(size)
			if b.disk.Blocks() != blocks || b.disk.StoreInfo().Size != n {
				t.Errorf("%d bytes: %d blocks on %d bytes", n, b.disk.Blocks(), b.disk.StoreInfo().Size)
			}
			for _, s := range sessions {
				if asc := ready(s); asc != scsi.ASCCapacityDataChanged {
					t.Errorf("%d bytes: %v is told", n, asc)
				}
				if asc := ready(s); asc != 0 {
					t.Errorf("%d bytes: %v is told as well", n, asc)
				}
				do(t, s, readCDB(blocks-1, 1), nil, size, scsi.Sense{})
				do(t, s, readCDB(blocks, 1), nil, size, scsi.LBAOutOfRange())
				if got := do(t, s, readCDB(0, uint32(4096/size)), nil, 4096, scsi.Sense{}); !bytes.Equal(got, data) {
					t.Errorf("%d bytes: it holds something else", n)
				}
			}
		}
		resize(1<<20, nil) // as it is
		resize(0, nil)
		resize(-512, store.ErrNotSupported)
		resize(256, store.ErrNotSupported)
		for _, s := range sessions {
			if asc := ready(s); asc != 0 {
				t.Errorf("nothing has changed, but %v is told", asc)
			}
		}
		b.close()
	}
	b := newBench(t, waiting{memoryStore(t, 1<<20)}, nil)
	if err := b.disk.Resize(t.Context(), 2<<20); !errors.Is(err, store.ErrNotSupported) {
		t.Errorf("a store that cannot: %v", err)
	}
}

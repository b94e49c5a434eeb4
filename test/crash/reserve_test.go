//go:build crash

package crash

import (
	"encoding/binary"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// TestReservationsSurvive kills the daemon while an initiator registers one key after the other with
// APTPL. What is there afterwards is the last key that was answered, or the one that was under way.
func TestReservationsSurvive(t *testing.T) {
	path, disk, addr := program(t), filepath.Join(t.TempDir(), "disk"), freeAddr(t)
	r := random(t)
	key := uint64(0)
	var answered atomic.Uint64
	for round := range number(t, "CRASH_ROUNDS", 12) {
		d, err := serve(path, disk, addr, 512, "--size", "1M")
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(addr, 1)
		if err != nil {
			d.kill()
			t.Fatal(err)
		}
		in := make([]byte, 255)
		got, err := c.Do(0, cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 255}.Append(nil), nil, in)
		if err != nil || got.Status != scsi.Good {
			d.kill()
			t.Fatalf("%v, %v", got, err)
		}
		var keys []uint64
		for at := 8; at < 8+int(binary.BigEndian.Uint32(in[4:])); at += 8 {
			keys = append(keys, binary.BigEndian.Uint64(in[at:]))
		}
		a := answered.Load()
		if a != 0 && !slices.Equal(keys, []uint64{a}) && !slices.Equal(keys, []uint64{a + 1}) {
			t.Errorf("round %d: keys %v, and %d was answered last", round, keys, a)
		}
		if len(keys) == 1 {
			key = keys[0]
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for {
				list := cdb.PersistentList{ActionKey: key + 1, Persist: true}.Append(nil)
				out := cdb.PersistentOut{Action: scsi.ActionRegisterAndIgnoreExistingKey, Length: uint32(len(list))}.Append(nil)
				if got, err := c.Do(0, out, list, nil); err != nil || got.Status != scsi.Good {
					return
				}
				key++
				answered.Store(key)
			}
		}()
		for first := answered.Load(); answered.Load() < first+3; {
			select {
			case <-ended:
				d.kill()
				t.Fatalf("round %d: the registrations ended: %s", round, &d.printed)
			default:
				time.Sleep(time.Millisecond)
			}
		}
		time.Sleep(time.Duration(r.IntN(20000)) * time.Microsecond)
		d.kill()
		<-ended
		_ = c.Close()
	}
	t.Logf("%d registrations", answered.Load())
}

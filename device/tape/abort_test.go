package tape_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// tagged is a block that says whose it is.
func tagged(who, n, size int) []byte {
	b := bytes.Repeat([]byte{byte(who + n)}, size)
	binary.BigEndian.PutUint16(b, uint16(who))
	binary.BigEndian.PutUint32(b[2:], uint32(n))
	return b
}

// Commands of several initiators are aborted and the unit is reset, at every moment, while the robot takes the cartridge and brings
// it back: what was answered GOOD is there, whole, in the order in which each initiator has sent it, and nothing is there in part.
func TestAborts(t *testing.T) {
	b := loaded(t, 1<<30, func(c *tape.Config) { c.Buffer, c.Compression = 100<<10, medium.Fast })
	const initiators, rounds = 3, 150
	good := make([]map[int]bool, initiators)
	var all sync.WaitGroup
	for who, opt := range []loopback.Options{{First: -1}, {Later: true, Piece: 900}, {First: 1000, Later: true}} {
		s := b.login(byte(10+who), opt)
		good[who] = map[int]bool{}
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(who), 1))
			for n := 0; n < rounds; {
				var sent []loopback.Pending
				first := n
				for range 1 + r.IntN(6) {
					size := 6 + r.IntN(20000)
					sent = append(sent, s.Start(loopback.Command{CDB: writeCDB(size), Out: tagged(who, n, size)}))
					n++
				}
				if r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(200)) * time.Microsecond)
					switch r.IntN(12) {
					case 0:
						s.Manage(target.ResetLogicalUnit, 0, 0)
					case 1:
						s.Manage(target.AbortTaskSet, 0, 0)
					default:
						s.Manage(target.AbortTask, 0, sent[r.IntN(len(sent))].Tag())
					}
				}
				for i, p := range sent {
					x, err := p.Wait(t.Context())
					switch {
					case err == nil && x.Status == scsi.Good:
						good[who][first+i] = true
					case err == nil && x.Sense.Key != scsi.KeyUnitAttention && x.Sense.Key != scsi.KeyNotReady, err != nil && !errors.Is(err, loopback.ErrDropped):
						t.Errorf("%v %v", x.Err(), err)
					}
				}
			}
		})
	}
	stop := make(chan struct{})
	var robot sync.WaitGroup
	robot.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			m, err := b.d.Unload(t.Context(), true)
			if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(100 * time.Microsecond)
			b.d.Release(m)
			time.Sleep(time.Millisecond)
			b.d.Status()
		}
	})
	all.Wait()
	close(stop)
	robot.Wait()
	b.calm(b.s)
	_, end, _, _ := b.position()
	b.good(rewind(), nil, 0)
	last := make([]int, initiators)
	seen := make([]map[int]bool, initiators)
	for i := range last {
		last[i], seen[i] = -1, map[int]bool{}
	}
	for range end {
		x := b.do(readSILI(30000), nil, 30000)
		if x.Err() != nil || len(x.data) < 6 {
			t.Fatalf("%v, %d bytes", x.Err(), len(x.data))
		}
		who, n := int(binary.BigEndian.Uint16(x.data)), int(binary.BigEndian.Uint32(x.data[2:]))
		if who >= initiators || !bytes.Equal(x.data, tagged(who, n, len(x.data))) {
			t.Fatalf("block %d of %d is damaged", n, who)
		}
		if n <= last[who] {
			t.Errorf("block %d of %d comes after %d", n, who, last[who])
		}
		last[who], seen[who][n] = n, true
	}
	b.ends(readCDB(10), nil, 10, eod(10), 10)
	for who := range good {
		for n := range good[who] {
			if !seen[who][n] {
				t.Errorf("block %d of %d was answered GOOD, and is not there", n, who)
			}
		}
	}
}

// READs are aborted while their data goes out in pieces, and while the drive reads ahead: the position is one that READ POSITION and
// the next READ agree upon.
func TestAbortedReads(t *testing.T) {
	b := loaded(t, 1<<30, func(c *tape.Config) { c.Buffer = 100 << 10 })
	const blocks = 500
	for i := range blocks {
		b.good(writeCDB(4096), tagged(0, i, 4096), 0)
	}
	b.d.SetBlockLength(4096)
	paced := b.login(2, loopback.Options{Pace: true})
	r := rand.New(rand.NewPCG(3, 3))
	for range 200 {
		b.good(locate(uint64(r.IntN(100))), nil, 0)
		c := loopback.Command{CDB: readFixed(300), In: make([]byte, 300*4096)}
		if r.IntN(2) == 0 {
			for range r.IntN(6) {
				b.good(readCDB(4096), nil, 4096)
			}
			c = loopback.Command{CDB: readCDB(4096), In: make([]byte, 4096)}
		}
		p := paced.Start(c)
		time.Sleep(time.Duration(r.IntN(100)) * time.Microsecond)
		paced.Manage(target.AbortTask, 0, p.Tag())
		if x, err := p.Wait(t.Context()); err != nil && !errors.Is(err, loopback.ErrDropped) || err == nil && x.Err() != nil {
			t.Fatal(err, x.Err())
		}
		_, object, _, _ := b.position()
		b.reads(tagged(0, int(object), 4096))
		b.good(cdb.WriteFilemarks{}.Append(nil), nil, 0)
	}
}

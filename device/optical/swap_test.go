package optical_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/optical"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/filter/fault"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// numbered is a disc whose blocks all begin with number.
func numbered(t testing.TB, number uint32, name string, closed *atomic.Int32) *optical.Disc {
	t.Helper()
	s := way(t, name, 256*2048)
	arena := buffer.NewArena(4 << 20)
	l, err := arena.Get(256 * 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 2048)
	binary.BigEndian.PutUint32(block, number)
	for i := range int64(256) {
		l.Copy(i*2048, block)
	}
	if err := s.WriteAt(context.Background(), l, 0, 0); err != nil {
		t.Fatal(err)
	}
	l.Release()
	if err := arena.Close(); err != nil {
		t.Fatal(err)
	}
	return &optical.Disc{Store: s, Label: fmt.Sprint(number), Close: func() error {
		err := s.Close()
		if err == nil {
			closed.Add(1)
		}
		return err
	}}
}

// Discs are swapped while initiators read: each command sees one disc, no initiator sees another before it was told, and each disc is closed once.
func TestSwapsUnderLoad(t *testing.T) {
	for _, name := range []string{"lending", "waiting", "submitting", "trying"} {
		t.Run(name, func(t *testing.T) {
			var closed atomic.Int32
			b := newBench(t, numbered(t, 0, name, &closed), nil)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			for i := range byte(4) {
				s := b.login(i, loopback.Options{Pace: i%2 == 1})
				wg.Go(func() {
					last, told := uint32(0), false
					for {
						select {
						case <-stop:
							return
						default:
						}
						in := make([]byte, 256*2048)
						r, err := s.Run(loopback.Command{CDB: readCDB(0, 256), In: in})
						if err != nil {
							t.Error(err)
							return
						}
						if r.Status != scsi.Good {
							if r.Sense.Key != scsi.KeyUnitAttention && r.Sense.ASC != scsi.ASCMediumNotPresentTrayOpen && r.Sense.ASC != scsi.ASCMediumNotPresentTrayClosed && r.Status != scsi.Busy {
								t.Errorf("%v %v", r.Status, r.Sense)
							}
							told = told || r.Sense.ASC == scsi.ASCMediumMayHaveChanged
							continue
						}
						first := binary.BigEndian.Uint32(in)
						for i := range 256 {
							if n := binary.BigEndian.Uint32(in[i*2048:]); n != first {
								t.Errorf("a command has read blocks of discs %d and %d", first, n)
								return
							}
						}
						if first < last {
							t.Errorf("disc %d is there after %d", first, last)
						}
						if first != last && !told {
							t.Errorf("disc %d is there after %d, and nobody has said so", first, last)
						}
						last, told = first, false
						if i == 0 {
							for _, c := range [][]byte{eject, load} {
								r, err := s.Run(loopback.Command{CDB: c})
								if err != nil {
									t.Error(err)
								}
								told = told || r.Sense.ASC == scsi.ASCMediumMayHaveChanged
							}
						}
					}
				})
			}
			const swaps = 60
			for i := uint32(1); i <= swaps; i++ {
				if err := b.drive.Load(t.Context(), numbered(t, i, name, &closed), false); err != nil {
					t.Fatal(err)
				}
			}
			close(stop)
			wg.Wait()
			b.close()
			if n := closed.Load(); n != swaps+1 {
				t.Errorf("%d of %d discs were closed", n, swaps+1)
			}
		})
	}
}

// A write whose initiator owes data does not hold up a swap, and ends when its data comes: it does not reach the disc that came
// meanwhile.
func TestSwapDuringWrite(t *testing.T) {
	b := newBench(t, &optical.Disc{Store: way(t, "waiting", 1<<20), Writable: true, Label: "old"}, nil)
	never := b.login(1, loopback.Options{Never: true})
	p := never.Start(loopback.Command{CDB: writeCDB(0, 8), Out: bytes.Repeat([]byte{1}, 8*2048)})
	d := blank(t, 1<<20)
	if err := b.drive.Load(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	s := b.login(2, loopback.Options{})
	if got := do(t, s, readCDB(0, 8), nil, 8*2048, good); !bytes.Equal(got, make([]byte, 8*2048)) {
		t.Error("what was written to the old disc is on the new one")
	}
	if err := b.all[0].Close(); err != nil {
		t.Fatal(err)
	}
	b.all = b.all[1:]
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Error(err)
	}
}

// slow is a store of which nothing is known to be durable, and that counts flushes.
type counting struct {
	waiting
	flushes atomic.Int32
	fails   atomic.Bool
}

func (s *counting) Flush(ctx context.Context) error {
	s.flushes.Add(1)
	if s.fails.Load() {
		return store.ErrMedium
	}
	return s.Store.Flush(ctx)
}

// What was written is durable before a disc leaves, whoever takes it out. If it cannot be, the disc stays, but by force.
func TestDurableBeforeItLeaves(t *testing.T) {
	c := &counting{waiting: waiting{memoryStore(t, 1<<20)}}
	b := newBench(t, &optical.Disc{Store: c, Writable: true, Label: "disc"}, nil)
	s := b.login(1, loopback.Options{})
	do(t, s, writeCDB(0, 1), make([]byte, 2048), 0, good)
	c.fails.Store(true)
	do(t, s, eject, nil, 0, scsi.NewSense(scsi.KeyMediumError, scsi.ASCWriteError))
	do(t, s, ready, nil, 0, good)
	if err := b.drive.Eject(t.Context(), false); err == nil {
		t.Error("ejected")
	}
	do(t, s, ready, nil, 0, good)
	d, _ := disc(t, 1<<20, 1)
	if err := b.drive.Load(t.Context(), d, false); err == nil {
		t.Error("another disc was put in its place")
	}
	c.fails.Store(false)
	n := c.flushes.Load()
	do(t, s, eject, nil, 0, good)
	if c.flushes.Load() == n {
		t.Error("what was written is not durable")
	}
	do(t, s, load, nil, 0, good)
	c.fails.Store(true)
	if err := b.drive.Load(t.Context(), d, true); err != nil {
		t.Error(err)
	}
}

// A store that fails is a disc that cannot be read: at that block, not the drive.
func TestFaultyDisc(t *testing.T) {
	f := fault.New(memoryStore(t, 1<<20), 1, fault.Rule{Ops: fault.Read, Off: 100 * 2048, Len: 2048, Err: store.ErrMedium})
	b := newBench(t, &optical.Disc{Store: f}, nil)
	s := b.login(1, loopback.Options{})
	do(t, s, readCDB(0, 100), nil, 100*2048, good)
	do(t, s, readCDB(90, 20), nil, 20*2048, scsi.UnrecoveredReadError(0))
	do(t, s, cdb.ReadCD{Opcode: scsi.OpReadCD, LBA: 90, Blocks: 20, Parts: cdb.PartUser | cdb.PartECC}.Append(nil), nil, 20*2336, scsi.UnrecoveredReadError(0))
	do(t, s, cdb.Verify{Opcode: scsi.OpVerify10, LBA: 100, Blocks: 1}.Append(nil), nil, 0, scsi.UnrecoveredReadError(0))
	do(t, s, ready, nil, 0, good)
	if n := b.drive.Status().Errors; n < 3 {
		t.Errorf("%d errors are counted", n)
	}
	f.Set(fault.Rule{Ops: fault.Read, Err: store.ErrUnavailable})
	do(t, s, readCDB(0, 1), nil, 2048, scsi.NotReady(scsi.ASCBecomingReady))
	do(t, s, ready, nil, 0, scsi.NotReady(scsi.ASCBecomingReady))
	f.Set()
	do(t, s, ready, nil, 0, good)
}

// stuck is a store whose reads wait for their context or for leave.
type stuck struct {
	waiting
	leave chan struct{}
}

func (s stuck) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	select {
	case <-s.leave:
		return s.Store.ReadAt(ctx, into, off)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A swap waits for commands that read, as long as people wait; then nothing has changed.
func TestSwapGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := stuck{waiting{memoryStore(t, 1<<20)}, make(chan struct{})}
		b := newBench(t, &optical.Disc{Store: st, Label: "stuck"}, nil)
		defer b.close()
		s := b.login(1, loopback.Options{})
		p := s.Start(loopback.Command{CDB: readCDB(0, 1), In: make([]byte, 2048)})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		d, _ := disc(t, 1<<20, 1)
		if err := b.drive.Load(ctx, d, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if st := b.drive.Status(); st.Label != "stuck" || st.Open {
			t.Errorf("%+v", st)
		}
		close(st.leave)
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Error(r, err)
		}
		if err := b.drive.Load(t.Context(), d, false); err != nil {
			t.Error(err)
		}
	})
}

// A model of the drive for several nexuses: whatever they and people do, each is told the same story.
func TestModel(t *testing.T) {
	const nexuses = 3
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		b := newBench(t, nil, nil)
		var all [nexuses]*loopback.Session
		for i := range all {
			all[i] = b.login(byte(i), loopback.Options{})
		}
		var (
			disc, open        bool
			plain, persistent [nexuses]bool
			attention         [nexuses]bool
			mail              [nexuses][]uint8
		)
		any := func(b [nexuses]bool) bool { return b != [nexuses]bool{} }
		tell := func(code uint8) {
			for i := range mail {
				if n := len(mail[i]); code == page.MediaEject && n > 0 && mail[i][n-1] == code {
					continue
				}
				mail[i] = append(mail[i], code)
				if len(mail[i]) > 8 {
					mail[i] = mail[i][1:]
				}
			}
		}
		present := func() {
			tell(page.MediaNew)
			for i := range attention {
				attention[i] = true
			}
		}
		// run is a command of nexus i that tells unit attentions.
		run := func(i int, c []byte, want scsi.Sense) {
			t.Helper()
			if attention[i] {
				attention[i], want = false, changed
			}
			do(t, all[i], c, nil, 0, want)
		}
		number := uint32(0)
		for range 400 {
			i := rnd.IntN(nexuses)
			switch rnd.IntN(9) {
			case 0: // eject by an initiator
				switch {
				case attention[i]:
					run(i, eject, good)
				case open:
					run(i, eject, good)
				case any(plain):
					run(i, eject, prevented)
				default:
					run(i, eject, good)
					open = true
					if disc {
						tell(page.MediaRemoved)
					}
				}
			case 1: // load by one
				was := attention[i]
				run(i, load, good)
				if !was && open {
					if open = false; disc {
						present()
					}
				}
			case 2, 3:
				bits := uint8(rnd.IntN(4))
				was := attention[i]
				run(i, prevent(bits), good)
				if was {
					break
				}
				if bits&2 != 0 {
					persistent[i] = bits&1 != 0
				} else {
					plain[i] = bits&1 != 0
				}
			case 4: // people eject
				force := rnd.IntN(3) == 0
				err := b.drive.Eject(t.Context(), force)
				switch {
				case !disc:
					if !errors.Is(err, optical.ErrEmpty) {
						t.Fatal(err)
					}
				case !open && !force && (any(plain) || any(persistent)):
					if !errors.Is(err, optical.ErrPrevented) {
						t.Fatal(err)
					}
					tell(page.MediaEject)
				default:
					if err != nil {
						t.Fatal(err)
					}
					if !open {
						tell(page.MediaRemoved)
					}
					disc, open = false, true
				}
			case 5: // people load
				number++
				var closed atomic.Int32
				d := numbered(t, number, "lending", &closed)
				force := rnd.IntN(3) == 0
				err := b.drive.Load(t.Context(), d, force)
				if disc && !open && !force && (any(plain) || any(persistent)) {
					if !errors.Is(err, optical.ErrPrevented) || !strings.Contains(err.Error(), "iqn.host") {
						t.Fatal(err)
					}
					tell(page.MediaEject)
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if disc && !open {
					tell(page.MediaRemoved)
				}
				disc, open = true, false
				present()
			case 6: // an initiator asks for events
				want, status := uint8(page.MediaNone), uint8(0)
				if len(mail[i]) > 0 {
					want, mail[i] = mail[i][0], mail[i][1:]
				}
				switch {
				case open:
					status = page.MediaTrayOpen
				case disc:
					status = page.MediaPresent
				}
				expectMedia(t, all[i], want, status)
			case 7:
				switch {
				case open:
					run(i, ready, noneOpen)
				case !disc:
					run(i, ready, noneClosed)
				default:
					run(i, ready, good)
				}
			case 8: // a reset lets everybody allow it
				if rnd.IntN(10) != 0 {
					break
				}
				if r := all[i].Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
					t.Fatal(r)
				}
				plain, persistent = [nexuses]bool{}, [nexuses]bool{}
				for i := range all {
					b.calm(all[i])
				}
				attention = [nexuses]bool{}
			}
			if st := b.drive.Status(); st.Open != open || (st.Label != "") != disc {
				t.Fatalf("%+v, want open %v, disc %v", st, open, disc)
			}
		}
		b.close()
	}
}

// What comes while discs are swapped was sent for the disc that leaves: it is told of the swap, and neither reads nor writes the new one.
func TestWaitingCommandsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := stuck{waiting{memoryStore(t, 1<<20)}, make(chan struct{})}
		b := newBench(t, &optical.Disc{Store: st, Label: "old", Writable: true}, nil)
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		under := s.Start(loopback.Command{CDB: readCDB(0, 1), In: make([]byte, 2048)})
		synctest.Wait()
		ended := make(chan error)
		go func() { ended <- b.drive.Load(t.Context(), blank(t, 1<<20), false) }()
		synctest.Wait()
		write := other.Start(loopback.Command{CDB: writeCDB(0, 1), Out: bytes.Repeat([]byte{1}, 2048)})
		read := s.Start(loopback.Command{CDB: readCDB(0, 1), In: make([]byte, 2048)})
		synctest.Wait()
		close(st.leave)
		if r, err := under.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Error(r, err)
		}
		for _, p := range []loopback.Pending{write, read} {
			if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.CheckCondition || r.Sense != changed {
				t.Error(r.Status, r.Sense, err)
			}
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := do(t, s, readCDB(0, 1), nil, 2048, good); !bytes.Equal(got, make([]byte, 2048)) {
			t.Error("what was written to the old disc is on the new one")
		}
	})
}

// An initiator that does not take what it reads holds up a swap, and so all other initiators, for a short time only.
func TestSwapWhileDataIsNotTaken(t *testing.T) {
	for _, name := range []string{"waiting", "submitting"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, &optical.Disc{Store: way(t, name, 4<<20), Label: "old"}, nil)
				defer b.close()
				s := b.login(1, loopback.Options{Untaken: true})
				p := s.Start(loopback.Command{CDB: readCDB(0, 2048), In: make([]byte, 4<<20)})
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				d, _ := disc(t, 1<<20, 1)
				if err := b.drive.Load(ctx, d, false); err != nil {
					t.Error(err)
					if err := s.Close(); err != nil {
						t.Error(err)
					}
					return
				}
				if _, err := p.Wait(ctx); !errors.Is(err, loopback.ErrDropped) || s.Overdues() == 0 {
					t.Error(err)
				}
			})
		})
	}
}

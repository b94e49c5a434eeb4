//go:build crash

package crash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/device/optical"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// Each disc of the tests has so many blocks. The first says which disc it is, and is never written.
const (
	discBlocks = 2048
	discs      = 3
	most       = 64 // blocks of a WRITE
)

// A shelfOfDiscs are discs that can be written, each with what must be on it.
type shelfOfDiscs struct {
	ledgers [discs]*ledger
	swaps   atomic.Int64
	ejects  atomic.Int64
}

func newShelf(survives bool) *shelfOfDiscs {
	s := new(shelfOfDiscs)
	for i := range s.ledgers {
		s.ledgers[i] = newLedger(discBlocks)
		s.ledgers[i].survives = survives
	}
	return s
}

// blankDisc is what is on a disc at first.
func blankDisc(number int) []byte {
	b := make([]byte, discBlocks*optical.BlockSize)
	b[0] = byte(1 + number)
	return b
}

// check says what is wrong with a disc after a crash.
func (s *shelfOfDiscs) check(number int, data []byte) (wrong []error) {
	if len(data) != discBlocks*optical.BlockSize || data[0] != byte(1+number) {
		return []error{fmt.Errorf("disc %d has %d bytes, and says that it is disc %d", number, len(data), data[0]-1)}
	}
	for _, err := range s.ledgers[number].restart(1, data[optical.BlockSize:], optical.BlockSize) {
		wrong = append(wrong, fmt.Errorf("disc %d: %w", number, err))
	}
	return wrong
}

// A burner is an initiator that writes to whichever disc is in the drive, one command after the other.
type burner struct {
	*shelfOfDiscs
	conn *initiator.Conn
	rand *rand.Rand
}

// errOtherDisc: what was in the drive is not there any more, or is another. The command was not done, or not all of it.
var errOtherDisc = errors.New("another disc, or none")

// do does a command. [errOtherDisc]: began says whether some of it may have been done.
func (b *burner) do(cdb, out, in []byte) (began bool, err error) {
	r, err := b.conn.Do(0, cdb, out, in)
	if err != nil {
		return true, err
	}
	switch s := r.Sense(); {
	case r.Status == scsi.Good:
		return true, nil
	case r.Status == scsi.CheckCondition && s.Key == scsi.KeyUnitAttention, r.Status == scsi.Busy:
		return false, errOtherDisc
	case r.Status == scsi.CheckCondition && s.Key == scsi.KeyNotReady:
		return true, errOtherDisc
	case r.Status == scsi.CheckCondition && s.Key == scsi.KeyMediumError:
		return true, errMedium
	default:
		return true, wrongf("%v ended with %v, %v", scsi.Opcode(cdb[0]), r.Status, s)
	}
}

// errMedium is a write or a flush that the store has failed.
var errMedium = errors.New("the medium has failed")

// run writes until the connection ends. An error is a wrong answer.
func (b *burner) run() error {
	for {
		err := b.disc()
		if wrong := (wrongError{}); errors.As(err, &wrong) {
			return err
		}
		switch {
		case errors.Is(err, errOtherDisc):
			time.Sleep(100 * time.Microsecond)
		case err != nil:
			return ended(err)
		}
	}
}

// disc finds out which disc is in the drive, and uses it for as long as it is there.
func (b *burner) disc() error {
	in := make([]byte, optical.BlockSize)
	if _, err := b.do([]byte{byte(scsi.OpRead10), 0, 0, 0, 0, 0, 0, 0, 1, 0}, nil, in); err != nil {
		return err
	}
	if in[0] == 0 || in[0] > discs {
		return wrongf("there is a disc that says that it is disc %d", int(in[0])-1)
	}
	l := b.ledgers[in[0]-1]
	for {
		var err error
		switch k := b.rand.IntN(24); {
		case k < 2:
			err = b.flush(l, []byte{byte(scsi.OpSynchronizeCache10), 0, 0, 0, 0, 0, 0, 0, 0, 0})
		case k == 2:
			err = b.flush(l, []byte{byte(scsi.OpCloseTrackSession), 0, 2, 0, 0, 0, 0, 0, 0, 0})
		case k == 3:
			err = b.flush(l, []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 0, 0})
		case k == 4 && b.rand.IntN(4) == 0:
			if err = b.flush(l, []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 2, 0}); err == nil {
				b.ejects.Add(1)
				_, err = b.do([]byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 3, 0}, nil, nil)
			}
		default:
			err = b.write(l, k)
		}
		if err != nil && !errors.Is(err, errMedium) {
			return err
		}
	}
}

// flush does a command after which all that was written before is durable.
func (b *burner) flush(l *ledger, cdb []byte) error {
	since := l.now()
	_, err := b.do(cdb, nil, nil)
	if err == nil {
		l.flushed(since)
	}
	return err
}

func (b *burner) write(l *ledger, k int) error {
	n := 1 + b.rand.IntN(most)
	lba := 1 + b.rand.IntN(discBlocks-n)
	w, cdb := l.begin(lba, n), make([]byte, 10)
	durable := k < 10
	switch {
	case k < 8:
		cdb[0], cdb[1] = byte(scsi.OpWrite10), 0x08 // FUA
	case durable:
		cdb[0] = byte(scsi.OpWriteAndVerify10)
	default:
		cdb[0] = byte(scsi.OpWrite10)
	}
	binary.BigEndian.PutUint32(cdb[2:], uint32(lba))
	binary.BigEndian.PutUint16(cdb[7:], uint16(n))
	out := make([]byte, n*optical.BlockSize)
	for i := range n {
		fill(out[i*optical.BlockSize:][:optical.BlockSize], uint64(lba+i), w.gen)
	}
	began, err := b.do(cdb, out, nil)
	switch {
	case err == nil:
		l.acknowledged(w, durable)
	case !began:
		l.refused(w)
	case errors.Is(err, errOtherDisc), errors.Is(err, errMedium):
		l.failed(w)
	}
	if wrong := (wrongError{}); durable && errors.As(err, &wrong) && l.contested(w) {
		l.failed(w) // another write came between writing and verifying
		return nil
	}
	return err
}

// burn lets initiators write until stop has been called, which cuts them off.
func (s *shelfOfDiscs) burn(t *testing.T, r *rand.Rand, addr string, stop func()) {
	t.Helper()
	var burners []*burner
	for i := range connections { // all of them, before one opens the tray
		c, err := dial(addr, byte(i))
		if err != nil {
			t.Fatal(err)
		}
		burners = append(burners, &burner{shelfOfDiscs: s, conn: c, rand: rand.New(rand.NewPCG(r.Uint64(), 0))})
	}
	var all sync.WaitGroup
	for _, b := range burners {
		all.Go(func() {
			defer b.conn.Close()
			if err := b.run(); err != nil {
				t.Error(err)
			}
		})
	}
	stop()
	all.Wait()
}

// total are the counts of all discs.
func (s *shelfOfDiscs) total() (writes, sure, flushes int) {
	for _, l := range s.ledgers {
		w, m, f := l.counts()
		writes, sure, flushes = writes+w, sure+m, flushes+f
	}
	return writes, sure, flushes
}

// loseDiscs runs rounds of writing, swaps and power losses, and returns what is wrong after the first that is not well.
func loseDiscs(t *testing.T, r *rand.Rand, rounds int, lie lies) (wrong []error) {
	t.Helper()
	s := newShelf(false)
	var media [discs][]byte
	for i := range media {
		media[i] = blankDisc(i)
	}
	var writes, sure, flushes int
	for range rounds {
		var stores [discs]*lossy
		disc := func(i int) *optical.Disc {
			return &optical.Disc{Store: stores[i], Label: fmt.Sprint(i), Writable: true, Close: func() error { return nil }}
		}
		for i := range stores {
			stores[i] = newLossy(media[i], optical.BlockSize, rand.New(rand.NewPCG(r.Uint64(), 0)), lie)
		}
		var drive *optical.Drive
		k, err := startWith(func(k *stack) (target.LogicalUnit, error) {
			var err error
			drive, err = optical.New(optical.Config{Identity: scsi.Identity{Vendor: "LUNETTE", Product: "CRASH", Revision: "1", Serial: "1", NAA: scsi.NAA{0x60}}, Arena: k.arena, Disc: disc(0)})
			return drive, err
		})
		if err != nil {
			t.Fatal(err)
		}
		swapper := rand.New(rand.NewPCG(r.Uint64(), 0))
		s.burn(t, r, k.portal.Addr(), func() {
			ctx, cancel := context.WithCancel(context.Background())
			var swapping sync.WaitGroup
			swapping.Go(func() { s.swap(ctx, drive, disc, swapper) })
			time.Sleep(time.Duration(r.Int64N(int64(150 * time.Millisecond))))
			for i := range stores {
				media[i] = stores[i].powerOff()
			}
			cancel()
			swapping.Wait()
			if err := k.stop(); err != nil {
				t.Error(err)
			}
		})
		if t.Failed() {
			return nil
		}
		for i := range media {
			wrong = append(wrong, s.check(i, media[i])...)
		}
		w, m, f := s.total()
		writes, sure, flushes = writes+w, sure+m, flushes+f
		if len(wrong) > 0 {
			break
		}
	}
	t.Logf("%d rounds: %d writes acknowledged, %d had to survive, %d flushes, %d swaps, %d ejects", rounds, writes, sure, flushes, s.swaps.Load(), s.ejects.Load())
	return wrong
}

// swap changes the disc until ctx ends. What was written before is durable when a disc has left.
func (s *shelfOfDiscs) swap(ctx context.Context, drive *optical.Drive, disc func(int) *optical.Disc, r *rand.Rand) {
	in := 0 // the disc in the drive; -1: none
	for ctx.Err() == nil {
		time.Sleep(time.Duration(r.IntN(4000)) * time.Microsecond)
		var since int64
		if in >= 0 {
			since = s.ledgers[in].now()
		}
		next, was := r.IntN(discs+1)-1, in
		var err error
		switch {
		case next == in:
			continue
		case next < 0:
			err = drive.Eject(ctx, false)
		default:
			err = drive.Load(ctx, disc(next), false)
		}
		if err != nil {
			continue // it could not be made durable, and is there as before
		}
		in = next
		s.swaps.Add(1)
		if was >= 0 {
			s.ledgers[was].flushed(since)
		}
	}
}

// After a power loss everything is on a disc that a WRITE with FUA, WRITE AND VERIFY, SYNCHRONIZE CACHE, the end of a session, an eject by an initiator, or
// the disc's leaving the drive has promised.
func TestOpticalPowerLoss(t *testing.T) {
	defer goleak.VerifyNone(t)
	rounds := int(number(t, "CRASH_ROUNDS", 30))
	report(t, rounds, loseDiscs(t, random(t), rounds, lies{}))
}

// A disc whose store does not keep its word is found out.
func TestOpticalPowerLossIsNoticed(t *testing.T) {
	for name, lie := range map[string]lies{"fua": {fua: true}, "flush": {flush: true}} {
		t.Run(name, func(t *testing.T) {
			if wrong := loseDiscs(t, random(t), 50, lie); len(wrong) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

// A daemon that is killed while initiators write to discs, and people swap them, leaves all discs as they were acknowledged, and starts with the one of its document.
func TestOpticalKill(t *testing.T) {
	anyEngine(t)
	r := random(t)
	top := t.TempDir()
	library := filepath.Join(top, "library")
	name := func(i int) string { return filepath.Join(library, fmt.Sprintf("disc%d.iso", i)) }
	if err := os.Mkdir(library, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range discs {
		if err := os.WriteFile(name(i), blankDisc(i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := freeAddr(t)
	document := fmt.Sprintf("version: 1\nunits:\n- {name: cd, device: {kind: optical, disc: disc0, library: %q, writable: true}}\ntargets:\n- {name: %q, luns: {0: cd}}\nportals: [%q]\n", library, targetName, addr)
	path := filepath.Join(top, "lunette.yaml")
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &keeper{t: t, program: program(t), state: filepath.Join(top, "state"), socket: filepath.Join(top, "socket"), place: filepath.Join(top, "failpoint")}
	k.client = client.New(k.socket)
	t.Cleanup(k.kill)
	s := newShelf(true)
	rounds := int(number(t, "CRASH_ROUNDS", 30))
	var writes, sure int
	for round := range rounds {
		flags := []string{"--config", path}
		if round > 0 {
			flags = nil
		}
		if err := k.start(flags...); err != nil {
			t.Fatal(err)
		}
		all, err := k.client.Units(context.Background())
		if err != nil || len(all) != 1 || all[0].Facts.Value("disc") != name(0) {
			t.Fatalf("round %d: it has %v, %v", round, all, err)
		}
		swapper := rand.New(rand.NewPCG(r.Uint64(), 0))
		s.burn(t, r, addr, func() {
			ctx, cancel := context.WithCancel(context.Background())
			var swapping sync.WaitGroup
			swapping.Go(func() {
				for ctx.Err() == nil {
					time.Sleep(time.Duration(swapper.IntN(10)) * time.Millisecond)
					action, args := "load", map[string]any{"medium": fmt.Sprintf("disc%d", swapper.IntN(discs)), "force": swapper.IntN(2) == 0}
					if swapper.IntN(4) == 0 {
						action, args = "eject", map[string]any{}
					}
					if k.client.Act(ctx, "cd", action, args, nil) == nil {
						s.swaps.Add(1)
					}
				}
			})
			time.Sleep(time.Duration(r.Int64N(int64(200 * time.Millisecond))))
			k.kill()
			cancel()
			swapping.Wait()
		})
		var wrong []error
		for i := range discs {
			data, err := os.ReadFile(name(i))
			if err != nil {
				t.Fatal(err)
			}
			wrong = append(wrong, s.check(i, data)...)
		}
		report(t, round, wrong)
		if t.Failed() {
			t.Fatalf("round %d; the daemon printed:\n%s", round, &k.printed)
		}
		w, m, _ := s.total()
		writes, sure = writes+w, sure+m
	}
	t.Logf("%d kills: %d writes acknowledged, %d had to survive, %d swaps, %d ejects", rounds, writes, sure, s.swaps.Load(), s.ejects.Load())
	if s.swaps.Load() == 0 || sure == 0 {
		t.Error("too little has happened")
	}
}

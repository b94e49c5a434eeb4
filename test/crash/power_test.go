//go:build crash

package crash

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/storetest"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
)

// A stack is everything from a portal to a disk, in this process.
type stack struct {
	arena  *buffer.Arena
	unit   *target.Unit
	node   *iscsi.Node
	portal *iscsitcp.Portal
}

func start(s store.Store, blockSize int) (*stack, error) {
	return startWith(func(k *stack) (target.LogicalUnit, error) {
		return disk.New(disk.Config{Store: s, Arena: k.arena, BlockSize: blockSize, Identity: scsi.Identity{
			Vendor: "LUNETTE", Product: "CRASH", Revision: "1", Serial: "1", NAA: scsi.NAA{0x60},
		}})
	})
}

// startWith is start with a device, which takes its memory from the arena.
func startWith(device func(*stack) (target.LogicalUnit, error)) (*stack, error) {
	k := &stack{arena: buffer.NewArena(256 << 20)}
	d, err := device(k)
	if err != nil {
		return nil, err
	}
	k.unit = target.NewUnit("disk", d)
	t, err := target.NewTarget(targetName, target.Mapping{Unit: k.unit})
	if err != nil {
		return nil, err
	}
	if k.node, err = iscsi.NewNode(iscsi.Config{Arena: k.arena}); err != nil {
		return nil, err
	}
	if err := k.node.AddTarget(iscsi.Target{SCSI: t}); err != nil {
		return nil, err
	}
	k.portal, err = iscsitcp.Listen(context.Background(), "127.0.0.1:0", k.node, tcp.NewGoroutines(tcp.AutoSpin()), tcp.Options{})
	if err == nil {
		k.portal.Start()
	}
	return k, err
}

// stop cuts all connections and returns when nothing of the stack is left.
func (k *stack) stop() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err := errors.Join(k.portal.Close(), k.node.Shutdown(ctx))
	_ = k.unit.Close() // flushes: not without power
	if n := k.arena.Outstanding(); n != 0 {
		return errors.Join(err, errors.New("memory is still lent"))
	}
	return errors.Join(err, k.arena.Close())
}

// losePower runs rounds of load and power loss on one medium and returns what is wrong
// after the first that is not well.
func losePower(t *testing.T, r *rand.Rand, rounds, blockSize int, lie lies, submits bool) (wrong []error) {
	t.Helper()
	medium := make([]byte, diskBlocks*blockSize)
	l := newLedger(diskBlocks)
	var writes, sure, flushes int
	for round := 0; ; round++ {
		s := newLossy(medium, blockSize, rand.New(rand.NewPCG(r.Uint64(), 0)), lie)
		var st store.Store = s
		if submits {
			st = storetest.NewLate(s)
		}
		k, err := start(st, blockSize)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(k.portal.Addr(), 99)
		if err != nil {
			t.Fatal(err)
		}
		wrong, err = look(c, l, blockSize)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if len(wrong) > 0 || round == rounds {
			s.powerOff()
			if err := k.stop(); err != nil {
				t.Error(err)
			}
			t.Logf("%d rounds: %d writes acknowledged, %d had to survive, %d flushes", round, writes, sure, flushes)
			return wrong
		}
		load(t, l, r, k.portal.Addr(), blockSize, round%3 == 2, func() {
			time.Sleep(time.Duration(r.Int64N(int64(150 * time.Millisecond))))
			medium = s.powerOff()
			time.Sleep(time.Duration(r.Int64N(int64(5 * time.Millisecond)))) // hosts see errors
			if err := k.stop(); err != nil {
				t.Error(err)
			}
		})
		if t.Failed() {
			return nil
		}
		w, m, f := l.counts()
		writes, sure, flushes = writes+w, sure+m, flushes+f
	}
}

// After a power loss everything is there that a write with FUA, WRITE AND VERIFY, a write
// without a cache (WCE=0) or a SYNCHRONIZE CACHE behind it has promised.
func TestPowerLoss(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, test := range []struct {
		name      string
		blockSize int
		rounds    int64
		submits   bool // requests that end later, in another order
	}{{"512", 512, 50, false}, {"4096", 4096, 20, false}, {"submitting", 512, 30, true}} {
		t.Run(test.name, func(t *testing.T) {
			rounds := int(number(t, "CRASH_ROUNDS", test.rounds))
			report(t, rounds, losePower(t, random(t), rounds, test.blockSize, lies{}, test.submits))
		})
	}
}

// A store that does not keep its word is found out: the test can see what it looks for.
func TestPowerLossIsNoticed(t *testing.T) {
	for _, test := range []struct {
		name string
		lies lies
	}{{"fua", lies{fua: true}}, {"flush", lies{flush: true}}} {
		t.Run(test.name, func(t *testing.T) {
			if wrong := losePower(t, random(t), 50, 512, test.lies, false); len(wrong) == 0 {
				t.Error("nothing was found")
			}
		})
	}
}

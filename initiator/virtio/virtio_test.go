package virtio_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/network/vhost/frontend"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A host is a SCSI host of lunette with one target at number 0, that has a disk in memory as unit 0.
type host struct {
	path   string
	unit   *target.Unit
	target *target.Target
	node   *virtio.Node
	vhost  *vhost.Host
	portal *virtio.Portal
}

const unitSize = 8 << 20

func serve(t testing.TB) *host {
	t.Helper()
	h := &host{path: filepath.Join(t.TempDir(), "vm.sock")}
	arena := buffer.NewArena(256 << 20)
	s, err := memory.Open(memory.Config{Size: unitSize})
	must(t, err)
	d, err := disk.New(disk.Config{Store: s, Arena: arena, Identity: scsi.Identity{Vendor: "LUNETTE", Product: "TEST", Revision: "1", Serial: "1", NAA: scsi.NAA6("1")}})
	must(t, err)
	h.unit = target.NewUnit("unit", d)
	h.target, err = target.NewTarget("iqn.2026-11.io.lunette:virtio", target.Mapping{LUN: 0, Unit: h.unit})
	must(t, err)
	h.node, err = virtio.NewNode(virtio.Config{Arena: arena})
	must(t, err)
	must(t, h.node.TakeTarget(virtio.Target{SCSI: h.target, Number: 0}))
	h.listen(t)
	t.Cleanup(func() {
		h.close(t)
		must(t, h.node.Shutdown(context.Background()))
		must(t, h.unit.Close())
		if n, _, _ := arena.Stats(); n != 0 {
			t.Errorf("%d bytes are lost", n)
		}
		must(t, arena.Close())
	})
	return h
}

// listen makes the portal, and a network below it.
func (h *host) listen(t testing.TB) {
	t.Helper()
	h.vhost = vhost.New(vhost.Config{})
	var err error
	h.portal, err = virtio.Listen(h.vhost, virtio.PortalOptions{Options: vhost.Options{Path: h.path, UID: -1, GID: -1}}, h.node)
	must(t, err)
	h.portal.Start()
}

// close ends the portal and the network.
func (h *host) close(t testing.TB) {
	t.Helper()
	must(t, h.portal.Close())
	must(t, h.vhost.Close())
}

func dial(t testing.TB, h *host, cfg initiator.Config) *initiator.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := initiator.Dial(ctx, h.path, cfg)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// ready ends the unit attentions.
func ready(t testing.TB, c *initiator.Conn) {
	t.Helper()
	for range 10 {
		k := &initiator.Command{CDB: cdb.AppendTestUnitReady(nil)}
		must(t, c.Do(k))
		if k.Status == scsi.Good {
			return
		}
		if k.Sense.Key != scsi.KeyUnitAttention {
			t.Fatalf("%v, %v", k.Status, k.Sense)
		}
	}
	t.Fatal("the unit attentions do not end")
}

func read(lba, blocks int) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpRead10, LBA: uint64(lba), Blocks: uint32(blocks)}.Append(nil)
}

func write(lba, blocks int) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: uint64(lba), Blocks: uint32(blocks)}.Append(nil)
}

// configs are all that drivers differ in.
func configs() map[string]initiator.Config {
	small := []frontend.Region{{Size: 8 << 20}, {Size: 16 << 20, Unsealed: true, Offset: 4096}, {Guest: 1 << 20, Size: 8 << 20}}
	return map[string]initiator.Config{
		"split":             {},
		"packed":            {Packed: true},
		"direct":            {Direct: true, Depth: 16},
		"packed direct":     {Packed: true, Direct: true, Depth: 16},
		"flags":             {Flags: true},
		"packed flags":      {Packed: true, Flags: true},
		"queues":            {Queues: 3, Depth: 8},
		"segments":          {Segment: 4096},
		"direct segments":   {Segment: 4096, Direct: true, Depth: 4},
		"polled":            {Poll: 50 * time.Microsecond},
		"three regions":     {Frontend: frontend.Config{Memory: small}},
		"a table":           {Frontend: frontend.Config{Memory: small, Table: true}},
		"no acknowledgment": {Frontend: frontend.Config{WithoutProtocol: 1 << 3}},
		"no in-flight area": {Frontend: frontend.Config{WithoutProtocol: 1 << 12}},
	}
}

// TestData: what was written is read, with every sort of ring and memory, with data that lies in shared memory and data that does not, many commands at a time.
func TestData(t *testing.T) {
	for name, cfg := range configs() {
		t.Run(name, func(t *testing.T) {
			h := serve(t)
			c := dial(t, h, cfg)
			ready(t, c)
			r := rand.New(rand.NewPCG(1, 2))
			want := make([]byte, 1<<20)
			for i := range want {
				want[i] = byte(r.Uint32())
			}
			shared, err := c.Buffer(len(want))
			must(t, err)
			copy(shared, want)
			must(t, doGood(c, &initiator.Command{CDB: write(0, len(want)/512), Out: shared}))
			must(t, doGood(c, &initiator.Command{CDB: write(len(want)/512, len(want)/512), Out: want}))
			for at := range 2 {
				clear(shared)
				got := make([]byte, len(want))
				must(t, doGood(c, &initiator.Command{CDB: read(at*len(want)/512, len(want)/512), In: shared}))
				must(t, doGood(c, &initiator.Command{CDB: read(at*len(want)/512, len(want)/512), In: got}))
				if !bytes.Equal(shared, want) || !bytes.Equal(got, want) {
					t.Fatalf("what was written %d is not what is read", at)
				}
			}
			c.Release(shared)
			var all sync.WaitGroup
			for worker := range 8 {
				all.Go(func() {
					r := rand.New(rand.NewPCG(uint64(worker), 3))
					b := make([]byte, 16<<10)
					k := &initiator.Command{Queue: worker % len(c.Queues())}
					for range 200 {
						n := 1 + r.IntN(32)
						at := r.IntN(len(want)/512 - n)
						k.CDB, k.In, k.ID = read(at, n), b[:n*512], 0
						if err := doGood(c, k); err != nil {
							t.Error(err)
							return
						}
						if k.Received != n*512 || k.Written != uint32(iu.ResponseLen+n*512) || !bytes.Equal(k.In, want[at*512:][:n*512]) {
							t.Errorf("blocks %d to %d are wrong: %d received, %d written", at, at+n, k.Received, k.Written)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// doGood runs a command that has to end with GOOD.
func doGood(c *initiator.Conn, k *initiator.Command) error {
	if err := c.Do(k); err != nil {
		return err
	}
	if k.Status == scsi.CheckCondition {
		return k.Sense
	}
	if k.Status != scsi.Good {
		return &initiator.CodeError{Code: k.Code}
	}
	return nil
}

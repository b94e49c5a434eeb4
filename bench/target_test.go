package bench

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	iscsitcp "github.com/lunette-io/lunette/transport/iscsi/tcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "iqn.2026-11.io.lunette:bench"

func memoryOf(t *testing.T, size int64) *memory.Store {
	t.Helper()
	s, err := memory.Open(memory.Config{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve serves s as LUN 0 by TCP, and returns the address.
func serve(t *testing.T, s store.Store) string { return serveBy(t, s, false) }

// serveBy serves s by TCP, or by iSER over iWARP.
func serveBy(t *testing.T, s store.Store, rdma bool) string {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	arena := buffer.NewArena(256 << 20)
	d, err := disk.New(disk.Config{Store: s, Arena: arena, Identity: scsi.Identity{
		Vendor: "LUNETTE", Product: "TEST", Revision: "1", Serial: "1", NAA: scsi.NAA6("1"),
	}})
	must(err)
	unit := target.NewUnit("unit", d)
	tg, err := target.NewTarget(name, target.Mapping{LUN: 0, Unit: unit})
	must(err)
	node, err := iscsi.NewNode(iscsi.Config{Arena: arena, Log: slog.New(slog.DiscardHandler)})
	must(err)
	must(node.AddTarget(iscsi.Target{SCSI: tg}))
	engine := transporttest.NewEngine(t)
	var l interface {
		Start()
		Addr() string
		Close() error
	}
	if rdma {
		d, err := iwarp.New(iwarp.Config{Engine: engine})
		must(err)
		l, err = iser.Listen(context.Background(), d, "127.0.0.1:0", node, iser.Options{})
		must(err)
	} else {
		l, err = iscsitcp.Listen(context.Background(), "127.0.0.1:0", node, engine, tcp.Options{})
		must(err)
	}
	l.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = l.Close()
		_ = node.Shutdown(ctx)
		_ = engine.Close()
		_ = unit.Close()
		_ = arena.Close()
	})
	return l.Addr()
}

func dial(t *testing.T, addr string, n byte) *ISCSI {
	t.Helper()
	c, err := DialISCSI(t.Context(), Login{Address: addr, Target: name, Initiator: "iqn.2026-11.io.lunette:i", ISID: pdu.ISID{0x80, 0, 0, 0, 0, n}, LUNs: []scsi.LUN{0}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

package bench

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio"
)

// serveVHost serves s as LUN 0 of target 2 behind a socket, and returns its path and what ends it.
func serveVHost(t *testing.T, s store.Store) (path string, end func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	path = filepath.Join(t.TempDir(), "vm.sock")
	arena := buffer.NewArena(256 << 20)
	d, err := disk.New(disk.Config{Store: s, Arena: arena, Identity: scsi.Identity{
		Vendor: "LUNETTE", Product: "TEST", Revision: "1", Serial: "1", NAA: scsi.NAA6("1"),
	}})
	must(err)
	unit := target.NewUnit("unit", d)
	tg, err := target.NewTarget(name, target.Mapping{LUN: 0, Unit: unit})
	must(err)
	node, err := virtio.NewNode(virtio.Config{Arena: arena})
	must(err)
	must(node.TakeTarget(virtio.Target{SCSI: tg, Number: 2}))
	host := vhost.New(vhost.Config{})
	p, err := virtio.Listen(host, virtio.PortalOptions{Options: vhost.Options{Path: path, UID: -1, GID: -1}}, node)
	must(err)
	p.Start()
	var ended atomic.Bool
	end = func() {
		if ended.Swap(true) {
			return
		}
		must(p.Close())
		must(host.Close())
		must(node.Shutdown(context.Background()))
		must(unit.Close())
		must(arena.Close())
	}
	t.Cleanup(end)
	return path, end
}

// A run finds its way by the URL, and every byte with it; what waking each other costs is told.
func TestRunVHost(t *testing.T) {
	for _, rings := range []string{"", "&packed=on", "&packed=on&indirect_desc=off&event_idx=off", "&poll=10us"} {
		for _, block := range []int{4 << 10, 256 << 10} {
			path, _ := serveVHost(t, memoryOf(t, size))
			u, err := ParseURL("vhost://" + path + "?target=2" + rings)
			if err != nil {
				t.Fatal(err)
			}
			run, err := Open(t.Context(), Config{
				URL: u, Workload: Workload{Size: block, Reads: 50, Depth: 2}, Connections: 2, Count: 200, Verify: true, Plan: Plan{Patience: time.Minute},
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := run.Go(t.Context())
			if err != nil || r.Err() != nil || r.Commands() != 200 || len(run.LocalAddresses()) != 1 {
				t.Errorf("%s, %d: %+v, %v, %v", rings, block, r, err, run.LocalAddresses())
			}
			if w := r.Wakes; w == nil || w.Kicks <= 0 || w.Kicks > 2 || w.Calls <= 0 || w.Waits <= 0 || w.Waits < w.Calls {
				t.Errorf("%s, %d: wakes %+v", rings, block, r.Wakes)
			}
			if err := run.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A rate is kept behind a socket, too, and a target that goes away ends the run.
func TestVHostEnds(t *testing.T) {
	path, end := serveVHost(t, memoryOf(t, size))
	u, err := ParseURL("vhost://" + path + "?target=2&lun=0")
	if err != nil {
		t.Fatal(err)
	}
	run, err := Open(t.Context(), Config{
		URL: u, Workload: Workload{Size: 4096, Reads: 100, Depth: 2}, Connections: 1, Rate: 1000, Plan: Plan{Time: time.Hour, Begin: func() error { time.AfterFunc(50*time.Millisecond, end); return nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Go(t.Context())
	if !contains(err, "the connection has ended") || r == nil {
		t.Errorf("%+v, %v", r, err)
	}
	if err := run.Close(); err != nil {
		t.Error(err)
	}
}

// What vhost-user has not got is refused, and who is not there is said.
func TestVHostRefuses(t *testing.T) {
	path, _ := serveVHost(t, memoryOf(t, size))
	good := Config{URL: URL{Rings: Rings{Path: path}, Number: 2}, Workload: Workload{Size: 4096, Reads: 100, Depth: 2}, Connections: 1, Count: 1}
	for want, change := range map[string]func(*Config){
		"no digests":                     func(c *Config) { c.DataDigest = true },
		"no secrets":                     func(c *Config) { c.SecretFile = "/x" },
		"the name that the portal gives": func(c *Config) { c.Initiator = "iqn.2026-11.io.lunette:other" },
		"1 to 253 are possible":          func(c *Config) { c.Connections, c.Count = 254, 254 },
		"target 3, LUN":                  func(c *Config) { c.URL.Number = 3 },
		"no such file":                   func(c *Config) { c.URL.Rings.Path += "x" },
		"has 128 for requests":           func(c *Config) { c.Connections, c.Count = 200, 200 },
	} {
		c := good
		change(&c)
		run, err := Open(t.Context(), c)
		if !contains(err, want) {
			t.Errorf("want %q: %v", want, err)
		}
		if err == nil {
			_ = run.Close()
		}
	}
}

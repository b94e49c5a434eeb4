//go:build scale

package scale

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// What one library has here, and how long it may take.
const (
	drives     = 100
	cartridges = 10000
	startMost  = 5 * time.Second
	lookMost   = time.Second
)

// largeLibrary serves a library with a LUN for each drive, from 200 on, and a target for each of the first ten.
func largeLibrary(store string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `version: 1
units:
- {name: large, device: {kind: library, store: %s, drives: [%dxlto8], slots: %d, mail-slots: 50}}
targets:
- name: %s
  luns:
    0: large/changer
`, store, drives, cartridges, targetName)
	for i := range drives {
		fmt.Fprintf(&b, "    %d: large/drive%d\n", 200+i, i)
	}
	for i := range 10 {
		fmt.Fprintf(&b, "- {name: \"%s%d\", luns: {0: large/drive%d}}\n", targetName, i, i)
	}
	return b.String() + "portals: [\"127.0.0.1:0\"]\nlimits: {stop-timeout: 1s}\n"
}

// TestLargeLibrary: a hundred drives and ten thousand cartridges are there soon after the start, and told at once.
func TestLargeLibrary(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "vtl")
	// Cartridges are made durable one by one, and on a disk that takes minutes: how they are read is what counts here.
	if memory, err := os.MkdirTemp("/dev/shm", "lunette-scale-"); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(memory) })
		store = filepath.Join(memory, "vtl")
	}
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	doc, err := model.Read("scale", []byte(largeLibrary(store)), daemon.Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	var d *daemon.Daemon
	begin := func() time.Duration {
		began := time.Now()
		var err error
		d, err = daemon.Start(context.Background(), doc, daemon.Builtin(), daemon.Options{
			Strict: true, Log: slog.New(slog.DiscardHandler), Socket: filepath.Join(dir, "s"), Version: "scale",
		})
		if err != nil {
			t.Fatal(err)
		}
		return time.Since(began).Round(time.Millisecond)
	}
	stop := func() {
		if d != nil {
			if err := d.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			d = nil
		}
	}
	defer stop()
	act := func(action string, args map[string]any, result any) time.Duration {
		t.Helper()
		began := time.Now()
		if err := client.New(d.Socket()).Act(t.Context(), "large", action, args, result); err != nil {
			t.Fatal(err)
		}
		return time.Since(began).Round(time.Millisecond)
	}
	t.Logf("started empty in %v", begin())
	t.Logf("%d cartridges made in %v", cartridges, act("create", map[string]any{"format": "L8", "count": cartridges, "capacity": "64M", "prefix": "S"}, nil))
	stop()

	within := func(what string, took, most time.Duration) {
		t.Helper()
		t.Logf("%s in %v", what, took)
		if took > most {
			t.Errorf("%s takes %v: %v at the most", what, took, most)
		}
	}
	within("started", begin(), startMost)
	var inventory struct{ Elements []struct{ Full bool } }
	within("told by ls", act("ls", nil, &inventory), lookMost)
	if n := len(inventory.Elements); n != cartridges+drives {
		t.Errorf("%d elements", n)
	}

	_, addr, _ := strings.Cut(d.Targets()[0].Portals[0], "://")
	c, err := initiator.Dial(t.Context(), addr, initiator.Config{InitiatorName: "iqn.2026-11.io.lunette:me", TargetName: targetName, ISID: pdu.ISID{0x80, 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	run := func(lun int, cdb, in []byte) {
		t.Helper()
		number, err := scsi.FlatLUN(uint32(lun))
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			r, err := c.Do(number, cdb, nil, in)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status == scsi.Good {
				return
			}
			if s := r.Sense(); s.Key != scsi.KeyUnitAttention {
				t.Fatalf("LUN %d: %x: %v", lun, cdb, s)
			}
		}
	}
	status := make([]byte, 2<<20)
	began := time.Now()
	// READ ELEMENT STATUS: all elements, with tags.
	run(0, []byte{0xb8, 0x10, 0, 0, 0xff, 0xff, 0, 0x20, 0, 0, 0, 0}, status)
	within("told by READ ELEMENT STATUS", time.Since(began).Round(time.Millisecond), lookMost)
	if n := int(binary.BigEndian.Uint16(status[2:])); n != cartridges+drives+50+1 {
		t.Errorf("%d elements", n)
	}
	// All drives are loaded, and there at their LUNs; the last is beyond 255.
	for i := range drives {
		cdb := []byte{0xa5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		binary.BigEndian.PutUint16(cdb[4:], uint16(0x401+i))
		binary.BigEndian.PutUint16(cdb[6:], uint16(0x101+i))
		run(0, cdb, nil)
	}
	for i := range drives {
		run(200+i, make([]byte, 6), nil)
	}
	_ = c.Close()
	stop()
	within("started with all drives loaded", begin(), startMost)
}

package daemon

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/plan"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	srp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// stage is a document of five targets that are left alone, on files and in memory, and of one that is changed.
func stage() string {
	var units, targets strings.Builder
	for i := range 5 {
		store := fmt.Sprintf("{kind: file, path: b%d.img, size: 1M}", i)
		if i%2 == 1 {
			store = "{kind: memory, size: 1M}"
		}
		fmt.Fprintf(&units, "- {name: b%d, store: %s}\n", i, store)
		fmt.Fprintf(&targets, "- {name: \"%sb%d\", luns: {0: b%d}, srp: {id-ext: \"%016x\", ioc-guid: \"%016x\"}}\n", wholeTarget, i, i, 0xe0+i, 0xf0)
	}
	return `version: 1
users:
- {name: ann, secret-file: ann}
units:
` + units.String() + `- {name: x, store: {kind: file, path: x.img, size: 1M}}
- {name: y, store: {kind: memory, size: 1M}}
targets:
` + targets.String() + `- {name: "` + disks + `", luns: {0: x, 1: y}, auth: {users: [ann]}, srp: {initiators: ["0x00000000000000000000000000000007"]}}
portals:
- {name: main, address: "127.0.0.1:0"}
- {name: iser, kind: iser+iwarp, address: "127.0.0.1:0"}
- {name: srp, kind: srp+iwarp, address: "127.0.0.1:0"}
limits: {stop-timeout: 5s}
`
}

// A bystander is an initiator of a target that nobody changes: it writes and reads blocks of its own.
type bystander struct {
	do     func(cdb, out, in []byte) (scsi.Status, scsi.Sense, error)
	lba    byte
	rounds atomic.Int64
	asked  int64 // commands

	mu    sync.Mutex
	times []time.Duration // of commands
	err   error
}

// command does one command, which must end with GOOD.
func (b *bystander) command(op scsi.Opcode, out, in []byte) error {
	began := time.Now()
	status, sense, err := b.do([]byte{byte(op), 0, 0, 0, 0, b.lba, 0, 0, 1, 0}, out, in)
	b.asked++
	took := time.Since(began)
	if err == nil && status != scsi.Good {
		err = fmt.Errorf("%v, %v", status, sense)
	}
	b.mu.Lock()
	b.times = append(b.times, took)
	b.mu.Unlock()
	return err
}

func (b *bystander) run(stop <-chan struct{}) {
	in := make([]byte, 512)
	for i := 0; ; i++ {
		data := bytes.Repeat([]byte{byte(i), byte(i >> 8), b.lba, 'z'}, 128)
		err := b.command(scsi.OpWrite10, data, nil)
		if err == nil {
			err = b.command(scsi.OpRead10, nil, in)
		}
		if err == nil && !bytes.Equal(in, data) {
			err = fmt.Errorf("block %d is another than was written", b.lba)
		}
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
		b.rounds.Add(1)
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		if err != nil {
			return
		}
	}
}

func (b *bystander) failed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err != nil
}

// taken are the times since the last call, and what has gone wrong.
func (b *bystander) taken() ([]time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.times
	b.times = nil
	return all, b.err
}

// standingByISCSI is a bystander by TCP, or iSER if there is a device.
func standingByISCSI(t *testing.T, addr, target string, i int, device rdma.Device) *bystander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cfg := initiator.Config{InitiatorName: fmt.Sprint(me, i), TargetName: target, ISID: pdu.ISID{0x80, 1}}
	var c *initiator.Conn
	var err error
	if device == nil {
		c, err = initiator.Dial(ctx, addr, cfg)
	} else {
		c, err = initiator.DialRDMA(ctx, device, addr, cfg, initiator.RDMA{})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	c.SetDeadline(time.Now().Add(100 * time.Second))
	return &bystander{lba: byte(i), do: func(cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		r, err := c.Do(0, cdb, out, in)
		if err != nil {
			return 0, scsi.Sense{}, err
		}
		return r.Status, r.Sense(), nil
	}}
}

// standingBySRP is one by SRP, of the fifth target.
func standingBySRP(t *testing.T, addr string, i int, device rdma.Device) *bystander {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := srp.Dial(ctx, device, addr, srp.Config{Initiator: iu.MakePortID(0, uint64(100+i)), Target: iu.MakePortID(0xe4, 0xf0)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &bystander{lba: byte(i), do: func(cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		k := &srp.Command{CDB: cdb, Out: out, In: in}
		err := c.Do(k)
		return k.Status, k.Sense, err
	}}
}

// changes are one of each class, one after the other: what is replaced in the document. Without that it is a
// request of its own.
var changes = []struct{ name, old, new string }{
	{"alias", `luns: {0: x, 1: y}`, `alias: other, luns: {0: x, 1: y}`},
	{"user added", `users:`, `users:
- {name: bob, secret-file: bob}`},
	{"secret changed", `secret-file: ann`, `secret-file: bob`},
	{"target added", `portals:`, `- {name: "` + closed + `", luns: {0: y}}
portals:`},
	{"target removed", `- {name: "` + closed + `", luns: {0: y}}
`, ""},
	{"LUN added", `0: x, 1: y`, `0: x, 1: y, 5: b0`},
	{"LUN removed", `, 5: b0`, ``},
	{"LUN remapped", `0: x, 1: y`, `0: y, 1: x`},
	{"unit grown", `x.img, size: 1M`, `x.img, size: 2M`},
	{"memory unit grown", `name: y, store: {kind: memory, size: 1M}`, `name: y, store: {kind: memory, size: 2M}`},
	{"read-only", `x.img, size: 2M}`, `x.img, size: 2M}, device: {kind: disk, read-only: true}`},
	{"unit replaced", `read-only: true`, `block-size: 4096`},
	{"unit renamed", `name: x,`, `name: z,`},
	{"portal added", "- {name: iser,", "- {name: side, address: \"127.0.0.1:0\"}\n- {name: iser,"},
	{"portal renamed", "name: side", "name: left"},
	{"portal removed", "- {name: left, address: \"127.0.0.1:0\"}\n", ""},
	{"maintenance", `alias: other`, `maintenance: true`},
	{"reload", "", ""},
	{"rollback", "", ""},
}

// Initiators of targets that a change does not concern see nothing of it: no unit attention, no command that is
// lost or fails, no new session, by any transport.
func TestBystanders(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, secret := range map[string]string{"ann": "correct horse battery", "bob": "incorrect horse battery"} {
		if err := os.WriteFile(name, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := start(t, stage())
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	device := peer(t)
	var all []*bystander
	for i := range 50 {
		target := fmt.Sprintf("%sb%d", wholeTarget, i%5)
		switch {
		case i%10 == 9:
			all = append(all, standingBySRP(t, d.portals.load()[2].Addr(), i, device))
		case i%10 == 8:
			all = append(all, standingByISCSI(t, d.portals.load()[1].Addr(), target, i, device))
		default:
			all = append(all, standingByISCSI(t, d.portals.load()[0].Addr(), target, i, nil))
		}
	}
	sessions := func() []string {
		var names []string
		for _, s := range d.Sessions() {
			if strings.HasPrefix(s.Target, wholeTarget+"b") {
				names = append(names, fmt.Sprint(s.Transport, " ", s.ID, " ", s.Initiator, " ", s.Target, " ", s.Since))
			}
		}
		slices.Sort(names)
		return names
	}
	before := sessions()
	if len(before) != len(all) {
		t.Fatalf("%d sessions", len(before))
	}
	for _, b := range all { // what is told of the login
		for range 5 {
			if _, sense, err := b.do(make([]byte, 6), nil, nil); err != nil {
				t.Fatal(err)
			} else if b.asked++; sense.Key != scsi.KeyUnitAttention {
				break
			}
		}
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	for _, b := range all {
		running.Go(func() { b.run(stop) })
	}
	// rounds waits until each has done some more, and returns the time that most commands have taken.
	rounds := func(t *testing.T, n int64) time.Duration {
		t.Helper()
		var times []time.Duration
		was := make([]int64, len(all))
		for i, b := range all {
			was[i] = b.rounds.Load()
		}
		for i, b := range all {
			for ; b.rounds.Load() < was[i]+n; time.Sleep(time.Millisecond) {
				if b.failed() {
					t.Fatalf("bystander %d: %v", i, b.err)
				}
			}
		}
		for i, b := range all {
			some, err := b.taken()
			if err != nil {
				t.Errorf("bystander %d: %v", i, err)
			}
			times = append(times, some...)
		}
		return percentile(times)
	}
	text := stage()
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			rounds(t, 1)
			quietly := rounds(t, 10)
			r := apply.Request{Confirm: []plan.Confirm{plan.ConfirmDeleteData, plan.ConfirmEndSessions, plan.ConfirmReplace}}
			switch {
			case c.name == "rollback":
				r.Rollback = 1
			case c.name == "reload":
				r.Reload = true
			case !strings.Contains(text, c.old):
				t.Fatal("there is nothing to be changed")
			default:
				text = strings.Replace(text, c.old, c.new, 1)
				if c.name == "unit renamed" {
					text = strings.Replace(text, "1: x", "1: z", 1)
				}
				r.Text = []byte(text)
			}
			res, err := d.engine.Apply(t.Context(), r)
			if err != nil || len(res.Conditions) > 0 || res.Changed != (c.name != "reload") {
				t.Fatalf("%+v, %v", res, err)
			}
			if c.name != "reload" && res.Plan.Empty() {
				t.Error("the plan is empty")
			}
			during := rounds(t, 10)
			t.Logf("p99 of a command: %v before, %v while it is made", quietly, during)
			if now := sessions(); !slices.Equal(now, before) {
				t.Errorf("sessions are\n%s\nand were\n%s", strings.Join(now, "\n"), strings.Join(before, "\n"))
			}
		})
	}
	close(stop)
	running.Wait()
	asked, ended := int64(0), int64(0)
	for _, b := range all {
		asked += b.asked
	}
	for _, s := range d.Sessions() {
		ended += s.Commands
	}
	if asked != ended {
		t.Errorf("%d commands were asked for, and %d have ended", asked, ended)
	}
	if all := d.Conditions(); len(all) > 0 {
		t.Errorf("%+v", all)
	}
}

// percentile is the time that 99 of 100 commands do not take longer than.
func percentile(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)*99/100]
}

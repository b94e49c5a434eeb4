package daemon

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/plan"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	srp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// whatever asks for a document, whatever hurts.
func whatever(text string) apply.Request {
	return apply.Request{Text: []byte(text), Confirm: []plan.Confirm{
		plan.ConfirmEndSessions, plan.ConfirmReplace, plan.ConfirmDeleteData, plan.ConfirmRestart,
	}}
}

// asked changes the document, whatever hurts.
func asked(t *testing.T, d *Daemon, text string) *apply.Result {
	t.Helper()
	r, err := d.engine.Apply(t.Context(), whatever(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, c := range r.Conditions {
		if c.Type != apply.Ending { // it takes as long as it takes
			t.Errorf("conditions: %v", r.Conditions)
		}
	}
	return r
}

// An anyInitiator is one of any transport: it runs a command at a LUN.
type anyInitiator func(lun scsi.LUN, cdb, out, in []byte) (scsi.Status, scsi.Sense, error)

func overISCSI(c *initiator.Conn) anyInitiator {
	return func(lun scsi.LUN, cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		r, err := c.Do(lun, cdb, out, in)
		if err != nil {
			return 0, scsi.Sense{}, err
		}
		return r.Status, r.Sense(), nil
	}
}

func overSRP(c *srp.Conn) anyInitiator {
	return func(lun scsi.LUN, cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		k := &srp.Command{LUN: lun, CDB: cdb, Out: out, In: in}
		if err := c.Do(k); err != nil {
			return 0, scsi.Sense{}, err
		}
		return k.Status, k.Sense, nil
	}
}

// told takes the unit attentions that wait at a LUN.
func (do anyInitiator) told(t *testing.T, lun scsi.LUN) (all []scsi.ASC) {
	t.Helper()
	for {
		status, sense, err := do(lun, make([]byte, 6), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status != scsi.CheckCondition || sense.Key != scsi.KeyUnitAttention {
			return all
		}
		all = append(all, sense.ASC)
	}
}

// luns are those of REPORT LUNS.
func (do anyInitiator) luns(t *testing.T) (all []int) {
	t.Helper()
	in := make([]byte, 256)
	cdb := []byte{byte(scsi.OpReportLUNs), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	if status, sense, err := do(0, cdb, nil, in); err != nil || status != scsi.Good {
		t.Fatal(status, sense, err)
	}
	for i := uint32(0); i < binary.BigEndian.Uint32(in)/8; i++ {
		all = append(all, int(in[8+8*i+1]))
	}
	return all
}

// verify writes and reads one block of LUN 0: any status but GOOD is an error.
func (do anyInitiator) verify(lba uint32, round int) error {
	cdb := func(op scsi.Opcode) []byte {
		b := make([]byte, 10)
		b[0], b[8] = byte(op), 1
		binary.BigEndian.PutUint32(b[2:], lba)
		return b
	}
	data, in := bytes.Repeat([]byte{byte(round), byte(lba), byte(round >> 8), 'v'}, 128), make([]byte, 512)
	for _, x := range []struct {
		op      scsi.Opcode
		out, in []byte
	}{{scsi.OpWrite10, data, nil}, {scsi.OpRead10, nil, in}} {
		if status, sense, err := do(0, cdb(x.op), x.out, x.in); err != nil || status != scsi.Good {
			return fmt.Errorf("%v: %v %v %v", x.op, status, sense, err)
		}
	}
	if !bytes.Equal(in, data) {
		return fmt.Errorf("block %d is another than was written", lba)
	}
	return nil
}

// bystanders read and write, each a block of their own, and notice everything.
type bystanders struct {
	t      *testing.T
	stop   chan struct{}
	all    sync.WaitGroup
	rounds []atomic.Int64
}

func stand(t *testing.T, all []anyInitiator) *bystanders {
	b := &bystanders{t: t, stop: make(chan struct{}), rounds: make([]atomic.Int64, len(all))}
	for i, do := range all {
		do.told(t, 0)
		b.all.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-b.stop:
					return
				default:
				}
				if err := do.verify(uint32(i), round); err != nil {
					t.Errorf("bystander %d: %v", i, err)
					return
				}
				b.rounds[i].Add(1)
				time.Sleep(time.Millisecond)
			}
		})
	}
	return b
}

// moves waits until each of them has done more.
func (b *bystanders) moves() {
	b.t.Helper()
	for i := range b.rounds {
		for was := b.rounds[i].Load(); b.rounds[i].Load() == was; {
			if b.t.Failed() {
				b.t.FailNow()
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func (b *bystanders) end() {
	close(b.stop)
	b.all.Wait()
}

// viewsDocument is what TestViewsLive changes; its verbs are keys of the target, more targets, and portals.
func viewsDocument(target, more string, portals ...string) string {
	return `version: 1
users: [{name: me, secret-file: secret}]
units:
- {name: m, store: {kind: memory, size: 1M}}
- {name: n, store: {kind: memory, size: 1M}}
- {name: calm, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", auth: {users: [me]}, srp: {initiators: ["0x00000000000000000000000000000007"]}, ` + target + `}
- {name: "` + closed + `", luns: {0: calm}}
` + more + `portals: [` + strings.Join(portals, ", ") + `]
limits: {stop-timeout: 1s}
`
}

// Each class of change of targets and portals is seen by those whom it is about, over each transport, once; 50
// bystanders, of the same target and of another, notice nothing.
func TestViewsLive(t *testing.T) {
	t.Chdir(t.TempDir())
	portals := []string{`{name: plain, kind: iscsi+tcp, address: "127.0.0.1:0"}`, `"iser+iwarp://127.0.0.1:0"`, `"srp+iwarp://127.0.0.1:0"`}
	d := start(t, viewsDocument("luns: {0: m, 1: n}", "", portals...))
	defer func() { _ = d.Stop(context.Background()) }()
	device := peer(t)
	at := func(i int) string { return d.portals.load()[i].Addr() }
	tcp := func(name, target string, n byte, user bool) anyInitiator {
		cfg := initiator.Config{InitiatorName: name, TargetName: target, ISID: pdu.ISID{0x80, 0, n}}
		if user {
			cfg.Account = account(t, "me", "correct horse battery")
		}
		c, err := initiator.Dial(t.Context(), at(0), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return overISCSI(c)
	}
	iser := func(name, target string, n byte, user bool) anyInitiator {
		cfg := initiator.Config{InitiatorName: name, TargetName: target, ISID: pdu.ISID{0x80, 1, n}}
		if user {
			cfg.Account = account(t, "me", "correct horse battery")
		}
		c, err := initiator.DialRDMA(t.Context(), device, at(1), cfg, initiator.RDMA{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return overISCSI(c)
	}
	bySRP := func(target int, port uint64) anyInitiator {
		attach := addTarget(t, d, target)
		to, err := iu.ParsePortID("0x" + attach[1] + attach[2])
		if err != nil {
			t.Fatal(err)
		}
		c, err := srp.Dial(t.Context(), device, at(2), srp.Config{Initiator: iu.MakePortID(0, port), Target: to})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return overSRP(c)
	}

	three := []anyInitiator{tcp("iqn.x:web-1", disks, 1, true), iser("iqn.x:db-1", disks, 1, true), bySRP(0, 7)}
	names := []string{"TCP", "iSER", "SRP"}
	one := scsi.LUN(1 << 48)
	settle := func() {
		for _, do := range three {
			do.told(t, 0)
			do.told(t, one)
		}
	}
	var still []anyInitiator
	for i := range 40 {
		still = append(still, tcp(fmt.Sprint("iqn.x:calm-", i), closed, byte(i), false))
	}
	for i := range 5 {
		still = append(still, iser(fmt.Sprint("iqn.x:calm-", i), closed, byte(i), false), bySRP(1, uint64(100+i)))
	}
	settle()
	b := stand(t, still)
	before := sessionsOf(d)

	changed, protected := scsi.ASCReportedLUNsDataChanged, scsi.ASCModeParametersChanged
	for _, x := range []struct {
		what, target, more string
		portals            []string
		luns               [3][]int     // that each of the three sees
		told               [3]*scsi.ASC // at LUN 0; nil: nothing
	}{
		{what: "by name", target: `luns: {0: m, 1: n}, access: [{name: web, initiators: ["iqn.x:web-*"], luns: {0: m}}]`,
			luns: [3][]int{{0}, {0, 1}, {0, 1}}, told: [3]*scsi.ASC{&changed, nil, nil}},
		{what: "another alias", target: `alias: x, luns: {0: m, 1: n}, access: [{name: web, initiators: ["iqn.x:web-*"], luns: {0: m}}]`,
			luns: [3][]int{{0}, {0, 1}, {0, 1}}},
		{what: "by user", target: `luns: {0: m, 1: n}, access: [{name: web, initiators: ["iqn.x:web-*"], luns: {0: m}}, {name: us, users: [me], luns: {0: m, 5: n}}]`,
			luns: [3][]int{{0}, {0, 5}, {0, 1}}, told: [3]*scsi.ASC{nil, &changed, nil}},
		{what: "by address", target: `luns: {0: m, 1: n}, access: [{name: all, addresses: [127.0.0.0/8], luns: {0: m, 7: n}}]`,
			luns: [3][]int{{0, 7}, {0, 7}, {0, 7}}, told: [3]*scsi.ASC{&changed, &changed, &changed}},
		{what: "read-only for one", target: `luns: {0: m, 7: n}, access: [{name: srp, initiators: ["0x00000000000000000000000000000007"], luns: {0: {unit: m, read-only: true}, 7: n}}]`,
			luns: [3][]int{{0, 7}, {0, 7}, {0, 7}}, told: [3]*scsi.ASC{nil, nil, &protected}},
		{what: "writable again, with a new target and portal", target: `luns: {0: m, 7: n}`,
			more:    `- {name: "` + newTarget + `", luns: {0: n}}` + "\n",
			portals: append(slices.Clone(portals), `{name: late, kind: iscsi+tcp, address: "127.0.0.1:0", targets: ["`+newTarget+`"], tag: 3}`),
			luns:    [3][]int{{0, 7}, {0, 7}, {0, 7}}, told: [3]*scsi.ASC{nil, nil, &protected}},
		{what: "a target renamed, a portal renamed", target: `luns: {0: m, 7: n}`,
			more:    `- {name: "` + newTarget + `er", luns: {0: n}}` + "\n",
			portals: append([]string{strings.Replace(portals[0], "plain", "other", 1)}, portals[1:]...),
			luns:    [3][]int{{0, 7}, {0, 7}, {0, 7}}},
		{what: "nothing for some", target: `luns: {0: m, 7: n}, access: [{name: db, initiators: ["iqn.x:db-?"]}]`,
			luns: [3][]int{{0, 7}, nil, {0, 7}}},
		{what: "back again", target: `luns: {0: m, 7: n}`,
			luns: [3][]int{{0, 7}, {0, 7}, {0, 7}}, told: [3]*scsi.ASC{nil, new(scsi.ASC), nil}},
	} {
		at := x.portals
		if at == nil {
			at = portals
		}
		asked(t, d, viewsDocument(x.target, x.more, at...))
		for i, do := range three {
			told := do.told(t, 0)
			switch want := x.told[i]; {
			case want == nil && x.luns[i] != nil && len(told) > 0:
				t.Errorf("%s: %s is told %v", x.what, names[i], told)
			case want != nil && *want != 0 && !slices.Equal(told, []scsi.ASC{*want}):
				t.Errorf("%s: %s is told %v, and not %v", x.what, names[i], told, *want)
			}
			if luns := do.luns(t); !slices.Equal(luns, x.luns[i]) {
				t.Errorf("%s: %s sees %v, and not %v", x.what, names[i], luns, x.luns[i])
			}
			if x.luns[i] == nil || strings.HasPrefix(x.what, "read-only") && i == 2 {
				continue
			}
			if err := do.verify(uint32(100+i), i); err != nil {
				t.Errorf("%s: %s: %v", x.what, names[i], err)
			}
		}
		settle()
		b.moves()
	}
	if after := sessionsOf(d); !slices.Equal(before, after) {
		t.Errorf("the sessions are %v, and not %v", after, before)
	}
	b.end()

	// Maintenance, and users who go, end sessions: those that the plan names, and no others.
	r := asked(t, d, viewsDocument(`luns: {0: m}, maintenance: true`, "", portals...))
	if n := ends(r); n != 3 {
		t.Errorf("the plan ends %d sessions", n)
	}
	for len(sessionsOf(d)) != 50 {
		time.Sleep(10 * time.Millisecond)
	}
	if r = asked(t, d, viewsDocument(`luns: {0: m, 1: n}, maintenance: false`, "", portals...)); ends(r) != 0 {
		t.Errorf("the plan ends %d sessions", ends(r))
	}
	tcp("iqn.x:web-1", disks, 1, true)
	bySRP(0, 7)
	if r := asked(t, d, strings.Replace(viewsDocument(`luns: {0: m, 1: n}`, "", portals...), "000007", "000008", 1)); ends(r) != 1 {
		t.Errorf("the plan ends %d sessions", ends(r))
	}
	for len(sessionsOf(d)) != 51 {
		time.Sleep(10 * time.Millisecond)
	}
	s := d.Sessions()
	i := slices.IndexFunc(s, func(s api.Session) bool { return s.Target == disks })
	if i < 0 || len(s) != 51 {
		t.Fatalf("%d sessions, %d", len(s), i)
	}
	if err := d.DropSession(t.Context(), s[i].Transport, s[i].ID); err != nil {
		t.Error(err)
	}
	if r, err := d.Reservations(t.Context(), "m"); err != nil || r.Unit != "m" || len(r.Registrations) != 0 {
		t.Errorf("%+v %v", r, err)
	}
	if err := d.ClearReservations(t.Context(), "m"); err != nil {
		t.Error(err)
	}
	if err := d.ClearReservations(t.Context(), "x"); err == nil {
		t.Error("reservations of a unit that is not there")
	}
	if err := d.DropSession(t.Context(), s[i].Transport, "no"); err == nil {
		t.Error("a session was dropped that is not there")
	}
}

// ends is how many sessions a plan ends.
func ends(r *apply.Result) (n int) {
	for _, s := range r.Plan.Steps {
		n += len(s.Sessions)
	}
	return n
}

// sessionsOf are the sessions of a daemon, as long as they are the same.
func sessionsOf(d *Daemon) (all []string) {
	for _, s := range d.Sessions() {
		all = append(all, fmt.Sprint(s.Transport, s.ID, s.Initiator, s.Target, s.Since))
	}
	slices.Sort(all)
	return all
}

// freePort is one that nobody has just now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// While initiators log in, their portal is called otherwise, tells of other addresses, comes to another group
// and shows other targets: no login fails. Then another kind of portal listens at its address: nobody is
// refused who connects meanwhile.
func TestPortalHandedOver(t *testing.T) {
	t.Chdir(t.TempDir())
	addr := freePort(t)
	text := func(portal, rest string) string {
		return `version: 1
units: [{name: m, store: {kind: memory, size: 1M}}]
targets: [{name: "` + disks + `", luns: {0: m}}, {name: "` + closed + `", luns: {0: m}}]
portals: [{kind: ` + portal + `, address: "` + addr + `"` + rest + `}]
limits: {stop-timeout: 1s}
`
	}
	d := start(t, text("iscsi+tcp", ""))
	defer func() { _ = d.Stop(context.Background()) }()
	var stop atomic.Bool
	var all sync.WaitGroup
	var logins, connects atomic.Int64
	for i := range byte(4) {
		all.Go(func() {
			for !stop.Load() {
				c, err := initiator.Dial(t.Context(), addr, initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, i}})
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.Close()
				logins.Add(1)
			}
		})
	}
	rests := []string{", name: a", ", name: b", `, name: b, advertise: ["192.0.2.1:3260"]`, `, name: c, targets: ["` + disks + `"]`, ""}
	for round := range 10 {
		was := logins.Load()
		asked(t, d, text("iscsi+tcp", rests[round%len(rests)]))
		for logins.Load() < was+3 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	stop.Store(true)
	all.Wait()

	stop.Store(false)
	for range 4 {
		all.Go(func() {
			for !stop.Load() {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.Close()
				connects.Add(1)
			}
		})
	}
	device := peer(t)
	for round, portal := range []string{"iser+iwarp", "srp+iwarp", "iscsi+tcp", "srp+iwarp", "iser+iwarp"} {
		was := connects.Load()
		asked(t, d, text(portal, ""))
		for connects.Load() < was+3 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
		var err error
		cfg := initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, byte(round)}}
		switch portal {
		case "iscsi+tcp":
			var c *initiator.Conn
			if c, err = initiator.Dial(t.Context(), addr, cfg); err == nil {
				_ = c.Close()
			}
		case "iser+iwarp":
			var c *initiator.Conn
			if c, err = initiator.DialRDMA(t.Context(), device, addr, cfg, initiator.RDMA{}); err == nil {
				_ = c.Close()
			}
		default:
			err = attachSRP(t, d, device, addr)
		}
		if err != nil {
			t.Errorf("%s: %v", portal, err)
		}
	}
	stop.Store(true)
	all.Wait()
}

func attachSRP(t *testing.T, d *Daemon, device rdma.Device, addr string) error {
	attach := addTarget(t, d, 0)
	to, err := iu.ParsePortID("0x" + attach[1] + attach[2])
	if err != nil {
		return err
	}
	c, err := srp.Dial(t.Context(), device, addr, srp.Config{Initiator: iu.MakePortID(0, 7), Target: to})
	if err == nil {
		_ = c.Close()
	}
	return err
}

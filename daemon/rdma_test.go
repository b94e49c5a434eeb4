package daemon

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	srp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

const rdmaDocument = `version: 1
units:
- {name: m, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", luns: {0: m}, auth: {users: [{user: me, secret-file: secret}]}, srp: {initiators: ["0x%032x", 127.0.0.2]}}
- {name: "` + closed + `", luns: {0: m}, srp: {id-ext: "00000000000000e1", ioc-guid: "00000000000000e2"}}
portals: ["127.0.0.1:0", "iser+iwarp://127.0.0.1:0", "srp+iwarp://127.0.0.1:0"]
limits: {stop-timeout: 1s}
network: {iwarp: {crc: always, max-fpdu: "4096"}}
`

// peer is a device of the initiators' side.
func peer(t *testing.T) rdma.Device {
	t.Helper()
	engine := tcp.NewGoroutines(tcp.Spin{})
	d, err := iwarp.New(iwarp.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// One daemon serves a unit by three transports: what is written by one is read by the others, each lets in
// whom it should, and the API tells them apart.
func TestServeOverRDMA(t *testing.T) {
	t.Chdir(t.TempDir())
	d := start(t, fmt.Sprintf(rdmaDocument, 7))
	stopped := false
	defer func() {
		if !stopped {
			_ = d.Stop(context.Background())
		}
	}()
	device := peer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	overTCP := initiator.Config{InitiatorName: me, TargetName: disks, Account: account(t, "me", "correct horse battery"), ISID: pdu.ISID{0x80, 1}}
	a, err := dial(t, d, overTCP)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("lunette!"), 64)
	block0(t, a, data)

	overISER := overTCP
	overISER.ISID = pdu.ISID{0x80, 2}
	b, err := initiator.DialRDMA(ctx, device, d.portals.load()[1].Addr(), overISER, initiator.RDMA{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.SetDeadline(time.Now().Add(5 * time.Second))
	if got := block0(t, b, nil); !bytes.Equal(got, data) {
		t.Error("by iSER another block is read than was written by TCP")
	}
	wrong := overISER
	wrong.Account = account(t, "me", "incorrect horse battery")
	if _, err := initiator.DialRDMA(ctx, device, d.portals.load()[1].Addr(), wrong, initiator.RDMA{}); err == nil {
		t.Error("by iSER a wrong secret is let in")
	}

	attach := addTarget(t, d, 0)
	port, err := iu.ParsePortID("0x" + attach[1] + attach[2])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srp.Dial(ctx, device, d.portals.load()[2].Addr(), srp.Config{Initiator: iu.MakePortID(0, 8), Target: port}); err == nil {
		t.Error("by SRP a port is let in that is not on the list")
	}
	c, err := srp.Dial(ctx, device, d.portals.load()[2].Addr(), srp.Config{Initiator: iu.MakePortID(0, 7), Target: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !bytes.Equal(first512(t, c), data) {
		t.Error("by SRP another block is read than was written by TCP")
	}
	open, err := srp.Dial(ctx, device, d.portals.load()[2].Addr(), srp.Config{Initiator: iu.MakePortID(0, 8), Target: iu.MakePortID(0xe1, 0xe2)})
	if err != nil {
		t.Errorf("a target without a list: %v", err)
	} else {
		_ = open.Close()
	}

	ask := client.New(d.opts.Socket)
	all, err := ask.Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		if s.Target == disks && len(s.Connections) == 1 {
			got = append(got, s.Transport+"+"+s.Connections[0].Network)
		}
	}
	if have := strings.Join(got, " "); !strings.Contains(have, "iscsi+tcp") || !strings.Contains(have, "iser+iwarp") || !strings.Contains(have, "srp+iwarp") {
		t.Errorf("sessions are %v: %+v", got, all)
	}
	targets, err := ask.Targets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	line := "id_ext=00000000000000e1,ioc_guid=00000000000000e2,dest=" + d.portals.load()[2].Addr()
	if len(targets) != 2 || fmt.Sprint(targets[1].Facts.Value("addTarget")) != "["+line+"]" || targets[1].Notes[0].Lines[0] != line {
		t.Errorf("targets are %+v, want %s", targets, line)
	}

	stopped = true
	before := time.Now()
	if err := d.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// addTarget is what attaches a target by SRP, with id_ext and ioc_guid.
func addTarget(t *testing.T, d *Daemon, i int) []string {
	t.Helper()
	line := d.Targets()[i].Notes[0].Lines[0]
	halves := regexp.MustCompile(`^id_ext=([0-9a-f]{16}),ioc_guid=([0-9a-f]{16}),dest=`).FindStringSubmatch(line)
	if halves == nil {
		t.Fatalf("the line is %s", line)
	}
	return append([]string{line}, halves[1:]...)
}

// The start-up lines say how each transport is attached.
func TestAnnounceRDMA(t *testing.T) {
	t.Chdir(t.TempDir())
	d := start(t, strings.Replace(fmt.Sprintf(rdmaDocument, 7), `iser+iwarp://127.0.0.1:0`, `iser+iwarp://0.0.0.0:0`, 1))
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	var b strings.Builder
	if err := d.Announce(&b); err != nil {
		t.Fatal(err)
	}
	add := regexp.QuoteMeta(addTarget(t, d, 0)[0])
	if !strings.HasSuffix(add, ",dest="+regexp.QuoteMeta(d.portals.load()[2].Addr())) {
		t.Errorf("the line is %s", add)
	}
	for _, line := range []string{
		`^     on iscsi\+tcp://127\.0\.0\.1:\d+, iser\+iwarp://(\[::\]|0\.0\.0\.0):\d+, srp\+iwarp://127\.0\.0\.1:\d+$`,
		`^ by SRP initiators at 0x00000000000000000000000000000007, 127\.0\.0\.2$`,
		`^ by SRP every initiator$`,
		`^        ` + add + `$`,
		`^  Linux iSER rdma link add siw0 type siw netdev DEVICE$`,
		`^             iscsiadm -m node -T ` + disks + ` -p ADDRESS:\d+ -I iser -o new$`,
		`^             iscsiadm -m node -T ` + disks + ` -p ADDRESS:\d+ -I iser -o update -n node\.session\.auth\.username -v me$`,
		`^             iscsiadm -m node -T ` + disks + ` -p ADDRESS:\d+ -I iser --login$`,
		`^  Linux SRP  rdma link add siw0 type siw netdev DEVICE$`,
		`^             echo ` + add + ` >/sys/class/infiniband_srp/srp-siw0-1/add_target$`,
	} {
		if !regexp.MustCompile("(?m)" + line).MatchString(b.String()) {
			t.Errorf("no line %s in\n%s", line, b.String())
		}
	}
}

// Two portals that take one port fail with the reason, even if the document does not show it.
func TestPortalsThatShareAPort(t *testing.T) {
	t.Chdir(t.TempDir())
	text := strings.Replace(fmt.Sprintf(rdmaDocument, 7), `"127.0.0.1:0", "iser+iwarp://127.0.0.1:0"`, `"0.0.0.0:47913", "iser+iwarp://127.0.0.1:47913"`, 1)
	doc, err := model.Read("test.yaml", []byte(strings.Replace(text, "auth: {users: [{user: me, secret-file: secret}]}, ", "", 1)), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), doc, Builtin(), quiet(t))
	if err == nil || !strings.Contains(err.Error(), "portal iser+iwarp://127.0.0.1:47913: port 47913 is that of the portal iscsi+tcp://0.0.0.0:47913 already") {
		t.Errorf("got %v", err)
	}
}

// first512 is block 0 of LUN 0, by SRP.
func first512(t *testing.T, c *srp.Conn) []byte {
	t.Helper()
	in := make([]byte, 512)
	for range 4 { // a unit attention may come first
		k := &srp.Command{CDB: []byte{byte(scsi.OpRead10), 0, 0, 0, 0, 0, 0, 0, 1, 0}, In: in}
		if err := c.Do(k); err != nil {
			t.Fatal(err)
		}
		if k.Status == scsi.Good {
			break
		}
	}
	return in
}

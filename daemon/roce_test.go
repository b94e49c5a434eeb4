package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	srp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

const roceDocument = `version: 1
units:
- {name: m, store: {kind: memory, size: 4M}}
targets:
- {name: "` + disks + `", luns: {0: m}}
portals: ["127.0.0.1:0", "iser+roce://%s:3260", "srp+roce://%[1]s:0"]
limits: {stop-timeout: 1s}
network: {roce: {mtu: "1024"}}
`

// elsewhere is an address of loopback at which nobody has UDP port 4791, most likely.
func elsewhere() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("127.%d.%d.%d", 1+b[0]%250, b[1], 1+b[2]%250)
}

// rocePeer is a device of the initiators' side.
func rocePeer(t *testing.T) rdma.Device {
	t.Helper()
	d, err := roce.New(roce.Config{Host: socket.New()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// One daemon serves a unit by RoCE, over sockets of this host: both transports share UDP port 4791.
func TestServeOverRoCE(t *testing.T) {
	t.Chdir(t.TempDir())
	at := elsewhere()
	d := start(t, fmt.Sprintf(roceDocument, at))
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	device := rocePeer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	data := bytes.Repeat([]byte("lunette!"), 64)

	a, err := initiator.DialRDMA(ctx, device, at+":3260", initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, 1}}, initiator.RDMA{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	block0(t, a, data)

	attach := addTarget(t, d, 0)
	if !strings.HasSuffix(attach[0], ",dest="+d.portals.load()[2].Addr()) {
		t.Errorf("the line is %s", attach[0])
	}
	port, err := iu.ParsePortID("0x" + attach[1] + attach[2])
	if err != nil {
		t.Fatal(err)
	}
	c, err := srp.Dial(ctx, device, d.portals.load()[2].Addr(), srp.Config{Initiator: iu.MakePortID(0, 7), Target: port})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !bytes.Equal(first512(t, c), data) {
		t.Error("by SRP another block is read than was written by iSER")
	}

	all, err := client.New(d.opts.Socket).Sessions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		for _, c := range s.Connections {
			got = append(got, s.Transport+"+"+c.Network)
		}
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "iser+roce srp+roce" {
		t.Errorf("sessions are %v", got)
	}

	var b strings.Builder
	if err := d.Announce(&b); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`^  Linux iSER rdma link add rxe0 type rxe netdev DEVICE$`,
		`^             # from another host, or a guest: `,
		`^  Linux SRP  rdma link add rxe0 type rxe netdev DEVICE$`,
		`^             echo ` + regexp.QuoteMeta(attach[0]) + ` >/sys/class/infiniband_srp/srp-rxe0-1/add_target$`,
	} {
		if !regexp.MustCompile("(?m)" + line).MatchString(b.String()) {
			t.Errorf("no line %s in\n%s", line, b.String())
		}
	}
}

// A portal changes its kind in place, since all of them share a socket, and goes on at another port at once.
func TestRoCEPortalsChange(t *testing.T) {
	t.Chdir(t.TempDir())
	at := elsewhere()
	text := func(portals string) string {
		return strings.Replace(fmt.Sprintf(roceDocument, at), fmt.Sprintf(`"iser+roce://%s:3260", "srp+roce://%[1]s:0"`, at), portals, 1)
	}
	portal := func(kind string, port int) string { return fmt.Sprintf(`"%s://%s:%d"`, kind, at, port) }
	d := start(t, text(portal("iser+roce", 3260)))
	defer func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	device := rocePeer(t)
	for i, p := range [][2]any{{"srp+roce", 3260}, {"iser+roce", 3260}, {"iser+roce", 3261}, {"srp+roce", 3260}} {
		kind, number := p[0].(string), p[1].(int)
		asked(t, d, text(portal(kind, number)))
		addr := fmt.Sprintf("%s:%d", at, number)
		if kind == "srp+roce" {
			if err := attachSRP(t, d, device, addr); err != nil {
				t.Errorf("%d: %v", i, err)
			}
			continue
		}
		c, err := initiator.DialRDMA(t.Context(), device, addr, initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, byte(i)}}, initiator.RDMA{})
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		_ = c.Close()
	}
}

// Who cannot have UDP port 4791 is told why, and that it is not the portal's fault.
func TestRoCEPortTaken(t *testing.T) {
	t.Chdir(t.TempDir())
	at := elsewhere()
	l, err := net.ListenPacket("udp4", at+":4791")
	if err != nil {
		t.Skip("SKIPPED: UDP port 4791 cannot be had: ", err)
	}
	defer l.Close()
	doc, err := model.Read("test.yaml", fmt.Appendf(nil, roceDocument, at), Builtin().Schema())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), doc, Builtin(), quiet(t))
	if err == nil || !strings.Contains(err.Error(), "portal iser+roce://"+at+":3260: UDP port 4791 is taken") || errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}

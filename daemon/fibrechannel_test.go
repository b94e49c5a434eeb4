package daemon

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/ethernet/packet"
	ethersim "github.com/lunette-io/lunette/network/ethernet/sim"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	fcoekind "github.com/lunette-io/lunette/network/fc/fcoe/kind"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// fibreDocument shows two targets among neighbours at eth0, and one of them in a fabric at eth1.
const fibreDocument = `version: 1
units:
- {name: m, store: {kind: memory, size: 1M}}
- {name: n, store: {kind: memory, size: 2M}}
targets:
- {name: "` + disks + `", luns: {0: m}, fcp: {initiators: ["20:00:02:00:00:00:00:*"]}, access: [{name: you, initiators: ["naa.20000200000000b2"], luns: {0: n}}]}
- {name: "` + closed + `", luns: {0: m}, fcp: {wwnn: "10:00:02:00:00:00:cc:00", wwpns: ["20:00:02:00:00:00:cc:01"]}}
portals:
- "fcp+hub://eth0"
- {kind: fcp+hub, address: "eth1?mode=fabric", tag: 2, targets: ["` + disks + `"]}
limits: {stop-timeout: 1s}
`

// Names of initiators' ports.
const (
	fibreMe   fc.Name = 0x2000_0200000000b1
	fibreYou  fc.Name = 0x2000_0200000000b2
	fibreThey fc.Name = 0x2000_02000000ffb3
)

// A fibre is a daemon on a simulated hub, and another host there.
type fibre struct {
	*Daemon
	t          *testing.T
	neighbours fc.Network
	fabric     fc.Network
	stopped    bool
}

// stop stops the daemon, unless it was stopped before.
func (f *fibre) stop() {
	f.t.Helper()
	if f.stopped {
		return
	}
	f.stopped = true
	if err := f.Stop(context.Background()); err != nil {
		f.t.Error(err)
	}
}

// startFibre starts a daemon with a provider of FCoE on a hub, which both end with the test.
func startFibre(t *testing.T, text string) *fibre {
	t.Helper()
	hub := ethersim.New()
	us, them := hub.Host("us"), hub.Host("them")
	for i, name := range []string{"eth0", "eth1"} {
		us.Add(name, ethernet.MAC{2, 0, 0, 0, 0xa, byte(i)}, 2500)
		them.Add(name, ethernet.MAC{2, 0, 0, 0, 0xb, byte(i)}, 2500)
	}
	reg := Builtin().With(fcoekind.On("hub", us))
	doc, err := model.Read("test.yaml", []byte(text), reg.Schema())
	if err != nil {
		t.Fatal(err)
	}
	d, err := Start(t.Context(), doc, reg, quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	p := fcoe.New(fcoe.Config{Host: them})
	f := &fibre{Daemon: d, t: t}
	for to, address := range map[*fc.Network]string{&f.neighbours: "eth0", &f.fabric: "eth1?mode=enode"} {
		if *to, err = p.Open(t.Context(), address); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		f.stop()
		for _, n := range []interface{ Close() error }{f.neighbours, f.fabric, p, hub} {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return f
}

// port is an initiator's, which is closed with the test.
func (f *fibre) port(n fc.Network, name fc.Name) *initiator.Port {
	f.t.Helper()
	p, err := initiator.Open(n, initiator.Config{Node: name - 0x1000_000000000000, Port: name})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = p.Close() })
	return p
}

// dial logs in.
func (f *fibre) dial(p *initiator.Port, target fc.Name) *initiator.Conn {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	c, err := p.Dial(ctx, target)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// keptOut finds that nobody logs in.
func (f *fibre) keptOut(p *initiator.Port, target fc.Name) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 250*time.Millisecond)
	defer cancel()
	if _, err := p.Dial(ctx, target); err == nil {
		f.t.Errorf("%v is let in", target)
	}
}

func overFCP(c *initiator.Conn) anyInitiator {
	return func(lun scsi.LUN, cdb, out, in []byte) (scsi.Status, scsi.Sense, error) {
		k := &initiator.Command{LUN: lun, CDB: cdb, Out: out, In: in}
		if err := c.Do(k); err != nil {
			return 0, scsi.Sense{}, err
		}
		return k.Status, k.Sense, nil
	}
}

// first writes the first block of LUN 0, or reads it.
func first(t *testing.T, c *initiator.Conn, out []byte) []byte {
	t.Helper()
	do := overFCP(c)
	do.told(t, 0)
	op, in := scsi.OpWrite10, []byte(nil)
	if out == nil {
		op, in = scsi.OpRead10, make([]byte, 512)
	}
	if status, sense, err := do(0, []byte{byte(op), 0, 0, 0, 0, 0, 0, 0, 1, 0}, out, in); err != nil || status != scsi.Good {
		t.Fatalf("%v, %v, %v", status, sense, err)
	}
	return in
}

// One daemon serves a unit among neighbours and in its own fabric; what is written by one is read by the other, each lets in whom it
// should, access is by names in any notation, and the document changes while hosts are logged in.
func TestServeFibreChannel(t *testing.T) {
	t.Chdir(t.TempDir())
	f := startFibre(t, fibreDocument)
	node := fcp.NodeName(disks)
	one, two := fcp.PortName(node, 1), fcp.PortName(node, 2)
	const other fc.Name = 0x2000_02000000cc01

	data := bytes.Repeat([]byte("lunette!"), 64)
	me := f.port(f.neighbours, fibreMe)
	a := f.dial(me, one)
	first(t, a, data)
	old := f.dial(me, other)
	if got := first(t, old, nil); !bytes.Equal(got, data) {
		t.Error("by another target another block is read than was written")
	}
	inFabric := f.port(f.fabric, fibreMe+0x10)
	b := f.dial(inFabric, two)
	if got := first(t, b, nil); !bytes.Equal(got, data) {
		t.Error("in the fabric another block is read than was written among neighbours")
	}
	you := f.port(f.neighbours, fibreYou)
	if got := first(t, f.dial(you, one), nil); bytes.Equal(got, data) {
		t.Error("who has another view sees the same unit")
	}
	they, theyInFabric := f.port(f.neighbours, fibreThey), f.port(f.fabric, fibreThey+0x10)
	f.keptOut(they, one)
	f.keptOut(theyInFabric, two)
	first(t, f.dial(they, other), nil)

	var seen []string
	for _, s := range f.Sessions() {
		if s.Transport != "fcp" || len(s.Connections) != 1 || s.Connections[0].PDUsIn == 0 || s.Connections[0].Network != "fcoe" {
			t.Errorf("the session is %+v", s)
		}
		seen = append(seen, s.Initiator+" "+s.Target)
	}
	for _, want := range []string{ // neighbours may have logged in to others as well
		fibreMe.String() + " " + closed, fibreMe.String() + " " + disks, fibreYou.String() + " " + disks,
		(fibreMe + 0x10).String() + " " + disks, fibreThey.String() + " " + closed,
	} {
		if !slices.Contains(seen, want) {
			t.Errorf("sessions are %q, without %s", seen, want)
		}
	}
	if slices.Contains(seen, fibreThey.String()+" "+disks) || slices.Contains(seen, (fibreThey+0x10).String()+" "+disks) {
		t.Errorf("sessions are %q", seen)
	}

	f.announced(one, two)
	text := strings.Replace(fibreDocument, `["20:00:02:00:00:00:00:*"]`, `["20:00:02:00:00:00:ff:*"]`, 1)
	asked(t, f.Daemon, text) // the list is another
	<-a.Gone()
	<-b.Gone()
	first(t, f.dial(they, one), nil)
	if got := first(t, f.dial(theyInFabric, two), nil); !bytes.Equal(got, data) {
		t.Error("another block is read")
	}
	f.keptOut(me, one)
	f.keptOut(inFabric, two)

	text = strings.Replace(text, "luns: {0: m}, fcp: {wwnn", "luns: {0: m}, maintenance: true, fcp: {wwnn", 1)
	asked(t, f.Daemon, text)
	<-old.Gone()
	f.keptOut(me, other)
	text = strings.Replace(text, "maintenance: true, ", "", 1)
	asked(t, f.Daemon, strings.Replace(text, `wwpns: ["20:00:02:00:00:00:cc:01"]`, `wwpns: ["20:00:02:00:00:00:cc:02"]`, 1))
	first(t, f.dial(me, other+1), nil)
	f.keptOut(me, other)

	// A portal goes with its sessions, and comes back; another mode takes two changes.
	d := f.dial(theyInFabric, two)
	const fabric = `- {kind: fcp+hub, address: "eth1?mode=fabric", tag: 2, targets: ["` + disks + `"]}`
	if _, err := f.engine.Apply(t.Context(), whatever(strings.Replace(text, "eth1?mode=fabric", "eth1", 1))); err == nil || !strings.Contains(err.Error(), "in a second change") {
		t.Errorf("another mode: %v", err)
	}
	first(t, d, nil)
	asked(t, f.Daemon, strings.Replace(text, fabric, "", 1))
	<-d.Gone()
	f.keptOut(theyInFabric, two)
	asked(t, f.Daemon, text)
	first(t, f.dial(theyInFabric, two), nil)

	last := f.dial(they, one)
	f.stop()
	select {
	case <-last.Gone():
	case <-time.After(20 * time.Second):
		t.Error("the session outlives the daemon")
	}
}

// announced finds what hosts have to do in the start-up lines and in the API.
func (f *fibre) announced(one, two fc.Name) {
	f.t.Helper()
	var b bytes.Buffer
	if err := f.Announce(&b); err != nil {
		f.t.Fatal(err)
	}
	for _, want := range []string{
		"on fcp+hub://eth0, fcp+hub://eth1?mode=fabric",
		" by FCP initiators at 20:00:02:00:00:00:00:*\n",
		fmt.Sprintf("port %v of node %v on eth0\n", one, fcp.NodeName(disks)), fmt.Sprintf("port %v of node", two),
		" by FCP every initiator\n",
		"modprobe fcoe; ip link set DEVICE mtu 2500 up   # DEVICE is on the same Ethernet as our eth0",
		"echo VN2VN >/sys/bus/fcoe/devices/ctlr_0/mode",
		fmt.Sprintf("the port %v is found without being named", one),
		"to ask who they are: --fcp-initiator WWPN",
	} {
		if !strings.Contains(b.String(), want) {
			f.t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	notes := f.Targets()[0].Notes
	if len(notes) != 2 || !strings.Contains(strings.Join(notes[0].Lines, "\n"), "VN2VN") || strings.Contains(strings.Join(notes[1].Lines, "\n"), "VN2VN") ||
		!strings.Contains(strings.Join(notes[1].Lines, "\n"), two.String()) {
		f.t.Errorf("notes are %+v", notes)
	}
	if got := fmt.Sprint(f.Targets()[0].Facts.Value("wwpns")); got != fmt.Sprint([]string{one.String(), two.String()}) {
		f.t.Errorf("the ports are %s", got)
	}
}

// The same on interfaces of this host: a pair of them, in a network namespace of its own.
func TestServeFibreChannelOnInterfaces(t *testing.T) {
	if !transporttest.InNamespace(t, 2500) {
		return
	}
	t.Chdir(t.TempDir())
	d := start(t, strings.Replace(fibreDocument[:strings.Index(fibreDocument, "- {kind: fcp+hub")], "fcp+hub://eth0", "fcp+fcoe://"+transporttest.VethTarget, 1))
	p := fcoe.New(fcoe.Config{Host: packet.New()})
	n, err := p.Open(t.Context(), transporttest.VethInitiator)
	if err != nil {
		t.Fatal(err)
	}
	f := &fibre{Daemon: d, t: t}
	me := f.port(n, fibreMe)
	c := f.dial(me, fcp.PortName(fcp.NodeName(disks), 1))
	data := bytes.Repeat([]byte("lunette!"), 64)
	first(t, c, data)
	if got := first(t, c, nil); !bytes.Equal(got, data) {
		t.Error("another block is read than was written")
	}
	if s := f.Sessions(); len(s) == 0 || s[0].Connections[0].Copied < 512 || s[0].Connections[0].Sends == 0 {
		t.Errorf("sessions are %+v", s)
	}
	f.stop()
	<-c.Gone()
	for _, end := range []interface{ Close() error }{me, n, p} {
		if err := end.Close(); err != nil {
			t.Error(err)
		}
	}
}

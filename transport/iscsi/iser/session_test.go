package iser_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a node on a simulated network.
func start(tb testing.TB, n *sim.Network, o iser.Options, r initiator.RDMA, cfg iscsi.Config) *transporttest.ISCSI {
	return transporttest.StartISER(tb, transporttest.ISER{Devices: transporttest.SimDevices(n), Portal: o, RDMA: r}, cfg, nil)
}

// pattern is n bytes that tell their place.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 7))
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b
}

func write(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpWrite10, lba, uint16(n/512), w)
}

func read(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpRead10, lba, uint16(n/512), w)
}

// good executes a command that must end with GOOD and without residual.
func good(t *testing.T, c *initiator.Conn, cdb, out, in []byte) {
	t.Helper()
	r, err := c.Do(0, cdb, out, in)
	switch {
	case err != nil:
		t.Fatal(err)
	case r.Status != scsi.Good || r.Residual != 0 || r.Received != len(in):
		t.Fatalf("%v, %v, residual %d, %d bytes of %d", r.Status, r.Sense(), r.Residual, r.Received, len(in))
	}
}

// TestTransfers writes and reads back with every combination of what shapes the data phases.
func TestTransfers(t *testing.T) {
	ways := []transporttest.Way{transporttest.Lend, transporttest.Lease, transporttest.Later, transporttest.Pieces, transporttest.KeepIt}
	lba := uint32(0)
	for name, r := range map[string]initiator.RDMA{
		"rest": {}, "whole": {Buffer: initiator.WholeBuffer}, "solicited": {Buffer: initiator.SolicitedBuffer, Hello: true},
		"small": {TargetRecv: 512, InitiatorRecv: 512, NoInvalidate: true},
	} {
		for _, unsolicited := range []bool{false, true} {
			provider := map[bool]string{true: "iwarp", false: "sim"}[(len(name)%2 == 0) == unsolicited] // each by each would be long
			t.Run(fmt.Sprintf("%s, unsolicited %v, %s", name, unsolicited, provider), func(t *testing.T) {
				s := transporttest.StartISER(t, transporttest.ISER{
					Devices: devices[provider](t), Portal: iser.Options{Unsolicited: func() bool { return unsolicited }, TargetRecv: 8192}, RDMA: r,
				}, iscsi.Config{}, nil)
				for _, immediate := range []bool{true, false} {
					for _, initial := range []bool{true, false} {
						cfg := s.Config(1)
						cfg.Login.ImmediateData, cfg.Login.InitialR2T = immediate, initial
						cfg.Login.FirstBurstLength, cfg.Login.MaxBurstLength = 60_000, 100_000
						c := s.Dial(cfg)
						if p := c.Params(); p.ImmediateData != immediate || p.InitialR2T != (initial || !unsolicited) {
							t.Fatalf("%+v", p)
						}
						for _, n := range []int{0, 512, 8192, 8704, 64 << 10, 1<<20 + 512} {
							for _, way := range ways {
								if n > 64<<10 && way != transporttest.Later && way != transporttest.Pieces {
									continue
								}
								data := pattern(n, uint64(lba))
								good(t, c, write(lba, n, way), data, nil)
								back := make([]byte, n)
								good(t, c, read(lba, n, way), nil, back)
								if !bytes.Equal(data, back) {
									t.Fatalf("way %d: %d bytes came back wrong", way, n)
								}
								lba = (lba + 1) % 4096
							}
						}
						if code, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil || code != 0 {
							t.Fatal(code, err)
						}
					}
				}
			})
		}
	}
}

// TestKeys is what is answered to the keys of an initiator.
func TestKeys(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{})
	device := n.Device()
	defer device.Close()
	offer := func(pairs ...string) (map[string]string, error) {
		var all []keys.Pair
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			all = append(all, keys.Pair{Key: k, Value: v})
		}
		p := dial(t, device, s.Addr)
		defer p.Close()
		cl := keys.NewClient(keys.ClientConfig{
			InitiatorName: transporttest.InitiatorName, TargetName: transporttest.TargetName, ISID: pdu.ISID{0x80}, Offers: all,
		})
		_, err := negotiate(t, p, cl)
		return cl.Answers(), err
	}
	linux := []string{
		"DefaultTime2Wait=2", "DefaultTime2Retain=0", "IFMarker=No", "OFMarker=No", "ErrorRecoveryLevel=0", "InitialR2T=No", "MaxBurstLength=16776192",
		"FirstBurstLength=262144", "MaxOutstandingR2T=1", "MaxConnections=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes", "ImmediateData=Yes",
		"InitiatorRecvDataSegmentLength=262144", "TargetRecvDataSegmentLength=8192", "RDMAExtensions=Yes",
	}
	got, err := offer(linux...)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"DefaultTime2Wait": "2", "DefaultTime2Retain": "0", "IFMarker": "Reject", "OFMarker": "Reject", "ErrorRecoveryLevel": "0", "InitialR2T": "Yes", "MaxBurstLength": "1048576",
		"FirstBurstLength": "16384", "MaxOutstandingR2T": "1", "MaxConnections": "1", "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes", "ImmediateData": "Yes",
		"InitiatorRecvDataSegmentLength": "8192", "TargetRecvDataSegmentLength": "8192", "RDMAExtensions": "Yes", "TargetPortalGroupTag": "1",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) { // and nothing that was not asked for
		t.Errorf("%v\n instead of %v", got, want)
	}
	for _, x := range []struct {
		offers, want string
	}{
		{"MaxRecvDataSegmentLength=262144 RDMAExtensions=Yes", "RDMAExtensions=Yes"}, // it is ignored, and has no counterpart
		{"HeaderDigest=CRC32C,None DataDigest=None RDMAExtensions=Yes", "DataDigest=None HeaderDigest=None RDMAExtensions=Yes"},
		{"MaxOutstandingUnexpectedPDUs=0 MaxAHSLength=512 RDMAExtensions=Yes", "MaxAHSLength=256 MaxOutstandingUnexpectedPDUs=64 RDMAExtensions=Yes"},
		{"TaggedBufferForSolicitedDataOnly=Yes iSERHelloRequired=No RDMAExtensions=Yes", "RDMAExtensions=Yes"},
		{"TargetRecvDataSegmentLength=100 RDMAExtensions=Yes", "RDMAExtensions=Yes TargetRecvDataSegmentLength=Reject"},
		{"TargetRecvDataSegmentLength=16777215 RDMAExtensions=Yes", "RDMAExtensions=Yes TargetRecvDataSegmentLength=16384"},
		{"RDMAExtensions=No", "0200"}, {"ImmediateData=Yes", "0207"}, {"RDMAExtensions=Maybe", "0207"},
		{"iSERHelloRequired=Perhaps RDMAExtensions=Yes", "0200"}, {"MaxAHSLength=many RDMAExtensions=Yes", "0200"},
	} {
		got, err := offer(strings.Split(x.offers, " ")...)
		var f *keys.Failure
		if errors.As(err, &f) {
			if s := fmt.Sprintf("%04x", uint16(f.Status)); s != x.want {
				t.Errorf("%s: refused with %s", x.offers, s)
			}
			continue
		}
		delete(got, "TargetPortalGroupTag")
		var all []string
		for _, k := range sorted(got) {
			all = append(all, k+"="+got[k])
		}
		if s := strings.Join(all, " "); err != nil || s != x.want {
			t.Errorf("%s: %s, %v", x.offers, s, err)
		}
	}
}

// TestPlainTCP: who asks for RDMA in a stream hears that there is none, and goes on without.
func TestPlainTCP(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Offers = []keys.Pair{{Key: keys.RDMAExtensions, Value: keys.Yes}}
	w := s.Wire()
	r, err := w.Login(cfg, 1)
	if err != nil || r.Answers[keys.RDMAExtensions] != keys.No {
		t.Fatal(err, r.Answers)
	}
	// Nor does a connection of another kind join the session.
	n := sim.New()
	d := transporttest.SimDevices(n)
	p, err := iser.Listen(context.Background(), d.Target, d.Addr, s.Node, iser.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	cfg = s.Config(1)
	cfg.TSIH, cfg.CID = r.TSIH, 2
	_, err = initiator.DialRDMA(context.Background(), d.Initiator, p.Addr(), cfg, initiator.RDMA{})
	var f *keys.Failure
	if !errors.As(err, &f) || f.Status != pdu.LoginCannotInclude {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	_ = w.Close()
	s.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// TestControlData: whatever was negotiated, no PDU to the initiator has more than 128 bytes
// of data in full feature phase, and texts come in pieces.
func TestControlData(t *testing.T) {
	s := start(t, sim.New(), iser.Options{TargetRecv: 65536}, initiator.RDMA{TargetRecv: 65536}, iscsi.Config{})
	c := s.Dial(s.Config(1)) // it watches
	for _, n := range []int{0, 1, 127, 128, 129, 8192, 65536} {
		b := pattern(n, 3)
		if got, err := c.Ping(b); err != nil || !bytes.Equal(got, b[:min(n, 128)]) {
			t.Fatal(n, len(got), err)
		}
	}
	for range 20 {
		s.Node.AddPortal(iser.Name, "198.51.100.1:3260")
	}
	found, err := c.SendTargets("")
	if err != nil || len(found) != 1 || len(found[0].Addresses) != 21 {
		t.Fatal(found, err)
	}
	if _, err := c.Text(keys.Pair{Key: "MaxRecvDataSegmentLength", Value: "65536"}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Ping(make([]byte, 1000)); err != nil || len(got) != 128 {
		t.Fatal(len(got), err)
	}
	r, err := c.Do(0, []byte{0xff, 15: 0}, nil, nil)
	if err != nil || r.Sense() != scsi.InvalidOpcode() {
		t.Fatal(err, r)
	}
}

// TestDiscovery has answers as long as in a login, and nothing but texts.
func TestDiscovery(t *testing.T) {
	s := start(t, sim.New(), iser.Options{}, initiator.RDMA{}, iscsi.Config{})
	for i := range 300 {
		d, err := target.NewTarget(fmt.Sprintf("%s%d", transporttest.TargetName, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Node.AddTarget(iscsi.Target{SCSI: d}); err != nil {
			t.Fatal(err)
		}
	}
	cfg := s.Config(1)
	cfg.TargetName = ""
	most := 0
	cfg.Events.Arrived = func(h *pdu.BHS) { most = max(most, h.DataSegmentLength()) }
	c := s.Dial(cfg)
	if all, err := c.SendTargets("All"); err != nil || len(all) != 301 || most != 8192 {
		t.Fatal(len(all), most, err)
	}
	var refused *initiator.RejectError
	if _, err := c.Do(0, read(0, 512, 0), nil, make([]byte, 512)); !errors.As(err, &refused) {
		t.Error(err)
	}
}

// TestFirstSecond: nothing comes unasked in the first second after the login, when the
// initiator has not posted its buffers yet.
func TestFirstSecond(t *testing.T) { bubble(t, "", testFirstSecond) }

func testFirstSecond(t *testing.T) {
	s := start(t, sim.New(), iser.Options{}, initiator.RDMA{}, iscsi.Config{PingTimeout: time.Minute, Limits: iscsi.Limits{PingAfter: time.Nanosecond}})
	for i := range byte(5) {
		var pinged time.Time
		cfg := s.Config(i)
		cfg.Events.Arrived = func(h *pdu.BHS) {
			if h.Opcode() == pdu.OpNOPIn && pinged.IsZero() {
				pinged = time.Now()
			}
		}
		begin := time.Now()
		c := s.Dial(cfg)
		for pinged.IsZero() {
			if _, err := c.Receive(); err != nil {
				t.Fatal(err)
			}
		}
		if d := pinged.Sub(begin); d < time.Second { // it cannot be early by being slow
			t.Errorf("a ping after %v", d)
		}
		time.Sleep(time.Duration(i) * 30 * time.Millisecond)
	}
}

// TestConnections: those that are too many, and those that serve no Reads, are rejected.
func TestConnections(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{Limits: iscsi.Limits{MaxConnections: 1, MaxLogins: 1}})
	device := n.Device()
	defer device.Close()
	c, one := s.Dial(s.Config(1)), dial(t, device, s.Addr)
	transporttest.Eventually(t, "no room", func() bool { return s.Node.Room() != nil })
	var rejected *rdma.RejectedError
	for _, serves := range []int{0, 16} {
		_, _, err := device.Dial(context.Background(), s.Addr, rdma.Options{Serves: serves, MaxMessage: 100})
		if !errors.As(err, &rejected) || len(rejected.Private) != 4 || rejected.Private[0] != 0x80 {
			t.Errorf("%d Reads: %v", serves, err)
		}
	}
	good(t, c, read(0, 512, 0), nil, make([]byte, 512))
	_ = one.Close()
	transporttest.Eventually(t, "room for one", func() bool { return s.Node.Room() == nil })
	_, _, err := device.Dial(context.Background(), s.Addr, rdma.Options{Serves: 0, MaxMessage: 100})
	if !errors.As(err, &rejected) {
		t.Errorf("no Reads: %v", err)
	}
}

// TestSessions shows them to people.
func TestSessions(t *testing.T) {
	s := start(t, sim.New(), iser.Options{}, initiator.RDMA{}, iscsi.Config{})
	c := s.Dial(s.Config(1))
	good(t, c, write(0, 64<<10, transporttest.Later), make([]byte, 64<<10), nil)
	good(t, c, read(0, 64<<10, transporttest.Lend), nil, make([]byte, 64<<10))
	i := s.Node.Sessions()
	if len(i) != 1 || len(i[0].Connections) != 1 {
		t.Fatalf("%+v", i)
	}
	x := i[0].Connections[0]
	// 8192 bytes came along with the write: they were copied. The rest was read to its place.
	if x.Transport != "iser" || x.Local != s.Addr || x.Stats.PDUsIn < 3 || x.Stats.PDUsOut < 3 || x.Stats.DataOut != 64<<10-8192 || x.Stats.BytesOut < 64<<10 {
		t.Errorf("%+v", x)
	}
	if p := i[0].Params; p.MaxRecvDataSegmentLength != 8192 || p.MaxSendDataSegmentLength != 8192 || !p.RDMA() {
		t.Errorf("%+v", p)
	}
}

// TestCopies: data of a unit in memory is sent from there, and large data is received there.
func TestCopies(t *testing.T) {
	s := transporttest.StartISER(t, transporttest.ISER{Devices: transporttest.IWARPDevices(t)}, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.ImmediateData = false
	c := s.Dial(cfg)
	copied := func() int64 { return s.Node.Sessions()[0].Connections[0].Stats.Copied }
	before := copied()
	for _, n := range []int{16 << 10, 64 << 10, 1 << 20} {
		data := pattern(n, 1)
		good(t, c, write(0, n, transporttest.Lend), data, nil)
		back := make([]byte, n)
		good(t, c, read(0, n, transporttest.Lend), nil, back)
		if !bytes.Equal(data, back) {
			t.Fatalf("%d bytes came back wrong", n)
		}
		if now := copied(); now != before {
			t.Errorf("%d bytes: %d of them were copied", n, now-before)
			before = now
		}
	}
	c = s.Dial(s.Config(1)) // in the place of the other
	good(t, c, write(0, 4096, transporttest.Lend), make([]byte, 4096), nil)
	if n := copied(); n < 4096 {
		t.Errorf("%d bytes of immediate data were copied", n)
	}
}

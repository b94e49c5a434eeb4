package iscsi_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// The tests of this file send what initiators in the field send although RFC 7143 forbids it, byte
// by byte: docs/design/generosity.md says what is taken and why.

// A rawLogin is a login request as an initiator in the field sends it.
type rawLogin struct {
	csg, nsg pdu.Stage
	itt      uint32
	keys     string // pairs between semicolons
	unended  bool   // without the zero byte behind the last pair
}

// ask sends the request and returns the answer to it with its pairs.
func (x rawLogin) ask(t *testing.T, w *initiator.Wire) (pdu.LoginResponse, map[string]string) {
	t.Helper()
	var h pdu.BHS
	pdu.LoginRequest{Transit: true, CSG: x.csg, NSG: x.nsg, ISID: pdu.ISID{0x80, 0, 0, 0, 0, 7}, ITT: x.itt}.Put(&h)
	h.SetCmdSN(1)
	text := strings.ReplaceAll(x.keys, ";", "\x00")
	if !x.unended {
		text += "\x00"
	}
	if err := w.Send(&h, nil, []byte(text)); err != nil {
		t.Fatal(err)
	}
	r, err := w.Receive()
	if err != nil {
		t.Fatal(err)
	}
	resp, err := pdu.ParseLoginResponse(&r.BHS)
	if err != nil {
		t.Fatal(err)
	}
	if resp.ITT != x.itt {
		t.Errorf("the answer to %#x has the tag %#x", x.itt, resp.ITT)
	}
	pairs, err := keys.ParseAnswer(r.Data)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, p := range pairs {
		got[p.Key] = p.Value
	}
	return resp, got
}

const (
	stageSecurity    = pdu.StageSecurity
	stageOperational = pdu.StageOperational
	stageFull        = pdu.StageFullFeature
)

// allKeys are the operational keys of a session, as uiscsi offers them in a discovery session too.
const allKeys = "HeaderDigest=None;DataDigest=None;MaxConnections=4;InitialR2T=Yes;ImmediateData=Yes;MaxBurstLength=262144;" +
	"FirstBurstLength=65536;MaxOutstandingR2T=1;DataPDUInOrder=Yes;DataSequenceInOrder=Yes;DefaultTime2Wait=2;DefaultTime2Retain=0;ErrorRecoveryLevel=0"

// TestAnswersWithValues logs in to a discovery session and to a normal one with all operational
// keys: each is answered with a value that an initiator which expects one can read.
func TestAnswersWithValues(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	for name, first := range map[string]string{
		"discovery":               "SessionType=Discovery;" + allKeys,
		"normal":                  "TargetName=" + transporttest.TargetName + ";" + allKeys,
		"nothing comes unasked":   "TargetName=" + transporttest.TargetName + ";" + strings.Replace(allKeys, "ImmediateData=Yes", "ImmediateData=No", 1),
		"discovery, keys unended": "SessionType=Discovery;" + allKeys,
	} {
		t.Run(name, func(t *testing.T) {
			x := rawLogin{csg: stageOperational, nsg: stageFull, keys: "InitiatorName=" + transporttest.InitiatorName + ";" + first, unended: strings.Contains(name, "unended")}
			r, got := x.ask(t, s.Wire())
			if r.Status != pdu.LoginSuccess {
				t.Fatal(r.Status)
			}
			for pair := range strings.SplitSeq(allKeys, ";") {
				key, _, _ := strings.Cut(pair, "=")
				switch v := got[key]; v {
				case "", keys.Irrelevant, keys.Rejected, keys.NotUnderstood:
					t.Errorf("%s=%s", key, v)
				}
			}
			if n := got["MaxConnections"]; strings.Contains(name, "discovery") && n != "1" {
				t.Errorf("MaxConnections=%s for discovery", n)
			}
		})
	}
}

// TestSecondRequest logs in by two requests with different tags.
func TestSecondRequest(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	w := s.Wire()
	who := "InitiatorName=" + transporttest.InitiatorName + ";TargetName=" + transporttest.TargetName
	if r, got := (rawLogin{csg: stageSecurity, nsg: stageOperational, itt: 1, keys: who + ";AuthMethod=None"}).ask(t, w); r.Status != 0 || got["AuthMethod"] != keys.None {
		t.Fatalf("%v %v", r.Status, got)
	}
	if r, _ := (rawLogin{csg: stageOperational, nsg: stageFull, itt: 2, keys: "HeaderDigest=None"}).ask(t, w); r.Status != 0 || r.TSIH == 0 {
		t.Fatalf("%+v", r)
	}
	(&peer{Wire: w, t: t, next: 1}).alive()
}

// TestSendTargetsUnended asks for targets with a text that has no zero byte, only padding that the
// length does not count.
func TestSendTargetsUnended(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.TargetName = ""
	p := login(t, s, cfg)
	for _, text := range []string{"SendTargets=All", "SendTargets=All\x00"} {
		var h pdu.BHS
		pdu.TextRequest{Immediate: true, Final: true, ITT: 9, TTT: pdu.NoTag}.Put(&h)
		p.send(&h, []byte(text))
		r := p.receive()
		if want := "TargetName=" + transporttest.TargetName + "\x00TargetAddress=" + s.Addr + ",1\x00"; r.Opcode() != pdu.OpTextResponse || string(r.Data) != want {
			t.Errorf("%q: %v %q", text, r.Opcode(), r.Data)
		}
	}
}

// TestAuthMethodIsNoWayIn logs in with AuthMethod among the operational keys: to a target that asks
// for no authentication, and to one that does.
func TestAuthMethodIsNoWayIn(t *testing.T) {
	chap, err := auth.NewCHAP(auth.Config{Accounts: []auth.Account{*account(t, "alice", "alices-secret-01")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, locked := range []bool{false, true} {
		s := transporttest.StartISCSI(t, iscsi.Config{}, func(x *iscsi.Target) {
			if locked {
				x.Auth = func() keys.Authenticator { return chap.Begin() }
			}
		})
		for _, offer := range []string{"None", "CHAP,None"} {
			r, got := rawLogin{csg: stageOperational, nsg: stageFull, keys: "InitiatorName=" + transporttest.InitiatorName +
				";TargetName=" + transporttest.TargetName + ";HeaderDigest=None;AuthMethod=" + offer}.ask(t, s.Wire())
			switch {
			case locked && (r.Status != pdu.LoginAuthenticationFail || r.TSIH != 0):
				t.Errorf("a locked target, %s: %v, TSIH %d", offer, r.Status, r.TSIH)
			case !locked && (r.Status != pdu.LoginSuccess || got["AuthMethod"] != keys.None):
				t.Errorf("an open target, %s: %v %v", offer, r.Status, got)
			}
		}
		if n := len(s.Target.Nexuses()); locked && n != 0 {
			t.Errorf("%d nexuses", n)
		}
		s.Close()
	}
}

// TestNames lets in initiators with names that RFC 7143 does not allow. An access list lets in whose
// name it has, in letters of either case, and nobody whose name only looks like that.
func TestNames(t *testing.T) {
	const listed, vm = "iqn.2026-11.io.lunette.test:kim", "iqn.2008-11.org.linux-kvm:my vm"
	for _, x := range []struct {
		list []string
		want map[string]pdu.LoginStatus
	}{
		{nil, map[string]pdu.LoginStatus{
			"iqn.2008-11.org.linux-kvm:My VM":           pdu.LoginSuccess,
			"iqn.libiscsi.unittest.initiator":           pdu.LoginSuccess,
			"IdefixInitiator":                           pdu.LoginSuccess,
			"iqn.2026-11.t:" + strings.Repeat("x", 210): pdu.LoginInitiatorError,
			"iqn.2026-11.t:a,i,0x000000000000":          pdu.LoginInitiatorError,
		}},
		{[]string{listed, vm}, map[string]pdu.LoginStatus{
			"IQN.2026-11.io.lunette.test:KIM":      pdu.LoginSuccess,
			"iqn.2008-11.org.linux-kvm:My VM":      pdu.LoginSuccess,
			listed + " ":                           pdu.LoginNotFound,
			"iqn.2008-11.org.linux-kvm:my  vm":     pdu.LoginNotFound,
			"iqn.2026-11.io.lunette.test:\u212aim": pdu.LoginNotFound, // the sign of kelvin, whose lower case is k
			"\u0130qn.2026-11.io.lunette.test:kim": pdu.LoginNotFound, // the Turkish I, whose lower case is i
			"iqn.2026-11.io.lunette.test:k\u0456m": pdu.LoginNotFound, // the Ukrainian i
		}},
	} {
		s := transporttest.StartISCSI(t, iscsi.Config{}, func(target *iscsi.Target) {
			for _, name := range x.list {
				target.Initiators = append(target.Initiators, iscsi.Initiator{Name: name})
			}
		})
		for name, want := range x.want {
			w := s.Wire()
			r, _ := rawLogin{csg: stageOperational, nsg: stageFull, keys: "InitiatorName=" + name + ";TargetName=" + transporttest.TargetName}.ask(t, w)
			if r.Status != want {
				t.Errorf("%q where %q get in: %v instead of %v", name, x.list, r.Status, want)
			}
			_ = w.Close()
		}
		s.Close()
	}
}

// A syncBuffer is a buffer that many goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestNamesInLog shows what an initiator can write into the log by its name: nothing that a
// terminal obeys, and no line of its own.
func TestNamesInLog(t *testing.T) {
	var log syncBuffer
	s := transporttest.StartISCSI(t, iscsi.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, nil)
	for _, name := range []string{
		"iqn.2026-11.t:a\nlevel=ERROR msg=forged", "iqn.2026-11.t:\x1b[2J", "iqn.2026-11.t:\u202eb", "iqn.2026-11.t:\xff",
		`iqn.2026-11.t:a" level=ERROR msg="forged`,
	} {
		rawLogin{csg: stageOperational, nsg: stageFull, keys: "InitiatorName=" + name + ";TargetName=" + transporttest.TargetName}.ask(t, s.Wire())
	}
	s.Close()
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\u202e\xff") || strings.Contains(line, " level=ERROR msg=\"forged") {
			t.Errorf("the log has the line %q", line)
		}
	}
	if got := strings.Count(log.String(), "login refused,"); got != 4 {
		t.Errorf("%d logins refused instead of 4:\n%s", got, log.String())
	}
}

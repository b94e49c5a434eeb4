package login_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

const (
	initiator = "iqn.2026-11.io.example:host"
	disk      = "iqn.2026-11.io.lunette:disk"
	locked    = "iqn.2026-11.io.lunette:locked"
)

// world is an environment with one open target and one that needs CHAP.
type world struct {
	chap     *auth.CHAP
	asked    []login.Request
	admitted []login.Result
	tried    []string
	refuse   pdu.LoginStatus
	tsih     uint16
}

func newWorld(t testing.TB) *world {
	t.Helper()
	chap, err := auth.NewCHAP(auth.Config{
		Accounts: []auth.Account{account(t, "alice", "alice's own secret")},
		Target:   ptr(account(t, "lunette", "the target's secret")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &world{chap: chap, tsih: 0x100}
}

func ptr[T any](v T) *T { return &v }

func account(t testing.TB, user, secret string) auth.Account {
	t.Helper()
	s, err := auth.NewSecret([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return auth.Account{User: user, Secret: s}
}

func (w *world) Target(r *login.Request) (login.Target, pdu.LoginStatus) {
	w.asked = append(w.asked, *r)
	switch {
	case r.Discovery, r.TargetName == disk:
		return login.Target{PortalGroup: 7, Alias: "a disk"}, pdu.LoginSuccess
	case r.TargetName == locked:
		return login.Target{PortalGroup: 1, Auth: w.chap.Begin()}, pdu.LoginSuccess
	case strings.HasSuffix(r.TargetName, ":moved"):
		return login.Target{Why: "by the test", Redirect: "192.0.2.1:3260"}, pdu.LoginMovedTemporarily
	case strings.HasSuffix(r.TargetName, ":lost"):
		return login.Target{Why: "by the test"}, pdu.LoginMovedPermanently
	case strings.HasSuffix(r.TargetName, ":forbidden"):
		return login.Target{Why: "by the test"}, pdu.LoginAuthorizationFail
	}
	return login.Target{Why: "by the test"}, pdu.LoginNotFound
}

func (w *world) Tried(user string, err error) {
	w.tried = append(w.tried, fmt.Sprint(user, " ", err == nil))
}

func (w *world) Admit(r *login.Result) (uint16, pdu.LoginStatus, string) {
	w.admitted = append(w.admitted, *r)
	return w.tsih, w.refuse, "refused by the test"
}

// exchange is one request and what must come of it.
type exchange struct {
	flags string // of "TC": T and C
	csg   pdu.Stage
	nsg   pdu.Stage
	text  string // pairs between semicolons
	want  string // text of the response; "status 0xxxx" for a failure
	trans bool   // T in the response
	done  bool
	alter func(*pdu.BHS)
}

func header(e exchange, n int) pdu.BHS {
	var h pdu.BHS
	pdu.LoginRequest{
		Transit: strings.Contains(e.flags, "T"), Continue: strings.Contains(e.flags, "C"), CSG: e.csg, NSG: e.nsg,
		ISID: pdu.ISID{0x40, 0, 1, 2, 3, 4}, ITT: 5, CID: 1,
	}.Put(&h)
	h.SetCmdSN(77)
	h.SetExpStatSN(88)
	h.SetDataSegmentLength(n)
	if e.alter != nil {
		e.alter(&h)
	}
	return h
}

func encode(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(strings.ReplaceAll(s, ";", "\x00") + "\x00")
}

func decode(b []byte) string {
	return strings.ReplaceAll(strings.TrimSuffix(string(b), "\x00"), "\x00", ";")
}

// run plays a script against a new negotiator.
func run(t *testing.T, w *world, cfg login.Config, script ...exchange) *login.Negotiator {
	t.Helper()
	if err := cfg.Check(); err != nil {
		t.Fatal(err)
	}
	n := login.New(&cfg, w)
	for i, e := range script {
		text := encode(e.text)
		h := header(e, len(text))
		resp, done, err := n.Step(&h, text)
		got, perr := pdu.ParseLoginResponse(&resp.Header)
		if perr != nil {
			t.Fatalf("%d: %v", i, perr)
		}
		if resp.Header.DataSegmentLength() != len(resp.Text) {
			t.Fatalf("%d: header says %d bytes of %d", i, resp.Header.DataSegmentLength(), len(resp.Text))
		}
		if got.ITT != h.ITT() || got.ISID != (pdu.ISID{0x40, 0, 1, 2, 3, 4}) {
			t.Errorf("%d: ITT %d, ISID %v", i, got.ITT, got.ISID)
		}
		if f, ok := errors.AsType[*login.Failure](err); ok {
			status, redirect, _ := strings.Cut(e.want, " ")
			if code := hex4(uint16(f.Status)); code != status || f.Status != got.Status || done || f.Why == "" {
				t.Fatalf("%d: %v, done %v, on the wire %v; want %s", i, err, done, got.Status, e.want)
			}
			if decode(resp.Text) != redirect || got.Transit {
				t.Errorf("%d: text %q", i, resp.Text)
			}
			if again, _, err := n.Step(&h, text); !errors.Is(err, login.ErrEnded) || again.Text != nil || again.Header != (pdu.BHS{}) {
				t.Errorf("%d: answered after the end: %v", i, err)
			}
			if i != len(script)-1 {
				t.Fatalf("%d: the script goes on", i)
			}
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := decode(resp.Text); text != e.want {
			t.Fatalf("%d: answer\n%q, want\n%q", i, text, e.want)
		}
		if got.Transit != e.trans || done != e.done || got.CSG != e.csg || e.trans && got.NSG != e.nsg || got.Continue || got.Status != 0 {
			t.Fatalf("%d: response %+v, done %v", i, got, done)
		}
		if (got.TSIH == w.tsih) != done {
			t.Errorf("%d: TSIH %#x", i, got.TSIH)
		}
	}
	return n
}

func hex4(v uint16) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

const (
	sec  = pdu.StageSecurity
	oper = pdu.StageOperational
	full = pdu.StageFullFeature
	who  = "InitiatorName=" + initiator + ";TargetName=" + disk
	whoL = "InitiatorName=" + initiator + ";TargetName=" + locked
)

// The login of open-iscsi without authentication, with its default offers.
func TestOpenISCSI(t *testing.T) {
	w := newWorld(t)
	n := run(t, w, login.DefaultConfig(),
		exchange{
			flags: "T", csg: sec, nsg: oper, trans: true,
			text: "InitiatorName=" + initiator + ";InitiatorAlias=host;TargetName=" + disk + ";SessionType=Normal;AuthMethod=None",
			want: "TargetPortalGroupTag=7;AuthMethod=None",
		},
		exchange{
			flags: "T", csg: oper, nsg: full, trans: true, done: true,
			text: "HeaderDigest=None;DataDigest=None;DefaultTime2Wait=2;DefaultTime2Retain=0;IFMarker=No;OFMarker=No;ErrorRecoveryLevel=0;" +
				"InitialR2T=No;ImmediateData=Yes;MaxBurstLength=16776192;FirstBurstLength=262144;MaxOutstandingR2T=1;MaxConnections=1;" +
				"DataPDUInOrder=Yes;DataSequenceInOrder=Yes;MaxRecvDataSegmentLength=262144",
			want: "HeaderDigest=None;DataDigest=None;DefaultTime2Wait=2;DefaultTime2Retain=0;IFMarker=Reject;OFMarker=Reject;ErrorRecoveryLevel=0;" +
				"InitialR2T=No;ImmediateData=Yes;MaxBurstLength=1048576;FirstBurstLength=262144;MaxOutstandingR2T=1;MaxConnections=1;" +
				"DataPDUInOrder=Yes;DataSequenceInOrder=Yes;TargetAlias=a disk;MaxRecvDataSegmentLength=262144",
		})
	want := login.DefaultParams()
	want.MaxRecvDataSegmentLength, want.MaxSendDataSegmentLength = 262144, 262144
	want.InitialR2T, want.MaxBurstLength, want.FirstBurstLength, want.DefaultTime2Retain = false, 1<<20, 262144, 0
	checkParams(t, n.Result().Params, want)
	r := n.Result()
	if r.InitiatorName != initiator || r.TargetName != disk || r.InitiatorAlias != "host" || r.Discovery || r.AuthMethod != "None" ||
		r.User != "" || r.TSIH != 0x100 || r.CID != 1 || r.CmdSN != 77 || r.ExpStatSN != 88 || r.PortalGroup != 7 {
		t.Errorf("result %+v", r)
	}
	if len(w.asked) != 1 || len(w.admitted) != 1 || w.admitted[0].TSIH != 0 {
		t.Errorf("asked %v, admitted %v", w.asked, w.admitted)
	}
}

func checkParams(t *testing.T, got, want login.Params) {
	t.Helper()
	if len(got.Extra) == 0 {
		got.Extra = nil
	}
	if a, b := sprint(got), sprint(want); a != b {
		t.Errorf("params\n%s, want\n%s", a, b)
	}
}

func TestShortLogins(t *testing.T) {
	// Straight to the operational stage; nothing declared by the initiator.
	n := run(t, newWorld(t), login.DefaultConfig(), exchange{
		flags: "T", csg: oper, nsg: full, text: who, trans: true, done: true,
		want: "TargetPortalGroupTag=7;TargetAlias=a disk;MaxRecvDataSegmentLength=262144",
	})
	if p := n.Result().Params; p.MaxSendDataSegmentLength != 8192 || p.MaxRecvDataSegmentLength != 262144 || !p.InitialR2T || p.FirstBurstLength != 65536 {
		t.Errorf("params %+v", p)
	}
	// From security to full feature phase: there was no place to declare ours.
	n = run(t, newWorld(t), login.DefaultConfig(), exchange{
		flags: "T", csg: sec, nsg: full, text: who, trans: true, done: true, want: "TargetPortalGroupTag=7",
	})
	if p := n.Result().Params; p.MaxRecvDataSegmentLength != 8192 {
		t.Errorf("params %+v", p)
	}
	// Without T until the initiator has said all.
	run(t, newWorld(t), login.DefaultConfig(),
		exchange{csg: sec, text: who, want: "TargetPortalGroupTag=7"},
		exchange{csg: sec, text: "AuthMethod=CHAP,None", want: "AuthMethod=None"},
		exchange{flags: "T", csg: sec, nsg: oper, trans: true},
		exchange{csg: oper, text: "HeaderDigest=CRC32C,None", want: "HeaderDigest=CRC32C;TargetAlias=a disk;MaxRecvDataSegmentLength=262144"},
		exchange{csg: oper, text: "DataDigest=CRC32C", want: "DataDigest=CRC32C"},
		exchange{flags: "T", csg: oper, nsg: full, trans: true, done: true})
}

// libiscsi with a user name, at a target that wants none.
func TestNamesAgain(t *testing.T) {
	w := newWorld(t)
	n := run(t, w, login.DefaultConfig(),
		exchange{flags: "T", csg: sec, nsg: oper, trans: true, text: who + ";InitiatorAlias=host;SessionType=Normal;AuthMethod=CHAP,None", want: "TargetPortalGroupTag=7;AuthMethod=None"},
		exchange{
			flags: "T", csg: oper, nsg: full, trans: true, done: true,
			text: who + ";InitiatorAlias=host;SessionType=Normal;HeaderDigest=None,CRC32C",
			want: "HeaderDigest=None;TargetAlias=a disk;MaxRecvDataSegmentLength=262144",
		})
	if len(w.asked) != 1 || n.Result().InitiatorName != initiator {
		t.Errorf("asked %v", w.asked)
	}
}

func TestDiscovery(t *testing.T) {
	n := run(t, newWorld(t), login.DefaultConfig(), exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true,
		text: "InitiatorName=IQN.2026-11.io.example:HOST;SessionType=Discovery;HeaderDigest=CRC32C;MaxConnections=1;InitialR2T=No;FirstBurstLength=512;TaskReporting=FastAbort;DefaultTime2Wait=9;MaxRecvDataSegmentLength=512",
		want: "HeaderDigest=CRC32C;MaxConnections=1;InitialR2T=No;FirstBurstLength=512;TaskReporting=Reject;DefaultTime2Wait=9;TargetAlias=a disk;MaxRecvDataSegmentLength=8192",
	})
	r := n.Result()
	if !r.Discovery || r.InitiatorName != initiator || r.TargetName != "" || !r.Params.HeaderDigest || r.Params.MaxSendDataSegmentLength != 512 {
		t.Errorf("result %+v", r)
	}
}

func TestRulesBetweenKeys(t *testing.T) {
	const end = ";TargetAlias=a disk;MaxRecvDataSegmentLength=262144"
	const begin = "TargetPortalGroupTag=7;"
	for _, c := range []struct{ name, text, want string }{
		{"no unsolicited data, whatever the order", "FirstBurstLength=4096;InitialR2T=Yes;ImmediateData=No", "FirstBurstLength=4096;InitialR2T=Yes;ImmediateData=No"},
		{"first burst within burst", "FirstBurstLength=65536;MaxBurstLength=8192", "FirstBurstLength=8192;MaxBurstLength=8192"},
		{"one R2T with recovery", "MaxOutstandingR2T=8;ErrorRecoveryLevel=2", "MaxOutstandingR2T=1;ErrorRecoveryLevel=2"},
		{"unknown", "X-com.example.key=1;Y#x=2;Banana=3", "X-com.example.key=NotUnderstood;Y#x=NotUnderstood;Banana=NotUnderstood"},
		{"no answer to an answer", "X-com.example.key=NotUnderstood;TargetAlias=NotUnderstood;MaxConnections=1", "MaxConnections=1"},
		{"markers", "IFMarkInt=2048~8192;OFMarkInt=1;IFMarker=Yes", "IFMarkInt=Reject;OFMarkInt=Reject;IFMarker=Reject"},
		{"not acceptable", "MaxBurstLength=1;ImmediateData=Maybe;HeaderDigest=SHA;MaxConnections=0", "MaxBurstLength=Reject;ImmediateData=Reject;HeaderDigest=Reject;MaxConnections=Reject"},
		{"not in login", "SendTargets=All", "SendTargets=Reject"},
		{"level", "iSCSIProtocolLevel=2;TaskReporting=FastAbort,ResponseFence", "iSCSIProtocolLevel=2;TaskReporting=FastAbort"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := login.DefaultConfig()
			cfg.ErrorRecoveryLevel, cfg.MaxOutstandingR2T, cfg.ProtocolLevel = 2, 4, 2
			cfg.TaskReporting = "RFC3720,ResponseFence,FastAbort"
			run(t, newWorld(t), cfg, exchange{flags: "T", csg: oper, nsg: full, trans: true, done: true, text: who + ";" + c.text, want: begin + c.want + end})
		})
	}
}

func TestMoverKeys(t *testing.T) {
	rdma := func(p *login.Params) bool { return p.Extra["RDMAExtensions"] == "Yes" }
	cfg := login.DefaultConfig()
	cfg.Keys = []login.Key{
		{KeySpec: login.KeySpec{Name: "RDMAExtensions", Kind: login.And, Use: login.LeadingOnly, Sender: login.ByBoth}, Value: "Yes"},
		{KeySpec: login.KeySpec{Name: "HeaderDigest", Kind: login.Selection, Sender: login.ByBoth, IrrelevantWhen: rdma}, Value: "CRC32C,None"},
		{KeySpec: login.KeySpec{Name: "MaxRecvDataSegmentLength", Use: login.AnyTime, Sender: login.ByBoth, Min: 512, Max: 1 << 23, IrrelevantWhen: rdma}},
		{KeySpec: login.KeySpec{Name: "InitiatorRecvDataSegmentLength", Kind: login.Minimum, Sender: login.ByBoth, Min: 512, Max: 1 << 23}, Value: "65536"},
		{KeySpec: login.KeySpec{Name: "MaxOutstandingUnexpectedPDUs", Sender: login.ByBoth, Max: 1 << 30}, Value: "16"},
	}
	n := run(t, newWorld(t), cfg, exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true,
		text: who + ";HeaderDigest=CRC32C;MaxRecvDataSegmentLength=4096;RDMAExtensions=Yes;InitiatorRecvDataSegmentLength=131072;MaxOutstandingUnexpectedPDUs=8",
		want: "TargetPortalGroupTag=7;HeaderDigest=Irrelevant;RDMAExtensions=Yes;InitiatorRecvDataSegmentLength=65536;TargetAlias=a disk;MaxOutstandingUnexpectedPDUs=16",
	})
	p := n.Result().Params
	if p.HeaderDigest || p.MaxSendDataSegmentLength != 8192 || p.Extra["InitiatorRecvDataSegmentLength"] != "65536" || p.Extra["MaxOutstandingUnexpectedPDUs"] != "8" {
		t.Errorf("params %+v", p)
	}
	// Without RDMA everything is as on TCP.
	run(t, newWorld(t), cfg, exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true, text: who + ";HeaderDigest=CRC32C;RDMAExtensions=No",
		want: "TargetPortalGroupTag=7;HeaderDigest=CRC32C;RDMAExtensions=No;TargetAlias=a disk;MaxRecvDataSegmentLength=262144;MaxOutstandingUnexpectedPDUs=16",
	})
}

func TestNonLeadingConnection(t *testing.T) {
	w := newWorld(t)
	w.tsih = 0x42
	cfg := login.DefaultConfig()
	n := login.New(&cfg, w)
	e := exchange{flags: "T", csg: oper, nsg: full, alter: func(h *pdu.BHS) { h[14], h[15] = 0, 0x42 }}
	text := encode(who + ";MaxBurstLength=4096;HeaderDigest=CRC32C;MaxRecvDataSegmentLength=1024")
	h := header(e, len(text))
	resp, done, err := n.Step(&h, text)
	if err != nil || !done {
		t.Fatal(done, err)
	}
	if got, want := decode(resp.Text), "TargetPortalGroupTag=7;MaxBurstLength=Reject;HeaderDigest=CRC32C;TargetAlias=a disk;MaxRecvDataSegmentLength=262144"; got != want {
		t.Errorf("%s", got)
	}
	if w.asked[0].TSIH != 0x42 || w.admitted[0].TSIH != 0x42 || w.admitted[0].Params.MaxBurstLength != 262144 || w.admitted[0].Params.MaxSendDataSegmentLength != 1024 {
		t.Errorf("%+v", w.admitted)
	}
}

func TestFailures(t *testing.T) {
	many := make([]string, 0, 257)
	for i := range 257 {
		many = append(many, "X-k"+hex4(uint16(i))+"=")
	}
	for _, c := range []struct {
		name   string
		refuse pdu.LoginStatus
		script []exchange
	}{
		{"no initiator name", 0, []exchange{{flags: "T", csg: oper, nsg: full, text: "TargetName=" + disk, want: "0207"}}},
		{"no target name", 0, []exchange{{flags: "T", csg: oper, nsg: full, text: "InitiatorName=" + initiator, want: "0207"}}},
		{"nothing", 0, []exchange{{flags: "T", csg: oper, nsg: full, want: "0207"}}},
		{"bad initiator name", 0, []exchange{{csg: oper, text: "TargetName=" + disk + ";InitiatorName=iqn.2026-11.io.example:a\nb", want: "0200"}}},
		{"bad alias", 0, []exchange{{csg: oper, text: who + ";InitiatorAlias=\x1b[2J", want: "0200"}}},
		{"bad target name", 0, []exchange{{csg: oper, text: "TargetName=x;InitiatorName=" + initiator, want: "0203"}}},
		{"no such target", 0, []exchange{{csg: oper, text: "TargetName=" + disk + "2;InitiatorName=" + initiator, want: "0203"}}},
		{"not authorized", 0, []exchange{{csg: oper, text: "TargetName=" + disk + ":forbidden;InitiatorName=" + initiator, want: "0202"}}},
		{"moved", 0, []exchange{{csg: sec, text: "TargetName=" + disk + ":moved;InitiatorName=" + initiator, want: "0101 TargetAddress=192.0.2.1:3260"}}},
		{"moved nowhere", 0, []exchange{{csg: sec, text: "TargetName=" + disk + ":lost;InitiatorName=" + initiator, want: "0300"}}},
		{"session type", 0, []exchange{{csg: oper, text: who + ";SessionType=Boot", want: "0209"}}},
		{"version", 0, []exchange{{csg: oper, text: who, want: "0205", alter: func(h *pdu.BHS) { h[2], h[3] = 3, 1 }}}},
		{"another opcode", 0, []exchange{{csg: oper, text: who, want: "020b", alter: func(h *pdu.BHS) { h[0] = 0x01 }}}},
		{"another opcode later", 0, []exchange{{csg: oper, text: who, want: "TargetPortalGroupTag=7;TargetAlias=a disk;MaxRecvDataSegmentLength=262144"}, {want: "020b", alter: func(h *pdu.BHS) { h[0] = 0x40 }}}},
		{"T and C", 0, []exchange{{flags: "TC", csg: oper, nsg: full, text: who, want: "0200"}}},
		{"back", 0, []exchange{{flags: "T", csg: oper, nsg: oper, text: who, want: "0200"}}},
		{"stage 2", 0, []exchange{{csg: 2, text: who, want: "0200"}}},
		{"other stage than agreed", 0, []exchange{{csg: sec, text: who, want: "TargetPortalGroupTag=7"}, {csg: oper, want: "0200"}}},
		{"other ISID", 0, []exchange{{csg: sec, text: who, want: "TargetPortalGroupTag=7"}, {csg: sec, want: "0200", alter: func(h *pdu.BHS) { h[20] = 9 }}}},
		{"lying length", 0, []exchange{{csg: sec, text: who, want: "0200", alter: func(h *pdu.BHS) { h.SetDataSegmentLength(3) }}}},
		{"too long", 0, []exchange{{csg: sec, text: who + ";X=" + strings.Repeat("x,", 4096), want: "0200"}}},
		{"no pair", 0, []exchange{{csg: sec, text: "InitiatorName", want: "0200"}}},
		{"twice", 0, []exchange{{csg: oper, text: who + ";MaxConnections=1;MaxConnections=1", want: "0200"}}},
		{"twice, later", 0, []exchange{{csg: sec, text: who, want: "TargetPortalGroupTag=7"}, {csg: sec, text: "InitiatorName=" + initiator + "2", want: "0200"}}},
		{"too many keys", 0, []exchange{{csg: oper, text: who + ";" + strings.Join(many[:255], ";"), want: "0200"}}},
		{"session type late", 0, []exchange{{csg: sec, text: who, want: "TargetPortalGroupTag=7"}, {csg: sec, text: "SessionType=Discovery", want: "0200"}}},
		{"other initiator in the operational stage", 0, []exchange{
			{flags: "T", csg: sec, nsg: oper, text: who, want: "TargetPortalGroupTag=7", trans: true},
			{csg: oper, text: "InitiatorName=" + initiator + "2;TargetName=" + disk, want: "0200"},
		}},
		{"other target after the proof", 0, []exchange{
			{flags: "T", csg: sec, nsg: oper, text: who, want: "TargetPortalGroupTag=7", trans: true},
			{csg: oper, text: "TargetName=" + locked, want: "0200"},
		}},
		{"target's key", 0, []exchange{{csg: oper, text: who + ";TargetAlias=me", want: "0200"}}},
		{"operational key in security", 0, []exchange{{csg: sec, text: who + ";MaxConnections=1", want: "0200"}}},
		{"security key in operational", 0, []exchange{{csg: oper, text: who + ";AuthMethod=CHAP", want: "0200"}}},
		{"AuthMethod twice", 0, []exchange{{csg: sec, nsg: oper, flags: "T", trans: true, text: who + ";AuthMethod=None", want: "TargetPortalGroupTag=7;AuthMethod=None"}, {csg: oper, text: "AuthMethod=None", want: "0200"}}},
		{"impossible declaration", 0, []exchange{{csg: oper, text: who + ";MaxRecvDataSegmentLength=1", want: "0200"}}},
		{"only CHAP where nothing is needed", 0, []exchange{{csg: sec, text: who + ";AuthMethod=CHAP,KRB5", want: "0201"}}},
		{"CHAP keys where nothing is needed", 0, []exchange{{csg: sec, text: who + ";CHAP_A=5", want: "0200"}}},
		{"only None where CHAP is needed", 0, []exchange{{flags: "T", csg: sec, nsg: oper, text: whoL + ";AuthMethod=None", want: "0201"}}},
		{"no method where CHAP is needed", 0, []exchange{{flags: "T", csg: sec, nsg: oper, text: whoL, want: "0201"}}},
		{"security skipped", 0, []exchange{{flags: "T", csg: oper, nsg: full, text: whoL, want: "0201"}}},
		{"CHAP before the method", 0, []exchange{{csg: sec, text: whoL + ";AuthMethod=CHAP;CHAP_A=5", want: "0200"}}},
		{"wrong response", 0, []exchange{{csg: sec, text: whoL + ";AuthMethod=CHAP", want: "TargetPortalGroupTag=1;AuthMethod=CHAP"}, {csg: sec, text: "CHAP_N=alice;CHAP_R=0x00", want: "0201"}}},
		{"unknown algorithm", 0, []exchange{{csg: sec, text: whoL + ";AuthMethod=CHAP", want: "TargetPortalGroupTag=1;AuthMethod=CHAP"}, {csg: sec, text: "CHAP_A=99", want: "0201"}}},
		{"waiting instead of proving", 0, []exchange{
			{csg: sec, text: whoL + ";AuthMethod=CHAP", want: "TargetPortalGroupTag=1;AuthMethod=CHAP"},
			{flags: "T", csg: sec, nsg: full}, {flags: "T", csg: sec, nsg: oper}, {flags: "T", csg: oper, nsg: full, want: "0200"},
		}},
		{"session refused", pdu.LoginTooManyConnections, []exchange{{flags: "T", csg: oper, nsg: full, text: who, want: "0206"}}},
		{"no session", pdu.LoginNoSession, []exchange{{flags: "T", csg: sec, nsg: full, text: who, want: "020a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.refuse = c.refuse
			run(t, w, login.DefaultConfig(), c.script...)
			if len(w.admitted) > 0 && c.refuse == 0 {
				t.Errorf("admitted %+v", w.admitted)
			}
		})
	}
	w := newWorld(t)
	w.tsih = 0
	cfg := login.DefaultConfig()
	n := login.New(&cfg, w)
	text := encode(who)
	h := header(exchange{flags: "T", csg: oper, nsg: full}, len(text))
	if _, done, err := n.Step(&h, text); done || err == nil || !strings.Contains(err.Error(), "0300") {
		t.Errorf("TSIH 0: %v, %v", done, err)
	}
}

func TestContinuedRequest(t *testing.T) {
	w := newWorld(t)
	cfg := login.DefaultConfig()
	n := login.New(&cfg, w)
	text := encode(who + ";HeaderDigest=CRC32C,None;MaxRecvDataSegmentLength=65536")
	for i, piece := range slices.Collect(slices.Chunk(text, 7)) {
		last := 7*(i+1) >= len(text)
		e := exchange{flags: "C", csg: oper}
		if last {
			e = exchange{flags: "T", csg: oper, nsg: full}
		}
		h := header(e, len(piece))
		resp, done, err := n.Step(&h, piece)
		if err != nil || done != last || (len(resp.Text) > 0) != last {
			t.Fatalf("%d: %q, %v, %v", i, resp.Text, done, err)
		}
		if r, _ := pdu.ParseLoginResponse(&resp.Header); r.Transit != last || r.Continue {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	if p := n.Result().Params; !p.HeaderDigest || p.MaxSendDataSegmentLength != 65536 {
		t.Errorf("%+v", p)
	}
}

func TestContinuedRequestIsBounded(t *testing.T) {
	cfg := login.DefaultConfig()
	n := login.New(&cfg, newWorld(t))
	piece := make([]byte, 8192)
	h := header(exchange{flags: "C", csg: oper}, len(piece))
	for i := range 8 {
		if _, _, err := n.Step(&h, piece); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if _, _, err := n.Step(&h, piece); err == nil || !strings.Contains(err.Error(), "65536") {
		t.Errorf("%v", err)
	}
	// Nor does an initiator that says nothing keep a login for ever.
	n = login.New(&cfg, newWorld(t))
	h = header(exchange{flags: "C", csg: oper}, 0)
	for i := 0; ; i++ {
		if _, _, err := n.Step(&h, nil); err != nil {
			break
		}
		if i > 1000 {
			t.Fatal("no end")
		}
	}
}

func TestContinuedResponse(t *testing.T) {
	w := newWorld(t)
	cfg := login.DefaultConfig()
	n := login.New(&cfg, w)
	var many []string
	for i := range 100 {
		many = append(many, "X-a.rather.long.name.of.a.private.key."+hex4(uint16(i))+"=1")
	}
	text := encode(who + ";MaxRecvDataSegmentLength=512;" + strings.Join(many, ";"))
	h := header(exchange{flags: "T", csg: oper, nsg: full}, len(text))
	var whole []byte
	for i := 0; ; i++ {
		resp, done, err := n.Step(&h, text)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := pdu.ParseLoginResponse(&resp.Header)
		if len(resp.Text) > 512 || r.Continue == done || r.Transit != done || (r.TSIH != 0) != done {
			t.Fatalf("%d: %d bytes, %+v, done %v", i, len(resp.Text), r, done)
		}
		whole = append(whole, resp.Text...)
		if done {
			break
		}
		text = nil
		h = header(exchange{flags: "T", csg: oper, nsg: full}, 0)
	}
	pairs, err := login.ParseText(whole)
	if err != nil || len(pairs) != 103 {
		t.Errorf("%d pairs, %v", len(pairs), err)
	}
	// New text in the middle is refused.
	n = login.New(&cfg, w)
	text = encode(who + ";MaxRecvDataSegmentLength=512;" + strings.Join(many, ";"))
	h = header(exchange{csg: oper}, len(text))
	if _, _, err := n.Step(&h, text); err != nil {
		t.Fatal(err)
	}
	text = encode("X-more=1")
	h = header(exchange{csg: oper}, len(text))
	if _, _, err := n.Step(&h, text); err == nil {
		t.Error("new text accepted")
	}
}

package login_test

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// The tests of this file are those of the page docs/design/generosity.md: what is taken although RFC
// 7143 forbids it, and what that does not open.

// said is what the target declares in its first operational response.
const said = ";TargetAlias=a disk;MaxRecvDataSegmentLength=262144"

// TestNameThatIsNone lets in an initiator whose name RFC 7143 does not allow, and asks the
// environment about the name as it is compared.
func TestNameThatIsNone(t *testing.T) {
	w := newWorld(t)
	n := run(t, w, login.DefaultConfig(), exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true,
		text: "InitiatorName=iqn.2008-11.org.linux-kvm:My VM;TargetName=" + disk,
		want: "TargetPortalGroupTag=7" + said,
	})
	const want = "iqn.2008-11.org.linux-kvm:my vm"
	if n.Result().InitiatorName != want || w.asked[0].InitiatorName != want || w.admitted[0].InitiatorName != want {
		t.Errorf("%q, asked %v, admitted %v", n.Result().InitiatorName, w.asked, w.admitted)
	}
}

// TestNameInLog refuses names that would break a log, and tells of them in a form that does not.
func TestNameInLog(t *testing.T) {
	for _, name := range []string{"iqn.2026-11.t:a\nlevel=INFO msg=forged", "\x1b[2J", "a\u202eb", "\xff\xfe"} {
		cfg := login.DefaultConfig()
		n := login.New(&cfg, newWorld(t))
		text := login.AppendPairs(nil, []login.Pair{{Key: "InitiatorName", Value: name}, {Key: "TargetName", Value: disk}})
		h := header(exchange{flags: "T", csg: oper, nsg: full}, len(text))
		resp, done, err := n.Step(&h, text)
		if err == nil || done || strings.ContainsAny(err.Error(), "\n\x1b\u202e\xff") {
			t.Errorf("%q: %v, %q", name, done, err)
		}
		if n.Result().InitiatorName != "" || strings.Contains(string(resp.Text), name) {
			t.Errorf("%q: %q stays, %q is answered", name, n.Result().InitiatorName, resp.Text)
		}
	}
}

// TestOneConnectionInDiscovery answers MaxConnections of a discovery session, and with 1: nobody
// joins a discovery session.
func TestOneConnectionInDiscovery(t *testing.T) {
	cfg := login.DefaultConfig()
	cfg.MaxConnections = 8
	n := run(t, newWorld(t), cfg, exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true,
		text: "InitiatorName=" + initiator + ";SessionType=Discovery;MaxConnections=4", want: "MaxConnections=1;TargetAlias=a disk;MaxRecvDataSegmentLength=8192",
	})
	if n.Result().Params.MaxConnections != 1 {
		t.Errorf("%+v", n.Result().Params)
	}
}

// TestAnotherTag answers each login request with its own tag, as an initiator in C# expects it. What
// says which connection of which session the login is for must stay.
func TestAnotherTag(t *testing.T) {
	first := exchange{flags: "T", csg: sec, nsg: oper, trans: true, text: who + ";AuthMethod=None", want: "TargetPortalGroupTag=7;AuthMethod=None"}
	run(t, newWorld(t), login.DefaultConfig(), first, exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true, text: "HeaderDigest=None", alter: func(h *pdu.BHS) { h[19]++ },
		want: "HeaderDigest=None" + said,
	})
	for name, at := range map[string]int{"ISID": 8, "TSIH": 15, "CID": 21} {
		t.Run(name, func(t *testing.T) {
			cfg := login.DefaultConfig()
			n := login.New(&cfg, newWorld(t))
			text := encode(first.text)
			h := header(first, len(text))
			if _, _, err := n.Step(&h, text); err != nil {
				t.Fatal(err)
			}
			h = header(exchange{flags: "T", csg: oper, nsg: full}, 0)
			h[at]++
			if _, done, err := n.Step(&h, nil); err == nil || done {
				t.Errorf("done %v", done)
			}
		})
	}
}

// TestNotImmediate takes a login request without the I bit.
func TestNotImmediate(t *testing.T) {
	n := run(t, newWorld(t), login.DefaultConfig(), exchange{
		flags: "T", csg: oper, nsg: full, trans: true, done: true, text: who, alter: func(h *pdu.BHS) { h[0] &^= 0x40 },
		want: "TargetPortalGroupTag=7" + said,
	})
	if n.Result().CmdSN != 77 {
		t.Errorf("%+v", n.Result())
	}
}

// TestAuthMethodAmongOperationalKeys takes AuthMethod among the operational keys, as jSCSI sends it,
// where no authentication is needed. It neither replaces an authentication nor comes after one.
func TestAuthMethodAmongOperationalKeys(t *testing.T) {
	for _, offer := range []string{"None", "CHAP,None"} {
		run(t, newWorld(t), login.DefaultConfig(), exchange{
			flags: "T", csg: oper, nsg: full, trans: true, done: true, text: who + ";HeaderDigest=None;AuthMethod=" + offer,
			want: "TargetPortalGroupTag=7;HeaderDigest=None;AuthMethod=None" + said,
		})
	}
	// Who skips the security stage is not let in where a proof is needed.
	for _, offer := range []string{"None", "CHAP,None", "CHAP"} {
		w := newWorld(t)
		run(t, w, login.DefaultConfig(), exchange{flags: "T", csg: oper, nsg: full, text: whoL + ";AuthMethod=" + offer, want: "0201"})
		if len(w.admitted) != 0 {
			t.Error("let in")
		}
	}
	// Who has begun to prove who it is does not get away from that.
	run(t, newWorld(t), login.DefaultConfig(),
		exchange{csg: sec, text: whoL + ";AuthMethod=CHAP,None", want: "TargetPortalGroupTag=1;AuthMethod=CHAP"},
		exchange{flags: "T", csg: oper, nsg: full, text: "AuthMethod=None", want: "0200"})
	// Nor is it of use to say it twice.
	run(t, newWorld(t), login.DefaultConfig(), exchange{csg: oper, text: who + ";AuthMethod=None;AuthMethod=None", want: "0200"})
}

// TestLoginWithoutLastZero logs in with a text whose last pair has no zero byte behind it.
func TestLoginWithoutLastZero(t *testing.T) {
	cfg := login.DefaultConfig()
	n := login.New(&cfg, newWorld(t))
	text := []byte(strings.TrimSuffix(string(encode(who+";HeaderDigest=None")), "\x00"))
	h := header(exchange{flags: "T", csg: oper, nsg: full}, len(text))
	resp, done, err := n.Step(&h, text)
	if err != nil || !done || decode(resp.Text) != "TargetPortalGroupTag=7;HeaderDigest=None"+said {
		t.Errorf("%q %v %v", decode(resp.Text), done, err)
	}
}

package login_test

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"pgregory.net/rapid"
)

// checkStep holds what must be true of every step, whatever came in.
func checkStep(t interface{ Fatalf(string, ...any) }, n *login.Negotiator, w *world, h pdu.BHS, data []byte, ended bool) (over bool) {
	resp, done, err := n.Step(&h, data)
	if ended {
		if !errors.Is(err, login.ErrEnded) || done || resp.Header != (pdu.BHS{}) {
			t.Fatalf("answered after the end: %+v, %v, %v", resp, done, err)
		}
		return true
	}
	got, perr := pdu.ParseLoginResponse(&resp.Header)
	if perr != nil {
		t.Fatalf("response %x: %v", resp.Header, perr)
	}
	if len(resp.Text) != resp.Header.DataSegmentLength() || len(resp.Text) > login.MaxLoginData {
		t.Fatalf("%d bytes of text, header says %d", len(resp.Text), resp.Header.DataSegmentLength())
	}
	f, failed := errors.AsType[*login.Failure](err)
	switch {
	case failed != (err != nil), failed && (done || got.Status != f.Status || f.Status == 0 || got.Transit), !failed && got.Status != 0:
		t.Fatalf("%+v, done %v, %v", got, done, err)
	case done && (!got.Transit || got.NSG != pdu.StageFullFeature || got.TSIH == 0 || len(w.admitted) != 1):
		t.Fatalf("done with %+v, admitted %v", got, w.admitted)
	case !done && got.Transit && got.NSG == pdu.StageFullFeature:
		t.Fatalf("full feature phase, but not done: %+v", got)
	case got.Transit && !h.Final():
		t.Fatalf("T that was not asked for: %+v", got)
	}
	// A discovery session is none with the target, whatever it names: it has a lock of its own.
	if r := n.Result(); done && r.TargetName == locked && !r.Discovery && r.User != "alice" {
		t.Fatalf("%+v got in without proof", r)
	}
	return done || failed
}

func TestRandomRequests(t *testing.T) {
	chap := newWorld(t).chap
	keys := rapid.OneOf(rapid.SampledFrom([]string{
		"InitiatorName", "TargetName", "SessionType", "AuthMethod", "CHAP_A", "CHAP_N", "CHAP_R", "CHAP_I", "CHAP_C", "HeaderDigest", "MaxBurstLength",
		"FirstBurstLength", "MaxRecvDataSegmentLength", "InitialR2T", "TargetAlias", "SendTargets", "X-a", "iSCSIProtocolLevel", "InitiatorAlias",
	}), rapid.StringMatching(`[A-Z][a-z]{1,9}`))
	values := rapid.OneOf(rapid.SampledFrom([]string{
		"CHAP,None", "None", "CHAP", "5,6,7,8", "alice", "0x00", "0b", "Yes", "No", "1", "512", "65536", "Normal", "Discovery", "NotUnderstood", "Reject",
	}), rapid.StringN(0, 20, 40))
	rapid.Check(t, func(t *rapid.T) {
		w := &world{chap: chap, tsih: 9}
		cfg := login.DefaultConfig()
		n := login.New(&cfg, w)
		stage := rapid.SampledFrom([]pdu.Stage{sec, sec, oper}).Draw(t, "stage")
		ended := false
		for i := range rapid.IntRange(1, 8).Draw(t, "requests") {
			var text []byte
			if i == 0 && rapid.IntRange(0, 9).Draw(t, "names") > 0 {
				name := rapid.SampledFrom([]string{disk, locked, locked}).Draw(t, "target")
				text = encode("InitiatorName=" + initiator + ";TargetName=" + name)
			}
			for range rapid.IntRange(0, 4).Draw(t, "keys") {
				text = login.AppendPair(text, keys.Draw(t, "key"), values.Draw(t, "value"))
			}
			e := exchange{csg: stage, nsg: rapid.SampledFrom([]pdu.Stage{oper, full, full}).Draw(t, "next")}
			e.flags = rapid.SampledFrom([]string{"", "T", "T", "T", "C"}).Draw(t, "flags")
			h := header(e, len(text))
			if rapid.IntRange(0, 19).Draw(t, "damage") == 0 {
				h[rapid.IntRange(0, 47).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
			}
			ended = checkStep(t, n, w, h, text, ended)
			stage = n.Stage()
		}
	})
}

// FuzzNegotiator feeds a stream of PDUs: 3 bytes of flags, length and header
// damage before the data of each.
func FuzzNegotiator(f *testing.F) {
	pduOf := func(flags byte, text string) []byte {
		b := encode(text)
		return append([]byte{flags, byte(len(b)), 0}, b...)
	}
	f.Add(pduOf(0x87, who+";MaxBurstLength=65536"))
	f.Add(append(pduOf(0x81, whoL+";AuthMethod=CHAP,None"), append(pduOf(0, "CHAP_A=5,6,7,8"), pduOf(0x81, "CHAP_N=alice;CHAP_R=0x12;CHAP_I=1;CHAP_C=0bAAAA")...)...))
	f.Add(append(pduOf(0x44, who), pduOf(0x87, "HeaderDigest=CRC32C")...))
	chap := newWorld(f).chap
	f.Fuzz(func(t *testing.T, stream []byte) {
		w := &world{chap: chap, tsih: 9}
		cfg := login.DefaultConfig()
		n := login.New(&cfg, w)
		ended := false
		for len(stream) >= 3 {
			size := min(int(stream[1]), len(stream)-3)
			data := stream[3 : 3+size]
			h := header(exchange{}, size)
			h[1] = stream[0]
			if d := stream[2]; d > 0 {
				h[int(d)%48] ^= d
			}
			ended = checkStep(t, n, w, h, data, ended)
			stream = stream[3+size:]
		}
	})
}

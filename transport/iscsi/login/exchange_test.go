package login_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

const ttt = 0x1234

// targets answers SendTargets with n targets.
func targets(n int) login.Asker {
	return func(p login.Pair) ([]login.Pair, bool) {
		if p.Key != "SendTargets" {
			return nil, false
		}
		var out []login.Pair
		for i := range n {
			out = append(out,
				login.Pair{Key: "TargetName", Value: fmt.Sprintf("%s%d", disk, i)},
				login.Pair{Key: "TargetAddress", Value: "192.0.2.1:3260,1"})
		}
		return out, true
	}
}

func textRequest(flags string, tag uint32, text []byte) *pdu.BHS {
	var h pdu.BHS
	pdu.TextRequest{Final: strings.Contains(flags, "F"), Continue: strings.Contains(flags, "C"), ITT: 6, TTT: tag}.Put(&h)
	h.SetDataSegmentLength(len(text))
	return &h
}

func newExchange(n int) (*login.TextExchange, *login.Params) {
	cfg := login.DefaultConfig()
	p := login.DefaultParams()
	return login.NewTextExchange(&cfg, &p, ttt, targets(n)), &p
}

func TestTextExchange(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"discovery", "SendTargets=All", "TargetName=" + disk + "0;TargetAddress=192.0.2.1:3260,1"},
		{"nothing", "", ""},
		{"unknown", "X-y=1;Banana=2", "X-y=NotUnderstood;Banana=NotUnderstood"},
		{"no second negotiation", "MaxBurstLength=512;HeaderDigest=CRC32C;IFMarker=No", "MaxBurstLength=Reject;HeaderDigest=Reject;IFMarker=Reject"},
		{"declarations", "InitiatorAlias=me;MaxRecvDataSegmentLength=65536", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, p := newExchange(1)
			text := encode(c.text)
			r, err := x.Step(textRequest("F", pdu.NoTag, text), text)
			if err != nil {
				t.Fatal(err)
			}
			got, perr := pdu.ParseTextResponse(&r.Header)
			if perr != nil || !r.Done || !got.Final || got.ITT != 6 || got.TTT != pdu.NoTag || r.Header.DataSegmentLength() != len(r.Text) {
				t.Errorf("%+v, %v", got, perr)
			}
			if decode(r.Text) != c.want {
				t.Errorf("%s", decode(r.Text))
			}
			if want := uint32(8192); p.MaxSendDataSegmentLength != want && c.name != "declarations" {
				t.Errorf("MaxSendDataSegmentLength %d", p.MaxSendDataSegmentLength)
			}
			if c.name == "declarations" && p.MaxSendDataSegmentLength != 65536 {
				t.Errorf("MaxSendDataSegmentLength %d", p.MaxSendDataSegmentLength)
			}
		})
	}
}

func TestTextExchangeInPieces(t *testing.T) {
	x, p := newExchange(200)
	p.MaxSendDataSegmentLength = 512
	// The request comes in two pieces, the answer goes in many.
	r, err := x.Step(textRequest("C", pdu.NoTag, encode("SendTar")), []byte("SendTar"))
	if err != nil || r.Done || len(r.Text) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	rest := []byte("gets=All\x00")
	var whole []byte
	for i := 0; ; i++ {
		r, err = x.Step(textRequest("F", ttt, rest), rest)
		if err != nil {
			t.Fatal(err)
		}
		got, perr := pdu.ParseTextResponse(&r.Header)
		if perr != nil || got.Final != r.Done || got.Continue == r.Done || len(r.Text) > 512 {
			t.Fatalf("%d: %+v, %v", i, got, perr)
		}
		whole = append(whole, r.Text...)
		rest = nil
		if r.Done {
			break
		}
	}
	if pairs, err := login.ParseAnswer(whole); err != nil || len(pairs) != 400 {
		t.Errorf("%d pairs, %v", len(pairs), err)
	}
	if _, err := login.ParseText(whole); err == nil {
		t.Error("a target takes 400 keys")
	}
}

func TestTextExchangeNotFinal(t *testing.T) {
	x, p := newExchange(0)
	text := encode("MaxRecvDataSegmentLength=1024")
	r, err := x.Step(textRequest("", pdu.NoTag, text), text)
	if err != nil || r.Done || p.MaxSendDataSegmentLength != 8192 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err = x.Step(textRequest("F", ttt, nil), nil); err != nil || !r.Done || p.MaxSendDataSegmentLength != 1024 {
		t.Fatalf("%+v, %v, %d", r, err, p.MaxSendDataSegmentLength)
	}
	// A new request abandons the exchange under way, and what it declared.
	text = encode("MaxRecvDataSegmentLength=2048")
	if _, err := x.Step(textRequest("", pdu.NoTag, text), text); err != nil {
		t.Fatal(err)
	}
	if r, err = x.Step(textRequest("F", pdu.NoTag, nil), nil); err != nil || !r.Done || p.MaxSendDataSegmentLength != 1024 {
		t.Fatalf("%+v, %v, %d", r, err, p.MaxSendDataSegmentLength)
	}
}

func TestTextExchangeRefused(t *testing.T) {
	for _, c := range []struct {
		name, flags string
		tag         uint32
		text        string
		want        pdu.RejectReason
	}{
		{"foreign tag", "F", 1, "SendTargets=All", pdu.RejectInvalidField},
		{"no exchange", "F", ttt, "", pdu.RejectInvalidField},
		{"F and C", "FC", pdu.NoTag, "", pdu.RejectProtocolError},
		{"twice", "F", pdu.NoTag, "X-a=1;X-a=1", pdu.RejectProtocolError},
		{"no pair", "F", pdu.NoTag, "x", pdu.RejectProtocolError},
		{"login only", "F", pdu.NoTag, "InitiatorName=x", pdu.RejectProtocolError},
		{"target's", "F", pdu.NoTag, "TargetAlias=x", pdu.RejectProtocolError},
		{"out of range", "F", pdu.NoTag, "MaxRecvDataSegmentLength=16777216", pdu.RejectProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, p := newExchange(1)
			text := encode(c.text)
			r, err := x.Step(textRequest(c.flags, c.tag, text), text)
			if err == nil || pdu.ReasonOf(err) != c.want || r.Text != nil || p.MaxSendDataSegmentLength != 8192 {
				t.Errorf("%+v, %v", r, err)
			}
			if _, ok := errors.AsType[*pdu.FormatError](err); !ok {
				t.Errorf("%T", err)
			}
			// The connection can go on with another exchange.
			text = encode("SendTargets=All")
			if r, err := x.Step(textRequest("F", pdu.NoTag, text), text); err != nil || !r.Done {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTextExchangeEnds(t *testing.T) {
	x, _ := newExchange(0)
	tag := uint32(pdu.NoTag)
	for i := 0; ; i++ {
		if _, err := x.Step(textRequest("", tag, nil), nil); err != nil {
			break
		}
		if tag = ttt; i > 5000 {
			t.Fatal("no end")
		}
	}
	x, _ = newExchange(0)
	piece := make([]byte, 32<<10)
	tag = pdu.NoTag
	for i := 0; ; i++ {
		if _, err := x.Step(textRequest("C", tag, piece), piece); err != nil {
			break
		}
		if tag = ttt; i > 2 {
			t.Fatal("no bound")
		}
	}
}

func FuzzTextExchange(f *testing.F) {
	f.Add([]byte("\x80\x10SendTargets=All\x00\x80\x05X-a=\x00"))
	f.Add([]byte("\x40\x04Send\x00\x04Targ\x80\x04ets="))
	f.Fuzz(func(t *testing.T, stream []byte) {
		x, p := newExchange(9)
		tag := uint32(pdu.NoTag)
		for len(stream) >= 2 {
			size := min(int(stream[1]), len(stream)-2)
			h := textRequest("", tag, stream[2:2+size])
			h[1] = stream[0] & 0xc0
			if stream[0]&1 != 0 {
				h.SetCmdSN(uint32(stream[0]))
				h[20] = stream[0]
			}
			r, err := x.Step(h, stream[2:2+size])
			stream = stream[2+size:]
			tag = ttt
			if err != nil || r.Done {
				tag = pdu.NoTag
			}
			if err != nil {
				continue
			}
			got, perr := pdu.ParseTextResponse(&r.Header)
			if perr != nil || got.Final != r.Done || len(r.Text) != r.Header.DataSegmentLength() || len(r.Text) > max(8192, int(p.MaxSendDataSegmentLength)) {
				t.Fatalf("%+v, %v", got, perr)
			}
		}
	})
}

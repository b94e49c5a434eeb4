package login_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"pgregory.net/rapid"
)

func sprint(v any) string { return fmt.Sprintf("%+v", v) }

// logIn plays a client against a negotiator.
func logIn(c *login.Client, n *login.Negotiator) (steps int, err error) {
	var answer *pdu.BHS
	var data []byte
	for {
		req, text, done, err := c.Next(answer, data)
		if err != nil || done {
			return steps, err
		}
		steps++
		resp, _, err := n.Step(&req, text)
		if err != nil && resp.Header == (pdu.BHS{}) {
			return steps, err
		}
		answer, data = &resp.Header, append([]byte(nil), resp.Text...)
	}
}

func TestClientWithCHAP(t *testing.T) {
	target := account(t, "lunette", "the target's secret")
	for _, c := range []struct {
		name   string
		user   string
		secret string
		target *auth.Account
		want   string
	}{
		{"one way", "alice", "alice's own secret", nil, ""},
		{"mutual", "alice", "alice's own secret", &target, ""},
		{"wrong secret", "alice", "not alice's secret", nil, "0201"},
		{"wrong user", "bob", "alice's own secret", nil, "0201"},
		{"wrong target", "alice", "alice's own secret", ptr(account(t, "lunette", "not the target's")), "the target's proof is wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			cfg := login.DefaultConfig()
			n := login.New(&cfg, w)
			client := login.NewClient(login.ClientConfig{
				InitiatorName: initiator, TargetName: locked, ITT: 1,
				Prove:  auth.NewInitiator(account(t, c.user, c.secret), c.target),
				Offers: []login.Pair{{Key: "InitialR2T", Value: "No"}, {Key: "MaxRecvDataSegmentLength", Value: "131072"}},
			})
			steps, err := logIn(client, n)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v", err)
				}
				if strings.Contains(err.Error(), c.secret) {
					t.Error("the error shows the secret")
				}
				return
			}
			if err != nil || steps != 4 {
				t.Fatalf("%d steps, %v", steps, err)
			}
			r := n.Result()
			if r.User != "alice" || r.AuthMethod != "CHAP" || client.TSIH() != 0x100 || len(w.admitted) != 1 || w.admitted[0].User != "alice" {
				t.Errorf("result %+v", r)
			}
			if p := client.Params(); p.InitialR2T || p.MaxSendDataSegmentLength != 262144 || p.MaxRecvDataSegmentLength != 131072 || r.Params.MaxSendDataSegmentLength != 131072 {
				t.Errorf("client %+v\ntarget %+v", p, r.Params)
			}
			if client.Answers()["TargetPortalGroupTag"] != "1" {
				t.Errorf("%v", client.Answers())
			}
		})
	}
}

// Both sides agree on everything, whatever the initiator offers.
func TestBothSidesAgree(t *testing.T) {
	numbers := map[string][2]uint64{
		"MaxConnections": {1, 65535}, "MaxBurstLength": {512, 1<<24 - 1}, "FirstBurstLength": {512, 1<<24 - 1}, "DefaultTime2Wait": {0, 3600},
		"DefaultTime2Retain": {0, 3600}, "MaxOutstandingR2T": {1, 65535}, "ErrorRecoveryLevel": {0, 2}, "iSCSIProtocolLevel": {0, 31},
		"MaxRecvDataSegmentLength": {512, 1<<24 - 1},
	}
	lists := map[string][]string{
		"HeaderDigest": {"None", "CRC32C", "CRC32C,None", "None,CRC32C", "SHA"}, "DataDigest": {"None", "CRC32C,None"},
		"TaskReporting": {"RFC3720", "FastAbort,ResponseFence,RFC3720", "FastAbort"},
		"InitialR2T":    {"Yes", "No"}, "ImmediateData": {"Yes", "No"}, "DataPDUInOrder": {"Yes", "No"}, "DataSequenceInOrder": {"Yes", "No"},
		"IFMarker": {"No"}, "X-unknown": {"1"},
	}
	var names []string
	for k := range numbers {
		names = append(names, k)
	}
	for k := range lists {
		names = append(names, k)
	}
	rapid.Check(t, func(t *rapid.T) {
		cfg := login.DefaultConfig()
		cfg.ErrorRecoveryLevel = rapid.Uint32Range(0, 2).Draw(t, "own ERL")
		cfg.InitialR2T = rapid.Bool().Draw(t, "own R2T")
		cfg.ImmediateData = rapid.Bool().Draw(t, "own immediate")
		cfg.DataSequenceInOrder = rapid.Bool().Draw(t, "own order")
		cfg.MaxOutstandingR2T = rapid.Uint32Range(1, 16).Draw(t, "own R2Ts")
		var offers []login.Pair
		for _, k := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID[string]).Draw(t, "keys") {
			v := ""
			if r, ok := numbers[k]; ok {
				v = fmt.Sprint(rapid.Uint64Range(r[0], r[1]).Draw(t, k))
			} else {
				v = rapid.SampledFrom(lists[k]).Draw(t, k)
			}
			offers = append(offers, login.Pair{Key: k, Value: v})
		}
		n := login.New(&cfg, &world{tsih: 1})
		c := login.NewClient(login.ClientConfig{InitiatorName: initiator, TargetName: disk, Offers: offers})
		if _, err := logIn(c, n); err != nil {
			t.Fatalf("%v: %v", offers, err)
		}
		mine, theirs := n.Result().Params, c.Params()
		theirs.MaxRecvDataSegmentLength, theirs.MaxSendDataSegmentLength = theirs.MaxSendDataSegmentLength, theirs.MaxRecvDataSegmentLength
		if sprint(mine) != sprint(theirs) {
			t.Fatalf("offers %v, answers %v\ntarget    %+v\ninitiator %+v", offers, c.Answers(), mine, theirs)
		}
		if mine.FirstBurstLength > mine.MaxBurstLength {
			t.Fatalf("%+v", mine)
		}
	})
}

package nport

import (
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A request or an answer of several frames of which one is missing is none.
func TestMissingFrames(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		echo := els.Echo{Data: make([]byte, 60)}.Append(nil)
		part := func(f fc.Frame, from, to int, cnt uint16) fc.Frame {
			f.First, f.Last, f.SeqCnt, f.Payload = from == 0, to == len(f.Payload), cnt, f.Payload[from:to]
			return f
		}
		whole := elsFrame(1, echo)
		k.come(part(whole, 0, 20, 0))
		k.come(part(whole, 40, 64, 2))
		if out := k.sent(); len(out) != 0 {
			t.Errorf("a request without its middle is answered: %v", out)
		}
		k.come(part(whole, 0, 20, 0))
		k.come(part(whole, 20, 64, 1))
		k.one(t)

		k.handler.Found(fc.Neighbour{ID: 9, Node: 7, Port: localName - 1, MaxPayload: fc.MaxPayload})
		sleep(0)
		ask := k.one(t)
		l := els.PortLogin(els.LSAcc, localName-1, 7, fc.MaxPayload, 0)
		whole = fc.Frame{Header: fc.Header{RCtl: fc.RCtlELSReply, D: localID, S: 9, Type: fc.TypeELS, FCtl: fc.FCtlReply, OX: ask.OX, RX: fc.NoID}, Payload: l.Append(nil)}
		k.come(part(whole, 0, 40, 0))
		k.come(part(whole, 80, 116, 2))
		if p.peers[9].in {
			t.Error("an answer without its middle is taken")
		}
		k.come(part(whole, 0, 40, 0))
		k.come(part(whole, 40, 116, 1))
		if !p.peers[9].in {
			t.Error("an answer in two frames is not taken")
		}
	})
}

// Who was refused a process login is told to wait a while before it logs in anew.
func TestRefusedWaits(t *testing.T) {
	u := &upper{refuse: true}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		k.come(elsFrame(1, plogi(remoteName)))
		if r, err := els.ParseReject(k.one(t).Payload); err != nil || r.Reason != els.ReasonBusy {
			t.Errorf("it is answered %v, %v", r, err)
		}
		sleep(p.pause())
		u.refuse = false
		k.logIn(t)
	})
}

// A port that logs in from another address is not logged in from the old one any more.
func TestAnotherAddress(t *testing.T) {
	u := &upper{}
	onFake(t, u, nil, func(t *testing.T, k *fake, p *Port) {
		f := elsFrame(1, plogi(remoteName))
		f.S = 77
		k.come(f)
		k.one(t)
		if n := len(p.Remotes()); n != 0 || p.peers[remoteID] != nil || p.peers[77] == nil {
			t.Errorf("%d logins, and both addresses are known", n)
		}
	})
}

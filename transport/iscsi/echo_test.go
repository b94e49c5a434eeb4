package iscsi_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/transport/iscsi"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestEchoesWait: who sends pings and takes no answers has one long answer waiting, which its account
// pays for, however many it sends; and all of them are answered when it takes them.
func TestEchoesWait(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	const n, pings = 256 << 10, 60 // more than sockets hold
	data := pattern(n, 7)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range uint32(pings) {
			var h pdu.BHS
			pdu.NOPOut{Immediate: true, ITT: i, TTT: pdu.NoTag}.Put(&h)
			h.SetCmdSN(1)
			if err := p.Send(&h, nil, data); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	transporttest.Eventually(t, "an echo is paid for", func() bool { return s.Arena.Outstanding() > 0 })
	for i := range uint32(pings) {
		// One echo, and the begin of the next ping, which is not handled.
		if _, peak, _ := s.Arena.Stats(); peak > 4*n {
			t.Fatalf("%d bytes are held", peak)
		}
		r := p.receive()
		if r.Opcode() != pdu.OpNOPIn || r.ITT() != i || !bytes.Equal(r.Data, data) {
			t.Fatalf("%v %d with %d bytes instead of ping %d", r.Opcode(), r.ITT(), len(r.Data), i)
		}
	}
	<-sent
	p.alive()
}

// TestRejectsWait: it is the same with what is rejected, and with texts.
func TestRejectsWait(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	const n = 20000
	go func() {
		for i := range uint32(n) {
			h := pdu.BHS{0x50} // SNACK
			if i%2 == 0 {
				pdu.TextRequest{Final: true, Immediate: true, ITT: i, TTT: pdu.NoTag}.Put(&h)
				h.SetCmdSN(1)
			}
			if err := p.Send(&h, nil, nil); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range n {
		r := p.receive()
		if op := r.Opcode(); (op == pdu.OpTextResponse) != (i%2 == 0) || op != pdu.OpTextResponse && op != pdu.OpReject {
			t.Fatalf("%d: %v", i, op)
		}
		if i%1000 == 0 {
			for _, c := range s.Node.Sessions()[0].Connections {
				if c.Stats.Queued > 64 {
					t.Fatalf("%d answers wait", c.Stats.Queued)
				}
			}
		}
	}
	p.alive()
}

// TestNoMemoryForEchoes: a long ping is rejected when there is no memory for its answer; short ones
// are answered.
func TestNoMemoryForEchoes(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	_, _, limit := s.Arena.Stats()
	if err := s.Arena.Charge(limit); err != nil {
		t.Fatal(err)
	}
	var h pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, make([]byte, 4<<10)) // of a longer one, half may come first, and there is no memory to keep that
	p.reject(pdu.RejectLongOperation)
	p.alive()
	pdu.TextRequest{Immediate: true, Continue: true, ITT: 2, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, []byte("SendTargets=A"))
	p.reject(pdu.RejectLongOperation)
	p.alive()
	s.Arena.Uncharge(limit)
	pdu.NOPOut{Immediate: true, ITT: 3, TTT: pdu.NoTag}.Put(&h)
	p.send(&h, make([]byte, 64<<10))
	if r := p.receive(); r.Opcode() != pdu.OpNOPIn || len(r.Data) != 64<<10 {
		t.Fatalf("%v with %d bytes", r.Opcode(), len(r.Data))
	}
	if got := s.Node.Counters().EchoesRejected; got != 2 {
		t.Errorf("%d were rejected", got)
	}
}

// TestHalves: what is kept of a text or a ping that does not go on is paid for, and given back with the
// connection.
func TestHalves(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	text := login(t, s, s.Config(1))
	var h pdu.BHS
	for i := range uint32(7) {
		x := pdu.TextRequest{Immediate: true, Continue: true, ITT: 2, TTT: 0xfffffffe}
		if i == 0 {
			x.TTT = pdu.NoTag
		}
		x.Put(&h)
		text.send(&h, make([]byte, keys.MaxLoginData))
		text.receive()
	}
	held := s.Arena.Outstanding()
	if held < 7*keys.MaxLoginData {
		t.Errorf("%d bytes are paid for", held)
	}
	for i, length := range []int{250_000, 262_144} { // with its header the second is longer than a receive buffer
		ping := login(t, s, s.Config(byte(2+i)))
		pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}.Put(&h)
		h.SetDataSegmentLength(length)
		if _, err := ping.Write(append(h[:], make([]byte, length-10)...)); err != nil {
			t.Fatal(err)
		}
		transporttest.Eventually(t, "the half of a ping is paid for", func() bool { return s.Arena.Outstanding() >= held+int64(length) })
		_ = ping.Close()
		transporttest.Eventually(t, "it is given back", func() bool { return s.Arena.Outstanding() == held })
	}
	_ = text.Close()
	transporttest.Eventually(t, "all is given back", func() bool { return s.Arena.Outstanding() == 0 })
}

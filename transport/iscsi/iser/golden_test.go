package iser_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// plain is the header of a PDU that advertises nothing: all that targets send.
const plain = "10000000" + "00000000" + zeros8 + "00000000" + zeros8

// Messages of a session of Linux's initiator with Linux's target, as they were on the wire,
// without their data.
const (
	wireLogin     = plain + "43870000000001c6" + "00023d0000010000" + "00000000" + "00000000" + "00000000" + "00000000" + zeros8 + zeros8
	wireLoggedIn  = plain + "2387000000000150" + "00023d0000010001" + "00000000" + "00000000" + "8d116ede" + "00000000" + "00000000" + "0000" + "00000000000000000000"
	wireInquiry   = "14000000" + "00000000" + zeros8 + "a360a001" + "ffff8880065c0900" + "01c1000000000000" + zeros8 + "01000000" + "00000024" + "00000000" + "8d116edf" + "1200000024" + "0000000000000000000000"
	wireResponse  = plain + "2180000000000000" + zeros8 + "01000000" + "00000000" + "8d116edf" + "00000001" + "00000040" + "00000000" + "00000000" + "00000000"
	wireResidual  = plain + "2182000000000000" + zeros8 + "05000000" + "00000000" + "8d116ee3" + "00000005" + "00000044" + "00000000" + "00000000" + "00000ff0"
	wireWrite     = "18000000" + "329eb10e" + "ffff8880138ad000" + "00000000" + zeros8 + "01a1000000002000" + zeros8 + "14000000" + "00040000" + "00000013" + "8d116ef2" + "2a000000000000020000000000000000"
	wireImmediate = plain + "01a1000000001000" + zeros8 + "19000000" + "00001000" + "00000018" + "8d116ef7" + "2a000000100000000800000000000000"
	wireCheck     = plain + "2180000200000062" + zeros8 + "0a000000" + "00000000" + "8d116ee8" + "0000000a" + "00000049" + "00000000" + "00000000" + "00000000" + "0060" + "700005000000000a0000000020"
	wireLogout    = plain + "4680000000000000" + zeros8 + "61000000" + "00000000" + "00000060" + "8d116f3f" + zeros8 + zeros8
	wireLoggedOut = plain + "2680000000000000" + zeros8 + "61000000" + "00000000" + "8d116f3f" + "00000060" + "0000009f" + "00000000" + "00000000" + "00000000"
)

// A script is the session's side of a mover under test.
type script struct {
	arrived func(a *iscsi.Arrival)
	moved   func(x *iscsi.Transfer, err error)
	numbers func(h *pdu.BHS)
	cause   chan error
}

func (s *script) ControlArrived(a *iscsi.Arrival) bool {
	if s.arrived != nil {
		s.arrived(a)
	}
	return true
}

func (s *script) DataMoved(x *iscsi.Transfer, err error) {
	if s.moved != nil {
		s.moved(x, err)
	}
}

func (s *script) Stamp(h *pdu.BHS, _ any) {
	if s.numbers != nil {
		s.numbers(h)
	}
}

func (s *script) Terminated(err error) { s.cause <- err }

// begin makes a mover over a fake, with s behind it.
func begin(t testing.TB, s *script, theirs iser.Private, sent func(w *rdma.Work) bool) (*iser.Mover, *fake) {
	f := newFake(sent)
	s.cause = make(chan error, 1)
	m := iser.New(f, "iser", private, theirs, nil)
	m.Start(s)
	t.Cleanup(func() {
		m.Terminate(nil)
		select {
		case <-f.over:
		case <-time.After(5 * time.Second):
			t.Error("the mover does not end")
		}
	})
	return m, f
}

// full brings a mover into full feature phase.
func full(t testing.TB, s *script, m *iser.Mover, f *fake, p iscsi.MoverParams) {
	t.Helper()
	login(t, s, m, f, unhex(t, plain+"4387"+strings.Repeat("00", 46)), func(*iscsi.Arrival) { m.Enable(p) })
}

// login delivers a login request and waits for the answer.
func login(t testing.TB, s *script, m *iser.Mover, f *fake, b []byte, arrived func(*iscsi.Arrival)) {
	t.Helper()
	s.arrived = func(a *iscsi.Arrival) {
		m.SendControl(m.Control())
		arrived(a)
	}
	n := f.count()
	f.deliver(rdma.Message{Data: b})
	transporttest.Eventually(t, "the answer", func() bool { return f.count() > n })
	s.arrived = nil
}

var linux = iscsi.MoverParams{MaxRecv: 8192, MaxSend: 128, MaxBurst: 262144, InitialR2T: true, FirstBurst: 65536}

// TestGoldenCommands reads what Linux's initiator has sent.
func TestGoldenCommands(t *testing.T) {
	var got iscsi.Arrival
	var h pdu.BHS
	take := func(a *iscsi.Arrival) {
		got, h = *a, *a.H
		got.Data = bytes.Clone(a.Data)
	}
	s := &script{}
	m, f := begin(t, s, private, func(*rdma.Work) bool { return false })
	deliver := func(wire string, data int) {
		t.Helper()
		b := append(unhex(t, wire), make([]byte, pdu.Padded(data))...)
		if wire == wireLogin {
			login(t, s, m, f, b, take)
		} else {
			f.deliver(rdma.Message{Data: b})
		}
		if len(got.Data) != data || got.Pending != 0 || len(got.AHS) != 0 || !bytes.Equal(h[:], unhex(t, wire)[iser.HeaderLen:]) {
			t.Fatalf("%x: %d bytes, %d to come", h, len(got.Data), got.Pending)
		}
	}
	deliver(wireLogin, 454)
	if h.Opcode() != pdu.OpLoginRequest || got.Memory != (iscsi.Memory{}) {
		t.Fatalf("%v, %+v", h.Opcode(), got.Memory)
	}
	full(t, s, m, f, linux)
	s.arrived = take
	deliver(wireInquiry, 0)
	if want := (iscsi.Memory{In: iscsi.Window{Valid: true, Key: 0xa360a001, Base: 0xffff8880065c0900, To: 36}}); got.Memory != want {
		t.Errorf("%+v", got.Memory)
	}
	deliver(wireWrite, 8192)
	if want := (iscsi.Memory{Out: iscsi.Window{Valid: true, Key: 0x329eb10e, Base: 0xffff8880138ad000, From: 8192, To: 262144}}); got.Memory != want {
		t.Errorf("%+v", got.Memory)
	}
	deliver(wireImmediate, 4096)
	if want := (iscsi.Memory{Out: iscsi.Window{From: 4096, To: 4096}}); got.Memory != want {
		t.Errorf("%+v", got.Memory)
	}
	deliver(wireLogout, 0)
	if got.Memory != (iscsi.Memory{}) {
		t.Errorf("%+v", got.Memory)
	}
}

// TestGoldenRead writes what Linux's target has sent.
func TestGoldenResponses(t *testing.T) {
	var sent []rdma.Work
	var wire [][]byte
	s := &script{}
	m, f := begin(t, s, private, func(w *rdma.Work) bool {
		sent, wire = append(sent, *w), append(wire, sentBytes(w))
		return false
	})
	full(t, s, m, f, linux)
	tag := func(key uint32) iscsi.Memory { return iscsi.Memory{In: iscsi.Window{Valid: true, Key: key, To: 512}} }
	sense := append(unhex(t, "0060700005000000000a0000000020"), make([]byte, 98-15)...)
	for _, x := range []struct {
		want           string
		n              [3]uint32
		put            interface{ Put(h *pdu.BHS) }
		memory         iscsi.Memory
		data           []byte
		key            rdma.Key
		no             bool // no invalidation
		zero, withText int
	}{
		{want: wireLoggedIn, n: [3]uint32{0x8d116ede, 0, 0}, put: pdu.LoginResponse{
			Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: pdu.ISID{0, 2, 0x3d, 0, 0, 1}, TSIH: 1,
		}, data: make([]byte, 0x150), no: true},
		{want: wireResponse, n: [3]uint32{0x8d116edf, 1, 0x40}, put: pdu.SCSIResponse{ITT: 0x01000000}, memory: tag(0xa360a001), key: 0xa360a001},
		{want: wireResidual, n: [3]uint32{0x8d116ee3, 5, 0x44}, put: pdu.SCSIResponse{ITT: 0x05000000, Underflow: true, Residual: 0xff0}, memory: tag(0xa360a004), key: 0xa360a004},
		{want: wireCheck, n: [3]uint32{0x8d116ee8, 10, 0x49}, put: pdu.SCSIResponse{ITT: 0x0a000000, Status: 2}, memory: iscsi.Memory{Out: iscsi.Window{Valid: true, Key: 0x329eb105}}, data: sense, key: 0x329eb105},
		{want: wireLoggedOut, n: [3]uint32{0x8d116f3f, 0x60, 0x9f}, put: pdu.LogoutResponse{ITT: 0x61000000}, no: true},
	} {
		sent, wire = nil, nil
		s.numbers = func(h *pdu.BHS) { h.SetNumbers(x.n[0], x.n[1], x.n[2]) }
		p := m.Control()
		x.put.Put(&p.BHS)
		p.Data, p.Memory = x.data, x.memory
		m.SendControl(p)
		m.Flush()
		want := unhex(t, x.want)
		want = append(want, make([]byte, iser.HeaderLen+pdu.HeaderLen+pdu.Padded(len(x.data))-len(want))...)
		if len(sent) != 1 || !bytes.Equal(wire[0], want) {
			t.Fatalf("sent %x\n instead of %x", wire, want)
		}
		w := sent[0]
		if x.no && w.Op != rdma.Send || !x.no && (w.Op != rdma.SendInvalidate || w.Invalidate != x.key) || w.Solicited {
			t.Errorf("%x: operation %d, key %x", want[:30], w.Op, w.Invalidate)
		}
	}
}

// TestGoldenMoves makes the Write of F14 and the Read of F126.
func TestGoldenMoves(t *testing.T) {
	var sent []rdma.Work
	s := &script{}
	m, f := begin(t, s, private, func(w *rdma.Work) bool { sent = append(sent, *w); return false })
	full(t, s, m, f, linux)
	sent = nil
	var memory iscsi.Memory
	s.arrived = func(a *iscsi.Arrival) { memory = a.Memory }
	f.deliver(rdma.Message{Data: unhex(t, wireInquiry)})
	in := buffer.Of(make([]byte, 100))
	m.PutData(&iscsi.Transfer{Data: in, At: 4, Len: 36, Put: true, Window: memory.In})
	f.deliver(rdma.Message{Data: append(unhex(t, wireWrite), make([]byte, 8192)...)})
	out := buffer.Of(make([]byte, 262144))
	m.GetData(&iscsi.Transfer{Data: out, At: 8192, Len: 253952, Offset: 8192, Window: memory.Out})
	m.Flush()
	if len(sent) != 2 {
		t.Fatal(len(sent))
	}
	for i, want := range []rdma.Work{
		{Op: rdma.Write, Data: in, At: 4, Len: 36, Remote: rdma.Remote{Key: 0xa360a001, Addr: 0xffff8880065c0900}},
		{Op: rdma.Read, Data: out, At: 8192, Len: 253952, Remote: rdma.Remote{Key: 0x329eb10e, Addr: 0xffff8880138ad000}},
	} {
		if w := sent[i]; w.Op != want.Op || w.Data != want.Data || w.At != want.At || w.Len != want.Len || w.Remote != want.Remote {
			t.Errorf("%+v", w)
		}
	}
}

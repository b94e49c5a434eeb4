package iser_test

import (
	"encoding/binary"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// An auditor knows what a hostile initiator has advertised, and looks at all that is done
// with it. It reads messages by itself.
type auditor struct {
	t testing.TB

	mu   sync.Mutex
	tags map[uint32][]span // by key
	held []*rdma.Work      // Reads that were not answered at once
	n    int
}

type span struct {
	at  uint64
	len uint64
}

// advertised notes the tags of a message: a command may reach as much as it moves.
func (a *auditor) advertised(b []byte) {
	if len(b) < 76 || b[0]>>4 != 1 || b[28]&0x3f != 1 {
		return
	}
	n := uint64(binary.BigEndian.Uint32(b[48:]))
	if b[29]&0x60 == 0x60 && len(b) >= 84 { // both: the read length is in an additional header
		n = max(n, uint64(binary.BigEndian.Uint32(b[80:])), 1<<20)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if b[0]&8 != 0 {
		k := binary.BigEndian.Uint32(b[4:])
		a.tags[k] = append(a.tags[k], span{binary.BigEndian.Uint64(b[8:]), n})
	}
	if b[0]&4 != 0 {
		k := binary.BigEndian.Uint32(b[16:])
		a.tags[k] = append(a.tags[k], span{binary.BigEndian.Uint64(b[20:]), n})
	}
}

// sent judges a work. Every third Read is kept back.
func (a *auditor) sent(w *rdma.Work) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch w.Op {
	case rdma.Send, rdma.SendInvalidate:
		b := sentBytes(w)
		if b[0]>>4 == 3 && len(b) == 28 {
			return false
		}
		h := pdu.BHS(b[28:])
		if b[0] != 0x10 || len(b) != 76+pdu.Padded(h.DataSegmentLength()) {
			a.t.Errorf("sent %x", b)
		}
		if w.Op == rdma.SendInvalidate {
			if _, ok := a.tags[uint32(w.Invalidate)]; !ok || h.Opcode() != pdu.OpSCSIResponse {
				a.t.Errorf("%v invalidates %x", h.Opcode(), w.Invalidate)
			}
		}
		return false
	}
	ok := false
	for _, s := range a.tags[uint32(w.Remote.Key)] {
		off := w.Remote.Addr - s.at // hostile addresses wrap, as ours do then
		ok = ok || off <= s.len && uint64(w.Len) <= s.len-off
	}
	if !ok {
		a.t.Errorf("%d bytes at %x of key %x, of %+v", w.Len, w.Remote.Addr, w.Remote.Key, a.tags[uint32(w.Remote.Key)])
	}
	if w.Op == rdma.Read {
		a.n++
		if a.n%3 == 0 {
			a.held = append(a.held, w)
			return true
		}
	}
	return false
}

// FuzzPeer has a hostile initiator say anything, in full feature phase or before. Nothing is
// reached that it has not advertised, and it leaves nothing behind.
func FuzzPeer(f *testing.F) {
	s := start(f, sim.New(), iser.Options{}, initiator.RDMA{}, iscsi.Config{Window: 16, Limits: iscsi.Limits{LoginTimeout: time.Hour}}) // a login is as slow as the machine
	desired, portal := s.Node.Login(), s.Node.AddPortal("iser", "")
	desired.Keys = append(keys.RDMA{TargetRecv: 8192, InitiatorRecv: 8192, Unexpected: 64, MaxAHS: 256}.Keys(), desired.Keys...)
	request := func(offers string) []byte {
		var h pdu.BHS
		pdu.LoginRequest{Transit: true, CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, ISID: pdu.ISID{0x80, 9}}.Put(&h)
		h.SetCmdSN(1)
		return message(control, &h, []byte("InitiatorName="+transporttest.InitiatorName+"\x00TargetName="+transporttest.TargetName+"\x00SessionType=Normal\x00RDMAExtensions=Yes\x00"+offers))
	}
	offers := [...]string{
		"", "InitialR2T=No\x00", "TaggedBufferForSolicitedDataOnly=No\x00InitialR2T=No\x00", "iSERHelloRequired=Yes\x00", "ImmediateData=No\x00MaxBurstLength=512\x00",
	}
	const anything = 0xff
	for how := range offers {
		f.Add(byte(how), frame(seeds()...))
	}
	f.Add(byte(anything), frame(request(""), request("")))
	f.Fuzz(func(t *testing.T, how byte, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		a := &auditor{t: t, tags: make(map[uint32][]span)}
		c := newFake(a.sent)
		m := iser.New(c, "iser", private, private, &desired)
		h, err := portal.Connect(m)
		if err != nil {
			t.Fatal(err)
		}
		m.Start(h)
		deliver := func(b []byte) {
			a.advertised(b)
			c.deliver(rdma.Message{Data: b})
		}
		if how != anything {
			n := c.count()
			deliver(request(offers[int(how)%len(offers)]))
			transporttest.Eventually(t, "the login", func() bool { return c.count() > n })
		}
		for msg := range frames(b) {
			deliver(msg)
			a.mu.Lock()
			held := a.held
			if len(held) > 4 {
				a.held = nil
			}
			a.mu.Unlock()
			if len(held) > 4 {
				for _, w := range held {
					c.done(w)
				}
			}
		}
		c.Close(rdma.ErrLost)
		transporttest.Eventually(t, "all is given back", func() bool {
			s.Units[0].Release()
			s.Units[1].Release()
			return len(s.Node.Sessions()) == 0 && s.Arena.Outstanding() == 0 &&
				s.Units[0].Store.Outstanding() == 0 && s.Units[1].Store.Outstanding() == 0
		})
	})
}

// frame puts messages into one input, each behind its length.
func frame(all ...[]byte) (b []byte) {
	for _, m := range all {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

// frames takes them out again.
func frames(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) >= 2 {
			n := min(int(binary.BigEndian.Uint16(b)), len(b)-2)
			if !yield(append([]byte(nil), b[2:2+n]...)) {
				return
			}
			b = b[2+n:]
		}
	}
}

// seeds are messages in full feature phase whose numbers fit to each other.
func seeds() (all [][]byte) {
	sn := uint32(1)
	add := func(x iser.Header, h pdu.BHS, data []byte) {
		if h.Opcode() != pdu.OpDataOut {
			h.SetCmdSN(sn)
			if !h.Immediate() {
				sn++
			}
		}
		all = append(all, message(x, &h, data))
	}
	all = append(all, iser.Header{Kind: iser.Hello, MaxVersion: 10, Version: 10, Reads: 4}.Append(nil))
	for way := range transporttest.Sense + 1 {
		for i, n := range []int{512, 4096, 200 << 10} {
			itt := uint32(way)<<8 | uint32(i)
			x := pdu.SCSICommand{Final: true, Read: true, ITT: itt, ExpectedDataLength: uint32(n), Attr: pdu.TaskAttribute(itt % 5)}
			copy(x.CDB[:], transporttest.CDB10(scsi.OpRead10, 0, uint16(n/512), way))
			var h pdu.BHS
			x.Put(&h)
			add(iser.Header{Kind: iser.Control, ReadValid: true, Read: rdma.Remote{Key: rdma.Key(itt), Addr: uint64(itt) << 32}}, h, nil)
			x = pdu.SCSICommand{Final: i != 1, Write: true, ITT: itt | 1<<16, ExpectedDataLength: uint32(n), Attr: pdu.TaskAttribute(itt % 5)}
			copy(x.CDB[:], transporttest.CDB10(scsi.OpWrite10, 0, uint16(n/512), way))
			x.Put(&h)
			add(iser.Header{Kind: iser.Control, WriteValid: true, Write: rdma.Remote{Key: rdma.Key(itt | 1<<16), Addr: 1<<64 - 1 - uint64(itt)}}, h, make([]byte, 512*i))
			if i == 1 {
				pdu.DataOut{ITT: itt | 1<<16, TTT: pdu.NoTag, BufferOffset: 512, Final: true}.Put(&h)
				add(control, h, make([]byte, n-512))
			}
		}
	}
	var h pdu.BHS
	for f := range pdu.TMFFunction(13) {
		pdu.TMFRequest{Immediate: f%2 == 0, Function: f, ITT: 0x400 | uint32(f), ReferencedTaskTag: 0x205, RefCmdSN: sn}.Put(&h)
		add(control, h, nil)
	}
	pdu.NOPOut{ITT: 5, TTT: pdu.NoTag}.Put(&h)
	add(control, h, make([]byte, 299))
	pdu.TextRequest{Final: true, ITT: 6, TTT: pdu.NoTag}.Put(&h)
	add(control, h, []byte("SendTargets=\x00"))
	pdu.SNACK{ITT: 1, TTT: pdu.NoTag}.Put(&h)
	add(control, h, nil)
	pdu.LogoutRequest{Reason: pdu.LogoutCloseConnection, ITT: 7}.Put(&h)
	add(control, h, nil)
	return all
}

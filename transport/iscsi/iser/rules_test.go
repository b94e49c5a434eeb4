package iser_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// command is a message with a SCSI Command.
func command(t testing.TB, x iser.Header, c pdu.SCSICommand, ahs, data []byte) []byte {
	t.Helper()
	var h pdu.BHS
	c.Put(&h)
	h.SetTotalAHSLength(len(ahs))
	h.SetDataSegmentLength(len(data))
	b := append(append(x.Append(nil), h[:]...), ahs...)
	return append(append(b, data...), pdu.Padding(len(data))...)
}

var (
	control = iser.Header{Kind: iser.Control}
	readTag = iser.Header{Kind: iser.Control, ReadValid: true, Read: rdma.Remote{Key: 7, Addr: 700}}
	tags    = iser.Header{Kind: iser.Control, ReadValid: true, Read: rdma.Remote{Key: 7, Addr: 700}, WriteValid: true, Write: rdma.Remote{Key: 8, Addr: 800}}
)

// TestMessages: what is not as it must be ends the connection; what may be left out may.
func TestMessages(t *testing.T) {
	nop := func(n int) []byte {
		var h pdu.BHS
		pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}.Put(&h)
		return message(control, &h, make([]byte, n))
	}
	dataOut := func(ttt uint32) []byte {
		var h pdu.BHS
		pdu.DataOut{ITT: 1, TTT: ttt, Final: true}.Put(&h)
		return message(control, &h, make([]byte, 8))
	}
	bidi := pdu.AHS{HasBidiRead: true, BidiReadLength: 512}.Append(nil)
	read, write := pdu.SCSICommand{Final: true, Read: true, ITT: 1, ExpectedDataLength: 512}, pdu.SCSICommand{Final: true, Write: true, ITT: 1, ExpectedDataLength: 512}
	both := write
	both.Read = true
	empty := read
	empty.ExpectedDataLength = 0
	unsolicited := write
	unsolicited.Final, unsolicited.ExpectedDataLength = false, 65536
	for name, x := range map[string]struct {
		b    []byte
		good bool
	}{
		"a ping":                          {nop(5), true},
		"no padding":                      {nop(5)[:iser.HeaderLen+pdu.HeaderLen+5], true},
		"half of the padding":             {nop(5)[:iser.HeaderLen+pdu.HeaderLen+6], false},
		"more than the padding":           {append(nop(5), 0), false},
		"less than the data":              {nop(5)[:iser.HeaderLen+pdu.HeaderLen+4], false},
		"less than a header":              {nop(0)[:iser.HeaderLen+pdu.HeaderLen-1], false},
		"nothing":                         {nil, false},
		"an iSER header":                  {control.Append(nil), false},
		"too much data":                   {nop(8193), false},
		"as much data as was negotiated":  {nop(8192), true},
		"another header":                  {append(unhex(t, "40"), nop(0)[1:]...), false},
		"a HelloReply":                    {iser.Header{Kind: iser.HelloReply}.Append(nil), false},
		"unsolicited data":                {dataOut(pdu.NoTag), true},
		"a Data-Out that answers an R2T":  {dataOut(5), false},
		"a read":                          {command(t, readTag, read, nil, nil), true},
		"a read without a tag":            {command(t, control, read, nil, nil), false},
		"a read of nothing":               {command(t, control, empty, nil, nil), true},
		"a write":                         {command(t, tags, write, nil, nil), true},
		"a write without a tag":           {command(t, readTag, write, nil, nil), false},
		"a write that has all with it":    {command(t, control, write, nil, make([]byte, 512)), true},
		"a write that has most with it":   {command(t, control, write, nil, make([]byte, 508)), false},
		"a write whose data comes later":  {command(t, control, unsolicited, nil, nil), true},
		"both":                            {command(t, tags, both, bidi, nil), true},
		"both, and one tag":               {command(t, readTag, both, bidi, nil), false},
		"additional headers that are cut": {command(t, tags, both, bidi, nil)[:iser.HeaderLen+pdu.HeaderLen+4], false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			m, f := begin(t, s, private, func(*rdma.Work) bool { return false })
			p := linux
			p.InitialR2T = false
			full(t, s, m, f, p)
			came := 0
			s.arrived = func(*iscsi.Arrival) { came++ }
			f.deliver(rdma.Message{Data: x.b})
			if x.good {
				if came != 1 {
					t.Fatal("it was not taken")
				}
				return
			}
			if came != 0 {
				t.Fatal("it was taken")
			}
			if err := <-s.cause; err == nil {
				t.Fatal("no cause")
			}
			f.deliver(rdma.Message{Data: nop(0)})
			if came != 0 {
				t.Fatal("a PDU was taken behind it")
			}
		})
	}
}

// TestWindows is which memory of the initiator is whose, by every convention.
func TestWindows(t *testing.T) {
	const edtl = 100_000
	in := iscsi.Window{Valid: true, Key: 7, Base: 700}
	for name, x := range map[string]struct {
		change func(p *iscsi.MoverParams, c *pdu.SCSICommand)
		data   int
		from   uint32
	}{
		"nothing unasked":                      {func(*iscsi.MoverParams, *pdu.SCSICommand) {}, 0, 0},
		"immediate data":                       {func(*iscsi.MoverParams, *pdu.SCSICommand) {}, 4096, 4096},
		"unsolicited data":                     {func(p *iscsi.MoverParams, c *pdu.SCSICommand) { p.InitialR2T, c.Final = false, false }, 4096, 65536},
		"unsolicited data where there is none": {func(p *iscsi.MoverParams, c *pdu.SCSICommand) { c.Final = false }, 4096, 4096},
		"all unsolicited": {func(p *iscsi.MoverParams, c *pdu.SCSICommand) {
			p.InitialR2T, c.Final, p.FirstBurst = false, false, 1<<20
		}, 4096, edtl},
		"whole buffer": {func(p *iscsi.MoverParams, c *pdu.SCSICommand) { p.WholeBuffer = true }, 4096, 0},
	} {
		p, c := linux, pdu.SCSICommand{Final: true, Write: true, ITT: 1, ExpectedDataLength: edtl}
		x.change(&p, &c)
		s := &script{}
		m, f := begin(t, s, private, func(*rdma.Work) bool { return false })
		full(t, s, m, f, p)
		var got iscsi.Memory
		s.arrived = func(a *iscsi.Arrival) { got = a.Memory }
		f.deliver(rdma.Message{Data: command(t, tags, c, nil, make([]byte, x.data))})
		if want := (iscsi.Memory{In: in, Out: iscsi.Window{Valid: true, Key: 8, Base: 800, From: x.from, To: edtl}}); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestBeyond: no RDMA goes beyond what a command has advertised, whoever asks for it.
func TestBeyond(t *testing.T) {
	w := iscsi.Window{Valid: true, Key: 1, Base: 1000, From: 100, To: 300}
	for name, x := range map[string]*iscsi.Transfer{
		"before":     {Offset: 99, Len: 10, Window: w},
		"behind":     {Offset: 200, Len: 101, Window: w},
		"far behind": {Offset: 1<<32 - 1, Len: 100, Window: w},
		"no tag":     {Offset: 0, Len: 10, Window: iscsi.Window{To: 100}},
	} {
		for _, put := range []bool{true, false} {
			s := &script{}
			m, f := begin(t, s, private, func(w *rdma.Work) bool {
				if w.Op >= rdma.Write {
					t.Errorf("%s: %+v", name, w)
				}
				return false
			})
			full(t, s, m, f, linux)
			y := *x
			y.Data = buffer.Of(make([]byte, 200))
			move := m.GetData
			if put {
				move = m.PutData
			}
			if move(&y) {
				t.Errorf("%s: taken", name)
			}
			m.Flush()
			if err := <-s.cause; err == nil {
				t.Errorf("%s: the connection goes on", name)
			}
		}
	}
}

// TestInvalidates: only responses invalidate, and only if both sides do.
func TestInvalidates(t *testing.T) {
	both := iscsi.Memory{In: iscsi.Window{Valid: true, Key: 7}, Out: iscsi.Window{Valid: true, Key: 8}}
	for name, x := range map[string]struct {
		theirs iser.Private
		memory iscsi.Memory
		op     rdma.Op
		key    rdma.Key
	}{
		"read":         {private, iscsi.Memory{In: both.In}, rdma.SendInvalidate, 7},
		"write":        {private, iscsi.Memory{Out: both.Out}, rdma.SendInvalidate, 8},
		"both":         {private, both, rdma.SendInvalidate, 7},
		"neither":      {private, iscsi.Memory{}, rdma.Send, 0},
		"not agreed":   {iser.Private{NoInvalidate: true}, both, rdma.Send, 0},
		"nothing said": {iser.ParsePrivate(nil), both, rdma.Send, 0},
	} {
		var last rdma.Work
		s := &script{}
		m, f := begin(t, s, x.theirs, func(w *rdma.Work) bool { last = *w; return false })
		full(t, s, m, f, linux)
		p := m.Control()
		pdu.SCSIResponse{ITT: 1}.Put(&p.BHS)
		p.Memory = x.memory
		m.SendControl(p)
		m.Flush()
		if last.Op != x.op || last.Invalidate != x.key {
			t.Errorf("%s: %d, %d", name, last.Op, last.Invalidate)
		}
		// The same memory does not go with the next PDU.
		m.SendControl(m.Control())
		m.Flush()
		if last.Op != rdma.Send || last.Invalidate != 0 {
			t.Errorf("%s: %d, %d", name, last.Op, last.Invalidate)
		}
	}
}

// TestHello is the exchange of RFC 7145 5.1.3 in and out of its place.
func TestHello(t *testing.T) {
	hello := iser.Header{Kind: iser.Hello, MaxVersion: 10, Version: 10, Reads: 4}
	var nop pdu.BHS
	pdu.NOPOut{Immediate: true, ITT: 1, TTT: pdu.NoTag}.Put(&nop)
	ping := message(control, &nop, nil)
	for name, x := range map[string]struct {
		agreed bool
		send   [][]byte
		reply  string // nothing: the connection ends without one
		goes   bool   // on
	}{
		"agreed":               {true, [][]byte{hello.Append(nil), ping}, "30aa0004", true},
		"not agreed":           {false, [][]byte{hello.Append(nil), ping}, "30aa0004", true},
		"many Reads":           {true, [][]byte{iser.Header{Kind: iser.Hello, MaxVersion: 15, Version: 9, Reads: 500}.Append(nil)}, "30aa0010", true},
		"missing":              {true, [][]byte{ping}, "", false},
		"late":                 {false, [][]byte{ping, hello.Append(nil)}, "", false},
		"twice":                {true, [][]byte{hello.Append(nil), hello.Append(nil)}, "30aa0004", false},
		"too long":             {true, [][]byte{append(hello.Append(nil), 0)}, "", false},
		"newer":                {true, [][]byte{iser.Header{Kind: iser.Hello, MaxVersion: 12, Version: 11, Reads: 4}.Append(nil)}, "31aa0004", false},
		"older":                {true, [][]byte{iser.Header{Kind: iser.Hello, MaxVersion: 9, Version: 1, Reads: 4}.Append(nil)}, "31aa0004", false},
		"Reads are not served": {true, [][]byte{iser.Header{Kind: iser.Hello, MaxVersion: 10, Version: 10}.Append(nil)}, "31aa0000", false},
	} {
		t.Run(name, func(t *testing.T) {
			var got [][]byte
			s := &script{}
			m, f := begin(t, s, private, func(w *rdma.Work) bool { got = append(got, sentBytes(w)); return false })
			p := linux
			p.Hello = x.agreed
			full(t, s, m, f, p)
			got = nil
			for _, b := range x.send {
				f.deliver(rdma.Message{Data: b})
			}
			if !x.goes {
				<-f.over
			}
			want := [][]byte{unhex(t, x.reply+strings.Repeat(zeros8, 3))}
			if x.reply == "" {
				want = nil
			}
			if len(got) != len(want) || len(want) == 1 && string(got[0]) != string(want[0]) {
				t.Errorf("%x instead of %x", got, want)
			}
		})
	}
	s := &script{}
	_, f := begin(t, s, private, func(*rdma.Work) bool { return false })
	f.deliver(rdma.Message{Data: hello.Append(nil)})
	if err := <-s.cause; err == nil {
		t.Error("a Hello before the login")
	}
}

// TestReads: no more Reads are outstanding than the initiator has said in its Hello; those
// that wait are taken back, or follow.
func TestReads(t *testing.T) {
	var asked []*rdma.Work
	var last rdma.Remote
	back := map[*iscsi.Transfer]error{}
	s := &script{moved: func(x *iscsi.Transfer, err error) { back[x] = err }}
	m, f := begin(t, s, private, func(w *rdma.Work) bool {
		if w.Op == rdma.Read {
			asked, last = append(asked, w), w.Remote
		}
		return w.Op == rdma.Read
	})
	full(t, s, m, f, linux)
	f.deliver(rdma.Message{Data: iser.Header{Kind: iser.Hello, MaxVersion: 10, Version: 10, Reads: 2}.Append(nil)})
	xs := make([]*iscsi.Transfer, 6)
	for i := range xs {
		xs[i] = &iscsi.Transfer{Offset: uint32(i), Data: buffer.Of(make([]byte, 1)), Len: 1, Window: iscsi.Window{Valid: true, To: 10}}
		if !m.GetData(xs[i]) {
			t.Fatal("refused")
		}
	}
	if !m.Cancel(xs[5]) || m.Cancel(xs[5]) { // not flushed
		t.Error("a Read that nobody was asked for was not taken back")
	}
	m.Flush()
	if len(asked) != 2 {
		t.Fatalf("%d Reads were asked for", len(asked))
	}
	if m.Cancel(xs[0]) || !m.Cancel(xs[3]) || m.Cancel(xs[3]) {
		t.Error("a Read was taken back that was asked for, or was not that waits")
	}
	for n := 2; len(back) < 4; n++ {
		f.done(asked[n-2])
		if want := min(n+1, 4); len(asked) != want {
			t.Fatalf("%d Reads were asked for instead of %d", len(asked), want)
		}
	}
	for i, x := range xs {
		if err, ok := back[x]; ok != (i != 3 && i != 5) || err != nil {
			t.Errorf("%d: %v, %v", i, ok, err)
		}
		if m.Cancel(x) {
			t.Errorf("%d was taken back behind its end", i)
		}
	}
	if last.Addr != 4 {
		t.Errorf("the last is %+v", last)
	}
}

// TestGivenBack: whatever the connection has or waits with is given back when it ends, once.
func TestGivenBack(t *testing.T) {
	var mu sync.Mutex
	back := map[*iscsi.Transfer]int{}
	s := &script{moved: func(x *iscsi.Transfer, err error) {
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(err, iscsi.ErrTerminated) {
			t.Error(err)
		}
		back[x]++
	}}
	m, f := begin(t, s, private, func(w *rdma.Work) bool { return w.Op >= rdma.Write })
	m2, all := m, []*iscsi.Transfer{}
	full(t, s, m2, f, linux)
	for i := range 100 {
		x := &iscsi.Transfer{Data: buffer.Of(make([]byte, 1)), Len: 1, Window: iscsi.Window{Valid: true, To: 10}, Put: i%2 == 0}
		move := m.GetData
		if x.Put {
			move = m.PutData
		}
		if !move(x) {
			t.Fatal("refused")
		}
		all = append(all, x)
		if i == 80 {
			m.Flush()
		}
	}
	m.Terminate(errors.New("enough"))
	if err := <-s.cause; err == nil || err.Error() != "enough" {
		t.Error(err)
	}
	for i, x := range all {
		if back[x] != 1 {
			t.Errorf("%d was given back %d times", i, back[x])
		}
	}
}

// TestTooManyAnswers: who asks without end and takes no answers is left, sooner if they are long ones.
func TestTooManyAnswers(t *testing.T) {
	for _, x := range []struct{ data, most int }{{0, 384}, {128, 384}, {8192, 8}} {
		s := &script{}
		m, f := begin(t, s, private, func(w *rdma.Work) bool { return binary.BigEndian.Uint32(w.Head[44:]) == 7 })
		full(t, s, m, f, linux)
		answered := 0
		s.arrived = func(*iscsi.Arrival) {
			answered++
			p := m.Control()
			pdu.NOPIn{ITT: 7, TTT: pdu.NoTag}.Put(&p.BHS)
			p.Data = make([]byte, x.data)
			m.SendControl(p)
		}
		var h pdu.BHS
		pdu.NOPOut{Immediate: true, ITT: 7, TTT: pdu.NoTag}.Put(&h)
		b := message(control, &h, nil)
		for range 4 * x.most {
			f.deliver(rdma.Message{Data: b})
		}
		if err := <-s.cause; err == nil || !strings.Contains(err.Error(), "takes no answers") {
			t.Error(err)
		}
		if answered < x.most || answered > x.most+1 {
			t.Errorf("%d answers of %d bytes were queued", answered, x.data)
		}
	}
}

// TestLoginOneByOne: a second login request before the answer to the first is a hostile one.
func TestLoginOneByOne(t *testing.T) {
	s := &script{}
	hold := make(chan struct{})
	_, f := begin(t, s, private, func(*rdma.Work) bool { return false })
	s.arrived = func(*iscsi.Arrival) { <-hold }
	b := unhex(t, plain+"4387"+strings.Repeat("00", 46))
	f.deliver(rdma.Message{Data: b})
	f.deliver(rdma.Message{Data: b})
	<-f.over
	select {
	case <-s.cause:
		t.Error("Terminated was told during ControlArrived")
	default:
	}
	close(hold)
	if err := <-s.cause; err == nil {
		t.Error("no cause")
	}
}

// TestMoverAllocations: a command, its data and its response cost no allocation.
func TestMoverAllocations(t *testing.T) {
	s := &script{}
	m, f := begin(t, s, private, func(*rdma.Work) bool { return false })
	full(t, s, m, f, linux)
	in, out := buffer.Of(make([]byte, 512)), buffer.Of(make([]byte, 512))
	var x, y iscsi.Transfer
	s.arrived = func(a *iscsi.Arrival) {
		x = iscsi.Transfer{Data: in, Len: 512, Put: true, Window: a.Memory.In}
		y = iscsi.Transfer{Data: out, Len: 512, Window: a.Memory.Out}
		p := m.Control()
		pdu.SCSIResponse{ITT: 1}.Put(&p.BHS)
		p.Memory = a.Memory
		if !m.PutData(&x) || !m.GetData(&y) {
			t.Error("refused")
		}
		m.SendControl(p)
	}
	b := command(t, tags, pdu.SCSICommand{Final: true, Read: true, Write: true, ITT: 1, ExpectedDataLength: 512}, pdu.AHS{HasBidiRead: true, BidiReadLength: 512}.Append(nil), nil)
	msg := rdma.Message{Data: b}
	for range 10 {
		f.deliver(msg)
	}
	if n := testing.AllocsPerRun(200, func() { f.deliver(msg) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	transporttest.Eventually(t, "all went out", func() bool { return f.count() >= 3*210 })
}

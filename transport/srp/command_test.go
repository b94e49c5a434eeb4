package srp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// ways are how an initiator can describe its memory.
var ways = map[string]func(*initiator.Config){
	"direct":    func(*initiator.Config) {},
	"inline":    func(c *initiator.Config) { c.Segment = 5000 },
	"external":  func(c *initiator.Config) { c.Segment, c.Inline = 5000, 2 },
	"immediate": func(c *initiator.Config) { c.Immediate = 8192 },
}

// TestWays moves data in every way that a device server and an initiator can have.
func TestWays(t *testing.T) { over(t, testWays) }

func testWays(t *testing.T, start starter) {
	for name, set := range ways {
		t.Run(name, func(t *testing.T) {
			s := start(t, srp.Config{})
			cfg := s.Config(1)
			set(&cfg)
			c := s.Dial(cfg)
			seed := uint64(0)
			for _, n := range []int{512, 4096, 8192, 64 << 10, 1 << 20, 2<<20 + 4096} {
				for _, w := range []transporttest.Way{transporttest.Lend, transporttest.Lease, transporttest.Later, transporttest.KeepIt, transporttest.Pieces} {
					seed++
					data, back := pattern(n, seed), make([]byte, n)
					good(t, c, write(uint32(seed), n, w), data, nil)
					good(t, c, read(uint32(seed), n, w), nil, back)
					if !bytes.Equal(data, back) {
						t.Fatalf("%d bytes by way %d came back wrong", n, w)
					}
				}
			}
			k := initiator.Command{CDB: read(0, 4096, transporttest.Sense), In: make([]byte, 4096)}
			if err := c.Do(&k); err != nil || k.Sense != scsi.UnrecoveredReadError(7) {
				t.Error(err, k.Sense)
			}
			for _, w := range []transporttest.Way{transporttest.Ignore, transporttest.Fail, transporttest.Half} {
				k := initiator.Command{CDB: write(0, 4096, w), Out: make([]byte, 4096)}
				if err := c.Do(&k); err != nil || (k.Status == scsi.Good) != (w == transporttest.Ignore) {
					t.Error(w, err, k.Status)
				}
			}
			quiet(t, s, cfg, c)
			i := session(t, s, cfg)
			if x := i.Channels[0]; x.Immediate != (name == "immediate") || x.Requests != i.Totals.Commands || x.Aborted != 0 {
				t.Errorf("%+v", i)
			}
		})
	}
}

// TestResiduals has buffers of other sizes than commands move.
func TestResiduals(t *testing.T) { over(t, testResiduals) }

func testResiduals(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	cfg.Segment = 3000
	c := s.Dial(cfg)
	for _, x := range []struct {
		cdb     []byte
		out, in int
		wo, wi  int64
	}{
		{read(0, 8192, 0), 0, 8192, 0, 0},
		{read(0, 8192, 0), 0, 10000, 0, 1808},
		{read(0, 8192, 0), 0, 4096, 0, -4096},
		{read(0, 8192, 0), 0, 0, 0, -8192},
		{write(0, 8192, 0), 8192, 0, 0, 0},
		{write(0, 8192, 0), 10000, 0, 1808, 0},
		{write(0, 8192, 0), 4096, 0, -4096, 0},
		{make([]byte, 6), 0, 512, 0, 512},
		{make([]byte, 6), 512, 0, 512, 0},
		{read(0, 8192, 0), 512, 10000, 512, 1808 /* of two, the data-in first */},
		{make([]byte, 6), 512, 4096, 512, 4096},
	} {
		k := initiator.Command{CDB: x.cdb, Out: make([]byte, x.out), In: bytes.Repeat([]byte{0xee}, x.in)}
		if err := c.Do(&k); err != nil || k.Status != scsi.Good || k.OutResidual != x.wo || k.InResidual != x.wi {
			if x.out == 512 && x.in == 10000 && k.OutResidual+k.InResidual == x.wo+x.wi {
				continue // which of the two is not for the transport to know
			}
			t.Errorf("%x out %d in %d: %v, %v, %d, %d", x.cdb, x.out, x.in, err, k.Status, k.OutResidual, k.InResidual)
		}
		if n := k.Received; x.cdb[0] != 0 && n < x.in && !bytes.Equal(k.In[n:], bytes.Repeat([]byte{0xee}, x.in-n)) {
			t.Errorf("%x: written behind what is there", x.cdb)
		}
	}
}

// TestWrongCommands sends commands whose data buffers are not right: they get sense, and the
// channel goes on.
func TestWrongCommands(t *testing.T) { over(t, testWrongCommands) }

func testWrongCommands(t *testing.T, start starter) {
	s := start(t, srp.Config{MaxDescriptors: 8, MaxTransfer: 1 << 20})
	cfg := s.Config(1)
	cfg.Segment, cfg.Immediate = 1000, 400
	c := s.Dial(cfg)
	put := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte {
			binary.BigEndian.PutUint32(b[at:], v)
			return b
		}
	}
	set := func(at int, v byte) func([]byte) []byte { return func(b []byte) []byte { b[at] = v; return b } }
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	for name, x := range map[string]struct {
		out, in int
		change  func([]byte) []byte
		want    scsi.ASC
	}{
		"good":                    {2000, 0, func(b []byte) []byte { return b }, 0},
		"behind it":               {0, 2000, func(b []byte) []byte { return append(b, 1, 2, 3) }, 0},
		"format":                  {2000, 0, set(5, 0x50), scsi.ASCInvalidFieldInCommandIU},
		"data-in format":          {0, 2000, set(5, 0x0f), scsi.ASCInvalidFieldInCommandIU},
		"immediate data-in":       {0, 400, set(5, 0x03), scsi.ASCInvalidFieldInCommandIU},
		"attribute":               {0, 400, set(29, 3), scsi.ASCInvalidFieldInCommandIU},
		"count":                   {2000, 0, set(6, 3), scsi.ASCInformationUnitTooShort},
		"cut":                     {2000, 0, cut(1), scsi.ASCInformationUnitTooShort},
		"cut data-in":             {0, 2000, cut(33), scsi.ASCInformationUnitTooShort},
		"additional CDB":          {2000, 0, set(31, 0xfc), scsi.ASCInformationUnitTooShort},
		"immediate data cut":      {300, 0, cut(1), scsi.ASCInformationUnitTooShort},
		"table of fewer":          {2000, 0, put(60, 16), scsi.ASCDataOutBufferError},
		"half a descriptor":       {0, 2000, put(60, 40), scsi.ASCDataInBufferError},
		"too many":                {8001, 0, nil, scsi.ASCDataOutBufferOverflowDescriptors},
		"too many in a table":     {0, 2000, put(60, 9*16), scsi.ASCDataInBufferOverflowDescriptors},
		"too long":                {2000, 0, put(64, 1<<20+1), scsi.ASCDataOutBufferOverflowSize},
		"far too long":            {0, 2000, put(64, 1<<32-1), scsi.ASCDataInBufferOverflowSize},
		"a table at the end":      {0, 2000, func(b []byte) []byte { b = put(60, 48)(b); return put(52, 1<<32-8)(put(48, 1<<32-1)(b)) }, scsi.ASCDataInBufferError},
		"a descriptor at the end": {0, 900, func(b []byte) []byte { return put(52, 1<<32-899)(put(48, 1<<32-1)(b)) }, scsi.ASCDataInBufferError},
		"data-out at the end":     {900, 0, func(b []byte) []byte { return put(52, 1<<32-899)(put(48, 1<<32-1)(b)) }, scsi.ASCDataOutBufferError},
	} {
		t.Run(name, func(t *testing.T) {
			k := initiator.Command{CDB: make([]byte, 6), Out: make([]byte, x.out), In: make([]byte, x.in), Change: x.change}
			err := c.Do(&k)
			if want := scsi.AbortedCommand(x.want); err != nil || (x.want != 0 && k.Sense != want) || (x.want == 0 && k.Status != scsi.Good) {
				t.Errorf("%v, %v; want %v", err, k.Sense, want)
			}
			ready(t, c)
		})
	}
	quiet(t, s, cfg, c)
}

// The length of an indirect buffer is what its header says, and what its descriptors have: the
// smaller of the two.
func TestTotals(t *testing.T) { over(t, testTotals) }

func testTotals(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	for _, inline := range []int{0, 1} {
		cfg := s.Config(1)
		cfg.Segment, cfg.Inline = 1000, inline
		c := s.Dial(cfg)
		for total, want := range map[uint32]int64{5000: -3192, 8192: 0, 60000: 0} {
			k := initiator.Command{CDB: read(0, 8192, 0), In: bytes.Repeat([]byte{0xee}, 8192), Change: func(b []byte) []byte {
				binary.BigEndian.PutUint32(b[64:], total)
				return b
			}}
			if err := c.Do(&k); err != nil || k.InResidual != want || k.Status != scsi.Good {
				t.Errorf("%d: %v, %v, %d", total, err, k.Status, k.InResidual)
			}
			if total == 5000 && !bytes.Equal(k.In[5000:], bytes.Repeat([]byte{0xee}, 3192)) {
				t.Error("written past the length")
			}
		}
	}
}

// A table with a descriptor that wraps around is found when it has come.
func TestWrongTable(t *testing.T) { over(t, testWrongTable) }

func testWrongTable(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	cfg.Segment, cfg.Inline = 1000, -1
	c := s.Dial(cfg)
	list := iu.Descriptor{Addr: 1<<64 - 100, Key: 1, Len: 101}.Append(nil)
	l := buffer.Of(list)
	w, err := c.RDMA().Expose(l, rdma.RemoteRead)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []bool{false, true} {
		k := initiator.Command{CDB: make([]byte, 6), In: make([]byte, 2000), Change: func(b []byte) []byte {
			return append(b[:48], iu.Descriptor{Addr: w.Addr, Key: uint32(w.Key), Len: 16}.Append(nil)[:16:16]...)
		}}
		want := scsi.ASCDataInBufferError
		if out {
			k.In, k.Out, want = nil, make([]byte, 2000), scsi.ASCDataOutBufferError
		}
		change := k.Change
		k.Change = func(b []byte) []byte { return binary.BigEndian.AppendUint32(change(b), 2000) }
		if err := c.Do(&k); err != nil || k.Sense != scsi.AbortedCommand(want) {
			t.Error(err, k.Sense)
		}
	}
	ready(t, c)
}

// TestViolations sends what ends a channel, and says why.
func TestViolations(t *testing.T) { over(t, testViolations) }

func testViolations(t *testing.T, start starter) {
	s := start(t, srp.Config{Credits: 4})
	cmd := func(tag uint64) []byte {
		return (&iu.Command{Tag: tag, CDB: [16]byte{0x28, 9: byte(transporttest.Hold)}}).Append(nil, 0)
	}
	for name, x := range map[string]struct {
		send [][]byte
		want iu.LogoutReason
	}{
		"a login":                {[][]byte{make([]byte, 64)}, iu.LogoutInvalidIU},
		"a response":             {[][]byte{(&iu.Response{}).Append(nil)}, iu.LogoutInvalidIU},
		"an unknown type":        {[][]byte{{0x77, 0, 0}}, iu.LogoutInvalidIU},
		"nothing":                {[][]byte{{}}, iu.LogoutInvalidIU},
		"a short command":        {[][]byte{cmd(1)[:47]}, iu.LogoutInvalidIU},
		"short management":       {[][]byte{iu.TaskManagement{}.Append(nil)[:47]}, iu.LogoutInvalidIU},
		"a short logout":         {[][]byte{iu.ILogout{}.Append(nil)[:15]}, iu.LogoutInvalidIU},
		"a short answer":         {[][]byte{iu.CreditResponse{}.Append(nil)[:15]}, iu.LogoutInvalidIU},
		"a credit answer":        {[][]byte{iu.CreditResponse{}.Append(nil)}, iu.LogoutNoRequest},
		"an event answer":        {[][]byte{iu.EventResponse{}.Append(nil)}, iu.LogoutNoRequest},
		"one tag twice":          {[][]byte{cmd(1), cmd(1)}, iu.LogoutInvalidIU},
		"management's tag":       {[][]byte{cmd(1), iu.TaskManagement{Tag: 1, Function: iu.AbortTask}.Append(nil)}, iu.LogoutInvalidIU},
		"a tag of management":    {[][]byte{cmd(1), iu.TaskManagement{Tag: 2, Function: iu.AbortTask, Managed: 1}.Append(nil), cmd(2)}, iu.LogoutInvalidIU},
		"a request too many":     {[][]byte{cmd(1), cmd(2), cmd(3), cmd(4), cmd(5)}, iu.LogoutInvalidIU},
		"management too many":    {[][]byte{cmd(1), cmd(2), cmd(3), cmd(4), iu.TaskManagement{Tag: 5, Function: iu.AbortTask}.Append(nil)}, iu.LogoutInvalidIU},
		"commands after the end": {[][]byte{{0x77}, cmd(1), cmd(2), {0x77}}, iu.LogoutInvalidIU},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.Dial(s.Config(1))
			for _, b := range x.send {
				_ = c.Send(b)
			}
			// Nothing is released before: an answer would make right what is wrong.
			transporttest.Eventually(t, "the target says so", func() bool { return c.Err() != nil })
			s.Units[0].Release()
			var l *initiator.LogoutError
			if !errors.As(c.Err(), &l) || l.Reason != x.want {
				t.Errorf("%v; want %v", c.Err(), x.want)
			}
			c.Abandon()
			s.Units[0].Release()
			transporttest.Eventually(t, "the nexus is lost", func() bool { s.Units[0].Release(); return len(s.Target.Nexuses()) == 0 })
		})
	}
}

// A command can have two buffers, each described in its own way.
func TestBothWays(t *testing.T) { over(t, testBothWays) }

func testBothWays(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	for _, immediate := range []int{0, 4096} {
		for _, inline := range []int{0, -1} {
			cfg := s.Config(1)
			cfg.Segment, cfg.Inline, cfg.Immediate, cfg.Offset = 1000, inline, immediate, 160
			c := s.Dial(cfg)
			for _, w := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.KeepIt} {
				data, back := pattern(4096, uint64(w)+7), make([]byte, 4096)
				k := initiator.Command{CDB: write(0, 4096, w), Out: data, In: make([]byte, 2000)}
				if err := c.Do(&k); err != nil || k.Status != scsi.Good || k.OutResidual != 0 || k.InResidual != 2000 {
					t.Fatal(err, k.Sense, k.OutResidual, k.InResidual)
				}
				k = initiator.Command{CDB: read(0, 4096, w), Out: make([]byte, 3000), In: back}
				if err := c.Do(&k); err != nil || k.Status != scsi.Good || !bytes.Equal(back, data) {
					t.Fatal(err, k.Sense)
				}
			}
		}
	}
}

// Solicited responses are asked for by the command.
func TestSolicited(t *testing.T) { over(t, testSolicited) }

func testSolicited(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	c := s.Dial(s.Config(1))
	for _, x := range []struct {
		n    iu.Notify
		fail bool
		want bool
	}{{0, false, false}, {iu.NotifySuccess, false, true}, {iu.NotifyFailure, false, false}, {iu.NotifyFailure, true, true}, {iu.NotifySuccess, true, false}} {
		k := initiator.Command{CDB: make([]byte, 6), Notify: x.n}
		if x.fail {
			k.CDB[0] = 0xff
		}
		if err := c.Do(&k); err != nil || k.Solicited != x.want {
			t.Errorf("%+v: %v, %v", x, err, k.Solicited)
		}
	}
}

// A CDB can be longer than 16 bytes, and a LUN can have another form.
func TestLongCDB(t *testing.T) { over(t, testLongCDB) }

func testLongCDB(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	cfg.Segment = 1000
	c := s.Dial(cfg)
	for _, lun := range []scsi.LUN{0, 0x4000 << 48, 1 << 48, 0xd200000100000000} {
		k := initiator.Command{LUN: lun, CDB: make([]byte, 32), Out: pattern(4096, 1)}
		copy(k.CDB, write(0, 4096, 0))
		if err := c.Do(&k); err != nil || k.Status != scsi.Good {
			t.Error(lun, err, k.Sense)
		}
	}
	k := initiator.Command{LUN: 1 << 32, CDB: make([]byte, 6)}
	if err := c.Do(&k); err != nil || k.Sense != scsi.LogicalUnitNotSupported() {
		t.Error(err, k.Sense)
	}
	for _, a := range []uint8{iu.AttrHeadOfQueue, iu.AttrOrdered, iu.AttrACA} {
		k := initiator.Command{Attr: a, CDB: make([]byte, 6)}
		if err := c.Do(&k); err != nil {
			t.Error(a, err)
		}
	}
}

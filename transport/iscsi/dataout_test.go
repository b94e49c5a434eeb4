package iscsi_test

import (
	"bytes"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

var (
	dataPhase  = scsi.AbortedCommand(scsi.ASCDataPhaseError)
	unexpected = scsi.AbortedCommand(scsi.ASCWriteErrorUnexpectedUnsolicitedData)
	amount     = scsi.AbortedCommand(scsi.ASCWriteErrorNotEnoughUnsolicitedData)
	crc        = scsi.AbortedCommand(scsi.ASCProtocolServiceCRCError)
)

// TestSolicitedFaults answers an R2T wrongly: the command fails, the connection goes on.
func TestSolicitedFaults(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.InitialR2T, cfg.Login.ImmediateData = true, false
	p := login(t, s, cfg)
	kib := make([]byte, 1024)
	for name, c := range map[string]struct {
		send func(r pdu.R2T)
		want scsi.Sense
	}{
		"good": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, DataSN: 1, BufferOffset: 1024, Final: true}, kib)
		}, scsi.Sense{}},
		"DataSN": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, DataSN: 2, BufferOffset: 1024, Final: true}, kib)
		}, dataPhase},
		"offset": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, BufferOffset: 1024}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, DataSN: 1, Final: true}, kib)
		}, dataPhase},
		"ITT": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 8, TTT: r.TTT, Final: true}, kib)
		}, dataPhase},
		"short": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, Final: true}, kib)
		}, amount},
		"empty": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, Final: true}, nil)
		}, amount},
		"long": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, Final: true}, make([]byte, 4096))
		}, amount},
		"long by far": {func(r pdu.R2T) { // comes in parts
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, Final: true}, make([]byte, 200<<10))
		}, amount},
		"stray tags": {func(r pdu.R2T) {
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT + 256}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: 12345, Final: true}, make([]byte, 100<<10))
			p.out(pdu.DataOut{ITT: 77, TTT: pdu.NoTag, Final: true}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, Final: true}, kib)
			p.out(pdu.DataOut{ITT: 9, TTT: r.TTT, Final: true}, make([]byte, 2048))
		}, scsi.Sense{}},
	} {
		for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later} {
			t.Run(name, func(t *testing.T) {
				p.t = t
				p.command(9, write(0, 2048, way), 2048, true, nil)
				r := p.r2t()
				if r.ITT != 9 || r.BufferOffset != 0 || r.DesiredLength != 2048 || r.R2TSN != 0 {
					t.Fatalf("%+v", r)
				}
				c.send(r)
				if _, sense := p.response(9); sense != c.want {
					t.Errorf("%v instead of %v", sense, c.want)
				}
				p.alive()
			})
		}
	}
}

// TestUnsolicitedFaults sends unasked data against the rules.
func TestUnsolicitedFaults(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	kib := make([]byte, 1024)
	type step struct {
		p *peer
		w transporttest.Way
	}
	all := func(c *initiator.Config) { c.Login.FirstBurstLength = 2048 }
	for name, c := range map[string]struct {
		keys func(c *initiator.Config)
		send func(p step)
		want scsi.Sense
	}{
		"good": {all, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, BufferOffset: 1024, Final: true}, kib)
		}, scsi.Sense{}},
		"DataSN": {all, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, DataSN: 1, BufferOffset: 1024, Final: true}, kib)
		}, dataPhase},
		"offset": {all, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, Final: true}, kib)
		}, dataPhase},
		"short": {all, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, BufferOffset: 1024, Final: true}, kib[:512])
		}, amount},
		"beyond the burst": {all, func(s step) {
			s.p.command(9, write(0, 4096, s.w), 4096, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, BufferOffset: 1024, Final: true}, make([]byte, 3072))
		}, amount},
		"beyond the burst by far": {all, func(s step) {
			s.p.command(9, write(0, 4096, s.w), 4096, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, BufferOffset: 1024, Final: true}, make([]byte, 100<<10))
		}, amount},
		"InitialR2T": {func(c *initiator.Config) { all(c); c.Login.InitialR2T = true }, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, false, kib)
			s.p.out(pdu.DataOut{ITT: 9, TTT: pdu.NoTag, BufferOffset: 1024, Final: true}, kib)
		}, unexpected},
		"no ImmediateData": {func(c *initiator.Config) { all(c); c.Login.ImmediateData = false }, func(s step) {
			s.p.command(9, write(0, 2048, s.w), 2048, true, kib)
		}, unexpected},
		"immediate beyond the burst": {all, func(s step) {
			s.p.command(9, write(0, 4096, s.w), 4096, true, make([]byte, 4096))
		}, amount},
		"immediate beyond the burst by far": {all, func(s step) {
			s.p.command(9, write(0, 4096, s.w), 4096, true, make([]byte, 200<<10))
		}, amount},
		"immediate beyond the length": {all, func(s step) {
			s.p.command(9, write(0, 512, s.w), 512, true, kib)
		}, amount},
	} {
		for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.KeepIt, transporttest.Ignore} {
			t.Run(name, func(t *testing.T) {
				cfg := s.Config(1)
				c.keys(&cfg)
				p := login(t, s, cfg)
				c.send(step{p, way})
				_, sense := p.response(9)
				if way != transporttest.Ignore && sense != c.want {
					t.Errorf("%v instead of %v", sense, c.want)
				}
				p.alive()
				p.Close()
			})
		}
	}
}

// TestEarlyEnd ends commands whose unasked data is still coming: the response waits for
// the last Data-Out (RFC 7143 11.4.3).
func TestEarlyEnd(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	for _, way := range []transporttest.Way{transporttest.Ignore, transporttest.Fail, transporttest.Half} {
		p := login(t, s, s.Config(1))
		big := make([]byte, 64<<10)
		p.command(5, write(0, 128<<10, way), 128<<10, false, big[:100])
		p.alive() // and no response before it
		p.out(pdu.DataOut{ITT: 5, TTT: pdu.NoTag, BufferOffset: 100}, big)
		p.alive()
		p.out(pdu.DataOut{ITT: 5, TTT: pdu.NoTag, DataSN: 1, BufferOffset: 100 + 64<<10, Final: true}, big[:64<<10-100])
		if r, _ := p.response(5); (r.Status == 0) != (way == transporttest.Ignore) {
			t.Errorf("%v: %+v", way, r)
		}
		p.alive()
		p.Close()
	}
}

// TestR2TWindow counts the R2Ts of one command and of many.
func TestR2TWindow(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	for limit := uint32(1); limit <= 4; limit++ {
		cfg := s.Config(1)
		cfg.Login.InitialR2T, cfg.Login.ImmediateData = true, false
		cfg.Login.MaxOutstandingR2T, cfg.Login.FirstBurstLength, cfg.Login.MaxBurstLength = limit, 1024, 1024
		p := login(t, s, cfg)
		p.command(3, write(0, 6144, transporttest.Later), 6144, true, nil)
		var open []pdu.R2T
		for sn := uint32(0); sn < 6; sn++ {
			for len(open) < int(min(limit, 6-sn)) {
				open = append(open, p.r2t())
			}
			r := open[0]
			if open = open[1:]; r.R2TSN != sn || r.BufferOffset != sn*1024 || r.DesiredLength != 1024 {
				t.Fatalf("%d: %+v", sn, r)
			}
			p.alive() // and no R2T more
			p.out(pdu.DataOut{ITT: 3, TTT: r.TTT, BufferOffset: r.BufferOffset, Final: true}, make([]byte, 1024))
		}
		if r, _ := p.response(3); r.Status != 0 || r.ExpDataSN != 0 {
			t.Fatalf("%+v", r)
		}
		p.Close()
	}
}

// TestManyR2Ts has a whole window of writes wait for data by several R2Ts each.
func TestManyR2Ts(t *testing.T) { transporttest.OverISCSI(t, testManyR2Ts) }

func testManyR2Ts(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{Window: 256}, nil)
	cfg := s.Config(1)
	cfg.Login.InitialR2T, cfg.Login.ImmediateData = true, false
	cfg.Login.FirstBurstLength, cfg.Login.MaxBurstLength = 512, 512
	c := s.Dial(cfg)
	var data [256][]byte
	cmds := make([]initiator.Command, 256)
	for i := range cmds {
		data[i] = pattern(8192, uint64(i))
		cmds[i] = initiator.Command{CDB: write(uint32(16*i), 8192, transporttest.Lease), Out: data[i]}
		if err := c.Submit(&cmds[i]); err != nil {
			t.Fatal(err)
		}
	}
	for i := range cmds {
		if err := c.Finish(&cmds[i]); err != nil || cmds[i].Status != 0 {
			t.Fatal(i, err, cmds[i].Sense())
		}
		back := make([]byte, 8192)
		good(t, c, read(uint32(16*i), 8192, transporttest.Lend), nil, back)
		if !bytes.Equal(back, data[i]) {
			t.Fatal(i, "came back wrong")
		}
	}
}

// TestBudget has more data outstanding than a connection may: commands wait with asking for it.
func TestBudget(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Solicited: 1 << 20}, nil)
	cfg := s.Config(1)
	cfg.Withhold = true
	asked := map[uint32]int{} // R2Ts by the tag of their command
	cfg.Events.R2T = func(r pdu.R2T) { asked[r.ITT]++ }
	cfg.Login.InitialR2T, cfg.Login.ImmediateData = true, false
	c := s.Dial(cfg)
	ping := func() {
		t.Helper()
		if _, err := c.Ping(nil); err != nil {
			t.Fatal(err)
		}
	}
	// settled asks until n commands have asked for data, and a while longer for more.
	settled := func(n int) {
		t.Helper()
		transporttest.Eventually(t, "commands ask for data", func() bool { ping(); return len(asked) >= n })
		for range 5 {
			ping()
			time.Sleep(2 * time.Millisecond)
		}
		if len(asked) != n {
			t.Fatalf("%d commands have asked for data instead of %d", len(asked), n)
		}
	}
	cmds := make([]initiator.Command, 10)
	for i := range cmds {
		cmds[i] = initiator.Command{CDB: write(uint32(1024*i), 512<<10, transporttest.Lease), Out: make([]byte, 512<<10)}
		_ = c.Submit(&cmds[i])
	}
	settled(2)
	good(t, c, read(20000, 4096, transporttest.Lend), nil, make([]byte, 4096)) // reads pass
	// So does the first write to another unit, which a slow one does not hold up.
	elsewhere := make([]initiator.Command, 2)
	for i := range elsewhere {
		elsewhere[i] = initiator.Command{LUN: 1 << 48, CDB: write(0, 512<<10, transporttest.Lease), Out: make([]byte, 512<<10)}
		_ = c.Submit(&elsewhere[i])
	}
	settled(3)
	started := s.Units[0].Started.Load()
	ordered := initiator.Command{CDB: read(0, 512, transporttest.Lend), In: make([]byte, 512), Attr: pdu.AttrOrdered}
	_ = c.Submit(&ordered)
	behind := initiator.Command{CDB: read(0, 512, transporttest.Lend), In: make([]byte, 512)}
	_ = c.Submit(&behind) // does not pass the ordered one
	ping()
	if n := s.Units[0].Started.Load(); n != started {
		t.Fatalf("%d commands were started before an older one has ended", n-started)
	}
	// An abort of one that waits, and of those that have asked.
	for _, k := range []*initiator.Command{&cmds[9], &cmds[0], &elsewhere[0]} {
		if r, err := c.Manage(pdu.TMFAbortTask, k.LUN, k); err != nil || r != pdu.TMFComplete {
			t.Fatal(r, err)
		}
	}
	settled(5) // one more of each unit
}

// TestRefusedWhileOthersWait refuses an ORDERED command that breaks the rules while the
// budget of the connection is used up: it does not wait as well.
func TestRefusedWhileOthersWait(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Solicited: 1024}, nil)
	cfg := s.Config(1)
	cfg.Login.InitialR2T, cfg.Login.ImmediateData = true, false
	p := login(t, s, cfg)
	p.command(1, write(0, 1024, transporttest.Lend), 1024, true, nil)
	p.command(2, write(0, 1024, transporttest.Lend), 1024, true, nil)
	first := p.r2t()
	x := pdu.SCSICommand{Final: true, Write: true, Attr: pdu.AttrOrdered, ITT: 3, ExpectedDataLength: 1024}
	copy(x.CDB[:], write(0, 1024, transporttest.Lend))
	var h pdu.BHS
	x.Put(&h)
	p.send(&h, make([]byte, 100))
	if _, sense := p.response(3); sense != unexpected {
		t.Fatal(sense)
	}
	p.out(pdu.DataOut{ITT: 1, TTT: first.TTT, Final: true}, make([]byte, 1024))
	p.response(1)
	p.out(pdu.DataOut{ITT: 2, TTT: p.r2t().TTT, Final: true}, make([]byte, 1024))
	p.response(2)
	p.alive()
}

// TestDataDigestFaults sends data with wrong digests (RFC 7143 7.8).
func TestDataDigestFaults(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.DataDigest = "CRC32C"
	spoil := func(p *peer, h *pdu.BHS, n int) {
		t.Helper()
		b := p.AppendPDU(nil, h, nil, make([]byte, n))
		b[len(b)-1] ^= 1
		if _, err := p.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{512, 64 << 10} {
		p := login(t, s, cfg)
		var h pdu.BHS
		p.command(1, write(0, n, transporttest.Later), n, true, nil)
		r := p.r2t()
		pdu.DataOut{ITT: 1, TTT: r.TTT, Final: true}.Put(&h)
		spoil(p, &h, n)
		p.reject(pdu.RejectDataDigest)
		if _, sense := p.response(1); sense != crc {
			t.Errorf("%d solicited bytes: %v", n, sense)
		}
		p.command(2, write(0, n, transporttest.Later), n, false, nil)
		pdu.DataOut{ITT: 2, TTT: pdu.NoTag, Final: true}.Put(&h)
		spoil(p, &h, n)
		p.reject(pdu.RejectDataDigest)
		if _, sense := p.response(2); sense != crc {
			t.Errorf("%d unsolicited bytes: %v", n, sense)
		}
		p.alive()
		x := pdu.SCSICommand{Final: true, Write: true, ITT: 3, ExpectedDataLength: uint32(n)}
		copy(x.CDB[:], write(0, n, transporttest.Later))
		x.Put(&h)
		h.SetCmdSN(p.next)
		spoil(p, &h, n)
		p.reject(pdu.RejectDataDigest)
		p.Close()
	}
}

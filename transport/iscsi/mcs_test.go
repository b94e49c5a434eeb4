package iscsi_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// peers logs n connections of one session in; they number their commands together.
func peers(t *testing.T, s *transporttest.ISCSI, n int, change func(*initiator.Config)) []*peer {
	cfg := s.Config(1)
	cfg.Login.MaxConnections = 4
	if change != nil {
		change(&cfg)
	}
	all := []*peer{login(t, s, cfg)}
	for i := 1; i < n; i++ {
		cfg := cfg
		cfg.TSIH, cfg.CID = all[0].res.TSIH, uint16(i)
		all = append(all, login(t, s, cfg))
	}
	return all
}

// TestConnections moves data over several connections of one session at a time.
func TestConnections(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	for n := 2; n <= 4; n++ {
		cfg := s.Config(byte(n))
		cfg.Login.MaxConnections = 4
		cfg.Login.FirstBurstLength, cfg.Login.MaxBurstLength = 16<<10, 48<<10
		first := s.Dial(cfg)
		conns := []*initiator.Conn{first}
		for i := 1; i < n; i++ {
			own := cfg
			if i == 2 {
				own.Login.HeaderDigest, own.Login.DataDigest = "CRC32C", "CRC32C"
			}
			own.Login.MaxRecvDataSegmentLength = 1000 * uint32(i)
			conns = append(conns, s.Join(first, uint16(i), own))
		}
		if got := s.Node.Sessions(); len(got) != 1 || len(got[0].Connections) != n {
			t.Fatalf("%+v", got)
		}
		done := make(chan error, n)
		for i, c := range conns {
			go func() {
				for round := range 30 {
					size := []int{512, 4096, 100 << 10, 300 << 10}[round%4]
					data := pattern(size, uint64(i*100+round))
					lba := uint32(i*4096 + round)
					w := initiator.Command{CDB: write(lba, size, transporttest.Way(round%3)), Out: data}
					r := initiator.Command{CDB: read(lba, size, transporttest.Pieces), In: make([]byte, size)}
					for _, k := range []*initiator.Command{&w, &r} {
						err := c.Submit(k)
						if err == nil {
							err = c.Finish(k)
						}
						if err == nil {
							err = k.Err
						}
						if err == nil && k.Status != 0 {
							err = k.Sense()
						}
						if err != nil {
							done <- err
							return
						}
					}
					if !bytes.Equal(data, r.In) {
						t.Error(i, round, "came back wrong")
					}
				}
				done <- nil
			}()
		}
		for range conns {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range conns[1:] {
			if r, err := c.Logout(pdu.LogoutCloseConnection, uint16(i+1)); err != nil || r != pdu.LogoutSuccess {
				t.Fatal(r, err)
			}
		}
		if r, err := first.Logout(pdu.LogoutCloseSession, 0); err != nil || r != pdu.LogoutSuccess {
			t.Fatal(r, err)
		}
		transporttest.Eventually(t, "the session has ended", func() bool { return len(s.Node.Sessions()) == 0 })
	}
}

// TestOrderOverConnections sends commands with numbers before their turn, with immediate,
// unsolicited and solicited data; they start in the order of their numbers.
func TestOrderOverConnections(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := peers(t, s, 3, func(c *initiator.Config) { c.Login.FirstBurstLength = 64 << 10 })
	const size = 128 << 10
	sn := uint32(1)
	for round := range 40 {
		data := pattern(size, uint64(round))
		now := []int{0, 100, 4096, 40 << 10, 64 << 10}[round%5] // immediate
		final := round%2 == 0
		a, b, c := p[0], p[1], p[2]
		// Number sn+1 comes first, by b, with its unasked data; then sn by a.
		b.next, a.next, c.next = sn+1, sn, sn+2
		b.command(7, write(0, size, transporttest.Way(round%3)), size, final, data[:now])
		asked := now
		if !final {
			half := now + (64<<10-now)/2
			b.out(pdu.DataOut{ITT: 7, TTT: pdu.NoTag, BufferOffset: uint32(now)}, data[now:half])
			b.out(pdu.DataOut{ITT: 7, TTT: pdu.NoTag, DataSN: 1, BufferOffset: uint32(half), Final: true}, data[half:64<<10])
			asked = 64 << 10
		}
		b.alive()
		c.command(8, read(5000, 512, transporttest.Lend), 512, true, nil)
		c.alive()
		a.command(6, read(5000, 512, transporttest.Lend), 512, true, nil)
		if r := a.receive(); r.Opcode() != pdu.OpDataIn {
			t.Fatal(r.Opcode())
		}
		if r := c.receive(); r.Opcode() != pdu.OpDataIn {
			t.Fatal(r.Opcode())
		}
		r := b.r2t()
		if int(r.BufferOffset) != asked || int(r.DesiredLength) != size-asked {
			t.Fatalf("%+v", r)
		}
		b.out(pdu.DataOut{ITT: 7, TTT: r.TTT, BufferOffset: r.BufferOffset, Final: true}, data[asked:])
		if x, sense := b.response(7); x.Status != 0 {
			t.Fatal(round, sense)
		}
		back := make([]byte, size)
		l, err := s.Units[0].Store.Lend(0, size, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.Read(0, back)
		l.Release()
		if !bytes.Equal(back, data) {
			t.Fatal(round, "wrong data")
		}
		sn += 3
	}
}

// TestOrderShuffled deals many commands out to connections, in random order.
func TestOrderShuffled(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := peers(t, s, 4, nil)
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 20 {
		first := uint32(1 + round*100)
		got := map[uint32]int{}
		for _, n := range r.Perm(100) {
			c := p[n%4]
			c.next = first + uint32(n)
			c.command(uint32(n), write(uint32(n), 512, transporttest.Lend), 512, true, pattern(512, uint64(n)))
			if n%5 == 0 { // a duplicate is ignored
				c.next--
				c.command(uint32(n), write(uint32(n), 512, transporttest.Lend), 512, true, pattern(512, uint64(n)))
			}
		}
		for i, c := range p {
			for range 25 {
				x, err := pdu.ParseSCSIResponse(&c.receive().BHS)
				if err != nil || x.Status != 0 || int(x.ITT)%4 != i {
					t.Fatal(err, x)
				}
				got[x.ITT]++
			}
			c.alive()
		}
		if len(got) != 100 {
			t.Fatal(got)
		}
	}
}

// TestConnectionLost loses a connection with commands on it, some of them before their
// turn: the others go on.
func TestConnectionLost(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := peers(t, s, 2, nil)
	a, b := p[0], p[1]
	b.next = 2
	b.command(1, write(0, 64<<10, transporttest.Lend), 64<<10, true, nil)
	b.command(2, write(0, 64<<10, transporttest.Lend), 64<<10, false, make([]byte, 20))
	b.command(3, read(0, 512, transporttest.Lend), 512, true, nil)
	b.alive()
	b.Close()
	transporttest.Eventually(t, "the connection has gone", func() bool { return len(s.Node.Sessions()[0].Connections) == 1 })
	a.command(9, read(0, 512, transporttest.Lend), 512, true, nil) // number 1
	if op := a.receive().Opcode(); op != pdu.OpDataIn {
		t.Fatal(op)
	}
	a.next = 5
	a.command(9, read(0, 512, transporttest.Lend), 512, true, nil)
	if op := a.receive().Opcode(); op != pdu.OpDataIn {
		t.Fatal(op)
	}
}

// TestConnectionReinstated logs in again with the CID of a connection: its tasks end first.
func TestConnectionReinstated(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.MaxConnections = 2
	cfg.Withhold = true
	a := s.Dial(cfg)
	b := s.Join(a, 1, initiator.Config{Withhold: true})
	k := initiator.Command{CDB: write(0, 512<<10, transporttest.Lend), Out: make([]byte, 512<<10)}
	_ = b.Submit(&k)
	_, _ = b.Poll()
	transporttest.Eventually(t, "it has started", func() bool { return s.Units[0].Started.Load() == 1 })
	c := s.Join(a, 1, initiator.Config{})
	if n := s.Units[0].Ended.Load(); n != 1 {
		t.Fatal("the tasks of the old connection have not ended")
	}
	good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	good(t, a, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
	if _, err := b.Ping(nil); err == nil {
		t.Fatal("the old connection is still there")
	}
	if n := len(s.Node.Sessions()[0].Connections); n != 2 {
		t.Fatalf("%d connections", n)
	}
}

// TestLogoutReasons ends connections and sessions by logout.
func TestLogoutReasons(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.MaxConnections = 3
	a := s.Dial(cfg)
	b := s.Join(a, 1, initiator.Config{})
	c := s.Join(a, 2, initiator.Config{Withhold: true})
	k := initiator.Command{CDB: write(0, 512<<10, transporttest.Lend), Out: make([]byte, 512<<10)}
	_ = c.Submit(&k)
	_, _ = c.Poll()
	transporttest.Eventually(t, "it has started", func() bool { return s.Units[0].Started.Load() == 1 })
	for _, x := range []struct {
		from   *initiator.Conn
		reason pdu.LogoutReason
		cid    uint16
		want   pdu.LogoutResponseCode
		left   int
	}{
		{a, pdu.LogoutCloseConnection, 77, pdu.LogoutNoCID, 3},
		{a, pdu.LogoutRecovery, 1, pdu.LogoutNoRecovery, 3},
		{b, pdu.LogoutCloseConnection, 1, pdu.LogoutSuccess, 2},
		{a, pdu.LogoutCloseConnection, 2, pdu.LogoutSuccess, 1},
		{a, pdu.LogoutCloseSession, 0, pdu.LogoutSuccess, 0},
	} {
		if r, err := x.from.Logout(x.reason, x.cid); err != nil || r != x.want {
			t.Fatal(x, r, err)
		}
		if x.from == a && x.want == pdu.LogoutSuccess {
			for { // it is closed in order, and waits for us to do so too
				if _, err := c.Receive(); err != nil {
					if err != io.EOF && !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
					break
				}
			}
		}
		transporttest.Eventually(t, "connections have gone", func() bool {
			n := 0
			for _, i := range s.Node.Sessions() {
				n += len(i.Connections)
			}
			return n == x.left
		})
	}
	transporttest.Eventually(t, "the session has ended", func() bool { return len(s.Node.Sessions()) == 0 })
}

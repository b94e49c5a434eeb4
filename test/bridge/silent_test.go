package bridge

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/plan"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
)

// submit sends reads of blocks from lba on, and does not wait.
func submit(t *testing.T, c *initiator.Conn, lba uint32, n int) (all []*initiator.Command) {
	t.Helper()
	for i := range uint32(n) {
		k := &initiator.Command{LUN: real, CDB: rw(scsi.OpRead10, lba+i, 1), In: make([]byte, 512)}
		if err := c.Submit(k); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return all
}

// A tape drive that never answers keeps nobody from anything else: other units are served, people are told what it does, its unit can be taken out of the
// document, and the daemon stops without it.
func TestDriveThatNeverAnswers(t *testing.T) {
	for _, removed := range []bool{true, false} {
		t.Run(map[bool]string{true: "its unit is removed", false: "the daemon stops"}[removed], func(t *testing.T) {
			t.Parallel()
			d := tape()
			s := serveNoMore(t, newMachine(d, ""), "io: auto")
			g := d.Hold(sgtest.Op(scsi.OpRewind))
			mine, other := s.enter(1, real, by), s.enter(2, real, by)
			for range 8 {
				if err := mine.Submit(&initiator.Command{LUN: real, CDB: []byte{byte(scsi.OpRewind), 0, 0, 0, 0, 0}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := mine.Flush(); err != nil {
				t.Fatal(err)
			}
			g.Wait(1)
			block := make([]byte, 512)
			for i := range 100 {
				for _, c := range []*initiator.Conn{other, mine} {
					s.good(c, by, rw(scsi.OpWrite10, uint32(i), 1), block, nil)
				}
				s.good(other, real, []byte{byte(scsi.OpReportLUNs), 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, nil, make([]byte, 256))
				s.good(other, real, []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0}, nil, make([]byte, 96))
				s.good(other, real, make([]byte, 6), nil, nil)
			}
			s.until("what it does is told", says("underWay", 1))
			if all, err := s.c.Sessions(t.Context()); err != nil || len(all) != 2 {
				t.Error(all, err)
			}
			if removed {
				s.removed()
				s.good(s.enter(3, by), by, rw(scsi.OpRead10, 0, 1), nil, block)
			}
			s.stops()
			if d.UnderWay() != 1 || g.Held() != 1 {
				t.Error(d.UnderWay(), "commands under way")
			}
			g.Open() // it has what it needs, though nobody is there any more
			s.over()
		})
	}
}

// removed takes the unit of the device out of the document.
func (s *scene) removed() {
	s.Helper()
	r, err := s.c.Apply(s.Context(), client.ApplyRequest{Text: document("", false), Options: client.Options{Confirm: []plan.Confirm{plan.ConfirmEndSessions, plan.ConfirmDeleteData}}})
	if err != nil {
		s.Fatal(err)
	}
	for _, c := range r.Conditions {
		s.Logf("%+v", c)
	}
	all, err := s.c.Units(s.Context())
	if err != nil || len(all) != 1 || all[0].Name != "by" {
		s.Fatal(all, err)
	}
}

// A disk that does not answer is waited for, since what it does late could pass what comes later: nothing else is kept waiting, and when it answers all ends.
func TestDiskThatDoesNotAnswer(t *testing.T) {
	d := disk()
	s := serveNoMore(t, newMachine(d, ""), "depth: 4")
	g := d.Hold(sgtest.Op(scsi.OpRead10))
	mine, other := s.enter(1, real, by), s.enter(2, real, by)
	submit(t, mine, 0, 16)
	g.Wait(4)
	block := make([]byte, 512)
	for i := range 100 {
		for _, c := range []*initiator.Conn{other, mine} {
			s.good(c, by, rw(scsi.OpWrite10, uint32(i), 1), block, nil)
		}
		s.good(other, real, []byte{byte(scsi.OpInquiry), 1, 0x83, 0, 200, 0}, nil, make([]byte, 200))
	}
	s.until("what it does is told", says("underWay", 4))
	s.removed()
	s.good(s.enter(3, by), by, rw(scsi.OpRead10, 0, 1), nil, block)
	if d.UnderWay() != 4 {
		t.Error(d.UnderWay(), "commands under way")
	}
	g.Open()
	s.stops()
	if n := len(d.Log(sgtest.Op(scsi.OpRead10))); n != 4 {
		t.Errorf("the device was given %d commands", n)
	}
	s.over()
}

// An initiator that asks without end leaves another its share: that one is served all the while, and not much less often.
func TestShare(t *testing.T) {
	s := serve(t, newMachine(disk(), ""), "depth: 4")
	greedy, modest := s.enter(1, real), s.enter(2, real)
	var stop atomic.Bool
	var flood sync.WaitGroup
	served := int64(0)
	t.Cleanup(func() { stop.Store(true); flood.Wait() })
	flood.Go(func() {
		submit(t, greedy, 0, 64)
		for !stop.Load() {
			done, err := greedy.Wait()
			for _, k := range done {
				served++
				if k.Err != nil || k.Status != scsi.Good {
					t.Errorf("%v %v", k.Status, k.Err)
				}
				if err := greedy.Submit(k); err != nil {
					t.Error(err)
					return
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	const rounds = 300
	in := make([]byte, 512)
	for i := range rounds {
		s.good(modest, real, rw(scsi.OpRead10, 8000+uint32(i), 1), nil, in)
	}
	stop.Store(true)
	flood.Wait()
	t.Logf("%d commands of the one who asks without end, %d of the other", served, rounds)
	if served > 100*rounds {
		t.Errorf("%d commands of the one who asks without end, %d of the other", served, rounds)
	}
}

// Two initiators reserve a device, and take its reservation from one another: all of that is the target's own, and none of it comes to the device.
func TestReservations(t *testing.T) {
	s := serve(t, newMachine(disk(), ""), "io: auto")
	a, b := s.enter(1, real), s.enter(2, real)
	s.device.Forget()
	out := func(action byte, kind byte, key, service byte) (cdb, list []byte) {
		list = make([]byte, 24)
		list[7], list[15] = key, service
		return []byte{byte(scsi.OpPersistentReserveOut), action, kind, 0, 0, 0, 0, 0, 24, 0}, list
	}
	do := func(c *initiator.Conn, want scsi.Status, cdb, list, in []byte) {
		t.Helper()
		for range 4 {
			r, err := c.Do(real, cdb, list, in)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status == scsi.CheckCondition && r.Sense().Key == scsi.KeyUnitAttention {
				continue
			}
			if r.Status != want {
				t.Errorf("%x: %v, %v, want %v", cdb, r.Status, r.Sense(), want)
			}
			return
		}
	}
	pr := func(c *initiator.Conn, want scsi.Status, action, kind, key, service byte) {
		t.Helper()
		cdb, list := out(action, kind, key, service)
		do(c, want, cdb, list, nil)
	}
	const register, reserve, preempt, exclusive, registrants = 0, 1, 4, 3, 6
	one, two := bytes.Repeat([]byte{1}, 512), bytes.Repeat([]byte{2}, 512)
	pr(a, scsi.Good, register, 0, 0, 1)
	pr(b, scsi.Good, register, 0, 0, 2)
	pr(a, scsi.Good, reserve, exclusive, 1, 0)
	pr(b, scsi.ReservationConflict, reserve, exclusive, 2, 0)
	do(a, scsi.Good, rw(scsi.OpWrite10, 7, 1), one, nil)
	do(b, scsi.ReservationConflict, rw(scsi.OpWrite10, 7, 1), two, nil)
	do(b, scsi.ReservationConflict, rw(scsi.OpRead10, 7, 1), nil, make([]byte, 512))
	pr(b, scsi.Good, preempt, registrants, 2, 1)
	do(a, scsi.ReservationConflict, rw(scsi.OpWrite10, 7, 1), one, nil)
	do(b, scsi.Good, rw(scsi.OpWrite10, 7, 1), two, nil)
	in := make([]byte, 64)
	do(a, scsi.Good, []byte{byte(scsi.OpPersistentReserveIn), 0, 0, 0, 0, 0, 0, 0, 64, 0}, nil, in)
	if in[7] != 8 || in[15] != 2 {
		t.Errorf("keys: % x", in)
	}
	do(a, scsi.ReservationConflict, []byte{byte(scsi.OpReserve6), 0, 0, 0, 0, 0}, nil, nil)
	if got := s.device.Log(sgtest.Op(scsi.OpWrite10)); len(got) != 2 {
		t.Errorf("%d writes came to the device", len(got))
	}
	if got := s.device.Log(sgtest.Op(scsi.OpPersistentReserveIn, scsi.OpPersistentReserveOut, scsi.OpReserve6, scsi.OpRelease6, scsi.OpReserve10, scsi.OpRelease10)); len(got) != 0 {
		t.Errorf("reservations came to the device: %v", got)
	}
	if st := s.device.State(); len(st.Keys) != 0 || st.Reserved {
		t.Errorf("%+v", st)
	}
}

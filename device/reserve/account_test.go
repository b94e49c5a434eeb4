package reserve

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/scsi"
)

// port is the initiator port i of an initiator.
func port(name string, i int) Nexus {
	return Nexus{Initiator: scsi.ISCSIPort(name, [6]byte{4: byte(i >> 8), 5: byte(i)}), Target: "t", Port: 1}
}

// crowd are ports of initiators that have no more than the least each.
func crowd(i int) Nexus { return port(fmt.Sprintf("iqn.host%d", i/leastRegistrations), i) }

// greed registers ports of one initiator until it gets no more.
func greed(t *testing.T, s *State, name string) (got int) {
	t.Helper()
	for {
		_, err := s.RegisterAndIgnore(port(name, got), 1)
		switch {
		case err == nil && got <= MaxRegistrations:
			got++
		case scsi.SenseOf(err).ASC == scsi.ASCInsufficientRegistrationResources:
			return got
		default:
			t.Fatal(err)
		}
	}
}

// One initiator has a share of the registrations, whatever ports it makes up; two have less each, and
// who comes then has the least.
func TestNobodyTakesAllRegistrations(t *testing.T) {
	var s State
	alone := greed(t, &s, "iqn.one")
	if alone != leastRegistrations+sharedRegistrations/2 {
		t.Errorf("one initiator has %d", alone)
	}
	if second := greed(t, &s, "iqn.two"); second >= alone || second < 100 {
		t.Errorf("a second one has %d", second)
	}
	for i := range 20 {
		if n := greed(t, &s, fmt.Sprint("iqn.more", i)); n < leastRegistrations {
			t.Errorf("initiator %d has %d", i, n)
		}
	}
	others := 0
	for len(s.regs) < MaxRegistrations {
		if n := greed(t, &s, fmt.Sprint("iqn.guest", others)); n == 0 {
			t.Fatalf("guest %d has nothing, of %d registrations", others, len(s.regs))
		}
		others++
	}
	if others < 100 {
		t.Errorf("%d more initiators have something", others)
	}
	// What was given back can be had again, and a new key takes nothing.
	if _, err := s.Register(port("iqn.one", 0), 1, 2); err != nil {
		t.Errorf("another key: %v", err)
	}
	if _, err := s.Register(port("iqn.one", 0), 2, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.RegisterAndIgnore(port("iqn.last", 0), 1); err != nil {
		t.Errorf("after one was given back: %v", err)
	}
}

// Who registers others, or moves what it has to them, has them on its own account; a user has one of
// their own.
func TestAccounts(t *testing.T) {
	var s State
	var others []Nexus
	for i := range 2 * sharedRegistrations {
		others = append(others, crowd(i))
	}
	if _, err := s.Register(port("iqn.one", 0), 0, 1, others...); scsi.SenseOf(err).ASC != scsi.ASCInsufficientRegistrationResources {
		t.Errorf("%v", err)
	}
	if _, err := s.Register(port("iqn.one", 0), 0, 1, others[:200]...); err != nil {
		t.Fatal(err)
	}
	one := port("iqn.one", 0).Owner()
	if got := s.accounts.of[one]; got != 201 || len(s.accounts.of) != 1 {
		t.Errorf("the account is %d of %v", got, s.accounts.of)
	}
	if got := greed(t, &s, "iqn.one"); got >= 100 {
		t.Errorf("%d more on the same account", got)
	}
	s.Reserve(port("iqn.one", 0), 1, scsi.ScopeLU, scsi.WriteExclusive)
	if _, err := s.RegisterAndMove(port("iqn.one", 0), 1, 2, port("iqn.new", 0), false); scsi.SenseOf(err).ASC != scsi.ASCInsufficientRegistrationResources {
		t.Errorf("a move: %v", err)
	}
	alice := port("iqn.one", 0)
	alice.User = "alice"
	if _, err := s.RegisterAndIgnore(alice, 9); err != nil || s.accounts.of[alice.Owner()] != 1 {
		t.Errorf("alice has %d: %v", s.accounts.of[alice.Owner()], err)
	}
	bob := alice
	bob.User = "bob"
	if _, err := s.Reserve(bob, 9, scsi.ScopeLU, scsi.WriteExclusive); err != ErrConflict {
		t.Errorf("bob with the key of alice: %v", err)
	}
}

// Accounts are what the registrations say, whatever is done, and a state that is kept and read again
// has the same.
func TestAccountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		who := func(what string) Nexus {
			return Nexus{
				Initiator: scsi.ISCSIPort(fmt.Sprint("iqn.i", rapid.IntRange(0, 2).Draw(t, what+" name")), [6]byte{5: byte(rapid.IntRange(0, 3).Draw(t, what+" port"))}),
				User:      rapid.SampledFrom([]string{"", "alice", "bob"}).Draw(t, what+" user"), Target: "t", Port: 1,
			}
		}
		for range rapid.IntRange(1, 40).Draw(t, "changes") {
			c := Change{
				Op: Op(rapid.IntRange(int(Register), int(RegisterAndMove)).Draw(t, "operation")), From: who("from"), To: who("to"),
				ActionKey: uint64(rapid.IntRange(0, 3).Draw(t, "new key")), Type: scsi.WriteExclusive, Unregister: rapid.Bool().Draw(t, "unregister"),
			}
			if r, ok := s.regs[c.From]; ok {
				c.Key = r.Key
			}
			if c.Op == Register && c.Key == 0 && c.ActionKey != 0 {
				c.Others = []Nexus{who("other"), who("other")}
			}
			_, _ = s.Apply(c)
			var want accounts
			for _, r := range s.regs {
				want.add(r.owner(), 1)
			}
			p, err := ParseSnapshot(s.Snapshot().Append(nil))
			if err != nil || !p.Equal(s.Snapshot()) {
				t.Fatalf("%+v, %v", p, err)
			}
			again, err := Restore(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, have := range []accounts{s.accounts, again.accounts} {
				if fmt.Sprint(have.of) != fmt.Sprint(want.of) || have.shared != want.shared {
					t.Fatalf("accounts %+v of registrations that make %+v", have, want)
				}
			}
		}
	})
}

package iscsi

import (
	"hash/maphash"
	"sync"
)

// Bounds of what is remembered of failed proofs, and of what it costs who tries.
const (
	// maxTriers is how many addresses are remembered, and maxTrials how many names of users of
	// each; of the rest only the address's count is known.
	maxTriers = 1024
	maxTrials = 8
	// freeTrials is how often a user may be wrong at an address before answers come late, and
	// freeOfAddress the same for all users at it.
	freeTrials    = 3
	freeOfAddress = 24
	// longestWait is how late an answer comes at the latest, and forgetTrials how long it takes
	// until failures are forgotten, in seconds.
	longestWait  = 8
	forgetTrials = 600
)

// trials counts the proofs that failed, by address and user, and says how late the next answer to
// the same comes, whether it is right or wrong: else the lateness would tell which it is. Whoever knows
// the secret is let in after a bounded time, and at another address at once. Users who do not exist
// are counted like those who do. The zero value is ready.
type trials struct {
	mu   sync.Mutex
	seed maphash.Seed // of the hashes of names; made with the first entry
	of   map[string]*trier
}

// A trier is an address from which proofs have failed.
type trier struct {
	last   int64 // the node's tick at the last failure
	failed int   // of all users
	users  [maxTrials]trial
}

// trial is a user, by the hash of the name, for whom proofs have failed at an address.
type trial struct {
	name   uint64
	failed int
}

// late is how many seconds an answer comes late after failures of which some are free.
func late(failed, free int) int64 {
	if failed < free {
		return 0
	}
	return min(longestWait, int64(1)<<min(failed-free, 10))
}

// note takes note of a proof of user from address in second now, and returns how many seconds late the
// answer comes, and how often proofs of the user from there have failed since the last good one.
func (t *trials) note(now int64, address, user string, good bool) (wait int64, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.of[address]
	if x != nil && now-x.last >= forgetTrials {
		delete(t.of, address)
		x = nil
	}
	if x == nil {
		if good {
			return 0, 0
		}
		x = t.add(address)
	}
	name := maphash.String(t.seed, user)
	u := x.find(name)
	if u == nil && !good {
		u = x.take(name)
	}
	if u != nil {
		failed = u.failed
	}
	wait = max(late(failed, freeTrials), late(x.failed, freeOfAddress))
	switch {
	case !good:
		x.last = now
		x.failed++
		u.failed++
		return wait, u.failed
	case u != nil:
		u.failed = 0
	}
	return wait, failed
}

// add remembers an address, and forgets the one where nothing has failed for longest if there are too
// many. t.mu is held.
func (t *trials) add(address string) *trier {
	if t.of == nil {
		t.of, t.seed = make(map[string]*trier), maphash.MakeSeed()
	}
	if len(t.of) >= maxTriers {
		oldest := ""
		for a, x := range t.of {
			if o := t.of[oldest]; o == nil || x.last < o.last {
				oldest = a
			}
		}
		delete(t.of, oldest)
	}
	x := &trier{}
	t.of[address] = x
	return x
}

// find is the entry of a user; nil if there is none.
func (x *trier) find(name uint64) *trial {
	for i := range x.users {
		if u := &x.users[i]; u.failed > 0 && u.name == name {
			return u
		}
	}
	return nil
}

// take makes an entry for a user, in the place of that with the fewest failures: those are in the
// count of the address all the same.
func (x *trier) take(name uint64) *trial {
	least := &x.users[0]
	for i := range x.users {
		if u := &x.users[i]; u.failed < least.failed {
			least = u
		}
	}
	*least = trial{name: name}
	return least
}

// Tried implements login.Environment. A good proof that must wait does so here, on the goroutine that
// brought it, like a login that waits for the end of a session; a wrong one is answered late by the
// node's clock, and holds no goroutine.
func (l *loginPhase) Tried(user string, err error) {
	n := l.c.node
	now := n.tick.Load()
	wait, failed := n.trials.note(now, l.c.place.address, user, err == nil)
	l.user, l.failures = user, failed
	if wait == 0 {
		return
	}
	l.c.watch.patience.Store(wait)
	if err != nil {
		l.until = now + wait
		return
	}
	n.log.Info("login delayed after wrong ones", "remote", l.c.traits.Remote, "user", user, "failures", failed, "seconds", wait)
	n.await(now + wait)
}

// await waits until the node's clock shows the second until, or the node is closing.
func (n *Node) await(until int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for n.tick.Load() < until && !n.closing {
		n.ticked.Wait()
	}
}

// A refusal is the answer to a login that failed, which is sent in a later second.
type refusal struct {
	until int64
	pdu   *PDU
}

// refuseLogin sends the answer to a login that failed, and ends the connection.
func (c *Conn) refuseLogin(p *PDU) {
	c.m.SendControl(p)
	c.m.Flush()
	c.m.Terminate(nil)
}

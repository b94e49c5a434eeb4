package iscsi

import (
	"hash/maphash"
	"sync"
)

// Bounds of what is remembered of failed proofs, and of what it costs who guesses.
const (
	// maxGuessers is how many addresses are remembered, and maxGuessed how many names of users of
	// each; of the rest only the address's count is known.
	maxGuessers = 1024
	maxGuessed  = 8
	// freeGuesses is how often a user may be wrong at an address before answers come late, and
	// freeOfAddress the same for all users at it.
	freeGuesses   = 3
	freeOfAddress = 24
	// longestWait is how late an answer comes at the latest, and forgetGuesses how long it takes
	// until failures are forgotten, in seconds.
	longestWait   = 8
	forgetGuesses = 600
)

// guesses counts the proofs that failed, by address and user, and says how late the next answer to
// the same comes, whether it is right or wrong: else the lateness would tell which it is. Whoever knows
// the secret is let in after a bounded time, and at another address at once. Users who do not exist
// are counted like those who do. The zero value is ready.
type guesses struct {
	mu   sync.Mutex
	seed maphash.Seed // of the hashes of names; made with the first entry
	of   map[string]*guesser
}

// A guesser is an address from which proofs have failed.
type guesser struct {
	last   int64 // the node's tick at the last failure
	failed int   // of all users
	users  [maxGuessed]guessed
}

// guessed is a user, by the hash of the name, for whom proofs have failed at an address.
type guessed struct {
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
func (g *guesses) note(now int64, address, user string, good bool) (wait int64, failed int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	x := g.of[address]
	if x != nil && now-x.last >= forgetGuesses {
		delete(g.of, address)
		x = nil
	}
	if x == nil {
		if good {
			return 0, 0
		}
		x = g.add(address)
	}
	name := maphash.String(g.seed, user)
	u := x.find(name)
	if u == nil && !good {
		u = x.take(name)
	}
	if u != nil {
		failed = u.failed
	}
	wait = max(late(failed, freeGuesses), late(x.failed, freeOfAddress))
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
// many. g.mu is held.
func (g *guesses) add(address string) *guesser {
	if g.of == nil {
		g.of, g.seed = make(map[string]*guesser), maphash.MakeSeed()
	}
	if len(g.of) >= maxGuessers {
		oldest := ""
		for a, x := range g.of {
			if o := g.of[oldest]; o == nil || x.last < o.last {
				oldest = a
			}
		}
		delete(g.of, oldest)
	}
	x := &guesser{}
	g.of[address] = x
	return x
}

// find is the entry of a user; nil if there is none.
func (x *guesser) find(name uint64) *guessed {
	for i := range x.users {
		if u := &x.users[i]; u.failed > 0 && u.name == name {
			return u
		}
	}
	return nil
}

// take makes an entry for a user, in the place of that with the fewest failures: those are in the
// count of the address all the same.
func (x *guesser) take(name uint64) *guessed {
	least := &x.users[0]
	for i := range x.users {
		if u := &x.users[i]; u.failed < least.failed {
			least = u
		}
	}
	*least = guessed{name: name}
	return least
}

// Tried implements login.Environment. A good proof that must wait does so here, on the goroutine that
// brought it, like a login that waits for the end of a session; a wrong one is answered late by the
// node's clock, and holds no goroutine.
func (l *loginPhase) Tried(user string, err error) {
	n := l.c.node
	now := n.tick.Load()
	wait, failed := n.guesses.note(now, l.c.place.address, user, err == nil)
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

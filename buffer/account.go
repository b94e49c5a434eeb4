package buffer

import (
	"sync"
	"sync/atomic"
	"time"
)

// Memory has owners. Whoever leases memory for a command pays with two accounts: that of the
// initiator whose command it is, and that of the unit that it is for. The rule for both:
//
//   - What an initiator uses up to its least is paid for from what is kept for that, and nobody gets
//     that for anything else. Of this, a part is for the first kilobytes of each alone: so some small
//     commands of an initiator are always served, however many others come.
//   - Above it an account may grow to a multiple of what is still free. So the first who is greedy
//     gets most of the arena, two get less each, and always something is left for who comes.
//   - As long as there is one account of its kind it is bounded by the arena alone.
//
// Nothing is taken back from anybody: what initiators owe has deadlines, which are short while
// others are refused (see [Purse.Wanted]).

// An AccountKind says whose an account is.
type AccountKind uint8

// Kinds of accounts.
const (
	ForInitiator AccountKind = iota
	ForUnit
	accountKinds
)

// growth is how many times what is free an account may use. A unit gets less than an initiator:
// one whose store is slow leaves something to its initiators for their other units.
var growth = [accountKinds]int64{ForInitiator: 4, ForUnit: 2}

const (
	// leastMost is the most that is kept for each initiator.
	leastMost = 256 << 10
	// leastParts is into how many leasts an arena is divided at the least, and keptParts the part
	// of it that is kept for all of them at the most.
	leastParts = 64
	keptParts  = 4
	// keptLeast is the part of an arena that is kept at the least; half of it is for the first bytes
	// of each initiator, of which there are firstParts in an arena.
	keptLeast  = 8
	firstParts = 2048
	// smallArena is what an arena has at the least in which something is kept for an initiator
	// that is not there yet.
	smallArena = 8 << 20
	// shortFor is how long an arena counts as short after a refusal.
	shortFor = 5 * time.Second
)

// An Account is what one owner has of an arena.
type Account struct {
	kind AccountKind
	name string
	used atomic.Int64
	refs int // The ledger's mu guards it.
	_    [64]byte
}

// Used is how many bytes the owner has now.
func (c *Account) Used() int64 { return c.used.Load() }

// A ledger has the accounts of an arena.
type ledger struct {
	mu       sync.Mutex
	accounts [accountKinds]map[string]*Account
	closed   int // accounts that nobody has open, and that are in use still
	// open is how many accounts somebody has open; it is read without the lock.
	open [accountKinds]atomic.Int64
	// short is when an owner was refused that had not its share, as time.Since(epoch); 0: never.
	short atomic.Int64
	epoch time.Time
	tell  func(Refusal) // set once, before anybody leases
}

// account opens the account of an owner.
func (g *ledger) account(kind AccountKind, name string) *Account {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	if g.accounts[kind] == nil {
		g.accounts[kind] = make(map[string]*Account)
	}
	c := g.accounts[kind][name]
	switch {
	case c == nil:
		c = &Account{kind: kind, name: name}
		g.accounts[kind][name] = c
	case c.refs == 0:
		g.closed--
	}
	if c.refs++; c.refs == 1 {
		g.open[kind].Add(1)
	}
	return c
}

// close ends one use of an account. Memory of it may still be lent.
func (g *ledger) close(c *Account) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c.refs--; c.refs > 0 {
		return
	}
	g.open[c.kind].Add(-1)
	g.closed++
	g.sweep()
}

// sweep forgets the accounts that nobody has open, and of which nothing is lent. g.mu is held.
func (g *ledger) sweep() {
	if g.closed == 0 {
		return
	}
	for _, all := range g.accounts {
		for name, c := range all {
			if c.refs == 0 && c.used.Load() == 0 {
				delete(all, name)
				g.closed--
			}
		}
	}
}

// least is what is kept for each of n initiators.
func (a *Arena) least(n int64) int64 {
	return min(leastMost, a.limit/leastParts, a.limit/keptParts/max(n, 1))
}

// kept is what is kept for initiators beside the one that asks, out of n that are there. One that
// is not there yet counts.
func (a *Arena) kept(n int64) int64 {
	if n < 2 && a.limit < smallArena {
		return 0
	}
	return max(n*a.least(n), a.limit/keptLeast)
}

// A Purse pays for memory with the accounts of an initiator and of a unit. It may be used by many
// goroutines.
type Purse struct {
	arena *Arena
	by    *Account
	at    *Account // nil: for no unit
}

// Purse opens a purse: initiator and unit are the names of the owners; unit may be empty. The
// same names are the same accounts.
func (a *Arena) Purse(initiator, unit string) *Purse {
	p := &Purse{arena: a, by: a.ledger.account(ForInitiator, initiator)}
	if unit != "" {
		p.at = a.ledger.account(ForUnit, unit)
	}
	return p
}

// Close ends the use of p: nothing is paid with it any more. What was leased with it may be
// released afterwards.
func (p *Purse) Close() {
	p.arena.ledger.close(p.by)
	if p.at != nil {
		p.arena.ledger.close(p.at)
	}
}

// Initiator is the account of the initiator.
func (p *Purse) Initiator() *Account { return p.by }

// Get lends n bytes, like [Arena.Get].
func (p *Purse) Get(n int64) (*Lease, error) {
	size := blocks(n)
	if err := p.pay(size); err != nil {
		return nil, err
	}
	l, err := p.arena.Get(n)
	if err != nil {
		p.refuse(p.repay(size))
		return nil, err
	}
	l.by, l.at, l.paid = p.by, p.at, size
	return l, nil
}

// Promise returns a lease of n bytes that has no memory yet: [Lease.Fill] gets it. So what a peer
// is asked for takes memory when it comes. A promise that was never filled is released like
// every lease.
func (p *Purse) Promise(n int64) *Lease {
	p.arena.mu.Lock()
	l := p.arena.lease()
	p.arena.mu.Unlock()
	l.n = n
	l.promised = p
	l.empty.Store(true)
	return l
}

// Charge counts n bytes that lie elsewhere as if they were lent, until Uncharge; or it returns
// [ErrExhausted].
func (p *Purse) Charge(n int64) error {
	if err := p.pay(n); err != nil {
		return err
	}
	if err := p.arena.Charge(n); err != nil {
		p.refuse(p.repay(n))
		return err
	}
	return nil
}

// Uncharge takes back a Charge of n bytes, or a part of it.
func (p *Purse) Uncharge(n int64) {
	p.arena.Uncharge(n)
	p.repay(n)
}

// Room is how much more the accounts would pay for just now.
func (p *Purse) Room() int64 {
	a := p.arena
	used, n := p.by.used.Load(), a.ledger.open[ForInitiator].Load()
	free := a.limit - a.kept(n) - a.lent.Load()
	room := free
	if n > 1 {
		room = min(room, (growth[ForInitiator]*free-used)/(1+growth[ForInitiator]))
	}
	if p.at != nil && a.ledger.open[ForUnit].Load() > 1 {
		room = min(room, (growth[ForUnit]*free-p.at.used.Load())/(1+growth[ForUnit]))
	}
	return max(room, a.least(n)-used, 0)
}

// Wanted reports that others were refused memory in the last seconds, and that the initiator of p
// has more than its least: what it owes is not waited for long.
func (p *Purse) Wanted() bool {
	a := p.arena
	at := a.ledger.short.Load()
	return at != 0 && int64(time.Since(a.ledger.epoch))-at < int64(shortFor) &&
		p.by.used.Load() > a.least(a.ledger.open[ForInitiator].Load())
}

// pay charges the accounts if the rule allows it.
func (p *Purse) pay(n int64) error {
	used := p.by.used.Add(n)
	at := int64(0)
	if p.at != nil {
		at = p.at.used.Add(n)
	}
	a := p.arena
	if a.allows(p.at, used, at, n, a.lent.Load()) {
		return nil
	}
	if a.allows(p.at, used, at, n, a.Outstanding()) { // small blocks that are only kept do not count
		return nil
	}
	p.refuse(p.repay(n))
	return ErrExhausted
}

// allows is the rule: used and at are what the accounts have with the n bytes, lent is what all have
// without them.
func (a *Arena) allows(unit *Account, used, at, n, lent int64) bool {
	initiators := a.ledger.open[ForInitiator].Load()
	least, kept := a.least(initiators), a.kept(initiators)
	switch {
	case used <= min(least/4, a.limit/firstParts):
		return true // if there is as much
	case used <= least:
		return lent+n <= a.limit-min(kept, a.limit/keptLeast/2)
	}
	free := a.limit - kept - lent - n
	return free >= 0 &&
		(initiators < 2 || used <= growth[ForInitiator]*free) &&
		(unit == nil || a.ledger.open[ForUnit].Load() < 2 || at <= growth[ForUnit]*free)
}

// repay takes n bytes off the accounts, and returns what the initiator has now.
func (p *Purse) repay(n int64) int64 {
	if p.at != nil {
		p.at.used.Add(-n)
	}
	return p.by.used.Add(-n)
}

// A Refusal tells who got no memory.
type Refusal struct {
	Initiator string
	Unit      string // empty: for no unit
	Used      int64  // what the initiator has
	Lent      int64  // what all have
	Limit     int64
}

// TellRefusals has tell called for everybody who gets no memory, on any goroutine: it must be quick.
// It is called before anything is leased.
func (a *Arena) TellRefusals(tell func(Refusal)) { a.ledger.tell = tell }

// refuse notes that an initiator which has used bytes got no more. If that is less than its share of
// all, the arena is short.
func (p *Purse) refuse(used int64) {
	a := p.arena
	if a.ledger.tell != nil {
		r := Refusal{Initiator: p.by.name, Used: used, Lent: a.lent.Load(), Limit: a.limit}
		if p.at != nil {
			r.Unit = p.at.name
		}
		a.ledger.tell(r)
	}
	if used < a.limit/max(a.ledger.open[ForInitiator].Load(), 1) {
		a.ledger.short.Store(max(int64(time.Since(a.ledger.epoch)), 1))
	}
}

// An Owed is what an account has, for people.
type Owed struct {
	Kind AccountKind
	Name string
	Used int64
}

// Accounts are the accounts now, in no order.
func (a *Arena) Accounts() []Owed {
	g := &a.ledger
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Owed
	for kind, some := range g.accounts {
		for name, c := range some {
			all = append(all, Owed{AccountKind(kind), name, c.used.Load()})
		}
	}
	return all
}

// settle gives what was paid for l back to the accounts.
func (l *Lease) settle() {
	if l.by == nil {
		return
	}
	l.by.used.Add(-l.paid)
	if l.at != nil {
		l.at.used.Add(-l.paid)
	}
	l.by, l.at, l.paid = nil, nil, 0
}

// blocks is how many bytes the blocks have in which n bytes lie.
func blocks(n int64) int64 {
	whole := n &^ (MaxBlock - 1)
	if rest := n - whole; rest > 0 || n <= 0 {
		whole += MinBlock << orderOf(max(rest, 1))
	}
	return whole
}

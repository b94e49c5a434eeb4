// Package share divides what many want and what there is only so much of, so that nobody takes it all.
//
// What is limited is a pot; who takes from it is an owner, with an account. An owner who is there may
// always have its least, which is kept for it; beyond that an account grows to at most a fixed multiple
// of what stays free. So one owner alone gets most of the pot, two get less each, and something is left
// for who comes. Nothing is taken from anybody: where what is held has to make room, as among
// connections that have not logged in, a [Crowd] says whose turn it is.
//
// A Pot and a Crowd have no lock: they belong to what their user guards with one.
package share

// A Rule says how a pot is divided.
type Rule struct {
	Size int // how much there is
	// Least is what an owner has for certain from its first Take until it has given all back, if
	// there was as much when it came; 0 means 1.
	Least int
	// Multiple is how many times what stays free an account may be beyond its least; 0 means 4: an
	// owner alone gets four fifths of the pot, two get four ninths each.
	Multiple int
}

// DefaultMultiple is the Multiple of a rule that does not say it.
const DefaultMultiple = 4

// A Pot counts what owners have taken. It remembers those alone who have something.
type Pot[K comparable] struct {
	rule     Rule
	taken    int
	kept     int // of what is free, how much is kept for those who are there
	accounts map[K]account
}

type account struct {
	has  int
	kept int // of its least, how much it has not taken yet
}

// NewPot makes a pot that is divided by the rule.
func NewPot[K comparable](r Rule) *Pot[K] {
	if r.Least <= 0 {
		r.Least = 1
	}
	if r.Multiple <= 0 {
		r.Multiple = DefaultMultiple
	}
	return &Pot[K]{rule: r, accounts: make(map[K]account)}
}

// account is that of an owner; of one who was not there, what it would have when it came.
func (p *Pot[K]) account(owner K) (a account, there bool) {
	a, there = p.accounts[owner]
	if !there {
		a.kept = max(0, min(p.rule.Least, p.headroom()))
	}
	return a, there
}

// headroom is what is free and kept for nobody.
func (p *Pot[K]) headroom() int { return p.rule.Size - p.taken - p.kept }

// Most is how much the owner could have now, all that it has included.
func (p *Pot[K]) Most(owner K) int {
	a, there := p.account(owner)
	free := p.headroom()
	if !there {
		free -= a.kept
	}
	return a.most(free, p.rule.Multiple)
}

// May reports whether an owner could take n.
func (p *Pot[K]) May(owner K, n int) bool { return n == 0 || n > 0 && p.Of(owner)+n <= p.Most(owner) }

// most is how far an account may grow, by the greatest m with has+kept+m <= multiple*(free-m).
func (a account) most(free, multiple int) int {
	sure := a.has + a.kept
	if more := (multiple*free - sure) / (multiple + 1); more > 0 {
		return sure + more
	}
	return sure
}

// Take takes n for an owner. It reports false, and takes nothing, if the owner may not have as much.
func (p *Pot[K]) Take(owner K, n int) bool {
	if n <= 0 {
		return n == 0
	}
	a, there := p.account(owner)
	free := p.headroom()
	if !there {
		free -= a.kept
	}
	if a.has+n > a.most(free, p.rule.Multiple) {
		return false
	}
	if !there {
		p.kept += a.kept
	}
	sure := min(n, a.kept)
	a.has += n
	a.kept -= sure
	p.kept -= sure
	p.taken += n
	p.accounts[owner] = a
	return true
}

// Give gives n back of what an owner has taken. An owner who has nothing left is forgotten.
func (p *Pot[K]) Give(owner K, n int) {
	a := p.accounts[owner]
	n = max(0, min(n, a.has))
	a.has -= n
	p.taken -= n
	if a.has == 0 {
		p.kept -= a.kept
		delete(p.accounts, owner)
		return
	}
	if more := min(p.rule.Least-a.has-a.kept, p.headroom()); more > 0 {
		a.kept += more
		p.kept += more
	}
	p.accounts[owner] = a
}

// Of is how much an owner has.
func (p *Pot[K]) Of(owner K) int { return p.accounts[owner].has }

// Taken is how much all have together.
func (p *Pot[K]) Taken() int { return p.taken }

// Size is how much there is.
func (p *Pot[K]) Size() int { return p.rule.Size }

// Resize makes the pot one of another size. Nothing is taken from anybody: as long as there is less than is
// taken, nobody gets more.
func (p *Pot[K]) Resize(size int) { p.rule.Size = size }

// Owners is how many have something.
func (p *Pot[K]) Owners() int { return len(p.accounts) }

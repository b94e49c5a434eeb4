package share

// A Crowd has members who wait for something, or stay for a while, at most so many. Each has an owner.
// When there are too many, the one who goes is the oldest of the owner with most: who comes in
// thousands makes room for its own alone, and nobody else notices. All of it takes the same few steps,
// however many there are.
type Crowd[K comparable, V any] struct {
	most   int // members
	n      int
	owners map[K]*owner[K, V]
	// ranks are the owners by how many members they have, those first who came to that number
	// first; top is the highest number of them.
	ranks []list[*owner[K, V]]
	top   int
	idle  *owner[K, V] // that are used again
}

// A Member is one of a crowd, and never of two.
type Member[K comparable, V any] struct {
	Value V
	crowd *Crowd[K, V]
	owner *owner[K, V]
	place place[*Member[K, V]]
}

// Present reports whether the member is in a crowd.
func (m *Member[K, V]) Present() bool { return m.crowd != nil }

type owner[K comparable, V any] struct {
	key     K
	n       int
	members list[*Member[K, V]] // oldest first
	place   place[*owner[K, V]]
	next    *owner[K, V]
}

// NewCrowd makes a crowd of at most so many members, at least one.
func NewCrowd[K comparable, V any](most int) *Crowd[K, V] {
	most = max(most, 1)
	return &Crowd[K, V]{most: most, owners: make(map[K]*owner[K, V]), ranks: make([]list[*owner[K, V]], most+1)}
}

// Add lets m in, as the youngest; it leaves the crowd that it was in. If there are too many then,
// somebody else has to go, and Add returns who: they are out already.
func (c *Crowd[K, V]) Add(key K, m *Member[K, V]) (out *Member[K, V]) {
	if m.crowd != nil {
		m.crowd.Remove(m)
	}
	o := c.owners[key]
	if c.n == c.most {
		// The newcomer counts: if its owner has as many as the one with most, it is its turn.
		if o != nil && o.n == c.top {
			out = o.members.first
		} else {
			out = c.Oldest()
		}
		c.Remove(out)
		o = c.owners[key]
	}
	if o == nil {
		o = c.newOwner(key)
	}
	m.crowd, m.owner = c, o
	o.members.push(m, at)
	c.rank(o, 1)
	c.n++
	return out
}

// Remove takes m out, if it is in.
func (c *Crowd[K, V]) Remove(m *Member[K, V]) {
	if m.crowd != c {
		return
	}
	o := m.owner
	m.crowd, m.owner = nil, nil
	o.members.remove(m, at)
	c.rank(o, -1)
	c.n--
	if o.n == 0 {
		delete(c.owners, o.key)
		*o = owner[K, V]{next: c.idle}
		c.idle = o
	}
}

// Oldest is the oldest member of the owner with most: who goes next. nil: nobody is here.
func (c *Crowd[K, V]) Oldest() *Member[K, V] {
	if c.n == 0 {
		return nil
	}
	return c.ranks[c.top].first.members.first
}

// Resize makes it a crowd of at most so many members, at least one. Those who have to go are out already.
func (c *Crowd[K, V]) Resize(most int) (out []*Member[K, V]) {
	c.most = max(most, 1)
	for c.n > c.most {
		m := c.Oldest()
		c.Remove(m)
		out = append(out, m)
	}
	if more := c.most + 1 - len(c.ranks); more > 0 {
		c.ranks = append(c.ranks, make([]list[*owner[K, V]], more)...)
	}
	return out
}

// Len is how many members there are.
func (c *Crowd[K, V]) Len() int { return c.n }

// Of is how many members an owner has.
func (c *Crowd[K, V]) Of(key K) int {
	if o := c.owners[key]; o != nil {
		return o.n
	}
	return 0
}

// Owners is how many owners have members.
func (c *Crowd[K, V]) Owners() int { return len(c.owners) }

func (c *Crowd[K, V]) newOwner(key K) *owner[K, V] {
	o := c.idle
	if o == nil {
		o = new(owner[K, V])
	} else {
		c.idle = o.next
		o.next = nil
	}
	o.key = key
	c.owners[key] = o
	return o
}

// rank notes that an owner has one member more, or less.
func (c *Crowd[K, V]) rank(o *owner[K, V], by int) {
	if o.n > 0 {
		c.ranks[o.n].remove(o, seat)
	}
	o.n += by
	if o.n > 0 {
		c.ranks[o.n].push(o, seat)
	}
	c.top = max(c.top, o.n)
	for c.top > 0 && c.ranks[c.top].first == nil {
		c.top--
	}
}

func at[K comparable, V any](m *Member[K, V]) *place[*Member[K, V]] { return &m.place }
func seat[K comparable, V any](o *owner[K, V]) *place[*owner[K, V]] { return &o.place }

// A list is linked through places that its elements have in themselves.
type list[T comparable] struct{ first, last T }

type place[T comparable] struct{ before, behind T }

func (l *list[T]) push(x T, at func(T) *place[T]) {
	var none T
	*at(x) = place[T]{before: l.last}
	if l.last == none {
		l.first = x
	} else {
		at(l.last).behind = x
	}
	l.last = x
}

func (l *list[T]) remove(x T, at func(T) *place[T]) {
	var none T
	p := at(x)
	if p.before == none {
		l.first = p.behind
	} else {
		at(p.before).behind = p.behind
	}
	if p.behind == none {
		l.last = p.before
	} else {
		at(p.behind).before = p.before
	}
	*p = place[T]{}
}

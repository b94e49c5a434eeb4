package fabric

import "github.com/lunette-io/lunette/network/fc"

// Addresses: ports inside have area 0, those outside all others.
const (
	insides   = 255 // 01 to FF
	firstOut  = 1 << 8
	lastOut   = 0xfffe
	keptTimes = 4 // so many times more names than may be logged in are remembered
)

// Homes are the addresses of names, which are kept as long as there is room. They are given in turn: one comes again as late as can be.
// f.mu guards them.
type homes struct {
	domain  fc.ID
	inside  map[fc.Name]*home
	outside map[fc.Name]*home
	taken   map[fc.ID]struct{}
	next    fc.ID // outside
	clock   int
	most    int // outside
}

// A home is the address of a name.
type home struct {
	id    fc.ID
	used  int  // when it was used last
	there bool // somebody is
	known bool // a port inside was logged in with it
}

func newHomes(c Config) homes {
	return homes{
		domain: fc.ID(c.Domain) << 16, inside: make(map[fc.Name]*home), outside: make(map[fc.Name]*home), taken: make(map[fc.ID]struct{}),
		next: firstOut, most: min(c.Max*keptTimes, lastOut-firstOut),
	}
}

// isOutside reports whether an address is one of those for ports outside.
func (h *homes) isOutside(id fc.ID) bool { return id&0xff0000 == h.domain && id&0xffff >= firstOut }

// enter gives a name inside its address; nil: there is none left, or somebody is there.
func (h *homes) enter(name fc.Name) *home {
	x := h.inside[name]
	if x == nil {
		if len(h.inside) >= insides {
			if !h.forget(h.inside) {
				return nil
			}
		}
		x = new(home)
		for i := fc.ID(1); i <= insides; i++ {
			if _, ok := h.taken[h.domain|i]; !ok {
				x.id = h.domain | i
				break
			}
		}
		h.take(h.inside, name, x)
	}
	if x.there {
		return nil
	}
	h.use(x)
	return x
}

// admit gives a name outside its address; nil: there is none left.
func (h *homes) admit(name fc.Name) *home {
	x := h.outside[name]
	if x == nil {
		if len(h.outside) >= h.most && !h.forget(h.outside) {
			return nil
		}
		x = new(home)
		for {
			id := h.domain | h.next
			if h.next++; h.next > lastOut {
				h.next = firstOut
			}
			if _, ok := h.taken[id]; !ok {
				x.id = id
				break
			}
		}
		h.take(h.outside, name, x)
	}
	h.use(x)
	return x
}

func (h *homes) take(of map[fc.Name]*home, name fc.Name, x *home) {
	of[name] = x
	h.taken[x.id] = struct{}{}
}

func (h *homes) use(x *home) {
	h.clock++
	x.used, x.there = h.clock, true
}

// forget forgets a name that is not there: the one that was least recently, and first of all those that nobody was logged in with.
func (h *homes) forget(of map[fc.Name]*home) bool {
	var worst fc.Name
	var found *home
	for name, x := range of {
		if x.there {
			continue
		}
		if found == nil || (found.known && !x.known) || (found.known == x.known && x.used < found.used) {
			worst, found = name, x
		}
	}
	if found == nil {
		return false
	}
	delete(of, worst)
	delete(h.taken, found.id)
	return true
}

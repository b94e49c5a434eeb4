//go:build hostile

package hostile

import (
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

// An attack is one way to take all of something.
type attack struct {
	name     string
	over     []string         // the transports that it goes over
	limits   string           // of the daemon, instead of the usual ones
	patience bool             // the daemon waits a few seconds for who owes, before it loses patience
	begin    func(g *gang)    // returns when the debt stands, or the flood flows
	stands   func(*gang) bool // something shows that it has begun; nil: nothing can be seen
}

// attacks are all of them.
func attacks() []attack {
	return slices.Concat(memoryAttacks(), orderAttacks(), workerAttacks(), manageAttacks(), doorAttacks(), rdmaAttacks())
}

// TestAttacks does each attack on a daemon of its own.
func TestAttacks(t *testing.T) {
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			l := a.limits
			if l == "" {
				l = limits
			}
			s := newScene(t, l)
			for _, over := range a.over {
				s.attacked(a, over)
			}
		})
	}
}

// A greedy peer is a peer or a channel.
type greedy interface {
	put(c command) error
	read()
	counts() counts
}

// counts are what a greedy peer has seen.
type counts struct {
	asked, good, full, responses, data int64 // asked: R2Ts, or Reads
	ended                              bool
}

func (p *peer) counts() counts {
	asked := p.r2ts.Load()
	if m, ok := p.carrier.(*messages); ok {
		asked += m.asked.Load()
	}
	return counts{asked, p.good.Load(), p.full.Load(), p.responses.Load(), p.data.Load(), p.ended.Load()}
}

func (c *channel) counts() counts {
	return counts{c.reads.Load(), c.good.Load(), c.full.Load(), c.responses.Load(), c.data.Load(), c.ended.Load()}
}

// total adds up what all of the gang have seen; ended: how many the daemon has ended.
func (g *gang) total() (sum counts, ended int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	add := func(x counts) {
		sum.asked += x.asked
		sum.good += x.good
		sum.full += x.full
		sum.responses += x.responses
		sum.data += x.data
		if x.ended {
			ended++
		}
	}
	for _, p := range g.peers {
		add(p.counts())
	}
	for _, c := range g.links {
		add(c.counts())
	}
	return sum, ended
}

// owed reports that the daemon waits for data, or has said that it has no room.
func owed(g *gang) bool {
	sum, ended := g.total()
	return sum.asked+sum.full > 0 || ended > 0
}

// answered reports that the daemon has answered the gang.
func answered(g *gang) bool {
	sum, _ := g.total()
	return sum.responses > 0
}

// comes makes a greedy peer that both units are ready for, unless they need not be, with room in its window for a number of commands;
// nil: it is not let in.
func (g *gang) comes(name string) (greedy, int) {
	if g.over == "srp" {
		if c := g.link(); c != nil && (g.anyhow || c.ready(onFile) == nil && c.ready(onMemory) == nil) {
			return c, c.limit
		}
		return nil, 0
	}
	if p := g.evil(g.who(name)); p != nil && (g.anyhow || p.ready(onFile) == nil && p.ready(onMemory) == nil) {
		return p, 64
	}
	return nil, 0
}

// fill lets a number of peers come, who send a number of commands each, or as many as their window has room for.
func (g *gang) fill(peers, commands int, name func(i int) string, c func(k int) command, reads bool) {
	for i := range peers {
		p, room := g.comes(name(i))
		if p == nil {
			continue
		}
		if reads {
			p.read()
		}
		for k := range min(commands, room) {
			if p.put(c(k)) != nil {
				break
			}
		}
	}
}

// one is the name of who comes often.
func one(int) string { return "evil" }

// flood lets a number of peers come, who keep their windows full of commands until the end.
func (g *gang) flood(peers, depth int, c func(k int) command) {
	for range peers {
		p, room := g.comes("evil")
		if p == nil {
			continue
		}
		p.read()
		depth := min(depth, room-2)
		g.goes(func() {
			for k := int64(0); !g.stopped(); {
				x := p.counts()
				if x.ended {
					return
				}
				if k-x.responses >= int64(depth) {
					if !g.nap(200 * time.Microsecond) {
						return
					}
					continue
				}
				if p.put(c(int(k))) != nil {
					return
				}
				k++
			}
		})
	}
	g.until(hang, func() bool { return answered(g) })
}

// lunOf alternates.
func lunOf(k int) scsi.LUN {
	if k%2 == 0 {
		return onFile
	}
	return onMemory
}

// far is a block that no customer has.
const far = 64 << 10

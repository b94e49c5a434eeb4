package nport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/sim"
)

// A client is an initiator's upper layer: it has commands under way, each with a number that the response repeats, and aborts those that are
// not answered. Memory of exchanges is used again at once.
type client struct {
	t    testing.TB
	port *Port
	rand *rand.Rand

	mu    sync.Mutex
	r     *Remote
	calls []*call
	next  uint64
	// how commands ended
	fine, aborted, lost int
	stop                bool
}

type call struct {
	c      *client
	x      Exchange
	s      fc.Sequence
	head   [32]byte
	number uint64
	posted bool
	using  bool // x is one
	done   bool // x is to be closed
	abort  bool
	timer  *time.Timer
}

func newClient(t testing.TB, seed uint64, depth int) *client {
	c := &client{t: t, rand: rand.New(rand.NewPCG(seed, 1))}
	for range depth {
		o := &call{c: c}
		o.x.Owner, o.s.Owner = o, o
		c.calls = append(c.calls, o)
	}
	return c
}

// fill starts commands. c.mu is held.
func (c *client) fill() {
	for _, o := range c.calls {
		if c.stop || c.r == nil {
			return
		}
		if o.using || o.posted || !c.r.Originate(&o.x) {
			continue
		}
		c.next++
		o.using, o.done, o.abort, o.number = true, false, false, c.next
		binary.BigEndian.PutUint64(o.head[:], o.number)
		o.s.Header, o.s.Head = fc.Header{RCtl: fc.RCtlCommand, FCtl: fc.FCtlRequest}, o.head[:]
		if o.posted = o.x.Post(&o.s); !o.posted {
			o.finish(&c.lost)
			return
		}
		n := o.number
		o.timer = time.AfterFunc(time.Second, func() { o.late(n) })
	}
}

// opened takes the port, when it has been opened.
func (c *client) opened(p *Port) {
	c.mu.Lock()
	c.port = p
	c.mu.Unlock()
	p.Flush()
}

// finish ends a command. c.mu is held.
func (o *call) finish(how *int) {
	if o.using && !o.done {
		*how++
		o.done = true
		if o.timer != nil {
			o.timer.Stop()
		}
	}
	if o.using && !o.posted {
		o.x.Close()
		o.using = false
	}
}

// late aborts a command that was not answered.
func (o *call) late(n uint64) {
	c := o.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.using && !o.done && o.number == n {
		o.abort = true
		o.x.Abort(func(error) {})
		o.finish(&c.aborted)
		c.fill()
	}
}

func (c *client) Login(r *Remote, _ uint32) (uint32, uint8) {
	c.mu.Lock()
	c.r = r
	c.mu.Unlock()
	// The exchange is there when Login has returned.
	time.AfterFunc(0, func() {
		c.mu.Lock()
		c.fill()
		p := c.port
		c.mu.Unlock()
		if p != nil { // else Open has not returned yet; who waits for that flushes
			p.Flush()
		}
	})
	return 0x1a2, 1
}

func (c *client) LoggedOut(r *Remote, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.r != r {
		panic("LoggedOut of another")
	}
	c.r = nil
	for _, o := range c.calls {
		o.finish(&c.lost)
	}
}

func (c *client) Command(*Remote, *fc.Frame) { panic("a command for an initiator") }

func (c *client) Frame(x *Exchange, f *fc.Frame) {
	c.mu.Lock()
	o := x.Owner.(*call)
	if !x.Owns(f) || o.done {
		c.mu.Unlock()
		return
	}
	if n := binary.BigEndian.Uint64(f.Payload); n != o.number {
		panic(fmt.Sprintf("command %d has got the response of %d", o.number, n))
	}
	o.finish(&c.fine)
	out, tell := c.rand.IntN(2000) == 0, c.rand.IntN(2) == 0
	c.fill()
	r := c.r
	c.mu.Unlock()
	if out && r != nil {
		r.Logout(tell, errors.New("for a test"))
	}
}

func (c *client) Abort(x *Exchange, done func())             { panic("a target aborts") }
func (c *client) Status(*Exchange) Status                    { return Status{} }
func (c *client) Retransmit(*Exchange, fc.RCtl, uint32) bool { return false }
func (c *client) Forgotten(*Exchange)                        { panic("forgotten") }

func (c *client) Sent(x *Exchange, s *fc.Sequence, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := s.Owner.(*call)
	if !o.posted || &o.x != x {
		panic("it was not posted")
	}
	o.posted = false
	if o.done {
		o.finish(nil)
		c.fill()
	}
}

// Commands run on networks that lose, double, delay and reorder frames, while logins end: every command ends, and none gets the response of another.
func TestStorm(t *testing.T) {
	for seed := range uint64(6) {
		for _, finish := range []bool{false, true} {
			t.Run(fmt.Sprint(seed, finish), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := sim.New()
					n.Break(sim.Seeded(seed, sim.Rates{Drop: 10, Double: 10, Hold: 10, Delay: 10}))
					u := &upper{finish: finish}
					// The response is the beginning of the command.
					u.more = func(what string, x *Exchange, f *fc.Frame) {
						if what == "command" {
							copy(x.Owner.(*task).head[:], f.Payload)
						}
					}
					c := newClient(t, seed, 32)
					target := openOn(t, n, u, remoteName, fc.FeatureTarget)
					initiator, err := Open(n, Config{Node: 9, Port: localName, Features: fc.FeatureInitiator, Upper: c})
					if err != nil {
						t.Fatal(err)
					}
					c.opened(initiator)
					draw := rand.New(rand.NewPCG(seed, 2))
					for range 60 {
						time.Sleep(500 * time.Millisecond)
						if draw.IntN(8) == 0 {
							u.mu.Lock()
							for r := range u.remotes {
								go r.Logout(true, errors.New("for a test"))
							}
							u.mu.Unlock()
						}
						if draw.IntN(16) == 0 {
							n.Cut()
							n.Mend()
						}
						c.mu.Lock()
						c.fill()
						done := c.fine > 12000
						c.mu.Unlock()
						initiator.Flush()
						if done {
							break
						}
					}
					c.mu.Lock()
					c.stop = true
					c.mu.Unlock()
					time.Sleep(3 * time.Second)
					c.mu.Lock()
					for _, o := range c.calls {
						if o.using && !o.posted {
							t.Errorf("command %d has not ended", o.number)
						}
					}
					t.Logf("%d fine, %d aborted, %d lost with a login, of %d", c.fine, c.aborted, c.lost, c.next)
					if uint64(c.fine+c.aborted+c.lost) != c.next || c.fine < 1000 {
						t.Error("they do not add up, or are few")
					}
					c.mu.Unlock()
					u.abortAll()
					n.Break(nil)
					closePort(t, initiator)
					closePort(t, target)
					u.leaks(t)
				})
			})
		}
	}
}

// Everything at once, and both ports are closed in the midst of it, each by two at a time.
func TestCloseInTheMidst(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			n := sim.New()
			n.Break(sim.Seeded(seed, sim.Rates{Drop: 10, Double: 10, Hold: 10, Delay: 100}))
			u, c := &upper{finish: seed%2 == 0}, newClient(t, seed, 32)
			u.more = func(what string, x *Exchange, f *fc.Frame) {
				if what == "command" {
					copy(x.Owner.(*task).head[:], f.Payload)
				}
			}
			target := openOn(t, n, u, remoteName, fc.FeatureTarget)
			initiator, err := Open(n, Config{Node: 9, Port: localName, Features: fc.FeatureInitiator, Upper: c})
			if err != nil {
				t.Fatal(err)
			}
			c.opened(initiator)
			var all sync.WaitGroup
			stop := make(chan struct{})
			for _, f := range []func(){
				func() { initiator.Flush(); target.Flush() },
				func() { initiator.Stats(); target.Attachment() },
				func() {
					for _, r := range append(target.Remotes(), initiator.Remotes()...) {
						r.Params()
						if seed%3 == 0 {
							r.Logout(true, errors.New("for a test"))
						}
					}
				},
				func() { n.Cut(remoteName); n.Mend() },
				func() {
					c.mu.Lock()
					c.fill()
					c.mu.Unlock()
				},
			} {
				all.Go(func() {
					for {
						select {
						case <-stop:
							return
						case <-time.After(time.Duration(1+seed) * 37 * time.Millisecond):
							f()
						}
					}
				})
			}
			time.Sleep(time.Duration(seed+1) * 300 * time.Millisecond)
			var closing sync.WaitGroup
			for _, p := range []*Port{target, initiator, target, initiator} {
				closing.Go(func() { closePort(t, p) })
			}
			closing.Wait()
			close(stop)
			all.Wait()
			time.Sleep(2 * time.Second)
			u.leaks(t)
			c.mu.Lock()
			for _, o := range c.calls {
				if o.using {
					t.Errorf("command %d has not ended", o.number)
				}
			}
			c.mu.Unlock()
		})
	}
}

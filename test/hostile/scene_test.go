//go:build hostile

package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// fileSize is that of the unit in a file, which is sparse; memorySize that of the unit in memory.
const (
	fileSize   = 32 << 30
	memorySize = 64 << 20
)

// transports are what everybody may come over.
var transports = []string{"tcp", "iser", "srp"}

// limits are those of the daemon under attack: little memory, and deadlines that a test lives to see.
const limits = "{memory: 64M, login-timeout: 5s, idle-timeout: 3s}"

// layout is a document of one target with both units, which all transports show.
func layout(t testing.TB, dir, limits string) string {
	t.Helper()
	path := filepath.Join(dir, "disk.img")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(fileSize)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	return fmt.Sprintf("units:\n- {name: file, store: {kind: file, path: %q}}\n- {name: memory, store: {kind: memory, size: %d}}\n"+
		"targets:\n- {name: %q, luns: {0: file, 1: memory}}\n"+
		"portals: [\"127.0.0.1:0\", \"iser+iwarp://127.0.0.1:0\", \"srp+iwarp://127.0.0.1:0\"]\nlimits: %s\n", path, memorySize, targetName, limits)
}

// A scene is a daemon that is attacked, its customers, and a twin of it that nobody attacks, with customers of
// its own. What is slow at both is the machine's doing; what is slow at the one alone is the attack's.
type scene struct {
	t         testing.TB
	net       *network
	d         *daemon
	customers []*customer
	twin      *customer
}

// newScene starts both daemons, the one that is attacked below the commands of under.
func newScene(t testing.TB, limits string, under ...string) *scene {
	t.Helper()
	s := &scene{t: t, net: newNetwork(t)}
	dir := t.TempDir()
	s.d = serveIn(t, dir, under, layout(t, dir, limits))
	other := t.TempDir()
	twin := serveIn(t, other, nil, layout(t, other, limits))
	s.twin = s.net.enter(t, twin, "tcp", 1)
	for i, over := range transports {
		s.customers = append(s.customers, s.net.enter(t, s.d, over, 2+i))
	}
	t.Cleanup(func() {
		s.twin.leave()
		for _, c := range s.customers {
			c.leave()
		}
		for name, d := range map[string]*daemon{"the daemon": s.d, "its twin": twin} {
			if !d.up() {
				t.Errorf("%s has ended, status %d", name, d.status)
			} else if status := d.stop(); status != 0 {
				t.Errorf("%s ended with status %d", name, status)
			}
		}
	})
	s.fair("at the beginning", 30, quietRatio)
	return s
}

// How many commands the twin's customer may be served while one of the customers is served one. All make
// pauses between commands; there are three of them, and an attack has the other processor.
const (
	quietRatio    = 20
	patientRatio  = 100 // for those whom a debtor may keep waiting a few seconds, once
	patientNumber = 100
)

// fair waits until each customer has been served n commands more. The customer of the twin must not be served
// more than ratio times as many in the meantime.
func (s *scene) fair(when string, n, ratio int64) {
	s.t.Helper()
	begin, twin0 := time.Now(), s.twin.served.Load()
	served, full := make([]int64, len(s.customers)), int64(0)
	for i, c := range s.customers {
		served[i] = c.served.Load()
		full += c.full.Load()
	}
	slowest := func() (least int64, who string) {
		least = 1 << 62
		for i, c := range s.customers {
			if k := c.served.Load() - served[i]; k < least {
				least, who = k, c.name
			}
		}
		return least, who
	}
	for {
		least, who := slowest()
		twin := s.twin.served.Load() - twin0
		switch {
		case !s.d.up():
			s.t.Fatalf("%s: the daemon has ended, status %d", when, s.d.status)
		case slices.ContainsFunc(s.customers, func(c *customer) bool { return c.failed.Load() }):
			s.t.Fatalf("%s: a customer is not served", when)
		case s.twin.failed.Load():
			s.t.Fatalf("%s: the customer of the twin is not served", when)
		case least >= n:
			for _, c := range s.customers {
				full -= c.full.Load()
			}
			if -full > n/10 {
				s.t.Errorf("%s: customers were told %d times that the daemon has no room for them", when, -full)
			}
			return
		case twin > n*ratio:
			s.t.Fatalf("%s: %s was served %d commands while the twin's was served %d", when, who, least, twin)
		case time.Since(begin) > 2*hang:
			s.t.Fatalf("%s: %s was served %d commands, the twin's %d", when, who, least, twin)
		}
		time.Sleep(time.Millisecond)
	}
}

// slack is what a daemon may take more after an attack than before.
const (
	slackGoroutines  = 6 // timers that run out, what the daemon has begun for itself
	slackDescriptors = 6
	slackMemory      = 160 << 20 // while it is attacked: limits.memory, as much of garbage, and a bit
)

// attacked does one attack and looks at what it does to the others.
func (s *scene) attacked(a attack, over string) {
	s.t.Helper()
	before, err := s.d.state()
	if err != nil {
		s.t.Fatal(err)
	}
	g := &gang{scene: s, t: s.t, over: over, stop: make(chan struct{})}
	defer g.end()
	a.begin(g)
	n, ratio := int64(60), int64(quietRatio)
	if a.patience {
		n, ratio = patientNumber, patientRatio
	}
	when := a.name + " over " + over
	s.fair(when, n, ratio)
	s.comesIn(when)
	if a.stands != nil && !a.stands(g) {
		s.t.Errorf("%s: the attack has not begun", when)
	}
	if took := s.d.resident(); took > before.rss+slackMemory {
		s.t.Errorf("%s: %d MiB resident, %d before", when, took>>20, before.rss>>20)
	}
	g.end()
	s.left(when, before)
	s.fair("after "+when, 10, quietRatio)
}

// comesIn checks that somebody new gets in over each transport, and is served.
func (s *scene) comesIn(when string) {
	s.t.Helper()
	for i, over := range transports {
		h, err := s.net.host(s.d, over, "newcomer-"+over)
		if err != nil {
			s.t.Errorf("%s: a newcomer over %s: %v", when, over, err)
			continue
		}
		c := &customer{t: s.t, name: "newcomer-" + over, first: uint32(home + (8+i)*span), host: h, stop: make(chan struct{})}
		if err := c.round(onFile, 1); err != nil {
			s.t.Errorf("%s: %s: %v", when, c.name, err)
		}
		h.close()
	}
}

// left waits until all that an attack has taken is given back.
func (s *scene) left(when string, before state) {
	s.t.Helper()
	var now state
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if now, err = s.d.state(); err == nil && now.sessions == before.sessions &&
			now.goroutines <= before.goroutines+slackGoroutines && now.descriptors <= before.descriptors+slackDescriptors {
			return
		}
		if err != nil && !s.d.up() {
			s.t.Fatalf("after %s: the daemon has ended, status %d", when, s.d.status)
		}
		if time.Since(begin) > hang {
			s.t.Fatalf("after %s: %v, %v; before %v", when, now, err, before)
		}
	}
}

// A gang is who attacks.
type gang struct {
	scene  *scene
	t      testing.TB
	over   string
	anyhow bool          // whether the units are ready or not
	stop   chan struct{} // closed: it is over
	all    sync.WaitGroup
	peers  []*peer
	links  []*channel
	ends   []func()
	once   sync.Once
	mu     sync.Mutex // guards peers and links
}

// goes runs f beside the others; it returns soon when stop is closed and its connections have ended.
func (g *gang) goes(f func()) { g.all.Go(f) }

// over reports that the attack has been called off.
func (g *gang) stopped() bool {
	select {
	case <-g.stop:
		return true
	default:
		return false
	}
}

// nap waits; false: the attack has been called off.
func (g *gang) nap(d time.Duration) bool {
	select {
	case <-g.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// end calls the attack off, and waits for all.
func (g *gang) end() {
	g.once.Do(func() {
		close(g.stop)
		for _, f := range g.ends {
			f()
		}
		g.hangUp()
		g.all.Wait()
		g.hangUp() // who came in meanwhile
		for _, p := range g.peers {
			p.end()
		}
		for _, c := range g.links {
			c.end()
		}
	})
}

// hangUp closes what is connected.
func (g *gang) hangUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.peers {
		_ = p.Close()
	}
	for _, c := range g.links {
		_ = c.Close()
	}
}

// who is a peer of the gang, before it logs in.
func (g *gang) who(name string) who {
	return who{over: g.over, addr: g.scene.d.addr(g.over), name: prefix + name, target: targetName}
}

// evil logs in, over TCP or iSER. It is nil if the daemon lets nobody of the gang in any more.
func (g *gang) evil(w who) *peer {
	p, err := w.login()
	if err != nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.peers = append(g.peers, p)
	return p
}

// link logs in over SRP; nil as for evil.
func (g *gang) link() *channel { return g.linkFrom("") }

// linkFrom is link from an address.
func (g *gang) linkFrom(from string) *channel {
	c, err := dialChannel(from, g.scene.d.addr("srp"), portID(), g.scene.d.srpPort())
	if err != nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.links = append(g.links, c)
	return c
}

// until waits until something is so, or the attack has been called off, or it has taken long.
func (g *gang) until(d time.Duration, so func() bool) {
	for begin := time.Now(); !so() && time.Since(begin) < d && g.nap(5*time.Millisecond); {
	}
}

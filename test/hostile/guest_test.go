//go:build hostile

package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/vhost/vhosttest"
	"github.com/lunette-io/lunette/scsi"
)

// A guest is a driver of a SCSI host that is made by hand. It does commands one after the other on the first request queue; what it does otherwise is up to those who have its memory.
type guest struct {
	*vhosttest.Monitor
	seed uint64 // of the requests' identifiers
}

// Where a guest has its queues, and what is in its memory behind the rings.
const (
	controlQueue = iota
	eventQueue
	requestQueue
	guestQueues
)

const (
	ringSize   = 128
	atHeader   = guestQueues * vhosttest.Room
	atAnswer   = atHeader + 4096
	atTable    = atHeader + 8192
	atData     = atHeader + vhosttest.Room
	guestData  = 1 << 20
	guestRAM   = atData + 2*guestData
	headerLen  = 51
	answerLen  = 108
	controlLen = 24
)

// guestAddr is the guest's address of a place in its memory.
func guestAddr(at int) uint64 { return vhosttest.GuestBase + uint64(at) }

// attach attaches a guest that keeps all rules so far.
func attach(path string, features uint64) (*guest, error) {
	m, err := vhosttest.Dial(path)
	if err != nil {
		return nil, err
	}
	if err := m.Up(features, guestRAM, guestQueues, ringSize); err != nil {
		_ = m.Close()
		return nil, err
	}
	return &guest{Monitor: m}, nil
}

// attaches is attach when the guest before may still be going.
func attaches(path string, features uint64) (g *guest, err error) {
	for begin := time.Now(); time.Since(begin) < hang; time.Sleep(5 * time.Millisecond) {
		if g, err = attach(path, features); err == nil {
			return g, nil
		}
	}
	return nil, fmt.Errorf("no guest can attach: %w", err)
}

// header makes a request's header.
func (g *guest) header(lun scsi.LUN, cdb []byte) (b [headerLen]byte) {
	b[0] = 1
	binary.BigEndian.PutUint16(b[2:], uint16(uint64(lun)>>48)|0x4000)
	g.seed++
	binary.LittleEndian.PutUint64(b[8:], g.seed)
	copy(b[19:], cdb)
	return b
}

// post posts a request, by descriptors from number 0 on, and does not kick.
func (g *guest) post(w work) {
	r, ram := g.Rings[requestQueue], g.RAM.Mem
	h := g.header(w.lun, w.cdb)
	copy(ram[atHeader:], h[:])
	clear(ram[atAnswer:][:answerLen])
	copy(ram[atData:], w.out)
	r.Put(0, guestAddr(atHeader), headerLen, vhosttest.Next, 1)
	n := 1
	if len(w.out) > 0 {
		r.Put(n, guestAddr(atData), uint32(len(w.out)), vhosttest.Next, uint16(n+1))
		n++
	}
	if len(w.in) == 0 {
		r.Put(n, guestAddr(atAnswer), answerLen, vhosttest.Write, 0)
	} else {
		r.Put(n, guestAddr(atAnswer), answerLen, vhosttest.Write|vhosttest.Next, uint16(n+1))
		r.Put(n+1, guestAddr(atData), uint32(len(w.in)), vhosttest.Write, 0)
	}
	r.Post(0)
}

// do implements host.
func (g *guest) do(w work) (scsi.Status, []byte, error) {
	g.post(w)
	g.Rings[requestQueue].Kick()
	if _, _, ok := g.Rings[requestQueue].Wait(hang); !ok {
		return 0, nil, errors.New("a guest's command is not answered")
	}
	a := g.RAM.Mem[atAnswer:][:answerLen]
	if a[11] != 0 {
		return 0, nil, fmt.Errorf("response %d", a[11])
	}
	copy(w.in, g.RAM.Mem[atData:])
	n := min(binary.LittleEndian.Uint32(a), 96)
	return scsi.Status(a[10]), bytes.Clone(a[12:][:n]), nil
}

// close implements host.
func (g *guest) close() { _ = g.Close() }

// A guestScene is a scene whose daemon has sockets for guests: one customer comes by iSCSI, one by a socket of its own, and at another socket is whoever wants to.
type guestScene struct {
	*scene
	good, evil string
}

func newGuestScene(t testing.TB) *guestScene {
	t.Helper()
	s := &scene{t: t, net: newNetwork(t)}
	with := func(dir string) string {
		text := layout(t, dir, limits)
		return strings.Replace(text, `portals: [`, fmt.Sprintf(`portals: ["virtio+vhost://%s", "virtio+vhost://%s", `, filepath.Join(dir, "good.sock"), filepath.Join(dir, "evil.sock")), 1)
	}
	dir, other := t.TempDir(), t.TempDir()
	s.d = serveIn(t, dir, nil, with(dir))
	twin := serveIn(t, other, nil, with(other))
	x := &guestScene{scene: s, good: filepath.Join(dir, "good.sock"), evil: filepath.Join(dir, "evil.sock")}
	s.twin = s.net.enter(t, twin, "tcp", 1)
	s.customers = append(s.customers, s.net.enter(t, s.d, "tcp", 2))
	g, err := attaches(x.good, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := &customer{t: t, name: "customer-guest", first: uint32(home + 3*span), host: g, stop: make(chan struct{})}
	c.done.Go(c.run)
	s.customers = append(s.customers, c)
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
	x.serves("at the beginning")
	s.fair("at the beginning", 30, quietRatio)
	return x
}

// serves checks that a guest attaches where the evil ones were, and is served.
func (x *guestScene) serves(when string) {
	x.t.Helper()
	g, err := attaches(x.evil, 0)
	if err != nil {
		x.t.Fatalf("%s: %v", when, err)
	}
	defer g.close()
	c := &customer{t: x.t, name: "newcomer", first: home + 4*span, host: g, stop: make(chan struct{})}
	for i := range 3 {
		for _, lun := range []scsi.LUN{onFile, onMemory} {
			if err := c.round(lun, i); err != nil {
				x.t.Fatalf("%s: %v", when, err)
			}
		}
	}
}

// outlasts waits for the end of an abuse, for as long as the customers are served.
func (x *guestScene) outlasts(when string, done chan struct{}) {
	x.t.Helper()
	served, since := int64(0), time.Now()
	for {
		select {
		case <-done:
			return
		case <-time.After(100 * time.Millisecond):
		}
		now := int64(0)
		for _, c := range x.customers {
			now += c.served.Load()
		}
		if now != served {
			served, since = now, time.Now()
		} else if time.Since(since) > hang {
			x.t.Fatalf("%s: nobody is served any more", when)
		}
	}
}

// mappings is how many pieces of guests' memory are mapped by the daemon.
func (d *daemon) mappings() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", d.pid()))
	if err != nil {
		d.t.Error(err)
	}
	return strings.Count(string(b), "memfd:guest")
}

// threads is how many threads it has.
func (d *daemon) threads() int {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.pid()))
	if err != nil {
		d.t.Error(err)
	}
	return len(all)
}

// An abuse is one way to treat a socket badly. It does it to the socket at path for a while, at random, and returns when it has had enough; errors of the connection are what it is after.
type abuse struct {
	name string
	do   func(t *testing.T, path string, r *rand.Rand)
}

// TestGuests does each abuse to a whole daemon, while a customer by iSCSI and one by a socket are served as those of a twin that nobody abuses; afterwards a guest attaches where it was done, and nothing is left.
func TestGuests(t *testing.T) {
	x := newGuestScene(t)
	for _, a := range guestAbuses() {
		t.Run(a.name, func(t *testing.T) {
			x.scene.t, x.d.t = t, t
			before, err := x.d.state()
			if err != nil {
				t.Fatal(err)
			}
			mapped := x.d.mappings()
			done := make(chan struct{})
			go func() {
				defer close(done)
				a.do(t, x.evil, rand.New(rand.NewPCG(uint64(len(a.name)), 1)))
			}()
			x.fair(a.name, 60, quietRatio)
			x.outlasts(a.name, done)
			if took := x.d.resident(); took > before.rss+slackMemory {
				t.Errorf("%s: %d MiB resident, %d before", a.name, took>>20, before.rss>>20)
			}
			x.serves("after " + a.name)
			x.left(a.name, before)
			x.d.eventually("no memory of a guest is mapped that has gone", func() bool { return x.d.mappings() == mapped })
			x.fair("after "+a.name, 10, quietRatio)
			t.Logf("%d threads, %d mappings", x.d.threads(), mapped)
		})
	}
	x.scene.t, x.d.t = t, t
}

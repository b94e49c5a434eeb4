// Package fabric is a Fibre Channel fabric of one switch inside the process: addresses for ports, the services at the well-known
// addresses FFFFFE (logins, FC-LS-4), FFFFFD (state changes) and FFFFFC (the name server, FC-GS-7), and who sees whom. Ports are
// attached inside ([Fabric.Attach]), or are outside, behind a link that somebody else looks after (FCoE's FCF).
package fabric

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/network/fc"
)

// Config says what a fabric is.
type Config struct {
	// Name is that of the fabric, and of its one switch. Domain is the first byte of all addresses: 1 to 239.
	Name   fc.Name
	Domain uint8
	// MaxPayload, ErrorDetect, ResourceAllocation and Receives are as in [fc.Attachment].
	MaxPayload                      int
	ErrorDetect, ResourceAllocation time.Duration
	Receives                        int64
	// Max is how many ports may be logged in from outside; 0: 1024.
	Max int
	// Address and Provider are what [Fabric.Info] says.
	Provider, Address string
	Log               *slog.Logger
}

// An Outside is the way to ports outside. Its methods are as those of [fc.Link]: what it has taken it gives back by [Fabric.Sent].
// A sequence to a port that is logged out is given back as well. The fabric holds no lock when it calls Post and Flush.
type Outside interface {
	Post(s *fc.Sequence) bool
	Flush()
	Cancel(s *fc.Sequence)
}

// maxReplies is how many answers of services, and notifications, may be on their way out; more are not sent: who has asked asks again.
const maxReplies = 256

// maxMembers is how many ports there may be outside at all: their addresses are 16 bits.
const maxMembers = 16 << 10

// A Fabric is a fabric. It is an [fc.Network] for ports inside, and [fc.Zoned].
type Fabric struct {
	out Outside // nil: nobody is outside
	log *slog.Logger

	// mu guards all that follows, and the stations of ports inside. No user is called with it held, but the Zoning.
	mu     sync.Mutex
	c      Config
	zoning fc.Zoning
	closed bool
	ports  map[fc.ID]*port // inside
	// members are outside. This map, ports, and what is said to be guarded by table are changed with mu and table held, and read with either:
	// frames that are carried do not wait for services.
	members map[fc.ID]*member
	table   sync.RWMutex

	homes homes // addresses, by name
	order int   // of logins: counts
	exch  uint16

	kick    chan struct{} // for the goroutine
	stop    chan struct{}
	done    chan struct{}
	replies atomic.Int32  // on their way out
	dropped atomic.Int64  // frames that came and were not carried
	refused ratelog.Paced // logins: a flood does not fill the log
}

// New makes a fabric; out may be nil.
func New(c Config, out Outside) *Fabric {
	if c.Max <= 0 {
		c.Max = 1024
	}
	c.Max = min(c.Max, maxMembers)
	if c.Domain == 0 || c.Domain > 239 {
		c.Domain = 1
	}
	if c.MaxPayload == 0 {
		c.MaxPayload = fc.MaxPayload
	}
	if c.ErrorDetect <= 0 {
		c.ErrorDetect = 2 * time.Second
	}
	if c.ResourceAllocation <= 0 {
		c.ResourceAllocation = 10 * time.Second
	}
	if c.Receives <= 0 {
		c.Receives = 1 << 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fabric{
		out: out, log: c.Log, c: c, ports: make(map[fc.ID]*port), members: make(map[fc.ID]*member), homes: newHomes(c),
		kick: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go f.run()
	return f
}

// attachment is that of a port inside. f.mu is held.
func (f *Fabric) attachment(id fc.ID) fc.Attachment {
	return fc.Attachment{
		ID: id, Fabric: true, FabricName: f.c.Name, MaxPayload: f.c.MaxPayload,
		ErrorDetect: f.c.ErrorDetect, ResourceAllocation: f.c.ResourceAllocation, Receives: f.c.Receives,
	}
}

// Change says how much payload frames may have from now on, and how much may be on the way here.
func (f *Fabric) Change(maxPayload int, receives int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maxPayload = max(min(maxPayload, fc.MaxPayload), fc.MinPayload)
	if maxPayload == f.c.MaxPayload && receives == f.c.Receives {
		return
	}
	f.table.Lock()
	f.c.MaxPayload, f.c.Receives = maxPayload, receives
	f.table.Unlock()
	for _, p := range f.ports {
		if p.Up() {
			p.SetUp(f.attachment(p.id))
		}
	}
}

// Info implements [fc.Network].
func (f *Fabric) Info() fc.NetworkInfo {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := fc.NetworkInfo{Provider: f.c.Provider, Address: f.c.Address, State: "up"}
	for _, e := range f.all() {
		where := "inside"
		if e.member != nil {
			where = "outside"
		}
		i.Lines = append(i.Lines, fmt.Sprintf("%v %v %s", e.id, e.port, where))
	}
	if n := f.dropped.Load(); n > 0 {
		i.Lines = append(i.Lines, fmt.Sprintf("%d frames were not carried", n))
	}
	return i
}

// Close implements [fc.Network]. Nothing comes from outside any more when it is called.
func (f *Fabric) Close() error {
	f.mu.Lock()
	if n := len(f.ports); n > 0 {
		f.mu.Unlock()
		return fmt.Errorf("fabric: close: %d ports are attached", n)
	}
	again := f.closed
	f.closed = true
	f.mu.Unlock()
	if !again {
		close(f.stop)
	}
	<-f.done
	f.refused.Flush(f.log, "more ports were not let in")
	return nil
}

package fcp

import (
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A remote is what a channel needs of the initiator's port: [nport.Remote].
type remote interface {
	Accept(f *fc.Frame, x *nport.Exchange) bool
	Logout(tell bool, why error)
}

// A flusher sends what exchanges have posted: [nport.Port].
type flusher interface{ Flush() }

// A channelConfig says what a channel is made of.
type channelConfig struct {
	remote    remote
	port      flusher
	nexus     *target.Nexus
	asks      *asks
	arena     *buffer.Arena
	solicited int64  // bytes of data-out that its tasks wait for at a time
	params    uint32 // that both ports have told in PRLI
	log       *slog.Logger
	// owes is told, once, that the channel ends since its initiator owes something.
	owes func(why error)
	// over is called when nothing of the channel is left: no task, no exchange, no sequence.
	over func()
}

// A channel is the one channel of an I_T nexus: the exchanges of its initiator's commands, and the target.Services of
// these. What a command is with is on the page of its task.
//
// All that nport calls comes one call at a time; what the target calls comes on any goroutine.
type channel struct {
	channelConfig
	door     *target.Channel
	confirms bool // FCP_CONF is agreed upon
	retries  bool // REC and SRR are agreed upon

	lost  atomic.Bool // the login has ended: nothing is posted any more
	owing atomic.Bool // owes was told
	// slow: what was asked for last has not come in E_D_TOV. Little is asked for at a time until something has come whole, so that those who send nothing
	// do not have what others wait for.
	slow atomic.Bool
	// live is how many tasks there are of which something is left, and one for the nexus.
	live atomic.Int64
	held atomic.Int64 // bytes of data-in that are held for SRR
	counters

	// Of who calls command and lose.
	free *task   // unused, by next
	all  []*task // that were ever made

	// back is a stack of tasks that have come back since free was filled. All of them are taken at a time, so
	// that no task can be taken and come back while another goroutine looks at it.
	back atomic.Pointer[task]

	// The mu of asks guards these.
	waits waits

	watch watch // of the node's clock

	loss sync.Once
}

// counters are what a channel has done.
type counters struct {
	commands, functions atomic.Int64
	aborted             atomic.Int64 // by ABTS
	copied              atomic.Int64 // bytes of data-out that were put in their place
	received            atomic.Int64 // the same, for the watch: a transfer that has ended counts as leastBytes more, however little it was
	ignored             atomic.Int64 // frames of data that were there already, or not asked for
	askedAgain          atomic.Int64 // FCP_XFER_RDYs for what was lost, and SRRs that were answered
	unanswered          atomic.Int64 // commands that ended since their data-out did not come
	unconfirmed         atomic.Int64 // responses for which no FCP_CONF came
}

func newChannel(cfg channelConfig) *channel {
	c := &channel{channelConfig: cfg}
	c.confirms, c.retries = cfg.params&iu.ParamConfirm != 0, cfg.params&iu.ParamRetry != 0
	c.live.Store(1)
	c.door = cfg.nexus.Channel(c, target.ChannelLimits{Solicited: cfg.solicited, Arena: cfg.arena, Fills: true})
	c.asks.join()
	return c
}

// command takes the first frame of an exchange of the initiator.
func (c *channel) command(f *fc.Frame) {
	if f.RCtl != fc.RCtlCommand || f.Type != fc.TypeFCP || c.lost.Load() {
		c.ignored.Add(1)
		return
	}
	k := c.take()
	if !c.remote.Accept(f, &k.x) {
		k.next, c.free = c.free, k
		return
	}
	c.live.Add(1)
	k.begin(f.Payload)
}

// take is a task that nobody uses.
func (c *channel) take() *task {
	if c.free == nil {
		c.free = c.back.Swap(nil)
	}
	k := c.free
	if k == nil {
		k = newTask(c)
		c.all = append(c.all, k)
		return k
	}
	c.free, k.next = k.next, nil
	return k
}

// recycle takes a task back of which nothing is left.
func (c *channel) recycle(k *task) {
	for {
		top := c.back.Load()
		k.next = top
		if c.back.CompareAndSwap(top, k) {
			break
		}
	}
	c.leave()
}

// leave takes one off live.
func (c *channel) leave() {
	if c.live.Add(-1) == 0 {
		c.over()
	}
}

// lose ends the channel, whose login has ended: tasks that are with the target are aborted, exchanges that were kept are
// closed. What hangs at a unit ends when that lets go of it. nport calls it.
func (c *channel) lose() {
	c.loss.Do(func() {
		c.lost.Store(true)
		for _, k := range c.all {
			k.lose()
		}
		c.flush()
		c.asks.quit()
		c.nexus.Lost(c.leave)
	})
}

// flush sends what was posted. No lock is held.
func (c *channel) flush() { c.port.Flush() }

// end logs the initiator out because of why, once. It waits for nobody.
func (c *channel) end(why error) {
	if c.owing.CompareAndSwap(false, true) {
		c.owes(why)
		c.remote.Logout(true, why)
	}
}

// frame takes a frame of the exchange that is not its first.
func (k *task) frame(f *fc.Frame) {
	switch {
	case f.Type != fc.TypeFCP:
		k.c.ignored.Add(1)
	case f.RCtl == fc.RCtlData:
		k.data(f)
	case f.RCtl == fc.RCtlSolicitedControl:
		k.confirmed()
	default:
		k.c.ignored.Add(1)
	}
}

package nport

import (
	"errors"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
)

// An upper is a strict upper layer: it checks that calls come one at a time, and to exchanges that it has.
type upper struct {
	t    testing.TB
	port *Port

	turn sync.Mutex // held in a call

	mu      sync.Mutex
	remotes map[*Remote]bool
	tasks   map[*Exchange]*task
	free    []*task
	log     []string
	more    func(what string, x *Exchange, f *fc.Frame)

	refuse bool
	finish bool // exchanges are kept
	// unconfirmed says that what is kept is to be confirmed.
	unconfirmed bool
	lazy        bool // commands are not answered
	noAccept    bool
	dones       []func()
	again       bool
	params      uint32
	told        int
}

// A task is an exchange of the upper layer.
type task struct {
	x        Exchange
	u        *upper
	ox       uint16
	s        fc.Sequence
	head     [24]byte
	use      int // which use of it this is
	posted   int
	over     bool // to be closed when all is given back
	frames   int
	finished bool
	aborted  bool
}

func (u *upper) enter(what string) func() {
	if !u.turn.TryLock() {
		panic("two calls at a time: " + what)
	}
	return u.turn.Unlock
}

func (u *upper) say(what string) {
	u.log = append(u.log, what)
}

func (u *upper) said() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.log
	u.log = nil
	return l
}

func (u *upper) Login(r *Remote, params uint32) (uint32, uint8) {
	defer u.enter("Login")()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.remotes == nil {
		u.remotes, u.tasks = make(map[*Remote]bool), make(map[*Exchange]*task)
	}
	if u.remotes[r] {
		panic("Login of who is logged in")
	}
	u.say("login")
	if u.refuse {
		return 0, 5
	}
	u.remotes[r] = true
	return 0x12, 1
}

func (u *upper) LoggedOut(r *Remote, why error) {
	defer u.enter("LoggedOut")()
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.remotes[r] {
		panic("LoggedOut of who is not logged in")
	}
	if why == nil {
		panic("LoggedOut without a reason")
	}
	delete(u.remotes, r)
	u.say("logged out")
	for x, o := range u.tasks {
		if x.Remote() == r {
			o.over = true
			u.tidy(o)
		}
	}
}

// tidy closes a task that is over, when nothing of it is posted. u.mu is held.
func (u *upper) tidy(o *task) {
	if o.over && o.posted == 0 {
		if u.tasks[&o.x] != o {
			panic("an exchange is closed twice")
		}
		delete(u.tasks, &o.x)
		o.x.Close()
		u.free = append(u.free, o)
	}
}

func (u *upper) task() *task {
	if n := len(u.free); n > 0 {
		o := u.free[n-1]
		u.free = u.free[:n-1]
		o.use++
		o.over, o.frames, o.finished, o.aborted = false, 0, false, false
		return o
	}
	o := &task{u: u}
	o.x.Owner, o.s.Owner = o, o
	return o
}

func (u *upper) Command(r *Remote, f *fc.Frame) {
	defer u.enter("Command")()
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.remotes[r] {
		panic("Command of who is not logged in")
	}
	if u.noAccept {
		return
	}
	o := u.task()
	if !r.Accept(f, &o.x) {
		panic("what was delivered is not accepted, though there is room")
	}
	if u.tasks[&o.x] != nil {
		panic("an exchange twice")
	}
	o.ox = f.OX
	u.tasks[&o.x] = o
	if u.more != nil {
		u.more("command", &o.x, f)
	}
	if u.lazy {
		return
	}
	u.respond(o)
}

// respond sends the response. u.mu is held.
func (u *upper) respond(o *task) bool {
	o.s.Header = fc.Header{RCtl: fc.RCtlStatus, FCtl: fc.FCtlLastSequence | fc.FCtlEndSequence}
	o.s.Head = o.head[:]
	if !o.x.Post(&o.s) {
		o.over = true
		u.tidy(o)
		return false
	}
	o.posted++
	if u.finish {
		o.finished = true
		o.x.Finish()
	} else {
		o.over = true
	}
	return true
}

func (u *upper) Frame(x *Exchange, f *fc.Frame) {
	defer u.enter("Frame")()
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.tasks[x]
	if o == nil {
		if u.more == nil {
			panic("a frame of an exchange that is not there")
		}
		u.more("frame", x, f)
		return
	}
	ox, rx := x.IDs()
	if f.OX != ox || f.RX != rx && !x.ours || f.S != x.Remote().ID() || o.aborted {
		panic("a frame of another exchange")
	}
	o.frames++
	if u.more != nil {
		u.more("frame", x, f)
	}
}

func (u *upper) Abort(x *Exchange, done func()) {
	defer u.enter("Abort")()
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.tasks[x]
	if o == nil {
		panic("the abort of an exchange that is not there")
	}
	u.say("abort")
	o.aborted = true
	use := o.use
	u.dones = append(u.dones, func() {
		u.mu.Lock()
		if u.tasks[&o.x] == o && o.use == use { // else it was closed when the login ended
			o.over = true
			u.tidy(o)
		}
		u.mu.Unlock()
		done()
		done()
	})
}

// abortAll does what there is to do for aborts.
func (u *upper) abortAll() {
	u.mu.Lock()
	dones := u.dones
	u.dones = nil
	u.mu.Unlock()
	for _, d := range dones {
		d()
	}
}

func (u *upper) Status(x *Exchange) Status {
	defer u.enter("Status")()
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.tasks[x]
	if o == nil {
		panic("the status of an exchange that is not there")
	}
	return Status{Transferred: 7, Complete: o.finished, Initiative: !o.finished, Unconfirmed: u.unconfirmed}
}

func (u *upper) Retransmit(x *Exchange, r fc.RCtl, _ uint32) bool {
	defer u.enter("Retransmit")()
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.tasks[x]
	if o == nil {
		panic("a retransmission of an exchange that is not there")
	}
	if !u.again || o.posted > 0 || !o.finished {
		return false
	}
	o.s.Header = fc.Header{RCtl: r, FCtl: fc.FCtlLastSequence | fc.FCtlEndSequence}
	o.s.Head = o.head[:]
	if !o.x.Post(&o.s) {
		return false
	}
	o.posted++
	return true
}

func (u *upper) Forgotten(x *Exchange) {
	defer u.enter("Forgotten")()
	u.mu.Lock()
	defer u.mu.Unlock()
	o := u.tasks[x]
	if o == nil || !o.finished || o.aborted {
		panic("an exchange is forgotten that is not kept")
	}
	u.say("forgotten")
	o.over = true
	u.tidy(o)
}

func (u *upper) Sent(x *Exchange, s *fc.Sequence, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	o, ok := s.Owner.(*task)
	if !ok || u.tasks[x] != o || o.posted <= 0 {
		panic("a sequence is given back that was not posted")
	}
	if err != nil && !errors.Is(err, fc.ErrClosed) && !errors.Is(err, fc.ErrDown) && !errors.Is(err, fc.ErrCancelled) {
		panic(err)
	}
	o.posted--
	u.tidy(o)
}

// leaks says what the port and the upper layer still have.
func (u *upper) leaks(t testing.TB) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.remotes) > 0 || len(u.tasks) > 0 {
		t.Errorf("%d logins and %d exchanges are left", len(u.remotes), len(u.tasks))
	}
	b := &u.port.tables
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inUse != 0 {
		t.Errorf("%d exchanges are counted at the end", b.inUse)
	}
	for i := range b.theirs.slots {
		if s := &b.theirs.slots[i]; s.x != nil || s.phase != free && s.phase != resting {
			t.Errorf("RX_ID %d is in phase %d at the end", i, s.phase)
		}
	}
	for i := range b.ours.slots {
		if s := &b.ours.slots[i]; s.x != nil || s.phase != free && s.phase != resting {
			t.Errorf("OX_ID %d is in phase %d at the end", i, s.phase)
		}
	}
	if n := len(u.port.answers.free); n != manyAnswers {
		t.Errorf("%d answers are not given back", manyAnswers-n)
	}
	if len(u.port.requests) > 0 || len(u.port.peers) > 0 || len(b.aborts) > 0 || len(b.told) > 0 || len(u.port.pieces.all) > 0 {
		t.Errorf("%d requests, %d peers, %d aborts, %d verdicts, %d pieces are left", len(u.port.requests), len(u.port.peers), len(b.aborts), len(b.told), len(u.port.pieces.all))
	}
}

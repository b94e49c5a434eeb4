package verbs

import (
	"errors"
	"sync"
)

// A fakePair is a queue pair of the fabric: one goroutine does its works, in order.
type fakePair struct {
	f      *fabric
	n      uint32
	a      *fakeAdapter
	q      *fakeQueue
	peer   *fakePair // nil: not connected yet
	from   *fakeReceiver
	works  int // room
	posted []fakeWork
	busy   bool // the first of posted is under way
	failed bool
	over   bool
	watch  func(works int) // nil, or told of what is posted
	done   sync.WaitGroup
}

type fakeWork struct {
	work
	pieces []piece
	inline [][]byte
}

func (p *fakePair) number() uint32 { return p.n }
func (p *fakePair) inlined() int   { return p.f.inline }

func (p *fakePair) receive(b []receive) (int, error) { return p.from.receive(b) }

func (p *fakePair) post(works []work, pieces []piece) (int, error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	if p.watch != nil {
		p.watch(len(works))
	}
	for i, w := range works {
		if len(p.posted) >= p.works {
			return i, errors.New("fake: the queue is full")
		}
		x := fakeWork{work: w, pieces: append([]piece(nil), pieces[:w.pieces]...)}
		pieces = pieces[w.pieces:]
		if w.flags&inlined != 0 {
			for _, s := range x.pieces {
				mem, _ := p.local(s)
				x.inline = append(x.inline, append([]byte(nil), mem...))
			}
		}
		if p.failed {
			p.complete(x, flushed)
			continue
		}
		p.posted = append(p.posted, x)
	}
	p.f.changed.Broadcast()
	return len(works), nil
}

// local is memory of ours. f.mu is held.
func (p *fakePair) local(s piece) ([]byte, bool) {
	r := p.f.regions[s.localKey]
	if r == nil || s.addr < r.at || s.addr+uint64(s.size) > r.at+uint64(len(r.mem)) {
		return nil, false
	}
	return r.mem[s.addr-r.at:][:s.size], true
}

// complete says how a work ended. f.mu is held.
func (p *fakePair) complete(w fakeWork, s status) {
	if s != success || w.flags&signaled != 0 {
		p.q.add(completion{id: w.id, pair: p.n, status: s})
	}
}

// flush has all come back. f.mu is held.
func (p *fakePair) flush() {
	if p.failed {
		return
	}
	p.failed = true
	for _, w := range p.posted {
		p.complete(w, flushed)
	}
	p.posted = nil
	for _, r := range p.from.all {
		if r.id&isReceive != 0 && p.own() {
			p.q.add(completion{id: r.id, pair: p.n, status: flushed})
		}
	}
	if p.own() {
		p.from.all = nil
	} else {
		p.a.happen(happening{pairDrained, p.n})
	}
	p.f.changed.Broadcast()
}

// own reports that the buffers are of this queue pair alone.
func (p *fakePair) own() bool { return p.f.can.shared == 0 }

func (p *fakePair) fail() error {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.flush()
	return nil
}

func (p *fakePair) end() {
	p.f.mu.Lock()
	p.flush()
	p.over = true
	p.f.changed.Broadcast()
	p.f.mu.Unlock()
	p.done.Wait()
}

// run does the works.
func (p *fakePair) run() {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	for !p.over {
		if len(p.posted) == 0 || p.peer == nil || !p.ready(p.posted[0]) {
			p.f.changed.Wait()
			continue
		}
		w := p.posted[0]
		s, theirs := p.do(w)
		if s == success {
			p.posted = p.posted[1:]
			p.complete(w, s)
		} else {
			p.posted = p.posted[1:]
			p.complete(w, s)
			p.flush()
			if theirs != 0 {
				p.a.happen(happening{theirs, p.peer.n})
				p.peer.flush()
			}
		}
	}
}

// ready reports that the peer has what the work needs. f.mu is held.
func (p *fakePair) ready(w fakeWork) bool {
	return p.peer.failed || w.op > opSendInvalidate || len(p.peer.from.all) > 0
}

// do does a work, and says what it is to the peer if it fails. f.mu is held.
func (p *fakePair) do(w fakeWork) (status, happeningKind) {
	if p.peer.failed {
		return retriesExceeded, 0
	}
	var mine [][]byte
	size := 0
	for i, s := range w.pieces {
		mem, ok := p.local(s)
		if w.flags&inlined != 0 {
			mem, ok = w.inline[i], true
		}
		if !ok {
			return localProtection, pairBroken
		}
		mine = append(mine, mem)
		size += len(mem)
	}
	if w.op == opSend || w.op == opSendInvalidate {
		return p.message(w, mine, size)
	}
	r := p.f.regions[w.key]
	need := remoteWrite
	if w.op == opRead {
		need = remoteRead
	}
	if r == nil || r.rights&need == 0 || w.remote < r.at || uint64(size) > uint64(len(r.mem)) || w.remote-r.at > uint64(len(r.mem)-size) {
		return remoteAccess, pairAccess
	}
	theirs := r.mem[w.remote-r.at:]
	for _, mem := range mine {
		if w.op == opRead {
			copy(mem, theirs)
		} else {
			copy(theirs, mem)
		}
		theirs = theirs[len(mem):]
	}
	return success, 0
}

// message delivers a message. f.mu is held.
func (p *fakePair) message(w fakeWork, mine [][]byte, size int) (status, happeningKind) {
	b := p.peer.from.all[0]
	p.peer.from.all = p.peer.from.all[1:]
	x := completion{id: b.id, pair: p.peer.n, bytes: uint32(size)}
	to, _ := p.local(b.piece)
	if size > len(to) {
		x.status = localLength
		p.peer.q.add(x)
		return remoteInvalid, pairBroken
	}
	for _, mem := range mine {
		to = to[copy(to, mem):]
	}
	if w.op == opSendInvalidate {
		if p.f.regions[w.key] == nil {
			x.status = localAccess
			p.peer.q.add(x)
			return remoteAccess, pairAccess
		}
		p.f.regions[w.key].rights = 0
		x.key, x.flags = w.key, invalidates
	}
	p.peer.q.add(x)
	return success, 0
}

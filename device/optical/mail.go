package optical

import (
	"sync"

	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// mail is what nexuses have not been told yet: each event is there for each of them, until it asks. No other lock is taken inside.
type mail struct {
	mu    sync.Mutex
	boxes map[*target.ITL]*box
}

// boxSize is how many events of a nexus wait at the most: of more the oldest is forgotten, since the last say how it is now.
const boxSize = 8

// A box is what is there for one nexus.
type box struct {
	media    [boxSize]byte
	n        int
	features bool // others are current
}

// open is for a nexus that is new: to it the disc is.
func (m *mail) open(x *target.ITL, disc bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boxes == nil {
		m.boxes = make(map[*target.ITL]*box)
	}
	b := new(box)
	if disc {
		b.add(page.MediaNew)
	}
	m.boxes[x] = b
}

// close is for one that is lost.
func (m *mail) close(x *target.ITL) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.boxes, x)
}

// tell puts an event of the class media into all boxes.
func (m *mail) tell(code byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.boxes {
		b.add(code)
	}
}

// featuresChanged says that other features are current.
func (m *mail) featuresChanged() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.boxes {
		b.features = true
	}
}

// takeMedia returns the oldest event of the class media that x has not been told, and takeFeatures whether it has not been told that other
// features are current. They are told then.
func (m *mail) takeMedia(x *target.ITL) byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.boxes[x]
	if b == nil || b.n == 0 {
		return page.MediaNone
	}
	code := b.media[0]
	b.n--
	copy(b.media[:], b.media[1:])
	return code
}

func (m *mail) takeFeatures(x *target.ITL) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.boxes[x]
	if b == nil || !b.features {
		return false
	}
	b.features = false
	return true
}

// add adds an event. The mu of the mail is held.
func (b *box) add(code byte) {
	if b.n > 0 && b.media[b.n-1] == code && code == page.MediaEject {
		return // people have asked again
	}
	if b.n == boxSize {
		copy(b.media[:], b.media[1:])
		b.n--
	}
	b.media[b.n] = code
	b.n++
}

package vhost

import (
	"github.com/lunette-io/lunette/network/vhost/message"
	"github.com/lunette-io/lunette/network/vhost/ring"
)

// An area is where the queues note what the device has, in memory that the front-end keeps: who comes after us finds it there (vhost-user, “Inflight I/O tracking”). Each queue has a part of it; all are
// equally long.
type area struct {
	parts  [][]byte
	mapped []byte
}

// leastEntries is how many entries an area has for each queue at the least. QEMU 10 asks for as many as its property virtqueue_size says, 128, and makes each ring of 1024.
const leastEntries = 1024

// areaSize is how many bytes the part of a queue takes, whichever type its ring will be of.
func areaSize(entries int) int {
	return max(ring.InflightSize(entries, false), ring.InflightSize(entries, true))
}

// newArea makes the file of an area that nobody has used, for as many queues and entries as the front-end says, or more. The answer says where the area is in it; the caller closes fd.
func newArea(asked message.Inflight, queues int) (answer message.Inflight, fd int, err error) {
	if int(asked.Queues) > queues || asked.QueueSize > ring.MaxSize {
		return answer, none, message.Errorf(message.GetInflightFD, "%d queues of %d entries: there are %d of %d at the most", asked.Queues, asked.QueueSize, queues, ring.MaxSize)
	}
	answer = asked
	answer.Offset = 0
	answer.Size = uint64(max(1, int(asked.Queues)) * areaSize(max(leastEntries, int(asked.QueueSize))))
	fd, err = newFile("inflight", int64(answer.Size))
	return answer, fd, err
}

// openArea maps an area that this back-end, or one before it, has made. fd stays the caller's.
func openArea(x message.Inflight, fd, queues int) (*area, error) {
	const r = message.SetInflightFD
	most := uint64(queues * areaSize(ring.MaxSize))
	part := x.Size / max(1, uint64(x.Queues)) &^ 63
	switch {
	case x.Queues == 0 || int(x.Queues) > queues:
		return nil, message.Errorf(r, "an area for %d queues: there are %d", x.Queues, queues)
	case part == 0 || x.Size > most:
		return nil, message.Errorf(r, "an area of %d bytes for %d queues", x.Size, x.Queues)
	case x.Offset > 1<<62 || x.Offset%64 != 0:
		return nil, message.Errorf(r, "an area at offset %#x", x.Offset)
	}
	mapped, before, err := mapFile(fd, x.Offset, x.Size)
	if err != nil {
		return nil, message.Errorf(r, "%v", err)
	}
	a := &area{mapped: mapped}
	for i := range uint64(x.Queues) {
		a.parts = append(a.parts, mapped[before+i*part:][:part:part])
	}
	return a, nil
}

// part is that of queue i, or nil. A nil area has none.
func (a *area) part(i int) []byte {
	if a == nil || i >= len(a.parts) {
		return nil
	}
	return a.parts[i]
}

// unmap lets the area go, if there is one. No queue may have a part of it any more.
func (a *area) unmap() {
	if a != nil {
		unmapFile(a.mapped)
	}
}

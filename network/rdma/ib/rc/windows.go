package rc

import (
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/internal/windows"
)

// A memory is the windows of a queue pair: keys are R_Keys, and addresses are virtual addresses.
type memory struct {
	// mu comes after the queue pair's locks. It is held while the payload of a packet is copied into a window, so that
	// nothing touches a window when its key has been taken out of the table, but for packets in the outlet.
	mu      sync.Mutex
	windows windows.Table // mu guards it
}

func (m *memory) init(max int) { m.windows.Init(max, nil) }

func (m *memory) expose(data *buffer.Lease, a rdma.Access) (rdma.Remote, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.windows.Expose(data, a)
}

// reach checks that the peer may access (a) the n bytes at addr under key. Nothing is looked up for no bytes (10.6.7.2).
func (m *memory) reach(key uint32, addr uint64, n int64, a rdma.Access) windows.Verdict {
	if n == 0 {
		return windows.Good
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	_, _, verdict := m.windows.Reach(key, addr, n, a)
	return verdict
}

// place copies p to addr in the window of key, all of it or nothing.
func (m *memory) place(key uint32, addr uint64, p []byte) windows.Verdict {
	if len(p) == 0 {
		return windows.Good
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w, off, verdict := m.windows.Reach(key, addr, int64(len(p)), rdma.RemoteWrite)
	if verdict == windows.Good {
		w.Data.Copy(off, p)
	}
	return verdict
}

// lend appends to pieces the n bytes, which are not 0, at addr in the window of key. The window has one user more until leave.
func (m *memory) lend(pieces [][]byte, key uint32, addr uint64, n int64) ([][]byte, *windows.Window, windows.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w, off, verdict := m.windows.Reach(key, addr, n, rdma.RemoteRead)
	if verdict != windows.Good {
		return pieces, nil, verdict
	}
	w.Users++
	for n > 0 {
		p := w.Data.At(off)
		p = p[:min(int64(len(p)), n)]
		pieces = append(pieces, p)
		off += int64(len(p))
		n -= int64(len(p))
	}
	return pieces, w, windows.Good
}

// leave ends one use of each window of ws, and clears ws, which is the caller's.
func (m *memory) leave(ws []*windows.Window) {
	if len(ws) == 0 {
		return
	}
	m.mu.Lock()
	for i, w := range ws {
		ws[i] = nil
		w.Users--
	}
	m.mu.Unlock()
}

// revoke ends a key. When it returns nobody copies into the window, and no packet in the outlet has memory of it: who sends holds q.io. No lock is held.
func (m *memory) revoke(q *QP, key uint32) bool {
	m.mu.Lock()
	w := m.windows.Find(key)
	if w == nil {
		m.mu.Unlock()
		return false
	}
	m.windows.Drop(w)
	used := w.Users > 0
	m.mu.Unlock()
	if used {
		q.io.Lock() // the outlet is empty when we have it, and responder.sent has been called
		q.io.Unlock()
	}
	m.mu.Lock()
	m.windows.Recycle(w)
	m.mu.Unlock()
	return true
}

// close ends all windows. Nobody receives or sends any more.
func (m *memory) close() {
	m.mu.Lock()
	m.windows.Close()
	m.mu.Unlock()
}

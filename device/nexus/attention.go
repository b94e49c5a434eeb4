package nexus

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
)

// attentions are the pending unit attention conditions of one I_T_L nexus (SAM-5
// 5.14), the most important first, each once. Commands look at pending only.
type attentions struct {
	pending atomic.Bool // the queue is not empty

	mu    sync.Mutex
	queue []scsi.ASC // guarded by mu
}

// maxAttentions bounds the queue; the least important condition is left out. Fewer kinds of
// conditions are ever established, so that the bound is not reached.
const maxAttentions = 16

// rank orders conditions as SPC-5 table 60 and SAM-5 5.14 do: a reset comes before all that
// it implies.
func rank(a scsi.ASC) int {
	switch a {
	case scsi.ASCPowerOnResetOrBusDeviceReset:
		return 0
	case scsi.ASCPowerOnOccurred, scsi.ASCDeviceInternalReset:
		return 1
	case scsi.ASCBusResetOccurred, scsi.ASCMicrocodeChanged:
		return 2
	case scsi.ASCBusDeviceResetFunctionOccurred:
		return 3
	case scsi.ASCNexusLossOccurred:
		return 4
	}
	return 5
}

// establish adds a condition, unless it is pending already.
func (u *attentions) establish(a scsi.ASC) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if slices.Contains(u.queue, a) {
		return
	}
	at := 0
	for at < len(u.queue) && rank(u.queue[at]) <= rank(a) {
		at++
	}
	u.queue = slices.Insert(u.queue, at, a)
	if len(u.queue) > maxAttentions {
		u.queue = u.queue[:maxAttentions]
	}
	u.pending.Store(true)
}

// take removes the first condition; it reports false when there is none (any more).
func (u *attentions) take() (scsi.ASC, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.queue) == 0 {
		return 0, false
	}
	a := u.queue[0]
	u.queue = slices.Delete(u.queue, 0, 1)
	u.pending.Store(len(u.queue) > 0)
	return a, true
}

// clear removes one condition that ended without being reported.
func (u *attentions) clear(a scsi.ASC) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if i := slices.Index(u.queue, a); i >= 0 {
		u.queue = slices.Delete(u.queue, i, i+1)
		u.pending.Store(len(u.queue) > 0)
	}
}

// all are the pending conditions.
func (u *attentions) all() []scsi.ASC {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.queue)
}

package rc

import "github.com/lunette-io/lunette/network/rdma/ib"

// A limits says how many packets may be outstanding: of Sends and Writes that are not acknowledged, and of the answers to Reads. It grows as answers come, by one for each up to
// three quarters of what it was when something was lost, slower then, and is halved by a loss.
type limits struct {
	size    int    // packets of Sends and Writes
	thresh  int    // from here on size grows by one each time that as many were acknowledged
	acked   int    // since it last grew so
	reads   int    // packets of answers to Reads
	recover ib.PSN // losses before are those that size was halved for
	lossy   bool   // recover says something
}

const (
	growth      = 8 // above thresh size grows by one for so many packets
	startWindow = 64
	minWindow   = 16
	maxWindow   = 256
	maxAnswers  = 2048
	minAnswers  = 64
)

func (w *limits) init() {
	w.size, w.thresh, w.reads = startWindow, maxWindow, maxAnswers
}

// grow notes that n packets were acknowledged.
func (w *limits) grow(n int, una ib.PSN) {
	if w.lossy && una.Sub(w.recover) >= 0 {
		w.lossy = false
	}
	if w.size < w.thresh {
		w.size = min(w.size+n, w.thresh)
		return
	}
	w.acked += n
	w.size = min(w.size+w.acked/growth, maxWindow)
	w.acked %= growth
}

// lost notes that a packet was lost that was not sent before the PSN una, when those before sent were.
func (w *limits) lost(una, sent ib.PSN) {
	if w.lossy && una.Sub(w.recover) < 0 {
		return
	}
	w.lossy, w.recover = true, sent
	w.thresh = max(w.size*3/4, minWindow)
	w.size = max(w.size/2, minWindow)
	w.acked = 0
}

// growReads notes that n packets of answers have come, and lostReads that some did not.
func (w *limits) growReads(n int) { w.reads = min(w.reads+n, maxAnswers) }
func (w *limits) lostReads()      { w.reads = max(w.reads/2, minAnswers) }

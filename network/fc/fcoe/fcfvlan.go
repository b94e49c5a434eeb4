package fcoe

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// A teller tells hosts which VLAN a fabric is in, where they ask: on the interface, without a tag (FC-BB-6 "FIP VLAN discovery"). It has
// nothing to do with the fabric's own wire.
type teller struct {
	wire  ethernet.Wire
	vlans []uint16
	awake atomic.Bool // the fabric has ports: before, nothing is said

	frame   fip.Frame // these are the handler's alone
	answers bucket
	mac     ethernet.MAC

	mu   sync.Mutex
	wait [][]byte // answers that have not left; mu guards it
}

// maxWaiting bounds the answers that wait.
const maxWaiting = 64

// tell makes a teller if the fabric is in a VLAN, and the host lets frames without a tag be seen too: if it does not, hosts have to be told
// the VLAN by those who run them.
func (n *fcf) tell(h ethernet.Host) {
	if n.a.VLAN == 0 {
		return
	}
	w, err := h.Open(ethernet.Config{Interface: n.a.Interface, Types: []ethernet.Type{fip.EtherType}, Longest: fip.HeaderLen + 256, Receives: 64 << 10})
	if errors.Is(err, ethernet.ErrNoInterface) {
		return
	}
	t := &teller{wire: w, vlans: n.vlans(), answers: newBucket()}
	if err == nil {
		t.mac = w.State().MAC
		err = w.Join(fip.AllFCF)
	}
	if err != nil {
		n.log.Warn("hosts are not told which VLAN to use", "interface", n.a.Interface, "error", err)
		if w != nil {
			_ = w.Close() // it has not been used
		}
		return
	}
	n.told = t
	w.Start(t)
}

// close ends it.
func (t *teller) close() { _ = t.wire.Close() } // nothing waits for it

// Received implements [ethernet.Handler].
func (t *teller) Received(b []byte) {
	if len(b) < ethernet.HeaderLen || ethernet.Type(binary.BigEndian.Uint16(b[12:])) != fip.EtherType {
		return
	}
	src := ethernet.MAC(b[6:12])
	if src.Group() || !t.awake.Load() || t.frame.Parse(b[ethernet.HeaderLen:]) != nil || t.frame.Kind != fip.VLANRequest || t.frame.MAC != src || !t.answers.take(time.Now()) {
		return
	}
	t.mu.Lock()
	if len(t.wait) < maxWaiting {
		t.wait = append(t.wait, vlanAnswer(src, t.mac, t.vlans))
	}
	t.mu.Unlock()
}

// Batch implements [ethernet.Handler].
func (t *teller) Batch() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.wait) > 0 {
		n, err := t.wire.Send([]ethernet.Frame{{Head: t.wait[0]}})
		if n == 0 && err == nil {
			return // Writable follows
		}
		t.wait = t.wait[1:] // sent, or it cannot be: the host asks again
	}
	t.wait = nil
}

// Writable implements [ethernet.Handler].
func (t *teller) Writable() { t.Batch() }

// Changed implements [ethernet.Handler].
func (t *teller) Changed(s ethernet.State) { t.mac = s.MAC }

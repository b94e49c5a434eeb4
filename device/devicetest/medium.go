package devicetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// A Partial is a command that ends with CHECK CONDITION, and has data-in all the same: a READ of a tape whose block is shorter.
type Partial struct {
	// Before are commands that end with GOOD, each with its data-out, which lead to it.
	Before []Exchange
	CDB    []byte
	Room   int    // for data-in
	Data   []byte // that comes
	Key    scsi.SenseKey
}

// An Exchange is a command with its data-out.
type Exchange struct{ CDB, Out []byte }

// partialData: data comes with CHECK CONDITION, all of it, however slowly the initiator takes it, and the residual is that of what came. An
// initiator that has less room gets what it has room for.
func (b *bench) partialData() {
	c := b.d.Partial
	for i, opt := range []loopback.Options{{}, {First: -1, Later: true}, {Pace: true}, {Pace: true, Delay: time.Microsecond}} {
		b.Run(fmt.Sprintf("%+v", opt), func(t *testing.T) {
			s := b.login(byte(20+i), opt)
			for _, room := range []int{c.Room, len(c.Data), len(c.Data) - 1, 1} {
				for _, e := range c.Before {
					b.good(s, e.CDB, e.Out, 0)
				}
				r := b.do(s, c.CDB, nil, room)
				if r.Status != scsi.CheckCondition || r.Sense.Key != c.Key {
					t.Errorf("room for %d bytes: %v %v", room, r.Status, r.Sense)
				}
				if want := c.Data[:min(room, len(c.Data))]; !bytes.Equal(r.data, want) || r.Residual != int64(room-len(c.Data)) {
					t.Errorf("room for %d bytes: %d bytes, residual %d, want %d bytes of the %d that there are", room, len(r.data), r.Residual, len(want), len(c.Data))
				}
			}
		})
	}
}

// mediumChanges: all initiators are told of another medium, once, those too that log in again after they had gone, and nobody else is told of a loss.
func (b *bench) mediumChanges() {
	s, other, away := b.login(1, loopback.Options{}), b.login(2, loopback.Options{}), b.attach(3, loopback.Options{})
	b.calm(away)
	if err := away.Close(); err != nil {
		b.Fatal(err)
	}
	b.d.Change(b.T, b.lu)
	for _, x := range []*loopback.Session{s, other} {
		b.attention(x, scsi.ASCMediumMayHaveChanged)
	}
	back := b.attach(3, loopback.Options{})
	b.all = append(b.all, back)
	if got := b.calm(back); !slices.Contains(got, scsi.ASCMediumMayHaveChanged) {
		b.Errorf("who was away is told %v", got)
	}
}

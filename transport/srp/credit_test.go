package srp_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A careful initiator: it sends as much as its credits allow and not more, and knows what it has
// open.
type careful struct {
	c       *fakeConn
	credits int
	asked   int // CRED_REQs to be answered
	open    map[uint64]bool
	doubt   map[uint64]bool // of open, those that a function may have ended
	managed map[uint64]func()
}

// hear takes what the target has sent. It returns what follows from answers to functions, for when
// all channels have been heard: what was sent before an answer on another one comes before it.
func (p *careful) hear(t *rapid.T, limit int) (after []func()) {
	for _, b := range p.c.take() {
		switch iu.Opcode(b[0]) {
		case iu.OpResponse:
			x, err := iu.ParseResponse(b)
			if err != nil {
				t.Fatal(err)
			}
			if x.Delta < 1 {
				t.Fatalf("a delta of %d", x.Delta)
			}
			p.credits += int(x.Delta)
			if then := p.managed[x.Tag]; then != nil {
				after = append(after, then)
				delete(p.managed, x.Tag)
			} else if !p.open[x.Tag] {
				t.Fatalf("a response to %d, which is not open", x.Tag)
			}
			delete(p.open, x.Tag)
			delete(p.doubt, x.Tag)
		case iu.OpCreditRequest:
			x, _ := iu.ParseCreditRequest(b)
			p.credits += int(x.Delta)
			if p.asked++; p.asked > 1 {
				t.Fatal("a second CRED_REQ before the first is answered")
			}
		default:
			t.Fatalf("%v", iu.Opcode(b[0]))
		}
		if p.credits+len(p.open)-len(p.doubt)+len(p.managed) > limit {
			t.Fatalf("%d credits with %d commands and %d functions open", p.credits, len(p.open), len(p.managed))
		}
	}
	return after
}

// TestCredits holds that credits neither leak nor grow, whatever becomes of commands.
func TestCredits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 12).Draw(t, "limit")
		f := newFake(t, srp.Config{Credits: limit, Solicited: 2048})
		var peers []*careful
		for i := range rapid.IntRange(1, 2).Draw(t, "channels") {
			c := f.dial(68, iu.Action(min(i, 1)))
			peers = append(peers, &careful{c: c, credits: limit, open: make(map[uint64]bool), doubt: make(map[uint64]bool), managed: make(map[uint64]func())})
		}
		tag := uint64(0)
		hear := func() {
			var after []func()
			for _, p := range peers {
				after = append(after, p.hear(t, limit)...)
			}
			for _, f := range after {
				f()
			}
		}
		pick := func(t *rapid.T) *careful { return rapid.SampledFrom(peers).Draw(t, "channel") }
		t.Repeat(map[string]func(*rapid.T){
			"command": func(t *rapid.T) {
				p := pick(t)
				if p.credits == 0 {
					t.Skip("no credits")
				}
				tag++
				x := iu.Command{Tag: tag, Attr: rapid.SampledFrom([]uint8{0, 0, 0, 1, 2, 3}).Draw(t, "attribute")}
				x.CDB[0] = rapid.SampledFrom([]byte{0, 0x28, 0x2a}).Draw(t, "opcode")
				x.CDB[9] = rapid.Byte().Draw(t, "way")
				x.CDB[8] = 3
				b := iu.Buffer{Format: iu.Direct, List: iu.Descriptor{Addr: 4096, Key: 1, Len: 2048}.Append(nil)}
				if rapid.Bool().Draw(t, "table") {
					b = iu.Buffer{Format: iu.Indirect, Len: 2048, Table: iu.Descriptor{Addr: 1, Key: 2, Len: 32}}
				}
				if x.CDB[0] == 0x2a {
					x.Out = b
				} else {
					x.In = b
				}
				p.credits--
				p.open[tag] = true
				p.c.h.Received(message(x.Append(nil, 68)))
			},
			"manage": func(t *rapid.T) {
				p := pick(t)
				if p.credits == 0 {
					t.Skip("no credits")
				}
				x := iu.TaskManagement{Function: rapid.SampledFrom([]iu.Function{iu.AbortTask, iu.AbortTaskSet, iu.LogicalUnitReset, 0x77}).Draw(t, "function")}
				tag++
				x.Tag = tag
				ends := make(map[*careful][]uint64)
				for _, q := range peers {
					for o := range q.open {
						if x.Function == iu.AbortTaskSet || x.Function == iu.LogicalUnitReset {
							ends[q] = append(ends[q], o)
						}
					}
				}
				if all := sorted(p.open); x.Function == iu.AbortTask && len(all) > 0 {
					x.Managed = rapid.SampledFrom(all).Draw(t, "tag")
					ends[p] = []uint64{x.Managed}
				}
				for q, tags := range ends {
					for _, o := range tags {
						q.doubt[o] = true
					}
				}
				p.credits--
				p.managed[tag] = func() {
					for q, tags := range ends {
						for _, o := range tags {
							delete(q.open, o)
							delete(q.doubt, o)
						}
					}
				}
				p.c.h.Received(message(x.Append(nil)))
			},
			"done": func(t *rapid.T) {
				p := pick(t)
				for range rapid.IntRange(1, 5).Draw(t, "works") {
					p.c.complete(nil)
				}
			},
			"ask": func(t *rapid.T) {
				p := pick(t)
				p.c.asked = rapid.IntRange(0, len(p.c.open)).Draw(t, "asked")
			},
			"release": func(*rapid.T) { f.unit.release() },
			"answer": func(t *rapid.T) {
				p := pick(t)
				if p.asked == 0 {
					t.Skip("not asked")
				}
				p.asked--
				p.c.h.Received(message(iu.CreditResponse{Tag: 1}.Append(nil)))
			},
			"": func(t *rapid.T) {
				hear()
				for _, p := range peers {
					if p.c.ended {
						t.Fatal("the target has ended the channel")
					}
				}
			},
		})
		for range 100 { // everything comes to an end
			f.unit.release()
			for _, p := range peers {
				for p.c.complete(nil) {
				}
			}
			hear()
			for _, p := range peers {
				for ; p.asked > 0; p.asked-- {
					p.c.h.Received(message(iu.CreditResponse{Tag: 1}.Append(nil)))
				}
			}
		}
		for _, p := range peers {
			if p.credits != limit || len(p.open) > 0 || len(p.managed) > 0 {
				t.Fatalf("%d of %d credits; open are %v, %d functions", p.credits, limit, p.open, len(p.managed))
			}
		}
		f.close()
	})
}

func sorted(m map[uint64]bool) []uint64 {
	var all []uint64
	for t := range m {
		all = append(all, t)
	}
	slices.Sort(all)
	return all
}

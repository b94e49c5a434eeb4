package ring

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A device may die anywhere: the driver gets each request back once all the same, and what the next device has again, oldest first, is what the driver was never given back, and nothing else.
func TestDeathAnywhere(t *testing.T) {
	for _, o := range few() {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				size := sizes(o.Packed).Draw(rt, "size")
				s := o.start()
				p := newPair(t, o, size, 4, s)
				p.t = rt
				p.start.Inflight, _ = p.g.cut(InflightSize(size+rapid.IntRange(0, 3).Draw(rt, "more"), o.Packed))
				p.open()
				for range rapid.IntRange(1, 200).Draw(rt, "steps") {
					if rapid.IntRange(0, 9).Draw(rt, "dies") == 0 {
						p.die(rt)
						continue
					}
					p.step(rt)
				}
				// At last all come back.
				p.kick()
				for p.next() {
				}
				for len(p.held) > 0 {
					p.giveBack(0)
				}
				p.publish(true)
				for p.get() {
				}
				if len(p.requests) != 0 {
					rt.Fatalf("%d requests never came back", len(p.requests))
				}
			})
		})
	}
}

// die leaves the device where it is, or in the middle of something, and has another one take over, which is told a base that is wrong: nobody can ask the dead.
func (p *pair) die(rt *rapid.T) {
	published := false
	switch d := p.dev.(type) {
	case *splitDevice:
		published = d.dies(rt)
		p.start.Base = uint32(rapid.Uint16().Draw(rt, "base"))
	case *packedDevice:
		published = d.dies(rt)
		p.start.Base = PackedBase
	}
	if published {
		p.seen = append(p.seen, p.put...)
	} else {
		for _, x := range p.put {
			p.again = append(p.again, x.token)
		}
	}
	p.put = p.put[:0]
	for _, h := range p.held {
		p.again = append(p.again, h.token)
	}
	p.held = p.held[:0]
	slices.Sort(p.again)                 // requests are taken in the order of their tokens
	p.drvSleep, p.unheard = false, false // the driver of a new device is called, as that cannot know whether it was
	p.open()
}

// dies does a part of Publish. It reports whether the driver sees what was given back.
func (d *splitDevice) dies(rt *rapid.T) bool {
	at := rapid.IntRange(0, 2).Draw(rt, "at")
	if at == 0 || d.used == d.told {
		return false
	}
	store32(d.Used, 0, d.mute|uint32(d.used)<<16)
	if at == 2 {
		for _, head := range d.area.batch[:rapid.IntRange(0, len(d.area.batch)).Draw(rt, "cleared")] {
			d.area.mem[splitHeader+int(head)*splitEntry] = 0
		}
	}
	return true
}

// dies does a part of Publish, or of taking a request.
func (d *packedDevice) dies(rt *rapid.T) bool {
	at := rapid.IntRange(0, 5).Draw(rt, "at")
	if at == 5 && len(d.again) == 0 {
		old := binary.LittleEndian.Uint16(d.area.mem[atOldFreeHead:])
		if d.look(); d.found {
			d.area.put16(atOldFreeHead, old)
		}
	}
	if at == 0 || at == 5 || d.used == d.told {
		return false
	}
	d.area.free(d.lap.word(d.used))
	if at == 1 {
		return false
	}
	entry, _ := d.split(d.told)
	store32(d.Desc, entry*descriptorSize+12, d.first)
	if at > 2 {
		for _, id := range d.area.batch[:rapid.IntRange(0, len(d.area.batch)).Draw(rt, "cleared")] {
			d.area.entry(d.area.heads[id])[0] = 0
		}
	}
	if at > 3 {
		d.area.put16(atOldFreeHead, d.area.head)
	}
	return true
}

// An area has the layout of the protocol, so that what another back-end has left can be read, and the other way round.
func TestAreaLayout(t *testing.T) {
	for _, packed := range []bool{false, true} {
		o := Options{Packed: packed}
		p := newPair(t, o, 4, 0, o.start())
		area, _ := p.g.cut(InflightSize(4, packed))
		p.start.Inflight = area
		p.open()
		for range 2 {
			p.add(1, 1)
		}
		p.kick()
		p.next()
		p.next()
		p.giveBack(0)
		p.publish(true)
		want := []byte{
			0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7, 0, 0, 0, 1, 0, // 128 bytes have room for 7 entries
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		}
		if packed {
			want = []byte{
				0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 5, 0, 0, 0, 0, 0, // 192 bytes have room for 5 entries
				2, 0, 2, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 0, 1, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			}
		}
		if got := area[:len(want)]; string(got) != string(want) {
			t.Errorf("%v: % x\n% x is wanted", packed, got, want)
		}
	}
}

// What cannot be what a device has left is refused.
func TestAreasRefused(t *testing.T) {
	for name, change := range map[string]func(b []byte, packed bool) []byte{
		"short":      func(b []byte, _ bool) []byte { return b[:64] },
		"misaligned": func(b []byte, _ bool) []byte { return b[1:] },
		"version":    func(b []byte, _ bool) []byte { b[8] = 2; return b },
		"batch outside": func(b []byte, packed bool) []byte {
			if packed {
				b[atUsedIndex], b[atOldUsedIndex] = 4, 4 // of 4
				return b
			}
			b[14]--
			b[12] = 4
			return b
		},
		"too far behind": func(b []byte, packed bool) []byte {
			if packed {
				b[packedHeader+2*packedEntry+atNext] = 2 // free entries that are a loop
				return b
			}
			b[14] -= 5
			return b
		},
		"a length": func(b []byte, packed bool) []byte {
			if packed {
				b[packedHeader+atNum] = 5
				return b
			}
			return b[:32]
		},
	} {
		for _, packed := range []bool{false, true} {
			o := Options{Packed: packed}
			p := newPair(t, o, 4, 0, o.start())
			area, _ := p.g.cut(InflightSize(8, packed))
			p.start.Inflight = area
			p.open()
			p.add(1, 1)
			p.kick()
			p.next()
			p.start.Inflight = change(area, packed)
			if _, err := NewDevice(p.place, o, p.g, p.start); err == nil {
				t.Errorf("%s (%v): taken", name, packed)
			}
		}
	}
}

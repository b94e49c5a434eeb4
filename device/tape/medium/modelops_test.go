package medium

import (
	"bytes"
	"context"
	"errors"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
)

// administer does something with the closed cartridge that changes nothing of what is on it.
func (m *model) administer(t *rapid.T, what string) {
	ctx := context.Background()
	if m.c.Close() != nil {
		m.crash(t)
		return
	}
	m.safe()
	var err error
	switch what {
	case "reindex":
		gone := rapid.SampledFrom([]string{"", "index", "marks", "header"}).Draw(t, "gone")
		if gone == "header" && len(m.all) > 0 { // where data ends is lost with it, if that was within a frame
			h := m.c.heads[0]
			h.isDead = false
			gone = ""
			if f, err := h.find(ctx, uint64(len(m.all)-1)); err == nil && f.count == f.all {
				gone = "header"
			}
			h.isDead = true
		}
		if gone != "" {
			budget, room := m.d.budget, m.d.room
			m.d.set(-1, room)
			must(t, m.d.remove(m.c.state.Partitions[0].Dir+"/"+gone))
			m.d.set(budget, room)
		}
		var r Report
		if r, err = reindexIn(ctx, m.d, m.cfg); err == nil && (!r.Whole() || r.Objects < uint64(len(m.all))) {
			t.Fatalf("reindex: %+v", r)
		}
		for err != nil && (m.d.isOff() || errors.Is(err, ErrNoSpace)) { // it is called again
			m.d.killed()
			m.d.set(-1, 0)
			_, err = reindexIn(ctx, m.d, m.cfg)
		}
	case "compact":
		var c *Cartridge
		if c, err = openIn(m.d, Options{}, m.cfg, nil); err == nil {
			if err = c.compact(ctx); err == nil {
				_, err = c.heads[0].each(ctx, c.heads[0].end, func(f frame) error {
					if f.count < f.all && !f.sealed {
						t.Fatalf("object %d: %d of %d count still", f.at.object, f.count, f.all)
					}
					return nil
				})
			}
			err = errors.Join(err, c.Close())
		}
	case "verify":
		var c *Cartridge
		if c, err = openIn(m.d, Options{ReadOnly: true}, m.cfg, nil); err == nil {
			var r Report
			if r, err = c.verify(ctx, nil); err == nil && !r.Whole() {
				t.Fatalf("verify: %+v", r)
			}
			err = errors.Join(err, c.Close())
		}
	}
	if err != nil && !m.d.isOff() && !errors.Is(err, ErrNoSpace) {
		t.Fatalf("%s: %v", what, err)
	}
	if m.d.isOff() || !m.tryOpen() {
		m.crash(t)
		return
	}
	m.whole()
}

// format makes it blank.
func (m *model) format(t *rapid.T) {
	sizes := []int64{50 << 10, 20 << 10}[:rapid.IntRange(1, 2).Draw(t, "partitions")]
	err := m.c.Format(context.Background(), sizes)
	switch {
	case err == nil:
		m.all, m.at, m.usage = nil, 0, m.c.Usage().Loads
		m.safe()
		if n := m.c.Partitions(); n != len(sizes) || m.head().capacity != sizes[0] {
			t.Fatalf("%d partitions", n)
		}
	case m.d.isOff():
		m.versions, m.durable = append(m.versions, nil), 0
	case !errors.Is(err, ErrNoSpace):
		t.Fatalf("format: %v", err)
	}
}

// read reads the next object, some bytes of it at the least.
func (m *model) read(t *rapid.T) {
	n := rapid.SampledFrom([]int64{0, 1, 400, 4096, 1 << 20}).Draw(t, "n")
	l := buffer.New(nil, buffer.Segment{Mem: make([]byte, 3000)}, buffer.Segment{Mem: make([]byte, 30000)})
	off := int64(rapid.IntRange(0, 2000).Draw(t, "off"))
	o, err := m.head().Next(context.Background())
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	var opener Opener
	if o.Sealed {
		if _, err := m.head().Read(context.Background(), l, off, n, nil); !errors.Is(err, ErrKey) {
			t.Fatalf("without a key: %v", err)
		}
		if _, err := m.head().Read(context.Background(), l, off, n, toy(9)); !errors.Is(err, ErrKey) {
			t.Fatalf("with a wrong key: %v", err)
		}
		opener = toy(o.Header[1])
	}
	got, err := m.head().Read(context.Background(), l, off, n, opener)
	switch {
	case m.at == len(m.all):
		if o.Kind != EndOfData || !errors.Is(err, ErrEndOfData) {
			t.Fatalf("at the end: %v, %v", o, err)
		}
	case m.all[m.at].mark:
		if o.Kind != Filemark || !errors.Is(err, ErrFilemark) {
			t.Fatalf("at a filemark: %v, %v", o, err)
		}
		m.at++
	default:
		want := m.all[m.at].data
		if err != nil || got != int64(len(want)) || o.Kind != Block || o.Len != got {
			t.Fatalf("object %d: %v %d of %d, %v", m.at, o, got, len(want), err)
		}
		b := make([]byte, min(n, got))
		if l.Read(off, b); !bytes.Equal(b, want[:len(b)]) {
			t.Fatalf("object %d: other data", m.at)
		}
		m.at++
	}
}

func (m *model) space(t *rapid.T) {
	n := int64(rapid.IntRange(-20, 20).Draw(t, "n"))
	got, err := m.head().Space(context.Background(), n)
	want, wantErr := int64(0), error(nil)
	for want != max(n, -n) {
		if n > 0 && m.at == len(m.all) {
			wantErr = ErrEndOfData
			break
		}
		if n < 0 && m.at == 0 {
			wantErr = ErrBeginning
			break
		}
		i := m.at
		if n < 0 {
			i--
			m.at--
		} else {
			m.at++
		}
		if m.all[i].mark {
			wantErr = ErrFilemark
			break
		}
		want++
	}
	if got != want || !errors.Is(err, wantErr) {
		t.Fatalf("space %d: %d, %v, want %d, %v", n, got, err, want, wantErr)
	}
}

func (m *model) spaceFilemarks(t *rapid.T) {
	n := int64(rapid.IntRange(-5, 5).Draw(t, "n"))
	got, err := m.head().SpaceFilemarks(context.Background(), n)
	want, wantErr := int64(0), error(nil)
	for want != max(n, -n) {
		if n > 0 && m.at == len(m.all) {
			wantErr = ErrEndOfData
			break
		}
		if n < 0 && m.at == 0 {
			wantErr = ErrBeginning
			break
		}
		i := m.at
		if n < 0 {
			i--
			m.at--
		} else {
			m.at++
		}
		if m.all[i].mark {
			want++
		}
	}
	if got != want || !errors.Is(err, wantErr) {
		t.Fatalf("space %d filemarks: %d, %v, want %d, %v", n, got, err, want, wantErr)
	}
}

func (m *model) locate(t *rapid.T) {
	ctx := context.Background()
	switch rapid.IntRange(0, 4).Draw(t, "how") {
	case 0:
		f := uint64(rapid.IntRange(0, int(m.file(len(m.all)))+1).Draw(t, "file"))
		err := m.head().LocateFile(ctx, f)
		m.at = 0
		for m.at < len(m.all) && m.file(m.at) < f {
			m.at++
		}
		if end := m.file(m.at) < f; end != errors.Is(err, ErrEndOfData) || !end && err != nil {
			t.Fatalf("locate file %d: %v", f, err)
		}
	case 1:
		must(t, m.head().LocateEnd(ctx))
		m.at = len(m.all)
	default:
		to := rapid.IntRange(0, len(m.all)+1).Draw(t, "object")
		err := m.head().Locate(ctx, uint64(to))
		if end := to > len(m.all); end != errors.Is(err, ErrEndOfData) || !end && err != nil {
			t.Fatalf("locate %d of %d: %v", to, len(m.all), err)
		}
		m.at = min(to, len(m.all))
	}
}

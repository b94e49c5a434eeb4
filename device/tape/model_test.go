package tape_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// An object of the model: data, or a filemark if it is nil.
type object []byte

// A simple is a tape as a list of objects for each partition, which is all that a drive has to be like.
type simple struct {
	parts     [][]object
	partition int
	at        int
	fixed     int // block length
}

func (m *simple) list() []object { return m.parts[m.partition] }

func (m *simple) file() (n uint64) {
	for _, o := range m.list()[:m.at] {
		if o == nil {
			n++
		}
	}
	return n
}

func (m *simple) put(o object) {
	m.parts[m.partition] = append(m.list()[:m.at:m.at], o)
	m.at++
}

// read is READ: data, and how it ends, without what is asked for.
func (m *simple) read(n int, fixed, sili bool) (data []byte, want scsi.Sense, residual int64) {
	l := m.list()
	if !fixed {
		switch {
		case m.at == len(l):
			return nil, eod(uint64(n)), int64(n)
		case l[m.at] == nil:
			m.at++
			return nil, mark(uint64(n)), int64(n)
		}
		o := l[m.at]
		m.at++
		data = o[:min(n, len(o))]
		residual = int64(n - len(data))
		if len(o) != n && (!sili || len(o) > n && m.fixed != 0) {
			want = ili(int64(n - len(o)))
		}
		return data, want, residual
	}
	total := int64(n * m.fixed)
	for done := range n {
		rest := uint64(n - done)
		switch {
		case m.at == len(l):
			return data, eod(rest), total - int64(len(data))
		case l[m.at] == nil:
			m.at++
			return data, mark(rest), total - int64(len(data))
		}
		o := l[m.at]
		m.at++
		data = append(data, o[:min(m.fixed, len(o))]...)
		if len(o) != m.fixed {
			return data, ili(int64(rest)), total - int64(len(data))
		}
	}
	return data, scsi.Sense{}, 0
}

// space is SPACE.
func (m *simple) space(code uint8, n int) (want scsi.Sense) {
	l := m.list()
	for ; n > 0; n-- {
		for {
			if m.at == len(l) {
				return eod(uint64(n))
			}
			m.at++
			is := l[m.at-1] == nil
			if is == (code == cdb.SpaceFilemarks) {
				break
			}
			if is {
				return mark(uint64(n))
			}
		}
	}
	for ; n < 0; n++ {
		for {
			if m.at == 0 {
				return beginning(uint64(-n))
			}
			m.at--
			is := l[m.at] == nil
			if is == (code == cdb.SpaceFilemarks) {
				break
			}
			if is {
				return mark(uint64(-n))
			}
		}
	}
	return scsi.Sense{}
}

// locateFile is LOCATE by file number.
func (m *simple) locateFile(n int) scsi.Sense {
	m.at = 0
	for m.at < len(m.list()) && n > 0 {
		if m.list()[m.at] == nil {
			n--
		}
		m.at++
	}
	if n > 0 {
		return sense(scsi.KeyBlankCheck, scsi.ASCEndOfData)
	}
	return scsi.Sense{}
}

// The drive is like the model, whatever comes: data, sense, residue, position.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		codec := rapid.SampledFrom([]medium.Codec{medium.Plain, medium.Fast}).Draw(r, "codec")
		b := newBench(t, func(c *tape.Config) { c.Buffer, c.Compression, c.Workers = 200<<10, codec, 3 })
		defer b.close()
		capacity := int64(6 << 20)
		b.load(cartridge(capacity, nil))
		m := &simple{parts: make([][]object, 1)}
		n := 0
		size := rapid.OneOf(rapid.IntRange(1, 3000), rapid.IntRange(1, 200<<10))
		// end checks a command that writes objects, of which not all may fit, and that may be near the end.
		wrote := func(what result, all []object, unit int64, moves bool) {
			if what.Err() == nil || what.Sense == eom(scsi.KeyNoSense, scsi.ASCEndOfPartition, 0) {
				if what.Residual != 0 {
					r.Fatalf("%v, residual %d", what.Sense, what.Residual)
				}
				for _, o := range all {
					m.put(o)
				}
				return
			}
			rest := what.Sense.Info
			if what.Sense != eom(scsi.KeyVolumeOverflow, scsi.ASCEndOfPartition, rest) {
				r.Fatalf("%v", what.Sense)
			}
			if moves && what.Residual != int64(rest)*unit {
				r.Fatalf("%v, residual %d", what.Sense, what.Residual)
			}
			objects := int(rest)
			if moves && unit == 1 {
				objects = 1
			}
			for _, o := range all[:len(all)-objects] {
				m.put(o)
			}
		}
		same := func(name string, c []byte, want scsi.Sense, residual int64, in int) []byte {
			x := b.do(c, nil, in)
			if want.IsZero() != (x.Err() == nil) || x.Sense != want || x.Residual != residual {
				r.Fatalf("%s: %v, residual %d; want %v, residual %d", name, x.Sense, x.Residual, want, residual)
			}
			return x.data
		}
		r.Repeat(map[string]func(*rapid.T){
			"write": func(r *rapid.T) {
				n++
				o := block(n, size.Draw(r, "size"))
				wrote(b.do(writeCDB(len(o)), o, 0), []object{o}, 1, true)
			},
			"writes": func(r *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(r, "blocks") {
					n++
					o := block(n, 30<<10)
					wrote(b.do(writeCDB(len(o)), o, 0), []object{o}, 1, true)
				}
			},
			"write fixed": func(r *rapid.T) {
				if m.fixed == 0 {
					return
				}
				n++
				count := rapid.IntRange(1, 40).Draw(r, "count")
				data := block(n, count*m.fixed)
				var all []object
				for i := range count {
					all = append(all, data[i*m.fixed:(i+1)*m.fixed])
				}
				wrote(b.do(writeFixed(count), data, 0), all, int64(m.fixed), true)
			},
			"filemarks": func(r *rapid.T) {
				count := rapid.IntRange(0, 3).Draw(r, "count")
				c := marks(count)
				if rapid.Bool().Draw(r, "immediate") && b.buffered {
					c = marksImmed(count)
				}
				wrote(b.do(c, nil, 0), make([]object, count), 1, false)
			},
			"read": func(r *rapid.T) {
				ask := size.Draw(r, "ask")
				if m.at < len(m.list()) && rapid.Bool().Draw(r, "right") {
					ask = max(len(m.list()[m.at]), 1)
				}
				sili := rapid.Bool().Draw(r, "SILI")
				c := readCDB(ask)
				if sili {
					c = readSILI(ask)
				}
				data, want, residual := m.read(ask, false, sili)
				if got := same("READ", c, want, residual, ask); !bytes.Equal(got, data) {
					r.Fatalf("%d bytes, want %d", len(got), len(data))
				}
			},
			"reads": func(r *rapid.T) {
				for range rapid.IntRange(3, 30).Draw(r, "blocks") {
					data, want, residual := m.read(200<<10, false, true)
					if got := same("READ", readSILI(200<<10), want, residual, 200<<10); !bytes.Equal(got, data) {
						r.Fatalf("%d bytes, want %d", len(got), len(data))
					}
				}
			},
			"read fixed": func(r *rapid.T) {
				if m.fixed == 0 {
					return
				}
				count := rapid.IntRange(1, 300).Draw(r, "count")
				data, want, residual := m.read(count, true, false)
				if got := same("READ", readFixed(count), want, residual, count*m.fixed); !bytes.Equal(got, data) {
					r.Fatalf("%d bytes, want %d", len(got), len(data))
				}
			},
			"block length": func(r *rapid.T) {
				m.fixed = rapid.SampledFrom([]int{0, 512, 1000, 10000}).Draw(r, "length")
				b.d.SetBlockLength(uint32(m.fixed))
			},
			"buffered": func(r *rapid.T) {
				b.buffered = rapid.Bool().Draw(r, "buffered")
				b.d.Set(func(s *tape.Setting) {
					if s.Buffered = 0; b.buffered {
						s.Buffered = 1
					}
				})
			},
			"space": func(r *rapid.T) {
				code, by := rapid.Uint8Range(0, 1).Draw(r, "code"), rapid.IntRange(-6, 6).Draw(r, "by")
				want := m.space(code, by)
				same("SPACE", space(code, int64(by)), want, 0, 0)
			},
			"end": func(*rapid.T) {
				m.at = len(m.list())
				same("SPACE", space(cdb.SpaceEndOfData, 0), scsi.Sense{}, 0, 0)
			},
			"rewind": func(*rapid.T) {
				m.at = 0
				same("REWIND", rewind(), scsi.Sense{}, 0, 0)
			},
			"locate": func(r *rapid.T) {
				p := rapid.IntRange(0, len(m.parts)-1).Draw(r, "partition")
				m.partition = p
				to := rapid.IntRange(0, len(m.list())+1).Draw(r, "to")
				want := scsi.Sense{}
				if m.at = to; to > len(m.list()) {
					m.at, want = len(m.list()), sense(scsi.KeyBlankCheck, scsi.ASCEndOfData)
				}
				same("LOCATE", locateIn(uint8(p), uint64(to)), want, 0, 0)
			},
			"locate file": func(r *rapid.T) {
				to := rapid.IntRange(0, 8).Draw(r, "to")
				want := m.locateFile(to)
				same("LOCATE", cdb.Locate{Opcode: scsi.OpLocate16, Type: cdb.LocateFile, Identifier: uint64(to)}.Append(nil), want, 0, 0)
			},
			"erase": func(r *rapid.T) {
				m.parts[m.partition] = m.list()[:m.at:m.at]
				same("ERASE", cdb.Erase{Long: rapid.Bool().Draw(r, "long")}.Append(nil), scsi.Sense{}, 0, 0)
			},
			"flush": func(*rapid.T) { b.do(marks(0), nil, 0) },
			"load": func(r *rapid.T) {
				m.at, m.partition = 0, 0
				if !rapid.Bool().Draw(r, "robot") {
					same("LOAD", cdb.LoadUnload{Load: true}.Append(nil), scsi.Sense{}, 0, 0)
					return
				}
				x, err := b.d.Unload(context.Background(), false)
				if err == nil {
					err = x.Close()
				}
				if err != nil {
					r.Fatal(err)
				}
				if x, err = medium.Reopen(x, medium.Options{}); err != nil {
					r.Fatal(err)
				}
				if n := x.Recovered(); len(n) != 0 {
					r.Fatalf("%+v", n)
				}
				b.load(x)
			},
			"format": func(r *rapid.T) {
				if len(m.list()) < 20 {
					return
				}
				parts := rapid.IntRange(1, 3).Draw(r, "partitions")
				b.d.Set(func(s *tape.Setting) { s.Plan = tape.Plan{Additional: parts - 1} })
				if parts > 1 {
					b.d.Set(func(s *tape.Setting) { s.Plan.Sizes = []int64{-1, 2 << 20, 1 << 20}[:parts] })
				}
				m.parts, m.partition, m.at = make([][]object, parts), 0, 0
				same("LOCATE", locateIn(0, 0), scsi.Sense{}, 0, 0)
				same("FORMAT MEDIUM", cdb.FormatMedium{Format: 1}.Append(nil), scsi.Sense{}, 0, 0)
			},
			"": func(r *rapid.T) {
				p, object, file, _ := b.position()
				if p != m.partition || object != uint64(m.at) || file != m.file() {
					r.Fatalf("at %d/%d/%d, want %d/%d/%d", p, object, file, m.partition, m.at, m.file())
				}
			},
		})
		// All that is there is what is there.
		for p := range m.parts {
			m.partition, m.at = p, 0
			same("LOCATE", locateIn(uint8(p), 0), scsi.Sense{}, 0, 0)
			for range len(m.list()) + 1 {
				data, want, residual := m.read(256<<10, false, true)
				if got := same(fmt.Sprintf("READ of object %d", m.at), readSILI(256<<10), want, residual, 256<<10); !bytes.Equal(got, data) {
					r.Fatalf("%d bytes, want %d", len(got), len(data))
				}
			}
		}
	})
}

package medium

import (
	"errors"
	"fmt"
	"io/fs"
)

// Info is what a cartridge has, for people.
type Info struct {
	Label      Label
	Usage      Usage
	Partitions []PartitionInfo
}

// PartitionInfo is what a partition has.
type PartitionInfo struct {
	Attributes []Attribute
	Capacity   int64  // as Room counts
	Used       int64  // Room.Data
	Objects    uint64 // blocks and filemarks
	Files      uint64 // filemarks
	Blocks     int64  // bytes of blocks, as they were written
	Stored     int64  // bytes of the files
}

// Inspect reads what a cartridge has. It may be in use: then what was written last may be missing.
func Inspect(dir string) (Info, error) {
	for tries := 0; ; tries++ {
		i, err := inspectIn(directory(dir), defaults())
		if err == nil || tries == 5 || !errors.Is(err, fs.ErrNotExist) {
			return i, err
		} // it may be that it was formatted just now
	}
}

func inspectIn(d folder, cfg config) (i Info, err error) {
	c := &Cartridge{d: d, cfg: cfg, readOnly: true, quick: true}
	if c.label, err = readLabel(d); err != nil {
		return i, err
	}
	if c.state, err = readState(d); err != nil {
		return i, err
	}
	if err = c.openHeads(); err != nil {
		return i, err
	}
	defer c.Close()
	i = Info{Label: c.label, Usage: c.state.Usage}
	for n, h := range c.heads {
		p := PartitionInfo{Attributes: c.state.Partitions[n].Attributes, Capacity: h.capacity, Used: h.end.used,
			Objects: h.end.object, Files: h.end.file, Blocks: h.end.bytes}
		if _, p.Stored, err = h.log.behind(h.end.offset); err != nil {
			return i, err
		}
		for _, f := range []file{h.header, h.index.f, h.marks.f} {
			if f != nil {
				n, err := f.size()
				if err != nil {
					return i, err
				}
				p.Stored += n
			}
		}
		i.Partitions = append(i.Partitions, p)
	}
	return i, nil
}

// maxDamages are in a Report at the most.
const maxDamages = 1000

// A Report is what Verify or Reindex has found.
type Report struct {
	Objects uint64 // that there are
	Bytes   int64  // that were read
	Damaged []Damage
	More    int // damages that are not in Damaged, which has 1000 at most
}

// A Damage is a place that cannot be read.
type Damage struct {
	Partition int
	Object    uint64 // the first
	Count     uint64 // how many; 0: the index alone, which can be made again
	What      string
}

func (d Damage) String() string {
	switch d.Count {
	case 0:
		return fmt.Sprintf("partition %d: %s", d.Partition, d.What)
	case 1:
		return fmt.Sprintf("partition %d, object %d: %s", d.Partition, d.Object, d.What)
	}
	return fmt.Sprintf("partition %d, objects %d to %d: %s", d.Partition, d.Object, d.Object+d.Count-1, d.What)
}

// add adds a damage. One that goes on is one.
func (r *Report) add(d Damage) {
	if i := len(r.Damaged) - 1; i >= 0 {
		if l := &r.Damaged[i]; d.Count > 0 && l.Count > 0 && l.Partition == d.Partition && l.What == d.What && l.Object+l.Count == d.Object {
			l.Count += d.Count
			return
		}
	}
	if len(r.Damaged) >= maxDamages {
		r.More++
		return
	}
	r.Damaged = append(r.Damaged, d)
}

// Usable reports whether nothing is damaged.
func (r *Report) Whole() bool { return len(r.Damaged) == 0 }

// checkWalk follows a table while the frames pass that it is of.
type checkWalk struct {
	t     *table
	name  string
	i     int64
	wrong int64
}

// passes takes a frame. every: each of them has an entry.
func (w *checkWalk) passes(f *frame, every bool) {
	for w.i < w.t.len() {
		e, ok := w.t.entry(w.i)
		switch {
		case !ok, e.offset < f.at.offset:
			w.wrong++
			w.i++
			continue
		case e.offset > f.at.offset:
			if every {
				w.wrong++
			}
			return
		}
		if w.i++; e.position != f.at || every && uint64(e.count) < f.count {
			w.wrong++
		}
		return
	}
	if every {
		w.wrong++
	}
}

func (w *checkWalk) report(r *Report, partition int) {
	if w.wrong += w.t.len() - w.i; w.wrong > 0 {
		r.add(Damage{Partition: partition, What: fmt.Sprintf("%d entries of the %s are wrong", w.wrong, w.name)})
	}
}

package tape

import "github.com/lunette-io/lunette/scsi/page"

// What page 11h says of every drive: that it finds formats and partitions of media itself, and that FORMAT MEDIUM partitions.
const formatAndPartition = 3

// partitionPage is page 11h: what partitions the medium has, and after MODE SELECT those that FORMAT MEDIUM will make.
func (d *Drive) partitionPage() modePage {
	most := max(d.cfg.Model.Partitions, 1) - 1
	bits := map[int]byte{}
	if most > 0 {
		bits[4], bits[6] = 0xf8, 0x0f // FDP, SDP, IDP, PSUM; PARTITION UNITS
		bits[3] = 1
		for int(bits[3]) < most {
			bits[3] = bits[3]<<1 | 1
		}
		for i := range 2 * (most + 1) {
			bits[8+i] = 0xff
		}
	}
	length := 8 + 2*(most+1)
	p := modePage{
		now:        func(_ *setting, v view) []byte { return d.partitioning(v).Append(nil) },
		changeable: mask(length, bits),
		follow: func(shown []byte, _ *setting, v view) {
			if !d.pages.planned.Load() {
				copy(shown, d.partitioning(v).Append(nil))
			}
		},
		check: func(next []byte) (at, bit int) {
			m, ok := page.ParsePartitioning(next)
			switch {
			case !ok:
				return 1, -1
			case int(m.Additional) > most:
				return 3, -1
			}
			rests := 0
			for i, size := range m.Sizes[:int(m.Additional)+1] {
				if size == page.Rest {
					if rests++; rests > 1 {
						return 8 + 2*i, -1
					}
				}
			}
			return 0, 0
		},
		// A page may leave out the sizes of partitions that it does not define.
		complete: func(sent []byte) []byte {
			m, ok := page.ParsePartitioning(sent)
			if !ok || len(m.Sizes) > most+1 || len(m.Sizes) < int(m.Additional)+1 {
				return nil
			}
			m.Sizes = append(m.Sizes, make([]uint16, most+1-len(m.Sizes))...)
			all := m.Append(nil)
			all[0] = sent[0]
			return all
		},
	}
	if most > 0 {
		p.set = func(s *setting, next []byte) {
			if m, ok := page.ParsePartitioning(next); ok {
				d.pages.planned.Store(true)
				s.Plan = planFrom(m)
			}
		}
	}
	return p
}

// planFrom is what FORMAT MEDIUM makes of the page.
func planFrom(m page.Partitioning) plan {
	p := plan{Fixed: m.Fixed, Select: m.Select && !m.Fixed, Initiator: m.Initiator && !m.Fixed && !m.Select, Additional: int(m.Additional)}
	if p.Initiator {
		for _, size := range m.Sizes[:min(p.Additional+1, len(m.Sizes))] {
			p.Sizes = append(p.Sizes, m.Bytes(size))
		}
	}
	return p
}

// planOf is what FORMAT MEDIUM makes if nobody asks for something else: the partitions that there are.
func (d *Drive) planOf(v view) plan { return planFrom(d.partitioning(v)) }

// gigabytes are what sizes of partitions are told in; a medium of less than so many is told in smaller units.
const (
	gigabytes  = 9
	leastOfThe = 100e9
)

// partitioning is the page of a medium as it is.
func (d *Drive) partitioning(v view) page.Partitioning {
	most := max(d.cfg.Model.Partitions, 1) - 1
	m := page.Partitioning{
		Most: uint8(most), Initiator: true, Unit: page.PartitionExponent, OnFormat: true, Recognition: formatAndPartition, Exponent: gigabytes,
		Sizes: make([]uint16, most+1),
	}
	var total int64
	for _, r := range v.rooms {
		total += r.Capacity
	}
	if total == 0 {
		return m
	}
	unit := int64(1e9)
	if total < leastOfThe {
		for unit, m.Exponent = 1, 0; total/unit >= page.Rest; unit *= 10 {
			m.Exponent++
		}
	}
	for i, r := range v.rooms[:min(len(v.rooms), most+1)] {
		m.Sizes[i] = uint16(min(r.Capacity/unit, page.Rest-1))
		m.Additional = uint8(i)
	}
	return m
}

package fcp

import "bytes"

// placed is which bytes of a buffer have come: all up to contig, and some spans behind that, in order, which do not touch each other.
type placed struct {
	contig int64
	spans  []span
	twice  int64 // bytes that came once more
	differ bool  // ... and were others
}

type span struct{ from, to int64 }

func (p *placed) reset() { p.contig, p.spans, p.twice, p.differ = 0, p.spans[:0], 0, false }

// total is how many bytes have come.
func (p *placed) total() int64 {
	n := p.contig
	for _, s := range p.spans {
		n += s.to - s.from
	}
	return n
}

// end is behind the last byte that has come.
func (p *placed) end() int64 {
	if len(p.spans) > 0 {
		return p.spans[len(p.spans)-1].to
	}
	return p.contig
}

// put places b at off of dst, where it fits. What has come already stays as it is, and is compared.
func (p *placed) put(dst, b []byte, off int64) {
	if off == p.contig && len(p.spans) == 0 {
		p.contig += int64(copy(dst[off:], b))
		return
	}
	end := off + int64(len(b))
	p.old(dst, b, off, 0, p.contig)
	from := max(off, p.contig)
	for _, s := range p.spans {
		if from >= end {
			break
		}
		if from < s.from {
			n := min(end, s.from)
			copy(dst[from:n], b[from-off:])
		}
		p.old(dst, b, off, s.from, s.to)
		from = max(from, s.to)
	}
	if from < end {
		copy(dst[from:end], b[from-off:])
	}
	p.add(span{max(off, p.contig), end})
}

// old compares the part of b that has come already, from from to to.
func (p *placed) old(dst, b []byte, off, from, to int64) {
	from, to = max(from, off), min(to, off+int64(len(b)))
	if from >= to {
		return
	}
	p.twice += to - from
	if !bytes.Equal(dst[from:to], b[from-off:to-off]) {
		p.differ = true
	}
}

// add notes that n has come.
func (p *placed) add(n span) {
	if n.from >= n.to {
		return
	}
	at := 0
	for at < len(p.spans) && p.spans[at].to < n.from {
		at++
	}
	last := at
	for last < len(p.spans) && p.spans[last].from <= n.to {
		n.from, n.to = min(n.from, p.spans[last].from), max(n.to, p.spans[last].to)
		last++
	}
	if last == at {
		p.spans = append(p.spans, span{})
		copy(p.spans[at+1:], p.spans[at:])
	} else {
		p.spans = append(p.spans[:at+1], p.spans[last:]...)
	}
	p.spans[at] = n
	if p.spans[0].from <= p.contig {
		p.contig = max(p.contig, p.spans[0].to)
		p.spans = append(p.spans[:0], p.spans[1:]...)
	}
}

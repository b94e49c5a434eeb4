package archive

import (
	"context"
	"errors"
	"io"
)

// A Scan is what is on a tape.
type Scan struct {
	About      About           `json:"about"`
	Partitions []ScanPartition `json:"partitions"`
	Losses     uint64          `json:"losses"`
	Lost       []ScanLoss      `json:"lost"`
}

// A ScanPartition is what is in a partition.
type ScanPartition struct {
	Objects uint64     `json:"objects"` // blocks and filemarks
	Bytes   uint64     `json:"bytes"`
	Files   []ScanFile `json:"files"`
	More    uint64     `json:"more"` // files that are not listed: there are MaxScanFiles at most
}

// A ScanFile is a file of a partition.
type ScanFile struct {
	File     uint64 `json:"file"`
	Object   uint64 `json:"object"` // its first
	Blocks   uint64 `json:"blocks"`
	Bytes    uint64 `json:"bytes"`
	Sealed   uint64 `json:"sealed"` // blocks that are encrypted
	Runs     []Run  `json:"runs"`
	More     uint64 `json:"more"`     // runs that are not listed: there are MaxRuns at most
	Filemark bool   `json:"filemark"` // one ends it
}

// A Run is some blocks of one length, one after the other.
type Run struct {
	Length int64  `json:"length"`
	Count  uint64 `json:"count"`
}

// A ScanLoss is something that cannot be read.
type ScanLoss struct {
	Partition int    `json:"partition"`
	Object    uint64 `json:"object"`
	Count     uint64 `json:"count"`
	What      string `json:"what"`
}

// Limits of what a Scan lists.
const (
	MaxScanFiles = 10000
	MaxRuns      = 16
)

// ScanTape reads all of a tape and says what is on it.
func ScanTape(ctx context.Context, from Source) (Scan, error) {
	s := Scan{About: from.About(), Lost: []ScanLoss{}}
	for n := range s.About.Partitions {
		r, err := from.Reader(ctx, n)
		if err != nil {
			return s, err
		}
		p := scanner{scan: &s}
		p.Files = []ScanFile{}
		if err := p.read(ctx, r); err != nil {
			return s, err
		}
		p.end(false)
		s.Partitions = append(s.Partitions, p.ScanPartition)
	}
	return s, nil
}

// A scanner looks at a partition.
type scanner struct {
	ScanPartition
	scan  *Scan
	file  ScanFile
	count uint64 // of files
}

func (p *scanner) read(ctx context.Context, r Reader) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x, err := r.Next(ctx)
		var lost *LostError
		switch {
		case errors.As(err, &lost):
			if p.scan.Losses++; len(p.scan.Lost) < MaxLost {
				p.scan.Lost = append(p.scan.Lost, ScanLoss{lost.Partition, lost.Object, lost.Count, lost.Err.Error()})
			}
			if p.Objects += lost.Count; lost.Count == 0 {
				return nil
			}
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case x.Filemark:
			p.Objects++
			p.end(true)
		default:
			p.block(x)
		}
	}
}

func (p *scanner) block(x Object) {
	p.Objects++
	p.file.Blocks++
	if x.Sealed {
		p.file.Sealed++
	}
	n := x.Length()
	if n == 0 {
		return
	}
	p.file.Bytes += uint64(n)
	p.Bytes += uint64(n)
	runs := p.file.Runs
	switch last := len(runs) - 1; {
	case last >= 0 && p.file.More == 0 && runs[last].Length == n:
		runs[last].Count++
	case len(runs) < MaxRuns:
		p.file.Runs = append(runs, Run{n, 1})
	default:
		p.file.More++
	}
}

// end ends a file.
func (p *scanner) end(filemark bool) {
	if !filemark && p.file.Blocks == 0 {
		return // nothing is behind the last filemark
	}
	p.file.Filemark, p.file.File = filemark, p.count
	if p.file.Runs == nil {
		p.file.Runs = []Run{}
	}
	if len(p.Files) < MaxScanFiles {
		p.Files = append(p.Files, p.file)
	} else {
		p.More++
	}
	p.count++
	p.file = ScanFile{Object: p.Objects}
}

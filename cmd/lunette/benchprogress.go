package main

import (
	"fmt"
	"io"
	"time"

	"github.com/lunette-io/lunette/bench"
)

// A progress is a line that says each second what happens.
type progress struct {
	w        io.Writer // nil: it is not wanted
	terminal bool      // the line is written over
	shown    bool
}

func newProgress(w io.Writer, when string) *progress {
	p := &progress{w: w, terminal: isTerminal(w)}
	if when == "never" || when == "auto" && !p.terminal {
		p.w = nil
	}
	return p
}

func (p *progress) callback() func(bench.Progress) {
	if p.w == nil {
		return nil
	}
	return p.show
}

// The codes of ECMA-48 that begin a line again, and end the line with what is written.
const (
	again = "\r"
	erase = "\x1b[K"
)

func (p *progress) show(x bench.Progress) {
	text := fmt.Sprintf("%4.0fs  %8.0f IOPS  %8.1f MB/s  p50 %v  p99 %v", x.Elapsed.Seconds(), x.IOPS, x.MBps,
		x.P50.Round(100*time.Nanosecond), x.P99.Round(100*time.Nanosecond))
	if x.Errors > 0 {
		text += fmt.Sprintf("  %d ERRORS", x.Errors)
	}
	if x.Phase != "" {
		text += "  " + x.Phase
	}
	if p.terminal {
		text = again + text + erase
	} else {
		text += "\n"
	}
	p.shown = true
	_, _ = io.WriteString(p.w, text)
}

// end leaves the line empty.
func (p *progress) end() {
	if p.terminal && p.shown {
		_, _ = io.WriteString(p.w, again+erase)
	}
}

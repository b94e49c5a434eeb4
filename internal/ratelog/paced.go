package ratelog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A Paced log tells of the first few events in each window of time, and with the first of the next
// window how many it has held back. It needs nobody to flush it in between. The zero value is ready.
type Paced struct {
	mu    sync.Mutex
	now   func() time.Time // time.Now; tests have another
	begin time.Time        // of the window
	told  int              // in it
	held  int              // back since one was told
}

// What a Paced log tells.
const (
	PacedWindow = 10 * time.Second
	PacedEvents = 5 // in a window
)

// Warn tells of an event, unless enough were told by now.
func (p *Paced) Warn(log *slog.Logger, msg string, args ...any) {
	p.tell(log, slog.LevelWarn, msg, args)
}

// Info is Warn for what is as it should be.
func (p *Paced) Info(log *slog.Logger, msg string, args ...any) {
	p.tell(log, slog.LevelInfo, msg, args)
}

func (p *Paced) tell(log *slog.Logger, level slog.Level, msg string, args []any) {
	p.mu.Lock()
	now := time.Now()
	if p.now != nil {
		now = p.now()
	}
	if now.Sub(p.begin) >= PacedWindow {
		p.begin, p.told = now, 0
	}
	if p.told == PacedEvents {
		p.held++
		p.mu.Unlock()
		return
	}
	held := p.held
	p.told, p.held = p.told+1, 0
	p.mu.Unlock()
	if held > 0 {
		args = append(args[:len(args):len(args)], "more", held)
	}
	log.Log(context.Background(), level, msg, args...)
}

// Flush tells how many events were held back and not told of yet: at the end.
func (p *Paced) Flush(log *slog.Logger, msg string) {
	p.mu.Lock()
	held := p.held
	p.held = 0
	p.mu.Unlock()
	if held > 0 {
		log.Warn(msg, "more", held)
	}
}

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// endure lets the daemon outlive its terminal: from here on SIGHUP, which a terminal sends when it is
// closed and people send to have documents read again, ends nothing: it reloads, by the function that
// comes from reload once the daemon serves; and a write to a standard output or error that nobody reads
// is an error of that write. What it returns makes both as they were.
func endure(log *slog.Logger, reload <-chan func(context.Context, string) error) (undo func()) {
	signal.Ignore(syscall.SIGPIPE)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		var now func(context.Context, string) error
		for {
			select {
			case now = <-reload:
			case <-hangups:
				hangUp(ctx, log, now)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		stop()
		<-done
		signal.Reset(syscall.SIGPIPE)
	}
}

// hangUp is what SIGHUP does; reload is nil until the daemon serves.
func hangUp(ctx context.Context, log *slog.Logger, reload func(context.Context, string) error) {
	if reload == nil {
		log.Warn("SIGHUP: nothing is served yet, and nothing is changed")
		return
	}
	if err := reload(ctx, "SIGHUP"); err != nil {
		log.Error("SIGHUP: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

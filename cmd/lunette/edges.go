package main

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// endure lets the daemon outlive its terminal: from here on SIGHUP, which a terminal sends when it is
// closed and people send to have documents read again, changes nothing and is told in the log; and a
// write to a standard output or error that nobody reads is an error of that write. What it returns
// makes both as they were.
func endure(log *slog.Logger) (undo func()) {
	signal.Ignore(syscall.SIGPIPE)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-hangups:
				log.Warn("SIGHUP: nothing is changed, since documents are read at the start alone; SIGTERM ends the daemon in good order")
			case <-stop:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(stop)
		<-done
		signal.Reset(syscall.SIGPIPE)
	}
}

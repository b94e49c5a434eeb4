// Package server serves the API of a daemon on a Unix socket: what runs, the document and its changes, events, and
// profiles.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
)

// Config is what a server serves. Without an Agent, an Operator or a Schema the routes that want one answer that there
// is none.
type Config struct {
	Source   Source
	Agent    Agent
	History  History // goes with Agent
	Operator Operator
	// Schema is the JSON Schema of documents.
	Schema func() ([]byte, error)
	// Reload completes the request of a reload, such as with the text of the daemon's file; nil: there is nothing.
	Reload func(apply.Request) (apply.Request, error)
	Log    *slog.Logger // nil: none

	times times // zero: as usual
}

// times bound how long parts of an exchange may take.
type times struct {
	read  time.Duration // a request, with its body
	write time.Duration // an answer, from the end of the request's header; changes and events have their own ends
	beat  time.Duration // between two signs of life in a stream of events
}

// usual are the times of a daemon.
func usual() times {
	return times{read: 10 * time.Second, write: 10 * time.Second, beat: 15 * time.Second}
}

// A Server is the API on its socket.
type Server struct {
	socket *Socket
	http   *http.Server
	done   chan struct{}
	stop   context.CancelFunc // ends streams
}

// Serve answers requests on the socket, which it takes, until Close.
func Serve(socket *Socket, c Config) *Server {
	if c.times == (times{}) {
		c.times = usual()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	v := &Server{socket: socket, done: make(chan struct{}), stop: stop, http: bounded(ctx, c)}
	go func() {
		defer close(v.done)
		if err := v.http.Serve(socket.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			c.Log.Error("the API has stopped", "error", err)
		}
	}()
	return v
}

// bounded is a server whose connections have bounds in time and size. Its streams end with ctx.
func bounded(ctx context.Context, c Config) *http.Server {
	return &http.Server{
		Handler:           newService(ctx, c),
		ConnContext:       withPeer,
		ReadHeaderTimeout: min(5*time.Second, c.times.read),
		ReadTimeout:       c.times.read,
		WriteTimeout:      c.times.write,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
}

// Path is where the socket is.
func (v *Server) Path() string { return v.socket.Path() }

// Close stops the server and removes the socket. Requests that are being answered get a
// second to end.
func (v *Server) Close() error {
	v.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := v.http.Shutdown(ctx)
	if err != nil {
		err = v.http.Close()
	}
	<-v.done
	return errors.Join(err, v.socket.Close())
}

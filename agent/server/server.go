// Package server serves the API of a daemon on a Unix socket: what runs, the document and its changes, events, and
// profiles.
package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/lunette-io/lunette/agent/api"
)

// Handler answers the requests of the API from s.
func Handler(s Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/version", answer(s.Version))
	mux.HandleFunc("GET /v1/targets", answer(s.Targets))
	mux.HandleFunc("GET /v1/units", answer(s.Units))
	mux.HandleFunc("GET /v1/sessions", answer(s.Sessions))
	mux.HandleFunc("GET /v1/targets/{name...}", one("target", s.Targets, func(t api.Target) string { return t.Name }))
	mux.HandleFunc("GET /v1/units/{name...}", one("unit", s.Units, func(u api.Unit) string { return u.Name }))
	mux.Handle("GET /v1/profile/{kind}", &profiler{})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusNotFound
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			status = http.StatusMethodNotAllowed
			w.Header().Set("Allow", "GET, HEAD")
		}
		send(w, status, api.Error{Error: fmt.Sprintf("there is no %s %s: there is GET /v1/version, /v1/targets, /v1/units, /v1/sessions, /v1/targets/NAME, /v1/units/NAME and /v1/profile/KIND", r.Method, r.URL.Path)})
	})
	return mux
}

func answer[T any](get func() T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { send(w, http.StatusOK, get()) }
}

// one answers with the element whose name the request has.
func one[T any](what string, get func() []T, name func(T) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, v := range get() {
			if name(v) == r.PathValue("name") {
				send(w, http.StatusOK, v)
				return
			}
		}
		send(w, http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no %s %q", what, r.PathValue("name"))})
	}
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // a client that is gone needs no answer
}

// A Server is the API on its socket.
type Server struct {
	socket *Socket
	http   http.Server
	done   chan struct{}
}

// Serve answers requests on the socket, which it takes, until Close.
func Serve(socket *Socket, s Source, log *slog.Logger) *Server {
	v := &Server{socket: socket, done: make(chan struct{}), http: http.Server{
		Handler:           Handler(s),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	go func() {
		defer close(v.done)
		if err := v.http.Serve(socket.listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			log.Error("the API has stopped", "error", err)
		}
	}()
	return v
}

// Path is where the socket is.
func (v *Server) Path() string { return v.socket.Path() }

// Close stops the server and removes the socket. Requests that are being answered get a
// second to end.
func (v *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := v.http.Shutdown(ctx)
	if err != nil {
		err = v.http.Close()
	}
	<-v.done
	return errors.Join(err, v.socket.Close())
}

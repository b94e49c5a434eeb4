package server

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"

	"github.com/lunette-io/lunette/agent/api"
)

// defaultProfile is how long one watches if nothing is said.
const defaultProfile = 10 * time.Second

// Every blocking call and every wait for a mutex is in a profile of those: they are on only
// while one is taken.
const (
	allBlocking = 1
	allMutexes  = 1
)

// profile answers with a profile of this process, in the format of pprof, or a trace in that of Go's tracer. One is
// taken at a time: they would spoil each other.
func (s *service) profile(w http.ResponseWriter, r *http.Request) {
	kind := r.PathValue("kind")
	d, err := profileTime(r.URL.Query().Get("time"))
	if err != nil {
		send(w, http.StatusBadRequest, api.Error{Error: err.Error()})
		return
	}
	take := takers()[kind]
	if take == nil {
		send(w, http.StatusNotFound, api.Error{Error: fmt.Sprintf("there is no profile %q: there is %s", kind, strings.Join(api.ProfileKinds(), ", "))})
		return
	}
	if !s.profiling.TryLock() {
		send(w, http.StatusConflict, api.Error{Error: "another profile is being taken: wait until it has ended"})
		return
	}
	defer s.profiling.Unlock()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d + 30*time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		send(w, http.StatusInternalServerError, api.Error{Error: err.Error()})
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := take(w, func() { pause(r, d) }); err != nil {
		// The status went with the first byte, if there was one: the end of the answer is
		// missing then, which the client sees.
		send(w, http.StatusInternalServerError, api.Error{Error: err.Error()})
	}
}

func profileTime(text string) (time.Duration, error) {
	if text == "" {
		return defaultProfile, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > api.MaxProfile {
		return 0, fmt.Errorf("time=%s: a time up to %v is wanted, such as 10s", strconv.Quote(text), api.MaxProfile)
	}
	return d, nil
}

// pause waits, or until the client has gone.
func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

// A taker writes a profile; wait waits for the time that it is to watch.
type taker func(w http.ResponseWriter, wait func()) error

func takers() map[string]taker {
	return map[string]taker{
		"cpu": func(w http.ResponseWriter, wait func()) error {
			if err := pprof.StartCPUProfile(w); err != nil {
				return err
			}
			wait()
			pprof.StopCPUProfile()
			return nil
		},
		"trace": func(w http.ResponseWriter, wait func()) error {
			if err := trace.Start(w); err != nil {
				return err
			}
			wait()
			trace.Stop()
			return nil
		},
		"heap": func(w http.ResponseWriter, _ func()) error {
			runtime.GC() // what is in use is known after a collection only
			return pprof.Lookup("heap").WriteTo(w, 0)
		},
		"goroutine": func(w http.ResponseWriter, _ func()) error { return pprof.Lookup("goroutine").WriteTo(w, 0) },
		"mutex": func(w http.ResponseWriter, wait func()) error {
			before := runtime.SetMutexProfileFraction(allMutexes)
			wait()
			runtime.SetMutexProfileFraction(before)
			return pprof.Lookup("mutex").WriteTo(w, 0)
		},
		"block": func(w http.ResponseWriter, wait func()) error {
			runtime.SetBlockProfileRate(allBlocking)
			wait()
			runtime.SetBlockProfileRate(0)
			return pprof.Lookup("block").WriteTo(w, 0)
		},
	}
}

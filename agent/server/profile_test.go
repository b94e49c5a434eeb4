package server

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/agent/api"
)

// A profile is protobuf in gzip, a trace begins with its version.
func TestProfiles(t *testing.T) {
	h := Handler(Config{Source: nothing{}})
	for _, kind := range api.ProfileKinds() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/profile/"+kind+"?time=20ms", nil))
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
			continue
		}
		if kind == "trace" {
			if !strings.HasPrefix(w.Body.String(), "go 1.") {
				t.Errorf("the trace begins with %q", w.Body.String()[:min(16, w.Body.Len())])
			}
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if text, err := io.ReadAll(z); err != nil || len(text) == 0 {
			t.Errorf("%s: %d bytes, %v", kind, len(text), err)
		}
	}
	if len(takers()) != len(api.ProfileKinds()) {
		t.Error("a profile that is not in the list")
	}
}

func TestProfileRefuses(t *testing.T) {
	h := Handler(Config{Source: nothing{}})
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/v1/profile/disk":            {http.StatusNotFound, `there is no profile \"disk\": there is cpu, heap`},
		"/v1/profile/cpu?time=x":      {http.StatusBadRequest, "a time up to 5m0s is wanted"},
		"/v1/profile/cpu?time=-1s":    {http.StatusBadRequest, "a time up to"},
		"/v1/profile/cpu?time=10h":    {http.StatusBadRequest, "a time up to"},
		"/v1/profile/heap?time=5m1ns": {http.StatusBadRequest, "a time up to"},
		"/v1/profile/":                {http.StatusNotFound, "there is no GET"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %s, want %d %s", path, w.Code, w.Body, want.status, want.text)
		}
	}
}

// A second profile would spoil the first.
func TestProfilesOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(Config{Source: nothing{}})
		first := httptest.NewRecorder()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			h.ServeHTTP(first, httptest.NewRequest("GET", "/v1/profile/block?time=10s", nil))
		}()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		second := httptest.NewRecorder()
		h.ServeHTTP(second, httptest.NewRequest("GET", "/v1/profile/heap", nil))
		if second.Code != http.StatusConflict || !strings.Contains(second.Body.String(), "another profile") {
			t.Errorf("%d %s", second.Code, second.Body)
		}
		<-ended
		if first.Code != http.StatusOK {
			t.Errorf("%d %s", first.Code, first.Body)
		}
	})
}

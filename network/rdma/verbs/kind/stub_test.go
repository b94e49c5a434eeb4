//go:build !verbs || !cgo || !linux

package kind

import (
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// A program without verbs says in one line what to do.
func TestWithout(t *testing.T) {
	v := model.Values{"network": model.Values{"verbs": model.Values{"device": "", "depth": int64(128), "receive": model.Auto, "copies": int64(64 << 20)}}}
	_, err := open(v)
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "make verbs") || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

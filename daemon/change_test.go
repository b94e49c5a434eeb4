package daemon

import (
	"errors"
	"testing"
)

func TestUndoRunsBackwardsAndOn(t *testing.T) {
	var order string
	var u undo
	failed := errors.New("failed")
	u.add(func() error { order += "1"; return nil })
	u.add(func() error { order += "2"; return failed })
	u.add(func() error { order += "3"; return nil })
	if err := u.run(); !errors.Is(err, failed) || order != "321" {
		t.Errorf("order %s, %v", order, err)
	}
}

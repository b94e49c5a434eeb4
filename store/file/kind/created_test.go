package kind

import (
	"errors"
	"os"
	"testing"
)

func TestUndoOfAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name string, n int) {
		t.Helper()
		if err := os.WriteFile(name, make([]byte, n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", 0)
	write("full", 512)
	missing, empty, full := lookAt("missing"), lookAt("empty"), lookAt("full")
	write("missing", 512)
	write("empty", 512)
	if full.undo() != nil {
		t.Error("a file that was there is taken back")
	}
	takeMissing, takeEmpty := missing.undo(), empty.undo()
	if err := errors.Join(takeMissing(), takeEmpty()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("missing"); err == nil {
		t.Error("the file that was made is there")
	}
	if info, err := os.Stat("empty"); err != nil || info.Size() != 0 {
		t.Errorf("the empty file: %v, %v", info, err)
	}
	write("missing", 512)
	again := lookAt("other").undo
	write("other", 512)
	take := again()
	if err := os.Rename("missing", "other"); err != nil { // it is another's file now
		t.Fatal(err)
	}
	if err := take(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("other"); err != nil {
		t.Error("another's file is gone")
	}
}

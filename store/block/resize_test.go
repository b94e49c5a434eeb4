package block

import (
	"os"
	"testing"
)

// TestResize: the store follows its device when it is told to, and not before.
func TestResize(t *testing.T) {
	path := file(t, size)
	s, err := openFile(Config{Path: path}, 512)
	if err != nil {
		t.Skipf("no direct I/O: %v", err)
	}
	defer s.Close()
	if err := os.Truncate(path, size+1<<20); err != nil {
		t.Fatal(err)
	}
	if n := s.Info().Size; n != size {
		t.Errorf("%d bytes before it is told", n)
	}
	if err := s.Resize(t.Context(), size+2<<20); err == nil {
		t.Error("it has another size than its device")
	}
	if err := s.Resize(t.Context(), 0); err != nil || s.Info().Size != size+1<<20 {
		t.Errorf("%v, %d bytes", err, s.Info().Size)
	}
	if err := os.Truncate(path, size+100); err != nil {
		t.Fatal(err)
	}
	if err := s.Resize(t.Context(), 0); err == nil || s.Info().Size != size+1<<20 {
		t.Errorf("a size that is no multiple of a block: %v, %d bytes", err, s.Info().Size)
	}
}

package kind

import (
	"testing"

	"github.com/lunette-io/lunette/store/memory"
)

func TestPages(t *testing.T) {
	for _, c := range []struct {
		wish string
		size int64
		want memory.Pages
	}{
		{"auto", 1 << 20, memory.HugePages},
		{"auto", 1 << 60, memory.SmallPages},
		{"always", 1 << 60, memory.InsistOnHuge},
		{"never", 1 << 20, memory.SmallPages},
	} {
		if got := pages(c.wish, c.size); got != c.want {
			t.Errorf("%s, %d bytes: %v, want %v", c.wish, c.size, got, c.want)
		}
	}
}

package limits

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailable(t *testing.T) {
	const info = "MemTotal:       24000000 kB\nMemFree:  1000 kB\nMemAvailable:    2000 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":            {nil, 0},
		"no group":           {map[string]string{"proc/meminfo": info}, 2000 << 10},
		"an old kernel":      {map[string]string{"proc/meminfo": "MemTotal: 5 kB\n"}, 0},
		"junk":               {map[string]string{"proc/meminfo": "MemAvailable: x\nMemAvailable:\n\n"}, 0},
		"group, no limit":    {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 2000 << 10},
		"group, no file":     {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n"}, 2000 << 10},
		"version 1":          {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "5:memory:/x\n"}, 2000 << 10},
		"group with less":    {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000\n", "sys/fs/cgroup/memory.current": "400000\n"}, 600000},
		"group that is full": {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n", "sys/fs/cgroup/memory.current": "4000\n"}, 0},
		"group with more":    {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000000000\n"}, 2000 << 10},
	} {
		root := t.TempDir()
		for path, text := range c.files {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := available(root); got != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
	if AvailableMemory() <= 0 {
		t.Error("this machine has no memory")
	}
}

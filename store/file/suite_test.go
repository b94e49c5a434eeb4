package file

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/ringio"
	"github.com/lunette-io/lunette/store/storetest"
)

const size = 2<<20 + 512

// must opens a file that a test may write, and closes it in the end.
func must(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := open(cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// dirs are places on the file systems that this machine has.
func dirs(t *testing.T) map[string]string {
	all := map[string]string{"disk": t.TempDir()}
	var fs unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &fs); err == nil && fs.Type == unix.TMPFS_MAGIC {
		all["tmpfs"] = tempDir(t, "/dev/shm")
	} else {
		t.Logf("no tmpfs at /dev/shm (%v): not tested there", err)
	}
	return all
}

// tempDir is [testing.T.TempDir] on a file system of the caller's choice.
func tempDir(t *testing.T, in string) string {
	dir, err := os.MkdirTemp(in, "lunette-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestSuite(t *testing.T) {
	places := dirs(t)
	// As on a file system that has nothing but read and write.
	bare := func(s *Store) {
		s.noNowait.Store(true)
		s.noDsync.Store(true)
		s.noZero.Store(true)
		s.noSeek.Store(true)
		s.info.Granularity = 0
	}
	for _, test := range []struct {
		name   string
		cfg    Config
		change func(*Store)
		// on is the one file system that it is tested on, if there are both: it takes
		// its time.
		on string
	}{
		{"plain", Config{}, nil, ""},
		{"threads", Config{IO: ringio.Threads}, nil, "disk"},
		{"bare", Config{}, bare, "tmpfs"},
		{"sync", Config{Sync: true}, nil, "disk"},
		{"direct", Config{Direct: true}, nil, "disk"},
		{"direct threads", Config{Direct: true, IO: ringio.Threads}, nil, "disk"},
		{"direct bare", Config{Direct: true}, bare, "disk"},
	} {
		for fs, dir := range places {
			if len(places) == 2 && test.on != "" && test.on != fs {
				continue
			}
			t.Run(fs+"/"+test.name, func(t *testing.T) {
				storetest.Run(t, func(t *testing.T) storetest.Subject {
					cfg := test.cfg
					cfg.Path = filepath.Join(tempDir(t, dir), "disk.img")
					open := func(n int64) (store.Store, error) {
						cfg.Size = n
						s, err := open(cfg, 0)
						if err != nil {
							return nil, err
						}
						if test.change != nil {
							test.change(s)
						}
						return s, s.startQueue(cfg.IO)
					}
					n := int64(size)
					if cfg.Direct {
						n = n / 4096 * 4096
					}
					s, err := open(n)
					if cfg.Direct && errors.Is(err, store.ErrNotSupported) {
						t.Skipf("not tested here: %v", err)
					} else if err != nil {
						t.Fatal(err)
					}
					return storetest.Subject{Store: s, Reopen: func() (store.Store, error) { return open(0) }}
				})
			})
		}
	}
}

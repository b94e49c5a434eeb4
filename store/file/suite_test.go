package file

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/storetest"
)

const size = 2<<20 + 512

// must opens a file that a test may write, and closes it in the end.
func must(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
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
	for fs, dir := range places {
		for name, change := range map[string]func(*Store){
			"plain": func(*Store) {},
			// As on a file system that has nothing but read and write.
			"bare": func(s *Store) {
				s.noNowait.Store(true)
				s.noDsync.Store(true)
				s.noZero.Store(true)
				s.noSeek.Store(true)
				s.info.Granularity = 0
			},
			"sync": func(s *Store) { s.durable, s.info.Cached = true, false },
		} {
			if len(places) == 2 && (fs == "disk" && name == "bare" || fs == "tmpfs" && name == "sync") {
				continue // tested on the other one: these take their time
			}
			t.Run(fs+"/"+name, func(t *testing.T) {
				storetest.Run(t, func(t *testing.T) storetest.Subject {
					path := filepath.Join(tempDir(t, dir), "disk.img")
					open := func(n int64) (store.Store, error) {
						s, err := Open(Config{Path: path, Size: n})
						if err == nil {
							change(s)
						}
						return s, err
					}
					s, err := open(size)
					if err != nil {
						t.Fatal(err)
					}
					return storetest.Subject{
						Store:  s,
						Reopen: func() (store.Store, error) { return open(0) },
					}
				})
			})
		}
	}
}

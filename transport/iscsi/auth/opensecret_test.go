package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A secret is read from a file of ours that nobody else may read, through links of ours; nothing else is
// waited for or followed.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(at("..2026"), 0o700))
	must(os.WriteFile(at("..2026/key"), []byte("correct horse battery\n"), 0o400))
	must(os.Symlink("..2026", at("..data"))) // as Kubernetes lays secrets out
	must(os.Symlink("..data/key", at("key")))
	must(os.Symlink(at("key"), at("absolute")))
	must(os.Symlink("loop", at("loop")))
	must(os.Symlink("nothing", at("dangling")))
	must(os.WriteFile(at("open"), []byte("correct horse battery\n"), 0o640))
	must(os.Chmod(at("open"), 0o640))
	must(os.Symlink("open", at("link-to-open")))
	must(syscall.Mkfifo(at("fifo"), 0o600))
	must(os.Symlink("fifo", at("link-to-fifo")))
	want := map[string]string{
		"key": "", "absolute": "", "..2026/key": "",
		"loop": "links", "dangling": "no such file", "nothing": "no such file", "open": "chmod 600", "link-to-open": "chmod 600",
		"fifo": "not a regular file", "link-to-fifo": "not a regular file", "..2026": "not a regular file", "/dev/null": "not a regular file",
	}
	if os.Geteuid() == 0 {
		must(os.WriteFile(at("theirs"), []byte("correct horse battery\n"), 0o600))
		must(os.Chown(at("theirs"), 12345, 0))
		must(os.Symlink("key", at("their-link")))
		must(os.Lchown(at("their-link"), 12345, 0))
		want["theirs"], want["their-link"] = "belongs to another user (12345)", "the link "+at("their-link")+" belongs to another user (12345)"
	}
	for name, want := range want {
		path := name
		if !filepath.IsAbs(name) {
			path = at(name)
		}
		_, err := LoadSecret(path)
		if (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	t.Chdir(dir)
	if _, err := LoadSecret("key"); err != nil {
		t.Error(err)
	}
}

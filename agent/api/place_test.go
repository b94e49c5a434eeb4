package api

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The socket is where its user alone can make files, and never at a name that others could take first.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	uid := os.Getuid()
	mkdir := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, open, users, temp := mkdir("good", 0o700), mkdir("open", 0o777), mkdir("users", 0o755), mkdir("temp", 0o777)
	link := filepath.Join(dir, "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	p := places{uid: uid, users: users, temp: temp}
	for _, runtime := range []string{"", open, link, filepath.Join(dir, "nothing"), filepath.Join(dir, "good", "..", "nothing")} {
		p.runtime = runtime
		if got := p.socket(); got != "" {
			t.Errorf("with %q: %s", runtime, got)
		}
	}
	prefix := "temp/lunette-" + strconv.Itoa(uid) + "-"
	mkdir(prefix+"0", 0o777) // of somebody who means ill
	if err := os.Symlink(good, filepath.Join(dir, prefix+"1")); err != nil {
		t.Fatal(err)
	}
	made, err := p.make()
	if err != nil || !strings.HasPrefix(made, filepath.Join(dir, prefix)) || filepath.Base(made) != SocketName {
		t.Fatalf("%s, %v", made, err)
	}
	if info, err := os.Stat(filepath.Dir(made)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory is %v, %v", info, err)
	}
	if got := p.socket(); got != made {
		t.Errorf("clients look at %s, and it is at %s", got, made)
	}
	mkdir("users/"+strconv.Itoa(uid), 0o700)
	if got := p.socket(); got != filepath.Join(users, strconv.Itoa(uid), SocketName) {
		t.Errorf("got %s", got)
	}
	p.runtime = good
	if got := p.socket(); got != filepath.Join(good, SocketName) {
		t.Errorf("got %s", got)
	}
	p.temp = filepath.Join(dir, "nothing")
	if _, err := p.make(); err == nil || !strings.Contains(err.Error(), "--socket") {
		t.Errorf("nowhere to make one: %v", err)
	}
}

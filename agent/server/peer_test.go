package server

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Root and the user of the daemon may change; all others, and whoever is not known, may look.
func TestWhoMayChange(t *testing.T) {
	for _, test := range []struct {
		peer   peer
		daemon int
		want   bool
	}{
		{peer{0, true}, 0, true},
		{peer{0, true}, 1000, true},
		{peer{1000, true}, 1000, true},
		{peer{1000, true}, 0, false},
		{peer{1001, true}, 1000, false},
		{peer{-1, true}, 0, false},
		{peer{}, 0, false},
		{peer{}, 1000, false},
	} {
		if got := test.peer.mayChange(test.daemon); got != test.want {
			t.Errorf("%v of a daemon of uid %d: %v, want %v", test.peer, test.daemon, got, test.want)
		}
	}
	if got := (peer{0, true}).String(); got != "root (uid 0)" {
		t.Error(got)
	}
	if got := (peer{987654321, true}).String(); got != "uid 987654321" {
		t.Error(got)
	}
}

// Whoever is not allowed to change gets 403 and a sentence on each route that changes something, and all of those that
// look.
func TestStrangersMayLook(t *testing.T) {
	f := newFake(t)
	s := newService(t.Context(), withTimes(whole(f)))
	for _, r := range described(t, s) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(r.method, r.sample(), nil).WithContext(cut(t.Context())))
		refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), "may look, and not change anything")
		if looks := r.method == http.MethodGet; looks == refused || (!looks && w.Code != http.StatusForbidden) {
			t.Errorf("%s %s: %d %s", r.method, r.path, w.Code, w.Body)
		}
	}
	if len(f.requests)+len(f.authors)+len(f.canceled) != 0 {
		t.Error("something was asked for")
	}
}

// childSocket is for the child of TestOtherUser: the socket that it connects to.
const childSocket = "LUNETTE_TEST_SOCKET"

// A process of another user that the socket lets in may look, and changes nothing. One of the daemon's may.
func TestOtherUser(t *testing.T) {
	if path := os.Getenv(childSocket); path != "" {
		child(path)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	f := newFake(t)
	_, path := serve(t, whole(f))
	dir := strings.TrimSuffix(path, "/s")
	for at := dir; at != "/" && at != os.TempDir(); at = at[:strings.LastIndexByte(at, '/')] {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil { // as a group would let them in
		t.Fatal(err)
	}
	exe := dir + "/test"
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("cp", self, exe).Run(); err != nil {
		t.Fatal(err)
	}
	for uid, want := range map[int]string{4321: "200 403", 0: "200 200"} {
		c := exec.CommandContext(t.Context(), exe, "-test.run", "^TestOtherUser$", "-test.v")
		c.Env = append(os.Environ(), childSocket+"="+path)
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		out, err := c.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "answers: "+want+"\n") {
			t.Errorf("uid %d: %v, want %s\n%s", uid, err, want, out)
		}
	}
	if len(f.authors) != 1 || f.authors[0] != "root (uid 0)" {
		t.Errorf("changes by %q", f.authors)
	}
}

// child prints the statuses that a request to look and one to change have.
func child(path string) {
	var got []string
	for _, request := range []string{"GET /v1/status", "POST /v1/confirm"} {
		c, err := net.Dial("unix", path)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		got = append(got, strconv.Itoa(r.StatusCode))
		_ = r.Body.Close()
		_ = c.Close()
	}
	fmt.Println("answers: " + strings.Join(got, " "))
}

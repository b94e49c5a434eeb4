package main

import (
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run the program itself, with daemons of their own.
func TestScripts(t *testing.T) {
	where := testscript.Params{Dir: "testdata/script"}
	if raceEnabled { // each of some hundred commands is a process, which takes a while to start then
		where = testscript.Params{Files: []string{"testdata/script/apply.txtar"}}
		t.Log("one script alone: the others run without the race detector")
	}
	testscript.Run(t, testscript.Params{
		Dir: where.Dir, Files: where.Files, UpdateScripts: *update,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serving": serving, "exits": exits, "portal": portal, "loggedin": loggedIn, "isjson": isJSON,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("S", e.WorkDir+"/s") // the socket of the daemon
			e.Setenv("TZ", "UTC")
			return nil
		},
	})
}

// until asks again and again, for as long as the slowest machine may need.
func until(ts *testscript.TestScript, what string, is func() bool) {
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("it never came to it that %s", what)
}

// serving waits until the daemon answers: "serving".
func serving(ts *testscript.TestScript, _ bool, _ []string) {
	until(ts, "a daemon answers", func() bool {
		return ts.Exec("lunette", "version") == nil && ts.Exec("lunette", "status", "--socket", ts.Getenv("S")) == nil
	})
}

// exits runs a command that is to end with a status: "exits 3 lunette …".
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("the exit status is %d, not %d:\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// portal puts where the daemon listens into the variable PORTAL.
func portal(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check(ts.Exec("lunette", "targets", "-o", "json", "--socket", ts.Getenv("S")))
	m := regexp.MustCompile(`iscsi\+tcp://(127\.0\.0\.1:\d+)`).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("there is no portal")
	}
	ts.Setenv("PORTAL", m[1])
}

// loggedIn waits until so many sessions are there: "loggedin 1". The variable ID is that of the last.
func loggedIn(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, args[0]+" sessions are there", func() bool {
		ts.Check(ts.Exec("lunette", "sessions", "-o", "json", "--socket", ts.Getenv("S")))
		var all []struct{ ID string }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &all))
		for _, s := range all {
			ts.Setenv("ID", s.ID)
		}
		return strconv.Itoa(len(all)) == args[0]
	})
}

// isJSON checks that what was printed is JSON.
func isJSON(ts *testscript.TestScript, _ bool, _ []string) {
	if text := ts.ReadFile("stdout"); !json.Valid([]byte(text)) {
		ts.Fatalf("this is no JSON:\n%s", text)
	}
}

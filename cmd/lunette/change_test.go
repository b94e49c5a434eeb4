package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/client"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
	"github.com/lunette-io/lunette/agent/state"
)

func key(kind model.ObjectKind, name string) model.Key { return model.Key{Kind: kind, Name: name} }

// Steps of plans in tests: one that nobody notices, and one that hurts.
var (
	harmless = plan.Step{Op: plan.Change, Key: key("unit", "db"), Effect: plan.Told, Notice: "initiators are told: CAPACITY DATA HAS CHANGED",
		Fields: []plan.Field{{Path: "store.size", Old: "10G", New: "20G"}}}
	harmful = plan.Step{Op: plan.Remove, Key: key("target", "iqn.2026-11.io.lunette:old"), Effect: plan.EndsSessions, Confirm: plan.ConfirmEndSessions, Notice: "1 session ends",
		Sessions: []plan.Session{{Transport: "iscsi", ID: "3", Initiator: "iqn.1993-08.org.debian:01:a"}}}
)

const (
	shownHarmless = "~ unit db\n    store.size: 10G → 20G\n      initiators are told: CAPACITY DATA HAS CHANGED\n"
	shownHarmful  = "- target iqn.2026-11.io.lunette:old\n      1 session ends\n"
	confirmIt     = "It needs your confirmation: --end-sessions\n"
)

// What the person at the terminal is asked, what the daemon is asked, and how it ends.
func TestChangesAreConfirmed(t *testing.T) {
	const (
		question = "Do it? [y/N] "
		one      = "\n1 changed\n"
		removed  = "\n1 removed\n" + confirmIt
		both     = "\n1 changed, 1 removed\n" + confirmIt
	)
	set := []string{"unit", "set", "db", "device.read-only=true"}
	patch := `PATCH unit/db {"device":{"read-only":true}} match="e0"`
	for _, test := range []struct {
		name    string
		steps   []plan.Step
		people  bool
		answer  string
		args    []string
		status  int
		out     string
		errs    string
		request []string
	}{
		{"harmless", []plan.Step{harmless}, true, "", set, exitOK, shownHarmless + one + "Generation 8 is served.\n", "", []string{patch}},
		{"nothing", nil, true, "", set, exitOK, "Nothing changes: generation 7 says the same.\n", "", []string{patch}},
		{"dry", []plan.Step{harmless, harmful}, true, "", append(set, "--dry-run"), exitOK, shownHarmless + shownHarmful + both + "Nothing is done, as --dry-run wants it.\n", "", []string{patch + " dry-run"}},
		{"yes", []plan.Step{harmful}, true, "y\n", set, exitOK, shownHarmful + removed + question + "Generation 8 is served.\n", "", []string{patch, patch + " digest=d1 confirm=[end-sessions]"}},
		{"no", []plan.Step{harmful}, true, "\n", set, exitConfirm, shownHarmful + removed + question, "lunette: nothing was changed, since it has to be confirmed: add --end-sessions\n", []string{patch}},
		{"no answer", []plan.Step{harmful}, true, "", set, exitConfirm, shownHarmful + removed + question, "lunette: nothing was changed, since it has to be confirmed: add --end-sessions\n", []string{patch}},
		{"nobody there", []plan.Step{harmful}, false, "y\n", set, exitConfirm, shownHarmful + removed, "lunette: nothing was changed, since it has to be confirmed: add --end-sessions\n", []string{patch}},
		{"--yes confirms nothing", []plan.Step{harmful}, true, "y\n", append(set, "--yes"), exitConfirm, shownHarmful + removed, "lunette: nothing was changed, since it has to be confirmed: add --end-sessions\n", []string{patch}},
		{"by flag", []plan.Step{harmful}, false, "", append(set, "--end-sessions", "--try", "60s", "--comment", "why"), exitOK,
			shownHarmful + "\n1 removed\n" + "It is tried, and taken back at 2026-11-29 12:00:00, unless \"lunette confirm\" keeps it.\n", "", []string{patch + " confirm=[end-sessions] comment=why try=1m0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := &fakeDaemon{steps: test.steps, schema: testSchema, objects: map[model.Key]string{key("unit", "db"): `{"name":"db"}`}}
			status, out, errs := f.asks(t, test.people, test.answer, test.args...)
			if status != test.status || out != test.out || errs != test.errs {
				t.Errorf("status %d\n%s%s\nwant %d\n%s%s", status, out, errs, test.status, test.out, test.errs)
			}
			same(t, f.asked, test.request)
		})
	}
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An object that another has changed meanwhile is looked at once more.
func TestConflicts(t *testing.T) {
	f := &fakeDaemon{steps: []plan.Step{harmless}, schema: testSchema, conflicts: 1, objects: map[model.Key]string{key("unit", "db"): `{"name":"db"}`}}
	if status, _, errs := f.asks(t, false, "", "unit", "resize", "db", "20G"); status != exitOK {
		t.Errorf("status %d, %s", status, errs)
	}
	same(t, f.asked, []string{`PATCH unit/db {"store":{"size":"20G"}} match="e1"`, `PATCH unit/db {"store":{"size":"20G"}} match="e0"`})
	f.conflicts = 2
	if status, _, errs := f.asks(t, false, "", "unit", "resize", "db", "20G"); status != exitConflict || !strings.Contains(errs, "changed meanwhile") {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestApply(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("l.yaml", []byte("version: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		put  = `PUT "version: 1\n"`
		both = "\n1 changed, 1 removed\n" + confirmIt
	)
	f := &fakeDaemon{steps: []plan.Step{harmless, harmful}}
	status, out, errs := f.asks(t, false, "", "apply", "-f", "l.yaml", "--end-sessions")
	if want := shownHarmless + shownHarmful + "\n1 changed, 1 removed\nGeneration 8 is served.\n"; status != exitOK || out != want {
		t.Errorf("status %d\n%s%s\nwant\n%s", status, out, errs, want)
	}
	same(t, f.asked, []string{put + " confirm=[end-sessions] dry-run", put + " digest=d1 confirm=[end-sessions]"})

	// A plan that was saved, done as it was shown.
	status, out, errs = f.asks(t, false, "", "apply", "-f", "l.yaml", "--plan-out", "p.json")
	if want := shownHarmless + shownHarmful + both + "Nothing is done: \"lunette apply p.json\" does this, as long as generation 7 is served.\n"; status != exitOK || out != want {
		t.Errorf("status %d\n%s%s\nwant\n%s", status, out, errs, want)
	}
	same(t, f.asked, []string{put + " dry-run"})
	if status, out, errs = f.asks(t, true, "y\n", "apply", "p.json"); status != exitOK || !strings.HasSuffix(out, "[y/N] Generation 8 is served.\n") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	same(t, f.asked, []string{put + " digest=d1 confirm=[end-sessions]"})
	f.err = &client.ConflictError{Message: "generation 8 is another"}
	if status, _, errs = f.asks(t, false, "", "apply", "p.json", "--end-sessions"); status != exitConflict ||
		errs != "lunette: generation 8 is another: the plan in p.json was made for generation 7: make another one\n" {
		t.Errorf("status %d, %s", status, errs)
	}

	// What is wrong with a document, a line each.
	f.err = &client.ProblemsError{Message: "it is wrong", Problems: []api.Problem{{Line: 3, Column: 5, Path: "units[0]", Message: "it has no name"}, {Path: "targets", Message: "none"}}}
	if status, _, errs = f.asks(t, false, "", "diff", "-f", "l.yaml"); status != exitUsage || errs != "lunette: l.yaml:3:5: units[0]: it has no name\nlunette: l.yaml: targets: none\n" {
		t.Errorf("status %d, %s", status, errs)
	}
	for args, want := range map[string]string{
		"apply":                                         "name one document, as \"lunette apply -f FILE\"",
		"apply p.json -f l.yaml":                        "name one document",
		"apply l.yaml":                                  "l.yaml is no plan that \"lunette apply --plan-out\" has saved; a document is applied by \"lunette apply -f l.yaml\"",
		"apply -f none":                                 "none: no such file or directory",
		"unit set db read-only":                         `"read-only" is not KEY=VALUE`,
		"unit set db a..b=1":                            "a name is missing beside a dot",
		"get things":                                    `"things" is no kind of objects: there is user, unit, target, access, portal, section`,
		"edit unit":                                     "name the unit as well",
		"unit resize db much":                           `"much" is not a size`,
		"target map t db":                               `"db" is not N=UNIT or N=UNIT,ro, such as 0=db`,
		"target map t 0=a 0=b":                          "LUN 0 is here twice",
		"target maintenance t on a":                     "write on, off, or redirect ADDRESS[:PORT]",
		"unit create a --size 1M":                       "--size is the size of a file",
		"unit create a --file f --memory 1M":            "a unit has one store",
		"unit create a --optical f --null 1":            "or is one device: name one of",
		"unit create a --passthrough naa.5 --serial 1":  "--serial is about disks",
		"unit create a --optical - --block-size 512":    "--block-size is about disks",
		"unit create a --passthrough naa.5 --read-only": "--read-only is about disks",
		"access create me":                              `"me" is not TARGET/NAME`,
		"portal create":                                 `expected "<address> ..." (lunette portal create --help)`,
		"portal create a b c":                           "name an address, or a name and an address",
		"unit create":                                   `(lunette unit create --help)`,
		"get unit -o xml":                               `must be one of "table","json","yaml" but got`,
		"diff":                                          "missing flags: --file=FILE (lunette diff --help)",
		"diff -f":                                       "--file: a value is wanted here",
	} {
		if status, _, errs := f.asks(t, false, "", strings.Fields(args)...); status != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%s: status %d, %s", args, status, errs)
		}
	}
}

// What each command asks the daemon for.
func TestRequests(t *testing.T) {
	t.Chdir(t.TempDir())
	here, err := filepath.EvalSymlinks(".")
	if err != nil {
		t.Fatal(err)
	}
	here, _ = filepath.Abs(here)
	objects := map[model.Key]string{
		key("unit", "db"):                         `{"name":"db","store":{"kind":"memory","size":"1G"},"filters":[{"kind":"stats"}]}`,
		key("target", "t"):                        `{"name":"t","luns":{"0":"db","1":{"unit":"b","read-only":true}}}`,
		key("portal", "iscsi+tcp://1.2.3.4:3260"): `"1.2.3.4:3260"`,
		key("user", "me"):                         `{"name":"me","secret-file":"/s"}`,
	}
	for args, want := range map[string]string{
		"unit create a --file d.img --size 10G --read-only":           `CREATE unit/a {"name":"a","store":{"kind":"file","path":"` + here + `/d.img","size":"10G","read-only":true},"device":{"read-only":true}}`,
		"unit create a --memory 1G device.serial=12 device.kind=disk": `CREATE unit/a {"name":"a","store":{"kind":"memory","size":"1G"},"device":{"serial":"12","kind":"disk"}}`,
		"unit create a --passthrough naa.5 device.exclusive=true":     `CREATE unit/a {"name":"a","device":{"kind":"passthrough","id":"naa.5","exclusive":true}}`,
		"unit create db --memory 1G":                                  `PUT unit/db {"name":"db","store":{"kind":"memory","size":"1G"}} dry-run`,
		"unit set db filters.1.kind=delay":                            `PATCH unit/db {"filters":[{"kind":"stats"},{"kind":"delay"}]} match="e0"`,
		"unit set db filters.0= store.size=":                          `PATCH unit/db {"filters":[],"store":{"size":null}} match="e0"`,
		"unit delete db --delete-data":                                `DELETE unit/db confirm=[delete-data] delete=[db]`,
		"unit delete db":                                              `DELETE unit/db`,
		"unit delete none":                                            ``,
		"target create t2 --lun 0=db,ro --lun 2=b --initiator i --initiator j,user=me --user me:/s": `CREATE target/t2 {"name":"t2","luns":{"0":{"unit":"db","read-only":true},"2":"b"},"initiators":["i",{"name":"j","user":"me"}],"auth":{"users":[{"user":"me","secret-file":"/s"}]}}`,
		"target map t 3=db 0=b,ro":                                  `PATCH target/t {"luns":{"3":"db","0":{"unit":"b","read-only":true}}} match="e0"`,
		"target map t 1=db,ro":                                      `PATCH target/t {"luns":{"1":{"unit":"db","read-only":true}}} match="e0"`,
		"target map t 1=db":                                         `PATCH target/t {"luns":{"1":"db"}} match="e0"`,
		"target unmap t 0 1":                                        `PATCH target/t {"luns":{"0":null,"1":null}} match="e0"`,
		"target set t luns.3=db luns.0= alias=12":                   `PATCH target/t {"luns":{"3":"db","0":null},"alias":"12"} match="e0"`,
		"target maintenance t on":                                   `PATCH target/t {"maintenance":true} match="e0"`,
		"target maintenance t off":                                  `PATCH target/t {"maintenance":null} match="e0"`,
		"target maintenance t redirect 1.2.3.4":                     `PATCH target/t {"maintenance":{"redirect":"1.2.3.4"}} match="e0"`,
		"portal create 192.0.2.1":                                   `CREATE portal/iscsi+tcp://192.0.2.1:3260 {"address":"192.0.2.1"}`,
		"portal create p iser+iwarp://192.0.2.1 --target t --tag 2": `CREATE portal/p {"name":"p","kind":"iser+iwarp","address":"192.0.2.1","targets":["t"],"tag":2}`,
		"portal set iscsi+tcp://1.2.3.4:3260 tag=3":                 `PATCH portal/iscsi+tcp://1.2.3.4:3260 {"tag":3} match="e0"`,
		"access create t/a --initiator i* --address 192.0.2.0/24 --user me --lun 0=db": `CREATE access/t/a {"name":"a","initiators":["i*"],"addresses":["192.0.2.0/24"],"users":["me"],"luns":{"0":"db"}}`,
		"access create t/a initiators=x,y":                                             `CREATE access/t/a {"name":"a","initiators":["x","y"]}`,
		"user create you --secret-file s":                                              `CREATE user/you {"name":"you","secret-file":"` + here + `/s"}`,
		"section set limits connections=10 memory=1G":                                  `PUT section/limits {"connections":10,"memory":"1G"}`,
		"session disconnect iscsi 1 2":                                                 "DROP iscsi 1\nDROP iscsi 2",
		"reservation clear db":                                                         "CLEAR db",
		"reload":                                                                       "RELOAD",
		"confirm":                                                                      "CONFIRM",
		"revert":                                                                       "REVERT",
		"rollback 3":                                                                   "ROLLBACK 3 dry-run\nROLLBACK 3 digest=d1",
		"operations --cancel 5":                                                        "CANCEL 5",
		"events --from 4":                                                              "EVENTS 4 false",
		"events -f":                                                                    "EVENTS 0 true",
	} {
		f := &fakeDaemon{schema: testSchema, objects: objects}
		status, out, errs := f.asks(t, false, "", strings.Fields(args)...)
		if status != exitOK || strings.Join(f.asked, "\n") != want {
			t.Errorf("%s: status %d, %s%s\ngot  %s\nwant %s", args, status, out, errs, strings.Join(f.asked, "\n"), want)
		}
	}
	f := &fakeDaemon{schema: testSchema, objects: objects, steps: []plan.Step{harmless}}
	if status, _, errs := f.asks(t, false, "", "unit", "create", "db", "--null", "1M"); status != exitConflict || !strings.HasPrefix(errs, `lunette: there is another unit db already: "lunette unit set db" changes it`) {
		t.Errorf("status %d, %s", status, errs)
	}
	if status, _, errs := f.asks(t, false, "", "unit", "set", "none", "a=1"); status != exitFailed || errs != "lunette: there is no unit \"none\"\n" {
		t.Errorf("status %d, %s", status, errs)
	}
}

func TestShows(t *testing.T) {
	at := time.Date(2026, 11, 29, 10, 0, 0, 0, time.Local)
	f := &fakeDaemon{
		objects: map[model.Key]string{
			key("unit", "db"):  `{"name":"db","store":{"kind":"memory","size":"1G"}}`,
			key("target", "t"): `{"name":"t","luns":{"0":"db"},"access":[{"name":"a"}]}`,
			key("portal", "p"): `"1.2.3.4:3260"`,
		},
		status:     apply.Status{Meta: state.Meta{Generation: 7, Author: "root", Comment: "more", Time: at}, Directory: "/s", Conditions: []apply.Condition{{Key: key("unit", "db"), Type: apply.NotReady, Message: "no such file", Since: at}}},
		history:    []state.Meta{{Generation: 7, Time: at, Author: "root", Size: 100, Comment: "more"}},
		events:     []apply.Event{{Sequence: 4, Generation: 7, Time: at, Type: "applied", Message: "it is"}},
		operations: []apply.Operation{{ID: "1", Kind: "apply", Author: "root", Started: at, Phase: "done", Done: 2, Total: 2}},
	}
	for args, want := range map[string]string{
		"get unit db":           "name: db\nstore:\n  kind: memory\n  size: 1G\n",
		"get unit db -o table":  "KEY         VALUE\nname        db\nstore.kind  memory\nstore.size  1G\n",
		"get units":             "UNIT  STORE                DEVICE\ndb    kind=memory size=1G  -\n",
		"get target":            "TARGET  LUNS  ALIAS  ACCESS\nt       0=db  -      a\n",
		"portal list":           "PORTAL  ADDRESS       KIND  TARGETS\np       1.2.3.4:3260  -     -\n",
		"portal list -o yaml":   "- p: \"1.2.3.4:3260\"\n",
		"user list -o json":     "[]\n",
		"export":                "# mine\nversion: 1\nunits: [{name: db}]\n",
		"export --canonical":    "version: 1\nunits:\n  - name: db\n",
		"export --generation 3": "# of old\nversion: 1\n",
		"get -o json":           "{\n  \"version\": 1,\n  \"units\": [\n    {\n      \"name\": \"db\"\n    }\n  ]\n}\n",
		"status": "Generation 7, of 2026-11-29 10:00:00, by root: more.\nIt is kept in /s.\n\n" +
			"OBJECT   CONDITION  SINCE                WHY\nunit db  NotReady   2026-11-29 10:00:00  no such file\n",
		"history":    "GENERATION  TIME                 BY    SIZE  COMMENT\n7           2026-11-29 10:00:00  root  100   more\n",
		"events":     "2026-11-29 10:00:00  4  applied: it is\n",
		"operations": "ID  KIND   BY    STARTED              PHASE  STEPS  ERROR\n1   apply  root  2026-11-29 10:00:00  done   2/2    -\n",
		"confirm":    "Generation 7 is kept.\n",
		"reservation show db": "db: reserved: Write Exclusive, 1 registration, they outlive a restart\n" +
			"KEY                 INITIATOR               TARGET                  USER  \n0x0000000000000001  …93-08.org.debian:01:a  …2026-11.io.lunette:db  -     holder\n",
	} {
		status, out, errs := f.asks(t, false, "", strings.Fields(args)...)
		if status != exitOK || out != want {
			t.Errorf("%s: status %d, %s\n%s\nwant\n%s", args, status, errs, out, want)
		}
	}
	for _, args := range []string{"status", "history", "operations", "events", "get unit", "reservation show db", "units", "kinds store", "diff -f -"} {
		status, out, errs := f.asks(t, false, "", append(strings.Fields(args), "-o", "json")...)
		if !json.Valid([]byte(out)) || status != exitOK {
			t.Errorf("%s: status %d, %s, %s", args, status, out, errs)
		}
	}
}

// What people write in an editor is sent with the ETag of what they have seen; what is wrong with it they see above it.
func TestEdit(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "editor")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(script, []byte("#!/bin/sh\nstat -c %a \"$1\" >> "+dir+"/modes\ncat \"$1\" >> "+dir+"/seen\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("VISUAL", script)
	t.Setenv("TMPDIR", dir)
	objects := map[model.Key]string{key("unit", "db"): "name: db\n"}
	left := func() int {
		all, _ := filepath.Glob(filepath.Join(dir, "lunette-edit-*"))
		return len(all)
	}

	f := &fakeDaemon{objects: objects, steps: []plan.Step{harmless}}
	write(`sed -i 's/db/db2/' "$1"`)
	if status, _, errs := f.asks(t, false, "", "edit", "unit", "db"); status != exitOK || left() > 0 {
		t.Errorf("status %d, %s; %d are left", status, errs, left())
	}
	same(t, f.asked, []string{`PUT unit/db name: db2` + "\n" + ` match="e0" dry-run`, `PUT unit/db name: db2` + "\n" + ` match="e0" digest=d1`})
	if modes, _ := os.ReadFile(filepath.Join(dir, "modes")); string(modes) != "600\n" {
		t.Errorf("the mode was %s", modes)
	}

	write("true")
	if status, out, _ := f.asks(t, false, "", "edit"); status != exitOK || out != "Nothing was changed.\n" || len(f.asked) > 0 || left() > 0 {
		t.Errorf("status %d, %s, %v", status, out, f.asked)
	}
	write("false")
	if status, _, errs := f.asks(t, false, "", "edit"); status != exitFailed || !strings.Contains(errs, "set VISUAL or EDITOR to another") || left() > 0 {
		t.Errorf("status %d, %s", status, errs)
	}

	// Wrong at first, and then right.
	os.Remove(filepath.Join(dir, "seen"))
	f.err = &client.ProblemsError{Message: "it is wrong", Problems: []api.Problem{{Line: 2, Column: 1, Path: "units", Message: "no"}}}
	write(`echo "# more" >> "$1"`)
	if status, out, errs := f.asks(t, true, "", "edit"); status != exitOK || left() > 0 {
		t.Errorf("status %d, %s, %s", status, out, errs)
	}
	const was = "# mine\nversion: 1\nunits: [{name: db}]\n"
	if seen, _ := os.ReadFile(filepath.Join(dir, "seen")); string(seen) != was+"# lunette: 3:1: units: no\n"+was+"# more\n" {
		t.Errorf("seen was\n%s", seen)
	}

	// Wrong where nobody can be asked: what was written is kept.
	f.err = &client.ProblemsError{Message: "it is wrong", Problems: []api.Problem{{Message: "no"}}}
	if status, _, errs := f.asks(t, false, "", "edit"); status != exitUsage || left() != 1 || !strings.Contains(errs, "no") || !strings.Contains(errs, "what was written is in "+dir) {
		t.Errorf("status %d, %s, %d are left", status, errs, left())
	}
	f.err = &client.ConflictError{Message: "it has changed meanwhile"}
	if status, _, errs := f.asks(t, false, "", "edit"); status != exitConflict || left() != 2 || !strings.Contains(errs, "it has changed meanwhile") || !strings.Contains(errs, "what was written is in "+dir) {
		t.Errorf("status %d, %s, %d are left", status, errs, left())
	}
}

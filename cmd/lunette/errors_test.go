package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sandbox is a directory with some files, which is the working directory of a test.
func sandbox(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("disk.img", strings.Repeat("\x00", 4096), 0o600)
	write("odd.img", "12345", 0o600)
	write("empty.img", "", 0o600)
	write("image.qcow2", "QFI\xfb"+strings.Repeat("\x00", 4092), 0o600)
	write("secret", "correct horse battery\n", 0o600)
	write("same", "correct horse battery\n", 0o600)
	write("third", "another secret of mine\n", 0o600)
	write("blank", "            \n", 0o600)
	write("other", "another secret of mine\n", 0o600)
	write("open", "correct horse battery\n", 0o644)
	write("short", "geheim\n", 0o600)
	write("bad.yaml", "version: 1\nunits: []\ntargets: 5\nlimits: {memory: lots}\n", 0o600)
	write("invalid.yaml", "version: 1\nunits: []\ntargets: [{luns: {0: a}}]\n", 0o600)
	write("good.yaml", "version: 1\nunits:\n- {name: a, store: {kind: memory, size: 1M}}\ntargets:\n- {name: \"iqn.2026-11.io.lunette:a\", luns: {0: a}}\nportals: [\"127.0.0.1:0\"]\n", 0o600)
	if err := errors.Join(os.Mkdir("dir", 0o700), os.Symlink("gone.img", "nowhere.img")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// files lists what is in the working directory, with sizes.
func files(t *testing.T) string {
	t.Helper()
	all, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range all {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(info.Mode().String() + " " + f.Name() + " ")
		if info.Mode().IsRegular() {
			b.WriteString(strings.Repeat("#", int(info.Size()/512)))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Every wrong command line gives one line that says what is wrong and what would be
// right, exit status 2, and leaves everything as it was.
func TestWrongCommandLines(t *testing.T) {
	sandbox(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	_, port, _ := net.SplitHostPort(busy)

	tests := []struct{ args, want string }{
		{"frobnicate", `unexpected argument frobnicate (lunette --help)`},
		{"serve", "there is nothing to serve: name a file or a block device, or give --memory SIZE, --passthrough ID or --config FILE"},
		{"serve --frob", "unknown flag --frob (lunette serve --help)"},
		{"serve --portl 1 disk.img", "unknown flag --portl, did you mean \"--portal\"?"},
		{"serve --memory", "--memory"},
		{"serve nothing.img", "nothing.img: there is no such file: add --size 10G to make it, sparse, with that size"},
		{"serve nothing.img --size 1G --read-only", "nothing.img: there is no such file, and --read-only makes none"},
		{"serve nodir/x.img --size 1M", "nodir/x.img: "},
		{"serve dir", "dir: it is a directory: name a file or a block device"},
		{"serve /dev/null", "character device"},
		{"serve odd.img", "multiple of 512"},
		{"serve empty.img", "empty.img: the file is empty: add --size 10G to give it a size"},
		{"serve disk.img --size 1G", "disk.img: it has 4K, not the 1G that are asked for: leave the size out to serve it as it is, or make it larger first: truncate -s 1073741824 disk.img"},
		{"serve disk.img disk.img", "disk.img: disk.img is the store of unit \"disk\" already"},
		{"serve disk.img ./disk.img", "serves it"},
		{"serve disk.img --size 10X", `--size: "10X" is not a size: a size is a number of bytes such as 512, 10G`},
		{"serve new.img --size 1000", "--size: 1000 is not a multiple of 512 bytes"},
		{"serve new.img --size 0", "--size: 0 is not at least 512"},
		{"serve --memory 1Q", `--memory: "1Q" is not a size`},
		{"serve --memory 100", "--memory: 100 is not"},
		{"serve --memory=", "--memory: it is empty"},
		{"serve --null 1e3", `--null: "1e3" is not a size`},
		{"serve --memory 1M --size 1M", "--size is the size of files, and there is none"},
		{"serve --memory 1M --memory 1M --serial X", "--serial is that of one disk, and there are 2: write a document"},
		{"serve --memory 1M --serial ü", `serial number "ü" has a character that is not printable ASCII`},
		{"serve --memory 1M --format raw", "--format is about files, and there is none"},
		{"serve --config good.yaml --serial X", "--config is there together with units or flags about them"},
		{"serve image.qcow2 --portal 127.0.0.1:0", "image.qcow2: it looks like a qcow2 image"},
		{"serve --memory 1M --direct", "--direct is about files, and there is none"},
		{"serve disk.img --block-size 1024", `--block-size: "1024" is not 512 or 4096`},
		{"serve --memory 512 --block-size 4096", "less than one block"},
		{"serve disk.img --target disk", `--target: "disk" is not an iSCSI name`},
		{"serve disk.img --target IQN.2026-11.io.lunette:My_Disk", `("iqn.2026-11.io.lunette:my-disk" would do)`},
		{"serve disk.img --initiator a,b", `--initiator: the initiator's name "a,b" has a comma`},
		{"serve disk.img --portal nonsense:port", `--portal: "nonsense:port" is not a portal, "port" is not a port from 0 to 65535`},
		{"serve disk.img --portal 127.0.0.1:70000", "not a port from 0 to 65535"},
		{"serve disk.img --portal ::1:3260", "brackets"},
		{"serve disk.img --portal iser+mail://1.2.3.4:1", `--portal iser+mail://1.2.3.4:1: there is no provider "mail" for the transport iser: there is iwarp, roce or verbs`},
		{"serve disk.img --portal nvme+mail://1.2.3.4:1", `--portal nvme+mail://1.2.3.4:1: there is no transport "nvme": there is fcp, iscsi, iser, srp or virtio (as iscsi+tcp, iser+iwarp, iser+roce, iser+verbs, srp+iwarp, srp+roce, srp+verbs, fcp+fcoe or virtio+vhost)`},
		{"serve disk.img --portal 127.0.0.1 --portal iser+iwarp://127.0.0.1", `--portal iser+iwarp://127.0.0.1: iser+iwarp://127.0.0.1:3260 has the same port as iscsi+tcp://127.0.0.1:3260, since both connect by TCP: give one of them another, such as iser+iwarp://127.0.0.1:3261`},
		{"serve disk.img --initiator iqn.2026-11.io.lunette:me,user=me", `--initiator: the target has no user "me": name one of its`},
		{"serve disk.img --initiator iqn.2026-11.io.lunette:me,you", `--initiator: the initiator's name "iqn.2026-11.io.lunette:me,you" has a comma`},
		{"serve disk.img --chap-algorithms sha256", "--chap-algorithms is there without --chap or --discovery-chap"},
		{"serve disk.img --chap me:secret --chap-algorithms sha256,md4", `--chap-algorithms: "md4" is not sha3-256, sha256, sha1 or md5`},
		{"serve disk.img --target-reset me", `--target-reset: "me" is not nobody or anybody`},
		{"serve --config good.yaml --target-reset anybody", "--config is there together with"},
		{"serve disk.img --settings mine", `--settings: "mine" is not own or shared`},
		{"serve --config good.yaml --settings shared", "--config is there together with"},
		{"serve --config good.yaml --chap-algorithms sha256", "--config is there together with"},
		{"serve disk.img --chap me:secret --chap you:same", `the CHAP users "me" and "you" have the same secret`},
		{"serve disk.img --chap me:secret --mutual-chap us:same", `user "me" and the target have the same secret`},
		{"serve disk.img --chap me:secret --mutual-chap us:other --discovery-chap me:third", `the user "me" of discovery (third) have the same secret: who is let in by the one could pass for the other`},
		{"serve disk.img --chap me:blank", "blank: it has blanks alone"},
		{"serve disk.img --portal srp+iwarp://127.0.0.1 --chap me:secret", "the target asks for CHAP, which SRP does not have: name the initiators that may have it over srp+iwarp://127.0.0.1:5555 by their ports or addresses"},
		{"serve disk.img --portal virtio+vhost://run/vm1.sock", `its path "run/vm1.sock" is relative: write all of it, with the slash that it begins with, as virtio+vhost:///run/lunette/vm1.sock: a portal is [TRANSPORT+PROVIDER://]/PATH`},
		{"serve disk.img --portal virtio+vhost:///run/lunette/", "is a directory: the file of the socket is named too"},
		{"serve disk.img --portal virtio+vhost:///x.sock --portal virtio+vhost:////x.sock", "virtio+vhost:///x.sock is here twice"},
		{"serve disk.img --portal virtio+vhost:///x.sock --chap me:secret", "asks for CHAP, which a guest cannot be asked for, and virtio+vhost:///x.sock shows all targets"},
		{"serve disk.img --portal virtio+vhost:///x.sock --discovery-chap me:secret", "a socket of virtio is for who may open it"},
		{"serve disk.img --portal fcp+fcoe://a/b", `a portal is [TRANSPORT+PROVIDER://]INTERFACE[.VLAN]`},
		{"serve disk.img --portal fcp+fcoe://lo --chap me:secret", "the target asks for CHAP, which FCP does not have: name the initiators that may have it over fcp+fcoe://lo by their ports (fcp: initiators)"},
		{"serve disk.img --fcp-initiator 20:00:00:1b:21:01:02:03", "--fcp-initiator is there without a portal of FCP, and would keep nobody out"},
		{"serve disk.img --portal fcp+fcoe://lo --fcp-initiator me", `--fcp-initiator: "me" is not the name of an N_Port`},
		{"serve disk.img --portal fcp+fcoe://lo --fcp-initiator 20* --initiator iqn.2026-11.io.x:a", "--initiator is about iSCSI, and no portal is of it"},
		{"serve disk.img --srp-initiator 127.0.0.2", "--srp-initiator is there without a portal of SRP, and would keep nobody out"},
		{"serve disk.img --portal srp+iwarp://127.0.0.1:0 --srp-initiator 127.0.0.2 --initiator iqn.2026-11.io.x:a", "--initiator is about iSCSI, and no portal is of it"},
		{"serve disk.img --portal srp+iwarp://127.0.0.1:0 --srp-initiator me", `--srp-initiator: "me" is not an SRP initiator: it is a port`},
		{"serve disk.img --portal iscsi+udp://1.2.3.4:1", `there is no provider "udp" for the transport iscsi: there is tcp`},
		{"serve disk.img --portal 127.0.0.1:1234 --portal 127.0.0.1:1234", "is here twice"},
		{"serve new.img --size 1M --portal " + busy, "portal iscsi+tcp://" + busy + ": port " + port + " is taken by another program: stop it, or choose another port"},
		{"serve empty.img --size 1M --portal " + busy, "is taken by another program"},
		{"serve new.img --size 1M --portal 192.0.2.1:3260", "192.0.2.1 is no address of this machine"},
		{"serve new.img --size 1M --portal 127.0.0.1:0 --socket disk.img", "disk.img exists and is no socket: choose another path with --socket"},
		{"serve new.img --size 1M --portal 127.0.0.1:0 --socket no/such/dir", "there is no directory no/such: make it"},
		{"serve new.img other.img --size 1M nodir/x.img --portal 127.0.0.1:0", "nodir/x.img"},
		{"serve disk.img --chap me", `--chap: "me" is not USER:FILE`},
		{"serve disk.img --chap me:nofile --portal 127.0.0.1:0", "nofile: no such file"},
		{"serve disk.img --chap me:open --portal 127.0.0.1:0", "chmod 600 open"},
		{"serve new.img --size 1M --chap me:short --portal 127.0.0.1:0", "12 to 255"},
		{"serve disk.img --chap me:secret --chap me:other", `--chap: the user "me" is here twice`},
		{"serve disk.img --mutual-chap me:secret", "--mutual-chap is there without --chap"},
		{"serve disk.img --chap me:secret --mutual-chap us:secret", "--mutual-chap: the secrets of the two directions must differ"},
		{"serve disk.img --discovery-chap me", `--discovery-chap: "me" is not USER:FILE`},
		{"serve disk.img --discovery-chap me:short --portal 127.0.0.1:0", "discovery: "},
		{"serve disk.img --log-level loud", `--log-level must be one of`},
		{"serve disk.img --log-format xml", `--log-format must be one of`},
		{"serve --config good.yaml disk.img", "--config is there together with"},
		{"serve --config good.yaml --read-only", "--config is there together with"},
		{"serve --config good.yaml --direct", "--config is there together with"},
		{"serve --config none.yaml", "none.yaml: no such file or directory"},
		{"serve --config bad.yaml", `bad.yaml:3:10: targets: "5" is a number: a list is wanted`},
		{"serve --config invalid.yaml", "invalid.yaml:3:11: targets[0]: the target has no name: add \"name: iqn.2026-11.io.lunette:NAME\" (and 1 more)"},
		{"units -o xml", "--output must be one of"},
		{"units extra", "unexpected argument extra (lunette units --help)"},
		{"serve nowhere.img", "nowhere.img: it is a symbolic link to gone.img, which does not exist: make that first"},
		{"serve nowhere.img --size 1M", "nowhere.img: it is a symbolic link to gone.img, which does not exist"},
		{"serve disk.img --portal [fe80::1]:0", "write [fe80::1%DEVICE]"},
		{"check", "name one document"},
		{"check good.yaml --config good.yaml", "name one document"},
		{"check none.yaml", "none.yaml: no such file or directory"},
		{"serve disk.img --portal 127.0.0.1:0 --socket-group no-such-group", `--socket-group: there is no group "no-such-group" on this machine`},
		{"help frobnicate", "unexpected argument frobnicate (lunette --help)"},
		{"kinds color", "must be one of"},
	}
	before := files(t)
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			args := strings.Fields(test.args)
			if args[0] == "serve" && !strings.Contains(test.args, "--socket") {
				args = append(args, "--socket", filepath.Join(t.TempDir(), "s"))
			}
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), args, &stdout, &stderr)
			line := stderr.String()
			if status != exitUsage || !strings.Contains(line, test.want) || stdout.Len() > 0 {
				t.Errorf("status %d, standard output %q\n got %s\nwant %s", status, &stdout, line, test.want)
			}
			if strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "lunette: ") || !strings.HasSuffix(line, "\n") {
				t.Errorf("not one line: %q", line)
			}
			if now := files(t); now != before {
				t.Errorf("the directory has changed:\n%s", now)
			}
		})
	}
}

func TestCheckListsAllProblems(t *testing.T) {
	sandbox(t)
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"check", "--config", "bad.yaml"}, &stdout, &stderr); status != exitUsage {
		t.Errorf("status %d", status)
	}
	want := "lunette: bad.yaml:3:10: targets: \"5\" is a number: a list is wanted"
	if lines := strings.Split(strings.TrimSpace(stderr.String()), "\n"); len(lines) != 2 ||
		!strings.HasPrefix(lines[0], want) || !strings.HasPrefix(lines[1], "lunette: bad.yaml:4:18: limits.memory: ") {
		t.Errorf("got %s", &stderr)
	}
	stderr.Reset()
	if status := run(t.Context(), []string{"check", "--config", "good.yaml"}, &stdout, &stderr); status != exitOK || stderr.Len() > 0 ||
		stdout.String() != "good.yaml is right: 1 target, 1 unit, 1 portal\n" {
		t.Errorf("status %d, %q, %q", status, &stdout, &stderr)
	}
}

func TestListsWithoutADaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, list := range []string{"targets", "units", "sessions"} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), []string{list, "--socket", path}, &stdout, &stderr)
		if want := "lunette: no daemon answers at " + path + ": start one with"; status != exitFailed || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%s: status %d, %q", list, status, &stderr)
		}
	}
}

package kind

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
)

// withAuth is a target that asks for CHAP, as a document has it after validation.
func withAuth(t *testing.T, mutual bool) model.Target {
	t.Helper()
	text := `{"version": 1, "units": [{"name": "a", "store": {"kind": "s"}}], "targets": [{"name": "iqn.2026-11.io.x:d", "luns": {"300": "a"},
 "auth": {"users": [{"user": "it's,me", "secret-file": "/a b"}]` + map[bool]string{true: `, "mutual": {"user": "us", "secret-file": "/c"}`}[mutual] + `}}]}`
	schema := model.Schema{
		Kinds:  []model.Kind{{Axis: "store", Name: "s"}, {Axis: "device", Name: "d"}, {Axis: "transport", Name: "iscsi+tcp", Listen: model.HostPort("tcp", 3260)}},
		Target: Kind().Target, Document: Kind().Document,
	}
	d, err := model.Read("d.json", []byte(text), schema)
	if err != nil {
		t.Fatal(err)
	}
	return d.Targets[0]
}

// What is printed can be typed in: names and files are quoted, both directions of CHAP are set, LUNs are as
// libiscsi has them, and where the initiator is here the secrets come from their files.
func TestAttachLines(t *testing.T) {
	open := plugin.Attaching{Target: model.Target{Name: "iqn.2026-11.io.x:d"}, LUN: 255, At: "192.0.2.1:1"}
	got := strings.Join(attachTCP(open), "\n")
	for _, want := range []string{"iscsiadm -m discovery -t sendtargets -p 192.0.2.1:1\n", "'iscsi://192.0.2.1:1/iqn.2026-11.io.x:d/255'"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	mutual := plugin.Attaching{Target: withAuth(t, true), LUN: 300, At: "127.0.0.1:1", Local: true}
	got = strings.Join(attachTCP(mutual), "\n")
	for _, want := range []string{
		"Linux      iscsiadm -m node -T iqn.2026-11.io.x:d -p 127.0.0.1:1 -o new\n", `auth.username -v 'it'\''s,me'`, `auth.password -v "$(cat '/a b')"`,
		"auth.username_in -v us\n", `auth.password_in -v "$(cat /c)"`, "--login\n", "/16684'",
		`LIBISCSI_CHAP_USERNAME='it'\''s,me' LIBISCSI_CHAP_PASSWORD="$(cat '/a b')" LIBISCSI_CHAP_TARGET_USERNAME=us LIBISCSI_CHAP_TARGET_PASSWORD="$(cat /c)" \`,
		`tr -d '\n' <'/a b' >chap.secret`, `-iscsi 'user=it'\''s,,me,password-secret=chap'`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	far := plugin.Attaching{Target: withAuth(t, false), LUN: 1, At: "ADDRESS:1"}
	got = strings.Join(attachISER(far), "\n")
	if !strings.Contains(got, "-I iser -o update -n node.session.auth.password -v SECRET") || strings.Contains(got, "_in") || strings.Contains(got, "/a b") {
		t.Errorf("by iSER:\n%s", got)
	}
}

// What is no disk appears as something else, and guests have it in another way.
func TestAttachOthers(t *testing.T) {
	for kind, wants := range map[scsi.PeripheralType][]string{
		scsi.TypeDisk:    {"if=virtio'"},
		scsi.TypeOptical: {"/dev/sr0", "format=raw,media=cdrom'"},
		scsi.TypeTape:    {"/dev/nst0", "-device scsi-generic,drive=unit"},
		scsi.TypeChanger: {"mtx -f", "-device scsi-generic,drive=unit"},
	} {
		a := plugin.Attaching{Target: model.Target{Name: "iqn.2026-11.io.x:d"}, At: "192.0.2.1:1", Type: kind}
		for _, want := range wants {
			if got := strings.Join(attachTCP(a), "\n"); !strings.Contains(got, want) {
				t.Errorf("%v: no %q in\n%s", kind, want, got)
			}
		}
	}
}

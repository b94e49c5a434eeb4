package kind

import (
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/scsi"
)

// indent is where the commands stand behind their labels.
const indent = "             "

// attachTCP shows how to attach a unit over TCP.
func attachTCP(a plugin.Attaching) []string {
	url := fmt.Sprintf("iscsi://%s/%s/%d", a.At, a.Target.Name, urlLUN(a.LUN))
	lines := append(label("Linux", linux(a, "")), a.Appears()...)
	in, out, ok := proofs(a)
	if !ok {
		return append(lines,
			"  libiscsi   iscsi-inq '"+url+"'",
			"  QEMU       qemu-system-x86_64 "+qemu(a, url)+" ...")
	}
	// In the environment, since the URL has no place for names with '@' or '%', and others can see command
	// lines.
	env := fmt.Sprintf("LIBISCSI_CHAP_USERNAME=%s LIBISCSI_CHAP_PASSWORD=%s", quote(in.user), in.secret)
	if out.user != "" {
		env += fmt.Sprintf(" LIBISCSI_CHAP_TARGET_USERNAME=%s LIBISCSI_CHAP_TARGET_PASSWORD=%s", quote(out.user), out.secret)
	}
	return append(lines,
		"  libiscsi   "+env+" \\",
		indent+"iscsi-inq '"+url+"'",
		"  QEMU       tr -d '\\n' <"+in.file+" >chap.secret   # a newline would be part of the secret",
		indent+"qemu-system-x86_64 -object secret,id=chap,file=chap.secret -iscsi "+quote("user="+strings.ReplaceAll(in.user, ",", ",,")+",password-secret=chap")+" \\",
		indent+qemu(a, url)+" ...")
}

// qemu are the options that make the unit at a URL a device of a guest.
func qemu(a plugin.Attaching, url string) string {
	drive := "-drive 'file=" + url + ",format=raw,"
	switch a.Type {
	case scsi.TypeOptical:
		return drive + "media=cdrom'"
	case scsi.TypeTape, scsi.TypeChanger:
		return "-device virtio-scsi-pci " + drive + "if=none,id=unit' -device scsi-generic,drive=unit"
	}
	return drive + "if=virtio'"
}

// attachISER shows how to attach a unit over RDMA.
func attachISER(a plugin.Attaching) []string {
	lines := a.SoftRDMA("Linux iSER")
	for _, command := range linux(a, " -I iser") {
		lines = append(lines, indent+command)
	}
	return append(lines, a.Appears()...)
}

// label puts a label before the first of some commands.
func label(name string, commands []string) []string {
	lines := make([]string, len(commands))
	for i, command := range commands {
		lines[i] = indent + command
	}
	lines[0] = fmt.Sprintf("  %-10s %s", name, commands[0])
	return lines
}

// linux are the commands of Linux's initiator, which log in over an interface of it. Where somebody has to
// prove who they are they do without discovery, which may want a proof of its own.
func linux(a plugin.Attaching, iface string) []string {
	node := fmt.Sprintf("iscsiadm -m node -T %s -p %s%s", a.Target.Name, a.At, iface)
	in, out, ok := proofs(a)
	if !ok && len(finders(a.Document)) == 0 {
		return []string{"iscsiadm -m discovery -t sendtargets -p " + a.At + iface, node + " --login"}
	}
	commands := []string{node + " -o new"}
	set := func(name, value string) {
		commands = append(commands, fmt.Sprintf("%s -o update -n node.session.auth.%s -v %s", node, name, value))
	}
	if ok {
		set("authmethod", "CHAP")
		set("username", quote(in.user))
		set("password", in.secret)
		if out.user != "" {
			set("username_in", quote(out.user))
			set("password_in", out.secret)
		}
	}
	return append(commands, node+" --login")
}

// A proof is a user, and the secret as a shell can have it.
type proof struct{ user, secret, file string }

// proofs are how the initiator proves who it is, and how we do; ok: the target asks for it. The secrets are
// in the files that the document names where the initiator is on this machine, and words for them elsewhere.
func proofs(a plugin.Attaching) (in, out proof, ok bool) {
	of := func(v model.Values, word string) proof {
		p := proof{user: v.String("user"), secret: word, file: "FILE"}
		if path := v.String("secret-file"); a.Local && path != "" {
			p.file = quote(path)
			p.secret = `"$(cat ` + p.file + `)"`
		}
		return p
	}
	auth := a.Target.Values.Group("auth")
	known := auth.Groups("users")
	if len(known) == 0 {
		return in, out, false
	}
	if auth.Has("mutual") {
		out = of(auth.Group("mutual"), "OUR-SECRET")
	}
	return of(known[0], "SECRET"), out, true
}

// finders are who may ask which targets there are; none: everybody.
func finders(document model.Values) []model.Values {
	return document.Group("discovery").Group("auth").Groups("users")
}

// urlLUN is a LUN as libiscsi and QEMU write it: the number that the first two bytes of the LUN are
// (SAM-5 4.7.7), so that those above 255 are 16384 more.
func urlLUN(lun int) int {
	l, err := scsi.FlatLUN(uint32(lun))
	if err != nil {
		return lun // a document has none such
	}
	return int(l >> 48)
}

// quote writes a word for a shell.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.,:/=@%+", r)
	}
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

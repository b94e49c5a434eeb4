//go:build interop

package interop

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestTools runs libiscsi's small programs against servers of every shape a client may meet.
func TestTools(t *testing.T) {
	units := []unit{{size: "64M"}, {memory: true, size: "48M"}}
	for name, s := range map[string]setup{
		"ipv4":             {units: units},
		"ipv6":             {host: "::1", units: units},
		"chap":             {user: "alice", secret: "correct-horse-battery", units: units},
		"chap over ipv6":   {host: "::1", user: "alice", secret: "correct-horse-battery", units: units},
		"chap everywhere":  {user: "alice", secret: "correct-horse-battery", discovery: true, units: units},
		"4096-byte blocks": {blockSize: 4096, units: units},
		"read-only":        {readOnly: true, units: units[:1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := start(t, s)
			t.Run("iscsi-ls", func(t *testing.T) { list(t, v) })
			for lun, u := range s.units {
				t.Run(fmt.Sprintf("lun %d", lun), func(t *testing.T) {
					t.Run("iscsi-inq", func(t *testing.T) { inquiry(t, v, lun) })
					t.Run("iscsi-readcapacity16", func(t *testing.T) { capacity(t, v, lun, u) })
					t.Run("iscsi-swp", func(t *testing.T) { writeProtect(t, v, lun) })
				})
			}
		})
	}
}

// TestWrongCredentials: nobody gets in without the secret.
func TestWrongCredentials(t *testing.T) {
	v := start(t, setup{user: "alice", secret: "correct-horse-battery", discovery: true, units: []unit{{memory: true, size: "16M"}}})
	right := v.url(0)
	for name, credentials := range map[string]string{
		"no CHAP":      "",
		"wrong secret": "alice%wrong-horse-battery@",
		"wrong user":   "mallory%correct-horse-battery@",
		"empty secret": "alice%@",
	} {
		t.Run(name, func(t *testing.T) {
			url := strings.Replace(right, v.credentials(), credentials, 1)
			if out, err := tool(t, "iscsi-readcapacity16", "-s", url); err == nil {
				t.Errorf("%s got in: %s", url, out)
			}
			if portal := "iscsi://" + credentials + v.portal; demandsCHAPForDiscovery {
				if out, err := tool(t, "iscsi-ls", portal); err == nil || strings.Contains(out, v.target) {
					t.Errorf("%s is told the targets: %v: %s", portal, err, out)
				}
			}
		})
	}
	if out, err := tool(t, "iscsi-readcapacity16", "-s", right); err != nil {
		t.Errorf("the right credentials did not: %v: %s", err, out)
	}
}

// TestInitiatorNames: libiscsi gets in, which is QEMU's initiator as well, with names that RFC 7143
// does not allow: QEMU makes its own of the name of the virtual machine.
func TestInitiatorNames(t *testing.T) {
	v := start(t, setup{units: []unit{{memory: true, size: "16M"}}})
	for _, name := range []string{"iqn.2008-11.org.linux-kvm:my vm", "iqn.libiscsi.unittest.initiator", "IdefixInitiator"} {
		t.Run(name, func(t *testing.T) {
			if out, err := tool(t, "iscsi-ls", "-i", name, "iscsi://"+v.portal); err != nil || !strings.Contains(out, v.target) {
				t.Errorf("discovery: %v: %s", err, out)
			}
			if out, err := tool(t, "iscsi-inq", "-i", name, v.url(0)); err != nil {
				t.Errorf("login: %v: %s", err, out)
			}
		})
	}
}

// TestNoSuchTarget: a name or LUN that is not served is refused.
func TestNoSuchTarget(t *testing.T) {
	v := start(t, setup{units: []unit{{memory: true, size: "16M"}}})
	for name, url := range map[string]string{
		"target": strings.Replace(v.url(0), v.target, v.target+".other", 1),
		"LUN":    v.url(7),
	} {
		t.Run(name, func(t *testing.T) {
			if out, err := tool(t, "iscsi-readcapacity16", "-s", url); err == nil {
				t.Errorf("%s is served: %s", url, out)
			}
		})
	}
}

func list(t *testing.T, v *server) {
	portal := "iscsi://" + v.credentials() + v.portal
	out, err := tool(t, "iscsi-ls", portal)
	if want := fmt.Sprintf("Target:%s Portal:%s,1\n", v.target, v.portal); err != nil || out != want {
		t.Errorf("iscsi-ls %s: %v, %q, want %q", portal, err, out, want)
	}
	out, err = tool(t, "iscsi-ls", "-s", portal)
	if err != nil {
		t.Fatalf("iscsi-ls -s %s: %v: %s", portal, err, out)
	}
	for i := range v.units {
		if line := regexp.MustCompile(fmt.Sprintf(`(?m)^Lun:%d +Type:DIRECT_ACCESS`, firstLUN+i)); !line.MatchString(out) {
			t.Errorf("iscsi-ls -s lists no disk at LUN %d:\n%s", firstLUN+i, out)
		}
	}
	if got, want := strings.Count(out, "Type:DIRECT_ACCESS"), len(v.units); got != want {
		t.Errorf("iscsi-ls -s lists %d disks, want %d:\n%s", got, want, out)
	}
}

func inquiry(t *testing.T, v *server, lun int) {
	out, err := tool(t, "iscsi-inq", v.url(lun))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"Peripheral Qualifier:CONNECTED\n", "Peripheral Device Type:DIRECT_ACCESS\n", "Removable:0\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("standard INQUIRY lacks %q:\n%s", want, out)
		}
	}
	pages, err := tool(t, "iscsi-inq", "-e", "1", "-c", "0", v.url(lun))
	if err != nil {
		t.Fatalf("%v: %s", err, pages)
	}
	for _, page := range []int{0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2} {
		if !strings.Contains(pages, fmt.Sprintf("Page:0x%02x ", page)) {
			t.Errorf("page %02Xh is not among the supported VPD pages:\n%s", page, pages)
		}
		out, err := tool(t, "iscsi-inq", "-e", "1", "-c", strconv.Itoa(page), v.url(lun))
		if err != nil || out == "" {
			t.Errorf("page %02Xh: %v: %q", page, err, out)
		}
	}
	// A page that is not served is an error, not an empty page.
	if out, err := tool(t, "iscsi-inq", "-e", "1", "-c", strconv.Itoa(0xc9), v.url(lun)); err == nil {
		t.Errorf("page C9h is answered: %s", out)
	}
}

func capacity(t *testing.T, v *server, lun int, u unit) {
	want, err := bytesOf(u.size)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tool(t, "iscsi-readcapacity16", "-s", v.url(lun))
	if err != nil || strings.TrimSpace(out) != strconv.FormatInt(want, 10) {
		t.Errorf("size: %v, %q, want %d", err, out, want)
	}
	out, err = tool(t, "iscsi-readcapacity16", v.url(lun))
	if want := fmt.Sprintf("LOGICAL BLOCK LENGTH IN BYTES:%d\n", v.blockSize); err != nil || !strings.Contains(out, want) {
		t.Errorf("%v, want %q in:\n%s", err, want, out)
	}
}

// writeProtect: where software write protection can be changed it must change, and where not it must be refused.
func writeProtect(t *testing.T, v *server, lun int) {
	show := func(want string) {
		t.Helper()
		if out, err := tool(t, "iscsi-swp", v.url(lun)); err != nil || !strings.HasSuffix(out, want+"\n") {
			t.Errorf("iscsi-swp: %v: %q, want %s", err, out, want)
		}
	}
	show("SWP:0")
	if _, err := tool(t, "iscsi-swp", "-s", "on", v.url(lun)); err != nil {
		show("SWP:0")
		return
	}
	show("SWP:1")
	if out, err := tool(t, "iscsi-swp", "-s", "off", v.url(lun)); err != nil {
		t.Errorf("iscsi-swp -s off: %v: %s", err, out)
	}
	show("SWP:0")
}

// TestPerf reads at depth for a second, in order and at random.
func TestPerf(t *testing.T) {
	v := start(t, setup{units: []unit{{size: "64M"}, {memory: true, size: "64M"}}})
	average := regexp.MustCompile(`iops average (\d+)`)
	for lun := range v.units {
		for _, order := range []string{"sequential", "random"} {
			args := []string{"-t", "1", "-m", "32", "-b", "8", v.url(lun)}
			if order == "random" {
				args = append([]string{"-r"}, args...)
			}
			out, err := tool(t, "iscsi-perf", args...)
			m := average.FindStringSubmatch(out)
			if err != nil || m == nil || m[1] == "0" || !strings.Contains(out, "finished.") {
				t.Errorf("LUN %d, %s: %v: %s", lun, order, err, out)
				continue
			}
			t.Logf("LUN %d, %s 4 KiB reads: %s a second", lun, order, m[1])
		}
	}
}

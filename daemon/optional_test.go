package daemon

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
)

// A disk that is dead keeps the others from coming back only if the document says so.
func TestOptionalUnits(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = `version: 1
units:
- {name: dead, store: {kind: file, path: gone.img}, optional: OPTIONAL}
- {name: m, store: {kind: memory, size: 1M}}
targets:
- {name: "` + disks + `", luns: {0: dead, 1: m}}
- {name: "` + closed + `", luns: {0: dead}}
portals: ["127.0.0.1:0"]
`
	read := func(optional string) *model.Document {
		t.Helper()
		doc, err := model.Read("test.yaml", []byte(strings.Replace(text, "OPTIONAL", optional, 1)), Builtin().Schema())
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if err := Examine(t.Context(), read("false"), Builtin()); err == nil || !strings.Contains(err.Error(), "gone.img: it does not exist") {
		t.Error(err)
	}
	if _, err := Start(t.Context(), read("false"), Builtin(), quiet(t)); err == nil || !strings.Contains(err.Error(), "gone.img: it does not exist") {
		t.Error(err)
	}
	doc := read("true")
	if err := Examine(t.Context(), doc, Builtin()); err != nil || len(doc.Notes) != 1 ||
		!strings.HasPrefix(doc.Notes[0].Error(), "test.yaml:3:23: units[0].store: the unit is optional, and would not be ready now: gone.img: it does not exist") {
		t.Errorf("%v, %v", err, doc.Notes)
	}
	d, err := Start(t.Context(), doc, Builtin(), quiet(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the connections
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var b bytes.Buffer
	if err := d.Announce(&b); err != nil || !strings.Contains(b.String(), "  LUN 0: dead, which is not ready: ") || !strings.Contains(b.String(), "  LUN 1: m, 1M ") {
		t.Errorf("%v, %s", err, &b)
	}
	units := d.Units()
	if why, _ := units[0].Facts.Value("notReady").(string); len(units) != 2 || units[1].Name != "m" || units[0].Name != "dead" || !strings.Contains(why, "gone.img") {
		t.Errorf("%+v", units)
	}
	for _, test := range []struct {
		target string
		lun    scsi.LUN
		says   byte // who it would be is not known: no unit is connected (001b)
	}{{disks, 0, 0x20}, {disks, 1 << 48, 0}, {closed, 0, 0x20}} {
		c, err := dial(t, d, initiator.Config{InitiatorName: me, TargetName: test.target})
		if err != nil {
			t.Fatal(err)
		}
		in := make([]byte, 96)
		r, err := c.Do(test.lun, []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0}, nil, in)
		if err != nil || r.Status != scsi.Good || in[0] != test.says {
			t.Errorf("LUN %d of %s: %v, %+v, INQUIRY says %#02x", test.lun, test.target, err, r, in[0])
		}
	}
	if _, err := os.Stat("gone.img"); err == nil {
		t.Error("the file was made")
	}
}

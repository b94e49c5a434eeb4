package daemon

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/plan"
)

// apply asks the daemon of a lab for a document of units.
func (l *lab) apply(text string, confirm ...plan.Confirm) (*apply.Result, error) {
	return l.d.engine.Apply(l.Context(), apply.Request{Text: []byte(text), Confirm: confirm})
}

// A store that gets smaller loses data whatever else changes of its unit, and whichever unit has it then. What
// cannot be done is refused before anything has happened.
func TestSmallerStoresAreConfirmed(t *testing.T) {
	for name, c := range map[string]struct {
		after    []string
		effect   plan.Effect
		refused  string // though it is confirmed
		size     int64  // of a.img
		confirms string
	}{
		"smaller":                    {[]string{"name: a, store: {kind: file, path: a.img, size: 16M}, device: {kind: disk, block-size: 4096}"}, plan.LosesData, "", 16 << 20, "delete-data"},
		"smaller, other blocks":      {[]string{"name: a, store: {kind: file, path: a.img, size: 16M}"}, plan.LosesData, "", 16 << 20, "delete-data"},
		"smaller, by another name":   {[]string{"name: a, store: {kind: file, path: link.img, size: 16M}"}, plan.LosesData, "", 16 << 20, "delete-data"},
		"larger, other blocks":       {[]string{"name: a, store: {kind: file, path: a.img, size: 64M}"}, plan.Replaces, "", 64 << 20, "replace"},
		"another and smaller":        {[]string{"name: a, store: {kind: file, path: b.img, size: 16M}"}, plan.Replaces, "", 32 << 20, "replace"},
		"opened in another way":      {[]string{"name: a, store: {kind: file, path: a.img, size: 16M, sync: true}"}, plan.LosesData, "cannot become 16M while it is opened in another way", 32 << 20, "delete-data"},
		"less than a block":          {[]string{"name: a, store: {kind: file, path: a.img, size: 512}, device: {kind: disk, block-size: 4096, settings: shared}"}, plan.LosesData, "less than one", 32 << 20, "delete-data"},
		"handed over":                {[]string{"name: a, store: {kind: memory, size: 1M}", "name: b, store: {kind: file, path: a.img, size: 16M}"}, plan.Replaces, "", 16 << 20, "replace delete-data"},
		"handed over by a link":      {[]string{"name: a, store: {kind: memory, size: 1M}", "name: b, store: {kind: file, path: link.img, size: 16M}"}, plan.Replaces, "the plan does not say", 32 << 20, "replace"},
		"to two, by a link":          {[]string{"name: a, store: {kind: file, path: a.img, size: 32M}", "name: b, store: {kind: file, path: link.img, size: 32M}, device: {kind: disk, serial: X}"}, plan.Replaces, "serves it already", 32 << 20, "replace"},
		"renamed and smaller":        {[]string{"name: z, store: {kind: file, path: a.img, size: 16M}, device: {kind: disk, block-size: 4096}"}, plan.LosesData, "", 16 << 20, "delete-data"},
		"renamed, smaller, replaced": {[]string{"name: z, store: {kind: file, path: a.img, size: 16M}"}, plan.LosesData, "", 16 << 20, "delete-data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			l := newLab(t, nil, "name: a, store: {kind: file, path: a.img, size: 32M}, device: {kind: disk, block-size: 4096}")
			if err := os.Symlink("a.img", "link.img"); err != nil {
				t.Fatal(err)
			}
			text := labText(c.after...)
			needs := (*apply.NeedsConfirmError)(nil)
			if _, err := l.apply(text); !errors.As(err, &needs) {
				t.Fatalf("it needs no confirmation: %v", err)
			}
			var got []string
			for _, f := range needs.Plan.Confirms() {
				got = append(got, string(f))
			}
			if strings.Join(got, " ") != c.confirms || needs.Plan.Steps[0].Effect != c.effect {
				t.Errorf("it needs %v, and its effect is %v", got, needs.Plan.Steps[0].Effect)
			}
			res, err := l.apply(text, needs.Plan.Confirms()...)
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("%v", err)
				}
			} else if err != nil || len(res.Conditions) > 0 {
				t.Fatalf("%+v, %v", res, err)
			}
			l.d.units.working.Wait()
			if all := l.d.Conditions(); len(all) != 0 {
				t.Errorf("%+v", all)
			}
			if info, err := os.Stat("a.img"); err != nil || info.Size() != c.size {
				t.Errorf("a.img: %v, %v", info, err)
			}
		})
	}
}

// Edits that change nothing make no generation.
func TestEditsThatChangeNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	l := newLab(t, nil, fileA+", device: {kind: disk, read-only: false}", stands)
	if _, err := l.apply(labText(fileA+", device: {kind: disk, read-only: false}", stands) + "users: [] # nobody\nlimits: {stop-timeout: 2s}\n"); err != nil {
		t.Fatal(err)
	}
	key := func(kind model.ObjectKind, name string) model.Key { return model.Key{Kind: kind, Name: name} }
	text := string(l.d.engine.Current().Document.Text())
	for _, e := range []model.Edit{
		{Op: model.MergeObject, Key: key(model.UnitObject, "a"), Body: []byte(`{"store": {"size": "1M"}}`)},
		{Op: model.MergeObject, Key: key(model.UnitObject, "a"), Body: []byte(`{"store": {"size": "1024K"}}`)},
		{Op: model.MergeObject, Key: key(model.UnitObject, "a"), Body: []byte(`{"optional": null}`)},
		{Op: model.MergeObject, Key: key(model.UnitObject, "a"), Body: []byte(`{}`)},
		{Op: model.MergeObject, Key: key(model.TargetObject, disks), Body: []byte(`{"luns": {"0": "a"}}`)},
		{Op: model.MergeObject, Key: key(model.TargetObject, disks), Body: []byte(`{"alias": null}`)},
		{Op: model.MergeObject, Key: key(model.SectionObject, "limits"), Body: []byte(`{"stop-timeout": "2s"}`)},
		{Op: model.MergeObject, Key: key(model.TargetObject, disks), Body: []byte(`{"luns": {"1": "by"}}`)},
	} {
		was := l.d.engine.Current().Generation
		res, err := l.d.engine.Apply(context.Background(), apply.Request{Edits: []model.Edit{e}})
		now := l.d.engine.Current()
		if err != nil || res.Changed || now.Generation != was || !slices.Equal([]byte(text), now.Document.Text()) {
			t.Errorf("%s of %v: %+v, %v:\n%s", e.Body, e.Key, res, err, now.Document.Text())
		}
	}
}

package kind

import (
	"errors"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/file"
)

// What can be given no identity is named by its path, with a warning that says what to do; all else by
// its identity, wherever it lies.
func TestName(t *testing.T) {
	named := func(path string, id file.Identity, isNew bool) plugin.Opened {
		o := plugin.Opened{New: isNew}
		name(&o, path, id)
		return o
	}
	id := strings.Repeat("1a", 16)
	if a, b := named("a", file.Identity{ID: id}, false), named("b", file.Identity{ID: id}, false); a.Seed != b.Seed || a.Caveat.Text != "" || len(a.News) != 0 {
		t.Errorf("%+v, %+v", a, b)
	}
	none := named("a", file.Identity{Why: errors.New("no room")}, false)
	if none.Seed != plugin.PathSeed("a") || !none.Caveat.Warn || !strings.Contains(none.Caveat.Text, "no room") || !strings.Contains(none.Caveat.Text, "serial") {
		t.Errorf("%+v", none)
	}
	for _, test := range []struct {
		id   file.Identity
		made bool
		want string
		warn bool
	}{
		{file.Identity{ID: id, Made: true}, true, "a was made", true},
		{file.Identity{ID: id, Made: true}, false, "was given one", false},
		{file.Identity{ID: id, Made: true, Dropped: "a.lunette"}, false, "a.lunette was of another disk", true},
	} {
		o := named("a", test.id, test.made)
		if last := o.News[len(o.News)-1]; !strings.Contains(last.Text, test.want) || last.Warn != test.warn {
			t.Errorf("%+v", o.News)
		}
	}
}

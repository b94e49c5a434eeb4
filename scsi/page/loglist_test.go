package page_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestParseLogSelect(t *testing.T) {
	one := page.AppendLogParameter(nil, 1, page.LogASCIIList, 'a', 'b')
	two := page.AppendLogParameter(one, 7, page.LogBinaryList)
	whole := slices.Concat(page.AppendLogPage(nil, 0x0f, 0, two), page.AppendLogPage(nil, 0x0f, 3, nil), page.AppendLogPage(nil, 0x30, 1, one))
	l, err := page.ParseLogSelect(whole)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for p := range l.Pages() {
		fmt.Fprintf(&got, "%02x/%02x at %d:", p.Code, p.Subpage, p.Offset)
		for q := range p.Parameters() {
			fmt.Fprintf(&got, " %d %d %q at %d", q.Code, q.Control, q.Value, q.Offset)
		}
		got.WriteByte('\n')
	}
	const want = "0f/00 at 0: 1 1 \"ab\" at 4 7 3 \"\" at 10\n0f/03 at 14:\n30/01 at 18: 1 1 \"ab\" at 22\n"
	if got.String() != want {
		t.Errorf("%swant\n%s", got.String(), want)
	}
	field := scsi.InvalidFieldInParameterList
	for name, c := range map[string]struct {
		list []byte
		want scsi.Sense
	}{
		"half a page header":     {[]byte{0x0f, 0}, scsi.ParameterListLengthError()},
		"page cut off":           {whole[:12], scsi.ParameterListLengthError()},
		"half a parameter":       {[]byte{0x0f, 0, 0, 2, 0, 1}, field(4, -1)},
		"parameter cut off":      {[]byte{0x0f, 0, 0, 5, 0, 1, 1, 2, 0}, field(4, -1)},
		"pages out of order":     {slices.Concat(whole, page.AppendLogPage(nil, 0x0f, 0, nil)), field(28, 5)},
		"parameters twice":       {page.AppendLogPage(nil, 0x0f, 0, slices.Concat(one, one)), field(10, -1)},
		"subpage without SPF":    {[]byte{0x0f, 1, 0, 0}, field(0, 6)},
		"SPF without a subpage":  {[]byte{0x4f, 0, 0, 0}, field(0, 6)},
		"parameters descending":  {page.AppendLogPage(nil, 0x0f, 0, slices.Concat(two[6:], one)), field(8, -1)},
		"subpages out of order":  {slices.Concat(page.AppendLogPage(nil, 0x0f, 2, nil), page.AppendLogPage(nil, 0x0f, 1, nil)), field(4, 5)},
		"the same subpage twice": {slices.Concat(page.AppendLogPage(nil, 0x0f, 2, nil), page.AppendLogPage(nil, 0x0f, 2, nil)), field(4, 5)},
	} {
		if _, err := page.ParseLogSelect(c.list); scsi.SenseOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzParseLogSelect(f *testing.F) {
	f.Add([]byte{})
	f.Add(page.AppendLogPage(nil, 0x0f, 3, page.AppendLogParameter(nil, 7, 1, 'x')))
	f.Fuzz(func(t *testing.T, list []byte) {
		l, err := page.ParseLogSelect(list)
		if err != nil {
			if s := (scsi.Sense{}); !errors.As(err, &s) {
				t.Fatalf("%v is no sense", err)
			}
			return
		}
		last := -1
		for p := range l.Pages() {
			if p.Offset <= last {
				t.Fatalf("%+v of %x", p, list)
			}
			last = p.Offset
			for q := range p.Parameters() {
				if q.Offset <= last || q.Offset+4+len(q.Value) > len(list) {
					t.Fatalf("%+v of %x", q, list)
				}
				last = q.Offset
			}
		}
	})
}

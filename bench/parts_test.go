package bench

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
)

func lunsOf(n uint64) []scsi.LUN { return []scsi.LUN{scsi.LUN(n << 48)} }

func TestCheckNoticesWrongData(t *testing.T) {
	for _, grain := range []int{512, 4096} {
		g := int64(grain)
		b := make([]byte, 2*grain)
		mark(b, grain, 1, 8*g, 5, true)
		if err := check(b, grain, 1, 8*g, 5, true); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"another unit":  check(b, grain, 2, 8*g, 0, false),
			"another place": check(b, grain, 1, 9*g, 0, false),
			"another write": check(b, grain, 1, 8*g, 4, false),
			"never written": check(make([]byte, grain), grain, 0, 0, 0, false),
		} {
			if err == nil {
				t.Errorf("%s: not noticed", name)
			}
		}
		for i := 0; i < len(b); i += 5 { // every byte counts
			b[i]++
			err := check(b, grain, 1, 8*g, 5, true)
			wrong, ok := err.(*WrongDataError)
			if at := 8*g + int64(i&^7); !ok || wrong.Offset != at || !strings.HasPrefix(err.Error(), "WRONG DATA") {
				t.Fatalf("byte %d: %v", i, err)
			}
			b[i]--
		}
		b[2*grain-1]++
		if check(b, grain, 1, 8*g, 0, false) == nil {
			t.Error("a torn grain: not noticed")
		}
	}
}

func TestGrain(t *testing.T) {
	for size, want := range map[int]int{512: 512, 1536: 512, 4096: 4096, 12 << 10: 4096, 5 << 10: 1024, 1 << 20: 4096} {
		if got := grainOf(size); got != want {
			t.Errorf("grainOf(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	last := -1
	for _, v := range []int64{0, 1, 63, 64, 127, 128, 129, 130, 255, 256, 1000, 1 << 20, 1<<20 + 1<<14, 1<<62 - 1, 1 << 62, 1<<63 - 1} {
		i := bucketOf(v)
		if i < last || i >= buckets || upper(i) < v || float64(upper(i)-v) > float64(v)/64 {
			t.Errorf("%d is in bucket %d, up to %d", v, i, upper(i))
		}
		if i > 0 && upper(i-1) >= v {
			t.Errorf("%d is in bucket %d, and fits into the one before", v, i)
		}
		last = i
	}
}

func TestQuantiles(t *testing.T) {
	var h Histogram
	var all []int64
	r := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		v := int64(r.ExpFloat64() * 1e5)
		all = append(all, v)
		h.Record(time.Duration(v))
	}
	slices.Sort(all)
	var c Counts
	c.Add(&h)
	for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
		want, got := all[max(int(q*10000)-1, 0)], int64(c.Quantile(q))
		if got < want || float64(got-want) > float64(want)/64 {
			t.Errorf("quantile %v is %d, want %d", q, got, want)
		}
	}
	if int64(c.Max()) != all[9999] || c.Total() != 10000 {
		t.Errorf("max %v of %d", c.Max(), c.Total())
	}
	before := c
	h.Record(50)
	h.Record(-5)
	c = Counts{}
	c.Add(&h)
	c.Sub(&before)
	if c.Total() != 2 || c.Max() != 50 || c.Quantile(0.5) != 0 {
		t.Errorf("%d, max %v", c.Total(), c.Max())
	}
	if c = (Counts{}); c.Quantile(0.5) != 0 || c.Max() != 0 {
		t.Error("of none there is something")
	}
}

func TestProcessorTime(t *testing.T) {
	before := ownTime()
	for stop := time.Now().Add(50 * time.Millisecond); time.Now().Before(stop); {
	}
	n, err := ProcessorTime(os.Getpid())
	if after := ownTime(); err != nil || n <= 0 || n < before-0.1 || n > after+0.1 {
		t.Errorf("%v, %v, want %v to %v", n, err, before, after)
	}
	for _, pid := range []int{-1, 0, 1 << 30} {
		if _, err := ProcessorTime(pid); err == nil {
			t.Errorf("of process %d", pid)
		}
	}
}

func TestContextSwitches(t *testing.T) {
	before, err := ContextSwitches(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		nap(time.Millisecond)
	}
	after, err := ContextSwitches(os.Getpid())
	if err != nil || after.Voluntary < before.Voluntary+10 || after.Involuntary < before.Involuntary {
		t.Errorf("%+v, then %+v, %v", before, after, err)
	}
	if _, err := ContextSwitches(1 << 30); err == nil {
		t.Error("of no process")
	}
}

var urls = []struct {
	text string
	want URL // zero: it is wrong
	err  string
}{
	{text: "iscsi://h/iqn.2026-11.io.x:a/0", want: URL{Host: "h", Port: 3260, Target: "iqn.2026-11.io.x:a"}},
	{text: "iser+roce://h:7/iqn.2026-11.io.x:a/3", want: URL{Provider: "roce", Host: "h", Port: 7, Target: "iqn.2026-11.io.x:a", LUN: 3}},
	{text: "iser+iwarp://me@h/iqn.2026-11.io.x:a/3", want: URL{Provider: "iwarp", User: "me", Host: "h", Port: 3260, Target: "iqn.2026-11.io.x:a", LUN: 3}},
	{text: "iser+tcp://h/iqn.2026-11.io.x:a/0", err: "does not begin"},
	{text: "iscsi://192.0.2.1:1234/IQN.2026-11.io.x:A/16383", want: URL{Host: "192.0.2.1", Port: 1234, Target: "iqn.2026-11.io.x:a", LUN: 16383}},
	{text: "iscsi://me@[::1]:1/eui.0123456789abcdef/1", want: URL{User: "me", Host: "::1", Port: 1, Target: "eui.0123456789abcdef", LUN: 1}},
	{text: "iscsi://iqn.2026-11.io.x:me@[fe80::1%lo]/iqn.2026-11.io.x/3", want: URL{User: "iqn.2026-11.io.x:me", Host: "fe80::1%lo", Port: 3260, Target: "iqn.2026-11.io.x", LUN: 3}},
	{text: "a@b@host/iqn.2026-11.io.x/3", err: "does not begin with iscsi://"},
	{text: "iscsi://a@b@host/iqn.2026-11.io.x/3", want: URL{User: "a@b", Host: "host", Port: 3260, Target: "iqn.2026-11.io.x", LUN: 3}},
	{text: "iscsi://me%hushhush@h/iqn.2026-11.io.x:a/0", err: "--secret FILE"},
	{text: "iscsi://me/hushhush@h/iqn.2026-11.io.x:a/0", err: "--secret FILE"},
	{text: "iscsi://@h/iqn.2026-11.io.x:a/0", err: "no user"},
	{text: "iscsi://h/iqn.2026-11.io.x:a", err: "is not iscsi://"},
	{text: "iscsi://h/iqn.2026-11.io.x:a/0/", err: "is not iscsi://"},
	{text: "http://me:hushhush@h/x/0", err: "does not begin"},
	{text: "iscsi:///iqn.2026-11.io.x:a/0", err: "not a host"},
	{text: "iscsi://a b/iqn.2026-11.io.x:a/0", err: "not a host"},
	{text: "iscsi://::1/iqn.2026-11.io.x:a/0", err: "brackets"},
	{text: "iscsi://[::1/iqn.2026-11.io.x:a/0", err: "closing bracket"},
	{text: "iscsi://[1.2.3.4]/iqn.2026-11.io.x:a/0", err: "not an IPv6 address"},
	{text: "iscsi://[::1]x/iqn.2026-11.io.x:a/0", err: "not a port"},
	{text: "iscsi://h:/iqn.2026-11.io.x:a/0", err: "not a port"},
	{text: "iscsi://h:0/iqn.2026-11.io.x:a/0", err: "not a port"},
	{text: "iscsi://h:65536/iqn.2026-11.io.x:a/0", err: "not a port"},
	{text: "iscsi://h/disk/0", err: "iSCSI name"},
	{text: "iscsi://h//0", err: "empty iSCSI name"},
	{text: "iscsi://h/iqn.2026-11.io.x:a/16384", err: "not a LUN"},
	{text: "iscsi://h/iqn.2026-11.io.x:a/-1", err: "not a LUN"},
	{text: "iscsi://h/iqn.2026-11.io.x:a/", err: "not a LUN"},
	{text: "", err: "does not begin"},
	{text: "vhost:///run/lunette/vm1.sock", want: URL{Rings: Rings{Path: "/run/lunette/vm1.sock"}}},
	{text: "vhost:///a?target=255&lun=16383", want: URL{Rings: Rings{Path: "/a"}, Number: 255, LUN: 16383}},
	{text: "vhost:///a?packed=on&indirect_desc=off&event_idx=off&poll=20us", want: URL{Rings: Rings{Path: "/a", Packed: true, Direct: true, Simple: true, Poll: 20 * time.Microsecond}}},
	{text: "vhost:///a?packed=off&indirect_desc=on&event_idx=on&poll=0", want: URL{Rings: Rings{Path: "/a"}}},
	{text: "vhost://run/a", err: "not the absolute path"},
	{text: "vhost://", err: "not the absolute path"},
	{text: "vhost:///a%20b", err: "no %"},
	{text: "vhost:///a?target=256", err: "from 0 to 255"},
	{text: "vhost:///a?lun=16384", err: "not a LUN"},
	{text: "vhost:///a?lun=1&lun=1", err: "2 times"},
	{text: "vhost:///a?unit=1", err: "means nothing"},
	{text: "vhost:///a?packed=yes", err: "on or off"},
	{text: "vhost:///a?poll=-1s", err: "a duration up to 1s"},
	{text: "vhost:///a?poll=2s", err: "a duration up to 1s"},
	{text: "vhost:///a?%zz", err: "%zz"},
}

func TestParseURL(t *testing.T) {
	for _, test := range urls {
		got, err := ParseURL(test.text)
		if got != test.want || test.err == "" && err != nil || test.err != "" && !contains(err, test.err) {
			t.Errorf("%q: %+v, %v", test.text, got, err)
		}
		if contains(err, "hush") {
			t.Errorf("%q: the error shows the secret: %v", test.text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, test := range urls {
		f.Add(test.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseURL(text)
		if err != nil {
			if u != (URL{}) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%+v, %v", u, err)
			}
			return
		}
		again, err := ParseURL(u.String())
		if u.User = ""; err != nil || again != u {
			t.Fatalf("%+v is %q, which is %+v, %v", u, u, again, err)
		}
	})
}

package kind

import (
	"fmt"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

func TestAdvertise(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1:3260", "192.0.2.1:31171": "192.0.2.1:31171", "[2001:db8::1]": "[2001:db8::1]:3260", "[2001:db8::1]:7": "[2001:db8::1]:7",
		"disks.example.com": "disks.example.com:3260", "disks.example.com.:99": "disks.example.com.:99", "node_1": "node_1:3260",
		"169.254.0.1": "169.254.0.1:3260",
		"":            "", "0.0.0.0": "", "[::]:3260": "", "[fe80::1]": "", "[fe80::1%eth0]:1": "", "2001:db8::1": "", "[192.0.2.1]": "", "a b": "", "-a.b": "",
		"a:0": "", "a:": "", "a:65536": "", "a:x": "", ":3260": "", "a..b": "", "192.0.2.1:3260,1": "", "a\x00b": "",
	} {
		err := checkAdvertised(text)
		if (err != nil) != (want == "") {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if want == "" {
			continue
		}
		if got := told(model.Values{"advertise": []any{text}}, "10.0.0.1:3260"); fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("%q is told as %v", text, got)
		}
	}
	if got := told(nil, "10.0.0.1:3260"); got != nil {
		t.Errorf("%v", got)
	}
}

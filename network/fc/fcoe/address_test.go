package fcoe

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	for _, test := range []struct {
		text, again string
		change      func(a *Address)
	}{
		{"eth1", "eth1", func(*Address) {}},
		{"eth1?mode=vn2vn", "eth1", func(*Address) {}},
		{"eth1?mode=enode", "eth1?mode=enode", func(a *Address) { a.Mode = ENode }},
		{"eth1.100", "eth1.100", func(a *Address) { a.VLAN = 100 }},
		{"br-storage.san", "br-storage.san", func(a *Address) { a.Interface = "br-storage.san" }},
		{"br.1.4094?priority=7", "br.1.4094?priority=7", func(a *Address) { a.Interface, a.VLAN, a.Priority = "br.1", 4094, 7 }},
		{"eth1?max-payload=1024", "eth1?max-payload=1024", func(a *Address) { a.MaxPayload = 1024 }},
		{"eth1.100?vlans=100,0&advertise=500ms&fcf-priority=0&fc-map=0EFC10&domain=239&name=0x2fcf020000000001&priority=3&mode=fabric",
			"eth1.100?mode=fabric&priority=3&name=2f:cf:02:00:00:00:00:01&domain=239&fc-map=0x0efc10&fcf-priority=0&advertise=500ms&vlans=100,0", func(a *Address) {
				a.VLAN, a.Mode, a.Priority, a.VLANs, a.Advertise = 100, Fabric, 3, []uint16{100, 0}, 500*time.Millisecond
				a.FCFPriority, a.FCMap, a.Domain, a.Name = 0, 0xefc10, 239, 0x2fcf020000000001
			}},
	} {
		want := Address{Interface: "eth1", Mode: VN2VN, FCMap: DefaultFCMap, Domain: DefaultDomain, FCFPriority: DefaultFCFPriority, Advertise: DefaultAdvertise}
		test.change(&want)
		got, err := ParseAddress(test.text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", test.text, got, err)
		}
		if got.String() != test.again {
			t.Errorf("%s is written %s", test.text, got)
		}
		if again, err := ParseAddress(got.String()); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s: %+v, %v", got, again, err)
		}
	}
}

func TestParseAddressErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "there is no interface",
		"?mode=fabric":                   "there is no interface",
		".100":                           "there is no interface",
		"eth1.0":                         "\"0\" is not a VLAN: they are 1 to 4094",
		"eth1.4095":                      "not a VLAN",
		"eth/1":                          "\"eth/1\" is not the name of an interface",
		"averylonginterface":             "is not the name of an interface",
		"eth1?mode=switch":               "mode=switch: there is no such mode: there are vn2vn",
		"eth1?mode=":                     "no such mode",
		"eth1?":                          "",
		"eth1?mod=fabric":                "there is no option \"mod\" of an address: there are mode, priority",
		"eth1?mode=fabric&mode=vn2vn":    "mode is there twice",
		"eth1?priority=3":                "priority is that of VLAN tags, and eth1 has none: write eth1.VLAN",
		"eth1.5?priority=8":              "it is a number from 0 to 7",
		"eth1?max-payload=255":           "256 to 2112",
		"eth1?max-payload=2111":          "multiple of 4",
		"eth1?mode=fabric&fc-map=1":      "an FC-MAP is from 0efc00 to 0efcff",
		"eth1?fc-map=0efc00":             "only a fabric has fc-map: write mode=fabric",
		"eth1?mode=enode&vlans=1":        "only a fabric has vlans",
		"eth1?mode=fabric&name=me":       "is not a worldwide name",
		"eth1?mode=fabric&domain=0":      "1 to 239",
		"eth1?mode=fabric&vlans=":        "is not a VLAN",
		"eth1?mode=fabric&vlans=7,7":     "7 is there twice",
		"eth1?mode=fabric&advertise=1ms": "every 500ms to 1m30s",
		"eth1?mode=%zz":                  "two hexadecimal digits",
	} {
		_, err := ParseAddress(text)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	f.Add("eth1.100?mode=fabric&priority=3&vlans=1,2&name=2f:cf:02:00:00:00:00:01&fc-map=0efc01")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if b, err := ParseAddress(a.String()); err != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%q is %+v; %q is %+v, %v", text, a, a.String(), b, err)
		}
	})
}

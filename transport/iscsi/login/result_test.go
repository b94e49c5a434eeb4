package login

import (
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestAnswer(t *testing.T) {
	digest := KeySpec{Name: "HeaderDigest", Kind: Selection}
	and := KeySpec{Name: "ImmediateData", Kind: And}
	or := KeySpec{Name: "InitialR2T", Kind: Or}
	low := KeySpec{Name: "MaxBurstLength", Kind: Minimum, Min: 512, Max: maxLength}
	high := KeySpec{Name: "DefaultTime2Wait", Kind: Maximum, Max: 3600}
	for _, c := range []struct {
		k                  KeySpec
		offered, own, want string
	}{
		{digest, "CRC32C,None", "CRC32C,None", "CRC32C"},
		{digest, "None,CRC32C", "CRC32C,None", "None"},
		{digest, "None,CRC32C", "CRC32C", "CRC32C"},
		{digest, "None", "CRC32C", Rejected},
		{digest, "crc32c", "CRC32C,None", Rejected},
		{digest, "", "CRC32C,None", Rejected},
		{digest, ",", "CRC32C,None", Rejected},
		{digest, "X,Y,None", "CRC32C,None", "None"},
		{and, Yes, Yes, Yes},
		{and, Yes, No, No},
		{and, No, Yes, No},
		{and, "yes", Yes, Rejected},
		{and, "", Yes, Rejected},
		{or, No, No, No},
		{or, No, Yes, Yes},
		{or, Yes, No, Yes},
		{or, "Reject", No, Rejected},
		{low, "1048576", "262144", "262144"},
		{low, "512", "262144", "512"},
		{low, "0x400", "262144", "1024"},
		{low, "511", "262144", Rejected},
		{low, "16777216", "262144", Rejected},
		{low, "512~1024", "262144", Rejected},
		{low, "99999999999999999999", "262144", Rejected},
		{high, "0", "2", "2"},
		{high, "3600", "2", "3600"},
		{high, "3601", "2", Rejected},
		{KeySpec{Name: "IFMarker", Kind: Obsolete}, No, "", Rejected},
	} {
		got, ok := c.k.answer(c.offered, c.own)
		if got != c.want || ok != (c.want != Rejected) {
			t.Errorf("%s=%s, own %s: %s, %v; want %s", c.k.Name, c.offered, c.own, got, ok, c.want)
		}
		if ok && !c.k.acceptable(got, c.offered) {
			t.Errorf("%s=%s: the offerer does not accept %s", c.k.Name, c.offered, got)
		}
	}
}

// Whatever is offered, the answer is what RFC 7143 section 6.2 says, written
// here a second time and in another way.
func TestAnswerProperties(t *testing.T) {
	cfg := DefaultConfig()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(keySpecs[:]).Draw(t, "key")
		number := rapid.Custom(func(t *rapid.T) string {
			n := rapid.OneOf(rapid.Uint64Range(0, 4000), rapid.Uint64Range(0, 1<<25), rapid.Uint64()).Draw(t, "n")
			if rapid.Bool().Draw(t, "hex") {
				return "0x" + strconv.FormatUint(n, 16)
			}
			return strconv.FormatUint(n, 10)
		})
		offered := rapid.OneOf(
			number, rapid.SampledFrom([]string{Yes, No, None, "CRC32C", "CRC32C,None", "None,CRC32C", "FastAbort,RFC3720", Rejected, Irrelevant}), rapid.String(),
		).Draw(t, "offer")
		p := DefaultParams()
		own := cfg.desired(k.Name, &p)
		if own == "" && (k.Kind == And || k.Kind == Or) {
			own = No
		}
		got, ok := k.answer(offered, own)
		var want string
		switch n, err := strconv.ParseUint(offered, 0, 64); {
		case k.Kind == And && offered == Yes:
			want = own
		case k.Kind == And && offered == No:
			want = No
		case k.Kind == Or && offered == Yes:
			want = Yes
		case k.Kind == Or && offered == No:
			want = own
		case (k.Kind == Minimum || k.Kind == Maximum) && err == nil && n >= uint64(k.Min) && n <= uint64(k.Max) && !octal(offered):
			mine, _ := strconv.ParseUint(own, 10, 64)
			if (n < mine) == (k.Kind == Minimum) {
				mine = n
			}
			want = strconv.FormatUint(mine, 10)
		case k.Kind == Selection:
			for _, o := range strings.Split(offered, ",") {
				if o != "" && strings.Contains(","+own+",", ","+o+",") {
					want = o
					break
				}
			}
		}
		if want == "" {
			if ok || got != Rejected {
				t.Fatalf("%s=%q: %s", k.Name, offered, got)
			}
			return
		}
		if !ok || got != want || !k.acceptable(got, offered) {
			t.Fatalf("%s=%q, own %s: %s, want %s", k.Name, offered, own, got, want)
		}
		p.set(&k, got)
		if k.Use != SecurityOnly && p.Extra != nil {
			t.Fatalf("%s is no field of Params", k.Name)
		}
	})
}

// octal are forms Go reads as a number and RFC 7143 does not.
func octal(s string) bool {
	return len(s) > 1 && s[0] == '0' && s[1] != 'x' && s[1] != 'X' || strings.ContainsAny(s, "_+")
}

func TestConfigCheck(t *testing.T) {
	good := DefaultConfig()
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"MaxConnections=0":                  func(c *Config) { c.MaxConnections = 0 },
		"MaxConnections=65536":              func(c *Config) { c.MaxConnections = 65536 },
		"MaxRecvDataSegmentLength=511":      func(c *Config) { c.MaxRecvDataSegmentLength = 511 },
		"MaxBurstLength=16777216":           func(c *Config) { c.MaxBurstLength = 1 << 24 },
		"FirstBurstLength=1048577 is above": func(c *Config) { c.FirstBurstLength = 1<<20 + 1 },
		"FirstBurstLength=0":                func(c *Config) { c.FirstBurstLength = 0 },
		"DefaultTime2Wait=3601":             func(c *Config) { c.DefaultTime2Wait = 3601 },
		"ErrorRecoveryLevel=3":              func(c *Config) { c.ErrorRecoveryLevel = 3 },
		"iSCSIProtocolLevel=32":             func(c *Config) { c.ProtocolLevel = 32 },
		`"SHA" is not one of`:               func(c *Config) { c.HeaderDigest = "SHA" },
		`"" is not one of`:                  func(c *Config) { c.DataDigest = "" },
		`"Slow" is not one of`:              func(c *Config) { c.TaskReporting = "RFC3720,Slow" },
		"RDMAExtensions=Maybe":              func(c *Config) { c.Keys = []Key{{KeySpec{Name: "RDMAExtensions", Kind: And}, "Maybe"}} },
		"capital":                           func(c *Config) { c.Keys = []Key{{KeySpec{Name: "rdma"}, ""}} },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

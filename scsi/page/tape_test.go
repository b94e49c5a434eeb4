package page_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

var tape = page.PeripheralOf(scsi.TypeTape)

func TestTapeData(t *testing.T) {
	inquiry := page.Inquiry{
		Peripheral: tape, Removable: true, Version: scsi.VersionSPC3, Protect: true, Changer: true, Barcodes: true, Vendor: "IBM", Product: "ULT3580-TD5",
		Revision: "H976", Special: []byte{1, 2, 3}, Versions: []uint16{0x520}, Length: 60,
	}.Append(nil)
	if want := unhex(t, "01 80 05 02 37 01 28 00 49424d2020202020 554c54333538302d5444352020202020 48393736 010203"+zeros(19)+"0520"); !bytes.Equal(inquiry, want) {
		t.Errorf("inquiry %x", inquiry)
	}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"0A/F0", page.DataProtection{Method: 2, Length: 4, Write: true, Read: true}.Append(nil), "4a f0 001c 02 04 c0" + zeros(25)},
		{"0F", page.Compression{Enabled: true, Capable: true, Decompress: true, Algorithm: 1, Reading: 1}.Append(nil), "0f 0e c0 80 00000001 00000001 00000000"},
		{"10", page.Configuration{Partition: 1, WriteDelay: 100, BlockIDs: true, GenerateEOD: true, SyncEW: true, Compression: 1, TamperedWORM: 2}.Append(nil),
			"10 0e 00 01 00 00 0064 40 00 18 000000 01 80"},
		{"10/01", page.ConfigurationMore{WriteMode: 1, ShortErase: 2, EarlyWarning: 3}.Append(nil), "50 01 001c 00 12 0003 00" + zeros(23)},
		{"11", page.Partitioning{Most: 1, Additional: 1, Initiator: true, Unit: 3, OnFormat: true, Recognition: 3, Exponent: 9, Sizes: []uint16{38, page.Rest}}.Append(nil),
			"11 0a 01 01 3c 03 09 00 0026 ffff"},
		{"1D", page.AppendMediumConfiguration(nil, true), "1d 1e 01 00 01 02" + zeros(26)},
		{"B0", page.AppendSequential(nil, tape, true), "01 b0 0002 01 00"},
		{"B2", page.AppendTapeAlerts(nil, tape, 1<<63|1), "01 b2 0008 8000000000000001"},
		{"B5", page.AppendBlockProtection(nil, tape, 1, 2), "01 b5 0010 07 01 04 c0 00000000 07 02 04 c0 00000000"},
		{"densities", page.AppendDensities(nil, page.Density{Primary: 0x58, Secondary: 0x58, Writable: true, Default: true, BitsPerMM: 15142, Width: 127, Tracks: 1280, Capacity: 1500000,
			Organization: "LTO-CVE", Name: "U-516", Description: "Ultrium 5/16T"}),
			"0036 0000 58 58 a0 0000 003b26 007f 0500 0016e360 4c544f2d43564520 552d353136202020 556c747269756d20352f3136542020202020 2020"},
		{"medium types", page.AppendMediumTypes(nil, page.MediumType{Type: 0x58, Densities: []byte{0x58}, Width: 127, Length: 846, Organization: "LTO-CVE", Name: "Ultrium5", Description: "Ultrium 5/16T"}),
			"003a 0000 58 00 0034 01 580000000000000000 007f 034e 0000 4c544f2d43564520 556c747269756d35 556c747269756d20352f3136542020202020 2020"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
	d := page.BlockDescriptor{BlockSize: 512}.WithDensity(0x58)
	if got := d.Append(nil); !bytes.Equal(got, unhex(t, "58000000 00000200")) || d.Density() != 0x58 {
		t.Errorf("block descriptor %x", got)
	}
	for unit, want := range []int64{7, 7000, 7e6, 7e9} {
		if n := (page.Partitioning{Unit: uint8(unit), Exponent: 9}).Bytes(7); n != want {
			t.Errorf("unit %d: %d", unit, n)
		}
	}
	if n := (page.Partitioning{Unit: 3, Exponent: 15}).Bytes(0xfffe); n != 1<<62 {
		t.Errorf("the most: %d", n)
	}
}

func TestEncryptionData(t *testing.T) {
	kads := []page.KAD{{Type: page.KADUnauthenticated, Authenticated: 1, Data: []byte("u")}, {Type: page.KADAuthenticated, Data: []byte("ab")}}
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"protocols", page.AppendSecurityProtocols(nil, 0, 0x20), "000000000000 0002 00 20"},
		{"certificate", page.AppendCertificate(nil), "0000 0000"},
		{"codes", page.AppendEncryptionCodes(nil, 1, 0x10), "0001 0002 0010"},
		{"0010", page.EncryptionCapabilities{ConfigurePrevent: 1, Index: 1, Loaded: true, MACs: true, Distinguish: true, Decrypt: 2, Encrypt: 2, Nonce: 1,
			MaxU: 0x20, MaxA: 0x0c, KeySize: 0x20, DecryptKAD: 3, ExternalMode: 1, Raw: 1, Algorithm: page.AlgorithmAES256GCM}.Append(nil),
			"0010 0028 01" + zeros(15) + "01 00 0014 ba 90 0020 000c 0020 d2 00" + zeros(6) + "00010014"},
		{"0012", page.EncryptionManagementCapabilities{Lock: true, OnDemount: true, AllNexus: true, Local: true, Open: true}.Append(nil), "0012 000c 01 04 00 07" + zeros(8)},
		{"0020", page.EncryptionStatus{NexusScope: 2, KeyScope: 2, Encryption: 2, Decryption: 3, Index: 1, Instance: 5, Control: 1, RawDisabled: true, KADs: kads}.Append(nil),
			"0020 001f 42 02 03 01 00000005 11 00" + zeros(10) + "00 01 0001 75 01 00 0002 6162"},
		{"0021", page.EncryptionBlock{Object: 9, State: page.BlockDecryptable, Index: 1, RawDisabled: true, KADs: kads[:1]}.Append(nil),
			"0021 0011 0000000000000009 05 01 01 00 00 01 0001 75"},
	} {
		if want := unhex(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s:\n got %x\nwant %x", c.name, c.got, want)
		}
	}
	set := page.EncryptionSet{Scope: 2, Lock: true, CheckExternal: 1, Raw: 3, OnDemount: true, OnLoss: true, Encryption: 2, Decryption: 2, Index: 1, Key: make([]byte, 32), KADs: kads}
	wire := set.Append(nil)
	if want := unhex(t, "0010 003b 41 75 02 02 01 00 00"+zeros(7)+"0020"+zeros(32)+"00 01 0001 75 01 00 0002 6162"); !bytes.Equal(wire, want) {
		t.Errorf("set %x", wire)
	}
	if back, err := page.ParseEncryptionSet(wire); err != nil || !reflect.DeepEqual(back, set) {
		t.Errorf("%+v, %v", back, err)
	}
	with := func(change func(b []byte)) []byte { b := bytes.Clone(wire); change(b); return b }
	short := func(n int) []byte { b := bytes.Clone(wire[:n]); b[3] = byte(n - 4); return b }
	for name, c := range map[string]struct {
		list []byte
		want error
	}{
		"too short":        {wire[:19], scsi.ParameterListLengthError()},
		"another page":     {with(func(b []byte) { b[1] = 0x11 }), scsi.InvalidFieldInParameterList(0, -1)},
		"wrong length":     {with(func(b []byte) { b[3]-- }), scsi.InvalidFieldInParameterList(2, -1)},
		"key too long":     {with(func(b []byte) { b[18] = 1 }), scsi.InvalidFieldInParameterList(18, -1)},
		"half a header":    {short(len(wire) - 4), scsi.IllegalRequest(scsi.ASCIncompleteKeyAssociatedData)},
		"half a value":     {short(len(wire) - 1), scsi.IllegalRequest(scsi.ASCIncompleteKeyAssociatedData)},
		"the same, twice":  {with(func(b []byte) { b[57] = 0 }), scsi.InvalidFieldInParameterList(57, -1)},
		"not in the order": {with(func(b []byte) { b[52] = 2 }), scsi.InvalidFieldInParameterList(57, -1)},
	} {
		if _, err := page.ParseEncryptionSet(c.list); err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzTapePages(f *testing.F) {
	f.Add(page.EncryptionSet{Key: make([]byte, 32), KADs: []page.KAD{{Data: []byte("x")}}}.Append(nil))
	f.Add(page.Partitioning{Sizes: []uint16{1, 2}}.Append(nil))
	f.Add(page.Configuration{}.Append(nil))
	f.Add(page.ConfigurationMore{}.Append(nil))
	f.Add(page.Compression{}.Append(nil))
	f.Add(page.DataProtection{}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := page.ParseEncryptionSet(b); err == nil {
			if back, err := page.ParseEncryptionSet(s.Append(nil)); err != nil || !reflect.DeepEqual(back, s) {
				t.Fatalf("%+v becomes %+v, %v", s, back, err)
			}
		} else if s := (scsi.Sense{}); !errors.As(err, &s) {
			t.Fatal(err)
		}
		if m, ok := page.ParsePartitioning(b); ok {
			if back, ok := page.ParsePartitioning(m.Append(nil)); !ok || !reflect.DeepEqual(back, m) {
				t.Fatalf("%+v becomes %+v", m, back)
			}
			for _, s := range m.Sizes {
				if n := m.Bytes(s); n < -1 {
					t.Fatalf("%d bytes", n)
				}
			}
		}
		if c, ok := page.ParseConfiguration(b); ok {
			if back, _ := page.ParseConfiguration(c.Append(nil)); back != c {
				t.Fatalf("%+v becomes %+v", c, back)
			}
		}
		if c, ok := page.ParseConfigurationMore(b); ok {
			if back, _ := page.ParseConfigurationMore(c.Append(nil)); back != c {
				t.Fatalf("%+v becomes %+v", c, back)
			}
		}
		if c, ok := page.ParseCompression(b); ok {
			if back, _ := page.ParseCompression(c.Append(nil)); back != c {
				t.Fatalf("%+v becomes %+v", c, back)
			}
		}
		if c, ok := page.ParseDataProtection(b); ok {
			if back, _ := page.ParseDataProtection(c.Append(nil)); back != c {
				t.Fatalf("%+v becomes %+v", c, back)
			}
		}
	})
}

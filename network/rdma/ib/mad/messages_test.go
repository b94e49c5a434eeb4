package mad

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/network/rdma/ib"
)

// What Linux sends, field by field.

func TestREQ(t *testing.T) {
	b := golden.Bytes(t, `lid:cac50e53 ece:00000000 svc:0000000001060cbd guid:000000fffe00000a r:00000000
		qkey:00000000 qpn:000011 rr:80 eecn:000000 idep:01 reecn:000000 b43:a0 psn:e9cfc7 b47:a7 pkey:ffff b50:36 b51:f0 llid:ffff rlid:ffff lgid:00*10+ffff0a000001
		rgid:00*10+ffff0a000002 fl:be280000 tc:00 hop:40 sl:00 ackto:98 alt:00*44 cmahdr:0040e5dd+00*12+0a000001+00*12+0a000002 ulp:80+00*55`)
	m, ok := ParseREQ(b)
	private := m.Private
	m.Private = nil
	want := REQ{
		LocalID: 0xcac50e53, ServiceID: ServiceID(3261), GUID: 0xfffe00000a, QPN: 0x11, ResponderResources: 128, InitiatorDepth: 1,
		RemoteTimeout: 20, PSN: 0xe9cfc7, LocalTimeout: 20, RetryCount: 7, PKey: ib.DefaultPKey, MTU: ib.MTU1024, RNRRetryCount: 6, MaxCMRetries: 15,
		Primary: Route{LocalLID: PermissiveLID, RemoteLID: PermissiveLID, Local: netip.MustParseAddr("10.0.0.1"), Remote: netip.MustParseAddr("10.0.0.2"), FlowLabel: 0xbe280, HopLimit: 64, Timeout: 19},
	}
	if !ok || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	h, rest, ok := ParseIPHeader(private)
	if !ok || h != (IPHeader{SourcePort: 0xe5dd, Source: want.Primary.Local, Destination: want.Primary.Remote}) || len(rest) != IPPrivateSize || rest[0] != 0x80 {
		t.Errorf("%+v, %x", h, rest)
	}
	m.Private = append(h.Append(nil), 0x80)
	if got := m.Append(nil); !bytes.Equal(got, b) {
		t.Errorf("%x", got)
	}
	if port, ok := PortOf(m.ServiceID); !ok || port != 3261 {
		t.Errorf("port %d", port)
	}
	if _, ok := PortOf(0x01110cbd); ok {
		t.Error("a datagram service has a port of connections")
	}
}

func TestREP(t *testing.T) {
	b := golden.Bytes(t, `lid:c9c50e53 rid:cac50e53 qkey:00000000 qpn:000011 r:00 eecn:000000 r:00 psn:9795fa
		r:00 rr:00 idep:80 b26:78 b27:e0 guid:000000fffe00000b pd:80+00*195`)
	m, ok := ParseREP(b)
	want := REP{
		LocalID: 0xc9c50e53, RemoteID: 0xcac50e53, QPN: 0x11, PSN: 0x9795fa, InitiatorDepth: 128, AckDelay: 15, RNRRetryCount: 7, GUID: 0xfffe00000b,
		Private: append([]byte{0x80}, make([]byte, 195)...),
	}
	if !ok || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	m.Private = []byte{0x80}
	if got := m.Append(nil); !bytes.Equal(got, b) {
		t.Errorf("%x", got)
	}
}

func TestDREQ(t *testing.T) {
	m, ok := ParseDREQ(golden.Bytes(t, "lid:c9c50e53 rid:cac50e53 rqpn:000011 r:00 pd:00*220"))
	if !ok || m.LocalID != 0xc9c50e53 || m.RemoteID != 0xcac50e53 || m.QPN != 0x11 || len(m.Private) != DREQPrivate {
		t.Errorf("%+v", m)
	}
}

func TestREJ(t *testing.T) {
	m := REJ{LocalID: 1, RemoteID: 2, Subject: OfREP, InfoLen: 1, Reason: InvalidMTU, Info: []byte{3}, Private: []byte{9}}
	b := m.Append(nil)
	if want := golden.Bytes(t, "lid:00000001 rid:00000002 of:40 info:02 reason:001a ari:03+00*71 pd:09+00*147"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
	for r, want := range map[Reason]string{ConsumerReject: "rejected by the application", 99: "reason 99"} {
		if r.String() != want {
			t.Errorf("%v", r)
		}
	}
}

func TestMRA(t *testing.T) {
	m := MRA{LocalID: 1, RemoteID: 2, Subject: OfOther, Timeout: 24}
	if b, want := m.Append(nil), golden.Bytes(t, "lid:00000001 rid:00000002 of:80 time:c0 pd:00*222"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
}

func TestSIDR(t *testing.T) {
	q := SIDRREQ{RequestID: 1, PKey: 0xFFFF, ServiceID: 0x0111_0cbd}
	if b, want := q.Append(nil), golden.Bytes(t, "id:00000001 pkey:ffff r:0000 svc:0000000001110cbd pd:00*216"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
	p := SIDRREP{RequestID: 1, Status: SIDRUnsupported, InfoLen: 2, Vendor: 0xABCDEF, QPN: 5, ServiceID: 6, QKey: 7}
	if b, want := p.Append(nil), golden.Bytes(t, "id:00000001 status:05 info:02 vendor:abcd qpn:000005 vendor:ef svc:0000000000000006 qkey:00000007 info:00*72 pd:00*136"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
}

func TestLAP(t *testing.T) {
	m := LAP{LocalID: 1, RemoteID: 2, QPN: 3, RemoteTimeout: 20, Alternate: Route{LocalLID: 4, RemoteLID: 5,
		Local: netip.MustParseAddr("10.0.0.1"), Remote: netip.MustParseAddr("2001:db8::2"), FlowLabel: 0xABCDE, TrafficClass: 6, HopLimit: 7, Rate: 8, SL: 9, SubnetLocal: true, Timeout: 19}}
	want := golden.Bytes(t, `lid:00000001 rid:00000002 r:00000000 qpn:000003 time:a0 r:00000000 lids:00040005 gid:00*10+ffff0a000001 gid:20010db8+00*11+02
		fl:abcde006 hop:07 rate:08 sl:98 ack:98 pd:00*168`)
	if b := m.Append(nil); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
	a := APR{LocalID: 1, RemoteID: 2, InfoLen: 3, Status: PathUnsupported, Info: []byte{4}}
	if b, want := a.Append(nil), golden.Bytes(t, "lid:00000001 rid:00000002 info:03 status:02 r:0000 info:04+00*71 pd:00*148"); !bytes.Equal(b, want) {
		t.Errorf("%x", b)
	}
}

func TestIPHeader(t *testing.T) {
	for _, a := range []string{"10.1.2.3", "2001:db8::1"} {
		h := IPHeader{SourcePort: 7, Source: netip.MustParseAddr(a), Destination: netip.MustParseAddr(a).Next()}
		b := h.Append(nil)
		got, rest, ok := ParseIPHeader(append(b, 5))
		if !ok || got != h || len(b) != IPHeaderLen || len(rest) != 1 {
			t.Errorf("%+v, want %+v", got, h)
		}
		if _, _, ok := ParseIPHeader(b[:IPHeaderLen-1]); ok {
			t.Error("a short header is taken")
		}
		b[1] = 0x50
		if _, _, ok := ParseIPHeader(b); ok {
			t.Error("a version of IP that there is not")
		}
	}
}

func TestClassPortInfo(t *testing.T) {
	m := ClassPortInfo{BaseVersion: 1, ClassVersion: 2, Capabilities: 3, Capabilities2: 4, Timeout: 18,
		Redirect: Referral{TrafficClass: 5, SL: 6, FlowLabel: 7, LID: 8, PKey: 9, QPN: 10, QKey: 11}, Trap: Referral{HopLimit: 12}}
	want := golden.Bytes(t, `v:0102 cap:0003 time:00000092 gid:00*16 fl:05600007 lid:0008 pkey:0009 qp:0000000a qkey:0000000b gid:00*16 fl:00*8 hop:0c000000 qkey:00000000 rest:00*160`)
	if b := m.Append(nil); !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
}

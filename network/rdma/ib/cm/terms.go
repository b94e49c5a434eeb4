package cm

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/lunette-io/lunette/network/rdma/ib"
	"github.com/lunette-io/lunette/network/rdma/ib/mad"
)

// check reports what cannot be said in a message.
func (t *Terms) check(private int) error {
	switch {
	case len(t.Private) > private:
		return fmt.Errorf("%w: %d bytes of private data, where %d fit", ErrTerms, len(t.Private), private)
	case t.QPN < 2 || t.QPN > 0xFFFFFF:
		return fmt.Errorf("%w: queue pair %#x", ErrTerms, uint32(t.QPN))
	case t.PSN > 0xFFFFFF:
		return fmt.Errorf("%w: PSN %#x", ErrTerms, uint32(t.PSN))
	case t.Reads < 0 || t.Reads > 255 || t.Serves < 0 || t.Serves > 255:
		return fmt.Errorf("%w: %d Reads outstanding, %d served", ErrTerms, t.Reads, t.Serves)
	case t.Retries < 0 || t.Retries > 7 || t.RNR < 0 || t.RNR > 7:
		return fmt.Errorf("%w: %d retries, %d after RNR NAK", ErrTerms, t.Retries, t.RNR)
	}
	return nil
}

// readREQ is what a REQ asks for. If nobody could accept it, why says why not, and info what is possible.
func readREQ(p ib.Path, q *mad.REQ) (r *Request, why mad.Reason, info []byte) {
	port, ok := mad.PortOf(q.ServiceID)
	h, rest, ip := mad.ParseIPHeader(q.Private)
	switch {
	case q.Service != mad.ReliableConnection:
		return nil, mad.InvalidTransport, nil
	case !ok:
		return nil, mad.InvalidServiceID, nil
	case q.QPN < 2:
		return nil, mad.NoQP, nil
	case q.MTU.Bytes() == 0:
		return nil, mad.InvalidMTU, []byte{byte(ib.MTU4096)}
	case !same(q.Primary.Local, p.Remote) || !same(q.Primary.Remote, p.Local):
		return nil, mad.InvalidGID, nil
	case !ip || h.Version != 0 || h.SourcePort == 0 || !same(h.Source, p.Remote) || !same(h.Destination, p.Local):
		return nil, mad.UnsupportedRequest, nil
	}
	return &Request{
		Path: p, Port: port, From: netip.AddrPortFrom(p.Remote, h.SourcePort), local: q.LocalTimeout, tries: int(q.MaxCMRetries), alternate: q.Alternate.Local.IsValid(),
		Terms: Terms{
			QPN: q.QPN, PSN: q.PSN, MTU: q.MTU.Bytes(), Reads: int(q.InitiatorDepth), Serves: int(q.ResponderResources), Credits: q.FlowControl,
			Timeout: q.Primary.Timeout.Duration(), Retries: int(q.RetryCount), RNR: int(q.RNRRetryCount), Private: bytes.Clone(rest),
		},
	}, 0, nil
}

// same reports whether what a message says is an address; messages know no zones.
func same(said, is netip.Addr) bool { return said == is.WithZone("") }

// failover is what REP says of the alternate path of REQ.
func (r *Request) failover() uint8 {
	if r.alternate {
		return noFailover
	}
	return 0
}

// ask is the REQ of what t says.
func (m *Manager) ask(p ib.Path, from netip.AddrPort, port uint16, t *Terms) (q mad.REQ) {
	h := mad.IPHeader{SourcePort: from.Port(), Source: p.Local, Destination: p.Remote}
	return mad.REQ{
		ServiceID: mad.ServiceID(port), GUID: m.conf.GUID, QPN: t.QPN, ResponderResources: uint8(t.Serves), InitiatorDepth: uint8(t.Reads),
		RemoteTimeout: response, FlowControl: t.Credits, PSN: t.PSN, LocalTimeout: response, RetryCount: uint8(t.Retries), PKey: fullPKey,
		MTU: ib.MTUOf(t.MTU), RNRRetryCount: uint8(t.RNR), MaxCMRetries: ownRetries,
		Primary: mad.Route{
			LocalLID: mad.PermissiveLID, RemoteLID: mad.PermissiveLID, Local: p.Local, Remote: p.Remote,
			FlowLabel: uint32(random())&0xFFFFE | 1, HopLimit: hopLimit, Timeout: ib.TimeoutOf(t.Timeout),
		},
		Private: append(h.Append(make([]byte, 0, mad.REQPrivate)), t.Private...),
	}
}

package iser_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	keys "github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// dial connects to a portal as an initiator without rules.
func dial(t testing.TB, d rdma.Device, addr string) *peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, _, err := d.Dial(ctx, addr, rdma.Options{Private: private.Append(nil), Reads: 1, Serves: 16, MaxMessage: 76 + 8192, Messages: 1000})
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(c)
	c.Start(p)
	return p
}

func sorted(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// negotiate has cl log in by way of p, and returns the last response.
func negotiate(t testing.TB, p *peer, cl *keys.Client) (*pdu.BHS, error) {
	t.Helper()
	var h *pdu.BHS
	var data []byte
	for {
		req, text, done, err := cl.Next(h, data)
		if err != nil || done {
			return h, err
		}
		if err := p.Send(&req, text); err != nil {
			t.Fatal(err)
		}
		got, text, err := p.Receive()
		if err != nil {
			t.Fatal(err)
		}
		h, data = &got, text
	}
}

package iser_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
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

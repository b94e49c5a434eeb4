package main

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

const (
	targetName = "iqn.2026-11.io.lunette:bench"
	blockSize  = 512
)

// dialISCSI logs in to p as host n, to all units.
func dialISCSI(ctx context.Context, p *peer, target string, n int, digests bool) (*bench.ISCSI, error) {
	l := bench.Login{
		Address: p.addr, Target: target, Initiator: fmt.Sprintf("iqn.2026-11.io.lunette.test:bench%d", n),
		ISID: pdu.ISID{0x80, 0, 0, 0, byte(n >> 8), byte(n)}, HeaderDigest: digests, DataDigest: digests, IWARP: p.iser,
	}
	if p.roce != nil {
		l.Device = p.roce
	}
	for u := range units {
		l.LUNs = append(l.LUNs, scsi.LUN(uint64(p.first+u)<<48))
	}
	return bench.DialISCSI(ctx, l)
}

package iscsi_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// pattern is n bytes that tell their place.
func pattern(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 7))
	for i := 0; i+8 <= n; i += 8 {
		v := r.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b
}

func write(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpWrite10, lba, uint16(n/512), w)
}

func read(lba uint32, n int, w transporttest.Way) []byte {
	return transporttest.CDB10(scsi.OpRead10, lba, uint16(n/512), w)
}

// good executes a command that must end with GOOD and without residual.
func good(t *testing.T, c *initiator.Conn, cdb, out, in []byte) {
	t.Helper()
	r, err := c.Do(0, cdb, out, in)
	switch {
	case err != nil:
		t.Fatal(err)
	case r.Status != scsi.Good || r.Residual != 0 || r.Received != len(in):
		t.Fatalf("%v, %v, residual %d, %d bytes of %d", r.Status, r.Sense(), r.Residual, r.Received, len(in))
	}
}

var ways = map[string]transporttest.Way{
	"lend": transporttest.Lend, "lease": transporttest.Lease, "later": transporttest.Later,
	"pieces": transporttest.Pieces, "keep": transporttest.KeepIt,
}

// TestTransfers writes and reads back with every combination of the keys that shape the
// data phases.
func TestTransfers(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	type shape struct{ first, burst, recv uint32 }
	shapes := []shape{{512, 512, 512}, {4096, 16384, 8192}, {65536, 262144, 8192}, {262144, 1 << 20, 262144}, {1000, 3000, 1500}, {262144, 1 << 20, 1 << 20}}
	sizes := []int{0, 512, 4096, 64 << 10, 1 << 20, 3<<20 + 512}
	lba := uint32(0)
	for _, immediate := range []bool{true, false} {
		for _, initial := range []bool{true, false} {
			for i, sh := range shapes {
				for j, digests := range []string{"None", "CRC32C"} {
					if testing.Short() && (i+j)%2 == 0 {
						continue
					}
					name := fmt.Sprintf("immediate=%v,initialR2T=%v,%d/%d/%d,%s", immediate, initial, sh.first, sh.burst, sh.recv, digests)
					t.Run(name, func(t *testing.T) {
						cfg := s.Config(1)
						w := &cfg.Login
						w.ImmediateData, w.InitialR2T, w.HeaderDigest, w.DataDigest = immediate, initial, digests, digests
						w.FirstBurstLength, w.MaxBurstLength, w.MaxRecvDataSegmentLength = sh.first, sh.burst, sh.recv
						w.MaxOutstandingR2T = uint32(1 + i)
						c := s.Dial(cfg)
						defer c.Close()
						if p := c.Params(); p.ImmediateData != immediate || p.InitialR2T != initial || p.MaxBurstLength != sh.burst || p.DataDigest != (digests == "CRC32C") {
							t.Fatalf("%+v", p)
						}
						for _, n := range sizes {
							for how, way := range ways {
								if n > 64<<10 && (how != "later" && how != "pieces" || sh.burst < 16384) {
									continue
								}
								data := pattern(n, uint64(lba))
								good(t, c, write(lba, n, way), data, nil)
								back := make([]byte, n)
								good(t, c, read(lba, n, way), nil, back)
								if !bytes.Equal(data, back) {
									t.Fatalf("%s: %d bytes came back wrong", how, n)
								}
								lba = (lba + 1) % 4096
							}
						}
						if code, err := c.Logout(0, 0); err != nil || code != 0 {
							t.Fatal(code, err)
						}
					})
				}
			}
		}
	}
}

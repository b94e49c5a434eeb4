package iwarp

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
	"github.com/lunette-io/lunette/network/tcp"
)

// TestSuite holds the provider to the contract, over every engine and with FPDUs of every kind.
func TestSuite(t *testing.T) {
	for name, open := range engines {
		for kind, c := range map[string]Config{"plain": {}, "CRC": {CRC: true}, "small": {MaxFPDU: 1448}, "small, CRC": {MaxFPDU: 1448, CRC: true}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
					e, err := open()
					if err != nil {
						t.Fatal(err)
					}
					c := c
					c.Engine = e
					a, b := device(t, c), device(t, c)
					t.Cleanup(func() {
						for _, close := range []func() error{a.Close, b.Close, func(e tcp.Engine) func() error { return e.Close }(e)} {
							if err := close(); err != nil {
								t.Error(err)
							}
						}
					})
					return rdmatest.Network{Listens: a, Dials: b, Addr: "127.0.0.1:0"}
				})
			})
		}
	}
}

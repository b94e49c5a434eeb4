package iwarp

import (
	"testing"

	"github.com/lunette-io/lunette/network/rdma/rdmatest"
)

// TestSuite holds the provider to the contract, over every engine and with FPDUs of every kind.
func TestSuite(t *testing.T) {
	for name, open := range engines {
		for kind, c := range map[string]Config{"plain": {}, "CRC": {CRC: true}, "small": {MaxFPDU: 1448}, "small, CRC": {MaxFPDU: 1448, CRC: true}} {
			if raceEnabled && (kind == "CRC" || kind == "small") { // the two others have all of it
				continue
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				rdmatest.Test(t, func(t testing.TB) rdmatest.Network {
					// Each side has an engine of its own: handlers of the suite make theirs wait.
					end := func() *Device {
						e, err := open()
						if err != nil {
							t.Fatal(err)
						}
						c := c
						c.Engine = e
						d := device(t, c)
						t.Cleanup(func() {
							if err := d.Close(); err != nil {
								t.Error(err)
							}
							if err := e.Close(); err != nil {
								t.Error(err)
							}
						})
						return d
					}
					return rdmatest.Network{Listens: end(), Dials: end(), Addr: "127.0.0.1:0"}
				})
			})
		}
	}
}

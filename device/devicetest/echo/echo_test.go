package echo_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/devicetest"
	"github.com/lunette-io/lunette/device/devicetest/echo"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newEcho(t testing.TB, arena *buffer.Arena, kept devicetest.Kept) devicetest.Unit {
	t.Helper()
	p, err := echo.New(echo.Config{
		Identity: scsi.Identity{Vendor: "LUNETTE", Product: "ECHO", Revision: "1", Serial: "7", NAA: scsi.NAA6("echo")},
		Arena:    arena, Modes: kept.Modes, Reservations: kept.Reservations,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSuite: a device type with neither a store nor a medium.
func TestSuite(t *testing.T) {
	devicetest.Run(t, devicetest.Device{
		New:      func(t testing.TB, arena *buffer.Arena) devicetest.Unit { return newEcho(t, arena, devicetest.Kept{}) },
		NewKept:  newEcho,
		Default:  true,
		Access:   map[devicetest.Name]reserve.Class{{Op: echo.Receive}: reserve.Reading, {Op: echo.Send}: reserve.Writing},
		Write:    []byte{byte(echo.Send), 0, 0x01, 0, 0, 0},
		WriteLen: 64 << 10,
		Modes: []devicetest.Mode{
			{Code: page.ModeControl}, {Code: page.ModeExceptions}, {Code: echo.ModePage}, {Code: echo.ModePage, Subpage: echo.ModeSubpage},
		},
	})
}

// Package kind is what a document can say of a unit that passes commands to a device of this host, how the device is found and opened, and
// what the unit says of itself.
package kind

import (
	"context"
	"fmt"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/passthrough"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/scsi"
)

// A Host has devices attached: [attached.Host] implements it.
type Host interface {
	Find(id string) (attached.Unit, error)
	Same(u attached.Unit) (attached.Unit, error)
	Users(u attached.Unit) ([]string, error)
	Detach(u attached.Unit) (attach func() error, err error)
	Watch(ctx context.Context, changed func()) error
}

// An Opener opens a device: [sg.Open] is one.
type Opener func(nodes sg.Nodes, cfg sg.Config) (sg.Device, error)

// Words of the option allow.
const (
	allowFirmware   = "firmware"
	allowFormat     = "format"
	allowVendor     = "vendor"
	allowThirdParty = "third-party"
	allowKeys       = "keys"
)

// Kind is the device type "passthrough".
func Kind() plugin.Device { return On(attached.Host{}, sg.Open) }

// On is the device type with the devices of h, which open opens: for hosts that are not this one, in tests.
func On(h Host, open Opener) plugin.Device {
	b := bridge{host: h, open: open}
	return plugin.Device{About: plugin.About{
		Name: "passthrough",
		Help: "A real SCSI device that is attached to this host: a tape drive, a robot, a CD drive, a disk. Commands go to it, and its answers to the initiators, bit for bit; reservations and all that many initiators must not share are lunette's own. `lunette devices` lists what there is.",
		Options: []model.Option{
			{Name: "id", Type: model.String, Required: true, Exclusive: true, Check: checkID, Help: "Which device: its name (`naa.…`, `eui.…`, `t10.…`, or `wwn-0x…` as udev writes it), its serial number, a device file (`/dev/nst0`, `/dev/sg3`, `/dev/bsg/0:0:0:0`) or a link to one (`/dev/tape/by-id/…`), or an address HOST:CHANNEL:TARGET:LUN. Names and serial numbers stay what they are when the kernel counts devices otherwise."},
			{Name: "io", Type: model.String, Default: sg.Auto, Values: []string{sg.Auto, sg.Uring, sg.Threads, sg.SG}, Help: "The way to the kernel: `uring`, io_uring on bsg (Linux 7.1); `threads`, bsg with a thread for each command that is under way; `sg`, the older interface, which copies all data; `auto`, the first of these that there is, but for tapes and robots `sg` before `threads`, by which the kernel may send a command again that the adapter has failed at."},
			{Name: "exclusive", Type: model.Bool, Help: "One initiator at a time has the raw device: everything passes, reservations and what `allow` is about too, and no second initiator gets in."},
			{Name: "allow", Type: model.String, List: true, Change: model.Live, Values: []string{allowFirmware, allowFormat, allowVendor, allowThirdParty, allowKeys}, Help: "Commands that pass beyond those that always do: `firmware`, microcode, and diagnostics with pages; `format`, FORMAT UNIT and SANITIZE; `vendor`, operation codes that no standard gives to the device type; `third-party`, EXTENDED COPY and its kind, with which the device talks to others; `keys`, SECURITY PROTOCOL OUT: encryption keys, which the device has for all initiators at once."},
			{Name: "detach-driver", Type: model.Bool, Help: "Takes the device from the kernel's driver (st, sr, sd, ch) for as long as the unit is there, so that no other program of this host gets in between. Its other device files, such as /dev/nst0, are gone meanwhile. A driver that takes it again, as when it was away, loses it again, once nobody uses it."},
			{Name: "timeouts", Type: model.String, List: true, Change: model.Live, Check: checkTimeout, Help: "How long the kernel waits for commands before it resets the device, by name or operation code: `ERASE(6)=8h`, `19h=8h`. Without it as long as the device itself says, and where it does not, what is usual for its type."},
			{Name: "depth", Type: model.Int, Max: sg.MaxDepthUring, Help: "How many commands the device gets at a time. 0: as many as are good for its type."},
			{Name: "reservations", Type: model.Path, Words: []string{model.Auto, "none"}, Default: model.Auto, Help: "The file that keeps registrations with APTPL, and their reservation, through restarts. `auto`: in the state directory, if there is one; `none`: nowhere, and APTPL is refused. With `exclusive` reservations are the device's own, and there is no file."},
		},
	}, Stores: model.NoStore, Type: scsi.TypeDisk, Alone: true, Open: b.openUnit, Fits: b.fits, Actions: actions()}
}

// allowed are the commands that words name.
func allowed(words []string) (a passthrough.Allowed) {
	for _, w := range words {
		switch w {
		case allowFirmware:
			a.Firmware = true
		case allowFormat:
			a.Format = true
		case allowVendor:
			a.Vendor = true
		case allowThirdParty:
			a.ThirdParty = true
		case allowKeys:
			a.Keys = true
		}
	}
	return a
}

// checkID finds what is wrong with the name of a device, whether it is attached or not.
func checkID(id string) error {
	switch {
	case strings.TrimSpace(id) == "":
		return fmt.Errorf("it names no device: \"lunette devices\" lists what is attached")
	case len(id) > maxID:
		return fmt.Errorf("%.40q… is no name of a device: it has %d characters, and up to %d are taken", id, len(id), maxID)
	case strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fmt.Errorf("%q is no name of a device: it has control characters", id)
	}
	return nil
}

// maxID is how long the name of a device is at the most: a path.
const maxID = 4095

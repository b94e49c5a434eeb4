package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/device/passthrough"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
)

// A bridge finds and opens devices.
type bridge struct {
	host Host
	open Opener
}

// A unit is the logical unit of a device. With it the device is given back.
type unit struct {
	*passthrough.Unit
	source *source
}

// Close implements [target.LogicalUnit].
func (u unit) Close() error { return errors.Join(u.Unit.Close(), u.source.giveBack()) }

// find finds the device that options name, and what keeps it from being used.
func (b bridge) find(v model.Values) (attached.Unit, error) {
	u, err := b.host.Find(v.String("id"))
	if err != nil {
		return u, err
	}
	return u, b.unused(u)
}

// unused is an error if somebody uses u.
func (b bridge) unused(u attached.Unit) error {
	users, err := b.host.Users(u)
	if err != nil {
		return fmt.Errorf("%s: who uses it cannot be found out: %w", title(u), err)
	}
	if len(users) > 0 {
		return inUse(u, fmt.Errorf("%w: %v: %s", attached.ErrInUse, u, strings.Join(users, "; ")))
	}
	return nil
}

// inUse says what to do about a device that others use, which err says.
func inUse(u attached.Unit, err error) error {
	what := "end what uses it"
	switch u.Driver {
	case "sd":
		what = "unmount its file systems, and take it out of volume groups, arrays and multipath maps"
	case "st", "ch":
		what = "stop the programs that have it open, such as the daemon of a backup program"
	case "sr":
		what = "unmount the disc"
	}
	return fmt.Errorf("%w: %s, and try again", err, what)
}

// fits finds what is wrong with options without opening anything.
func (b bridge) fits(v model.Values, _ map[string]plugin.Found) error {
	if err := there(v.String("reservations")); err != nil {
		return err
	}
	if err := unusedReservations(v); err != nil {
		return err
	}
	_, err := b.find(v)
	return err
}

// there reports what is wrong with the place of a file of reservations.
func there(where string) error {
	if where == model.Auto || where == none || where == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Dir(where)); err != nil {
		return fmt.Errorf("reservations: the directory of %s: %w", where, err)
	}
	return nil
}

// unusedReservations reports a file of reservations that nothing would be kept in.
func unusedReservations(v model.Values) error {
	switch where := v.String("reservations"); {
	case !v.Bool("exclusive"), where == model.Auto, where == none, where == "":
		return nil
	default:
		return fmt.Errorf("reservations: with \"exclusive: true\" they are the device's own, and nothing is kept in %s: leave one of the two out", where)
	}
}

// none is the word for no file of reservations.
const none = "none"

func (b bridge) openUnit(ctx context.Context, p plugin.Parts) ([]plugin.Unit, error) {
	v := p.Values
	if err := unusedReservations(v); err != nil {
		return nil, err
	}
	found, err := b.find(v)
	if err != nil {
		return nil, err
	}
	keep, claims, err := reservations(p, found)
	if err != nil {
		return nil, err
	}
	s := &source{bridge: b, log: p.Log, detach: v.Bool("detach-driver"), io: v.String("io"), depth: int(v.Int("depth")), unit: found}
	lu, err := passthrough.New(ctx, passthrough.Config{
		Source: s, Log: p.Log, Reservations: keep, Exclusive: v.Bool("exclusive"),
		Allow: allowed(v.Strings("allow")), Timeouts: timeouts(v.Strings("timeouts")), Depth: int(v.Int("depth")),
	})
	if err != nil {
		return nil, errors.Join(err, s.giveBack())
	}
	caveats(p, found)
	u := unit{lu, s}
	return []plugin.Unit{{
		LU: u, Claims: append(claims, names(found)...),
		Describe: u.describe, Act: u.act, Change: u.change,
	}}, nil
}

// change prepares other commands that pass, and other time-outs.
func (u unit) change(_ context.Context, c plugin.Changing) (plugin.Changed, error) {
	return plugin.Changed{Publish: func() { u.Tune(allowed(c.New.Strings("allow")), timeouts(c.New.Strings("timeouts"))) }}, nil
}

// caveats tell what is to be known of a device that is served.
func caveats(p plugin.Parts, u attached.Unit) {
	if u.Driver != "" && !p.Values.Bool("detach-driver") {
		node := u.Nodes.Upper
		if node == "" {
			node = "its device files"
		}
		p.Note(plugin.Notice{Warn: true, Text: fmt.Sprintf("%s: the kernel's driver %s has it as well, so that other programs of this host get in between by %s: \"detach-driver: true\" keeps them out", title(u), u.Driver, node)})
	}
	if u.Name == "" && u.Serial == "" {
		p.Note(plugin.Notice{Warn: true, Text: fmt.Sprintf("%s has neither a name nor a serial number: when it comes back it is known by its address alone", title(u))})
	}
}

// who tells a device from all others, as well as it does itself.
func who(u attached.Unit) string {
	switch {
	case u.Name != "":
		return u.Name
	case u.Serial != "":
		return strings.Join([]string{u.Vendor, u.Product, u.Serial}, " ")
	}
	return u.Address
}

// names are what no other unit may be called: what initiators know the device by. That is its name, if it has one; a serial number counts for
// one without, together with vendor and product: makers number as they please, and some give all logical units of an array the same number.
func names(u attached.Unit) []plugin.Claim {
	const cure = "a device has one unit, which many targets may have; a copy of its data has to be called otherwise"
	all := []plugin.Claim{{What: "device", Value: who(u), Cure: cure}}
	if digits, ok := strings.CutPrefix(u.Name, "naa."); ok {
		all = append(all, plugin.Claim{What: "NAA name", Value: digits, Cure: cure})
	}
	return all
}

// reservations are what keeps those of the device; nil: nothing does.
func reservations(p plugin.Parts, u attached.Unit) (reserve.Keeper, []plugin.Claim, error) {
	var at store.Record
	var claims []plugin.Claim
	switch where := p.Values.String("reservations"); where {
	case none:
	case model.Auto, "":
		if p.Keep != nil {
			at = p.Keep("reservations")
		}
	default:
		if err := there(where); err != nil {
			return nil, nil, err
		}
		abs, err := filepath.Abs(where)
		if err != nil {
			return nil, nil, err
		}
		claims = []plugin.Claim{{What: "file of reservations", Value: abs, Cure: "each has one of its own"}}
		at = record.At(where).Slot("reservations")
	}
	if at == nil || p.Values.Bool("exclusive") { // then they are the device's own
		return nil, claims, nil
	}
	return kept.New(at, scsi.NAA6("passthrough\x00"+who(u)), func(err error) {
		p.Log.Warn("reservations are not kept", "error", err)
	}), claims, nil
}

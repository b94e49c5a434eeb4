//go:build crash

package crash

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A vault knows where the cartridges of a library are: which one is in which place. On the shelf each has a place of its own.
type vault struct {
	mu      sync.Mutex
	in      map[string]string      // by place: slot3, mail1, drive0, shelf:LUN001L8; guarded by mu
	claimed map[string]bool        // places with which something is done; guarded by mu
	open    []*vaultStep           // what is done; guarded by mu
	tapes   map[string]*tapeLedger // by all barcodes that cartridges have had; guarded by mu
	serials map[string]string      // one of the barcodes, by serial number; guarded by mu
	dir     string                 // where the cartridges are
	made    int                    // cartridges that were made; guarded by mu
	done    int                    // steps; guarded by mu
}

const shelf = "shelf:"

// A vaultStep is something that is done with a library, all of it or nothing.
type vaultStep struct {
	what          string
	before, after map[string]string // what is in the places that it concerns; "": nothing
	robot         []byte            // the command; nil: an action does it
	action        string
	args          map[string]any
}

// tape is the cartridge with a serial number, which is in a drive, and a barcode that it has had.
func (v *vault) tape(serial string) (barcode string, l *tapeLedger, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.serials[serial] == "" {
		labels, err := filepath.Glob(filepath.Join(v.dir, "*", "label.json"))
		if err != nil {
			return "", nil, err
		}
		for _, path := range labels {
			var label struct{ Barcode, Serial string }
			b, err := os.ReadFile(path)
			if err == nil && json.Unmarshal(b, &label) == nil { // not, if it is being deleted
				v.serials[label.Serial] = label.Barcode
			}
		}
	}
	barcode = v.serials[serial]
	if l = v.tapes[barcode]; l == nil {
		return barcode, nil, fmt.Errorf("there is no cartridge of this number, or %q is not known", barcode)
	}
	return barcode, l, nil
}

// begin claims the places of a step that choose makes. choose sees what is free: it returns nil if there is nothing to do.
func (v *vault) begin(choose func() *vaultStep) *vaultStep {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := choose()
	if s == nil {
		return nil
	}
	for place := range s.places() {
		v.claimed[place] = true
	}
	v.open = append(v.open, s)
	return s
}

// places are those that a step concerns.
func (s *vaultStep) places() map[string]bool {
	all := make(map[string]bool)
	for place := range s.before {
		all[place] = true
	}
	for place := range s.after {
		all[place] = true
	}
	return all
}

// end notes how a step has ended.
func (v *vault) end(s *vaultStep, done bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settle(s, done)
	v.open = slices.DeleteFunc(v.open, func(o *vaultStep) bool { return o == s })
}

// settle makes the places what they are after a step, or before it. v.mu is held.
func (v *vault) settle(s *vaultStep, done bool) {
	now := s.before
	if done {
		now = s.after
		v.done++
	}
	for place := range s.places() {
		delete(v.claimed, place)
		delete(v.in, place)
		if now[place] != "" {
			v.in[place] = now[place]
		}
	}
	if !done {
		return
	}
	for place, barcode := range s.before {
		if strings.HasPrefix(place, "drive") && s.after[place] != barcode { // a drive gives up nothing that is not durable
			v.tapes[barcode].unloaded()
		}
	}
}

// is compares the vault with what was found after a crash. Of what was under way each is done or not.
func (v *vault) is(found map[string]string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, s := range v.open {
		fits := func(now map[string]string) bool {
			for place := range s.places() {
				if found[place] != now[place] {
					return false
				}
			}
			return true
		}
		switch {
		case fits(s.after):
			v.settle(s, true)
		case fits(s.before):
			v.settle(s, false)
		default:
			return fmt.Errorf("%s was under way, from %v to %v, and it is %v", s.what, s.before, s.after, found)
		}
	}
	v.open = nil
	clear(v.claimed)
	if !maps.Equal(found, v.in) {
		return fmt.Errorf("it has %v, and not %v", found, v.in)
	}
	return nil
}

// pick is a place of those that fit, with which nothing is done; "": there is none. v.mu is held.
func (v *vault) pick(r *rand.Rand, places []string, fits func(place, barcode string) bool) string {
	from := r.IntN(len(places))
	for i := range places {
		place := places[(from+i)%len(places)]
		if !v.claimed[place] && fits(place, v.in[place]) {
			return place
		}
	}
	return ""
}

func full(_, barcode string) bool  { return barcode != "" }
func empty(_, barcode string) bool { return barcode == "" }

// onShelf are the places of cartridges on the shelf. v.mu is held.
func (v *vault) onShelf() []string {
	var all []string
	for place := range v.in {
		if strings.HasPrefix(place, shelf) {
			all = append(all, place)
		}
	}
	slices.Sort(all)
	return append(all, shelf) // which is never full
}

// move chooses a move of the robot, or an exchange. It is for begin.
func (v *vault) move(r *rand.Rand) *vaultStep {
	all := elements()
	from := v.pick(r, all, full)
	to := v.pick(r, all, empty)
	if r.IntN(3) > 0 { // drives are what it is about
		drive := v.pick(r, all[:drives], func(string, string) bool { return true })
		switch {
		case drive == "":
		case v.in[drive] == "":
			to = drive
		case r.IntN(3) == 0:
			from = drive
		default: // what is in the drive goes elsewhere, and another comes instead
			other := v.pick(r, all, func(place, barcode string) bool { return barcode != "" && place != drive })
			if other == "" {
				break
			}
			second := to
			if second == "" || r.IntN(2) == 0 {
				second = other
			}
			s := &vaultStep{what: fmt.Sprintf("EXCHANGE MEDIUM of %s, %s and %s", other, drive, second), robot: exchange(other, drive, second),
				before: map[string]string{other: v.in[other], drive: v.in[drive]}, after: map[string]string{drive: v.in[other]}}
			s.after[second] = v.in[drive]
			return s
		}
	}
	if from == "" || to == "" {
		return nil
	}
	return &vaultStep{what: "MOVE MEDIUM from " + from + " to " + to, robot: moveMedium(from, to),
		before: map[string]string{from: v.in[from]}, after: map[string]string{to: v.in[from]}}
}

// operate chooses what an operator does. It is for begin.
func (v *vault) operate(r *rand.Rand) *vaultStep {
	all := elements()
	drive := func(place string) bool { return strings.HasPrefix(place, "drive") }
	quiet := v.pick(r, append(all[drives:], v.onShelf()...), full)
	kind := r.IntN(12)
	switch {
	case kind < 3:
		from := v.pick(r, all, full)
		to := v.pick(r, all, func(place, barcode string) bool { return barcode == "" && (!drive(place) || !drive(from)) })
		if from == "" || to == "" {
			return nil
		}
		return &vaultStep{what: "move of " + v.in[from] + " from " + from + " to " + to, action: "move", args: map[string]any{"barcode": v.in[from], "to": to},
			before: map[string]string{from: v.in[from]}, after: map[string]string{to: v.in[from]}}
	case kind < 5:
		from := v.pick(r, all, func(place, barcode string) bool { return barcode != "" && !drive(place) })
		if from == "" {
			return nil
		}
		return &vaultStep{what: "export from " + from, action: "export", args: map[string]any{"barcode": []string{v.in[from]}},
			before: map[string]string{from: v.in[from]}, after: map[string]string{shelf + v.in[from]: v.in[from]}}
	case kind < 8:
		from := v.pick(r, v.onShelf(), full)
		to := v.pick(r, all, func(place, barcode string) bool { return barcode == "" && !drive(place) })
		if from == "" || to == "" {
			return nil
		}
		return &vaultStep{what: "import to " + to, action: "import", args: map[string]any{"barcode": []string{v.in[from]}, "to": to},
			before: map[string]string{from: v.in[from]}, after: map[string]string{to: v.in[from]}}
	case kind == 8 && quiet != "": // another barcode
		old := v.in[quiet]
		v.made++
		becomes := fmt.Sprintf("RE%04dL8", v.made)
		to := quiet
		if strings.HasPrefix(quiet, shelf) {
			to = shelf + becomes
		}
		v.tapes[becomes] = v.tapes[old]
		return &vaultStep{what: "label of " + old, action: "label", args: map[string]any{"barcode": old, "becomes": becomes},
			before: map[string]string{quiet: old}, after: map[string]string{to: becomes}}
	case kind == 9 && quiet != "":
		doing := []string{"compact", "verify"}[r.IntN(2)]
		return &vaultStep{what: doing + " of " + v.in[quiet], action: doing, args: map[string]any{"barcode": []string{v.in[quiet]}},
			before: map[string]string{quiet: v.in[quiet]}, after: map[string]string{quiet: v.in[quiet]}}
	case kind == 10 && len(v.in) < maxCartridges:
		v.made++
		barcode := fmt.Sprintf("NEW%03dL8", v.made)
		v.tapes[barcode] = newTapeLedger()
		return &vaultStep{what: "create of " + barcode, action: "create", args: map[string]any{"format": "L8", "barcode": barcode, "capacity": "8M", "shelf": true},
			before: map[string]string{shelf + barcode: ""}, after: map[string]string{shelf + barcode: barcode}}
	case kind == 11 && len(v.in) > 12:
		gone := v.pick(r, v.onShelf(), full)
		if gone == "" {
			return nil
		}
		return &vaultStep{what: "delete of " + v.in[gone], action: "delete", args: map[string]any{"barcode": []string{v.in[gone]}},
			before: map[string]string{gone: v.in[gone]}, after: map[string]string{gone: ""}}
	}
	return nil
}

package daemon

import "time"

// watchEvery is how often the daemon looks whether what it serves is still there. Nobody else may tell
// it: what was removed while it is open can be read and written as before, and is gone at the end.
const watchEvery = 10 * time.Second

// watch looks until stop is closed.
func (d *Daemon) watch(stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			d.look()
		}
	}
}

// look tells the log, once, of each thing that a unit has lost.
func (d *Daemon) look() {
	d.watching.Lock()
	defer d.watching.Unlock()
	for _, u := range d.units.load() {
		err := u.stores.lost()
		if err == nil {
			u.told = ""
			continue
		}
		if text := oneLine(err); text != u.told {
			u.told = text
			d.log.Error("a store is not what it was", "unit", u.name(), "error", text)
		}
	}
}

package daemon

import "time"

// watchEvery is how often the daemon looks whether what it serves is still there. Nobody else may tell
// it: what was removed while it is open can be read and written as before, and is gone at the end.
const watchEvery = 10 * time.Second

// watch looks until stop is closed. While units are not ready it also looks each second whether one is to be
// tried again.
func (d *Daemon) watch(stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var try <-chan time.Time
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			d.look()
		case <-d.unopened:
			try = time.After(firstTry)
		case now := <-try:
			if try = nil; d.units.retry(now) {
				try = time.After(firstTry)
			}
		}
	}
}

// look tells the log, once, of each thing that a unit has lost.
func (d *Daemon) look() {
	d.watching.Lock()
	defer d.watching.Unlock()
	for _, u := range d.units.load() {
		s := u.device.Load().stores
		err := s.lost()
		if err == nil {
			s.told = ""
			continue
		}
		if text := oneLine(err); text != s.told {
			s.told = text
			d.log.Error("a store is not what it was", "unit", u.name(), "error", text)
		}
	}
}

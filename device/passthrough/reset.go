package passthrough

import (
	"errors"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
)

// resetting resets the device; see [target.Resetter]. No command goes to it before it has told of the reset.
func (p *path) resetting(done func()) {
	p.queue.hold()
	a := &p.desk
	a.mu.Lock()
	a.resets = append(a.resets, done)
	start := !a.resetting
	a.resetting = true
	a.mu.Unlock()
	if start {
		p.background.Go(p.reset)
	}
}

// reset resets the device, once for all who have asked, until nobody asks any more.
func (p *path) reset() {
	a := &p.desk
	for {
		a.mu.Lock()
		all := a.resets
		a.resets = nil
		if len(all) == 0 {
			a.resetting = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		// The device tells of it with its next answer, which is for us: all initiators are told when the tasks have ended.
		if p.resetDevice() && a.order(func(j *jobs) {
			j.told, j.resets = append(j.told, scsi.ASCPowerOnResetOrBusDeviceReset), append(j.resets, all...)
		}) {
			continue
		}
		p.resetEnds(all)
		p.advance()
	}
}

// resetDevice resets the device, and reports whether it was. What may not be reset goes on: its commands are waited for.
func (p *path) resetDevice() bool {
	l := p.queue.current()
	if l == nil || !p.queue.keep(l) {
		return false
	}
	err := l.dev.Reset()
	if p.queue.leaveAlone(l) {
		p.look()
	}
	switch {
	case err == nil:
		p.stats.resets.Add(1)
	case errors.Is(err, sg.ErrPrivilege):
		p.unprivileged.Do(func() {
			p.log.Warn("the device cannot be reset, its commands are waited for: give this process CAP_SYS_ADMIN and CAP_SYS_RAWIO", "node", l.info.Node)
		})
	case errors.Is(err, sg.ErrGone):
		p.lose(l, err)
	default:
		p.warn("the device could not be reset, its commands are waited for", "node", l.info.Node, "error", err)
	}
	return err == nil
}

// resetEnds tells all who have waited for a reset, and lets commands go as far as they have kept them.
func (p *path) resetEnds(all []func()) {
	for _, done := range all {
		done()
		p.queue.resume()
	}
}

package apply

// Expire ends the time of the change that is tried.
func (e *Engine) Expire() {
	if t := e.try; t != nil {
		e.expire(t)
	}
}

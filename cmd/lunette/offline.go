package main

import "errors"

func (c *rollbackCmd) offline(e *env) error { return errors.New("not yet") }

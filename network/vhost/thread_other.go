//go:build !linux

package vhost

import (
	"errors"
	"fmt"
)

var errLinux = fmt.Errorf("vhost: it takes Linux: %w", errors.ErrUnsupported)

func newBell() (int, error)                    { return none, errLinux }
func ringBell(int)                             {}
func await(*int, int) (kicked bool, err error) { return false, errLinux }
func duplicate(int) (int, error)               { return none, errLinux }
func closeDescriptor(int)                      {}

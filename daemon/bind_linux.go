package daemon

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"github.com/lunette-io/lunette/agent/model"
)

// explainBind says what to do about a portal that cannot be bound.
func (d *Daemon) explainBind(err error, p model.Portal) string {
	var dns *net.DNSError
	if errors.Is(err, syscall.EADDRINUSE) {
		for _, other := range d.portals { // such as 0.0.0.0:3260 and 127.0.0.1:3260
			if other.spec.Port == p.Port && p.Port != 0 {
				return fmt.Sprintf("port %d is that of the portal %s already, since both connect by TCP: choose another port", p.Port, other.spec)
			}
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("port %d is taken by another program: stop it, or choose another port (0 is any free one)", p.Port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine: \"ip address\" lists those it has", p.Host)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("port %d is not for ordinary users: choose one from 1024 on", p.Port)
	case errors.Is(err, syscall.EAFNOSUPPORT):
		return fmt.Sprintf("this machine has no addresses of the family of %s", p.Host)
	case errors.As(err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: write an IP address", p.Host)
	}
	return oneLine(err)
}

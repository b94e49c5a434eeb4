package kind

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/daemon/plugin"
)

// Rival is the portal of the same document that has the port, if that is why it cannot be bound: such as
// 0.0.0.0:3260 and 127.0.0.1:3260.
func Rival(f plugin.Failed) (model.Portal, bool) {
	_, port, _ := net.SplitHostPort(f.At.Text)
	if errors.Is(f.Err, syscall.EADDRINUSE) && port != "0" {
		for _, other := range f.Beside {
			if _, taken, _ := net.SplitHostPort(other.Address.Text); taken == port {
				return other, true
			}
		}
	}
	return model.Portal{}, false
}

// Busy reports that another program has the port.
func Busy(f plugin.Failed) bool {
	_, ours := Rival(f)
	return errors.Is(f.Err, syscall.EADDRINUSE) && !ours
}

// Explain says what to do about a portal that cannot be bound.
func Explain(f plugin.Failed) string {
	host, port, _ := net.SplitHostPort(f.At.Text)
	if other, ok := Rival(f); ok {
		return fmt.Sprintf("port %s is that of the portal %s already, since both connect by TCP: choose another port", port, other)
	}
	var dns *net.DNSError
	switch {
	case errors.Is(f.Err, syscall.EADDRINUSE):
		return fmt.Sprintf("port %s is taken by another program: stop it, or choose another port (0 is any free one)", port)
	case errors.Is(f.Err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%s is no address of this machine: \"ip address\" lists those it has", host)
	case errors.Is(f.Err, syscall.EACCES), errors.Is(f.Err, syscall.EPERM):
		return fmt.Sprintf("port %s is not for ordinary users: choose one from 1024 on", port)
	case errors.Is(f.Err, syscall.EAFNOSUPPORT):
		return fmt.Sprintf("this machine has no addresses of the family of %s", host)
	case errors.As(f.Err, &dns):
		return fmt.Sprintf("the name %s cannot be resolved: write an IP address", host)
	}
	return strings.ReplaceAll(f.Err.Error(), "\n", "; ")
}

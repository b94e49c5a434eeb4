package packet

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// listen opens a socket that hears of changes of interfaces (rtnetlink).
func listen() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_LINK}); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "rtnetlink"), nil
}

// hear looks at the interface whenever there is news of any, until the wire is closed. What has changed is asked for, not read from the news: some of
// them may have been lost.
func (w *wire) hear() {
	b := make([]byte, 32<<10)
	for {
		w.change()
		for {
			_, err := w.news.Read(b)
			if errors.Is(err, unix.ENOBUFS) {
				err = nil // more than there was room for: the more reason to look
			}
			if err != nil && !errors.Is(err, unix.EINTR) {
				return
			}
			break
		}
	}
}

// change looks at the interface, and tells the handler if the state is another.
func (w *wire) change() {
	w.state.Lock()
	_ = w.look() // what does not work is the interface's being down or gone, which the state says
	w.state.Unlock()
	w.calls.Lock()
	defer w.calls.Unlock()
	if s := w.State(); s != w.told {
		w.told = s
		w.h.Changed(s)
	}
}

// look asks for the state of the interface, and binds the socket if it is a new one. w.state is held.
func (w *wire) look() error {
	return w.control(func(fd uintptr) error {
		s := ethernet.State{Name: w.name}
		index, err := w.ask(int(fd), &s)
		switch {
		case errors.Is(err, unix.ENODEV):
			s, index, err = ethernet.State{Name: w.name, Gone: true}, 0, nil
		case err != nil:
			return err
		}
		if index != w.index || index != 0 && !bound(fd, index) { // a new interface, which may have the old number
			err = w.attach(fd, index)
		}
		if before := w.now.Load(); *before != s {
			w.now.Store(&s)
			w.ours()
			if !s.Up {
				w.tx.Lock()
				if !w.shutdown {
					w.rewind() // nothing old is sent when the interface is up again
				}
				w.tx.Unlock()
			}
		}
		if !s.Up { // An error that the socket has is told once: nobody waits for it.
			_, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		}
		return err
	})
}

// attach binds the socket to the interface with a number, 0 for none, with all that is joined. w.state is held.
func (w *wire) attach(fd uintptr, index int) (err error) {
	for _, m := range w.joined {
		// What an interface had joined has gone with it; but it may have another name now, and go on.
		_ = member(fd, unix.PACKET_DROP_MEMBERSHIP, w.index, m)
	}
	w.index = 0
	if index == 0 {
		return nil
	}
	if err = bind(fd, index); err != nil {
		return err
	}
	w.tx.Lock()
	w.sendsTo = index
	for _, o := range w.socket.outs {
		if o.own != nil {
			err = errors.Join(err, o.bind(index))
		}
	}
	w.tx.Unlock()
	for _, m := range w.joined {
		err = errors.Join(err, member(fd, unix.PACKET_ADD_MEMBERSHIP, index, m))
	}
	if err == nil {
		w.index = index
	}
	return err
}

// bound reports that a socket is bound to the interface with a number still: the kernel ends that when the interface goes.
func bound(fd uintptr, index int) bool {
	a, err := unix.Getsockname(int(fd))
	at, ok := a.(*unix.SockaddrLinklayer)
	return err == nil && ok && at.Ifindex == index
}

// ask asks the kernel for the state of the interface, and for its number.
func (w *wire) ask(fd int, s *ethernet.State) (index int, err error) {
	for _, q := range []struct {
		request uint
		answer  func(r *unix.Ifreq)
	}{
		{unix.SIOCGIFINDEX, func(r *unix.Ifreq) { index = int(r.Uint32()) }},
		{unix.SIOCGIFFLAGS, func(r *unix.Ifreq) {
			const up = unix.IFF_UP | unix.IFF_RUNNING
			s.Up = r.Uint16()&up == up
		}},
		{unix.SIOCGIFMTU, func(r *unix.Ifreq) { s.MTU = int(r.Uint32()) }},
	} {
		r, err := unix.NewIfreq(w.name)
		if err != nil {
			return 0, err
		}
		if err := unix.IoctlIfreq(fd, q.request, r); err != nil {
			return 0, err
		}
		q.answer(r)
	}
	s.MAC, err = hardwareAddress(fd, w.name)
	return index, err
}

// Package vhosttest is a front-end of vhost-user, and the guest behind it, that keep no rule unless they are told to: for tests of what a back-end does about that. It has a reading of its own of the
// protocol and of the rings, and shares no code with what it tests.
package vhosttest

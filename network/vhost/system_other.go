//go:build !linux

package vhost

import (
	"errors"
	"io/fs"
	"net"
)

// Other systems have neither files in memory that can be handed over nor eventfds.

func listen(Options) (*net.UnixListener, fs.FileInfo, error) { return nil, nil, errors.ErrUnsupported }
func (o Options) own() error                                 { return errors.ErrUnsupported }
func peer(*net.UnixConn) (Connection, error)                 { return Connection{}, errors.ErrUnsupported }
func hungUp(*net.UnixConn) bool                              { return true }
func checkEvent(int) error                                   { return errors.ErrUnsupported }
func mapFile(int, uint64, uint64) ([]byte, uint64, error)    { return nil, 0, errors.ErrUnsupported }
func unmapFile([]byte)                                       {}
func newFile(string, int64) (int, error)                     { return none, errors.ErrUnsupported }

package bench

import "time"

// A Job is one command of a worker, with its memory. The client has it from Submit until
// Wait returns it.
type Job struct {
	Buf   []byte
	Write bool
	Unit  int
	Off   int64 // bytes
	// Err is set by the client: the command has failed, and the connection goes on.
	Err error
	// Link is the client's, and stays from one command to the next.
	Link any

	block int64 // of the worker's part
	slot  int64 // which of the worker's jobs it is
	gen   uint64
	busy  bool
	began time.Duration // since the worker's epoch
}

// A Client is a connection that moves jobs. It is for one goroutine; only Close may be
// called by others.
type Client interface {
	// Submit queues j, which is sent by Wait.
	Submit(j *Job) error
	// Wait sends, and returns jobs that have ended, at least one if limit is 0; else it
	// may return none after that time. The slice is valid until the next call. An error
	// ends the connection.
	Wait(limit time.Duration) ([]*Job, error)
	Close() error
}

package uring

// What the kernel calls things (io_uring(7), io_uring_setup(2), io_uring_enter(2),
// io_uring_register(2)); golang.org/x/sys has no more of it than the numbers of the calls.

// Flags of io_uring_setup, each with the first kernel that has it.
const (
	setupCQSize       = 1 << 3  // 5.5
	setupSubmitAll    = 1 << 7  // 5.18
	setupCoopTaskrun  = 1 << 8  // 5.19
	setupSQE128       = 1 << 10 // 5.19
	setupCQE32        = 1 << 11 // 5.19
	setupSingleIssuer = 1 << 12 // 6.0
	setupDeferTaskrun = 1 << 13 // 6.1
)

// Features that io_uring_setup reports.
const (
	featSingleMmap   = 1 << 0
	featNoDrop       = 1 << 1 // completions that do not fit are kept (5.5)
	featSubmitStable = 1 << 2 // what an SQE points to is read when it is submitted (5.5)
	featFastPoll     = 1 << 5 // reading an eventfd that is empty holds no kernel thread (5.7)

	featNeeded = featNoDrop | featSubmitStable | featFastPoll
)

// Where the parts of a ring are mapped.
const (
	offSQRing = 0
	offCQRing = 0x8000000
	offSQEs   = 0x10000000
)

// Flags of io_uring_enter.
const enterGetEvents = 1 << 0

// Operations of io_uring_register.
const (
	registerBuffers2      = 15 // 5.13
	registerBuffersUpdate = 16 // 5.13

	rsrcSparse = 1 << 0 // 5.19
)

// Operations of an SQE.
const (
	opReadv       = 1
	opWritev      = 2
	opReadFixed   = 4
	opWriteFixed  = 5
	opAsyncCancel = 14
	opCommand     = 46 // 5.19
)

// Flags of opCommand.
const commandFixed = 1 << 0 // 5.19

// Flags of opAsyncCancel.
const (
	cancelAll = 1 << 0 // 5.19
	cancelAny = 1 << 2 // 5.19
)

// params is struct io_uring_params.
type params struct {
	sqEntries, cqEntries, flags, _, _, features, _ uint32
	_                                              [3]uint32
	sq                                             struct {
		head, tail, _, _, _, _, array, _ uint32
		_                                uint64
	}
	cq struct {
		head, tail, _, _, _, cqes, _, _ uint32
		_                               uint64
	}
}

// An SQE is struct io_uring_sqe: what the kernel shall do. [Ring.Next] gives it out empty,
// its own methods fill it in. In a wide ring each is followed by as much again, which [SQE.Command] uses.
type SQE struct {
	opcode, _    uint8
	_            uint16 // priority
	fd           int32
	off, addr    uint64
	len, opFlags uint32
	user         uint64
	buffer       uint16
	_            uint16 // personality
	_            int32
	payload      [2]uint64
}

// CommandSize is how many bytes a command has room for: the rest of an SQE of a wide ring.
const CommandSize = 80

// cqe is struct io_uring_cqe: what has come of it. In a wide ring each is followed by two words more, the first of which is [Ring.Extra].
type cqe struct {
	user uint64
	res  int32
	_    uint32
}

// rsrcRegister is struct io_uring_rsrc_register.
type rsrcRegister struct {
	n, flags uint32
	_        uint64
	_, _     uint64
}

// rsrcUpdate is struct io_uring_rsrc_update2.
type rsrcUpdate struct {
	offset, _ uint32
	data, _   uint64
	n, _      uint32
}

package verbs

import "net/netip"

// What this package needs of libibverbs and librdmacm is behind the interfaces of this file: library_linux.go has them with the libraries, and the tests
// have them without any adapter. Addresses of memory are integers here, since an adapter keeps them longer than any call: it is memory
// outside the Go heap, or pinned.

// A driver opens event channels of the connection manager.
type driver interface {
	manager() (manager, error)
}

// A manager is an event channel of the connection manager.
type manager interface {
	// create makes an identifier; its events have the token.
	create(token uint64) (identifier, error)
	// next waits for an event. [net.ErrClosed]: after close.
	next() (event, error)
	// interrupt has next return net.ErrClosed, and close ends the channel after that; all identifiers have been destroyed.
	interrupt()
	close()
}

// An identifier is an end of a connection, or a service point, as the connection manager has it.
type identifier interface {
	endpoint
	// listen makes a service point of it.
	listen(at netip.AddrPort, backlog int) error
	// resolve finds the adapter that leads to an address, and route the way there; events say when.
	resolve(to netip.AddrPort) error
	route() error
	// queuePair makes the queue pair of the connection.
	queuePair(p pairConfig) (queuePair, error)
	// ask sends the request, answer the answer, and refuse the other one.
	ask(g greeting) error
	answer(g greeting) error
	refuse(private []byte) error
}

// An endpoint is what any identifier can say, and how it ends.
type endpoint interface {
	// name is that of the adapter that it is on; empty: on none, or on any.
	name() string
	// adapter opens the adapter that it is on.
	adapter() (adapter, error)
	addresses() (local, remote netip.AddrPort)
	// setToken changes the token of the events that follow. It is called between calls of [manager.next].
	setToken(token uint64)
	// port is the number of the port of the adapter.
	port() uint32
	// established says that the peer has sent something before it was heard that it is there.
	established()
	// disconnect ends a connection: the peer is told, and the queue pair takes nothing any more.
	disconnect() error
	// destroy ends it; its queue pair has been destroyed. No event of it follows that was not under way.
	destroy()
}

// A greeting is what a request or an answer says.
type greeting struct {
	private       []byte
	reads, serves int
}

type eventKind uint8

// Events of the connection manager.
const (
	resolved eventKind = iota + 1
	routed
	requested // id asks at the listener that has the token
	established
	rejected     // by its user: private is what it says
	unreachable  // nobody answers, or nobody listens there
	disconnected // the peer has ended the connection, or has heard that we have
	removed      // the adapter is going away
	other
)

type event struct {
	kind    eventKind
	status  int
	token   uint64
	id      identifier // of a request
	private []byte
	reads   int // that the peer wants to have outstanding
	serves  int // that it serves
}

// An adapter is an RDMA device of this host.
type adapter interface {
	limits() limits
	// register lets the adapter reach memory.
	register(mem []byte, a access) (registration, error)
	// queue makes a queue for completions, and shared one for messages of many connections.
	queue(depth, index int) (queue, error)
	shared(depth int) (receiver, error)
	// next waits for something that happens to the adapter. [net.ErrClosed]: after interrupt.
	next() (happening, error)
	// interrupt ends next, and close the adapter after that: nothing that was made of it is left.
	interrupt()
	close()
}

// limits are what an adapter can do.
type limits struct {
	pieces, readPieces int // of a work, of a Read
	works              int // in a queue
	completions        int // in a queue
	shared             int // buffers in a shared queue; 0: it has none
	reads, serves      int
	iwarp              bool
	invalidates        bool // it can send messages that invalidate
}

type access uint8

const (
	localWrite access = 1 << iota
	remoteRead
	remoteWrite
)

// A registration is memory that an adapter can reach.
type registration interface {
	// keys are those for our own works, and for the peer's.
	keys() (local, remote uint32)
	// end takes it back: when it returns the adapter does not touch the memory any more.
	end() error
}

type happeningKind uint8

// What happens to adapters.
const (
	adapterLost happeningKind = iota + 1
	portDown                  // number says which
	pairAccess                // the peer of a queue pair has broken a rule about memory; number is its
	pairBroken                // a queue pair has failed otherwise
	pairHeard                 // a queue pair got something before it was established
	pairDrained               // a queue pair that has failed takes nothing any more from the shared queue
	queueBroken               // a queue of completions has failed; number is its
	nothingOfNote
)

type happening struct {
	kind   happeningKind
	number uint32
}

// A queue has completions.
type queue interface {
	// number is the adapter's for it.
	number() uint32
	// poll takes completions, as many as there are room and completions.
	poll(into []completion) (int, error)
	// arm has wait return at the next completion; those that are there are polled after that.
	arm() error
	wait() error
	// interrupt ends wait: it returns net.ErrClosed. close ends the queue after that.
	interrupt()
	close()
}

// A receiver takes buffers for messages.
type receiver interface {
	// receive posts buffers, and says how many were taken.
	receive(buffers []receive) (int, error)
	end()
}

// pairConfig says what a queue pair is.
type pairConfig struct {
	adapter  adapter
	queue    queue
	shared   receiver // nil: it has a queue of its own, for so many
	receives int
	works    int
	pieces   int
}

// A queuePair is one end of a connection.
type queuePair interface {
	receiver
	number() uint32
	// inlined is how many bytes a message can have that the adapter takes along when it is posted.
	inlined() int
	// post posts works; their pieces lie one behind the other. It says how many were taken.
	post(works []work, pieces []piece) (int, error)
	// fail has all that is posted come back, and the peer is not told.
	fail() error
}

// The layouts of what follows are those of library.h.

type piece struct {
	addr     uint64
	size     uint32
	localKey uint32
}

type work struct {
	id     uint64
	remote uint64
	key    uint32
	op     uint8
	flags  uint8
	pieces uint16
}

const (
	opSend uint8 = iota
	opSendInvalidate
	opWrite
	opRead
)

const (
	signaled uint8 = 1 << iota
	solicited
	inlined
)

type receive struct {
	id uint64
	piece
}

type completion struct {
	id     uint64
	pair   uint32
	status status
	bytes  uint32
	key    uint32
	flags  uint32
	vendor uint32
}

const invalidates = 1 // of completion.flags

// A status is how a work ended (IBTA vol 1, 11.6.2, in the numbers of libibverbs).
type status uint32

const (
	success             status = 0
	localLength         status = 1
	localOperation      status = 2
	localProtection     status = 4
	flushed             status = 5
	badResponse         status = 7
	localAccess         status = 8
	remoteInvalid       status = 9
	remoteAccess        status = 10
	remoteOperation     status = 11
	retriesExceeded     status = 12
	receiverNotReady    status = 13
	remoteAborted       status = 16
	fatal               status = 19
	responseTimeout     status = 20
	memoryWindowInvalid status = 6
)

/*
 * limit: what loopback itself allows. It answers the requests of ../raw.go from memory,
 * with one thread, one receive for all that has come and one gathered send for all answers.
 *
 *     limit PORT UNITS BYTES-OF-A-UNIT
 *
 * A header is: 0 the direction, 1 the unit, 4 a number, 8 the offset, 16 the length, all
 * little-endian; the answer is the same header, and the data of a read.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	HEADER = 48,
	BATCH = 256 << 10,       /* bytes of the receive buffer; answers are sent from there on, too */
	ANSWERS = 128,           /* that are gathered at most */
	SEND_BUFFER = 512 << 10, /* keeps what is under way in the cache */
	EVENTS = 64,
};

/* A conn is one connection. Answers point into the memory of the units. */
struct conn {
	int fd;
	size_t from, to;      /* what was received and not used: buf[from..to) */
	char *place;          /* where data of a write goes; wanted bytes are missing */
	size_t wanted;
	char pending[HEADER]; /* the write that it belongs to */
	struct iovec out[2 * ANSWERS];
	int sent, gathered;   /* out[sent..gathered) */
	int answers;
	size_t bytes;         /* of data in out */
	int blocked;          /* the socket is full: nothing is received until it is not */
	char slab[ANSWERS][HEADER];
	char buf[BATCH];
};

static char **memory;
static unsigned units;
static uint64_t unit_size;
static int poller;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t word(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

/* watch says what is waited for. */
static int watch(struct conn *c, int op)
{
	struct epoll_event e = { .events = c->blocked ? EPOLLOUT : EPOLLIN, .data.ptr = c };
	return epoll_ctl(poller, op, c->fd, &e);
}

/* flush sends what is gathered: 0 when all is sent, 1 when the socket is full, -1 at the end. */
static int flush(struct conn *c)
{
	while (c->sent < c->gathered) {
		struct msghdr m = { .msg_iov = c->out + c->sent, .msg_iovlen = c->gathered - c->sent };
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 1 : -1;
		while (c->sent < c->gathered && (size_t)n >= c->out[c->sent].iov_len)
			n -= c->out[c->sent++].iov_len;
		if (n > 0) {
			c->out[c->sent].iov_base = (char *)c->out[c->sent].iov_base + n;
			c->out[c->sent].iov_len -= n;
		}
	}
	c->sent = c->gathered = c->answers = 0;
	c->bytes = 0;
	return 0;
}

/* answer gathers an answer: flush must follow when there is no room for another. */
static void answer(struct conn *c, const char *header, char *data, size_t n)
{
	char *h = memcpy(c->slab[c->answers++], header, HEADER);
	c->out[c->gathered++] = (struct iovec){ h, HEADER };
	if (n > 0) {
		c->out[c->gathered++] = (struct iovec){ data, n };
		c->bytes += n;
	}
}

static int full(const struct conn *c) { return c->answers == ANSWERS || c->bytes >= BATCH; }

/* request starts the request of a header: 0, or -1 if it is outside of the memory. */
static int request(struct conn *c, const char *header)
{
	unsigned unit = (unsigned char)header[1];
	uint64_t off = word(header + 8), n = word(header + 16);
	if (unit >= units || off > unit_size || n > unit_size - off)
		return -1;
	char *place = memory[unit] + off;
	if (header[0] == 0) {
		answer(c, header, place, n);
		return 0;
	}
	memcpy(c->pending, header, HEADER);
	c->place = place;
	c->wanted = n;
	if (n == 0)
		answer(c, header, NULL, 0);
	return 0;
}

/* use uses what was received: 0 when more is needed, 1 when the socket is full, -1 at the end. */
static int use(struct conn *c)
{
	for (;;) {
		if (full(c)) {
			int r = flush(c);
			if (r != 0)
				return r;
		}
		size_t have = c->to - c->from;
		if (c->wanted > 0) {
			size_t n = have < c->wanted ? have : c->wanted;
			memcpy(c->place, c->buf + c->from, n);
			c->from += n;
			c->place += n;
			if ((c->wanted -= n) > 0)
				return flush(c); /* what follows may be long in coming */
			answer(c, c->pending, NULL, 0);
			continue;
		}
		if (have < HEADER)
			return flush(c);
		char *header = c->buf + c->from;
		c->from += HEADER;
		if (request(c, header) < 0)
			return -1;
	}
}

/* receive receives once, data of a write to its place: as receive(2). */
static ssize_t receive(struct conn *c)
{
	struct iovec in[2];
	int n = 0;
	memmove(c->buf, c->buf + c->from, c->to - c->from);
	c->to -= c->from;
	c->from = 0;
	if (c->wanted > 0)
		in[n++] = (struct iovec){ c->place, c->wanted };
	in[n++] = (struct iovec){ c->buf + c->to, BATCH - c->to };
	struct msghdr m = { .msg_iov = in, .msg_iovlen = n };
	ssize_t got = recvmsg(c->fd, &m, MSG_DONTWAIT);
	if (got <= 0)
		return got;
	size_t data = (size_t)got < c->wanted ? (size_t)got : c->wanted;
	c->place += data;
	c->to += got - data;
	if (c->wanted > 0 && (c->wanted -= data) == 0)
		answer(c, c->pending, NULL, 0);
	return got;
}

/* serve does what an event allows: -1 when the connection has ended. */
static int serve(struct conn *c)
{
	int was = c->blocked, r;
	if (c->blocked) {
		if ((r = flush(c)) == 0)
			r = use(c); /* what had to wait */
	} else {
		ssize_t got = receive(c);
		if (got == 0)
			return -1;
		if (got < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		r = use(c);
	}
	if (r < 0 || (c->blocked = r) == was)
		return r < 0 ? -1 : 0;
	return watch(c, EPOLL_CTL_MOD);
}

static void greet(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1, size = SEND_BUFFER;
	if (fd < 0)
		return;
	struct conn *c = calloc(1, sizeof *c);
	if (c == NULL)
		fail("a connection");
	c->fd = fd;
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0 || watch(c, EPOLL_CTL_ADD) < 0)
		fail("a socket");
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("limit PORT UNITS BYTES-OF-A-UNIT\n", stderr);
		return 2;
	}
	units = strtoul(argv[2], NULL, 10);
	unit_size = strtoull(argv[3], NULL, 10);
	memory = calloc(units, sizeof *memory);
	for (unsigned u = 0; memory != NULL && u < units; u++) {
		memory[u] = mmap(NULL, unit_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory[u] == MAP_FAILED)
			fail("memory");
	}
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	struct epoll_event event = { .events = EPOLLIN }, events[EVENTS];
	poller = epoll_create1(EPOLL_CLOEXEC);
	if (memory == NULL || listener < 0 || poller < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, EVENTS) < 0 ||
	    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0)
		fail("listening");
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c == NULL) {
				greet(listener);
			} else if (serve(c) < 0) {
				close(c->fd);
				free(c);
			}
		}
	}
}

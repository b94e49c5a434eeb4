//go:build verbs && cgo && linux

// What this package calls of libibverbs and librdmacm, which are opened at run time. All that crosses from Go is integers, and arrays of them;
// addresses are those of memory outside the Go heap.
#ifndef LUNETTE_LIBRARY_H
#define LUNETTE_LIBRARY_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdint.h>

// A library is the two libraries, and where their functions are.
typedef struct library library;

// A work is a work request; its pieces follow those of the one before it in an array of struct ibv_sge. The layout is that of Go's work.
typedef struct {
	uint64_t id;
	uint64_t remote;
	uint32_t key; // of remote memory, or to be invalidated
	uint8_t op;
	uint8_t flags;
	uint16_t pieces;
} work;

enum { OP_SEND, OP_SEND_INVALIDATE, OP_WRITE, OP_READ };
enum { FLAG_SIGNALED = 1, FLAG_SOLICITED = 2, FLAG_INLINE = 4 };

// A receive is a buffer for one message. The layout is that of Go's receive.
typedef struct {
	uint64_t id;
	struct ibv_sge piece;
} receive;

// A completion has the layout of Go's completion.
typedef struct {
	uint64_t id;
	uint32_t qpn;
	uint32_t status;
	uint32_t bytes;
	uint32_t key;   // that the peer has invalidated
	uint32_t flags; // 1: key is one
	uint32_t vendor;
} completion;

// An occurrence is an event of the connection manager, copied and acknowledged.
typedef struct {
	int kind;
	int status;
	uint64_t token;
	struct rdma_cm_id *id;
	uint32_t asks, serves; // Reads: that the peer wants to have outstanding, that it serves
	int iwarp; // the adapter of the identifier is one for that
	uint32_t length;
	uint8_t data[256];
} occurrence;

typedef struct {
	int sge, sge_read, inlined, works, cqe, shared_works, shared_sge, reads, serves, vectors, iwarp, invalidates;
} limits;

// All functions return 0, or an errno, unless they say otherwise.
library *library_open(char *why, int length); // NULL: why says so
int manager_open(library *l, struct rdma_event_channel **ch);
void manager_close(library *l, struct rdma_event_channel *ch);
int manager_next(library *l, struct rdma_event_channel *ch, occurrence *o);

int id_create(library *l, struct rdma_event_channel *ch, uint64_t token, struct rdma_cm_id **id);
void id_token(struct rdma_cm_id *id, uint64_t token);
int id_listen(library *l, struct rdma_cm_id *id, const uint8_t *ip, int iplen, uint32_t zone, uint16_t port, int backlog);
int id_resolve(library *l, struct rdma_cm_id *id, const uint8_t *ip, int iplen, uint32_t zone, uint16_t port, int ms);
int id_route(library *l, struct rdma_cm_id *id, int ms);
int id_address(struct rdma_cm_id *id, int remote, uint8_t *ip, uint32_t *zone, uint16_t *port); // returns the length of ip
int id_connect(library *l, struct rdma_cm_id *id, int accept, const void *data, int length, int reads, int serves);
int id_reject(library *l, struct rdma_cm_id *id, const void *data, int length);
int id_disconnect(library *l, struct rdma_cm_id *id);
void id_established(library *l, struct rdma_cm_id *id);
void id_destroy(library *l, struct rdma_cm_id *id);
int id_queue_pair(library *l, struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_cq *cq, struct ibv_srq *srq,
	int works, int receives, int sge, int *inlined);
int id_fail(library *l, struct rdma_cm_id *id);
void id_destroy_queue_pair(library *l, struct rdma_cm_id *id);

const char *adapter_name(library *l, struct ibv_context *c);
int adapter_limits(library *l, struct ibv_context *c, limits *x);
int adapter_domain(library *l, struct ibv_context *c, struct ibv_pd **pd);
void adapter_close(library *l, struct ibv_pd *pd);
int adapter_register(library *l, struct ibv_pd *pd, uint64_t addr, uint64_t length, int access, struct ibv_mr **mr);
int adapter_deregister(library *l, struct ibv_mr *mr);
int adapter_event(library *l, struct ibv_context *c, int *kind, uint32_t *number); // number: of the queue pair, of the port, or of the queue of completions

int queue_open(library *l, struct ibv_context *c, int depth, int vector, struct ibv_comp_channel **ch, struct ibv_cq **cq);
void queue_close(library *l, struct ibv_comp_channel *ch, struct ibv_cq *cq);
int queue_poll(struct ibv_cq *cq, completion *into, int n); // returns how many, or -1
int queue_arm(struct ibv_cq *cq);
int queue_event(library *l, struct ibv_comp_channel *ch);

int shared_open(library *l, struct ibv_pd *pd, int depth, struct ibv_srq **srq);
void shared_close(library *l, struct ibv_srq *srq);
int shared_receive(struct ibv_srq *srq, receive *r, int n, int *posted);
int pair_receive(struct ibv_qp *qp, receive *r, int n, int *posted);
int pair_post(struct ibv_qp *qp, work *w, int n, struct ibv_sge *pieces, int *posted);

#endif

//go:build verbs && cgo && linux

#include "library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The functions that are called, with the result, the name and the parameters of each. Posting and polling are not among them: the headers
// go by the context's own table for these.
#define VERBS(F) \
	F(struct ibv_pd *, ibv_alloc_pd, (struct ibv_context *)) \
	F(int, ibv_dealloc_pd, (struct ibv_pd *)) \
	F(struct ibv_mr *, ibv_reg_mr, (struct ibv_pd *, void *, size_t, int)) \
	F(int, ibv_dereg_mr, (struct ibv_mr *)) \
	F(struct ibv_comp_channel *, ibv_create_comp_channel, (struct ibv_context *)) \
	F(int, ibv_destroy_comp_channel, (struct ibv_comp_channel *)) \
	F(struct ibv_cq *, ibv_create_cq, (struct ibv_context *, int, void *, struct ibv_comp_channel *, int)) \
	F(int, ibv_destroy_cq, (struct ibv_cq *)) \
	F(int, ibv_get_cq_event, (struct ibv_comp_channel *, struct ibv_cq **, void **)) \
	F(void, ibv_ack_cq_events, (struct ibv_cq *, unsigned int)) \
	F(struct ibv_srq *, ibv_create_srq, (struct ibv_pd *, struct ibv_srq_init_attr *)) \
	F(int, ibv_destroy_srq, (struct ibv_srq *)) \
	F(int, ibv_modify_qp, (struct ibv_qp *, struct ibv_qp_attr *, int)) \
	F(int, ibv_get_async_event, (struct ibv_context *, struct ibv_async_event *)) \
	F(void, ibv_ack_async_event, (struct ibv_async_event *)) \
	F(int, ibv_query_device, (struct ibv_context *, struct ibv_device_attr *)) \
	F(const char *, ibv_get_device_name, (struct ibv_device *))

#define MANAGER(F) \
	F(struct rdma_event_channel *, rdma_create_event_channel, (void)) \
	F(void, rdma_destroy_event_channel, (struct rdma_event_channel *)) \
	F(struct ibv_context **, rdma_get_devices, (int *)) \
	F(int, rdma_create_id, (struct rdma_event_channel *, struct rdma_cm_id **, void *, enum rdma_port_space)) \
	F(int, rdma_destroy_id, (struct rdma_cm_id *)) \
	F(int, rdma_set_option, (struct rdma_cm_id *, int, int, void *, size_t)) \
	F(int, rdma_bind_addr, (struct rdma_cm_id *, struct sockaddr *)) \
	F(int, rdma_listen, (struct rdma_cm_id *, int)) \
	F(int, rdma_resolve_addr, (struct rdma_cm_id *, struct sockaddr *, struct sockaddr *, int)) \
	F(int, rdma_resolve_route, (struct rdma_cm_id *, int)) \
	F(int, rdma_create_qp, (struct rdma_cm_id *, struct ibv_pd *, struct ibv_qp_init_attr *)) \
	F(void, rdma_destroy_qp, (struct rdma_cm_id *)) \
	F(int, rdma_connect, (struct rdma_cm_id *, struct rdma_conn_param *)) \
	F(int, rdma_accept, (struct rdma_cm_id *, struct rdma_conn_param *)) \
	F(int, rdma_reject, (struct rdma_cm_id *, const void *, uint8_t)) \
	F(int, rdma_disconnect, (struct rdma_cm_id *)) \
	F(int, rdma_notify, (struct rdma_cm_id *, enum ibv_event_type)) \
	F(int, rdma_get_cm_event, (struct rdma_event_channel *, struct rdma_cm_event **)) \
	F(int, rdma_ack_cm_event, (struct rdma_cm_event *))

// Headers define some of these names as macros.
#undef ibv_reg_mr

#define MEMBER(result, name, parameters) result(*name) parameters;
struct library {
	VERBS(MEMBER)
	MANAGER(MEMBER)
};

#define FIND(result, name, parameters) \
	if ((*(void **)&l->name = dlsym(h, #name)) == NULL) { \
		snprintf(why, length, "%s", dlerror()); \
		free(l); \
		return NULL; \
	}

library *library_open(char *why, int length) {
	library *l = calloc(1, sizeof *l);
	void *h = dlopen("libibverbs.so.1", RTLD_NOW);
	if (h == NULL) {
		snprintf(why, length, "%s", dlerror());
		free(l);
		return NULL;
	}
	VERBS(FIND)
	h = dlopen("librdmacm.so.1", RTLD_NOW);
	if (h == NULL) {
		snprintf(why, length, "%s", dlerror());
		free(l);
		return NULL;
	}
	MANAGER(FIND)
	return l;
}

// Calls of librdmacm return -1 and set errno, which may be 0.
static int failed(int result) { return result == 0 ? 0 : errno != 0 ? errno : EIO; }

static int unblocked(int fd) {
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? errno : 0;
}

int manager_open(library *l, struct rdma_event_channel **ch) {
	errno = 0;
	*ch = l->rdma_create_event_channel();
	if (*ch == NULL) return failed(-1);
	return unblocked((*ch)->fd);
}

void manager_close(library *l, struct rdma_event_channel *ch) { l->rdma_destroy_event_channel(ch); }

int manager_next(library *l, struct rdma_event_channel *ch, occurrence *o) {
	struct rdma_cm_event *e;
	errno = 0;
	if (l->rdma_get_cm_event(ch, &e) != 0) return failed(-1);
	memset(o, 0, sizeof *o);
	o->kind = e->event;
	o->status = e->status;
	o->token = (uint64_t)(uintptr_t)(e->listen_id != NULL ? e->listen_id : e->id)->context;
	o->id = e->id;
	// Once the event is acknowledged the identifier may be destroyed: all that is wanted of it is taken before.
	o->iwarp = e->id->verbs != NULL && e->id->verbs->device->transport_type == IBV_TRANSPORT_IWARP;
	switch (e->event) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
	case RDMA_CM_EVENT_CONNECT_RESPONSE:
	case RDMA_CM_EVENT_ESTABLISHED:
	case RDMA_CM_EVENT_REJECTED:
	case RDMA_CM_EVENT_DISCONNECTED:
		o->asks = e->param.conn.responder_resources;
		o->serves = e->param.conn.initiator_depth;
		if (e->param.conn.private_data != NULL) {
			o->length = e->param.conn.private_data_len;
			memcpy(o->data, e->param.conn.private_data, o->length);
		}
		break;
	default:
		break;
	}
	l->rdma_ack_cm_event(e);
	return 0;
}

int id_create(library *l, struct rdma_event_channel *ch, uint64_t token, struct rdma_cm_id **id) {
	errno = 0;
	return failed(l->rdma_create_id(ch, id, (void *)(uintptr_t)token, RDMA_PS_TCP));
}

void id_token(struct rdma_cm_id *id, uint64_t token) { id->context = (void *)(uintptr_t)token; }

static void address(struct sockaddr_storage *a, const uint8_t *ip, int length, uint32_t zone, uint16_t port) {
	memset(a, 0, sizeof *a);
	if (length == 4) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)a;
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, ip, 4);
		return;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	v6->sin6_scope_id = zone;
	memcpy(&v6->sin6_addr, ip, 16);
}

int id_listen(library *l, struct rdma_cm_id *id, const uint8_t *ip, int length, uint32_t zone, uint16_t port, int backlog) {
	struct sockaddr_storage a;
	int on = 1;
	address(&a, ip, length, zone, port);
	// A port whose connections are about to end can be listened on again, but not one on which somebody listens.
	l->rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_REUSEADDR, &on, sizeof on);
	if (length == 16) l->rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_AFONLY, &on, sizeof on);
	errno = 0;
	if (l->rdma_bind_addr(id, (struct sockaddr *)&a) != 0) return failed(-1);
	errno = 0;
	return failed(l->rdma_listen(id, backlog));
}

int id_resolve(library *l, struct rdma_cm_id *id, const uint8_t *ip, int length, uint32_t zone, uint16_t port, int ms) {
	struct sockaddr_storage a;
	address(&a, ip, length, zone, port);
	errno = 0;
	return failed(l->rdma_resolve_addr(id, NULL, (struct sockaddr *)&a, ms));
}

int id_route(library *l, struct rdma_cm_id *id, int ms) {
	errno = 0;
	return failed(l->rdma_resolve_route(id, ms));
}

int id_address(struct rdma_cm_id *id, int remote, uint8_t *ip, uint32_t *zone, uint16_t *port) {
	struct sockaddr *a = remote ? rdma_get_peer_addr(id) : rdma_get_local_addr(id);
	*zone = 0;
	switch (a->sa_family) {
	case AF_INET:
		memcpy(ip, &((struct sockaddr_in *)a)->sin_addr, 4);
		*port = ntohs(((struct sockaddr_in *)a)->sin_port);
		return 4;
	case AF_INET6:
		memcpy(ip, &((struct sockaddr_in6 *)a)->sin6_addr, 16);
		*port = ntohs(((struct sockaddr_in6 *)a)->sin6_port);
		*zone = ((struct sockaddr_in6 *)a)->sin6_scope_id;
		return 16;
	}
	return 0;
}

int id_connect(library *l, struct rdma_cm_id *id, int accept, const void *data, int length, int reads, int serves) {
	struct rdma_conn_param p = {
		.private_data = data,
		.private_data_len = length,
		.initiator_depth = reads,
		.responder_resources = serves,
		.flow_control = 1,
		.retry_count = 7,
		.rnr_retry_count = 7, // without a limit
	};
	errno = 0;
	return failed(accept ? l->rdma_accept(id, &p) : l->rdma_connect(id, &p));
}

int id_reject(library *l, struct rdma_cm_id *id, const void *data, int length) {
	errno = 0;
	return failed(l->rdma_reject(id, data, length));
}

int id_disconnect(library *l, struct rdma_cm_id *id) {
	errno = 0;
	return failed(l->rdma_disconnect(id));
}

void id_established(library *l, struct rdma_cm_id *id) { l->rdma_notify(id, IBV_EVENT_COMM_EST); }

void id_destroy(library *l, struct rdma_cm_id *id) { l->rdma_destroy_id(id); }

int id_queue_pair(library *l, struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_cq *cq, struct ibv_srq *srq,
	int works, int receives, int sge, int *inlined) {
	struct ibv_qp_init_attr a = {
		.send_cq = cq,
		.recv_cq = cq,
		.srq = srq,
		.qp_type = IBV_QPT_RC,
	};
	// How much can be inline no device says: the most that is taken is found here.
	for (int most = 256; most >= 0; most -= 16) {
		a.cap = (struct ibv_qp_cap){
			.max_send_wr = works,
			.max_recv_wr = srq != NULL ? 0 : receives,
			.max_send_sge = sge,
			.max_recv_sge = 1,
			.max_inline_data = most,
		};
		errno = 0;
		if (l->rdma_create_qp(id, pd, &a) == 0) {
			*inlined = a.cap.max_inline_data;
			return 0;
		}
	}
	return failed(-1);
}

int id_fail(library *l, struct rdma_cm_id *id) {
	struct ibv_qp_attr a = {.qp_state = IBV_QPS_ERR};
	return l->ibv_modify_qp(id->qp, &a, IBV_QP_STATE);
}

void id_destroy_queue_pair(library *l, struct rdma_cm_id *id) { l->rdma_destroy_qp(id); }

const char *adapter_name(library *l, struct ibv_context *c) { return l->ibv_get_device_name(c->device); }

int adapter_limits(library *l, struct ibv_context *c, limits *x) {
	struct ibv_device_attr a;
	int err = l->ibv_query_device(c, &a);
	if (err != 0) return err;
	// librdmacm closes the context of an adapter that has gone away, with its last identifier, unless somebody has a list with it: this one is kept.
	(void)l->rdma_get_devices(NULL);
	x->sge = a.max_sge;
	x->sge_read = a.max_sge_rd > 0 ? a.max_sge_rd : a.max_sge;
	x->works = a.max_qp_wr;
	x->cqe = a.max_cqe;
	x->shared_works = a.max_srq > 0 ? a.max_srq_wr : 0;
	x->shared_sge = a.max_srq_sge;
	x->reads = a.max_qp_init_rd_atom;
	x->serves = a.max_qp_rd_atom;
	x->vectors = c->num_comp_vectors > 0 ? c->num_comp_vectors : 1;
	x->iwarp = c->device->transport_type == IBV_TRANSPORT_IWARP;
	x->invalidates = (a.device_cap_flags & IBV_DEVICE_MEM_MGT_EXTENSIONS) != 0;
	return unblocked(c->async_fd);
}

int adapter_domain(library *l, struct ibv_context *c, struct ibv_pd **pd) {
	errno = 0;
	*pd = l->ibv_alloc_pd(c);
	return *pd == NULL ? failed(-1) : 0;
}

void adapter_close(library *l, struct ibv_pd *pd) { l->ibv_dealloc_pd(pd); }

int adapter_register(library *l, struct ibv_pd *pd, uint64_t addr, uint64_t length, int access, struct ibv_mr **mr) {
	int flags = 0;
	if (access & 1) flags |= IBV_ACCESS_LOCAL_WRITE;
	if (access & 2) flags |= IBV_ACCESS_REMOTE_READ;
	if (access & 4) flags |= IBV_ACCESS_REMOTE_WRITE;
	errno = 0;
	*mr = l->ibv_reg_mr(pd, (void *)(uintptr_t)addr, length, flags);
	return *mr == NULL ? failed(-1) : 0;
}

int adapter_deregister(library *l, struct ibv_mr *mr) { return l->ibv_dereg_mr(mr); }

int adapter_event(library *l, struct ibv_context *c, int *kind, uint32_t *number) {
	struct ibv_async_event e;
	errno = 0;
	if (l->ibv_get_async_event(c, &e) != 0) return failed(-1);
	*kind = e.event_type;
	*number = 0;
	switch (e.event_type) {
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
	case IBV_EVENT_COMM_EST:
	case IBV_EVENT_QP_LAST_WQE_REACHED:
	case IBV_EVENT_PATH_MIG_ERR:
		*number = e.element.qp->qp_num;
		break;
	case IBV_EVENT_CQ_ERR:
		*number = e.element.cq->handle;
		break;
	case IBV_EVENT_PORT_ACTIVE:
	case IBV_EVENT_PORT_ERR:
		*number = e.element.port_num;
		break;
	default:
		break;
	}
	l->ibv_ack_async_event(&e);
	return 0;
}

int queue_open(library *l, struct ibv_context *c, int depth, int vector, struct ibv_comp_channel **ch, struct ibv_cq **cq) {
	errno = 0;
	*ch = l->ibv_create_comp_channel(c);
	if (*ch == NULL) return failed(-1);
	int err = unblocked((*ch)->fd);
	errno = 0;
	*cq = err != 0 ? NULL : l->ibv_create_cq(c, depth, NULL, *ch, vector);
	if (*cq == NULL) {
		if (err == 0) err = failed(-1);
		l->ibv_destroy_comp_channel(*ch);
	}
	return err;
}

void queue_close(library *l, struct ibv_comp_channel *ch, struct ibv_cq *cq) {
	l->ibv_destroy_cq(cq);
	l->ibv_destroy_comp_channel(ch);
}

int queue_poll(struct ibv_cq *cq, completion *into, int n) {
	struct ibv_wc wc[32];
	int all = 0;
	while (all < n) {
		int most = n - all < 32 ? n - all : 32;
		int got = ibv_poll_cq(cq, most, wc);
		if (got < 0) return all > 0 ? all : -1;
		for (int i = 0; i < got; i++) {
			completion *c = &into[all + i];
			c->id = wc[i].wr_id;
			c->qpn = wc[i].qp_num;
			c->status = wc[i].status;
			c->bytes = wc[i].byte_len;
			c->flags = wc[i].status == IBV_WC_SUCCESS && (wc[i].wc_flags & IBV_WC_WITH_INV) != 0;
			c->key = c->flags ? wc[i].invalidated_rkey : 0;
			c->vendor = wc[i].vendor_err;
		}
		all += got;
		if (got < most) break;
	}
	return all;
}

int queue_arm(struct ibv_cq *cq) { return ibv_req_notify_cq(cq, 0); }

int queue_event(library *l, struct ibv_comp_channel *ch) {
	struct ibv_cq *cq;
	void *context;
	errno = 0;
	if (l->ibv_get_cq_event(ch, &cq, &context) != 0) return failed(-1);
	l->ibv_ack_cq_events(cq, 1);
	return 0;
}

int shared_open(library *l, struct ibv_pd *pd, int depth, struct ibv_srq **srq) {
	struct ibv_srq_init_attr a = {.attr = {.max_wr = depth, .max_sge = 1}};
	errno = 0;
	*srq = l->ibv_create_srq(pd, &a);
	return *srq == NULL ? failed(-1) : 0;
}

void shared_close(library *l, struct ibv_srq *srq) { l->ibv_destroy_srq(srq); }

// receives posts buffers as chains of some each, to srq or to qp.
static int receives(struct ibv_qp *qp, struct ibv_srq *srq, receive *r, int n, int *posted) {
	struct ibv_recv_wr wr[32], *bad = NULL;
	for (*posted = 0; *posted < n;) {
		int some = n - *posted < 32 ? n - *posted : 32;
		for (int i = 0; i < some; i++) {
			receive *x = &r[*posted + i];
			wr[i] = (struct ibv_recv_wr){.wr_id = x->id, .next = i + 1 < some ? &wr[i + 1] : NULL, .sg_list = &x->piece, .num_sge = 1};
		}
		int err = srq != NULL ? ibv_post_srq_recv(srq, wr, &bad) : ibv_post_recv(qp, wr, &bad);
		if (err != 0) {
			if (bad >= wr && bad < wr + some) *posted += bad - wr;
			return err < 0 ? -err : err;
		}
		*posted += some;
	}
	return 0;
}

int shared_receive(struct ibv_srq *srq, receive *r, int n, int *posted) { return receives(NULL, srq, r, n, posted); }
int pair_receive(struct ibv_qp *qp, receive *r, int n, int *posted) { return receives(qp, NULL, r, n, posted); }

int pair_post(struct ibv_qp *qp, work *w, int n, struct ibv_sge *pieces, int *posted) {
	static const enum ibv_wr_opcode opcodes[] = {
		[OP_SEND] = IBV_WR_SEND, [OP_SEND_INVALIDATE] = IBV_WR_SEND_WITH_INV, [OP_WRITE] = IBV_WR_RDMA_WRITE, [OP_READ] = IBV_WR_RDMA_READ,
	};
	struct ibv_send_wr wr[32], *bad = NULL;
	for (*posted = 0; *posted < n;) {
		int some = n - *posted < 32 ? n - *posted : 32;
		for (int i = 0; i < some; i++) {
			work *x = &w[*posted + i];
			memset(&wr[i], 0, sizeof wr[i]);
			wr[i].wr_id = x->id;
			wr[i].next = i + 1 < some ? &wr[i + 1] : NULL;
			wr[i].sg_list = pieces;
			wr[i].num_sge = x->pieces;
			wr[i].opcode = opcodes[x->op];
			if (x->flags & FLAG_SIGNALED) wr[i].send_flags |= IBV_SEND_SIGNALED;
			if (x->flags & FLAG_SOLICITED) wr[i].send_flags |= IBV_SEND_SOLICITED;
			if (x->flags & FLAG_INLINE) wr[i].send_flags |= IBV_SEND_INLINE;
			if (x->op == OP_SEND_INVALIDATE) {
				wr[i].invalidate_rkey = x->key;
				wr[i].wr.rdma.rkey = x->key; // where siw's library looks for it
			} else if (x->op != OP_SEND) {
				wr[i].wr.rdma.remote_addr = x->remote;
				wr[i].wr.rdma.rkey = x->key;
			}
			pieces += x->pieces;
		}
		int err = ibv_post_send(qp, wr, &bad);
		if (err != 0) {
			if (bad >= wr && bad < wr + some) *posted += bad - wr;
			return err < 0 ? -err : err;
		}
		*posted += some;
	}
	return 0;
}

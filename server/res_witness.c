/*
 * POST /add-checkpoint, by which this server is a witness of others (C2SP tlog-witness), and what
 * both sides of witnessing have come to.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "proto/addcheckpoint.h"
#include "proto/err.h"
#include "server/conn.h"
#include "server/cosigner.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/witnesses.h"
#include "storage/toolbox.h"

struct adding {
	enum cosigner_answer answer;
	uint64_t size;
};

static void
work(struct request *r, struct kit *kit)
{
	struct adding *a = r->state;

	a->answer = cosigner_add(r->server->cosigner, kit->tools->sha, r->http.body, &r->decoded,
				 &a->size);
}

static void
reply_size(struct request *r, uint64_t size)
{
	char text[32];

	snprintf(text, sizeof text, "%llu\n", (unsigned long long)size);
	reply_bytes(r, 409, ADDCHECKPOINT_SIZE_TYPE, slice_str(text));
}

static void
then(struct request *r)
{
	const struct adding *a = r->state;

	switch (a->answer) {
	case COSIGNER_SIGNED:
		reply_bytes(r, 200, ADDCHECKPOINT_TYPE, buf_slice(&r->decoded));
		break;
	case COSIGNER_SYNTAX:
		reply_problem(r, PROBLEM_INVALID_CHECKPOINT,
			      "The body is a line \"old SIZE\", at most 63 hashes in base64, one a "
			      "line, an empty line, and a signed checkpoint of that size or more.");
		break;
	case COSIGNER_UNTRUSTED:
		reply_problem(r, PROBLEM_UNTRUSTED_CHECKPOINT,
			      "The log is known here, and none of its keys has signed this.");
		break;
	case COSIGNER_UNKNOWN:
		reply_problem(r, PROBLEM_UNKNOWN_ORIGIN,
			      "This witness does not know the log of that origin.");
		break;
	case COSIGNER_OTHER_SIZE:
		reply_size(r, a->size);
		break;
	case COSIGNER_NO_PROOF:
		reply_problem(
			r, PROBLEM_INCONSISTENT_CHECKPOINT,
			"The hashes do not show that this tree grew out of the one of \"old\".");
		break;
	case COSIGNER_FAILED:
		reply_err(r, STELE_EREADONLY);
		break;
	default:
		reply_err(r, STELE_ENOMEM);
	}
}

/* The peer's address, as far as one user can have only one: of IPv6, its network. */
static struct slice
address_of(const struct request *r, struct sockaddr_storage *a)
{
	int n = sizeof *a;

	if (!r->conn || uv_tcp_getpeername(&r->conn->wire.tcp, (struct sockaddr *)a, &n) != 0)
		return slice_of(NULL, 0);
	if (a->ss_family == AF_INET6) {
		const struct in6_addr *in = &((struct sockaddr_in6 *)a)->sin6_addr;

		return IN6_IS_ADDR_V4MAPPED(in) ? slice_of(in->s6_addr + 12, 4)
						: slice_of(in->s6_addr, 8);
	}
	return slice_of(&((struct sockaddr_in *)a)->sin_addr, 4);
}

void
res_add_checkpoint(struct request *r)
{
	struct sockaddr_storage from;

	if (!r->server->cosigner) {
		reply_problem(r, PROBLEM_UNKNOWN_ORIGIN, "This server is no witness.");
		return;
	}
	if (!cosigner_admit(r->server->cosigner, address_of(r, &from))) {
		reply_problem(r, PROBLEM_RATE_LIMITED,
			      "This address has sent too many checkpoints within a second.");
		return;
	}
	if (!request_state(r, sizeof(struct adding)))
		return;
	r->work = work;
	r->then = then;
	loop_work(r);
}

/* Waits for logs that are being cosigned. */
static void
work_state(struct request *r, struct kit *kit)
{
	struct buf *b = &r->decoded;

	(void)kit;
	buf_put_u8(b, '{');
	witnesses_put_json(r->server->witnesses, b);
	buf_put_u8(b, ',');
	cosigner_put_json(r->server->cosigner, b);
	buf_put_u8(b, '}');
}

static void
then_state(struct request *r)
{
	if (r->decoded.err)
		reply_err(r, r->decoded.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&r->decoded));
}

void
res_witness_get(struct request *r)
{
	r->work = work_state;
	r->then = then_state;
	loop_work(r);
}

void
witness_refuse(struct request *r, enum witness_answer answer)
{
	if (answer == WITNESS_DISPUTED)
		reply_problem(r, PROBLEM_WITNESS_CONFLICT,
			      "A witness has seen more of this log than there is here, or another "
			      "tree. This may be an old copy of it: its operator must look.");
	else
		reply_problem(r, PROBLEM_NOT_COSIGNED,
			      "No checkpoint of this log has its quorum of witnesses yet.");
}

/*
 * What a certificate shows of one log: its keys, a checkpoint, and its entries part by part.
 */
#ifndef STELE_SERVER_CERTIFY_LOG_H
#define STELE_SERVER_CERTIFY_LOG_H

struct kit;
struct query_certify;

/* Appends the succession notes of the server's identity. */
void certify_put_identities(struct query_certify *c);

/*
 * Appends some more of the log under work: 1 when there is more to come, 0 at its end. Errors as
 * query_certify_step. A worker thread.
 */
int certify_log_step(struct query_certify *c, struct kit *kit);

#endif

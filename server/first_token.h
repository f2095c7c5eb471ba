/*
 * Who comes first: one principal with every scope everywhere, whose token is left in
 * DIR/admin.token for whoever may read that file.
 */
#ifndef STELE_SERVER_FIRST_TOKEN_H
#define STELE_SERVER_FIRST_TOKEN_H

struct access;
struct json_t;

struct first_token {
	struct json_t *act; /* gets "principal" and "token" */
	const char *dir;    /* the data directory */
};

/*
 * For audit_act, with a struct first_token: chooses ids and secret, writes DIR/admin.token
 * (0600, durably), fills the act. The file is there before the act makes its token open
 * anything: a crash in between leaves one that opens nothing, and the next start begins again.
 * STELE_EIO, STELE_ENOSPACE, STELE_ENOMEM.
 */
int first_token_fill(struct access *access, void *first);

#endif

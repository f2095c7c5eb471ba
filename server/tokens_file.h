/*
 * DIR/keys/tokens: the body of a key file, one JSON document.
 *
 *   {"v":1,"key":"BASE64 of 32 bytes","tokens":[{"id","principal","hash":"BASE64 of 16 bytes",
 *    "scopes":["append",...],"logs":["*",...],"created":"TIME","expires":"TIME"|null},...]}
 *
 * For tokens.c only.
 */
#ifndef STELE_SERVER_TOKENS_FILE_H
#define STELE_SERVER_TOKENS_FILE_H

#include "crypto/kdigest.h"
#include "server/tokens.h"

/* All tokens of one server, in byte order of their ids. */
struct token_set {
	uint8_t key[KDIGEST_KEY_BYTES]; /* of the secrets' hashes */
	struct token **tokens;          /* n of them, each counted once */
	size_t n;
};

/* Appends the document. */
void tokens_file_encode(struct buf *out, const struct token_set *set);

/*
 * Reads it into an empty set. STELE_EDAMAGED when it is not such a document,
 * STELE_EVERSION for another version, STELE_ENOMEM.
 */
int tokens_file_decode(struct token_set *set, struct slice body);

/* Drops the tokens, wipes the key. */
void tokens_file_free_set(struct token_set *set);

/* A token with room for its patterns, which are copied; NULL when out of memory or too long. */
struct token *token_new(const struct slice *patterns, size_t n_patterns);

#endif

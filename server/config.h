/*
 * steled's settings: flags, or the same names in a configuration file (INI,
 * read by inih). A flag wins over the file.
 */
#ifndef STELE_SERVER_CONFIG_H
#define STELE_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/buf.h"

struct config {
	char *data, *listen, *origin, *file, *passphrase_file;
	char *witness_policy, *witness_logs, *witness_require, *witness_ca; /* NULL: not said */
	char *witness_for, *witness_name;
	char *tls_cert, *tls_key, *tls_client_ca, *tls_crl; /* files in PEM; NULL: none */
	char *timestamp_url, *timestamp_ca; /* authorities, after commas; roots in PEM; or NULL */
	uint64_t timestamp_every_ms;
	uint64_t loops;
	uint64_t max_connections;
	uint64_t handshake_rate;                 /* of TLS, a second and loop; 0: any */
	uint64_t queue_bytes;                    /* waiting for the writer */
	uint64_t body_bytes;                     /* large request bodies in memory */
	uint64_t answer_bytes;                   /* answers that wait for their peers */
	uint64_t wal_file_bytes;                 /* 0: the store's default */
	uint64_t wal_files;                      /* 0: the store's default */
	uint64_t seal_after_ms;                  /* 0: the store's default */
	uint64_t scrub_rate;                     /* bytes a second; 0: no passes by themselves */
	uint64_t purge_every_ms;                 /* 0: never by itself */
	uint64_t scrub_every_ms;                 /* 0: the store's default */
	uint64_t clock_warn_ms, clock_freeze_ms; /* disagreement with the wall clock */
	uint64_t clock_credit_ms, clock_year_ms; /* of a gap between boots, of a year's gaps */
	uint64_t hold_after_ms;  /* records under an open-ended hold by filter are examined then */
	uint64_t export_keep_ms; /* a bundle, from its finish on */
	uint64_t export_bytes;   /* of all bundles */
	uint64_t min_free_bytes;
	uint64_t max_object_bytes;  /* of one payload */
	uint64_t upload_timeout_ms; /* a resumable upload without a request */
	uint64_t header_timeout_ms, body_timeout_ms, idle_timeout_ms, write_timeout_ms;
	uint64_t witness_timeout_ms; /* of one request to a witness */
	uint64_t tail_heartbeat_ms;  /* a tail without an event */
	bool tls_client_required;    /* no handshake without a client's certificate */
	bool moved, unprotected, insecure, quiet;
	bool help, version, routes; /* print and exit */
	/* made from listen */
	struct sockaddr_storage address;
	socklen_t address_len;
	uint64_t passphrase_fd; /* PASSPHRASE_NO_FD: none */
	bool passphrase_prompt;
	char *passphrase; /* from its source (crypto/passphrase.h); NULL: none */
};

/*
 * Reads argv and the file that --config names, fills in defaults, checks all.
 * 0, or STELE_EINVAL with one or two sentences in why; c must be given to
 * config_fini in both cases.
 */
int config_read(struct config *c, int argc, char **argv, struct buf *why);

/* Whether it listens beyond this machine without TLS. */
bool config_is_exposed(const struct config *c);

/* Wipes the passphrase: for when all that it seals is open. */
void config_forget_passphrase(struct config *c);

/* Frees the strings and wipes the passphrase. */
void config_fini(struct config *c);

/* Appends the help text. */
void config_help(struct buf *out);

/* "http://ADDRESS:PORT" of c->address, or https:// under TLS. */
void config_url(struct buf *out, const struct config *c);

#endif

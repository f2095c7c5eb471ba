/*
 * Errors: one negative enum for the whole tree, with a table of messages.
 * 0 is success. A function that fails leaves its out-parameters untouched.
 */
#ifndef STELE_PROTO_ERR_H
#define STELE_PROTO_ERR_H

enum stele_err {
	STELE_OK = 0,
	STELE_EINVAL = -1,        /* a caller's argument is out of its documented range */
	STELE_ENOMEM = -2,        /* no memory */
	STELE_ESYNTAX = -3,       /* bytes that do not match their grammar */
	STELE_ELIMIT = -4,        /* larger, deeper or more than a stated limit */
	STELE_ENOTFOUND = -5,     /* no such log, record, key, tile or file */
	STELE_EEXIST = -6,        /* it exists already, and differs */
	STELE_EVERIFY = -7,       /* a hash, proof or signature does not hold */
	STELE_EDAMAGED = -8,      /* stored bytes are not what was stored */
	STELE_EIO = -9,           /* the operating system failed a read, write or flush */
	STELE_ENOSPACE = -10,     /* free space is below the limit; reads go on */
	STELE_EREADONLY = -11,    /* a flush failed earlier; read-only until restart */
	STELE_EBUSY = -12,        /* bounded queue full, or another process holds it: try later */
	STELE_EDUPLICATE = -13,   /* an idempotency key may repeat: resolve, then submit again */
	STELE_ECONFLICT = -14,    /* same idempotency key, another payload */
	STELE_EVERSION = -15,     /* unknown version or required-feature bit: refuse */
	STELE_EKEY = -16,         /* key file missing, unreadable, or the passphrase is wrong */
	STELE_EMOVED = -17,       /* the data directory is a copy, or was moved */
	STELE_EPERM = -18,        /* the caller may not do this */
	STELE_ECLOSED = -19,      /* shutting down, or the peer went away */
	STELE_EUNSUPPORTED = -20, /* known and documented, not offered by this build or platform */
	STELE_EAPPROVAL = -21,    /* it waits for a second principal */
	STELE_EGONE = -22,        /* the payload was purged: its entry and proofs are still there */
	STELE_EQUOTA = -23,       /* the log's policy allows no more */
};

/*
 * A short lower-case English phrase for err (0 and negative values of enum
 * stele_err); never NULL, static storage. Unknown values give "unknown error".
 */
const char *stele_strerror(int err);

/*
 * The stele_err nearest to an errno value (positive): ENOSPC and EDQUOT give
 * STELE_ENOSPACE, ENOMEM STELE_ENOMEM, ENOENT STELE_ENOTFOUND, EEXIST
 * STELE_EEXIST, all others STELE_EIO.
 */
int stele_err_from_errno(int errnum);

#endif

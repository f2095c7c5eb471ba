/* Messages for enum stele_err. */
#include "proto/err.h"

#include <errno.h>
#include <stddef.h>

static const char *const messages[] = {
	[-STELE_OK] = "success",
	[-STELE_EINVAL] = "invalid argument",
	[-STELE_ENOMEM] = "out of memory",
	[-STELE_ESYNTAX] = "malformed input",
	[-STELE_ELIMIT] = "limit exceeded",
	[-STELE_ENOTFOUND] = "not found",
	[-STELE_EEXIST] = "exists already",
	[-STELE_EVERIFY] = "verification failed",
	[-STELE_EDAMAGED] = "stored data is damaged",
	[-STELE_EIO] = "input/output error",
	[-STELE_ENOSPACE] = "not enough free space",
	[-STELE_EREADONLY] = "read-only after a storage error",
	[-STELE_EBUSY] = "busy",
	[-STELE_EDUPLICATE] = "possible duplicate",
	[-STELE_ECONFLICT] = "idempotency key used with another payload",
	[-STELE_EVERSION] = "unknown version or feature",
	[-STELE_EKEY] = "key unavailable",
	[-STELE_EMOVED] = "data directory was copied or moved",
	[-STELE_EPERM] = "not permitted",
	[-STELE_ECLOSED] = "closed",
	[-STELE_EUNSUPPORTED] = "not supported here",
	[-STELE_EAPPROVAL] = "waits for a second principal",
	[-STELE_EQUOTA] = "the log's quota is used up",
	[-STELE_EGONE] = "purged",
};

const char *
stele_strerror(int err)
{
	size_t i = (size_t) - (long)err;

	if (err > 0 || i >= sizeof messages / sizeof *messages || !messages[i])
		return "unknown error";
	return messages[i];
}

int
stele_err_from_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return STELE_ENOSPACE;
	case ENOMEM:
		return STELE_ENOMEM;
	case ENOENT:
		return STELE_ENOTFOUND;
	case EEXIST:
		return STELE_EEXIST;
	default:
		return STELE_EIO;
	}
}

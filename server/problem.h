/*
 * Every way to refuse, in one table: RFC 9457 problem types. A problem's type
 * is "urn:stele:problem:NAME"; names are stable, details are for people.
 */
#ifndef STELE_SERVER_PROBLEM_H
#define STELE_SERVER_PROBLEM_H

#include "proto/buf.h"

enum { PROBLEM_LENGTH_DIGITS = 16 };

enum problem {
	PROBLEM_NONE,
	PROBLEM_MALFORMED_HTTP,
	PROBLEM_TLS_REQUIRED,
	PROBLEM_INVALID_PARAMETER,
	PROBLEM_INVALID_JSON,
	PROBLEM_INVALID_EVENT,
	PROBLEM_INVALID_HEADER,
	PROBLEM_INVALID_ENCODING,
	PROBLEM_EMPTY_BATCH,
	PROBLEM_INVALID_LOG_NAME,
	PROBLEM_UNAUTHORIZED,
	PROBLEM_INSUFFICIENT_SCOPE,
	PROBLEM_RESERVED_LOG,
	PROBLEM_NOT_FOUND,
	PROBLEM_UNKNOWN_LOG,
	PROBLEM_UNKNOWN_RECORD,
	PROBLEM_UNKNOWN_TILE,
	PROBLEM_UNKNOWN_TOKEN,
	PROBLEM_UNKNOWN_PRINCIPAL,
	PROBLEM_UNKNOWN_APPROVAL,
	PROBLEM_RATE_LIMITED,
	PROBLEM_DUAL_CONTROL_REQUIRED,
	PROBLEM_NOT_YOURS_TO_APPROVE,
	PROBLEM_APPROVAL_CONFLICT,
	PROBLEM_INVALID_APPROVAL,
	PROBLEM_INVALID_DUAL_CONTROL,
	PROBLEM_UNKNOWN_UPLOAD,
	PROBLEM_UNKNOWN_SEGMENT,
	PROBLEM_METHOD_NOT_ALLOWED,
	PROBLEM_NOT_ACCEPTABLE,
	PROBLEM_REQUEST_TIMEOUT,
	PROBLEM_LOG_EXISTS,
	PROBLEM_UPLOAD_OFFSET,
	PROBLEM_UPLOAD_COMPLETED,
	PROBLEM_UPLOAD_BUSY,
	PROBLEM_BODY_TOO_LARGE,
	PROBLEM_RECORD_TOO_LARGE,
	PROBLEM_BATCH_TOO_LARGE,
	PROBLEM_TARGET_TOO_LONG,
	PROBLEM_UNSUPPORTED_ENCODING,
	PROBLEM_UNSUPPORTED_MEDIA_TYPE,
	PROBLEM_RANGE_NOT_SATISFIABLE,
	PROBLEM_EXPECTATION_FAILED,
	PROBLEM_INVALID_POLICY,
	PROBLEM_UNSUPPORTED_POLICY,
	PROBLEM_INVALID_TOKEN_REQUEST,
	PROBLEM_INVALID_PRINCIPAL,
	PROBLEM_IDEMPOTENCY_CONFLICT,
	PROBLEM_RETENTION_UNSUPPORTED,
	PROBLEM_TOO_MANY_TOKENS,
	PROBLEM_TOO_MANY_PRINCIPALS,
	PROBLEM_PRINCIPAL_EXISTS,
	PROBLEM_PRINCIPAL_CONFLICT,
	PROBLEM_SEGMENT_REFUSED,
	PROBLEM_BACKUP_REFUSED,
	PROBLEM_BACKUP_RUNNING,
	PROBLEM_TOO_MANY_SUCCESSIONS,
	PROBLEM_HEADERS_TOO_LARGE,
	PROBLEM_DAMAGED,
	PROBLEM_STORAGE_FAILED,
	PROBLEM_UNKNOWN_METHOD,
	PROBLEM_OVERLOADED,
	PROBLEM_READ_ONLY,
	PROBLEM_SHUTTING_DOWN,
	PROBLEM_NOT_READY,
	PROBLEM_HTTP_VERSION,
	PROBLEM_LOW_SPACE,
	PROBLEM_COUNT
};

/* Its HTTP status, the last part of its type, its title; static storage. */
int problem_status(enum problem p);
const char *problem_name(enum problem p);
const char *problem_title(enum problem p);

/* Seconds for Retry-After, or 0 for a problem that waiting does not cure. */
unsigned problem_retry_after_s(enum problem p);

/* The problem that a stele_err (negative) of storage/ comes to. */
enum problem problem_of_err(int err);

/*
 * Appends {"type","title","status","detail" without the closing brace, so
 * that members can follow: the caller ends it with "}".
 */
void problem_begin(struct buf *out, enum problem p, const char *detail);

/*
 * The head's beginning for a status that this server sends: the status line
 * and, for all but 204 and 304, a Content-Length field that ends in
 * PROBLEM_LENGTH_DIGITS spaces. No CRLF at the end; static storage.
 */
struct slice problem_status_line(int status);

/* Appends the table as a JSON array, for tests of the API's description. */
void problem_dump(struct buf *out);

#endif

/* The table, and what is made of it. */
#include "server/problem.h"

#include <stddef.h>

#include "proto/check.h"
#include "proto/err.h"

struct row {
	int status;
	unsigned retry_after_s;
	const char *name, *title;
};

static const struct row rows[PROBLEM_COUNT] = {
	[PROBLEM_NONE] = {500, 0, "none", "No problem"},
	[PROBLEM_MALFORMED_HTTP] = {400, 0, "malformed-http", "The request is not valid HTTP/1.1"},
	[PROBLEM_TLS_REQUIRED] = {400, 0, "tls-required", "The server speaks TLS here"},
	[PROBLEM_INVALID_PARAMETER] = {400, 0, "invalid-parameter", "A parameter is not valid"},
	[PROBLEM_INVALID_FILTER] = {400, 0, "invalid-filter", "The filter is not valid"},
	[PROBLEM_INVALID_JSON] = {400, 0, "invalid-json", "The body is not valid JSON"},
	[PROBLEM_INVALID_EVENT] = {400, 0, "invalid-event", "The body is not a valid event"},
	[PROBLEM_INVALID_HEADER] = {400, 0, "invalid-header", "A header field is not valid"},
	[PROBLEM_INVALID_ENCODING] = {400, 0, "invalid-encoding", "The body cannot be decoded"},
	[PROBLEM_EMPTY_BATCH] = {400, 0, "empty-batch", "The batch holds no record"},
	[PROBLEM_INVALID_LOG_NAME] = {400, 0, "invalid-log-name", "This is not a log's name"},
	[PROBLEM_UNAUTHORIZED] = {401, 0, "unauthorized", "A valid token is needed"},
	[PROBLEM_INSUFFICIENT_SCOPE] = {403, 0, "insufficient-scope",
					"The token does not allow this"},
	[PROBLEM_RESERVED_LOG] = {403, 0, "reserved-log", "Only the server writes to this log"},
	[PROBLEM_NOT_FOUND] = {404, 0, "not-found", "There is no such resource"},
	[PROBLEM_UNKNOWN_LOG] = {404, 0, "unknown-log", "There is no such log"},
	[PROBLEM_UNKNOWN_RECORD] = {404, 0, "unknown-record", "There is no such record"},
	[PROBLEM_PURGED] = {410, 0, "purged", "The payload was purged"},
	[PROBLEM_UNKNOWN_TILE] = {404, 0, "unknown-tile", "There is no such tile"},
	[PROBLEM_UNKNOWN_TOKEN] = {404, 0, "unknown-token", "There is no such token"},
	[PROBLEM_UNKNOWN_PRINCIPAL] = {404, 0, "unknown-principal", "There is no such principal"},
	[PROBLEM_UNKNOWN_APPROVAL] = {404, 0, "unknown-approval", "There is no such approval"},
	[PROBLEM_UNKNOWN_EVENT] = {404, 0, "unknown-event", "There is no such event"},
	[PROBLEM_RATE_LIMITED] = {429, 1, "rate-limited", "Slower"},
	[PROBLEM_DUAL_CONTROL_REQUIRED] = {403, 0, "dual-control-required",
					   "A second principal must approve this"},
	[PROBLEM_NOT_YOURS_TO_APPROVE] = {403, 0, "not-yours-to-approve",
					  "This principal may not approve it"},
	[PROBLEM_APPROVAL_CONFLICT] = {409, 0, "approval-conflict",
				       "The approval cannot be decided so"},
	[PROBLEM_INVALID_APPROVAL] = {422, 0, "invalid-approval", "The decision is not valid"},
	[PROBLEM_INVALID_DUAL_CONTROL] = {422, 0, "invalid-dual-control",
					  "Dual control cannot be set so"},
	[PROBLEM_RETENTION_ACTIVE] = {403, 0, "retention-active", "Retention is not over"},
	[PROBLEM_LEGAL_HOLD_ACTIVE] = {403, 0, "legal-hold-active", "A legal hold covers it"},
	[PROBLEM_COMPLIANCE_MODE] = {403, 0, "compliance-mode",
				     "Nobody may do this in compliance mode"},
	[PROBLEM_INVALID_RETENTION] = {422, 0, "invalid-retention", "That lock is not to be had"},
	[PROBLEM_POLICY_CONFLICT] = {409, 0, "policy-conflict", "The policy has changed since"},
	[PROBLEM_QUOTA_EXCEEDED] = {403, 0, "quota-exceeded", "The log's quota is used up"},
	[PROBLEM_CLOCK_FROZEN] = {409, 0, "clock-frozen", "The clocks are not trusted"},
	[PROBLEM_UNKNOWN_PLAN] = {404, 0, "unknown-plan", "There is no such purge plan"},
	[PROBLEM_PLAN_CONFLICT] = {409, 0, "plan-conflict", "The plan cannot be carried out so"},
	[PROBLEM_INVALID_PLAN] = {422, 0, "invalid-plan", "That is no purge plan"},
	[PROBLEM_PURGE_RUNNING] = {409, 1, "purge-running", "Another purge is being carried out"},
	[PROBLEM_UNKNOWN_HOLD] = {404, 0, "unknown-hold", "There is no such hold"},
	[PROBLEM_HOLD_CONFLICT] = {409, 0, "hold-conflict", "The hold is not in that state"},
	[PROBLEM_TOO_MANY_HOLDS] = {409, 0, "too-many-holds", "There are too many holds"},
	[PROBLEM_RESTRICTED] = {403, 0, "restricted", "The payload is to be erased"},
	[PROBLEM_UNKNOWN_ERASURE] = {404, 0, "unknown-erasure", "There is no such erasure"},
	[PROBLEM_TOO_MANY_ERASURES] = {409, 0, "too-many-erasures", "There are too many erasures"},
	[PROBLEM_INVALID_ERASURE] = {422, 0, "invalid-erasure", "The erasure is not valid"},
	[PROBLEM_UNKNOWN_EXPORT] = {404, 0, "unknown-export", "There is no such export"},
	[PROBLEM_EXPORT_CONFLICT] = {409, 0, "export-conflict", "The export is not in that state"},
	[PROBLEM_TOO_MANY_EXPORTS] = {409, 0, "too-many-exports", "There are too many exports"},
	[PROBLEM_INVALID_EXPORT] = {422, 0, "invalid-export", "The export is not valid"},
	[PROBLEM_EXPORT_GONE] = {410, 0, "export-gone", "The bundle was removed"},
	[PROBLEM_UNKNOWN_SCHEMA] = {404, 0, "unknown-schema", "There is no such schema"},
	[PROBLEM_SCHEMA_CONFLICT] = {409, 0, "schema-conflict",
				     "The schemas' state does not allow it"},
	[PROBLEM_TOO_MANY_SCHEMAS] = {409, 0, "too-many-schemas", "There are too many schemas"},
	[PROBLEM_INVALID_SCHEMA] = {422, 0, "invalid-schema", "The schema is not valid"},
	[PROBLEM_UNKNOWN_ALIAS] = {404, 0, "unknown-alias", "There is no such alias"},
	[PROBLEM_TOO_MANY_ALIASES] = {409, 0, "too-many-aliases", "There are too many aliases"},
	[PROBLEM_INVALID_ALIAS] = {422, 0, "invalid-alias", "The alias is not valid"},
	[PROBLEM_INVALID_HOLD] = {422, 0, "invalid-hold", "The hold is not valid"},
	[PROBLEM_UNKNOWN_UPLOAD] = {404, 0, "unknown-upload", "There is no such upload"},
	[PROBLEM_UNKNOWN_SEGMENT] = {404, 0, "unknown-segment", "There is no such segment"},
	[PROBLEM_METHOD_NOT_ALLOWED] = {405, 0, "method-not-allowed",
					"The resource does not take this method"},
	[PROBLEM_NOT_ACCEPTABLE] = {406, 0, "not-acceptable", "No form that the client accepts"},
	[PROBLEM_REQUEST_TIMEOUT] = {408, 0, "request-timeout",
				     "The request took too long to come"},
	[PROBLEM_LOG_EXISTS] = {409, 0, "log-exists", "The log exists with another policy"},
	[PROBLEM_UPLOAD_OFFSET] = {409, 0, "mismatching-upload-offset",
				   "The upload goes on at another offset"},
	[PROBLEM_UPLOAD_COMPLETED] = {409, 0, "completed-upload", "The upload is complete"},
	[PROBLEM_UPLOAD_BUSY] = {409, 1, "upload-busy", "Another request has the upload"},
	[PROBLEM_BODY_TOO_LARGE] = {413, 0, "body-too-large", "The body is too large"},
	[PROBLEM_RECORD_TOO_LARGE] = {413, 0, "record-too-large", "A record is too large"},
	[PROBLEM_BATCH_TOO_LARGE] = {413, 0, "batch-too-large", "The batch has too many records"},
	[PROBLEM_TARGET_TOO_LONG] = {414, 0, "target-too-long", "The request target is too long"},
	[PROBLEM_UNSUPPORTED_ENCODING] = {415, 0, "unsupported-encoding",
					  "The content encoding is not supported"},
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {415, 0, "unsupported-media-type",
					    "The media type is not supported"},
	[PROBLEM_RANGE_NOT_SATISFIABLE] = {416, 0, "range-not-satisfiable",
					   "The range lies outside the payload"},
	[PROBLEM_EXPECTATION_FAILED] = {417, 0, "expectation-failed",
					"The expectation cannot be met"},
	[PROBLEM_INVALID_POLICY] = {422, 0, "invalid-policy", "The policy is not valid"},
	[PROBLEM_INVALID_TOKEN_REQUEST] = {422, 0, "invalid-token-request",
					   "The token cannot be made as asked"},
	[PROBLEM_IDEMPOTENCY_CONFLICT] = {422, 0, "idempotency-conflict",
					  "The idempotency key was used with another payload"},
	[PROBLEM_RETENTION_UNSUPPORTED] = {422, 0, "retention-unsupported",
					   "This version does not offer retention headers"},
	[PROBLEM_INVALID_PRINCIPAL] = {422, 0, "invalid-principal", "The principal is not valid"},
	[PROBLEM_TOO_MANY_PRINCIPALS] = {409, 0, "too-many-principals",
					 "There are too many principals"},
	[PROBLEM_PRINCIPAL_EXISTS] = {409, 0, "principal-exists", "There is such a principal"},
	[PROBLEM_PRINCIPAL_CONFLICT] = {409, 0, "principal-conflict",
					"The principal's state does not allow it"},
	[PROBLEM_TOO_MANY_TOKENS] = {409, 0, "too-many-tokens", "There are too many tokens"},
	[PROBLEM_SEGMENT_REFUSED] = {422, 0, "segment-refused",
				     "This is not what the store had there"},
	[PROBLEM_BACKUP_REFUSED] = {422, 0, "backup-refused", "The backup cannot be made as asked"},
	[PROBLEM_TOO_MANY_SUCCESSIONS] = {409, 0, "too-many-successions",
					  "The identity was replaced too often"},
	[PROBLEM_BACKUP_RUNNING] = {409, 0, "backup-running", "A backup is under way"},
	[PROBLEM_NO_TIMESTAMP] = {409, 0, "no-timestamp", "No authority has given such a time"},
	[PROBLEM_NO_CLOCK_STEP] = {409, 0, "no-clock-step", "No such step waits to be confirmed"},
	[PROBLEM_INVALID_CLOCK_REQUEST] = {422, 0, "invalid-clock-request",
					   "The request about the clocks is not valid"},
	[PROBLEM_HEADERS_TOO_LARGE] = {431, 0, "headers-too-large",
				       "The header fields are too large"},
	[PROBLEM_DAMAGED] = {500, 0, "damaged", "Stored bytes failed verification"},
	[PROBLEM_STORAGE_FAILED] = {500, 0, "storage-failed", "Storage failed"},
	[PROBLEM_UNKNOWN_METHOD] = {501, 0, "unknown-method", "The method is not known here"},
	[PROBLEM_OVERLOADED] = {503, 1, "overloaded", "The server has no room just now"},
	[PROBLEM_READ_ONLY] = {503, 60, "read-only", "The server is read-only"},
	[PROBLEM_SHUTTING_DOWN] = {503, 5, "shutting-down", "The server is shutting down"},
	[PROBLEM_INVALID_CHECKPOINT] = {400, 0, "invalid-checkpoint",
					"That is no checkpoint with its proof"},
	[PROBLEM_UNTRUSTED_CHECKPOINT] = {403, 0, "untrusted-checkpoint",
					  "No key that is known here has signed it"},
	[PROBLEM_UNKNOWN_ORIGIN] = {404, 0, "unknown-origin", "No witness of this log is here"},
	[PROBLEM_INCONSISTENT_CHECKPOINT] = {422, 0, "inconsistent-checkpoint",
					     "The proof does not hold"},
	[PROBLEM_NOT_COSIGNED] = {503, 5, "not-cosigned", "Witnesses have not cosigned it yet"},
	[PROBLEM_WITNESS_CONFLICT] = {503, 60, "witness-conflict",
				      "A witness has seen another history of the log"},
	[PROBLEM_NOT_READY] = {503, 5, "not-ready", "The server is not ready"},
	[PROBLEM_HTTP_VERSION] = {505, 0, "http-version", "Only HTTP/1.0 and HTTP/1.1 are spoken"},
	[PROBLEM_LOW_SPACE] = {507, 60, "low-space", "Free disk space is below the limit"},
};

int
problem_status(enum problem p)
{
	CHECK(p < PROBLEM_COUNT);
	return rows[p].status;
}

const char *
problem_name(enum problem p)
{
	CHECK(p < PROBLEM_COUNT);
	return rows[p].name;
}

const char *
problem_title(enum problem p)
{
	CHECK(p < PROBLEM_COUNT);
	return rows[p].title;
}

unsigned
problem_retry_after_s(enum problem p)
{
	CHECK(p < PROBLEM_COUNT);
	return rows[p].retry_after_s;
}

enum problem
problem_of_err(int err)
{
	switch (err) {
	case STELE_EBUSY:
	case STELE_ENOMEM:
		return PROBLEM_OVERLOADED;
	case STELE_EREADONLY:
		return PROBLEM_READ_ONLY;
	case STELE_ENOSPACE:
		return PROBLEM_LOW_SPACE;
	case STELE_ECLOSED:
		return PROBLEM_SHUTTING_DOWN;
	case STELE_EDAMAGED:
	case STELE_EVERIFY:
		return PROBLEM_DAMAGED;
	case STELE_ECONFLICT:
		return PROBLEM_IDEMPOTENCY_CONFLICT;
	case STELE_EGONE:
		return PROBLEM_PURGED;
	case STELE_ENOTFOUND:
		return PROBLEM_UNKNOWN_RECORD;
	default:
		return PROBLEM_STORAGE_FAILED;
	}
}

void
problem_begin(struct buf *out, enum problem p, const char *detail)
{
	buf_put_str(out, "{\"type\":\"urn:stele:problem:");
	buf_put_str(out, problem_name(p));
	buf_put_str(out, "\",\"title\":");
	buf_put_json_str(out, slice_str(problem_title(p)));
	buf_printf(out, ",\"status\":%d,\"detail\":", problem_status(p));
	buf_put_json_str(out, slice_str(detail));
}

/* Status lines, and the room in which Content-Length's digits are put at the end. */
#define LENGTH "\r\nContent-Length:                "
#define LINE(status, reason)                                                                       \
	{                                                                                          \
		status, sizeof "HTTP/1.1 " #status " " reason LENGTH - 1,                          \
			"HTTP/1.1 " #status " " reason LENGTH                                      \
	}
#define BARE_LINE(status, reason)                                                                  \
	{                                                                                          \
		status, sizeof "HTTP/1.1 " #status " " reason - 1, "HTTP/1.1 " #status " " reason  \
	}

static const struct {
	int status;
	size_t n;
	const char *line;
} lines[] = {
	LINE(201, "Created"),
	LINE(200, "OK"),
	BARE_LINE(204, "No Content"),
	LINE(206, "Partial Content"),
	BARE_LINE(304, "Not Modified"),
	LINE(400, "Bad Request"),
	LINE(401, "Unauthorized"),
	LINE(403, "Forbidden"),
	LINE(404, "Not Found"),
	LINE(405, "Method Not Allowed"),
	LINE(406, "Not Acceptable"),
	LINE(408, "Request Timeout"),
	LINE(409, "Conflict"),
	LINE(410, "Gone"),
	LINE(413, "Content Too Large"),
	LINE(414, "URI Too Long"),
	LINE(415, "Unsupported Media Type"),
	LINE(416, "Range Not Satisfiable"),
	LINE(417, "Expectation Failed"),
	LINE(422, "Unprocessable Content"),
	LINE(429, "Too Many Requests"),
	LINE(431, "Request Header Fields Too Large"),
	LINE(500, "Internal Server Error"),
	LINE(501, "Not Implemented"),
	LINE(503, "Service Unavailable"),
	LINE(505, "HTTP Version Not Supported"),
	LINE(507, "Insufficient Storage"),
};

struct slice
problem_status_line(int status)
{
	size_t i;

	for (i = 0; i < sizeof lines / sizeof *lines; i++) {
		if (lines[i].status == status)
			return slice_of(lines[i].line, lines[i].n);
	}
	check_failed(__FILE__, __LINE__, "a status has its line");
}

void
problem_dump(struct buf *out)
{
	int p;

	buf_put_u8(out, '[');
	for (p = PROBLEM_NONE + 1; p < PROBLEM_COUNT; p++)
		buf_printf(out, "%s{\"type\":\"urn:stele:problem:%s\",\"status\":%d}",
			   p > 1 ? "," : "", rows[p].name, rows[p].status);
	buf_put_u8(out, ']');
}

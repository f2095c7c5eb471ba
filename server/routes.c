/* The table itself. The busiest route comes first. */
#include <stddef.h>

#include "proto/limits.h"
#include "server/query_read.h"
#include "server/resources.h"
#include "server/router.h"
#include "server/vendor.h"

#define LOGS "/api/v1/logs"
#define RECORDS LOGS "/{log}/records"
#define PROOF LOGS "/{log}/proof"
#define APPROVALS "/api/v1/approvals"
#define CLOCK "/api/v1/clock"
#define ERASURES LOGS "/{log}/erasures"
#define HOLDS "/api/v1/holds"
#define K8S "/k8s/audit"
#define PRINCIPALS "/api/v1/principals"
#define PLANS LOGS "/{log}/purge-plans"
#define EVENT LOGS "/{log}/retention-events/{name}"
#define POLICY LOGS "/{log}/policy"
#define UPLOAD LOGS "/{log}/uploads/{id}"

const struct route router_table[] = {
	{METHOD_POST, RECORDS, SCOPE_APPEND, .max_body = LIMIT_BODY_BYTES, .query = "proof ",
	 .handle = res_append_post, .admit = res_append_admit},
	{METHOD_POST, K8S "/{log}", SCOPE_APPEND, .vendor = VENDOR_K8S,
	 .max_body = LIMIT_VENDOR_BODY_BYTES, .query = "timeout ", .handle = res_k8s_post},
	{METHOD_POST, K8S, SCOPE_APPEND, .vendor = VENDOR_K8S, .max_body = LIMIT_VENDOR_BODY_BYTES,
	 .query = "timeout ", .handle = res_k8s_post},
	{METHOD_GET, RECORDS "/{index}", SCOPE_READ, .handle = res_records_get},
	{METHOD_GET, RECORDS, SCOPE_READ, .query = QUERY_PARAMETERS "sha256 ",
	 .handle = res_query_log},
	{METHOD_GET, "/api/v1/records", SCOPE_READ, .query = QUERY_PARAMETERS "logs ",
	 .handle = res_query_logs},
	{METHOD_GET, LOGS "/{log}/tail", SCOPE_READ, .query = TAIL_PARAMETERS,
	 .handle = res_tail_log},
	{METHOD_GET, "/api/v1/tail", SCOPE_READ, .query = TAIL_PARAMETERS "logs ",
	 .handle = res_tail_logs},
	{METHOD_GET, PROOF "/inclusion", SCOPE_VERIFY, .public_able = true, .query = "index size ",
	 .handle = res_proofs_inclusion},
	{METHOD_GET, PROOF "/consistency", SCOPE_VERIFY, .public_able = true, .query = "from to ",
	 .handle = res_proofs_consistency},
	{METHOD_GET, "/logs/{log}/checkpoint", SCOPE_VERIFY, .public_able = true,
	 .handle = res_tiles_checkpoint},
	{METHOD_GET, "/logs/{log}/tile/{path*}", SCOPE_VERIFY, .public_able = true,
	 .handle = res_tiles_get},
	{METHOD_GET, LOGS, SCOPE_READ | SCOPE_VERIFY, .query = "after limit ",
	 .handle = res_logs_list},
	{METHOD_GET, LOGS "/{log}", SCOPE_READ | SCOPE_VERIFY, .public_able = true,
	 .handle = res_logs_get},
	{METHOD_PUT, LOGS "/{log}", SCOPE_POLICY, .creates_log = true,
	 .max_body = LIMIT_API_BODY_BYTES, .handle = res_logs_put},
	{METHOD_GET, POLICY, SCOPE_READ | SCOPE_VERIFY | SCOPE_POLICY, .handle = res_policy_get},
	{METHOD_PUT, POLICY, SCOPE_POLICY, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_policy_put},
	{METHOD_POST, POLICY, SCOPE_POLICY, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_policy_put},
	{METHOD_POST, POLICY "/lock", SCOPE_POLICY, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_policy_lock},
	{METHOD_DELETE, POLICY "/lock", SCOPE_POLICY, .handle = res_policy_unlock},
	{METHOD_POST, LOGS "/{log}/extensions", SCOPE_RETAIN, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_extensions_post},
	{METHOD_GET, EVENT, SCOPE_READ | SCOPE_RETAIN, .handle = res_event_get},
	{METHOD_POST, EVENT, SCOPE_RETAIN, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_event_post},
	{METHOD_GET, RECORDS "/{index}/why", SCOPE_READ | SCOPE_HOLD | SCOPE_RETAIN | SCOPE_PURGE,
	 .handle = res_why_get},
	{METHOD_POST, LOGS "/{log}/seal", SCOPE_OPERATE, .handle = res_logs_seal},
	{METHOD_POST, LOGS "/{log}/reindex", SCOPE_OPERATE, .query = "from all ",
	 .handle = res_logs_reindex},
	{METHOD_POST, LOGS "/{log}/key/rotate", SCOPE_OPERATE, .handle = res_keys_rotate},
	{METHOD_POST, PLANS, SCOPE_PURGE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_purge_plan},
	{METHOD_GET, PLANS "/{id}", SCOPE_PURGE, .handle = res_purge_show},
	{METHOD_POST, PLANS "/{id}/approve", SCOPE_PURGE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_purge_approve},
	{METHOD_GET, "/api/v1/identity", .handle = res_identity_get},
	{METHOD_POST, "/api/v1/identity/rotate", SCOPE_OPERATE, .handle = res_identity_rotate},
	{METHOD_GET, ERASURES, SCOPE_PURGE, .query = "state after limit ",
	 .handle = res_erasures_list},
	{METHOD_POST, ERASURES, SCOPE_PURGE, .max_body = LIMIT_HOLD_BODY_BYTES,
	 .handle = res_erasures_post},
	{METHOD_GET, ERASURES "/{id}", SCOPE_PURGE, .handle = res_erasures_get},
	{METHOD_GET, UPLOAD, SCOPE_APPEND, .handle = res_upload_get},
	{METHOD_PATCH, UPLOAD, SCOPE_APPEND, .max_body = LIMIT_BODY_BYTES,
	 .handle = res_upload_body, .admit = res_upload_admit},
	{METHOD_DELETE, UPLOAD, SCOPE_APPEND, .handle = res_upload_delete},
	{METHOD_PUT, LOGS "/{log}/segments/{file}", SCOPE_OPERATE,
	 .max_body = LIMIT_SEGMENT_UPLOAD_BYTES, .handle = res_segments_put},
	{METHOD_GET, "/api/v1/backups", SCOPE_OPERATE, .handle = res_backups_get},
	{METHOD_POST, "/api/v1/backups", SCOPE_OPERATE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_backups_post},
	{METHOD_GET, "/api/v1/scrub", SCOPE_OPERATE, .handle = res_scrub_get},
	{METHOD_POST, "/api/v1/scrub", SCOPE_OPERATE, .handle = res_scrub_post},
	{METHOD_GET, CLOCK, SCOPE_OPERATE, .handle = res_clock_get},
	{METHOD_POST, CLOCK "/confirm", SCOPE_OPERATE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_clock_confirm},
	{METHOD_POST, CLOCK "/credit", SCOPE_OPERATE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_clock_credit},
	{METHOD_GET, "/api/v1/tokens", SCOPE_ACCESS, .query = "after limit ",
	 .handle = res_tokens_list},
	{METHOD_POST, "/api/v1/tokens", SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_tokens_post},
	{METHOD_DELETE, "/api/v1/tokens/{id}", SCOPE_ACCESS, .handle = res_tokens_delete},
	{METHOD_POST, "/api/v1/tokens/{id}/rotate", SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_tokens_rotate},
	{METHOD_GET, PRINCIPALS, SCOPE_ACCESS, .query = "after limit ",
	 .handle = res_principals_list},
	{METHOD_POST, PRINCIPALS, SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_principals_post},
	{METHOD_GET, PRINCIPALS "/{id}", SCOPE_ACCESS, .handle = res_principals_get},
	{METHOD_PATCH, PRINCIPALS "/{id}", SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_principals_patch},
	{METHOD_POST, PRINCIPALS "/{id}/disable", SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_principals_disable},
	{METHOD_GET, APPROVALS, SCOPE_ACCESS | SCOPE_APPROVE, .query = "state ",
	 .handle = res_approvals_list},
	{METHOD_GET, APPROVALS "/{id}", SCOPE_ACCESS | SCOPE_APPROVE, .handle = res_approvals_get},
	{METHOD_POST, APPROVALS "/{id}/approve", SCOPE_APPROVE, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_approvals_approve},
	{METHOD_POST, APPROVALS "/{id}/refuse", SCOPE_APPROVE, .handle = res_approvals_refuse},
	{METHOD_GET, "/api/v1/dual-control", SCOPE_ACCESS, .handle = res_dual_control_get},
	{METHOD_PUT, "/api/v1/dual-control", SCOPE_ACCESS, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_dual_control_put},
	{METHOD_GET, HOLDS, SCOPE_HOLD, .query = "matter log state after limit ",
	 .handle = res_holds_list},
	{METHOD_POST, HOLDS, SCOPE_HOLD, .max_body = LIMIT_HOLD_BODY_BYTES,
	 .handle = res_holds_post},
	{METHOD_GET, HOLDS "/{id}", SCOPE_HOLD, .handle = res_holds_get},
	{METHOD_POST, HOLDS "/{id}/release", SCOPE_HOLD, .max_body = LIMIT_API_BODY_BYTES,
	 .handle = res_holds_release},
	{METHOD_GET, "/livez", .handle = health_livez},
	{METHOD_GET, "/readyz", .query = "for ", .handle = health_readyz},
	{METHOD_GET, "/metrics", SCOPE_OPERATE, .handle = metrics_get},
};

const size_t router_routes = sizeof router_table / sizeof *router_table;

/*
 * The handlers of the routing table, one file per resource. Each makes exactly
 * one reply, now or later.
 */
#ifndef STELE_SERVER_RESOURCES_H
#define STELE_SERVER_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct identity;
struct json_t;
struct object;
struct request;

/* health.c */
void health_livez(struct request *r);
void health_readyz(struct request *r);

/* metrics.c */
void metrics_get(struct request *r);

/* res_logs.c */
void res_logs_list(struct request *r);
void res_logs_put(struct request *r);
void res_logs_get(struct request *r);
void res_logs_seal(struct request *r);
void res_logs_reindex(struct request *r);

/* res_policy.c */
void res_policy_get(struct request *r);
void res_policy_put(struct request *r);
void res_policy_lock(struct request *r);
void res_policy_unlock(struct request *r);

/* res_retain.c */
void res_extensions_post(struct request *r);
void res_event_get(struct request *r);
void res_event_post(struct request *r);

/* res_why.c */
void res_why_get(struct request *r);

/* res_identity.c */
void res_identity_get(struct request *r);
void res_identity_rotate(struct request *r);
/* Appends the member "successions": all notes up to this identity, in order. */
void res_identity_put_successions(struct buf *b, const struct identity *id);

/* res_k8s.c */
void res_k8s_post(struct request *r);

/* res_keys.c */
void res_keys_rotate(struct request *r);

/* res_append.c */
void res_append_post(struct request *r);
/* r->job is prepared: to the writer with it, and the answer follows. */
void res_append_submit(struct request *r);

/* res_upload.c */
bool res_append_admit(struct request *r);
bool res_upload_admit(struct request *r);
/* The body of an upload's request is complete. */
void res_upload_body(struct request *r);
void res_upload_get(struct request *r);
void res_upload_delete(struct request *r);

/* res_query.c */
void res_query_log(struct request *r);
void res_query_logs(struct request *r);
struct query;
void res_query_refuse(struct request *r, struct query *q); /* q->err says why; frees it */
void res_certify_run(struct request *r, struct query *q);  /* what res_query.c has read */

/* res_tail.c: records as they come, as server-sent events */
void res_tail_log(struct request *r);
void res_tail_logs(struct request *r);

/* res_find.c */
void res_find_get(struct request *r);

/*
 * res_object.c: the answer's head was begun; sends n bytes of the object from
 * `from` on as its body, and closes the object.
 */
void res_object_send(struct request *r, struct object *o, uint64_t from, uint64_t n);

/* res_records.c */
void res_records_get(struct request *r);

/* res_proofs.c */
void res_proofs_inclusion(struct request *r);
void res_proofs_consistency(struct request *r);

/* res_backups.c */
void res_backups_get(struct request *r);
void res_backups_post(struct request *r);

/* res_purge.c */
void res_purge_plan(struct request *r);
void res_purge_show(struct request *r);
void res_purge_approve(struct request *r);
/* res_clock.c */
void res_clock_get(struct request *r);
void res_clock_confirm(struct request *r);
void res_clock_credit(struct request *r);

/* res_witness.c */
void res_add_checkpoint(struct request *r);
void res_witness_get(struct request *r);

/* res_scrub.c */
void res_scrub_get(struct request *r);
void res_scrub_post(struct request *r);

/* res_segments.c */
void res_segments_put(struct request *r);

/* res_tiles.c */
void res_tiles_checkpoint(struct request *r);
void res_tiles_get(struct request *r);

/* res_timestamps.c */
void res_timestamps_get(struct request *r);
void res_timestamps_post(struct request *r);

/* res_tokens.c */
void res_tokens_list(struct request *r);
void res_tokens_post(struct request *r);
void res_tokens_rotate(struct request *r);
void res_tokens_delete(struct request *r);

/* res_approvals.c */
void res_approvals_list(struct request *r);
void res_approvals_get(struct request *r);
void res_approvals_approve(struct request *r);
void res_approvals_refuse(struct request *r);
void res_dual_control_get(struct request *r);
void res_dual_control_put(struct request *r);

/* res_holds.c */
void res_holds_list(struct request *r);
void res_holds_post(struct request *r);
void res_holds_get(struct request *r);
void res_holds_release(struct request *r);

/* res_aliases.c */
void res_aliases_list(struct request *r);
void res_aliases_put(struct request *r);
void res_aliases_delete(struct request *r);

/* res_schemas.c */
void res_schemas_list(struct request *r);
void res_schemas_post(struct request *r);
void res_schemas_get(struct request *r);
void res_schemas_retire(struct request *r);
void res_log_schema_get(struct request *r);
void res_log_schema_put(struct request *r);

/* res_erasures.c */
void res_erasures_list(struct request *r);
void res_erasures_post(struct request *r);
void res_erasures_get(struct request *r);

/* res_exports.c */
void res_exports_list(struct request *r);
void res_exports_post(struct request *r);
void res_exports_get(struct request *r);
void res_exports_delete(struct request *r);

/* res_bundle.c: what an export made */
void res_bundle_get(struct request *r);

/* res_principals.c */
void res_principals_list(struct request *r);
void res_principals_get(struct request *r);
void res_principals_post(struct request *r);
void res_principals_patch(struct request *r);
void res_principals_disable(struct request *r);

#endif

/* Every subcommand of stele; each is described and run by its own file. */
#ifndef STELE_TOOLS_COMMANDS_H
#define STELE_TOOLS_COMMANDS_H

#include "tools/cli.h"

/* cmd_log.c */
extern const struct cli_command cmd_log_create;
extern const struct cli_command cmd_log_list;
extern const struct cli_command cmd_log_show;
extern const struct cli_command cmd_log_seal;
extern const struct cli_command cmd_log_reindex;

/* cmd_alias.c */
extern const struct cli_command cmd_alias_set;
extern const struct cli_command cmd_alias_list;
extern const struct cli_command cmd_alias_remove;

/* cmd_schema.c */
extern const struct cli_command cmd_log_schema;
extern const struct cli_command cmd_schema_list;
extern const struct cli_command cmd_schema_show;
extern const struct cli_command cmd_schema_add;
extern const struct cli_command cmd_schema_retire;
extern const struct cli_command cmd_schema_check; /* cmd_schema_check.c */

/* cmd_policy.c */
extern const struct cli_command cmd_policy_show;
extern const struct cli_command cmd_policy_set;
extern const struct cli_command cmd_policy_lock;
extern const struct cli_command cmd_policy_unlock;

/* cmd_retain.c */
extern const struct cli_command cmd_retain_extend;
extern const struct cli_command cmd_retain_shorten;
extern const struct cli_command cmd_retain_event;

extern const struct cli_command cmd_why;

/* a file each */
extern const struct cli_command cmd_append;
extern const struct cli_command cmd_put;
extern const struct cli_command cmd_get;
extern const struct cli_command cmd_find;

/* cmd_query.c */
extern const struct cli_command cmd_query;

/* cmd_tail.c */
extern const struct cli_command cmd_tail;
extern const struct cli_command cmd_prove;
extern const struct cli_command cmd_checkpoint;
extern const struct cli_command cmd_key_show; /* cmd_key.c */
extern const struct cli_command cmd_key_rotate;
extern const struct cli_command cmd_key_letter; /* cmd_letter.c */
extern const struct cli_command cmd_verify;
extern const struct cli_command cmd_fsck;
extern const struct cli_command cmd_backup;
extern const struct cli_command cmd_restore;
extern const struct cli_command cmd_scrub;
extern const struct cli_command cmd_witness_show;
extern const struct cli_command cmd_segment_restore; /* cmd_segment.c */
extern const struct cli_command cmd_comply;

/* cmd_timestamp.c */
extern const struct cli_command cmd_timestamp_list;
extern const struct cli_command cmd_timestamp_now;

/* cmd_clock.c */
extern const struct cli_command cmd_clock_show;
extern const struct cli_command cmd_clock_confirm;
extern const struct cli_command cmd_clock_credit;

/* cmd_token.c */
extern const struct cli_command cmd_token_create;
extern const struct cli_command cmd_token_list;
extern const struct cli_command cmd_token_rotate;
extern const struct cli_command cmd_token_revoke;

/* cmd_principal.c */
extern const struct cli_command cmd_principal_create;
extern const struct cli_command cmd_principal_invite;
extern const struct cli_command cmd_principal_list;
extern const struct cli_command cmd_principal_show;
extern const struct cli_command cmd_principal_change;
extern const struct cli_command cmd_principal_disable;

/* cmd_purge.c */
extern const struct cli_command cmd_purge_plan;
extern const struct cli_command cmd_purge_approve;
extern const struct cli_command cmd_purge_run;
/* cmd_erasure.c */
extern const struct cli_command cmd_erasure_request;
extern const struct cli_command cmd_erasure_list;
extern const struct cli_command cmd_erasure_show;
/* cmd_hold.c */
extern const struct cli_command cmd_hold_place;
extern const struct cli_command cmd_hold_list;
extern const struct cli_command cmd_hold_show;
extern const struct cli_command cmd_hold_release;

/* cmd_export.c */
extern const struct cli_command cmd_export;
extern const struct cli_command cmd_export_list;
extern const struct cli_command cmd_export_show;
extern const struct cli_command cmd_export_get;
extern const struct cli_command cmd_export_remove;

/* cmd_approve.c */
extern const struct cli_command cmd_approve;
extern const struct cli_command cmd_approval_list;
extern const struct cli_command cmd_approval_show;
extern const struct cli_command cmd_approval_refuse;
extern const struct cli_command cmd_dual_control_show;
extern const struct cli_command cmd_dual_control_set;

#endif

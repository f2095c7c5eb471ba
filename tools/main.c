/* stele: finds the subcommand, hands it the rest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "tools/cli.h"
#include "tools/commands.h"
#include "tools/transport.h"

static const struct cli_command *const commands[] = {
	&cmd_log_create,
	&cmd_log_list,
	&cmd_log_show,
	&cmd_log_seal,
	&cmd_log_reindex,
	&cmd_log_schema,
	&cmd_policy_show,
	&cmd_policy_set,
	&cmd_policy_lock,
	&cmd_policy_unlock,
	&cmd_append,
	&cmd_put,
	&cmd_get,
	&cmd_find,
	&cmd_query,
	&cmd_tail,
	&cmd_alias_set,
	&cmd_alias_list,
	&cmd_alias_remove,
	&cmd_schema_list,
	&cmd_schema_show,
	&cmd_schema_check,
	&cmd_schema_add,
	&cmd_schema_retire,
	&cmd_why,
	&cmd_retain_extend,
	&cmd_retain_shorten,
	&cmd_retain_event,
	&cmd_prove,
	&cmd_checkpoint,
	&cmd_key_show,
	&cmd_key_letter,
	&cmd_key_rotate,
	&cmd_verify,
	&cmd_export_list, /* before the one that takes names of logs */
	&cmd_export_show,
	&cmd_export_get,
	&cmd_export_remove,
	&cmd_export,
	&cmd_token_create,
	&cmd_token_list,
	&cmd_token_rotate,
	&cmd_token_revoke,
	&cmd_principal_create,
	&cmd_principal_invite,
	&cmd_principal_list,
	&cmd_principal_show,
	&cmd_principal_change,
	&cmd_principal_disable,
	&cmd_hold_place,
	&cmd_hold_list,
	&cmd_hold_show,
	&cmd_hold_release,
	&cmd_approve,
	&cmd_approval_list,
	&cmd_approval_show,
	&cmd_approval_refuse,
	&cmd_dual_control_show,
	&cmd_dual_control_set,
	&cmd_timestamp_list,
	&cmd_timestamp_now,
	&cmd_clock_show,
	&cmd_clock_confirm,
	&cmd_clock_credit,
	&cmd_witness_show,
	&cmd_comply,
	&cmd_scrub,
	&cmd_purge_plan,
	&cmd_purge_approve,
	&cmd_purge_run,
	&cmd_erasure_request,
	&cmd_erasure_list,
	&cmd_erasure_show,
	&cmd_segment_restore,
	&cmd_backup,
	&cmd_restore,
	&cmd_fsck,
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const char about[] =
	"usage: stele [--server URL] [--token TOKEN|@FILE] [OPTION ...] COMMAND ...\n"
	"\n"
	"Puts audit events into a write-once log, and proves and checks what is in it.\n"
	"A record, once acknowledged, is durable, signed for and provable; nobody can\n"
	"change it, and 'stele verify' and 'stele fsck' say so without the server.\n"
	"\n"
	"options for every command:\n"
	"  --server URL          where steled listens      (or STELE_SERVER)\n"
	"  --token TOKEN|@FILE   who you are               (or STELE_TOKEN)\n"
	"  --cacert FILE         who may have signed the server's certificate, in place of\n"
	"                        the system's CAs         (or STELE_CACERT)\n"
	"  --cert FILE           your own certificate, where the server asks for one\n"
	"                                                 (or STELE_CERT)\n"
	"  --key-file FILE       its key                  (or STELE_KEY_FILE)\n"
	"  --json                answers for programs\n"
	"  --help, --version\n"
	"\n"
	"commands:\n";

static const char afterword[] =
	"\n"
	"'stele COMMAND --help' explains one with examples. To begin:\n"
	"\n"
	"  steled --data DIR                          # prints its URL, writes DIR/admin.token\n"
	"  export STELE_SERVER=http://127.0.0.1:PORT STELE_TOKEN=@DIR/admin.token\n"
	"  stele log create payments\n"
	"  echo '{\"actor\":\"alice\",\"action\":\"pay\"}' | stele append payments\n"
	"  stele prove payments 1 -o one.json\n"
	"  stele verify one.json --key \"$(stele key show)\"\n"
	"\n"
	"exit status: 0 done or valid; 1 refused or invalid; 2 a claimed completeness\n"
	"fails; 3 wrong usage or unreadable input; 4 the server cannot be reached.\n";

/* Prints the commands whose name begins with word, unless f is NULL; how many there are. */
static size_t
list_commands(FILE *f, const char *word)
{
	size_t n = 0;

	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (strncmp(commands[i]->name, word, strlen(word)) != 0)
			continue;
		if (f)
			fprintf(f, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
		n++;
	}
	return n;
}

static void
print_help(void)
{
	fputs(about, stdout);
	list_commands(stdout, "");
	fputs(afterword, stdout);
}

/* The command that argv begins with, and how many words it took; NULL: none. */
static const struct cli_command *
find(int argc, char **argv, int *words)
{
	for (size_t i = 0; i < N_COMMANDS; i++) {
		const char *name = commands[i]->name, *space = strchr(name, ' ');
		size_t n = space ? (size_t)(space - name) : strlen(name);

		if (strlen(argv[0]) != n || memcmp(argv[0], name, n) != 0)
			continue;
		if (space && (argc < 2 || strcmp(argv[1], space + 1) != 0))
			continue;
		*words = space ? 2 : 1;
		return commands[i];
	}
	return NULL;
}

static int
unknown(const char *word, bool help)
{
	char group[32];

	snprintf(group, sizeof group, "%s ", word);
	if (help && list_commands(NULL, group)) {
		printf("usage: stele %s COMMAND ...\n\ncommands:\n", word);
		list_commands(stdout, group);
		printf("\n'stele COMMAND --help' explains one with examples.\n");
		return CLI_DONE;
	}
	fprintf(stderr, "stele: there is no command '%s' that goes on like this. There are:\n",
		word);
	if (!list_commands(stderr, group))
		list_commands(stderr, "");
	return CLI_USAGE;
}

static bool
is_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0 || strcmp(arg, "help") == 0;
}

/* Options before the command; *used is how many words they took. */
static int
leading_options(struct cli *cli, int argc, char **argv, int *used)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (is_help(argv[i])) {
			print_help();
			return CLI_DONE;
		}
		if (strcmp(argv[i], "--version") == 0) {
			puts("stele " STELE_VERSION);
			return CLI_DONE;
		}
		if (cli_take_global(cli, argc, argv, &i) != CLI_GO) {
			cli_say("%s stands alone before the command; 'stele --help' shows what may",
				argv[i]);
			return CLI_USAGE;
		}
	}
	*used = i;
	return CLI_GO;
}

int
main(int argc, char **argv)
{
	struct cli cli = {.server = getenv("STELE_SERVER"),
			  .token = getenv("STELE_TOKEN"),
			  .tls = {.cacert = getenv("STELE_CACERT"),
				  .cert = getenv("STELE_CERT"),
				  .key = getenv("STELE_KEY_FILE")}};
	char dashed[] = "--help", *explain[] = {dashed, NULL}; /* 'help COMMAND' */
	const struct cli_command *command;
	int used, words, rc;
	bool help;

	if (crypto_init() != 0) {
		cli_say("cannot start: the system's cryptography library does not work");
		return CLI_USAGE;
	}
	rc = leading_options(&cli, argc, argv, &used);
	if (rc != CLI_GO)
		return rc;
	argc -= used;
	argv += used;
	help = argc > 0 && is_help(argv[0]);
	if (argc == help) {
		print_help();
		return help ? CLI_DONE : CLI_USAGE;
	}
	argc -= help;
	argv += help;
	command = find(argc, argv, &words);
	if (!command)
		return unknown(argv[0], help || (argc > 1 && is_help(argv[1])));
	rc = help ? command->run(&cli, command, 1, explain)
		  : command->run(&cli, command, argc - words, argv + words);
	transport_free(cli.transport);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_say("cannot write to standard output");
		return CLI_USAGE;
	}
	return rc;
}

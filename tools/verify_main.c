/* stele-verify: the command verify alone, in a program that needs nothing installed. */
#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "tools/cli.h"
#include "tools/commands.h"
#include "verify/os.h"

/* One of the options that stand before a command of stele, too. */
static bool
is_version(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], "--version") == 0;
}

int
main(int argc, char **argv)
{
	struct cli_command alone = cmd_verify;
	struct cli cli = {.json = false};
	int rc;

	if (os_begin(&argc, &argv) != 0) {
		cli_say("cannot start: out of memory");
		return CLI_USAGE;
	}
	if (is_version(argc, argv)) {
		puts("stele-verify " STELE_VERSION);
		return CLI_DONE;
	}
	if (crypto_init() != 0) {
		cli_say("cannot start: the cryptography library does not work");
		return CLI_USAGE;
	}
	if (argc > 1 && strcmp(argv[1], "verify") == 0) { /* as the full program has it */
		argc--;
		argv++;
	}
	alone.program = "stele-verify";
	rc = alone.run(&cli, &alone, argc - 1, argv + 1);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_say("cannot write to standard output");
		return CLI_USAGE;
	}
	return rc;
}

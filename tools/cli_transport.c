/* The connection that a subcommand asks for; those that need none go without this file. */
#include "tools/cli.h"

#include <string.h>

/* Replaces "@FILE" by the file's first line. */
static int
resolve_token(struct cli *cli)
{
	struct buf text;
	size_t n = 0;

	if (!cli->token || cli->token[0] != '@')
		return CLI_GO;
	buf_init(&text);
	if (cli_read_file(&text, cli->token + 1, sizeof cli->token_line - 1) != CLI_GO) {
		buf_fini(&text);
		return CLI_USAGE;
	}
	while (n < text.n && text.p[n] > ' ')
		n++;
	cli->token_at = cli->token;
	memcpy(cli->token_line, text.p, n);
	cli->token_line[n] = '\0';
	cli->token = cli->token_line;
	buf_fini(&text);
	return CLI_GO;
}

int
cli_transport(struct cli *cli)
{
	struct buf why;

	if (cli->transport)
		return CLI_GO;
	if (!cli->server) {
		cli_say("which server? Give --server URL or set STELE_SERVER; "
			"steled prints its URL when it starts.");
		return CLI_USAGE;
	}
	if (resolve_token(cli) != CLI_GO)
		return CLI_USAGE;
	buf_init(&why);
	if (transport_new(&cli->transport, cli->server, cli->token, &cli->tls, &why) != 0) {
		cli_say("%.*s", (int)why.n, (const char *)why.p);
		buf_fini(&why);
		return CLI_USAGE;
	}
	buf_fini(&why);
	return CLI_GO;
}

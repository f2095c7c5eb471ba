/* /proc/PID/status for memory, fields 14 and 15 of /proc/PID/stat for CPU. */
#include "bench/procstat.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"

/* A file of /proc as a string; false when it cannot be read. */
static int
read_text(char *text, size_t cap, pid_t pid, const char *name)
{
	char path[64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "r");
	if (!f)
		return STELE_ENOTFOUND;
	n = fread(text, 1, cap - 1, f);
	text[n] = '\0';
	fclose(f);
	return n ? 0 : STELE_ENOTFOUND;
}

static uint64_t
field_kib(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	uint64_t v = 0;

	if (p)
		sscanf(p + strlen(name), " %" SCNu64, &v);
	return v;
}

int
procstat_read(struct procstat *out, pid_t pid)
{
	struct procstat got;
	uint64_t user, system;
	char text[4096];
	const char *p;

	if (read_text(text, sizeof text, pid, "status") != 0)
		return STELE_ENOTFOUND;
	got.rss_kib = field_kib(text, "VmRSS:");
	got.rss_anon_kib = field_kib(text, "RssAnon:");
	if (read_text(text, sizeof text, pid, "stat") != 0)
		return STELE_ENOTFOUND;
	p = strrchr(text, ')'); /* the command's name may hold spaces and parentheses */
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64,
			 &user, &system) != 2)
		return STELE_ENOTFOUND;
	got.cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	*out = got;
	return 0;
}

/* What a process uses: memory and CPU, from /proc (proc(5)). */
#ifndef STELE_BENCH_PROCSTAT_H
#define STELE_BENCH_PROCSTAT_H

#include <stdint.h>
#include <sys/types.h>

struct procstat {
	uint64_t rss_kib;      /* VmRSS: with pages of mapped files */
	uint64_t rss_anon_kib; /* RssAnon: the process's own */
	double cpu_s;          /* user and system, all threads, since it started */
};

/* Reads the three figures of pid. STELE_ENOTFOUND when there is no such process. */
int procstat_read(struct procstat *out, pid_t pid);

#endif

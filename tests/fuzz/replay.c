/*
 * Runs a fuzz target over every file of a corpus folder, so that what fuzzing
 * once found stays found. Exit 0 when all ran, 3 when the folder is unreadable.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(4u << 20);
	size_t n;

	if (!f || !data) {
		perror(path);
		if (f)
			fclose(f);
		free(data);
		return -1;
	}
	n = fread(data, 1, 4u << 20, f);
	fclose(f);
	data = realloc(data, n ? n : 1); /* exact size: an over-read meets the sanitizer */
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int
main(int argc, char **argv)
{
	DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *e;
	int ran = 0;

	if (!d) {
		fprintf(stderr, "usage: replay CORPUS-FOLDER\n");
		return 3;
	}
	while ((e = readdir(d))) {
		char path[PATH_MAX];
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
		if (replay_file(path) != 0)
			return 3;
		ran++;
	}
	closedir(d);
	printf("%d inputs\n", ran);
	return ran ? 0 : 3;
}

/* A map that ends under its reader is an error of that reader, and of nobody else. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/mapguard.h"
#include "suite.h"

enum { PAGE = 4096, PAGES = 8 };

/* A file of PAGES pages, page i full of the byte i + 1, mapped. */
static const uint8_t *
mapped(int *fd)
{
	char name[] = "/tmp/stele-test-XXXXXX";
	uint8_t page[PAGE];
	void *p;

	*fd = mkstemp(name);
	ck_assert_int_ge(*fd, 0);
	unlink(name);
	for (int i = 0; i < PAGES; i++) {
		memset(page, i + 1, PAGE);
		ck_assert_int_eq(pwrite(*fd, page, PAGE, i * PAGE), PAGE);
	}
	p = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, *fd, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}

START_TEST(a_cut_map_is_an_error_again_and_again_and_the_rest_still_reads)
{
	static uint8_t got[PAGES * PAGE];
	const uint8_t *map;
	int fd;

	map = mapped(&fd);
	ck_assert_int_eq(map_copy(got, map, PAGES * PAGE), 0);
	ck_assert_mem_eq(got, map, PAGES * PAGE);
	for (int left = PAGES - 1; left >= 0; left--) {
		ck_assert_int_eq(ftruncate(fd, left * PAGE), 0);
		for (int i = 0; i < PAGES; i++) {
			int err = map_copy(got, map + i * PAGE, PAGE);
			ck_assert_int_eq(err, i < left ? 0 : STELE_EDAMAGED);
			ck_assert(err != 0 || (got[0] == i + 1 && got[PAGE - 1] == i + 1));
		}
		ck_assert_int_eq(map_copy(got, map, PAGES * PAGE), STELE_EDAMAGED);
	}
	close(fd);
}
END_TEST

static int
answer(void *arg)
{
	return *(int *)arg;
}

START_TEST(what_the_function_returns_is_returned)
{
	int codes[] = {0, 1, STELE_ENOMEM};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		ck_assert_int_eq(map_guarded(answer, &codes[i]), codes[i]);
}
END_TEST

static void *
read_often(void *arg)
{
	const uint8_t *map = arg;
	uint8_t got[PAGE];

	for (int i = 0; i < 2000; i++) {
		if (map_copy(got, map, PAGE) != 0 || got[7] != 1 ||
		    map_copy(got, map + 5 * PAGE, PAGE) != STELE_EDAMAGED)
			return NULL;
	}
	return arg;
}

START_TEST(threads_do_not_see_each_others_faults)
{
	pthread_t thread[4];
	const uint8_t *map;
	void *whole;
	int fd;

	map = mapped(&fd);
	ck_assert_int_eq(ftruncate(fd, 5 * PAGE), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(
			pthread_create(&thread[i], NULL, read_often, (void *)(uintptr_t)map), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &whole);
		ck_assert_ptr_nonnull(whole);
	}
	close(fd);
}
END_TEST

static void
leave(int sig)
{
	(void)sig;
	_exit(7);
}

/* How a child ends that touches a missing page without the guard. */
static int
touch_unguarded(bool handled)
{
	int fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sigaction own = {.sa_handler = handled ? leave : SIG_DFL};
		const volatile uint8_t *map = mapped(&fd);
		uint8_t byte;
		sigaction(SIGBUS, &own, NULL);
		if (ftruncate(fd, 0) != 0 ||
		    map_copy(&byte, (const uint8_t *)(uintptr_t)map, 1) != STELE_EDAMAGED)
			_exit(1);
		_exit(map[0] ? 2 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(outside_of_the_guard_the_signal_goes_where_it_went_before)
{
	int status = touch_unguarded(false);

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS, "status %d", status);
	status = touch_unguarded(true);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 7, "status %d", status);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		outside_of_the_guard_the_signal_goes_where_it_went_before,
		a_cut_map_is_an_error_again_and_again_and_the_rest_still_reads,
		what_the_function_returns_is_returned,
		threads_do_not_see_each_others_faults,
	};

	return suite_run("mapguard", tests, sizeof tests / sizeof *tests, 60);
}

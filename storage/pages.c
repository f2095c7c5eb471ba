/* Both trees are walked from the newer root; every page they use is marked once. */
#include "storage/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"

enum {
	PAGE_HEADER =
		16, /* u64 number, u16 pad, u16 flags, u16 lower and u16 upper, or u32 pages */
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	PAGE_META = 8,
	NODE_HEADER = 8, /* u16 low, u16 high, u16 flags, u16 key bytes */
	NODE_BIG = 1,    /* the value is the number of an overflow page */
	TREE_BYTES = 48, /* u32 pad, u16 flags, u16 depth, u64 branches, leaves, overflow, entries,
			    root */
	META_TREES = 40, /* u32 magic at 16, u32 version; the free list's tree, then the main one */
	META_LAST = 136, /* u64 last page, u64 transaction */
	FREE_LIST_FLAGS = 0x4008, /* integer keys, and the whole file's: no folder of its own */
	DEPTH_MAX = 32,
	SLACK_PAGES = 1024, /* at the end, taken and given back without being written */
};

#define META_MAGIC 0xBEEFC0DEu
#define NO_PAGE UINT64_MAX

struct pages {
	const uint8_t *file;
	uint64_t size; /* of a page: the machine's when the file was made */
	uint64_t n;    /* pages in the file */
	uint64_t last; /* number of the last page in use */
	uint8_t *used; /* a byte a page, last + 1 of them */
};

struct tree {
	uint16_t flags, depth;
	uint64_t branches, leaves, overflow, entries, root;
	bool is_free_list;
};

/* Notes a use of n pages from number on: false when they are not there or in use. */
static bool
take(struct pages *p, uint64_t number, uint64_t n)
{
	if (number < 2 || number > p->last || n == 0 || n > p->last + 1 - number)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		if (p->used[number + i])
			return false;
		p->used[number + i] = 1;
	}
	return true;
}

/* The page of that number, which must say so itself and be of this kind; NULL when not. */
static const uint8_t *
page_at(struct pages *p, uint64_t number, unsigned flags)
{
	const uint8_t *page = p->file + number * p->size;

	if (number >= p->n || le_get64(page) != number || le_get16(page + 10) != flags)
		return NULL;
	return page;
}

/* Free pages: u64 count, then their numbers, descending. */
static bool
free_pages(struct pages *p, const uint8_t *value, uint64_t bytes)
{
	uint64_t n = bytes >= 8 ? le_get64(value) : UINT64_MAX, before = UINT64_MAX;

	if (bytes % 8 || n > bytes / 8 - 1)
		return false;
	for (uint64_t i = 1; i <= n; i++) {
		uint64_t number = le_get64(value + 8 * i);
		if (number >= before || !take(p, number, 1))
			return false;
		before = number;
	}
	return true;
}

static bool
leaf_node(struct pages *p, struct tree *t, const uint8_t *node, uint64_t room)
{
	uint64_t key = le_get16(node + 6);
	uint64_t bytes = le_get16(node) | (uint64_t)le_get16(node + 2) << 16;
	unsigned flags = le_get16(node + 4);
	const uint8_t *value = node + NODE_HEADER + key;

	if (flags & ~NODE_BIG || NODE_HEADER + key + (flags ? 8 : bytes) > room)
		return false;
	if (flags) {
		uint64_t number = le_get64(value), n;
		const uint8_t *page = page_at(p, number, PAGE_OVERFLOW);
		n = page ? le_get32(page + 12) : 0;
		/* more pages than bytes need: a shorter value was put in place of a longer one */
		if (n < (PAGE_HEADER + bytes + p->size - 1) / p->size || n > p->n - number ||
		    !take(p, number, n))
			return false;
		value = page + PAGE_HEADER;
		t->overflow += n;
	}
	t->entries++;
	return !t->is_free_list || free_pages(p, value, bytes);
}

/* A page of a tree and all below it; depth counts down to the leaves. */
static bool
walk(struct pages *p, struct tree *t, uint64_t number, unsigned depth)
{
	bool leaf = depth == 1;
	const uint8_t *page = page_at(p, number, leaf ? PAGE_LEAF : PAGE_BRANCH);
	unsigned lower, upper;

	if (!page || !take(p, number, 1))
		return false;
	lower = le_get16(page + 12);
	upper = le_get16(page + 14);
	if (lower < PAGE_HEADER || lower % 2 || lower > upper || upper > p->size)
		return false;
	*(leaf ? &t->leaves : &t->branches) += 1;
	for (unsigned at = PAGE_HEADER; at < lower; at += 2) {
		unsigned offset = le_get16(page + at);
		const uint8_t *node = page + offset;
		if (offset < upper || offset % 2 || offset + NODE_HEADER > p->size)
			return false;
		if (leaf && !leaf_node(p, t, node, p->size - offset))
			return false;
		if (!leaf &&
		    (offset + NODE_HEADER + le_get16(node + 6) > p->size ||
		     !walk(p, t, le_get32(node) | (uint64_t)le_get16(node + 4) << 32, depth - 1)))
			return false;
	}
	return true;
}

/* One tree as its root describes it. */
static bool
check_tree(struct pages *p, const uint8_t *root, bool is_free_list)
{
	struct tree t = {.is_free_list = is_free_list};
	uint64_t number = le_get64(root + 40);
	unsigned depth = le_get16(root + 6);

	if (le_get32(root) != (is_free_list ? p->size : 0) ||
	    le_get16(root + 4) != (is_free_list ? FREE_LIST_FLAGS : 0))
		return false;
	if (number == NO_PAGE)
		return depth == 0 && le_get64(root + 32) == 0;
	return depth >= 1 && depth <= DEPTH_MAX && walk(p, &t, number, depth) &&
	       t.branches == le_get64(root + 8) && t.leaves == le_get64(root + 16) &&
	       t.overflow == le_get64(root + 24) && t.entries == le_get64(root + 32);
}

/* The newer of the two roots; NULL when either is none. */
static const uint8_t *
newer_meta(const uint8_t *file, uint64_t page_bytes)
{
	const uint8_t *meta[2] = {file, file + page_bytes};

	for (unsigned i = 0; i < 2; i++) {
		if (le_get64(meta[i]) != i || le_get16(meta[i] + 10) != PAGE_META ||
		    le_get32(meta[i] + 16) != META_MAGIC || le_get32(meta[i] + 20) != 1)
			return NULL;
	}
	return meta[le_get64(meta[0] + META_LAST + 8) < le_get64(meta[1] + META_LAST + 8)];
}

static int
check(const uint8_t *file, uint64_t bytes)
{
	struct pages p = {.file = file, .size = (uint64_t)sysconf(_SC_PAGESIZE)};
	const uint8_t *meta;
	bool whole;

	p.n = bytes / p.size;
	meta = p.n >= 2 ? newer_meta(file, p.size) : NULL;
	if (!meta)
		return STELE_EDAMAGED;
	p.last = le_get64(meta + META_LAST);
	if (p.last < 1 || p.last >= p.n + SLACK_PAGES)
		return STELE_EDAMAGED;
	p.used = calloc(1, p.last + 1);
	if (!p.used)
		return STELE_ENOMEM;
	whole = check_tree(&p, meta + META_TREES, true) &&
		check_tree(&p, meta + META_TREES + TREE_BYTES, false);
	free(p.used);
	return whole ? 0 : STELE_EDAMAGED;
}

int
pages_check(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = STELE_EDAMAGED;
	struct stat sb;
	void *map;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &sb) != 0) {
		err = STELE_EIO;
	} else if (sb.st_size > 0) {
		map = mmap(NULL, (size_t)sb.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		err = STELE_ENOMEM;
		if (map != MAP_FAILED) {
			err = check(map, (uint64_t)sb.st_size);
			munmap(map, (size_t)sb.st_size);
		}
	}
	close(fd);
	return err;
}

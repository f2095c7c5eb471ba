/*
 * LMDB's file taken apart by hand, before LMDB itself may touch it. LMDB
 * believes its pages: one wrong number in its list of free pages and the next
 * commit overwrites a live one. Format: LMDB 0.9 (data version 1), 64 bits,
 * little-endian.
 */
#ifndef STELE_STORAGE_PAGES_H
#define STELE_STORAGE_PAGES_H

/*
 * Checks the file at path as LMDB would open it: both trees are well formed,
 * and no page has two uses. 0, STELE_EDAMAGED, STELE_ENOTFOUND, STELE_EIO,
 * STELE_ENOMEM.
 */
int pages_check(const char *path);

#endif

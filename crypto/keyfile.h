/*
 * The one format of every file that holds secrets: the server identity, the
 * keyring. Always 0600, always replaced atomically, sealed when there is a
 * passphrase.
 *
 *    0 "stelekey"      8 u32 version       12 u32 required features
 *   16 u32 kdf        20 u32 passes        24 u64 memory, bytes
 *   32 salt[16]       48 u64 body length   56 body
 *   then SHA-256 of everything before it
 *
 * Integers are little-endian. kdf 0: no passphrase, the body is plain, and
 * passes, memory and salt are zero. kdf 1: the body is an aead box (crypto/aead.h)
 * under Argon2id(passphrase, salt, passes, memory) with the first 56 bytes as its
 * associated data. Every version keeps magic, version and trailer.
 */
#ifndef STELE_CRYPTO_KEYFILE_H
#define STELE_CRYPTO_KEYFILE_H

#include <stddef.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum { KEYFILE_HEADER_BYTES = 56, KEYFILE_TRAILER_BYTES = 32 };

/*
 * A passphrase and the key derived from it, derived once and kept (in locked
 * memory where the system allows) so that rewriting a file is cheap. One thread
 * at a time.
 */
struct keyfile_seal;

/*
 * A seal for this NUL-terminated passphrase of 1..LIMIT_PASSPHRASE_BYTES, which
 * is copied; NULL: files are read and written without one. STELE_EINVAL,
 * STELE_ENOMEM. crypto_init() comes first.
 */
int keyfile_seal_new(struct keyfile_seal **out, const char *passphrase);

/* Wipes and frees it. */
void keyfile_seal_free(struct keyfile_seal *seal);

/*
 * Appends the bytes of a file with this body. STELE_ENOMEM, also when there is
 * not enough memory for Argon2id; STELE_ELIMIT above LIMIT_KEYFILE_BYTES.
 */
int keyfile_encode(struct buf *out, struct slice body, struct keyfile_seal *seal);

/*
 * Appends to *body what keyfile_encode was given. STELE_EDAMAGED when any bit
 * is not as written or it is no key file; STELE_EVERSION for a version, feature
 * or kdf that is not known here; STELE_EKEY when the passphrase is wrong, or
 * missing, or given for a file that is not sealed; STELE_ELIMIT when the file
 * asks for more memory or passes than LIMIT_ARGON2_*; STELE_ENOMEM.
 */
int keyfile_decode(struct buf *body, struct slice file, struct keyfile_seal *seal);

/*
 * Replaces path with a file of this body, mode 0600. Steps: PATH.new is written
 * and flushed, renamed over path, the directory flushed. On failure path holds
 * the old content or, when only the last flush failed, the old or the new.
 * Errors as keyfile_encode, and STELE_EIO, STELE_ENOSPACE, STELE_ENOTFOUND (no
 * such directory), STELE_EPERM (the directory is not ours to write in).
 */
int keyfile_write(const char *path, struct slice body, struct keyfile_seal *seal);

/*
 * Appends the body of the file at path to *body. STELE_EPERM when group or
 * others have any right on it, or it may not be opened; STELE_ENOTFOUND;
 * STELE_EIO; errors as keyfile_decode.
 */
int keyfile_read(const char *path, struct buf *body, struct keyfile_seal *seal);

/* The file `to`, under its seal, with the body of the file `from`. Errors as both above. */
int keyfile_copy(const char *from, struct keyfile_seal *from_seal, const char *to,
		 struct keyfile_seal *to_seal);

/* Wipes a buffer that held secrets, then frees it as buf_fini. */
void keyfile_wipe(struct buf *body);

#endif

/*
 * Every bound of stele in one place, each with its reason.
 * Units are in the names; a bound that an operator may move is a default here
 * and a flag of steled.
 */
#ifndef STELE_PROTO_LIMITS_H
#define STELE_PROTO_LIMITS_H

/* --- what leaves the server ------------------------------------------- */
#define LIMIT_LOG_NAME_BYTES 63u         /* [a-z0-9][a-z0-9._-]{0,62}: one DNS label's length */
#define LIMIT_ORIGIN_BYTES 191u          /* server name (127) + '/' + log name (63) */
#define LIMIT_SERVER_NAME_BYTES 127u     /* half of a DNS name: room for every real host */
#define LIMIT_ENTRY_BYTES 1023u          /* formats.md 1: below 1 KiB; four fit a page */
#define LIMIT_MEDIA_TYPE_BYTES 127u      /* RFC 6838 4.2: 127 for type and subtype */
#define LIMIT_WRITER_BYTES 63u           /* an opaque id, not a name */
#define LIMIT_EVENT_BYTES 63u            /* retention event's name */
#define LIMIT_INTEGER ((1ull << 53) - 1) /* exact in every JSON implementation */
#define LIMIT_NOTE_BYTES 131072u         /* C2SP signed-note asks for at least this */
#define LIMIT_NOTE_SIGNATURES 64u        /* at least 16 are asked for */
#define LIMIT_NOTE_BLOB_BYTES 5120u      /* one signature or public key: ML-DSA-87 has 4,627 */
#define LIMIT_PROOF_HASHES 64u           /* a tree of 2^63 leaves needs 63 */
#define LIMIT_PROOF_TEXT_BYTES 262144u   /* a note, an entry and 64 hashes with room */

#define LIMIT_RECEIPT_FILE_BYTES (4u << 20) /* of a purge entry: 16384 ranges, and its keys */

/* --- what comes in ----------------------------------------------------- */
#define LIMIT_RECORD_BYTES (1u << 20)        /* one payload; larger ones belong in objects/ */
#define LIMIT_BODY_BYTES (16u << 20)         /* a request body once decoded */
#define LIMIT_DECODE_RATIO 200u              /* decoded:coded; real event JSON reaches 60 */
#define LIMIT_DECODE_RATIO_FREE_BYTES 65536u /* the ratio counts only beyond this */
#define LIMIT_BATCH_RECORDS 65536u           /* per request: bounds one commit's columns */
#define LIMIT_JSON_DEPTH 64u                 /* Kubernetes objects stay below 20 */
#define LIMIT_IDEMPOTENCY_KEY_BYTES 255u     /* as the field's public APIs allow */
#define LIMIT_HTTP_TARGET_BYTES 4096u        /* request line's target */
#define LIMIT_HTTP_HEADER_BYTES 16384u       /* all header fields of a request */
#define LIMIT_HTTP_HEADERS 64u               /* header fields of a request */
#define LIMIT_HTTP_BUFFER_BYTES 37888u       /* a full head and a body of LIMIT_INLINE_BYTES */
#define LIMIT_INLINE_BYTES 16384u            /* a body validated on the loop: about 10 us */
#define LIMIT_API_BODY_BYTES 65536u          /* policies, tokens: documents people write */
#define LIMIT_VENDOR_BODY_BYTES (64u << 20)  /* by a vendor path: twice what its senders need */
#define LIMIT_VENDOR_EVENT_BYTES (16u << 20) /* of it that is read; a larger one is unparsed */
#define LIMIT_VENDOR_HEAD_BYTES 65536u       /* a list without its events: names, versions */
#define LIMIT_INTAKE_RECORDS 4096u           /* events in one commit: others get in between */
#define LIMIT_INTAKE_BYTES (4u << 20)        /* payloads of one such commit */
#define LIMIT_PROOF_ALL_RECORDS 4096u        /* ?proof=all: 4 KiB each stay in LIMIT_SOCKET_OUT */
#define LIMIT_TOKEN_PATTERNS_BYTES 1024u     /* log patterns of one token, together */
#define LIMIT_LIST_ROWS 1000u                /* rows per page of any listing */

/* --- back-pressure (design.md 4) --------------------------------------- */
#define LIMIT_CONNECTIONS 4096u            /* default; 1 KiB each when idle, under TLS 17 */
#define LIMIT_QUEUE_BYTES (64u << 20)      /* records waiting for the writer */
#define LIMIT_BODIES_BYTES (256u << 20)    /* large request bodies in memory, all together */
#define LIMIT_ANSWERS_BYTES (256u << 20)   /* answers waiting for slow readers, all together */
#define LIMIT_COMMIT_BYTES (16u << 20)     /* payload in one commit: fits a WAL file */
#define LIMIT_COMMIT_RECORDS 65536u        /* records in one commit */
#define LIMIT_SOCKET_OUT_BYTES (16u << 20) /* an answer waiting for one slow reader */
#define LIMIT_HEADER_TIMEOUT_MS 10000u     /* first byte to last header */
#define LIMIT_BODY_TIMEOUT_MS 30000u       /* without a single body byte */
#define LIMIT_RATE_BYTES_PER_S 1024u       /* a peer slower than this on average is cut */
#define LIMIT_LINGER_TIMEOUT_MS 2000u      /* reading on so that a refusal can be read */
#define LIMIT_LOOPS 64u                    /* event loops: more than any core count helps */
#define LIMIT_IDLE_TIMEOUT_MS 75000u       /* keep-alive without a request */
#define LIMIT_WRITE_TIMEOUT_MS 30000u      /* a reader that takes nothing */
#define LIMIT_DRAIN_TIMEOUT_MS 10000u      /* SIGTERM to the last answer */

/* --- what the server asks of others -------------------------------------- */
#define LIMIT_OUTBOUND 32u               /* requests under way on one loop: a connection each */
#define LIMIT_OUTBOUND_URL_BYTES 1024u   /* addresses that people write */
#define LIMIT_OUTBOUND_HEAD_BYTES 32768u /* head of a reply: more than any server sends */
#define LIMIT_WITNESSES 16u              /* that a policy may have asked: quorums are of a few */
#define LIMIT_WITNESS_REPLY_BYTES 16384u /* of one: a line of each of its keys */
#define LIMIT_WITNESS_TIMEOUT_MS 5000u   /* default: a witness flushes a file and answers */
#define LIMIT_WITNESS_FORK_BYTES 16384u  /* of a checkpoint that a record takes */
#define LIMIT_WITNESS_FOR 1000u          /* logs whose witness this server is: 1 KiB each */
#define LIMIT_WITNESS_KEYS 4u /* of one of these logs: the old and the new one of a rotation */
#define LIMIT_WITNESS_FOR_BYTES (1u << 20) /* the file that names them */
#define LIMIT_WITNESS_RATE 50u             /* such requests a second from one address */

/* --- TLS ---------------------------------------------------------------- */
#define LIMIT_TLS_CHAIN 8               /* CAs between a client and whom we believe: 2 are usual */
#define LIMIT_TLS_CHAIN_BYTES 32768u    /* all certificates of one client */
#define LIMIT_TLS_NAMES 32u             /* subject alternative names of one client */
#define LIMIT_TLS_NAME_BYTES 2048u      /* of one; SPIFFE's bound for its URIs */
#define LIMIT_TLS_HANDSHAKES_PER_S 500u /* of a loop: a fifth of its time with P-256 */
#define LIMIT_TLS_EARLY_BYTES 16384u    /* before the handshake's turn: a ClientHello is less */
#define LIMIT_TLS_TICKET_S 7200         /* a session may resume: as long as nobody looks again */
#define LIMIT_TLS_SLICE_BYTES 49152u    /* of an answer, encrypted at once: three records */
#define LIMIT_TLS_RECORDS (1u << 21)    /* under one key: RFC 8446 section 5.5 allows 2^24.5 */
#define LIMIT_TLS_OWN_BYTES 65536u      /* protocol answers that a peer does not take */
#define LIMIT_TLS_KEEP_BYTES 4096u      /* of a session's buffer that stay between uses */

/* --- queries -------------------------------------------------------------- */
#define LIMIT_FILTER_BYTES 65536u     /* a filter's text: a list of ids, not a program */
#define LIMIT_FILTER_TERMS 1000u      /* each may look at every value of its path */
#define LIMIT_FILTER_DEPTH 32u        /* parentheses and NOTs: people stay below 4 */
#define LIMIT_PATH_STEPS 32u          /* JSON nests 64 deep, events 20 */
#define LIMIT_NUMBER_EXPONENT 1000000 /* of a filter's numbers: beyond is a mistake */
#define LIMIT_MATCH_BYTES (16u << 20) /* a payload that is looked into; larger is unparsed */
#define LIMIT_SCHEMA_BYTES 65536u     /* a document that people write */
#define LIMIT_SCHEMA_PLACES 512u      /* all fields' together */
#define LIMIT_SCHEMA_MAP 256u         /* lines of one map */
#define LIMIT_SCHEMA_NOTHING 16u      /* texts that stand for no value */
#define LIMIT_SCHEMAS 64u             /* tried for each record */
#define LIMIT_SCHEMA_VERSIONS 1024u   /* of all schemas: each is kept for as long as the store */
#define LIMIT_SCHEMA_VERSIONS_BYTES                                                                \
	(4u << 20)                     /* canonical JSON of all of them: memory, a start           \
					*/
#define LIMIT_MAPPINGS 2048u           /* that there ever were: each is kept, 18 KiB at most */
#define LIMIT_ALIASES 10000u           /* named sets of values of all matters */
#define LIMIT_ALIASES_OF_MATTER 256u   /* and of one: a page of them */
#define LIMIT_ALIAS_VALUES 64u         /* of one: people have a dozen names */
#define LIMIT_ALIAS_VALUE_BYTES 255u   /* an ARN, a mail address, a SID */
#define LIMIT_ALIASES_BYTES (8u << 20) /* of all: in memory, and in the snapshot */
#define LIMIT_QUERY_LOGS 64u           /* of one query: its cursor fits the target of a request */
#define LIMIT_QUERY_RUNS 128u          /* of logs with one mapping, of a query over more */
#define LIMIT_QUERY_TERMS 64u          /* simple ones of one request */
#define LIMIT_QUERY_CURSOR_BYTES 2048u /* as bytes; 31 a log as a rule */
#define LIMIT_QUERY_STEP_NS 20000000ll /* of a worker, before others get their turn */
#define LIMIT_QUERY_STEP_BYTES (64u << 20)    /* looked at in one, at most */
#define LIMIT_QUERY_PAGE_NS 1000000000ll      /* then an answer says how far it came */
#define LIMIT_QUERY_PAGE_BYTES (4u << 20)     /* of rows: memory, and a slow reader's patience */
#define LIMIT_QUERY_STREAM_BYTES (256u << 10) /* of rows in one piece of a stream */
#define LIMIT_TAIL_ROWS 1000u                 /* in one piece of a tail */
#define LIMIT_TAIL_PAGE_BYTES (256u << 10)    /* and then it is full: what all its readers share */
#define LIMIT_TAIL_BEHIND_BYTES (8u << 20) /* that a tail has yet to take: beyond it is dropped */
#define LIMIT_TAIL_FEEDS 1024u         /* different questions of all tails: about 100 KiB each */
#define LIMIT_TAIL_HEARTBEAT_MS 10000u /* of silence, before a line that says nothing */
#define LIMIT_TAIL_ID_BYTES 1024u      /* as bytes; 11 a log, and 40 */
#define LIMIT_TALLY_VALUES 4096u       /* different ones that a page counts */
#define LIMIT_TERM_BYTES 255u          /* of a value in the index; the rest is the matcher's */
#define LIMIT_INDEX_RECORD_TERMS 256u  /* of one record; one with more is always looked at */
#define LIMIT_INDEX_LOOKUPS 2048u      /* of one query in one segment; beyond, it is scanned */

#define LIMIT_CERTIFICATE_LOGS 64u          /* their sums fit a note, beside the filter */
#define LIMIT_CERTIFICATE_BYTES (12u << 20) /* evidence: below LIMIT_SOCKET_OUT_BYTES */
#define LIMIT_CERTIFICATE_RANGES (1u << 20) /* of one log's matches: 16 MiB while it is made */
#define LIMIT_CERTIFICATE_NS 30000000000ll  /* of searching: a client waits 60 s for a byte */

/* --- on disk ------------------------------------------------------------ */
#define LIMIT_WAL_FILE_BYTES (64u << 20)    /* default; prewritten in about 0.1 s */
#define LIMIT_WAL_FILE_MIN_BYTES (1u << 20) /* for tests of many files */
#define LIMIT_BLOCK_BYTES (64u << 10)       /* payload bytes compressed and sealed together */
#define LIMIT_DERIVED_BYTES                                                                        \
	(16u << 10)                      /* payload whose commitment segments do not store: 10 us  \
					  */
#define LIMIT_DESCRIPTOR_BYTES 4096u     /* what a segment keeps of an object */
#define LIMIT_SEGMENT_RECORDS (1u << 28) /* 32-bit ordinals with room; sealing makes far fewer */
#define LIMIT_SEGMENT_DICT_BYTES (112u << 10) /* more gains nothing on event JSON */
#define LIMIT_SEGMENT_REPLACES 1024u      /* segments merged into one: the manifest fits a note */
#define LIMIT_WAL_FILES 2u                /* default: full ones that may wait to be sealed */
#define LIMIT_SEAL_WAL_BYTES (32u << 20)  /* a log's unsealed bytes: some seconds to seal */
#define LIMIT_SEAL_SPLIT_BYTES (1u << 20) /* a ragged tail below is rewritten as it is */
#define LIMIT_SEAL_RETRY_NS 60000000000ll /* after a seal that failed */
#define LIMIT_SEAL_AFTER_S 3600u          /* default: age at which a small tail is sealed */
#define LIMIT_SEGMENT_FILE_BYTES (16u << 20) /* neighbours are merged up to this: 10 ms to hash */
#define LIMIT_SCRUB_RATE (8u << 20) /* default: bytes a second; a terabyte in a day and a half */
#define LIMIT_SCRUB_EVERY_S 604800u /* default: from the begin of a pass to the next one's */
#define LIMIT_SCRUB_IDLE_MS 1000u   /* how late a pass may begin that is due or asked for */
#define LIMIT_SEGMENT_UPLOAD_BYTES                                                                 \
	(96u << 20) /* a segment put back: two seals' worth, uncompressed */
#define LIMIT_KEY_LIFE_NS (7ll * 86400 * 1000000000) /* idempotency keys are known that long */
#define LIMIT_DIGEST_EPOCH_S                                                                       \
	(7ll * 86400)                   /* the key of their digests changes: no less than above */
#define LIMIT_PURGE_RANGES 16384u       /* of one purge: its entry fits a record */
#define LIMIT_FREE_BYTES (512ull << 20) /* default soft limit below which appends get 507 */
#define LIMIT_LOGS 100000u              /* logs on one server */
#define LIMIT_TOKENS 10000u             /* bearer tokens on one server */
#define LIMIT_AUDIT_QUEUE_BYTES (16u << 20) /* events that wait for _system, for _access */
#define LIMIT_AUDIT_JOB_BYTES (1u << 20)    /* of them in one append */
#define LIMIT_AUDIT_DENIALS 256u            /* rows of who was denied what, in a minute */
#define LIMIT_AUDIT_READERS 64u             /* tokens and logs whose reads are gathered */
#define LIMIT_AUDIT_RANGES 1024u            /* ranges of indexes in one record of reads */
#define LIMIT_GRANTS 16u                    /* of a principal */
#define LIMIT_GRANT_PATTERNS 32u            /* of log names in one grant */
#define LIMIT_PRINCIPAL_NAMES 8u            /* in its certificates */
#define LIMIT_APPROVALS 1000u               /* that wait, at once */
#define LIMIT_APPROVAL_DAYS 7u              /* one waits: a week, as people do */
#define LIMIT_SETTLED_HOURS 72u             /* grants stand before they approve: seen by then */
#define LIMIT_DECIDED_DAYS 30u              /* approvals are shown after they are over */
#define LIMIT_PRINCIPALS 10000u             /* and who they stand for */
#define LIMIT_PLANS 100u                    /* purge plans that may be approved */
#define LIMIT_PLAN_LIFE_NS (86400ll * 1000000000) /* and for how long */
#define LIMIT_PLAN_RANGES 16384u                  /* in one: its act is a record of 400 KB */
#define LIMIT_HOLDS 20000u                        /* that are not released, at once: 2 KiB each */
#define LIMIT_HOLDS_KEPT 20000u                   /* released ones that are still shown */
#define LIMIT_HOLD_LOGS 8192u              /* of one hold when placed: their names in one record */
#define LIMIT_HOLD_PATTERNS 32u            /* of log names in one hold */
#define LIMIT_HOLD_WORDS_BYTES 127u        /* a matter, a name, an owner: each a line */
#define LIMIT_HOLD_REASON_BYTES 2000u      /* a paragraph */
#define LIMIT_HOLD_FILTER_BYTES 16384u     /* a few hundred names; it is kept in memory */
#define LIMIT_HOLD_BODY_BYTES (512u << 10) /* a request: some 30,000 ranges of records */
#define LIMIT_HOLD_RANGES 32768u           /* of records that a request may name */
#define LIMIT_HOLD_ENTRY_RANGES 4096u      /* in one control entry: 150 KB at most */
#define LIMIT_HOLD_HEADER_IDS 16u          /* holds that one append may name */
#define LIMIT_HOLD_STEP_RECORDS 65536u     /* examined before an entry says so: a second or two */
#define LIMIT_HOLD_AFTER_S 300u            /* default: examined so long after they came */
#define LIMIT_ERASURES 10000u              /* that are open, at once */
#define LIMIT_ERASURES_KEPT 10000u         /* ended ones that are still shown: 300 bytes each */
#define LIMIT_ERASURE_RANGES 4096u         /* of records in one: a record of 150 KB at most */
#define LIMIT_ERASURE_ALL_RANGES 1000000u  /* of all that are open: 16 MB in memory */
#define LIMIT_EXPORTS 1000u                /* begun or finished, at once */
#define LIMIT_BUNDLE_DOC_BYTES (4u << 20)  /* bundle.json, which a verifier reads unsigned */
#define LIMIT_BUNDLE_REQUEST_BYTES (1u << 20) /* of it; a server takes 64 KiB */
#define LIMIT_EXPORTS_OF_ONE 250u             /* of them, one principal's */
#define LIMIT_EXPORTS_WAITING 32u             /* of one principal, not made yet */
#define LIMIT_EXPORTS_KEPT 5000u              /* failed and removed ones that are still shown */
#define LIMIT_EXPORT_LOGS 64u                 /* of one */
#define LIMIT_EXPORT_RANGES 256u         /* of a log, that its finish lists: others are joined */
#define LIMIT_EXPORT_RECORD_RANGES 4096u /* of records that are named, of a log */
#define LIMIT_EXPORT_SINCE 64u           /* older checkpoints of a log */
#define LIMIT_EXPORT_WHY_BYTES 512u      /* why one failed: a sentence or two */
#define LIMIT_EXPORT_CUSTODY 1000u       /* earlier exports of the same records that one lists */
#define LIMIT_EXPORT_KEEP_S (7u * 86400) /* default, from its finish on: a week */
#define LIMIT_EXPORT_BYTES (64ull << 30) /* default, of all bundles together */
#define LIMIT_TIMESTAMP_BYTES 65536u     /* a TimeStampResp: with a chain some 8 KB */
#define LIMIT_TIMESTAMP_SIZES 16u        /* checkpoints with timestamps in a bundle */
#define LIMIT_AUTHORITIES 8u             /* that one server asks: digits in file names */
#define LIMIT_TIMESTAMP_EVERY_S 3600u    /* default: as often an authority is asked */
#define LIMIT_TIMESTAMP_LEAST_S 10u      /* no authority wants to be asked more often */
#define LIMIT_TIMESTAMP_DAYS 30u         /* before the newest one's certificate ends, it is said */
#define LIMIT_TIMESTAMP_LIST 100u        /* newest ones in an answer */
#define LIMIT_PROGRAM_BYTES (256u << 20) /* of steled itself, which is hashed at a start */
#define LIMIT_DICT_BYTES (16u << 10)     /* a trained dictionary */
#define LIMIT_KEYRUN_KEYS (128u << 10)   /* idempotency digests in memory before a run is written */
#define LIMIT_TREE_SIZE (1ull << 40)     /* largest tree the arithmetic is tested for */

/* --- locks of records ----------------------------------------------------- */
#define LIMIT_GRACE_NS (72ll * 3600 * 1000000000) /* before compliance begins */
#define LIMIT_EVENT_LATE_NS                                                                        \
	(7ll * 86400 * 1000000000)      /* in compliance: as an approval may come                  \
					 */
#define LIMIT_EXTEND_RECORDS (1u << 18) /* of one extension: it looks at the entry of each */
#define LIMIT_LOCKED_LISTED 100u        /* of those in the way that an answer names */
#define LIMIT_REASON_BYTES 1000u        /* of an act that says why */

/* --- objects: payloads in files of their own --------------------------- */
#define LIMIT_OBJECT_BYTES (64ull << 30) /* default; a disk image, a day of video */
#define LIMIT_OBJECT_CHUNK_BYTES                                                                   \
	(256u << 10) /* sealed together: the fastest: docs/performance.md */
#define LIMIT_OBJECT_CHUNK_MIN_BYTES (1u << 10) /* what a file may say, from here */
#define LIMIT_OBJECT_CHUNK_MAX_BYTES (1u << 20) /* to here: one chunk is in memory */
#define LIMIT_TRICKLE_BYTES (256 << 10)         /* of a segment, given to the disk at once */
#define LIMIT_OBJECT_DIRTY_BYTES (8u << 20)     /* written before the disk is asked to begin */
#define LIMIT_UPLOADS 256u                      /* resumable ones that wait: 256 KiB each */
#define LIMIT_UPLOAD_TIMEOUT_MS 3600000u        /* default, without a request */
#define LIMIT_OBJECTS_A_STEP 1024u              /* descriptors looked at in one request */

/* --- clocks: worm.md 4 ----------------------------------------------------- */
#define LIMIT_CLOCK_STEP_NS 10000000000ll /* a wall clock so far off has stepped */
#define LIMIT_CLOCK_PERSIST_MIN_NS                                                                 \
	600000000000ll                              /* a step stands at least so long before it is \
						     */
#define LIMIT_CLOCK_PERSIST_MAX_NS 86400000000000ll /* followed: its own width, in these bounds */
#define LIMIT_CLOCK_WARN_S 60u     /* default: disagreement with the wall clock that warns: */
#define LIMIT_CLOCK_FREEZE_S 7200u /* beyond any leap second; that freezes: beyond summer time */
#define LIMIT_CLOCK_CREDIT_NS 259200000000000ll  /* at most for one gap: 72 h, a long weekend */
#define LIMIT_CLOCK_YEAR_NS 1209600000000000ll   /* at most within a year: 14 days */
#define LIMIT_CLOCK_BUCKET_NS 2592000000000000ll /* credits are counted by 30 days: 13 of them */
#define LIMIT_CLOCK_REASON_BYTES 500u            /* why somebody credits or confirms */
#define LIMIT_CLOCK_SAVE_NS 60000000000ll        /* the state is saved at least so often */

/* --- keys ---------------------------------------------------------------- */
#define LIMIT_PASSPHRASE_BYTES 1023u         /* of the key files */
#define LIMIT_ARGON2_PASSES 2u               /* what files are sealed with: libsodium's */
#define LIMIT_ARGON2_BYTES (64u << 20)       /* interactive limits, 0.1 s once per start */
#define LIMIT_ARGON2_MAX_PASSES 16u          /* what a file may ask for: */
#define LIMIT_ARGON2_MAX_BYTES (1u << 30)    /* some seconds at worst */
#define LIMIT_KEYFILE_BYTES (64u << 20)      /* keyring of LIMIT_LOGS logs, four times over */
#define LIMIT_KEYRING_KEYS 500000u           /* of each kind: LIMIT_LOGS logs, some rotated */
#define LIMIT_BUNDLE_FILES 1000000u          /* in an evidence bundle: what a verifier takes */
#define LIMIT_BUNDLE_PART_BYTES (512u << 10) /* at which deflate begins anew: fits a cache */
#define LIMIT_BUNDLE_INLINE_BYTES 65536u     /* a longer payload is a file of its own in a bundle */
#define LIMIT_STATEMENTS 1024u /* key statements one check may need: a rotation each */
#define LIMIT_SUCCESSIONS 64u  /* of a server's identity: one a year, for a life */
#define LIMIT_PATH_BYTES 4096u /* PATH_MAX of Linux */

#endif

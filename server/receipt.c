/* Straight lines into the answer's buffer. */
#include "server/receipt.h"

#include "proto/proof.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"

void
receipt_put_time(struct buf *out, int64_t time_ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, time_ns);
	buf_put_str(out, "\"time\":\"");
	buf_put(out, text, sizeof text);
	buf_put_u8(out, '"');
}

void
receipt_put(struct buf *out, const struct receipt *r)
{
	buf_put_str(out, "{\"log\":\"");
	buf_put_str(out, log_name(r->log));
	buf_put_str(out, "\",\"index\":");
	buf_put_dec(out, r->index);
	buf_put_u8(out, ',');
	receipt_put_time(out, r->time_ns);
	buf_put_str(out, ",\"entry\":");
	buf_put_json_str(out, r->entry);
	if (r->salt) {
		buf_put_str(out, ",\"salt\":\"");
		buf_put_base64(out, r->salt, 16);
		buf_put_u8(out, '"');
	}
	buf_put_str(out, ",\"proof\":");
	proof_put_json(out, r->proof, r->n_proof);
	buf_put_str(out, ",\"checkpoint\":");
	buf_put_json_str(out, slice_of(r->head->note, r->head->note_len));
}

void
receipt_put_payload(struct buf *out, struct slice payload)
{
	if (utf8_valid(payload)) {
		buf_put_str(out, ",\"payload\":");
		buf_put_json_str(out, payload);
	} else {
		buf_put_str(out, ",\"payload_b64\":\"");
		buf_put_base64(out, payload.p, payload.n);
		buf_put_u8(out, '"');
	}
}

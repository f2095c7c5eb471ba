#include "tools/sse.h"

#include <string.h>

#include "proto/err.h"
#include "suite.h"

/* What came: name, data and the id then, in order, as text. */
struct seen {
	struct sse e;
	struct buf text;
	int left; /* events before it ends */
};

static bool
take(void *ctx, struct slice name, struct slice data)
{
	struct seen *s = ctx;

	buf_put_slice(&s->text, name);
	buf_put_u8(&s->text, '=');
	buf_put_slice(&s->text, data);
	buf_put_u8(&s->text, '@');
	buf_put_slice(&s->text, buf_slice(&s->e.id));
	buf_put_u8(&s->text, ';');
	return --s->left != 0;
}

static void
begin(struct seen *s)
{
	memset(s, 0, sizeof *s);
	buf_init(&s->text);
	sse_init(&s->e, take, s);
}

static void
end(struct seen *s, const char *want)
{
	ck_assert_msg(slice_eq_str(buf_slice(&s->text), want), "%.*s", (int)s->text.n,
		      (char *)s->text.p);
	buf_fini(&s->text);
	sse_fini(&s->e);
}

static const char stream[] =
	":hello\nretry: 1000\nevent: begin\nid: 1\ndata: {}\n\n"
	"id: 2\r\ndata: a\r\ndata:b\r\n\r\n"
	"data: c\r\rid: 3\n\nevent: nothing\n\ndata\n\nunknown: x\ndata:  d\n\n";
static const char events[] = "begin={}@1;message=a\nb@2;message=c@2;message=@3;message= d@3;";

START_TEST(events_are_the_same_in_pieces_of_any_size)
{
	for (size_t piece = 1; piece <= sizeof stream; piece++) {
		struct seen s;
		size_t n = sizeof stream - 1;

		begin(&s);
		for (size_t at = 0; at < n; at += piece)
			ck_assert_int_eq(sse_feed(&s.e, slice_of(stream + at,
								 n - at < piece ? n - at : piece)),
					 0);
		end(&s, events);
	}
}
END_TEST

START_TEST(an_event_that_is_not_whole_is_none_and_its_id_does_not_count)
{
	struct seen s;

	begin(&s);
	ck_assert_int_eq(sse_feed(&s.e, slice_str("id: 1\ndata: a\n\nid: 2\ndata: b\nda")), 0);
	sse_restart(&s.e);
	ck_assert(slice_eq_str(buf_slice(&s.e.id), "1"));
	ck_assert_int_eq(sse_feed(&s.e, slice_str("data: c\n\n")), 0);
	end(&s, "message=a@1;message=c@1;");
}
END_TEST

START_TEST(nothing_comes_behind_the_event_that_ended_it)
{
	struct seen s;

	begin(&s);
	s.left = 1;
	ck_assert_int_eq(sse_feed(&s.e, slice_str("data: a\n\ndata: b\n\n")), 1);
	end(&s, "message=a@;");
}
END_TEST

START_TEST(an_event_without_end_is_refused)
{
	static char text[1 << 16];
	struct seen s;
	int rc = 0;
	size_t n = 0;

	memset(text, 'x', sizeof text);
	begin(&s);
	for (; rc == 0 && n <= SSE_MAX_BYTES; n += sizeof text)
		rc = sse_feed(&s.e, slice_of(text, sizeof text));
	ck_assert_int_eq(rc, STELE_ELIMIT);
	end(&s, "");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		events_are_the_same_in_pieces_of_any_size,
		an_event_that_is_not_whole_is_none_and_its_id_does_not_count,
		nothing_comes_behind_the_event_that_ended_it,
		an_event_without_end_is_refused,
	};

	return suite_run("sse", tests, sizeof tests / sizeof *tests, 30);
}

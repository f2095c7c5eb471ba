/*
 * What simdjson does for us, behind a C interface: its first stage only. The
 * second builds a tree that nobody reads and refuses numbers that JSON allows.
 */
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include <simdjson.h>

extern "C" {
#include "proto/err.h"
#include "proto/json.h"
#include "proto/limits.h"
}
#include "proto/json_index.h"

using simdjson::internal::dom_parser_implementation;

/* Room for an NDJSON chunk from the start: most scanners never grow. */
static constexpr size_t JSON_MIN_CAPACITY = 256 << 10;

struct json_scanner {
	std::unique_ptr<dom_parser_implementation> parser;
	/* Capacity and padding on a processor without vectors, where simdjson
	 * reads past the end; NULL on all others. */
	std::unique_ptr<uint8_t[]> copy;
};

/* Makes room for n bytes; what was there stays usable when there is none. */
static bool
reserve(json_scanner &js, size_t n)
{
	const simdjson::implementation *chosen = simdjson::get_active_implementation();
	std::unique_ptr<dom_parser_implementation> parser;
	std::unique_ptr<uint8_t[]> copy;
	bool copies = chosen->name() == "fallback";

	if (chosen->create_dom_parser_implementation(n, LIMIT_JSON_DEPTH, parser) !=
	    simdjson::SUCCESS)
		return false;
	if (copies) {
		copy.reset(new (std::nothrow) uint8_t[n + simdjson::SIMDJSON_PADDING]);
		if (!copy)
			return false;
	}
	js.parser = std::move(parser);
	js.copy = std::move(copy);
	return true;
}

extern "C" struct json_scanner *
json_scanner_new(void)
{
	std::unique_ptr<json_scanner> js(new (std::nothrow) json_scanner);

	if (!js || !reserve(*js, JSON_MIN_CAPACITY))
		return nullptr;
	return js.release();
}

extern "C" void
json_scanner_free(struct json_scanner *js)
{
	delete js;
}

extern "C" int
json_index_make(struct json_index *x, struct json_scanner *js, const uint8_t *p, size_t n)
{
	const uint8_t *from = p;

	if (n == 0)
		return STELE_ESYNTAX;
	if (n > simdjson::SIMDJSON_MAXSIZE_BYTES)
		return STELE_EINVAL;
	if (n > js->parser->capacity() && !reserve(*js, n))
		return STELE_ENOMEM;
	if (js->copy) {
		std::memcpy(js->copy.get(), p, n);
		std::memset(js->copy.get() + n, ' ', simdjson::SIMDJSON_PADDING);
		from = js->copy.get();
	}
	if (js->parser->stage1(from, n, simdjson::stage1_mode::regular) != simdjson::SUCCESS)
		return STELE_ESYNTAX;
	x->p = p;
	x->n = n;
	x->at = js->parser->structural_indexes.get();
	x->end = x->at + js->parser->n_structural_indexes;
	return STELE_OK;
}

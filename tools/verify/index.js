// What a search certificate shows of a segment's index: heads, pages, postings (docs/formats.md section 9), and what they
// say of a filter. Digests are below 2^42, so that they are exact as numbers; bits above the 32nd are reached by arithmetic.

const TILE = 256, BLIND_BYTES = 16, SPARE_BITS = 2, GAP_ORDER = 2, RUN_DIGITS = 6, LOOKUPS_MOST = 2048, RECORDS_MOST = 2 ** 28;
const TERM_TAG = utf8('stele-term-1\n');

function digitsOf(v) {
	return v ? v.toString(2).length : 0;
}

// A set of ordinals below count.
class Ordinals {
	constructor(count) {
		this.count = count;
		this.words = new Uint32Array(Math.ceil(count / 32));
	}

	add(from, before = from + 1) {
		for (let i = from; i < before; i++)
			this.words[i >>> 5] |= 1 << (i & 31);
	}

	has(i) {
		return (this.words[i >>> 5] >>> (i & 31) & 1) === 1;
	}

	join(other) {
		other.words.forEach((w, i) => { this.words[i] |= w; });
	}

	meet(other) {
		other.words.forEach((w, i) => { this.words[i] &= w; });
	}

	isEmpty() {
		return this.words.every((w) => w === 0);
	}

	countBefore(before) {
		let n = 0;
		for (let i = 0; i < before; i++)
			n += this.has(i) ? 1 : 0;
		return n;
	}
}

// Bits, the lowest of each byte first. What is beyond the end is refused.
class BitReader {
	constructor(bytes, bad) {
		this.p = bytes;
		this.at = 0;
		this.bad = bad;
	}

	take(n) {
		let v = 0, unit = 1;
		if (this.at + n > this.p.length * 8)
			this.bad();
		for (; n; n--, unit *= 2, this.at++)
			v += (this.p[this.at >>> 3] >>> (this.at & 7) & 1) * unit;
		return v;
	}

	code(k) {
		let m = 0;
		while (this.take(1) === 0)
			if (++m + k >= 48)
				this.bad();
		if (m + k >= 48)
			this.bad();
		const q = 2 ** m + this.take(m);
		return (q - 1) * 2 ** k + this.take(k);
	}

	// Adds what a posting has to the set, unless it is null.
	posting(count, set) {
		const others = this.take(1), n = this.code(0), k = this.take(5);
		let low = 0;
		if (k > 27 || n > count)
			this.bad();
		for (let i = 0; i < n; i++) {
			const ordinal = low + this.code(k);
			if (ordinal >= count)
				this.bad();
			if (others)
				set?.add(low, ordinal);
			else
				set?.add(ordinal);
			low = ordinal + 1;
		}
		if (others)
			set?.add(low, count);
	}

	// Adds one run of records to the set, or several, unless it is null.
	runs(several, count, set) {
		const n = several ? this.code(0) + 2 : 1;
		if (n > 2 ** RUN_DIGITS)
			this.bad();
		const length = 2 ** (RUN_DIGITS - digitsOf(n - 1)), all = Math.ceil(count / length);
		const k = Math.max(digitsOf(Math.floor(all / (n + 1))) - 1, 0);
		for (let i = 0, low = 0; i < n; i++) {
			const number = several ? low + this.code(k) : this.take(digitsOf(all - 1));
			if (number >= all)
				this.bad();
			set?.add(number * length, Math.min((number + 1) * length, count));
			low = number + 1;
		}
	}

	end() {
		const left = this.p.length * 8 - this.at;
		if (left >= 8 || this.take(left) !== 0)
			this.bad();
	}
}

// Bytes and varints, which are BigInts.
class VarintReader {
	constructor(bytes, bad) {
		this.p = bytes;
		this.at = 0;
		this.bad = bad;
	}

	bytes(n) {
		if (this.at + n > this.p.length)
			this.bad();
		this.at += n;
		return this.p.subarray(this.at - n, this.at);
	}

	varint(most) {
		let v = 0n;
		for (let shift = 0n; ; shift += 7n) {
			const [c] = this.bytes(1);
			if ((shift === 63n && c > 1) || (c === 0 && shift))
				this.bad();
			v |= BigInt(c & 127) << shift;
			if (c < 128)
				break;
		}
		if (v > most)
			this.bad();
		return v;
	}

	number(most) {
		return Number(this.varint(BigInt(most)));
	}

	// A time so much after another.
	later(from, signed) {
		const v = this.varint(2n ** (signed ? 64n : 63n) - 1n), d = !signed ? v : v & 1n ? -(v + 1n) / 2n : v / 2n;
		if (BigInt.asIntN(64, from + d) !== from + d)
			this.bad();
		return from + d;
	}

	posting(count) {
		const set = new Ordinals(count), bits = new BitReader(this.p.subarray(this.at), this.bad);
		bits.posting(count, set);
		this.bytes(Math.ceil(bits.at / 8));
		return set;
	}
}

// A head of so many entries: {salt, mapping, count, bits, tiles, unsure, controls, lowest: of each page}.
function readHead(bytes, count) {
	const bad = () => refuse('the head of an index does not follow the format'), r = new VarintReader(bytes, bad);
	if (r.bytes(1)[0] !== 2)
		bad();
	const h = { salt: r.bytes(32), mapping: r.bytes(32), count: r.number(RECORDS_MOST), tiles: [], lowest: [] };
	const terms = r.number(2 ** 39);
	[h.bits] = r.bytes(1);
	if (h.count !== count || h.bits !== digitsOf(terms) + SPARE_BITS)
		bad();
	for (let i = 0, before = 0n; i < count; i += TILE) {
		const first = r.later(before, true), last = r.later(first, false), earliest = r.later(first, true);
		h.tiles.push({ first, last, earliest, latest: r.later(earliest, false) });
		before = last;
	}
	h.unsure = r.posting(count);
	h.controls = r.posting(count);
	const pages = r.number(2 ** 39);
	for (let i = 0, end = 0, low = 0; i < pages; i++) {
		end += r.number(2 ** 48);
		const box = r.number(2 ** 20), step = r.number(2 ** h.bits);
		end += box;
		low += step;
		if (box < 40 || end >= 2 ** 48 || (step === 0) !== (i === 0) || low >= 2 ** h.bits)
			bad();
		h.lowest.push(low);
	}
	if (r.at !== bytes.length || (pages === 0) !== (terms === 0))
		bad();
	return h;
}

// Walks through a page, all of it. Of the digest `asked` the records are added to set, or the hash of their posting is returned.
function walkPage(head, number, bytes, asked, set) {
	const bad = () => refuse('page ' + number + ' of an index is not the one that it should be');
	if (bytes.length < BLIND_BYTES + 18)
		bad();
	const view = new DataView(bytes.buffer, bytes.byteOffset + BLIND_BYTES), next = head.lowest[number + 1] ?? 2 ** head.bits;
	let low = head.lowest[number], entries = view.getUint16(16, true), found = null;
	if (view.getBigUint64(0, true) !== BigInt(low) || view.getBigUint64(8, true) !== BigInt(next) || entries === 0)
		bad();
	const r = new BitReader(bytes.subarray(BLIND_BYTES + 18), bad);
	for (; entries; entries--, low++) {
		low += r.code(GAP_ORDER);
		if (low >= next)
			bad();
		const hash = walkEntry(r, head.count, low === asked ? set : null);
		found = low === asked ? hash : found;
	}
	r.end();
	return found;
}

// Its records are added to set, unless it is null; or the hash of its posting, which has a box of its own, is returned.
function walkEntry(r, count, set) {
	if (r.take(1) === 0) {
		r.runs(false, count, set);
		return null;
	}
	if (r.take(1) === 0) {
		r.runs(true, count, set);
		return null;
	}
	if (r.take(1) === 0) {
		r.posting(count, set);
		return null;
	}
	r.take(48);
	r.take(32);
	return Uint8Array.from({ length: 32 }, () => r.take(8));
}

// How many lookups an index would take for it; 0: it cannot be asked.
function lookupsOf(f) {
	const sum = (list) => list.reduce((n, p) => n + lookupsOf(p), 0);
	if (f.kind === 'and')
		return sum(f.parts);
	if (f.kind === 'or')
		return f.parts.every(lookupsOf) ? sum(f.parts) : 0;
	if (f.kind !== 'term' || f.field === null)
		return 0;
	if (isTimeField(f.field))
		return f.op === '!=' ? 0 : 1;
	return f.op !== '=' && f.op !== ':' ? 0 : f.field === 'any' ? 2 * ANY_FIELDS.length : 2;
}

// What is shown of one index: pages [{number, bytes}] and postings, whose use is kept track of.
class ShownIndex {
	constructor(head, pages, postings) {
		this.head = head;
		this.pages = new Map(pages.map((p) => [p.number, p]));
		this.postings = postings.map((bytes) => ({ bytes, hash: sha256(bytes), used: false }));
	}

	// The records that may match, or a refusal.
	mayMatch(filter) {
		const lookups = lookupsOf(filter), set = lookups && lookups <= LOOKUPS_MOST ? this.ask(filter) : null;
		if (!set)
			refuse('an index is shown that its filter cannot be asked of');
		if ([...this.pages.values(), ...this.postings].some((p) => !p.used))
			refuse('a page or a posting of an index is shown without need');
		set.join(this.head.unsure);
		return set;
	}

	// A set; null: nothing to go by.
	ask(f) {
		if (f.kind === 'and')
			return this.askAnd(f);
		if (f.kind === 'or')
			return this.askOr(f);
		if (lookupsOf(f) === 0)
			return null;
		return isTimeField(f.field) ? this.askTime(f) : this.askTerm(f);
	}

	askAnd(f) {
		let all = null;
		for (const p of f.parts) {
			if (all?.isEmpty())
				break;
			const set = this.ask(p);
			if (all && set)
				all.meet(set);
			else
				all ??= set;
		}
		return all;
	}

	askOr(f) {
		const all = new Ordinals(this.head.count);
		for (const p of f.parts) {
			const set = this.ask(p);
			if (!set)
				return null;
			all.join(set);
		}
		return all;
	}

	askTime(f) {
		const all = new Ordinals(this.head.count), at = f.moment;
		this.head.tiles.forEach((t, i) => {
			const [from, to] = f.field === 'time' ? [t.earliest, t.latest] : [t.first, t.last];
			const fits = { '<': from < at, '<=': from <= at, '>': to > at, '>=': to >= at, '=': from <= at && at <= to };
			if (fits[f.op])
				all.add(i * TILE, Math.min((i + 1) * TILE, this.head.count));
		});
		return all;
	}

	askTerm(f) {
		const texts = termsOf(f), all = new Ordinals(this.head.count);
		if (!texts.length)
			return null;
		for (const field of f.field === 'any' ? ANY_FIELDS : [f.field])
			for (const text of texts)
				this.find(field, text, all);
		return all;
	}

	find(field, text, all) {
		const h = this.head, name = field === 'trace_id' || field === 'event_id' ? 'id' : field;
		if (!h.lowest.length)
			return;
		const sum = sha256(TERM_TAG, h.salt, utf8(name + '\n'), text);
		const digest = Number(new DataView(sum.buffer).getBigUint64(0) >> BigInt(64 - h.bits));
		let number = 0;
		while (number + 1 < h.lowest.length && h.lowest[number + 1] <= digest)
			number++;
		const page = this.pages.get(number);
		if (!page)
			refuse('page ' + number + ' of an index, on which a term is or would be, is not shown');
		page.used = true;
		const hash = walkPage(h, number, page.bytes, digest, all);
		if (hash)
			this.posting(hash, all);
	}

	posting(hash, all) {
		const bad = () => refuse('a posting of an index is none'), p = this.postings.find((q) => bytesEqual(q.hash, hash));
		if (!p)
			refuse('a posting of an index is not shown');
		p.used = true;
		if (p.bytes.length < BLIND_BYTES)
			bad();
		const r = new BitReader(p.bytes.subarray(BLIND_BYTES), bad);
		r.posting(this.head.count, all);
		r.end();
	}
}

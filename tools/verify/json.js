// JSON (RFC 8259) without duplicate members and lone surrogates, from bytes. Objects come as Map, in
// order. Where `compact` is said, as the format has it, spaces and numbers that are not whole are refused, too;
// else such a number is {real}.

class Json {
	constructor(bytes, compact) {
		this.p = bytes;
		this.at = 0;
		this.compact = compact;
		this.depth = 0;
	}

	// Refuses: what is read is no JSON, or not as the format wants it.
	bad(words) {
		refuse(words + ' (byte ' + (this.at + 1) + ' of the line)');
	}

	space() {
		if (!this.compact)
			while (this.p[this.at] === 32 || (this.p[this.at] >= 9 && this.p[this.at] <= 13 &&
				this.p[this.at] !== 11 && this.p[this.at] !== 12))
				this.at++;
	}

	// The ASCII text must stand here.
	expect(text) {
		for (let i = 0; i < text.length; i++)
			if (this.p[this.at + i] !== text.charCodeAt(i))
				this.bad('expected ' + text);
		this.at += text.length;
	}

	// Whether it stands here; then it is passed.
	take(text) {
		for (let i = 0; i < text.length; i++)
			if (this.p[this.at + i] !== text.charCodeAt(i))
				return false;
		this.at += text.length;
		return true;
	}

	end() {
		this.space();
		if (this.at !== this.p.length)
			this.bad('something stands behind the end of the JSON');
	}

	hex4() {
		let v = 0;
		for (let i = 0; i < 4; i++) {
			const c = this.p[this.at++], d = c >= 48 && c <= 57 ? c - 48 :
				c >= 97 && c <= 102 ? c - 87 : c >= 65 && c <= 70 ? c - 55 : -1;
			if (d < 0)
				this.bad('a \\u without four hexadecimal digits');
			v = v << 4 | d;
		}
		return v;
	}

	// A character from behind the backslash on, as UTF-8 into out from n on; returns the new n.
	escape(out, n) {
		const c = this.p[this.at++];
		const at = '"\\/bfnrt'.indexOf(String.fromCharCode(c));
		if (at >= 0) {
			out[n] = '"\\/\b\f\n\r\t'.charCodeAt(at);
			return n + 1;
		}
		if (c !== 117)
			this.bad('an escape that JSON does not have');
		let v = this.hex4();
		if (v >= 0xdc00 && v < 0xe000)
			this.bad('a lone surrogate');
		if (v >= 0xd800 && v < 0xdc00) {
			if (!this.take('\\u'))
				this.bad('a lone surrogate');
			const low = this.hex4();
			if (low < 0xdc00 || low >= 0xe000)
				this.bad('a lone surrogate');
			v = 0x10000 + (v - 0xd800 << 10 | low - 0xdc00);
		}
		if (v < 0x80) {
			out[n++] = v;
		} else if (v < 0x800) {
			out[n++] = 0xc0 | v >> 6;
			out[n++] = 0x80 | v & 63;
		} else if (v < 0x10000) {
			out[n++] = 0xe0 | v >> 12;
			out[n++] = 0x80 | v >> 6 & 63;
			out[n++] = 0x80 | v & 63;
		} else {
			out[n++] = 0xf0 | v >> 18;
			out[n++] = 0x80 | v >> 12 & 63;
			out[n++] = 0x80 | v >> 6 & 63;
			out[n++] = 0x80 | v & 63;
		}
		return n;
	}

	// A string's bytes as UTF-8. They point into the text when nothing in it is escaped.
	stringBytes() {
		const p = this.p;
		this.expect('"');
		const start = this.at;
		let i = start, high = 0;
		for (; p[i] >= 32 && p[i] !== 34 && p[i] !== 92; i++)
			high |= p[i];
		if (p[i] === 34) {
			this.at = i + 1;
			return this.checked(p.subarray(start, i), high);
		}
		// no character is longer as it is meant than as it is written
		const out = new Uint8Array(this.stringEnd(i) - start);
		out.set(p.subarray(start, i));
		let n = i - start;
		while (p[i] !== 34) {
			if (p[i] === 92) {
				this.at = i + 1;
				n = this.escape(out, n);
				i = this.at;
			} else {
				high |= p[i];
				out[n++] = p[i++];
			}
		}
		this.at = i + 1;
		return this.checked(out.subarray(0, n), high);
	}

	// Where the string ends that goes on at i.
	stringEnd(i) {
		const p = this.p;
		for (; p[i] !== 34; i += p[i] === 92 ? 2 : 1) {
			if (i >= p.length || p[i] < 32) {
				this.at = Math.min(i, p.length);
				this.bad('a string that does not end, or has a control character');
			}
		}
		return i;
	}

	checked(bytes, high) {
		if (high >= 0x80 && utf8Text(bytes) === null)
			this.bad('a string that is not UTF-8');
		return bytes;
	}

	string() {
		return utf8Decoder.decode(this.stringBytes());
	}

	number() {
		const start = this.at;
		while (this.at < this.p.length && '+-.0123456789Ee'.includes(String.fromCharCode(this.p[this.at])))
			this.at++;
		const text = asciiText(this.p.subarray(start, this.at));
		if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(text))
			this.bad('expected a value');
		if (/^-?[0-9]+$/.test(text))
			return Number(text);
		return this.compact ? this.bad('expected a whole number') : { real: text };
	}

	// A whole number from 0, below 2^53, without sign, point or exponent.
	integer() {
		const start = this.at;
		while (this.p[this.at] >= 48 && this.p[this.at] <= 57 && this.at - start < 17)
			this.at++;
		const n = integer(asciiText(this.p.subarray(start, this.at)));
		if (Number.isNaN(n))
			this.bad('expected a whole number below 2^53');
		return n;
	}

	value() {
		this.space();
		if (++this.depth > 64)
			this.bad('too deep');
		const v = this.p[this.at] === 34 ? this.string() : this.p[this.at] === 123 ? this.object() :
			this.p[this.at] === 91 ? this.array() : this.take('true') ? true : this.take('false') ? false :
				this.take('null') ? null : this.number();
		this.depth--;
		this.space();
		return v;
	}

	object() {
		const found = new Map();
		this.expect('{');
		this.space();
		if (this.take('}'))
			return found;
		do {
			this.space();
			const name = this.string();
			this.space();
			this.expect(':');
			if (found.has(name))
				this.bad('the member "' + name + '" is there twice');
			found.set(name, this.value());
		} while (this.take(','));
		this.expect('}');
		return found;
	}

	array() {
		const found = [];
		this.expect('[');
		this.space();
		if (this.take(']'))
			return found;
		do
			found.push(this.value());
		while (this.take(','));
		this.expect(']');
		return found;
	}
}

// One document, all of it.
function jsonDocument(bytes, compact) {
	if (utf8Text(bytes) === null)
		refuse('not UTF-8');
	const json = new Json(bytes, compact), v = json.value();
	json.end();
	return v;
}

// An object with these members in this order; names that end in ? may be missing.
function membersAre(object, names) {
	if (!(object instanceof Map))
		return false;
	const have = [...object.keys()];
	for (const name of names) {
		const plain = name.replace('?', '');
		if (have[0] === plain)
			have.shift();
		else if (plain === name)
			return false;
	}
	return have.length === 0;
}

// Whether both say the same; members have no order.
function jsonEqual(a, b) {
	if (a instanceof Map)
		return b instanceof Map && a.size === b.size &&
			[...a].every(([name, v]) => b.has(name) && jsonEqual(v, b.get(name)));
	if (Array.isArray(a))
		return Array.isArray(b) && a.length === b.length && a.every((v, i) => jsonEqual(v, b[i]));
	return a === b;
}

function isInteger(v) {
	return Number.isSafeInteger(v) && v >= 0;
}

// [[first,last],…], ascending and apart: as they are, or null.
function rangesOf(v) {
	if (!Array.isArray(v))
		return null;
	let before = -1;
	for (const r of v) {
		if (!Array.isArray(r) || r.length !== 2 || !isInteger(r[0]) || !isInteger(r[1]) || r[0] > r[1] ||
			r[0] <= before)
			return null;
		before = r[1];
	}
	return v;
}

// The range that has the index, or undefined.
function rangeWith(ranges, index) {
	let low = 0, high = ranges.length;
	while (low < high) {
		const mid = low + high >> 1;
		if (ranges[mid][1] < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low < ranges.length && ranges[low][0] <= index ? ranges[low] : undefined;
}

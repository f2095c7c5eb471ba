// Inflate (RFC 1951) and CRC-32, as data is read. DecompressionStream would do as much, but cannot be
// asked from the middle of a line, and browsers differ in what they say of bytes behind the end.

const LENGTH_BASE = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99,
	115, 131, 163, 195, 227, 258];
const LENGTH_MORE = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025,
	1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
const DISTANCE_MORE = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12,
	12, 13, 13];
const CODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const WINDOW = 32768;

// A table by the next 15 bits: symbol * 16 + length; 0 where no code begins so. null for lengths that
// are no code: too many, or too few but for a single one.
function codeTable(lengths) {
	const count = new Uint16Array(16), next = new Uint16Array(16), table = new Uint16Array(32768);
	let left = 1, used = 0;
	for (const n of lengths)
		count[n]++;
	used = lengths.length - count[0];
	count[0] = 0;
	for (let n = 1; n < 16; n++) {
		left = 2 * left - count[n];
		if (left < 0)
			return null;
		next[n] = next[n - 1] + count[n - 1] << 1;
	}
	if (left > 0 && (used > 1 || count[1] !== used))
		return null;
	for (let symbol = 0; symbol < lengths.length; symbol++) {
		const n = lengths[symbol];
		if (n === 0)
			continue;
		let code = next[n]++, reversed = 0;
		for (let i = 0; i < n; i++, code >>= 1)
			reversed = reversed << 1 | code & 1;
		for (let i = reversed; i < 32768; i += 1 << n)
			table[i] = symbol << 4 | n;
	}
	return table;
}

const fixedLengths = new Uint8Array(288).fill(8, 0, 144).fill(9, 144, 256).fill(7, 256, 280).fill(8, 280);
let fixedTables = null;

// Unpacks what source.next() gives, piece by piece. next() gives a Uint8Array that is good until it is
// asked again, or null behind the end, which is where the last block ends, and no byte of input later.
class Inflate {
	constructor(source) {
		this.source = source;
		this.piece = new Uint8Array(0);
		this.at = 0;
		this.bits = 0;
		this.held = 0;
		this.out = new Uint8Array(WINDOW + 131072 + 258);
		this.filled = 0; // of out: the window first
		this.start = 0;
		this.block = null; // of the block in hand: what is left of it
		this.last = false;
	}

	byte() {
		while (this.at === this.piece.length) {
			const piece = this.source.next();
			if (!piece)
				refuse('the compressed data ends too early');
			this.piece = piece;
			this.at = 0;
		}
		return this.piece[this.at++];
	}

	take(n) {
		while (this.held < n) {
			this.bits |= this.byte() << this.held;
			this.held += 8;
		}
		const v = this.bits & (1 << n) - 1;
		this.bits >>>= n;
		this.held -= n;
		return v;
	}

	symbol(table) {
		for (;;) {
			const found = table[this.bits & 32767], n = found & 15;
			if (n && n <= this.held) {
				this.bits >>>= n;
				this.held -= n;
				return found >> 4;
			}
			if (this.held >= 15)
				refuse('the compressed data has a code that is none');
			this.bits |= this.byte() << this.held;
			this.held += 8;
		}
	}

	next() {
		if (this.filled > WINDOW) {
			this.out.copyWithin(0, this.filled - WINDOW, this.filled);
			this.filled = WINDOW;
		}
		this.start = this.filled;
		while (this.filled - this.start < 131072 - 258) {
			if (!this.block && !this.begin())
				break;
			if (this.block.stored === undefined)
				this.codes();
			else
				this.stored();
		}
		return this.filled > this.start ? this.out.subarray(this.start, this.filled) : null;
	}

	// The next block's head: false behind the last one.
	begin() {
		if (this.last) {
			if (this.at < this.piece.length || this.held >= 8 || this.source.next())
				refuse('there are bytes behind the end of the compressed data');
			return false;
		}
		this.last = this.take(1) === 1;
		const type = this.take(2);
		if (type === 0) {
			this.take(this.held % 8);
			const n = this.take(8) | this.take(8) << 8, not = this.take(8) | this.take(8) << 8;
			if ((n ^ not) !== 0xffff)
				refuse('a stored block of the compressed data contradicts itself');
			this.block = { stored: n };
		} else if (type === 1) {
			fixedTables ??= { literal: codeTable(fixedLengths), distance: codeTable(new Uint8Array(32).fill(5)) };
			this.block = fixedTables;
		} else if (type === 2) {
			this.block = this.tables();
		} else {
			refuse('the compressed data has a block of an unknown type');
		}
		return true;
	}

	tables() {
		const nLiteral = this.take(5) + 257, nDistance = this.take(5) + 1, nCode = this.take(4) + 4;
		const lengths = new Uint8Array(19);
		for (let i = 0; i < nCode; i++)
			lengths[CODE_ORDER[i]] = this.take(3);
		const code = codeTable(lengths), all = new Uint8Array(nLiteral + nDistance);
		for (let i = 0; code && i < all.length;) {
			const s = this.symbol(code);
			if (s < 16) {
				all[i++] = s;
				continue;
			}
			const n = s === 16 ? 3 + this.take(2) : s === 17 ? 3 + this.take(3) : 11 + this.take(7);
			if ((s === 16 && i === 0) || i + n > all.length)
				refuse('the compressed data has a table that is none');
			all.fill(s === 16 ? all[i - 1] : 0, i, i + n);
			i += n;
		}
		const literal = code && codeTable(all.subarray(0, nLiteral));
		const distance = code && codeTable(all.subarray(nLiteral));
		if (!literal || !distance || all[256] === 0 || nLiteral > 286 || nDistance > 30)
			refuse('the compressed data has a table that is none');
		return { literal, distance };
	}

	stored() {
		const room = 131072 - 258 - (this.filled - this.start);
		let n = Math.min(this.block.stored, room);
		this.block.stored -= n;
		for (; n > 0 && this.held > 0; n--)
			this.out[this.filled++] = this.take(8);
		while (n > 0) {
			if (this.at === this.piece.length) {
				this.out[this.filled++] = this.byte();
				n--;
				continue;
			}
			const some = Math.min(n, this.piece.length - this.at);
			this.out.set(this.piece.subarray(this.at, this.at + some), this.filled);
			this.at += some;
			this.filled += some;
			n -= some;
		}
		if (this.block.stored === 0)
			this.block = null;
	}

	codes() {
		const { literal, distance } = this.block, out = this.out, bound = this.start + 131072 - 258;
		while (this.filled < bound) {
			const s = this.symbol(literal);
			if (s < 256) {
				out[this.filled++] = s;
				continue;
			}
			if (s === 256) {
				this.block = null;
				return;
			}
			if (s > 285)
				refuse('the compressed data has a length that is none');
			const n = LENGTH_BASE[s - 257] + this.take(LENGTH_MORE[s - 257]), d = this.symbol(distance);
			if (d > 29)
				refuse('the compressed data has a distance that is none');
			const back = DISTANCE_BASE[d] + this.take(DISTANCE_MORE[d]);
			if (back > this.filled)
				refuse('the compressed data reaches back before its begin');
			for (let i = 0; i < n; i++, this.filled++)
				out[this.filled] = out[this.filled - back];
		}
	}
}

const CRC_TABLES = Array.from({ length: 8 }, () => new Int32Array(256));
for (let i = 0; i < 256; i++) {
	let c = i;
	for (let k = 0; k < 8; k++)
		c = c & 1 ? c >>> 1 ^ 0xedb88320 : c >>> 1;
	CRC_TABLES[0][i] = c;
}
for (let t = 1; t < 8; t++)
	for (let i = 0; i < 256; i++)
		CRC_TABLES[t][i] = CRC_TABLES[t - 1][i] >>> 8 ^ CRC_TABLES[0][CRC_TABLES[t - 1][i] & 255];

// Goes on with the CRC of what came before: 0 at first.
function crc32(crc, p) {
	const [t0, t1, t2, t3, t4, t5, t6, t7] = CRC_TABLES;
	let c = ~crc, i = 0;
	for (; i + 8 <= p.length; i += 8) {
		c ^= p[i] | p[i + 1] << 8 | p[i + 2] << 16 | p[i + 3] << 24;
		c = t7[c & 255] ^ t6[c >>> 8 & 255] ^ t5[c >>> 16 & 255] ^ t4[c >>> 24] ^
			t3[p[i + 4]] ^ t2[p[i + 5]] ^ t1[p[i + 6]] ^ t0[p[i + 7]];
	}
	for (; i < p.length; i++)
		c = c >>> 8 ^ t0[(c ^ p[i]) & 255];
	return ~c >>> 0;
}

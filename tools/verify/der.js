// DER (X.690), as far as timestamps and certificates need it: one spelling of each length and number, all else refused.

class Der {
	constructor(bytes, words = 'a value does not follow DER') {
		this.p = bytes;
		this.at = 0;
		this.words = words;
	}

	bad() {
		refuse(this.words);
	}

	ended() {
		return this.at === this.p.length;
	}

	end() {
		if (!this.ended())
			this.bad();
	}

	is(tag) {
		return this.p[this.at] === tag;
	}

	// The value of that tag: what is in it, and all of it.
	next(tag) {
		const start = this.at;
		if (this.p.length - start < 2 || !this.is(tag))
			this.bad();
		let n = this.p[start + 1], from = start + 2;
		if (n >= 128) {
			const digits = n - 128;
			n = 0;
			if (digits < 1 || digits > 4 || from + digits > this.p.length || this.p[from] === 0)
				this.bad();
			for (let i = 0; i < digits; i++)
				n = n * 256 + this.p[from + i];
			from += digits;
			if (n < 128)
				this.bad();
		}
		if (n > this.p.length - from)
			this.bad();
		this.at = from + n;
		return { content: this.p.subarray(from, this.at), whole: this.p.subarray(start, this.at) };
	}

	into(tag) {
		return new Der(this.next(tag).content, this.words);
	}

	sequence() {
		return this.into(0x30);
	}

	octets() {
		return this.next(4).content;
	}

	// The bytes of a bit string that ends with a whole byte.
	bits() {
		const { content } = this.next(3);
		return content[0] === 0 ? content.subarray(1) : this.bad();
	}

	integer(tag = 2) {
		const { content: c } = this.next(tag);
		if (!c.length || (c.length > 1 && (c[0] === 0 ? c[1] < 128 : c[0] === 255 && c[1] >= 128)))
			this.bad();
		return BigInt.asIntN(8 * c.length, BigInt('0x' + hex(c)));
	}

	oid() {
		const { content } = this.next(6), numbers = [];
		let n = 0;
		for (const b of content) {
			n = n * 128 + (b & 127);
			if (n > Number.MAX_SAFE_INTEGER || (n === 0 && b === 128))
				this.bad();
			if (b < 128) {
				numbers.push(n);
				n = 0;
			}
		}
		if (!numbers.length || content[content.length - 1] >= 128)
			this.bad();
		const first = Math.min(2, Math.floor(numbers[0] / 40));
		return [first, numbers[0] - 40 * first, ...numbers.slice(1)].join('.');
	}

	// An AlgorithmIdentifier, whose parameters mean nothing here.
	algorithm() {
		return this.sequence().oid();
	}

	// UTCTime or GeneralizedTime, of seconds, in nanoseconds since 1970.
	time() {
		const text = asciiText(this.next(this.is(23) ? 23 : 24).content);
		const m = /^(?:(\d{4})|(\d\d))(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
		if (!m)
			this.bad();
		const year = m[1] ?? (Number(m[2]) < 50 ? '20' : '19') + m[2];
		return this.moment(`${year}-${m[3]}-${m[4]}T${m[5]}:${m[6]}:${m[7]}`);
	}

	moment(text) {
		const ms = Date.parse(text + 'Z');
		if (Number.isNaN(ms) || new Date(ms).toISOString() !== text + '.000Z')
			this.bad();
		return BigInt(ms) * 1000000n;
	}
}

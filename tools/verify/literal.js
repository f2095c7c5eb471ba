// What a filter's literal can be read as (docs/queries.md): numbers, times, addresses.

const TERM_BYTES = 255;
const FIGURE = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?$/;
const MOMENT = new RegExp('^(\\d{4})-(\\d\\d)-(\\d\\d)(?:[Tt ](\\d\\d):(\\d\\d)(?::(\\d\\d)(?:[.,](\\d+))?)?' +
	'(?: ?(?:Z|z|UTC|GMT|([+-])(\\d\\d)(?::?(\\d\\d))?))?)?$');

// A JSON number as 0.DIGITS times ten to the power of point, zero without digits; or null.
function readFigure(text) {
	const m = FIGURE.exec(text);
	if (!m)
		return null;
	const [, sign, whole, fraction = '', minus, power = '0'] = m;
	const digits = (whole + fraction).replace(/^0+/, ''), before = whole.length + fraction.length - digits.length;
	const exponent = Math.min(Number(power), 1e15) * (minus === '-' ? -1 : 1);
	const short = digits.replace(/0+$/, '');
	return short ? { negative: sign === '-', digits: short, point: whole.length - before + exponent } :
		{ negative: false, digits: '', point: 0 };
}

// The one spelling of equal numbers.
function figureText(d) {
	const n = d.digits.length, sign = d.negative ? '-' : '';
	if (!n)
		return '0';
	return sign + d.digits + (d.point >= n && d.point <= 40 ? '0'.repeat(d.point - n) : 'e' + (d.point - n));
}

// Seconds, milli-, micro- or nanoseconds since 1970, by their size, as nanoseconds; or null.
function figureMoment(d) {
	const places = d.point <= 11 ? 9 : d.point <= 14 ? 6 : d.point <= 17 ? 3 : 0, whole = d.point + places;
	if (d.negative || (d.digits && whole > 19))
		return null;
	const ns = d.digits && whole > 0 ? BigInt(d.digits.padEnd(whole, '0').slice(0, whole)) : 0n;
	return ns <= LAST_NS ? ns : null;
}

// A date, or date and time, as nanoseconds since 1970; or null.
function readMoment(text) {
	const m = MOMENT.exec(text);
	if (!m)
		return null;
	const [year, month, day, hour, minute, second] = m.slice(1, 7).map((v) => Number(v ?? 0));
	const date = new Date(Date.UTC(year, month - 1, day)), hours = Number(m[9] ?? 0), minutes = Number(m[10] ?? 0);
	if (date.getUTCFullYear() !== year || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || hour > 23 || minute > 59 ||
		second > 60 || hours > 23 || minutes > 59)
		return null;
	const offset = (hours * 3600 + minutes * 60) * (m[8] === '-' ? -1 : 1);
	const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offset;
	const ns = BigInt(seconds) * 1000000000n + BigInt((m[7] ?? '').slice(0, 9).padEnd(9, '0'));
	return seconds >= 0 && ns <= LAST_NS ? ns : null;
}

function readIPv4(text) {
	const parts = text.split('.');
	return parts.length === 4 && parts.every((p) => /^(0|[1-9][0-9]{0,2})$/.test(p) && Number(p) < 256) ? parts.map(Number) : null;
}

// The words of one side of ::, or null.
function wordsOf(text, last) {
	const found = [];
	const parts = text === '' ? [] : text.split(':');
	for (const [i, p] of parts.entries()) {
		const four = last && i === parts.length - 1 ? readIPv4(p) : null;
		if (four)
			found.push(four[0] << 8 | four[1], four[2] << 8 | four[3]);
		else if (/^[0-9a-fA-F]{1,4}$/.test(p))
			found.push(parseInt(p, 16));
		else
			return null;
	}
	return found;
}

// An address as its bytes, 4 or 16, or null.
function readAddress(text) {
	if (!text.includes(':'))
		return readIPv4(text);
	const sides = text.split('::'), left = wordsOf(sides[0], sides.length === 1), right = sides.length === 2 ? wordsOf(sides[1], true) : [];
	if (sides.length > 2 || !left || !right)
		return null;
	const gap = 8 - left.length - right.length;
	if (sides.length === 2 ? gap < 1 : gap !== 0)
		return null;
	return [...left, ...new Array(gap).fill(0), ...right].flatMap((w) => [w >> 8, w & 255]);
}

// An address or a network: {bytes, bits}, IPv4 inside IPv6 being IPv4; or null.
function readNetwork(text) {
	const at = text.indexOf('/'), bytes = readAddress(at < 0 ? text : text.slice(0, at));
	const bits = bytes && (at < 0 ? bytes.length * 8 : integer(text.slice(at + 1)));
	if (!bytes || !(bits <= bytes.length * 8))
		return null;
	if (bytes.length === 16 && bits >= 96 && bytes.slice(0, 12).every((b, i) => b === (i < 10 ? 0 : 255)))
		return { bytes: bytes.slice(12), bits: bits - 96 };
	return { bytes, bits };
}

// RFC 5952, and IPv4 in dotted decimal.
function addressText(bytes) {
	if (bytes.length === 4)
		return bytes.join('.');
	const words = Array.from({ length: 8 }, (_, i) => bytes[2 * i] << 8 | bytes[2 * i + 1]);
	let best = [0, 0];
	for (let i = 0; i < 8; i++) {
		let n = 0;
		while (i + n < 8 && words[i + n] === 0)
			n++;
		best = n > best[1] ? [i, n] : best;
	}
	const [from, n] = best, hexText = (list) => list.map((w) => w.toString(16)).join(':');
	if (from === 0 && n === 6)
		return '::' + bytes.slice(12).join('.');
	return n < 2 ? hexText(words) : hexText(words.slice(0, from)) + '::' + hexText(words.slice(from + n));
}

// The terms that an index is asked for, as bytes: none when it cannot be.
function termsOf(t) {
	if (t.prefix || t.moment !== null || t.word === 'null' || t.text === '' || (t.network && t.network.bits < t.network.bytes.length * 8))
		return [];
	const other = t.figure ? figureText(t.figure) : t.network ? addressText(t.network.bytes) : t.text;
	return (other === t.text ? [t.text] : [t.text, other]).map((text) => utf8(text).subarray(0, TERM_BYTES));
}

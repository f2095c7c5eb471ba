// Bytes and texts: every decoder here takes one spelling of each value and refuses all others.

// What is wrong with the evidence, in words; `where` says at which path, line and index.
class Refused extends Error {
	constructor(words, where) {
		super(words);
		this.where = where || {};
	}
}

function refuse(words, where) {
	throw new Refused(words, where);
}

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8(text) {
	return utf8Encoder.encode(text);
}

// The text, or null when the bytes are not UTF-8.
function utf8Text(bytes) {
	try {
		return utf8Decoder.decode(bytes);
	} catch {
		return null;
	}
}

function asciiText(bytes) {
	let text = '';
	for (let i = 0; i < bytes.length; i += 8192)
		text += String.fromCharCode.apply(null, bytes.subarray(i, i + 8192));
	return text;
}

function bytesEqual(a, b) {
	if (a.length !== b.length)
		return false;
	for (let i = 0; i < a.length; i++)
		if (a[i] !== b[i])
			return false;
	return true;
}

// Negative, 0 or positive, as the texts' UTF-8 bytes compare.
function compareBytes(a, b) {
	const x = utf8(a), y = utf8(b), n = Math.min(x.length, y.length);
	for (let i = 0; i < n; i++)
		if (x[i] !== y[i])
			return x[i] - y[i];
	return x.length - y.length;
}

function concat(...parts) {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

function hex(bytes) {
	let text = '';
	for (let i = 0; i < bytes.length; i++)
		text += HEX[bytes[i]];
	return text;
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const BASE64_VALUE = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++)
	BASE64_VALUE[BASE64.charCodeAt(i)] = i;

// RFC 4648 section 4, padded, spare bits zero: the bytes, or null for another spelling.
function base64Bytes(src) {
	const n = src.length;
	if (n % 4 !== 0)
		return null;
	const pad = n === 0 ? 0 : src[n - 2] === 61 ? 2 : src[n - 1] === 61 ? 1 : 0;
	const out = new Uint8Array(n / 4 * 3 - pad);
	let o = 0;
	for (let i = 0; i < n; i += 4) {
		const last = i + 4 === n ? pad : 0;
		const a = BASE64_VALUE[src[i]], b = BASE64_VALUE[src[i + 1]];
		const c = last > 1 ? 0 : BASE64_VALUE[src[i + 2]], d = last > 0 ? 0 : BASE64_VALUE[src[i + 3]];
		if ((a | b | c | d) < 0 || (last > 1 && src[i + 3] !== 61))
			return null;
		const v = a << 18 | b << 12 | c << 6 | d;
		if ((last === 2 && (v & 0xffff)) || (last === 1 && (v & 0xff)))
			return null;
		out[o++] = v >> 16;
		if (last < 2)
			out[o++] = v >> 8;
		if (last < 1)
			out[o++] = v;
	}
	return out;
}

function unbase64(text) {
	return typeof text === 'string' ? base64Bytes(utf8(text)) : null;
}

function base64(bytes) {
	let text = '';
	for (let i = 0; i < bytes.length; i += 3) {
		const left = bytes.length - i;
		const v = bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
		text += BASE64[v >> 18] + BASE64[v >> 12 & 63] + (left > 1 ? BASE64[v >> 6 & 63] : '=') +
			(left > 2 ? BASE64[v & 63] : '=');
	}
	return text;
}

// A decimal integer below 2^53 without sign or leading zero; NaN for anything else.
function integer(text) {
	const n = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : NaN;
	return n <= Number.MAX_SAFE_INTEGER ? n : NaN;
}

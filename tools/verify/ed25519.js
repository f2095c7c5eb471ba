// Ed25519 (RFC 8032 section 5.1.7): by WebCrypto where it has that, else by the arithmetic below.
// Only public values are here, so nothing needs to take constant time.

const ED_P = 2n ** 255n - 19n;
const ED_L = 2n ** 252n + 27742317777372353535851937790883648493n;

function edMod(a) {
	const r = a % ED_P;
	return r < 0n ? r + ED_P : r;
}

function edPower(base, exponent) {
	let r = 1n;
	for (let b = edMod(base); exponent > 0n; exponent >>= 1n, b = b * b % ED_P)
		if (exponent & 1n)
			r = r * b % ED_P;
	return r;
}

const ED_D = edMod(-121665n * edPower(121666n, ED_P - 2n));
const ED_I = edPower(2n, (ED_P - 1n) / 4n); // a root of -1

function littleEndian(bytes) {
	let v = 0n;
	for (let i = bytes.length - 1; i >= 0; i--)
		v = v << 8n | BigInt(bytes[i]);
	return v;
}

// A point in extended coordinates, or null when the 32 bytes are none (section 5.1.3).
function edPoint(bytes) {
	const v = littleEndian(bytes), sign = v >> 255n, y = v & 2n ** 255n - 1n;
	if (y >= ED_P)
		return null;
	const u = edMod(y * y - 1n), w = edMod(ED_D * y * y + 1n);
	let x = edMod(u * w ** 3n * edPower(u * w ** 7n, (ED_P - 5n) / 8n));
	if (edMod(w * x * x - u) !== 0n)
		x = x * ED_I % ED_P;
	if (edMod(w * x * x - u) !== 0n || (x === 0n && sign))
		return null;
	if ((x & 1n) !== sign)
		x = ED_P - x;
	return [x, y, 1n, x * y % ED_P];
}

function edAdd(p, q) {
	const a = edMod((p[1] - p[0]) * (q[1] - q[0])), b = (p[1] + p[0]) * (q[1] + q[0]) % ED_P;
	const c = 2n * p[3] * q[3] * ED_D % ED_P, d = 2n * p[2] * q[2] % ED_P;
	const e = edMod(b - a), f = edMod(d - c), g = d + c, h = a + b;
	return [e * f % ED_P, g * h % ED_P, f * g % ED_P, e * h % ED_P];
}

function edTimes(p, n) {
	let r = [0n, 1n, 1n, 0n];
	for (let q = p; n > 0n; n >>= 1n, q = edAdd(q, q))
		if (n & 1n)
			r = edAdd(r, q);
	return r;
}

const ED_BASE = edPoint(Uint8Array.from([0x58, ...Array(31).fill(0x66)]));

const MASK64 = 2n ** 64n - 1n;

// The first 64 bits of the fraction of a number's root: n = 2 square, 3 cube (FIPS 180-4).
function rootFraction(value, n) {
	const target = BigInt(value) << BigInt(64 * n);
	let low = 0n, high = 1n << 72n;
	while (high - low > 1n) {
		const mid = low + high >> 1n;
		if (mid ** BigInt(n) <= target)
			low = mid;
		else
			high = mid;
	}
	return low & MASK64;
}

function firstPrimes(n) {
	const found = [];
	for (let c = 2; found.length < n; c++)
		if (found.every((p) => c % p))
			found.push(c);
	return found;
}

const SHA512_K = firstPrimes(80).map((p) => rootFraction(p, 3));
const SHA512_START = firstPrimes(8).map((p) => rootFraction(p, 2));

function turn64(x, n) {
	return x >> n | x << 64n - n & MASK64;
}

function sha512Block(h, block) {
	const w = [];
	for (let i = 0; i < 16; i++)
		w.push(block.getBigUint64(8 * i));
	for (let i = 16; i < 80; i++) {
		const x = w[i - 15], y = w[i - 2];
		w.push(w[i - 16] + w[i - 7] + (turn64(x, 1n) ^ turn64(x, 8n) ^ x >> 7n) +
			(turn64(y, 19n) ^ turn64(y, 61n) ^ y >> 6n) & MASK64);
	}
	let [a, b, c, d, e, f, g, l] = h;
	for (let i = 0; i < 80; i++) {
		const t = l + (turn64(e, 14n) ^ turn64(e, 18n) ^ turn64(e, 41n)) + (e & f ^ (e ^ MASK64) & g) +
			SHA512_K[i] + w[i];
		const u = (turn64(a, 28n) ^ turn64(a, 34n) ^ turn64(a, 39n)) + (a & b ^ a & c ^ b & c);
		[a, b, c, d, e, f, g, l] = [t + u & MASK64, a, b, c, d + t & MASK64, e, f, g];
	}
	return [a, b, c, d, e, f, g, l].map((v, i) => v + h[i] & MASK64);
}

function sha512(bytes) {
	const padded = new Uint8Array(Math.ceil((bytes.length + 17) / 128) * 128);
	padded.set(bytes);
	padded[bytes.length] = 0x80;
	const view = new DataView(padded.buffer);
	view.setBigUint64(padded.length - 8, BigInt(bytes.length) * 8n);
	let h = SHA512_START;
	for (let at = 0; at < padded.length; at += 128)
		h = sha512Block(h, new DataView(padded.buffer, at, 128));
	const out = new DataView(new ArrayBuffer(64));
	h.forEach((v, i) => out.setBigUint64(8 * i, v));
	return new Uint8Array(out.buffer);
}

function edVerifyHere(key, signature, text) {
	const a = edPoint(key), r = edPoint(signature.subarray(0, 32)), s = littleEndian(signature.subarray(32));
	if (!a || !r || s >= ED_L)
		return false;
	const k = littleEndian(sha512(concat(signature.subarray(0, 32), key, text))) % ED_L;
	const p = edTimes(ED_BASE, s), q = edAdd(r, edTimes(a, k));
	return edMod(p[0] * q[2] - q[0] * p[2]) === 0n && edMod(p[1] * q[2] - q[1] * p[2]) === 0n;
}

// Of RFC 8032 section 7.1, test 1: whether WebCrypto is there and does what it should.
async function webCryptoKnowsEd25519() {
	const key = Uint8Array.from([
		0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a,
		0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a]);
	const signature = Uint8Array.from([
		0xe5, 0x56, 0x43, 0x00, 0xc3, 0x60, 0xac, 0x72, 0x90, 0x86, 0xe2, 0xcc, 0x80, 0x6e, 0x82, 0x8a,
		0x84, 0x87, 0x7f, 0x1e, 0xb8, 0xe5, 0xd9, 0x74, 0xd8, 0x73, 0xe0, 0x65, 0x22, 0x49, 0x01, 0x55,
		0x5f, 0xb8, 0x82, 0x15, 0x90, 0xa3, 0x3b, 0xac, 0xc6, 0x1e, 0x39, 0x70, 0x1c, 0xf9, 0xb4, 0x6b,
		0xd2, 0x5b, 0xf5, 0xf0, 0x59, 0x5b, 0xbe, 0x24, 0x65, 0x51, 0x41, 0x43, 0x8e, 0x7a, 0x10, 0x0b]);
	try {
		return await edVerifyWeb(key, signature, new Uint8Array(0)) &&
			!await edVerifyWeb(key, signature, new Uint8Array(1));
	} catch {
		return false;
	}
}

async function edVerifyWeb(key, signature, text) {
	const imported = await crypto.subtle.importKey('raw', key, { name: 'Ed25519' }, false, ['verify']);
	return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, text);
}

let edByWeb = null;

async function edVerify(key, signature, text) {
	edByWeb ??= await webCryptoKnowsEd25519();
	return edByWeb ? edVerifyWeb(key, signature, text) : edVerifyHere(key, signature, text);
}

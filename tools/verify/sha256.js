// SHA-256 (FIPS 180-4), synchronous: WebCrypto answers later and costs far more for each of many
// short texts, and cannot hash what does not fit in memory.

const SHA256_K = new Int32Array([
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
const SHA256_START = new Int32Array([
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);
const sha256Words = new Int32Array(64);

// One block of 64 bytes of p, from at on, into the state h.
function sha256Block(h, p, at) {
	const w = sha256Words, k = SHA256_K;
	for (let i = 0; i < 16; i++, at += 4)
		w[i] = p[at] << 24 | p[at + 1] << 16 | p[at + 2] << 8 | p[at + 3];
	for (let i = 16; i < 64; i++) {
		const x = w[i - 15], y = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] +
			((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
			((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10) | 0;
	}
	let a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], l = h[7];
	for (let i = 0; i < 64; i++) {
		const t = l + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) +
			(g ^ e & (f ^ g)) + k[i] + w[i] | 0;
		const u = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) +
			(a & b | c & (a | b)) | 0;
		l = g;
		g = f;
		f = e;
		e = d + t | 0;
		d = c;
		c = b;
		b = a;
		a = t + u | 0;
	}
	h[0] = h[0] + a | 0;
	h[1] = h[1] + b | 0;
	h[2] = h[2] + c | 0;
	h[3] = h[3] + d | 0;
	h[4] = h[4] + e | 0;
	h[5] = h[5] + f | 0;
	h[6] = h[6] + g | 0;
	h[7] = h[7] + l | 0;
}

class Sha256 {
	constructor() {
		this.state = new Int32Array(8);
		this.block = new Uint8Array(64);
		this.reset();
	}

	reset() {
		this.state.set(SHA256_START);
		this.total = 0;
		return this;
	}

	update(p) {
		let at = 0, held = this.total % 64;
		this.total += p.length;
		if (held) {
			const n = Math.min(64 - held, p.length);
			if (n < 64)
				for (let i = 0; i < n; i++)
					this.block[held + i] = p[i];
			at = n;
			if (held + n < 64)
				return this;
			sha256Block(this.state, this.block, 0);
		}
		for (; at + 64 <= p.length; at += 64)
			sha256Block(this.state, p, at);
		for (let i = 0; at < p.length; i++, at++)
			this.block[i] = p[at];
		return this;
	}

	// The digest, into 32 bytes of out from at on when there are any.
	digest(out = new Uint8Array(32), at = 0) {
		const b = this.block, n = this.total;
		let held = n % 64;
		b[held++] = 0x80;
		if (held > 56) {
			b.fill(0, held);
			sha256Block(this.state, b, 0);
			held = 0;
		}
		b.fill(0, held, 56);
		const high = Math.floor(n / 0x20000000), low = n * 8 >>> 0;
		for (let i = 0; i < 4; i++) {
			b[56 + i] = high >>> 24 - 8 * i;
			b[60 + i] = low >>> 24 - 8 * i;
		}
		sha256Block(this.state, b, 0);
		for (let i = 0; i < 8; i++) {
			const v = this.state[i];
			out[at++] = v >>> 24;
			out[at++] = v >>> 16;
			out[at++] = v >>> 8;
			out[at++] = v;
		}
		return out;
	}
}

const sha256Shared = new Sha256();

function sha256(...parts) {
	sha256Shared.reset();
	for (const p of parts)
		sha256Shared.update(p);
	return sha256Shared.digest();
}

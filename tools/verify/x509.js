// Certificates (RFC 5280) of timestamp authorities, and signatures by their keys. The arithmetic is WebCrypto's: what it lacks is
// Unsupported, which is no verdict.

class Unsupported extends Error {}

const HASHES = { '2.16.840.1.101.3.4.2.1': 'SHA-256', '2.16.840.1.101.3.4.2.2': 'SHA-384', '2.16.840.1.101.3.4.2.3': 'SHA-512' };
const RSA = '1.2.840.113549.1.1.1', EC = '1.2.840.10045.2.1';
// The kind of key of a signature's algorithm, and the digest that it names, if it does.
const SIGNATURES = {
	[RSA]: [RSA, null], '1.2.840.113549.1.1.11': [RSA, 'SHA-256'], '1.2.840.113549.1.1.12': [RSA, 'SHA-384'], '1.2.840.113549.1.1.13': [RSA, 'SHA-512'],
	[EC]: [EC, null], '1.2.840.10045.4.3.2': [EC, 'SHA-256'], '1.2.840.10045.4.3.3': [EC, 'SHA-384'], '1.2.840.10045.4.3.4': [EC, 'SHA-512'],
};
const CURVES = { '1.2.840.10045.3.1.7': ['P-256', 32], '1.3.132.0.34': ['P-384', 48], '1.3.132.0.35': ['P-521', 66] };
const KEY_USAGE = '2.5.29.15', BASIC = '2.5.29.19', EXTENDED_USAGE = '2.5.29.37', STAMPING = '1.3.6.1.5.5.7.3.8';
const JUDGED = [KEY_USAGE, BASIC, EXTENDED_USAGE];
const COMMON_NAME = '2.5.4.3', CHAIN_MOST = 8;

function webCrypto() {
	const subtle = globalThis.crypto?.subtle;
	if (!subtle)
		throw new Unsupported('this browser has no WebCrypto for a page opened like this');
	return subtle;
}

async function hashed(name, bytes) {
	return name === 'SHA-256' ? sha256(bytes) : new Uint8Array(await webCrypto().digest(name, bytes));
}

// {whole, body, issuer, subject, serial, begin, end, key, extensions: oid -> {critical, bytes}, how, signature}
function readCertificate(whole) {
	const all = new Der(whole, 'a certificate does not follow the format'), c = all.sequence(), { whole: body, content } = c.next(0x30);
	const found = { whole, body, how: c.algorithm(), signature: c.bits(), extensions: new Map() }, t = new Der(content, all.words);
	c.end();
	all.end();
	if (t.is(0xa0))
		t.next(0xa0);
	found.serial = t.integer();
	t.next(0x30);
	found.issuer = t.next(0x30).whole;
	const times = t.sequence();
	found.begin = times.time();
	found.end = times.time();
	found.subject = t.next(0x30).whole;
	found.key = readPublicKey(t.next(0x30).whole);
	for (const tag of [0x81, 0x82])
		if (t.is(tag))
			t.next(tag);
	if (t.is(0xa3)) {
		const list = t.into(0xa3).sequence();
		while (!list.ended()) {
			const e = list.sequence(), oid = e.oid(), critical = e.is(1) && e.next(1).content[0] !== 0;
			if (found.extensions.has(oid))
				list.bad();
			found.extensions.set(oid, { critical, bytes: e.octets() });
		}
	}
	t.end();
	return found;
}

// {whole, kind, bits, curve, bytes: of a coordinate}; kind is null when it is of none that is taken.
function readPublicKey(whole) {
	const all = new Der(whole, 'a public key does not follow the format').sequence(), how = all.sequence(), oid = how.oid();
	if (oid === EC) {
		const curve = how.is(6) ? CURVES[how.oid()] : undefined;
		return { whole, kind: curve ? EC : null, curve: curve?.[0], bytes: curve?.[1] };
	}
	if (oid !== RSA)
		return { whole, kind: null };
	const size = new Der(all.bits(), all.words).sequence().integer().toString(2).length;
	return { whole, kind: size >= 2048 && size <= 8192 ? RSA : null };
}

// A DER signature of ECDSA as WebCrypto has it: r and s, each as long as a coordinate; null when it is none.
function plainSignature(signature, bytes) {
	const all = new Der(signature, 'a signature does not follow the format'), s = all.sequence(), numbers = [s.integer(), s.integer()];
	s.end();
	all.end();
	if (numbers.some((n) => n <= 0n || n >= 2n ** BigInt(8 * bytes)))
		return null;
	const text = numbers.map((n) => n.toString(16).padStart(2 * bytes, '0')).join('');
	return Uint8Array.from(text.match(/../g), (b) => parseInt(b, 16));
}

// Whether the key signed it: `digest` by its name, `how` the signature's algorithm. Refuses kinds that are not taken.
async function keySigned(key, how, digest, signature, data) {
	const [kind, named] = SIGNATURES[how] ?? [];
	if (!key.kind || key.kind !== kind || (named && named !== digest) || !digest)
		refuse('its signature is of a kind, or by a key too short, that is not taken: RSA of 2048 to 8192 bits, or P-256, P-384, P-521');
	const isRsa = kind === RSA, plain = isRsa ? signature : plainSignature(signature, key.bytes);
	const algorithm = isRsa ? { name: 'RSASSA-PKCS1-v1_5', hash: digest } : { name: 'ECDSA', namedCurve: key.curve, hash: digest };
	if (!plain)
		return false;
	let imported;
	try {
		imported = await webCrypto().importKey('spki', key.whole, algorithm, false, ['verify']);
	} catch (e) {
		if (e.name === 'NotSupportedError')
			throw new Unsupported('this browser does not know keys like its authority\'s');
		if (e instanceof Unsupported)
			throw e;
		refuse('the key of its certificate is none');
	}
	return webCrypto().verify(algorithm, imported, plain, data);
}

function keyMay(c, ...places) {
	const use = c.extensions.get(KEY_USAGE);
	const { content } = use ? new Der(use.bytes, 'a key usage does not follow the format').next(3) : {};
	return !use || places.some((i) => (content[1] ?? 0) & 0x80 >> i);
}

// Whether it is for timestamps alone (RFC 3161 section 2.3).
function mayStamp(c) {
	const use = c.extensions.get(EXTENDED_USAGE);
	if (!use?.critical || !keyMay(c, 0, 1))
		return false;
	const list = new Der(use.bytes, 'an extended key usage does not follow the format').sequence();
	return list.oid() === STAMPING && list.ended();
}

// Whether it may certify others; below: how many certificates of others stand between it and the end.
function mayCertify(c, below) {
	const basic = c.extensions.get(BASIC);
	if (!basic || !keyMay(c, 5))
		return false;
	const said = new Der(basic.bytes, 'basic constraints do not follow the format').sequence();
	if (!said.is(1) || said.next(1).content[0] === 0)
		return false;
	return !said.is(2) || said.integer() >= BigInt(below);
}

function validAt(c, ns) {
	return c.begin <= ns && ns <= c.end;
}

// The common name, as something that can be shown anywhere.
function commonName(c) {
	const sets = new Der(c.subject).sequence();
	while (!sets.ended()) {
		const one = sets.into(0x31).sequence();
		if (one.oid() !== COMMON_NAME)
			continue;
		const text = utf8Text(one.next(one.p[one.at]).content) ?? '';
		return text.replace(/[^\u0020-\u007e\u00a0-\u1fff\u3000-\ud7ff]/gu, '?').slice(0, 128) || 'an authority without a name';
	}
	return 'an authority without a name';
}

// Certificates in PEM; refuses a text that has none.
function readRoots(text) {
	const found = [...text.matchAll(/-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g)];
	if (!found.length)
		refuse('there is no certificate in it (PEM)');
	return found.map((m) => readCertificate(unbase64(m[1].replace(/\s/g, '')) ?? refuse('a certificate that is no base64')));
}

// A chain (RFC 5280 section 6) from c to one of the roots, as of that time; names and policies are not looked at: who constrains
// them critically makes it Unsupported. Gives why there is none, or null.
async function chainFails(c, others, roots, ns, below = 0) {
	if (roots.some((r) => bytesEqual(r.whole, c.whole)))
		return null;
	let why = 'its certificate leads to none of the roots';
	for (const r of below < CHAIN_MOST ? [...roots, ...others] : []) {
		if (!bytesEqual(r.subject, c.issuer) || bytesEqual(r.whole, c.whole))
			continue;
		const [, digest] = SIGNATURES[c.how] ?? [];
		if (!digest || r.key.kind !== SIGNATURES[c.how][0] || !await keySigned(r.key, c.how, digest, c.signature, c.body))
			continue;
		if (!validAt(r, ns) || !mayCertify(r, below)) {
			why = 'its certificate leads to one that was not valid at that time, or may certify none';
			continue;
		}
		if ([...r.extensions].some(([oid, e]) => e.critical && !JUDGED.includes(oid)))
			throw new Unsupported('a certificate of its chain has constraints that this page cannot judge');
		const more = await chainFails(r, others, roots, ns, below + 1);
		if (more === null)
			return null;
		why = more;
	}
	return why;
}

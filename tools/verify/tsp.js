// A timestamp (RFC 3161, RFC 5652, RFC 5816): what docs/formats.md section 10, check 13, asks of each.

const STAMP_BYTES = 65536, ACCURACY_SECONDS = 86400n;
const SIGNED_DATA = '1.2.840.113549.1.7.2', STAMP_INFO = '1.2.840.113549.1.9.16.1.4', SHA_256 = '2.16.840.1.101.3.4.2.1';
const ATTRIBUTE_TYPE = '1.2.840.113549.1.9.3', ATTRIBUTE_DIGEST = '1.2.840.113549.1.9.4';
const ATTRIBUTE_NAMED = '1.2.840.113549.1.9.16.2.12', ATTRIBUTE_NAMED_2 = '1.2.840.113549.1.9.16.2.47';

// A TimeStampResp: {info, attributes: as they are signed, said: oid -> Der, certificates, …}
function readStamp(bytes) {
	const all = new Der(bytes, 'it is no TimeStampResp of RFC 3161, or something follows it'), r = all.sequence();
	all.end();
	const status = r.sequence().integer();
	if (status !== 0n && status !== 1n)
		refuse('the authority did not grant it');
	const outer = r.sequence();
	r.end();
	if (outer.oid() !== SIGNED_DATA)
		refuse('there is no token in it');
	const wrapped = outer.into(0xa0), signed = wrapped.sequence();
	wrapped.end();
	outer.end();
	signed.integer();
	signed.next(0x31);
	const inside = signed.sequence();
	if (inside.oid() !== STAMP_INFO)
		refuse('there is no token in it');
	const box = inside.into(0xa0), stamp = { info: box.octets(), certificates: [] };
	box.end();
	inside.end();
	if (signed.is(0xa0))
		for (const list = signed.into(0xa0); !list.ended();)
			stamp.certificates.push(readCertificate(list.next(0x30).whole));
	if (signed.is(0xa1))
		signed.next(0xa1);
	const signers = signed.into(0x31);
	signed.end();
	if (!signers.is(0x30))
		refuse('its token has another number of signatures than one');
	readSigner(signers.sequence(), stamp);
	if (!signers.ended())
		refuse('its token has another number of signatures than one');
	return Object.assign(stamp, readStampInfo(stamp.info));
}

function readSigner(s, stamp) {
	s.integer();
	const who = s.sequence();
	stamp.issuer = who.next(0x30).whole;
	stamp.serial = who.integer();
	stamp.digest = HASHES[s.algorithm()];
	const { content, whole } = s.next(0xa0), attributes = new Der(content, 'its signed attributes do not follow the format');
	stamp.attributes = concat(Uint8Array.of(0x31), whole.subarray(1));
	stamp.how = s.algorithm();
	stamp.signature = s.octets();
	if (s.is(0xa1))
		s.next(0xa1);
	s.end();
	stamp.said = new Map();
	while (!attributes.ended()) {
		const a = attributes.sequence(), oid = a.oid();
		if (stamp.said.has(oid))
			a.bad();
		stamp.said.set(oid, a.into(0x31));
		a.end();
	}
}

function readStampInfo(bytes) {
	const all = new Der(bytes, 'its TSTInfo does not follow the format'), t = all.sequence();
	all.end();
	if (t.integer() !== 1n)
		refuse('its token is of another version than 1');
	t.oid();
	const imprint = t.sequence(), found = { imprintBy: imprint.algorithm(), imprint: imprint.octets(), accuracy: 0n }, serial = t.integer();
	if (serial < 0n || serial >= 2n ** 256n)
		refuse('its serial number is none: at most 32 bytes');
	const m = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,9}))?Z$/.exec(asciiText(t.next(24).content));
	if (!m)
		refuse('its genTime is no instant');
	found.time = t.moment(`${m[1]}-${m[2]}-${m[3]}T${m[4]}:${m[5]}:${m[6]}`) + BigInt((m[7] ?? '').padEnd(9, '0'));
	if (found.time < 0n || found.time > LAST_NS)
		refuse('its genTime is no instant');
	if (t.is(0x30))
		found.accuracy = readAccuracy(t.sequence());
	for (const tag of [1, 2, 0xa0, 0xa1])
		if (t.is(tag))
			t.next(tag);
	t.end();
	return found;
}

function readAccuracy(a) {
	let sum = 0n;
	for (const [tag, most, unit] of [[2, ACCURACY_SECONDS, 1000000000n], [0x80, 999n, 1000000n], [0x81, 999n, 1000n]]) {
		const n = a.is(tag) ? a.integer(tag) : 0n;
		if (n < 0n || n > most)
			refuse('its accuracy is none: at most a day');
		sum += n * unit;
	}
	a.end();
	return sum;
}

// The attribute that names the signer's certificate, in either form, or both: its hash first, then those of others in the token.
async function namesHold(stamp, signer) {
	const bad = () => refuse('its signature names another certificate, or none');
	if (!stamp.said.has(ATTRIBUTE_NAMED) && !stamp.said.has(ATTRIBUTE_NAMED_2))
		bad();
	for (const oid of [ATTRIBUTE_NAMED, ATTRIBUTE_NAMED_2].filter((o) => stamp.said.has(o))) {
		const value = stamp.said.get(oid), list = value.sequence().sequence();
		value.end();
		if (list.ended())
			bad();
		for (let first = true; !list.ended(); first = false) {
			const one = list.sequence(), isNew = oid === ATTRIBUTE_NAMED_2;
			const digest = !isNew ? 'SHA-1' : one.is(0x30) ? HASHES[one.algorithm()] : 'SHA-256', sum = one.octets();
			let named = null;
			for (const c of digest ? first ? [signer] : stamp.certificates : [])
				named ??= bytesEqual(await hashed(digest, c.whole), sum) ? c : null;
			if (!named || !(one.ended() || isIssuerSerial(one.sequence(), named)))
				bad();
		}
	}
}

function isIssuerSerial(who, c) {
	const names = who.sequence();
	return names.is(0xa4) && bytesEqual(names.into(0xa4).next(0x30).whole, c.issuer) && names.ended() && who.integer() === c.serial;
}

// Whether it holds for this SHA-256: {time, until, name, unjudged: why its signature or authority could not be looked at, or ''}.
async function stampHolds(bytes, imprint, roots) {
	const stamp = readStamp(bytes);
	if (stamp.imprintBy !== SHA_256 || !bytesEqual(stamp.imprint, imprint))
		refuse('it is a timestamp of something else: the imprint differs');
	const signer = stamp.certificates.find((c) => bytesEqual(c.issuer, stamp.issuer) && c.serial === stamp.serial);
	if (!signer)
		refuse('the certificate of its signer is not in it');
	const type = stamp.said.get(ATTRIBUTE_TYPE), digest = stamp.said.get(ATTRIBUTE_DIGEST);
	if (!type || type.oid() !== STAMP_INFO || !type.ended())
		refuse('its signature is not over what a timestamp signs');
	if (!mayStamp(signer))
		refuse('its certificate is not one for timestamps alone (critical extended key usage)');
	if (!validAt(signer, stamp.time))
		refuse('its certificate was not valid at that time');
	const found = { time: stamp.time, until: stamp.time + stamp.accuracy, name: commonName(signer), unjudged: '' };
	try {
		if (!stamp.digest)
			refuse('its signature is over no SHA-256, SHA-384 or SHA-512');
		if (!digest || !bytesEqual(digest.octets(), await hashed(stamp.digest, stamp.info)) || !digest.ended() ||
			!await keySigned(signer.key, stamp.how, stamp.digest, stamp.signature, stamp.attributes))
			refuse('its signature does not hold');
		await namesHold(stamp, signer);
		const why = roots ? await chainFails(signer, stamp.certificates, roots, stamp.time) : null;
		if (why)
			refuse(why);
	} catch (e) {
		if (!(e instanceof Unsupported))
			throw e;
		found.unjudged = e.message;
	}
	return found;
}

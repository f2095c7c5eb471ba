// Signed notes, keys, checkpoints and what ties identities to each other (docs/formats.md section 2).

const NOTE_BYTES = 128 << 10;
const NOTE_SIGNATURES = 64;

function isKeyName(name) {
	return name !== '' && !/[\s+\p{White_Space}]/u.test(name);
}

// A verifier key {text, name, id, type, key}, or null.
function readVkey(text) {
	const m = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text);
	const raw = m && isKeyName(m[1]) ? unbase64(m[3]) : null;
	if (!raw || raw.length !== 33 || raw[0] !== 1)
		return null;
	const id = hex(sha256(utf8(m[1] + '\n'), raw).subarray(0, 4));
	return id === m[2] ? { text, name: m[1], id, key: raw.subarray(1) } : null;
}

// {text, signatures: [{name, id, bytes}]} of a note's bytes, or null: signatures are not looked at.
function readNote(bytes) {
	const whole = bytes.length <= NOTE_BYTES ? utf8Text(bytes) : null;
	if (whole === null || /[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(whole) || !whole.endsWith('\n'))
		return null;
	const at = whole.lastIndexOf('\n\n');
	if (at < 0)
		return null;
	const lines = whole.slice(at + 2, -1).split('\n'), signatures = [];
	if (lines.length > NOTE_SIGNATURES)
		return null;
	for (const line of lines) {
		const m = /^\u2014 ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line), raw = m && unbase64(m[2]);
		if (!raw || raw.length < 5 || !isKeyName(m[1]))
			return null;
		signatures.push({ name: m[1], id: hex(raw.subarray(0, 4)), bytes: raw.subarray(4) });
	}
	return { text: whole.slice(0, at + 1), signatures };
}

const signaturesSeen = new Map(); // the same statements come with every receipt

async function signatureHolds(key, signature, text) {
	if (signature.bytes.length !== 64)
		return false;
	const bytes = utf8(text), seen = hex(sha256(key.key, signature.bytes, bytes));
	if (!signaturesSeen.has(seen))
		signaturesSeen.set(seen, await edVerify(key.key, signature.bytes, bytes));
	return signaturesSeen.get(seen);
}

// 'signed', 'unsigned' (by this key), or 'forged': it names the key and does not verify.
async function noteSigned(note, key) {
	let found = 'unsigned';
	for (const s of note.signatures) {
		if (s.name !== key.name || s.id !== key.id)
			continue;
		if (!await signatureHolds(key, s, note.text))
			return 'forged';
		found = 'signed';
	}
	return found;
}

// {origin, size, root} of a note's text, or null.
function readCheckpoint(text) {
	const lines = text.split('\n'), size = integer(lines[1] ?? ''), root = unbase64(lines[2] ?? '');
	if (!ORIGIN.test(lines[0]) || !(size >= 1) || !root || root.length !== 32 || lines.length < 4 ||
		lines.slice(3, -1).includes(''))
		return null;
	return { origin: lines[0], size, root };
}

// {vkey, epoch, firstSize}, or null.
function readStatement(text) {
	const lines = text.split('\n'), vkey = readVkey(lines[1] ?? '');
	const epoch = integer(lines[2] ?? ''), firstSize = integer(lines[3] ?? '');
	if (lines.length !== 5 || lines[0] !== 'stele key v1' || !vkey || Number.isNaN(epoch) || !(firstSize >= 1))
		return null;
	return { vkey, epoch, firstSize };
}

// {from, to, number, time}, or null.
function readSuccession(text) {
	const lines = text.split('\n'), from = readVkey(lines[1] ?? ''), to = readVkey(lines[2] ?? '');
	const number = integer(lines[3] ?? '');
	if (lines.length !== 6 || lines[0] !== 'stele identity v1' || !from || !to || from.name !== to.name ||
		from.id === to.id || !(number >= 1) || instant(lines[4]) === null)
		return null;
	return { from, to, number, time: lines[4] };
}

// The identities that count with the trusted one, from the oldest to the newest: {vkey, replaced},
// replaced being when the next one took over. Refuses notes that are not of one row.
async function identitiesOf(trusted, notes) {
	const row = new Map(); // by number
	for (const bytes of notes) {
		const note = readNote(bytes), s = note && readSuccession(note.text);
		if (!s)
			refuse('a succession note that is none');
		if (s.from.name !== trusted.name)
			continue;
		if (await noteSigned(note, s.from) !== 'signed' || await noteSigned(note, s.to) !== 'signed')
			refuse('a succession note is not signed by both of its keys');
		const known = row.get(s.number);
		if (known && (known.from.text !== s.from.text || known.to.text !== s.to.text || known.time !== s.time))
			refuse('two different succession notes have the number ' + s.number);
		row.set(s.number, s);
	}
	const notesInOrder = [...row.values()].sort((a, b) => a.number - b.number);
	checkRow(notesInOrder);
	return rowAround(trusted, notesInOrder);
}

function checkRow(notes) {
	const replaced = new Set(), arrived = new Set();
	notes.forEach((s, i) => {
		const before = notes[i - 1];
		if (replaced.has(s.from.text))
			refuse('two succession notes replace one identity');
		if (arrived.has(s.to.text) || replaced.has(s.to.text))
			refuse('an identity comes back in the succession notes');
		if (before && before.time >= s.time)
			refuse('the times of the succession notes do not ascend');
		if (before && (before.number + 1 === s.number) !== (before.to.text === s.from.text))
			refuse('the succession notes are not of one row');
		if (arrived.has(s.from.text) && (!before || before.to.text !== s.from.text))
			refuse('the succession notes are not of one row');
		replaced.add(s.from.text);
		arrived.add(s.to.text);
	});
}

function rowAround(trusted, notes) {
	const found = [{ vkey: trusted, replaced: null }];
	for (let first = found[0]; ;) {
		const s = notes.find((n) => n.to.text === first.vkey.text);
		if (!s)
			break;
		first = { vkey: s.from, replaced: s.time };
		found.unshift(first);
	}
	for (;;) {
		const last = found[found.length - 1], s = notes.find((n) => n.from.text === last.vkey.text);
		if (!s)
			return found;
		last.replaced = s.time;
		found.push({ vkey: s.to, replaced: null });
	}
}

// Of the key statements (bytes of notes) those of the origin that one of the identities signed:
// {vkey, epoch, firstSize, identity}, by epoch. Refuses two keys of one epoch, and a statement of an
// earlier identity that is of a later epoch than a later identity's.
async function statementsOf(origin, identities, notes) {
	const found = new Map();
	for (const bytes of notes) {
		const note = readNote(bytes), s = note && readStatement(note.text);
		if (!s)
			refuse('a key statement that is none');
		if (s.vkey.name !== origin)
			continue;
		for (let i = 0; i < identities.length; i++) {
			const how = await noteSigned(note, identities[i].vkey);
			if (how === 'forged')
				refuse('a key statement has a signature that does not verify');
			if (how !== 'signed')
				continue;
			const known = found.get(s.epoch);
			if (known && known.vkey.text !== s.vkey.text)
				refuse('there are two different keys for epoch ' + s.epoch + ': somebody misused the identity');
			if (!known || i < known.identity)
				found.set(s.epoch, { ...s, identity: i });
		}
	}
	const list = [...found.values()].sort((a, b) => a.epoch - b.epoch);
	for (let i = 1; i < list.length; i++)
		if (list[i].identity < list[i - 1].identity)
			refuse('a replaced identity states the key of epoch ' + list[i].epoch + ', which came later');
	return list;
}

// Section 5, steps 3 to 5: {origin, size, root, stated, replaced}, or a refusal. `replaced` is when the
// identity that states the key was replaced, or null; `stated` is since which size that key speaks.
async function checkpointHolds(bytes, identities, statements) {
	const note = readNote(bytes), c = note && readCheckpoint(note.text);
	if (!c)
		refuse('not a signed checkpoint');
	const server = c.origin.slice(0, c.origin.indexOf('/'));
	if (server !== identities[0].vkey.name)
		refuse('the checkpoint is of ' + c.origin + ', and the trusted key of ' + identities[0].vkey.name);
	const list = await statementsOf(c.origin, identities, statements);
	const stated = list.filter((s) => s.firstSize <= c.size).pop();
	if (!stated)
		refuse('no key statement that the trusted key vouches for names a key of this log');
	const how = await noteSigned(note, stated.vkey);
	if (how !== 'signed')
		refuse(how === 'forged' ? 'the checkpoint\'s signature does not verify' :
			'the checkpoint is not signed by the key that speaks for the log');
	return { ...c, text: note.text, stated: stated.firstSize, key: stated.vkey, epoch: stated.epoch, list,
		replaced: identities[stated.identity].replaced };
}

// Whether nothing is left out of what was asked for: check `completeness`.

const CERTIFICATE_LOGS = 64, EVIDENCE_BYTES = 12 << 20;

// What a range says of one log, entry by entry; end() when there are no more.
class RangeCheck {
	constructor(request, log, size, findings, path) {
		this.r = request;
		this.size = size;
		this.f = findings;
		this.path = path;
		this.first = request.get('first') ?? 0;
		this.last = request.get('last') ?? Infinity;
		this.from = request.get('received_from');
		this.to = request.get('received_to');
		this.judged = ['filter', 'hold', 'from', 'to'].some((n) => request.has(n)); // not by index and time alone
		this.records = request.has('records') ? request.get('records').get(log) ?? [] : null;
		this.before = this.after = 0;
		this.seen = this.asked = null; // [first, last]
	}

	fail(words, where) {
		this.f.fail('completeness', words, where ?? { path: this.path });
	}

	entry(r, where) {
		const e = r.entry, i = e.index;
		if (this.seen && i !== this.seen[1] + 1)
			this.fail('entries ' + (this.seen[1] + 1) + ' to ' + (i - 1) + ' of the range are missing', where);
		this.seen = this.seen ? [this.seen[0], i] : [i, i];
		if (i < this.first || (this.from && e.time < this.from)) {
			this.before++;
			return;
		}
		if (i > this.last || (this.to && e.time >= this.to)) {
			this.after++;
			return;
		}
		this.asked = this.asked ? [this.asked[0], i] : [i, i];
		if (r.reason === 'not_requested' && !this.judged && (!this.records || rangeWith(this.records, i)))
			this.fail('the record is withheld as not requested, and it was requested', where);
	}

	end() {
		if (!this.seen) {
			if (this.first < this.size)
				this.fail('a range of this log was asked for, and nothing of it is here');
			return;
		}
		if (this.before > 1 || this.after > 1)
			this.fail('it goes further than what was asked for');
		if (this.before === 0 && this.seen[0] !== 0 && !(this.asked && this.r.has('first') && this.asked[0] === this.first))
			this.fail('nothing shows that no entry before ' + this.seen[0] + ' was asked for, too');
		if (this.after === 0 && this.seen[1] !== this.size - 1 && !(this.asked && this.r.has('last') && this.asked[1] === this.last))
			this.fail('nothing shows that no entry after ' + this.seen[1] + ' was asked for, too');
	}
}

// The text of a certificate's statement (section 9), or a refusal.
function readStatementOfSearch(text) {
	const lines = text.split('\n');
	let at = 0;
	const bad = () => refuse('the statement does not follow the grammar (line ' + at + ')');
	const next = (name) => {
		const line = lines[at++] ?? '';
		return line.startsWith(name + ' ') ? line.slice(name.length + 1) : bad();
	};
	const number = (name) => {
		const n = integer(next(name));
		return Number.isNaN(n) ? bad() : n;
	};
	const digest = (name) => {
		const d = unbase64(next(name));
		return d && d.length === 32 ? d : bad();
	};
	if (lines[at++] !== 'stele search v1')
		bad();
	const s = { issuer: lines[at++], time: next('time'), filter: next('filter'), mapping: digest('mapping'), logs: [] };
	if (instant(s.time) === null)
		bad();
	while ((lines[at] ?? '').startsWith('log ')) {
		const l = { origin: next('log'), size: number('size'), root: digest('root') };
		for (const n of ['scanned', 'matched', 'unparsed', 'purged', 'restricted', 'unreadable'])
			l[n] = number(n);
		l.matches = digest('matches');
		const before = s.logs[s.logs.length - 1];
		if (!ORIGIN.test(l.origin) || l.size < 1 || (before && compareBytes(before.origin, l.origin) >= 0))
			bad();
		s.logs.push(l);
	}
	s.evidenceBytes = number('evidence_bytes');
	s.evidence = digest('evidence');
	if (at !== lines.length - 1 || lines[at] !== '' || !s.logs.length || s.logs.length > CERTIFICATE_LOGS)
		bad();
	return s;
}

const PART_LINES = ['segment', 'grown', 'head', 'proof', 'page', 'posting', 'scanned', 'matched'];

// The evidence: {identities, logs: [{origin, keys, checkpoint, grown, parts}]}, notes and hashes as bytes;
// parts are {segment, grown} or {scanned: [first, last]}, with matched: [[first, last], …]. What a part
// shows of an index is not looked at here.
function readEvidence(text) {
	const lines = text.slice(0, -1).split('\n'), found = { identities: [], logs: [] };
	let at = 1, log = null;
	const bad = () => refuse('the evidence does not follow the grammar', { line: at + 1 });
	const bytes = (word) => {
		const b = unbase64(word);
		return b && b.length ? b : bad();
	};
	if (lines[0] !== 'stele search evidence v1')
		refuse('this is no search certificate');
	for (; at < lines.length; at++) {
		const [name, ...words] = lines[at].split(' '), note = () => words.length === 1 ? bytes(words[0]) : bad();
		if (name === 'identity' && !log)
			found.identities.push(note());
		else if (name === 'log' && words.length === 1)
			found.logs.push(log = { origin: words[0], keys: [], checkpoint: null, grown: null, parts: [] });
		else if (!log)
			bad();
		else if (name === 'key' && !log.checkpoint)
			log.keys.push(note());
		else if (name === 'checkpoint' && !log.checkpoint)
			log.checkpoint = note();
		else if (name === 'grown' && log.checkpoint && !log.grown)
			log.grown = words.map(bytes);
		else if (!log.grown || !PART_LINES.includes(name))
			bad();
		else
			readPart(log.parts, name, words, note, bad);
	}
	if (found.logs.some((l) => !l.grown || l.parts.some((p) => !p.matched)))
		bad();
	return found;
}

function readPart(parts, name, words, note, bad) {
	const last = parts[parts.length - 1], open = last && !last.matched ? last : null;
	if (name === 'segment' || name === 'scanned') {
		const ends = words.map(integer);
		if (open || (name === 'scanned' && (ends.length !== 2 || !(ends[0] <= ends[1]))))
			bad();
		parts.push(name === 'segment' ? { segment: note(), grown: null, matched: null } : { scanned: ends, matched: null });
	} else if (!open) {
		bad();
	} else if (name === 'matched') {
		const ranges = words.map((w) => w.split('-').map(integer));
		if (ranges.some((r) => r.length > 2 || r.some(Number.isNaN) || (r.length === 2 && r[0] >= r[1])))
			bad();
		open.matched = ranges.map((r) => [r[0], r[r.length - 1]]);
	} else if (name === 'grown' && open.segment && !open.grown) {
		open.grown = words.map(unbase64);
	} else if (name === 'grown' || !open.segment) {
		bad();
	}
}

// Where a segment's entries lie, by its manifest (section 6), which must be signed and of this tree.
async function segmentEntries(part, checkpoint) {
	const note = readNote(part.segment), field = (name) => new RegExp('^' + name + ' ([^\\n]*)$', 'm').exec(note.text)?.[1] ?? '';
	const lines = note ? note.text.split('\n') : [];
	if (lines[0] !== 'stele segment v1' || lines[1] !== checkpoint.origin)
		refuse('a segment\'s manifest is none, or of another log');
	const first = integer(field('first')), count = integer(field('count')), root = unbase64(field('root')), size = first + count;
	if (!(count >= 1) || Number.isNaN(first) || integer(field('size')) !== size || !root || root.length !== 32)
		refuse('a segment\'s manifest is none');
	const speaks = checkpoint.list.filter((s) => s.firstSize <= size).pop();
	let signed = 'unsigned';
	for (const s of checkpoint.list)
		if (speaks && s.epoch >= speaks.epoch && signed !== 'signed')
			signed = await noteSigned(note, s.vkey);
	if (signed !== 'signed')
		refuse('a segment\'s manifest is not signed by a key that speaks for the log');
	if (size > checkpoint.size || !part.grown || part.grown.some((h) => !h || h.length !== 32) ||
		!consistencyHolds(size, checkpoint.size, root, checkpoint.root, part.grown))
		refuse('a segment is not proven to be of this log');
	return [first, size - 1];
}

// The parts follow each other from entry 0 to the size searched, and have the matches that are stated.
async function partsHold(parts, said, checkpoint) {
	const h = new Sha256();
	let next = 0, n = 0, before = -2;
	for (const p of parts) {
		const [first, last] = p.segment ? await segmentEntries(p, checkpoint) : p.scanned;
		if (first !== next || first >= said.size || (last >= said.size && !p.segment))
			refuse('what was searched has a gap at entry ' + next);
		next = last + 1;
		for (const [a, b] of p.matched) {
			if (a <= before || (a === before + 1 && a > first) || a < first || b > last || b >= said.size)
				refuse('its matches are not where they may be');
			before = b;
			for (let i = a; i <= b; i++, n++)
				h.update(utf8(i + '\n'));
		}
	}
	if (next < said.size)
		refuse('what was searched ends at entry ' + next);
	if (n !== said.matched || !bytesEqual(h.digest(), said.matches))
		refuse('the matches of its evidence are not those of its statement');
	if (said.scanned > said.size || said.matched + said.unparsed + said.purged + said.restricted > said.scanned)
		refuse('its counts contradict each other');
}

// A certificate, section 9 but for what it shows of indexes: {statement, logs: [checkpoint…]}. Refuses it else.
async function certificateHolds(bytes, trusted) {
	const whole = utf8Text(bytes), noteAt = whole === null ? -1 : whole.indexOf('\n\n') + 1;
	if (noteAt < 1)
		refuse('this is no search certificate');
	const evidence = whole.slice(0, noteAt), note = readNote(utf8(whole.slice(noteAt + 1)));
	if (!note || note.signatures.length !== 1)
		refuse('the statement is not a note with one signature');
	const s = readStatementOfSearch(note.text), e = utf8(evidence);
	if (e.length > EVIDENCE_BYTES || e.length !== s.evidenceBytes || !bytesEqual(sha256(e), s.evidence))
		refuse('the evidence is not the one that the statement names');
	const { identities: notes, logs } = readEvidence(evidence), checkpoints = [];
	if (logs.length !== s.logs.length || logs.some((l, i) => l.origin !== s.logs[i].origin))
		refuse('statement and evidence are of different logs');
	const identities = await identitiesOf(trusted, notes);
	for (const [i, l] of logs.entries()) {
		const c = await checkpointHolds(l.checkpoint, identities, l.keys), said = s.logs[i];
		if (c.origin !== said.origin || said.size > c.size || !consistencyHolds(said.size, c.size, said.root, c.root, l.grown))
			refuse('what was searched is not proven to have grown into the checkpoint of ' + l.origin);
		await partsHold(l.parts, said, c);
		checkpoints.push(c);
	}
	const keys = checkpoints.length === 1 ? [checkpoints[0].key] : identities.map((i) => i.vkey);
	let signed = 'unsigned';
	for (const key of keys)
		if (key.name === s.issuer && signed !== 'signed')
			signed = await noteSigned(note, key);
	if (signed !== 'signed')
		refuse('the statement is not signed by the key that it must be signed by');
	return s;
}

class Completeness {
	constructor(bundle, trusted) {
		this.bundle = bundle;
		this.trusted = trusted;
		this.certificate = bundle.file('data/certificate.search');
		this.isRange = bundle.document.kind === 'range';
	}

	// 'whole': claimed and shown; 'partly': claimed by a certificate of which this page checks the statement
	// only; 'none': not claimed.
	claim() {
		return this.certificate ? 'partly' : this.isRange ? 'whole' : 'none';
	}

	checkLogs(findings) {
		const asked = this.bundle.document.request.get('logs'), here = this.bundle.logs.map((l) => l.name);
		const other = asked.find((n) => !here.includes(n)) ?? here.find((n) => !asked.includes(n));
		if (this.isRange && (other !== undefined || asked.length !== here.length))
			findings.fail('completeness', 'the logs that were asked for are not those that are here: ' + other,
				{ path: 'data/bundle.json' });
	}

	// checks: the LogCheck of each log, done.
	async check(findings, checks) {
		this.checkLogs(findings);
		if (!this.certificate) {
			if (this.bundle.document.request.get('certify'))
				findings.fail('completeness', 'a search certificate was asked for, and is not here', { path: 'data/certificate.search' });
			return;
		}
		await findings.judge('completeness', { path: this.certificate.path }, async () => {
			const s = this.statement = await certificateHolds(readSmall(this.certificate, EVIDENCE_BYTES + NOTE_BYTES), this.trusted);
			const filter = this.bundle.document.request.get('filter') ?? '';
			const other = ['hold', 'records', 'from', 'to'].some((n) => this.bundle.document.request.has(n));
			if (!other && s.filter !== filter)
				refuse('it is of another question than the one that was asked');
			if (s.logs.length !== checks.length)
				refuse('it is of other logs than those that are here');
			for (const c of checks) {
				const said = s.logs.find((l) => l.origin === c.origin);
				if (!said || said.size !== c.size || !bytesEqual(said.root, c.root))
					refuse('it is of another tree of ' + c.origin + ' than the bundle');
				if (said.unreadable)
					refuse('it says itself that ' + said.unreadable + ' entries of ' + c.origin + ' could not be read');
				if (said.scanned !== c.size - c.counts.controls)
					refuse('it is of ' + said.scanned + ' records of ' + c.origin + ', which has ' + (c.size - c.counts.controls));
				if (said.matched !== c.nMatches || !bytesEqual(said.matches, c.matchDigest))
					refuse('its matches in ' + c.origin + ' are not the records that are here');
			}
		});
	}
}

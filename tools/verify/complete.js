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

// What the evidence says before and between the parts of its indexes: {identities, logs: [{origin, keys,
// checkpoint, grown}]}, all bytes. What it shows of indexes is not looked at here.
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
		const [name, ...words] = lines[at].split(' ');
		if (name === 'identity' && !log)
			found.identities.push(bytes(words[0]));
		else if (name === 'log' && words.length === 1)
			found.logs.push(log = { origin: words[0], keys: [], checkpoint: null, grown: null });
		else if (!log)
			bad();
		else if (name === 'key' && !log.checkpoint)
			log.keys.push(bytes(words[0]));
		else if (name === 'checkpoint' && !log.checkpoint)
			log.checkpoint = bytes(words[0]);
		else if (name === 'grown' && log.checkpoint && !log.grown)
			log.grown = words.map(bytes);
		else if (!log.grown || !['segment', 'grown', 'head', 'proof', 'page', 'posting', 'scanned', 'matched'].includes(name))
			bad();
	}
	if (found.logs.some((l) => !l.grown || l.grown.some((h) => h.length !== 32)))
		bad();
	return found;
}

// A certificate, steps 1 to 3 of section 9: {statement, logs: [checkpoint…]}. Refuses it else.
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
		if (!this.certificate)
			return;
		await findings.judge('completeness', { path: this.certificate.path }, async () => {
			const s = this.statement = await certificateHolds(readSmall(this.certificate, EVIDENCE_BYTES + NOTE_BYTES), this.trusted);
			const filter = this.bundle.document.request.get('filter') ?? '';
			if (s.filter !== filter)
				refuse('it is of another question than the one that was asked');
			if (s.logs.length !== checks.length)
				refuse('it is of other logs than those that are here');
			for (const c of checks) {
				const said = s.logs.find((l) => l.origin === c.origin);
				if (!said || said.size !== c.size || !bytesEqual(said.root, c.root))
					refuse('it is of another tree of ' + c.origin + ' than the bundle');
				if (said.unreadable)
					refuse('it says itself that ' + said.unreadable + ' entries of ' + c.origin + ' could not be read');
				if (said.matched !== c.nMatches || !bytesEqual(said.matches, c.matchDigest))
					refuse('its matches in ' + c.origin + ' are not the records that are here');
			}
		});
	}
}

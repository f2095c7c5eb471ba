// Search certificates (docs/formats.md section 9); index.js has what they show of indexes.

const CERTIFICATE_LOGS = 64, EVIDENCE_BYTES = 12 << 20, EVIDENCE_NOTES = 64, EVIDENCE_HASHES = 64;

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
	s.asked = readFilter(s.filter);
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

// The evidence, line by line: a name, and words with one blank before each.
class EvidenceReader {
	constructor(text) {
		this.lines = text.slice(0, -1).split('\n');
		this.at = 0;
	}

	bad() {
		refuse('the evidence does not follow the grammar', { line: this.at + 1 });
	}

	isAt(name) {
		return this.at < this.lines.length && this.lines[this.at].split(' ', 1)[0] === name;
	}

	words(name, most = Infinity) {
		if (!this.isAt(name))
			this.bad();
		const words = this.lines[this.at].split(' ').slice(1);
		if (words.includes('') || words.length > most)
			this.bad();
		this.at++;
		return words;
	}

	decoded(word) {
		const b = unbase64(word);
		return b && b.length ? b : this.bad();
	}

	bytes(name) {
		const [word] = this.words(name, 1);
		return this.decoded(word);
	}

	hashes(name) {
		return this.words(name, EVIDENCE_HASHES).map((w) => {
			const h = this.decoded(w);
			return h.length === 32 ? h : this.bad();
		});
	}

	list(name, most, read) {
		const found = [];
		while (this.isAt(name)) {
			if (found.length === most)
				this.bad();
			found.push(read());
		}
		return found;
	}

	notes(name) {
		return this.list(name, EVIDENCE_NOTES, () => this.bytes(name));
	}

	page() {
		const [number, word, ...more] = this.words('page');
		if (Number.isNaN(integer(number)) || more.length)
			this.bad();
		return { number: integer(number), bytes: this.decoded(word), proof: this.hashes('proof'), used: false };
	}

	// A segment whose index is shown, or a run that was scanned: [first, last].
	part() {
		if (this.isAt('scanned')) {
			const [first, last, ...more] = this.words('scanned').map(integer);
			if (!(first <= last) || more.length)
				this.bad();
			return { scanned: [first, last], matched: this.matched() };
		}
		const p = { segment: this.bytes('segment'), grown: this.hashes('grown'), head: this.bytes('head'), proof: this.hashes('proof') };
		p.pages = this.list('page', LOOKUPS_MOST, () => this.page());
		p.postings = this.list('posting', LOOKUPS_MOST, () => this.bytes('posting'));
		p.matched = this.matched();
		if (p.pages.some((page, i) => i && page.number <= p.pages[i - 1].number))
			this.bad();
		return p;
	}

	matched() {
		let before = -2;
		return this.words('matched').map((w) => {
			const ends = w.split('-').map(integer), [a] = ends, b = ends[ends.length - 1];
			if (ends.length > 2 || Number.isNaN(a) || Number.isNaN(b) || (ends.length === 2 && a >= b) || a <= before + 1)
				this.bad();
			before = b;
			return [a, b];
		});
	}

	log() {
		const [origin] = this.words('log', 1), l = { origin, keys: this.notes('key'), checkpoint: this.bytes('checkpoint') };
		l.grown = this.hashes('grown');
		l.parts = [];
		while (this.isAt('segment') || this.isAt('scanned'))
			l.parts.push(this.part());
		return l;
	}
}

// {identities, logs: [{origin, keys, checkpoint, grown, parts}]}, notes and hashes as bytes.
function readEvidence(text) {
	const r = new EvidenceReader(text), logs = [];
	if (r.lines[r.at++] !== 'stele search evidence v1')
		refuse('this is no search certificate');
	const identities = r.notes('identity');
	while (r.at < r.lines.length)
		logs.push(r.log());
	return { identities, logs };
}

const REPLACES = /^(0|[1-9][0-9]*)-[1-9][0-9]*\.[1-9][0-9]*$/;
const STREAMS = ['file', 'blocks', 'columns', 'index', 'tiles', 'dict', 'keys', 'terms'];

// The text of a segment's manifest (section 6): {origin, first, count, size, root, termsRoot}.
function readManifest(text) {
	const lines = text.split('\n'), bad = () => refuse('a segment\'s manifest does not follow the format');
	let at = 0;
	const isAt = (name) => (lines[at] ?? '').startsWith(name + ' ');
	const next = (name) => isAt(name) ? lines[at++].slice(name.length + 1) : bad();
	const number = (name, least = 0, most = Number.MAX_SAFE_INTEGER) => {
		const n = integer(next(name));
		return n >= least && n <= most ? n : bad();
	};
	const digest = (name) => {
		const d = unbase64(next(name));
		return d && d.length === 32 ? d : bad();
	};
	if (lines[at++] !== 'stele segment v1' || !ORIGIN.test(lines[at]))
		bad();
	const m = { origin: lines[at++] };
	number('log');
	m.first = number('first');
	m.count = number('count', 1, RECORDS_MOST);
	m.size = m.first + m.count;
	number('generation', 1, 2 ** 32 - 1);
	while (isAt('replaces'))
		if (!REPLACES.test(next('replaces')))
			bad();
	digest('prev');
	digest('last');
	number('size', m.size, m.size);
	m.root = digest('root');
	number('ctl', 0, m.size - 1);
	const from = next('from'), to = next('to');
	number('payload_bytes');
	if (isAt('purged'))
		number('purged', 1, m.count);
	number('data_key', 1);
	number('file_bytes', 1);
	STREAMS.forEach(digest);
	m.termsRoot = digest('terms_root');
	if (!/^[!-~]+$/.test(next('software')) || at !== lines.length - 1 || lines[at] !== '' || m.first % TILE || instant(from) === null ||
		instant(to) === null || from > to)
		bad();
	return m;
}

// A segment's manifest, which must be signed, of this tree, and the next one.
async function manifestHolds(part, next, checkpoint) {
	const note = readNote(part.segment), m = note ? readManifest(note.text) : refuse('a segment\'s manifest is none');
	if (m.origin !== checkpoint.origin || m.first !== next)
		refuse('a segment\'s manifest is of another log, or not of entry ' + next + ' on');
	const speaks = checkpoint.list.filter((s) => s.firstSize <= m.size).pop(), how = [];
	for (const s of checkpoint.list)
		if (speaks && s.epoch >= speaks.epoch)
			how.push(await noteSigned(note, s.vkey));
	if (!how.includes('signed') || how.includes('forged'))
		refuse('a segment\'s manifest is not signed by a key that speaks for the log');
	if (m.size > checkpoint.size || !consistencyHolds(m.size, checkpoint.size, m.root, checkpoint.root, part.grown))
		refuse('a segment is not proven to be of this log');
	return m;
}

// What the shown index of a segment says: {first, size, may, controls}, sets of ordinals.
async function segmentHolds(part, next, said, asked, checkpoint) {
	const m = await manifestHolds(part, next, checkpoint), head = readHead(part.head, m.count), pages = head.lowest.length;
	const isLeaf = (bytes, number, proof) => inclusionHolds(number, pages + 1, sha256(LEAF, bytes), proof, m.termsRoot);
	if (!isLeaf(part.head, pages, part.proof))
		refuse('the head of an index is not the one that its manifest commits to');
	if (!bytesEqual(head.mapping, said.mapping))
		refuse('an index was made by other schemas than those of the search');
	for (const p of part.pages) {
		if (!isLeaf(p.bytes, p.number, p.proof))
			refuse('page ' + p.number + ' of an index is not one that its manifest commits to');
		walkPage(head, p.number, p.bytes, null, null);
	}
	const may = new ShownIndex(head, part.pages, part.postings).mayMatch(asked);
	return { first: m.first, size: m.size, may, controls: head.controls };
}

// The parts follow each other from entry 0 to the size searched, and have the matches and counts that are stated.
async function partsHold(parts, said, statement, checkpoint) {
	const h = new Sha256();
	let next = 0, n = 0, records = 0, may = 0;
	said.looked = 0;
	for (const p of parts) {
		if (next >= said.size || (p.scanned && (p.scanned[0] !== next || p.scanned[1] >= said.size)))
			refuse('what was searched has a gap at entry ' + next);
		const s = p.segment ? await segmentHolds(p, next, statement, statement.asked, checkpoint) : { first: next, size: p.scanned[1] + 1 };
		const end = Math.min(s.size, said.size), inIt = end - s.first;
		for (const [a, b] of p.matched) {
			if (a < s.first || b >= end)
				refuse('its matches are not where they may be');
			for (let i = a; i <= b; i++, n++) {
				if (s.may && (!s.may.has(i - s.first) || s.controls.has(i - s.first)))
					refuse('record ' + i + ' is said to match, and the index of its segment says that it does not');
				h.update(utf8(i + '\n'));
			}
		}
		said.looked += s.may ? 0 : inIt;
		records += s.may ? inIt - s.controls.countBefore(inIt) : 0;
		may += s.may ? s.may.countBefore(inIt) : 0;
		next = s.size;
	}
	if (next < said.size)
		refuse('what was searched ends at entry ' + next);
	if (n !== said.matched || !bytesEqual(h.digest(), said.matches))
		refuse('the matches of its evidence are not those of its statement');
	const judged = said.matched + said.unparsed + said.purged;
	if (records > said.scanned + said.unreadable || said.scanned > records + said.looked || judged + said.restricted > said.scanned ||
		judged > may + said.looked)
		refuse('its counts contradict each other');
}

// A certificate (section 9): its statement, of each log with `looked`, the entries that no index was shown of. Refuses it else.
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
		await partsHold(l.parts, said, s, c);
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

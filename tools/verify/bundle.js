// A bundle's outside (docs/formats.md section 10): which files there are, the bag, the signature.

const CHECKS = ['archive', 'manifest', 'signature', 'keys', 'entries', 'chain', 'commitments', 'inclusion',
	'consistency', 'controls', 'rules', 'custody', 'timestamps', 'completeness'];
const SMALL_BYTES = 64 << 20; // of a file that is read whole
const LINE_BYTES = 16 << 20;
const STATEMENTS_MOST = 1024, SUCCESSIONS_MOST = 64;
const HEAD_FILES = ['bagit.txt', 'data/bundle.json', 'data/custody.ndjson', 'data/certificate.search?'];
const LOG_FILES = ['checkpoint', 'keys.txt', 'consistency.ndjson?', 'controls.ndjson', 'proofs.ndjson',
	'records.ndjson', 'records.csv'];
const STAMPED = /^data\/timestamps\/([0-9]{15})(\.checkpoint|\.ndjson|-([1-8])\.tsr)$/, STAMPED_MOST = 16;
const TAIL_FILES = ['README.txt', 'certificate.html', 'verify.html', 'bag-info.txt', 'manifest-sha256.txt',
	'tagmanifest-sha256.txt', 'signature'];
const LOG_NAME = /^[a-z0-9_][a-z0-9._-]{0,62}$/;

// The folder of a log: its name, or ~name~ where that would be no folder's name everywhere.
function folderOf(log) {
	const odd = ['bundle.json', 'custody.ndjson', 'certificate.search', 'timestamps'].includes(log) || log.endsWith('.') ||
		/^(con|prn|aux|nul|(com|lpt)[0-9])$/.test(log.split('.')[0]);
	return odd ? '~' + log + '~' : log;
}

// What failed, of each check the first; `stop` when nothing after it can be judged.
class Findings {
	constructor() {
		this.failed = new Map();
	}

	fail(check, words, where) {
		if (!this.failed.has(check))
			this.failed.set(check, { words, ...where });
	}

	// Does it; what it refuses is a failure of the check. Returns whether it refused nothing.
	async judge(check, where, act) {
		try {
			await act();
			return true;
		} catch (e) {
			if (!(e instanceof Refused))
				throw e;
			this.fail(check, e.message, { ...where, ...e.where });
			return false;
		}
	}

	judgeNow(check, where, act) {
		try {
			return act();
		} catch (e) {
			if (!(e instanceof Refused))
				throw e;
			this.fail(check, e.message, { ...where, ...e.where });
			return undefined;
		}
	}

	first() {
		return CHECKS.find((c) => this.failed.has(c));
	}
}

// Lines of a source, each ended by a newline, none of them empty. A line is good until the next one.
class Lines {
	constructor(file) {
		this.path = file.path;
		this.source = file.open();
		this.piece = new Uint8Array(0);
		this.at = 0;
		this.number = 0; // of the line given last
	}

	next() {
		let held = null;
		for (;;) {
			const end = this.piece.indexOf(10, this.at);
			if (end >= 0) {
				const rest = this.piece.subarray(this.at, end), line = held ? concat(held, rest) : rest;
				this.at = end + 1;
				this.number++;
				if (line.length === 0)
					refuse('an empty line', this.where());
				return line;
			}
			const rest = this.piece.subarray(this.at);
			if (rest.length)
				held = held ? concat(held, rest) : rest.slice();
			if (held && held.length > LINE_BYTES)
				refuse('a line that is too long', { path: this.path, line: this.number + 1 });
			this.piece = this.source.next() || new Uint8Array(0);
			this.at = 0;
			if (this.piece.length)
				continue;
			if (held)
				refuse('the last line does not end', { path: this.path, line: this.number + 1 });
			return null;
		}
	}

	where(index) {
		return index === undefined ? { path: this.path, line: this.number } :
			{ path: this.path, line: this.number, index };
	}
}

function readSmall(file, most = SMALL_BYTES) {
	if (file.size > most)
		refuse('this file is larger than it can be', { path: file.path });
	const parts = [], source = file.open();
	for (let p = source.next(); p; p = source.next())
		parts.push(p.slice());
	return concat(...parts);
}

class Bundle {
	// opened: {top, files} of openZip or openFolder; isFolder: their order says nothing.
	constructor(opened, isFolder) {
		this.export = opened.top && opened.top.slice('stele-'.length);
		this.files = opened.files;
		this.isFolder = isFolder;
		this.byPath = new Map(opened.files.map((f) => [f.path, f]));
		this.logs = []; // {name, folder, files: {NAME: file}, payloads: [file]}
		this.stamped = []; // {size, checkpoint, heads, tokens: [file]}
	}

	file(path) {
		return this.byPath.get(path);
	}

	// The files are those of a bundle, none missing, in order; fills logs.
	layOut() {
		const files = this.isFolder ? this.inOrder() : this.files;
		let at = 0;
		const take = (name) => {
			const path = name.replace('?', '');
			if (at < files.length && files[at].path === path)
				return files[at++];
			if (path === name)
				refuse(this.byPath.has(path) ? 'the files are not in their order' : 'the file is missing', { path });
			return null;
		};
		HEAD_FILES.forEach(take);
		at = this.layOutStamped(files, at);
		while (at < files.length && files[at].path.startsWith('data/'))
			at = this.layOutLog(files, at, take, (n) => { at = n; });
		TAIL_FILES.forEach(take);
		if (at < files.length)
			refuse('a file that no bundle has, or not in its place', { path: files[at].path });
		if (!this.logs.length)
			refuse('there is no log in it');
	}

	// The files of timestamps/ from there on; gives the place behind them.
	layOutStamped(files, at) {
		let s = null;
		for (; at < files.length && files[at].path.startsWith('data/timestamps/'); at++) {
			const file = files[at], m = STAMPED.exec(file.path), size = m && Number(m[1]), bad = () =>
				refuse('a file that no bundle has, or not in its place', { path: file.path });
			if (m?.[2] === '.checkpoint' && size > (s?.size ?? 0) && (!s || s.tokens.length) && this.stamped.length < STAMPED_MOST)
				this.stamped.push(s = { size, checkpoint: file, heads: null, tokens: [], last: '0' });
			else if (!m || size !== s?.size)
				bad();
			else if (m[2] === '.ndjson' && !s.heads)
				s.heads = file;
			else if (!m[3] || !s.heads || m[3] <= s.last)
				bad();
			else
				s.tokens.push(file) && (s.last = m[3]);
		}
		if (s && !s.tokens.length)
			refuse('the timestamp is missing', { path: s.checkpoint.path });
		return at;
	}

	layOutLog(files, from, take, moveTo) {
		const m = /^data\/(~?)([^/~]+)\1\//.exec(files[from].path), name = m && m[2];
		const folder = m && m[1] + name + m[1], before = this.logs[this.logs.length - 1];
		if (!name || !LOG_NAME.test(name) || folderOf(name) !== folder)
			refuse('a file that no bundle has, or not in its place', { path: files[from].path });
		if (before && compareBytes(before.name, name) >= 0)
			refuse('the logs are not in ascending order', { path: files[from].path });
		const log = { name, folder, path: 'data/' + folder + '/', files: {}, payloads: [] };
		for (const n of LOG_FILES) {
			const file = take(log.path + n);
			if (file)
				log.files[n.replace('?', '')] = file;
		}
		let at = files.indexOf(log.files['records.csv'], from) + 1, last = -1;
		for (; at < files.length && files[at].path.startsWith(log.path); at++) {
			const f = files[at], number = /^files\/([0-9]{15})\.bin$/.exec(f.path.slice(log.path.length));
			if (!number || Number(number[1]) <= last)
				refuse('a file that no bundle has, or not in its place', { path: f.path });
			last = f.index = Number(number[1]);
			log.payloads.push(f);
		}
		this.logs.push(log);
		moveTo(at);
		return at;
	}

	// A folder's files, as they would lie in the archive.
	inOrder() {
		const rank = (path) => {
			const head = HEAD_FILES.findIndex((n) => n.replace('?', '') === path), tail = TAIL_FILES.indexOf(path);
			const [, folder, rest] = /^data\/([^/]+)\/(.*)$/.exec(path) ?? [null, '', ''];
			const place = LOG_FILES.findIndex((n) => n.replace('?', '') === rest);
			const stamped = STAMPED.exec(path);
			if (stamped)
				return [1, stamped[1], ['.checkpoint', '.ndjson'].indexOf(stamped[2]) + 1 || 3, path, ''];
			return [head >= 0 ? 0 : tail >= 0 ? 3 : 2, head >= 0 ? head : tail, folder.replace(/^~(.*)~$/, '$1'),
				place >= 0 ? place : LOG_FILES.length, rest];
		};
		const ranked = this.files.map((f) => ({ f, rank: rank(f.path) }));
		ranked.sort((a, b) => {
			for (let i = 0; i < a.rank.length; i++)
				if (a.rank[i] !== b.rank[i])
					return a.rank[i] < b.rank[i] ? -1 : 1;
			return 0;
		});
		return ranked.map(({ f }) => f);
	}

	// Reads every file once: its digest, and that it can be read.
	digestAll() {
		const h = new Sha256();
		for (const f of this.files) {
			const source = f.open();
			h.reset();
			for (let p = source.next(); p; p = source.next())
				h.update(p);
			f.sha256 = hex(h.digest());
		}
	}

	checkBag() {
		if (utf8Text(readSmall(this.file('bagit.txt'))) !== 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n')
			refuse('this is no BagIt 1.0 bag', { path: 'bagit.txt' });
		const isData = (f) => f.path.startsWith('data/');
		const apart = ['tagmanifest-sha256.txt', 'signature'];
		this.checkManifest('tagmanifest-sha256.txt', this.files.filter((f) => !isData(f) && !apart.includes(f.path)));
		this.checkManifest('manifest-sha256.txt', this.files.filter(isData));
		this.checkInfo(this.files.filter(isData));
	}

	checkManifest(path, files) {
		const lines = new Lines(this.file(path));
		const sorted = [...files].sort((a, b) => a.path < b.path ? -1 : 1); // ASCII, all of them
		for (const f of sorted) {
			const line = lines.next(), text = line && utf8Text(line);
			const m = text && /^([0-9a-f]{64}) {2}(.+)$/.exec(text);
			if (!m || m[2] !== f.path)
				refuse('the manifest does not list exactly the files that are here, in ascending order: expected ' +
					f.path, line ? lines.where() : { path });
			if (m[1] !== f.sha256)
				refuse('the file is not the one that the manifest describes: its SHA-256 is another', { path: f.path });
		}
		if (lines.next())
			refuse('the manifest lists a file that is not here', lines.where());
	}

	checkInfo(data) {
		const path = 'bag-info.txt', text = utf8Text(readSmall(this.file(path), NOTE_BYTES)), found = new Map();
		if (text === null || !/^([A-Za-z][A-Za-z0-9-]*: [^\n]+\n)+$/.test(text))
			refuse('lines that are not of the form "Label: value"', { path });
		for (const line of text.slice(0, -1).split('\n')) {
			const label = line.slice(0, line.indexOf(': '));
			found.set(label, found.has(label) ? null : line.slice(label.length + 2));
		}
		const oxum = data.reduce((n, f) => n + f.size, 0) + '.' + data.length, id = found.get('External-Identifier');
		if (found.get('Payload-Oxum') !== oxum)
			refuse('Payload-Oxum is not ' + oxum, { path });
		this.export ??= id;
		if (!/^x-[a-z2-7]{10}$/.test(id ?? '') || this.export !== id)
			refuse('External-Identifier is not this export\'s id', { path });
	}

	// keys.txt of all logs: identities (succession notes) and keys (statements) of each, as bytes.
	readKeys() {
		for (const log of this.logs) {
			log.identities = [];
			log.statements = [];
		}
		for (const log of this.logs) {
			const lines = new Lines(log.files['keys.txt']);
			for (let line = lines.next(); line; line = lines.next()) {
				const m = /^(identity|key) (.+)$/.exec(asciiText(line)), bytes = m && unbase64(m[2]);
				if (!bytes || !bytes.length)
					refuse('a line that is neither "identity BYTES" nor "key BYTES"', lines.where());
				(m[1] === 'key' ? log.statements : log.identities).push(bytes);
			}
			if (log.statements.length > STATEMENTS_MOST || log.identities.length > SUCCESSIONS_MOST)
				refuse('more notes than there may be', { path: log.path + 'keys.txt' });
		}
	}

	// The signature, by the trusted key or one tied to it; keeps identities and what was signed.
	async checkSignature(trusted) {
		const path = 'signature', note = readNote(readSmall(this.file(path), NOTE_BYTES));
		const notes = this.logs.flatMap((log) => log.identities);
		this.identities = await identitiesOf(trusted, notes);
		const lines = note ? note.text.split('\n') : [], digest = this.file('tagmanifest-sha256.txt').sha256;
		if (lines.length !== 6 || lines[0] !== 'stele bundle v1' || instant(lines[3]) === null || !unbase64(lines[4]))
			refuse('this is no signature of a bundle', { path });
		if (note.signatures.length !== 1)
			refuse('there must be exactly one signature', { path });
		if (lines[2] !== this.export)
			refuse('it is the signature of another export', { path });
		if (hex(unbase64(lines[4])) !== digest)
			refuse('it is the signature of other contents', { path });
		if (lines[1] !== trusted.name)
			refuse('it names the server ' + lines[1] + ', and the trusted key is of ' + trusted.name, { path });
		let how = 'unsigned';
		for (const { vkey } of this.identities) {
			const here = await noteSigned(note, vkey);
			if (here !== 'unsigned') {
				how = here;
				this.signer = vkey;
			}
		}
		if (how !== 'signed')
			refuse(how === 'forged' ? 'the signature does not verify' :
				'it is not signed by the key that you trust, nor by one tied to it', { path });
		this.signedAt = lines[3];
	}

	// data/bundle.json, and that it is of what is here.
	readDocument() {
		const path = 'data/bundle.json', bytes = readSmall(this.file(path)), where = { path, line: 1 };
		const bad = (words) => refuse(words, where);
		if (bytes[bytes.length - 1] !== 10)
			bad('the line does not end');
		const d = jsonDocument(bytes.subarray(0, -1), true);
		if (!membersAre(d, ['v', 'export', 'server', 'kind', 'request', 'requester', 'reason', 'begun', 'software', 'logs']))
			bad('its members are not those of the format');
		const [v, id, server, kind, request, requester, reason, begun, software, logs] = [...d.values()];
		if (v !== 1)
			bad('version ' + v + ', which this page does not know');
		if (id !== this.export)
			bad('it is of another export');
		if (typeof server !== 'string' || !['range', 'selection'].includes(kind) || typeof requester !== 'string' ||
			typeof reason !== 'string' || typeof begun !== 'string' || instant(begun) === null ||
			!membersAre(software, ['version', 'sha256']) || typeof software.get('version') !== 'string' ||
			!/^[0-9a-f]{64}$/.test(software.get('sha256')) || !Array.isArray(logs))
			bad('a member is not what the format says');
		checkRequest(request, kind, bad);
		const names = ['log', 'size', 'entries', 'payloads', 'purged', 'withheld', 'controls', 'bytes'];
		if (logs.length !== this.logs.length)
			bad('it tells of other logs than those that are here');
		logs.forEach((l, i) => {
			if (!membersAre(l, names) || l.get('log') !== this.logs[i].name ||
				!names.slice(1).every((n) => isInteger(l.get(n))))
				bad('it tells of other logs than those that are here');
			this.logs[i].said = Object.fromEntries(l);
		});
		this.document = { server, kind, request, requester, reason, begun, software: Object.fromEntries(software) };
	}
}

const REQUEST_MEMBERS = ['kind', 'logs', 'first?', 'last?', 'received_from?', 'received_to?', 'from?', 'to?', 'filter?',
	'records?', 'hold?', 'matter?', 'since?', 'certify?', 'reason?'];

function checkRequest(r, kind, bad) {
	if (!membersAre(r, REQUEST_MEMBERS) || r.get('kind') !== kind || !Array.isArray(r.get('logs')) || !r.get('logs').every((n) => typeof n === 'string'))
		bad('the request is none, or of another kind');
	for (const n of ['first', 'last'])
		if (r.has(n) && !isInteger(r.get(n)))
			bad('the request\'s ' + n + ' is no index');
	for (const n of ['received_from', 'received_to'])
		if (r.has(n) && (typeof r.get(n) !== 'string' || instant(r.get(n)) === null))
			bad('the request\'s ' + n + ' is no instant');
	if (r.has('records') && !(r.get('records') instanceof Map && [...r.get('records').values()].every(rangesOf)))
		bad('the request\'s records are none');
	const since = r.get('since');
	if (since !== undefined && !(since instanceof Map && [...since.values()].every((l) => Array.isArray(l) && l.every(isInteger))))
		bad('the request\'s since is none');
}

// The fourteen checks, in their order.

const WORDS = {
	archive: 'The file is a whole, well-formed bundle.',
	manifest: 'Every file is the one that the manifests list.',
	signature: 'The server signed exactly these contents.',
	keys: 'The key that you trust vouches for each log\'s key and checkpoint.',
	entries: 'Every line and entry is well-formed and of its log; counts are right.',
	chain: 'Entries that follow each other are chained; time never runs backwards.',
	commitments: 'Every payload is the one that was recorded, byte for byte.',
	inclusion: 'Every entry lies in the log at its place.',
	consistency: 'The log grew out of the older checkpoints.',
	controls: 'No control entry (policy, hold, release, purge …) is missing.',
	rules: 'What was purged, shortened or changed was allowed.',
	custody: 'The export itself is on record, and asked for what is here.',
	timestamps: 'Authorities elsewhere saw the logs at the time that they say.',
	completeness: 'Nothing that was asked for is left out.',
};

// Counts bytes as they are read, and says how far it is now and then.
function counting(files, report) {
	let done = 0, told = 0;
	const total = files.reduce((n, f) => n + f.size, 0) || 1;
	for (const f of files) {
		const open = f.open;
		f.open = () => {
			const source = open();
			return {
				next: () => {
					const p = source.next();
					done += p ? p.length : 0;
					if (Date.now() - told > 100) {
						told = Date.now();
						report(done / total / 2); // each file is read twice, but for small ones
					}
					return p;
				},
			};
		};
	}
}

async function readOlder(list, bundle, findings) {
	const found = new Map(bundle.logs.map((l) => [l.name, []]));
	for (const { name, bytes } of list)
		await findings.judge('consistency', { path: name }, async () => {
			const note = readNote(bytes), c = note && readCheckpoint(note.text);
			if (!c)
				refuse('the older checkpoint that you gave is none');
			const log = bundle.logs.find((l) => c.origin === bundle.document.server + '/' + l.name);
			if (!log)
				refuse('the older checkpoint that you gave is of ' + c.origin + ', which is not in this bundle');
			const held = await checkpointHolds(bytes, bundle.identities, log.statements);
			found.get(log.name).push({ ...held, path: name });
		});
	return found;
}

async function checkKeys(bundle) {
	for (const log of bundle.logs) {
		const file = log.files.checkpoint;
		try {
			log.note = readSmall(file, NOTE_BYTES);
			log.checkpoint = await checkpointHolds(log.note, bundle.identities, log.statements);
			if (log.checkpoint.origin !== bundle.document.server + '/' + log.name)
				refuse('the checkpoint is of another log, ' + log.checkpoint.origin);
			if (log.statements.some((s) => readStatement(readNote(s).text).vkey.name !== log.checkpoint.origin))
				refuse('a key statement of another log', { path: log.files['keys.txt'].path });
			if (log.checkpoint.size !== log.said.size)
				refuse('the checkpoint is of ' + log.checkpoint.size + ' entries, and bundle.json says ' + log.said.size);
		} catch (e) {
			if (e instanceof Refused)
				e.where = { path: file.path, ...e.where };
			throw e;
		}
	}
}

// What the file is and who signed it: false when that fails.
async function checkOutside(bundle, trusted, findings) {
	const archive = await findings.judge('archive', {}, () => {
		bundle.layOut();
		bundle.digestAll();
	});
	if (!archive || !await findings.judge('manifest', {}, () => bundle.checkBag()))
		return false;
	const keysRead = await findings.judge('keys', {}, () => bundle.readKeys());
	if (!await findings.judge('signature', {}, () => bundle.checkSignature(trusted)) || !keysRead)
		return false;
	return await findings.judge('entries', {}, () => bundle.readDocument()) &&
		findings.judge('keys', {}, () => checkKeys(bundle));
}

function checkLog(log, bundle, older, findings, stamps) {
	const c = new LogCheck(log, log.checkpoint, findings, older), d = bundle.document;
	const range = d.kind === 'range' &&
		new RangeCheck(d.request, log.name, c.size, findings, log.path + 'records.ndjson');
	c.nMatches = 0;
	c.nRecords = 0;
	c.matched = new Sha256();
	c.onRecord = (r, where) => {
		c.nRecords += r.entry.kind === 'record';
		if (r.entry.kind === 'record' && !(range && r.reason === 'not_requested')) {
			c.nMatches++;
			c.matched.update(utf8(r.entry.index + '\n'));
		}
		if (range)
			range.entry(r, where);
		stamps.entry(log.name, r.entry.index);
		c.firstTime ??= r.entry.time;
		c.lastTime = r.entry.time;
	};
	c.check(d.request.get('since')?.get(log.name));
	c.matchDigest = c.matched.digest();
	if (range && !findings.failed.has('entries'))
		range.end();
	return c;
}

function summaryOf(c) {
	const said = (why) => why.startsWith('purged:') ? c.rules.purges.find((p) => p.index === Number(why.slice(7))) : null;
	return {
		name: c.log.name, size: c.size, nRecords: c.nRecords, epoch: c.checkpoint.epoch, counts: c.counts, reasons: c.reasons, runs: c.runs,
		nRuns: c.nRuns, lastRun: c.lastRun ?? null, nGone: c.nGone, firstTime: c.firstTime ?? null, lastTime: c.lastTime ?? null,
		gone: c.gone.map(([first, last, why]) => ({ first, last, why: why.split(':')[0], by: said(why)?.index ?? null,
			time: said(why)?.time ?? null })),
		restoredPurges: c.rules.purges.filter((p) => p.restored && p.seen).length,
		older: c.older.map((o) => ({ path: o.path, size: o.size })),
		growth: [...c.growth.keys()],
	};
}

// The result: {verdict, checks, …}. opened is of openZip or openFolder; key a verifier key's text; older
// [{name, bytes}] of checkpoints; roots a text of PEM, of timestamp authorities, or null; report is called with how much is done, 0 to 1.
async function verifyBundle(opened, isFolder, key, older, roots, report) {
	const trusted = readVkey(key), findings = new Findings(), bundle = new Bundle(opened, isFolder);
	const result = { checks: [], logs: [], isFolder, export: null, completeness: null, trusted: trusted.text };
	counting(bundle.files, report);
	const stamps = new Timestamps(bundle, trusted, roots === null ? null : readRoots(roots));
	let complete = null, custody = null;
	const checks = [];
	if (await checkOutside(bundle, trusted, findings)) {
		const had = await readOlder(older, bundle, findings);
		await stamps.check(findings);
		for (const log of bundle.logs) {
			checks.push(checkLog(log, bundle, had.get(log.name), findings, stamps));
			if (findings.failed.has('entries'))
				break;
			// a rotation that control entries tell of cannot be left out of keys.txt
			const statements = [...log.statements, ...checks[checks.length - 1].rules.statements];
			await findings.judge('keys', { path: log.path + 'checkpoint' }, () => checkpointHolds(log.note, bundle.identities, statements));
		}
		custody = new Custody(bundle, trusted);
		if (!findings.failed.has('entries'))
			await custody.check(findings, () => report(0.99));
		complete = new Completeness(bundle, trusted);
		if (!findings.first())
			await complete.check(findings, checks);
	}
	return finish(result, { bundle, findings, checks, custody, complete, stamps });
}

function finish(result, { bundle, findings, checks, custody, complete, stamps }) {
	const nGrown = checks.reduce((n, c) => n + c.older.filter((o) => o.size < c.size).length, 0);
	const first = findings.first(), claim = complete?.claim() ?? null, stamped = stamps?.said() ?? null;
	for (const name of CHECKS) {
		const before = first === undefined || CHECKS.indexOf(name) < CHECKS.indexOf(first);
		const state = name === first ? 'failed' : !before ? 'not judged' : stateOf(name, result.isFolder, nGrown, claim, stamped);
		result.checks.push({ name, words: WORDS[name], state, failure: name === first ? findings.failed.get(name) : null });
	}
	result.verdict = first === undefined ? 'valid' : first === 'completeness' ? 'incomplete' : 'invalid';
	result.completeness = claim;
	result.timestamps = stamped;
	result.export = bundle.export ?? null;
	if (bundle.document)
		result.document = { ...bundle.document, request: plain(bundle.document.request) };
	result.signedAt = bundle.signedAt ?? null;
	result.signer = bundle.signer?.text ?? null;
	result.earlier = custody?.earlier ?? 0;
	const searched = complete?.statement;
	result.certificate = searched ? { time: searched.time, filter: searched.filter, looked: complete.looked() } : null;
	result.logs = first === undefined || first === 'completeness' ? checks.map(summaryOf) : [];
	return result;
}

// What holds, in the words of the page: 'ok', 'partly' (of it something is not to be seen here), or 'none' (there is
// nothing to look at).
function stateOf(name, isFolder, nGrown, claim, stamped) {
	if (name === 'archive' && isFolder)
		return 'partly';
	if (name === 'consistency' && nGrown === 0)
		return 'none';
	if (name === 'timestamps')
		return !stamped ? 'none' : stamped.judged && !stamped.unjudged ? 'ok' : 'partly';
	if (name === 'completeness')
		return { whole: 'ok', certified: 'ok', scanned: 'partly', none: 'none' }[claim];
	return 'ok';
}

function plain(v) {
	if (v instanceof Map)
		return Object.fromEntries([...v].map(([n, x]) => [n, plain(x)]));
	return Array.isArray(v) ? v.map(plain) : v;
}

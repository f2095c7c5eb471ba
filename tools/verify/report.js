// The result, in words.

const VERDICTS = { valid: 'VALID', invalid: 'NOT VALID', incomplete: 'VALID, BUT A CLAIMED COMPLETENESS FAILS' };
const STATES = { ok: 'holds', failed: 'FAILS', partly: 'in part', none: 'nothing to check', 'not judged': 'not judged' };
const CLASSES = { ok: 'ok', failed: 'failed', partly: 'partly', none: 'skipped', 'not judged': 'skipped' };
const GONE = {
	purged: 'purged', not_requested: 'withheld: it was not asked for', not_permitted: 'withheld: the requester may not read this log',
	restricted: 'withheld: it waits for its erasure', unreadable: 'withheld: damaged on the server\'s disk',
};

const SEARCHED = 'It claims to be complete by a search certificate: its records are exactly the matches of a search that the server signed. The ' +
	'indexes that the certificate shows are those that the log\'s key had signed, and none of them says otherwise.';

function completenessWords(r) {
	return {
		whole: 'It claims to be complete for what was asked, and it is.',
		certified: SEARCHED,
		scanned: SEARCHED + ' ' + number(r.certificate?.looked ?? 0) + ' entries were in no index that is shown: that no other of them matches is the ' +
			'server\'s word.',
		none: 'It claims nothing about records that are not in it: it is a selection.',
	}[r.completeness];
}

function verdictWords(r) {
	const server = r.trusted.slice(0, r.trusted.indexOf('+'));
	if (r.verdict === 'invalid')
		return ['Do not rely on this bundle. It is not what the key of ' + server + ' vouches for, or was altered. The first check that ' +
			'fails is told below.'];
	const said = ['Everything that is in this bundle is what ' + server + ' recorded, unaltered, as far as the key that you gave says.'];
	if (r.verdict === 'incomplete')
		said.push('But it is not complete as it claims to be: see the last check.');
	else
		said.push(completenessWords(r));
	return said;
}

function placeWords(f) {
	return [f.path && 'file ' + f.path, f.line && 'line ' + number(f.line), f.index !== undefined && 'entry ' + f.index,
		f.byte !== undefined && 'byte ' + number(f.byte)].filter(Boolean).join(', ');
}

// What else is to say of a check, or ''.
function moreWords(c, r) {
	if (c.state === 'failed')
		return c.failure.words.charAt(0).toUpperCase() + c.failure.words.slice(1) + '.';
	if (c.name === 'archive' && c.state === 'partly')
		return 'An unpacked folder: the form of the ZIP file could not be judged. All its files are here, and everything else is checked.';
	if (c.name === 'signature' && r.signer && c.state === 'ok')
		return 'Signed ' + timeWords(r.signedAt) + (r.signer === r.trusted ? ' with the key that you gave.' :
			' with ' + r.signer + ', which succession notes tie to the key that you gave.');
	if (c.name === 'consistency' && c.state === 'none' && r.logs.some((l) => l.older.length))
		return 'The checkpoint that you gave is as large as the bundle\'s own, which shows nothing of growth: one out of this bundle says nothing ' +
			'at all; one that was kept elsewhere, that both are of one history.';
	if (c.name === 'consistency' && c.state === 'none')
		return 'You gave no older checkpoint, so a log that was set back or rewritten would not show.' +
			(r.logs.some((l) => l.growth.length) ? ' The proofs that are in the bundle are well-formed.' : '');
	if (c.name === 'custody' && c.state === 'ok' && r.earlier)
		return 'Some of these records were exported before: ' + number(r.earlier) + ' times.';
	if (c.name === 'rules' && c.state === 'ok' && r.logs.some((l) => l.restoredPurges))
		return 'Some payloads were purged again after a restore; what had allowed that went with the lost history and could not be judged.';
	if (c.name === 'timestamps' && c.state !== 'not judged')
		return timestampWords(r);
	if (c.name === 'completeness' && (c.state === 'partly' || c.state === 'none'))
		return completenessWords(r);
	return '';
}

function timestampWords(r) {
	const t = r.timestamps, all = r.logs.reduce((n, l) => n + l.counts.entries, 0);
	if (!t)
		return 'There are no timestamps here, so when the records came to be is the server\'s word.';
	return number(all - t.uncovered) + ' of ' + number(all) + ' entries existed no later than ' + timeWords(t.until) + ' according to ' + t.name +
		(t.uncovered ? '; ' + number(t.uncovered) + ' are younger than what was timestamped' : '') +
		(t.unjudged ? '. But it was not all judged: ' + t.unjudged + '. "stele verify" or openssl ts can' :
			t.judged ? '' : '. Nobody has judged that authority: give its root') + '.';
}

function checkLine(c, r) {
	const words = element('div', '', c.words, ' ', element('span', 'name', '(' + c.name + ')'));
	const line = element('li', CLASSES[c.state], element('span', 'state', STATES[c.state]), words);
	line.dataset.check = c.name;
	line.dataset.state = c.state;
	const more = moreWords(c, r), place = c.failure ? placeWords(c.failure) : '';
	if (more)
		line.append(element('p', 'more', more));
	if (place)
		line.append(element('p', 'more mono', place));
	return line;
}

function table(rows) {
	const body = element('tbody');
	for (const [name, value] of rows) {
		const head = element('th', '', name);
		head.scope = 'row';
		body.append(element('tr', '', head, element('td', '', value)));
	}
	return element('table', '', body);
}

// An instant without the digits that say nothing.
function timeWords(text) {
	return text ? text.slice(0, 10) + ' ' + text.slice(11, 19) + ' UTC' : 'unknown';
}

function rangeWords(first, last) {
	return first === last ? String(first) : first + ' to ' + last;
}

function runsWords(l) {
	if (!l.nRuns)
		return 'none';
	const more = l.nRuns > l.runs.length ? ' … and ' + number(l.nRuns - l.runs.length) + ' further runs, up to ' + l.lastRun[1] : '';
	return l.runs.map(([a, b]) => rangeWords(a, b)).join(', ') + more;
}

function logPart(l) {
	const n = l.counts, withheld = Object.entries(l.reasons).filter(([, k]) => k);
	const part = element('section', '', element('h3', '', 'Log ' + l.name));
	part.append(table([
		['Entries here', number(n.entries) + ' of ' + number(l.size) + ' in the log' + (n.entries === l.size ? ': the whole log' : '')],
		['Their indexes', runsWords(l)],
		['Received', l.firstTime ? timeWords(l.firstTime) + ' to ' + timeWords(l.lastTime) + ', by the server\'s clock' : 'none'],
		['Records', number(l.nRecords) + ' of these entries'],
		['Control entries', number(n.entries - l.nRecords) + ' of these entries; the log has ' + number(n.controls)],
		['With payload', number(n.payloads) + ' (' + number(n.bytes) + ' bytes)'],
		['Purged', number(n.purged)],
		['Withheld', number(n.withheld) + (withheld.length ? ': ' + withheld.map(([why, k]) =>
			number(k) + ' ' + GONE[why].replace('withheld: ', '')).join('; ') : '')],
		...l.older.map((o) => [o.size < l.size ? 'Grew out of' : 'As large as', 'your checkpoint ' + o.path + ', of ' + number(o.size) + ' entries']),
	]));
	if (l.gone.length) {
		const list = element('ul', '', ...l.gone.map((g) => element('li', '', rangeWords(g.first, g.last) + ': ' + GONE[g.why] +
			(g.by === null ? '' : ' by entry ' + g.by + ', ' + timeWords(g.time)))));
		if (l.nGone > l.gone.length)
			list.append(element('li', '', '… and ' + number(l.nGone - l.gone.length) + ' further gaps'));
		part.append(element('p', '', 'Entries without their payload, and why:'), list);
	}
	return part;
}

function aboutPart(r) {
	const d = r.document, rows = [['Export', r.export ?? 'unknown'], ['Trusted key', element('code', '', r.trusted)]];
	if (d && r.verdict !== 'invalid')
		rows.push(['Server', d.server], ['Asked for by', d.requester], ['Reason', d.reason || 'none was given'], ['Begun', timeWords(d.begun)],
			['Kind', d.kind === 'range' ? 'range: all entries of a stretch of each log' : 'selection: what was asked for, and no more'],
			['Request', element('code', '', JSON.stringify(d.request))], ['Made by', 'stele ' + d.software.version + ', SHA-256 ' + d.software.sha256]);
	if (r.certificate)
		rows.push(['Searched', timeWords(r.certificate.time) + ', for ' + (r.certificate.filter || 'every record')]);
	return table(rows);
}

const NOT_CHECKED = [
	'records.csv, certificate.html and README.txt are for reading: they are under the signature, and were not held against the records.',
	'That a record was never left out on its way into the log, or that the server\'s clock was right, no bundle can prove.',
];

function notCheckedWords(r) {
	const said = [...NOT_CHECKED];
	if (r.certificate)
		said.unshift('That an index was right when it was made, and which of the records that it leaves open do match: that is the server\'s word.');
	if (r.isFolder)
		said.unshift('The form of the ZIP file, since you opened a folder.');
	if (r.timestamps)
		said.push('Whether a timestamp authority\'s certificate was revoked: no network is asked.');
	said.push('Cosignatures of witnesses, if there are any.');
	return said;
}

function show(r) {
	const box = at('result'), head = element('h2', '', VERDICTS[r.verdict]);
	head.id = 'verdict';
	head.tabIndex = -1;
	const verdict = element('div', 'verdict ' + r.verdict, head, ...verdictWords(r).map((w) => element('p', '', w)));
	verdict.dataset.completeness = r.completeness ?? '';
	const again = element('button', 'plain', 'Print');
	again.type = 'button';
	again.addEventListener('click', () => print());
	const checks = element('ol', 'checks', ...r.checks.map((c) => checkLine(c, r)));
	box.replaceChildren(verdict, element('p', '', again), element('h2', '', 'The checks'), checks,
		element('h2', '', 'What it is'), aboutPart(r));
	if (r.logs.length)
		box.append(element('h2', '', 'What is in it'), ...r.logs.map(logPart));
	box.append(element('h2', '', 'What was not checked'), element('ul', '', ...notCheckedWords(r).map((w) => element('li', '', w))),
		element('p', 'quiet', 'Checked by this page ' + new Date().toISOString().slice(0, 19).replace('T', ' ') + ' UTC, in ' +
			(r.milliseconds / 1000).toFixed(1) + ' s.'));
	box.hidden = false;
	head.focus();
}

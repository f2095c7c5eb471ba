// One log of a bundle: its controls and records, held against each other and against the checkpoint.

const WITHHELD = ['not_requested', 'not_permitted', 'restricted', 'unreadable'];
const INLINE_BYTES = 65536;
const LISTED = 50; // ranges that the result names; the rest is counted

function readProof(json) {
	const hashes = [];
	json.expect('[');
	if (json.take(']'))
		return hashes;
	do {
		const h = base64Bytes(json.stringBytes());
		if (!h || h.length !== 32 || hashes.length === 128)
			json.bad('expected hashes in base64');
		hashes.push(h);
	} while (json.take(','));
	json.expect(']');
	return hashes;
}

function readSalt(json) {
	const salt = base64Bytes(json.stringBytes());
	if (!salt || salt.length !== 16)
		json.bad('expected a salt of 16 bytes in base64');
	return salt;
}

// A line of controls.ndjson.
function readControl(line) {
	const json = new Json(line, true), c = {};
	json.expect('{"entry":');
	c.entry = readEntry(json.stringBytes());
	json.expect(',"salt":');
	c.salt = readSalt(json);
	json.expect(',"payload":');
	c.payload = json.stringBytes();
	json.expect(',"proof":');
	c.proof = readProof(json);
	json.expect('}');
	json.end();
	if (c.entry.kind === 'record')
		refuse('a record among the control entries');
	return c;
}

// A line of records.ndjson: {entry, how, payload | file, salt, purgedBy, reason}.
function readRecord(line) {
	const json = new Json(line, true), r = { how: 'payload' };
	json.expect('{"entry":');
	r.entry = readEntry(json.stringBytes());
	if (json.take(',"purged":')) {
		r.how = 'purged';
		r.purgedBy = json.integer();
	} else if (json.take(',"withheld":')) {
		r.how = 'withheld';
		r.reason = json.string();
		if (!WITHHELD.includes(r.reason))
			json.bad('withheld for a reason that there is not');
	} else {
		json.expect(',"salt":');
		r.salt = readSalt(json);
		readPayload(json, r);
	}
	json.expect('}');
	json.end();
	if (r.entry.kind !== 'record' && r.how !== 'payload')
		refuse('a control entry without its payload');
	return r;
}

function readPayload(json, r) {
	if (json.take(',"payload":')) {
		r.payload = json.stringBytes();
	} else if (json.take(',"payload_b64":')) {
		r.payload = base64Bytes(json.stringBytes());
		if (!r.payload)
			json.bad('payload_b64 is not base64');
		if (utf8Text(r.payload) !== null)
			json.bad('payload_b64 is a text, and has to stand as payload');
	} else {
		json.expect(',"file":');
		r.file = json.string();
		if (r.file !== String(r.entry.index).padStart(15, '0') + '.bin')
			json.bad('it names the file of another record');
	}
	if (r.file !== undefined ? r.entry.size <= INLINE_BYTES : r.payload.length > INLINE_BYTES)
		json.bad('payloads of more than 65,536 bytes, and no others, are files');
}

// A line of proofs.ndjson: a run, or {tip, proof}.
function readProofLine(line) {
	const json = new Json(line, true), p = {};
	if (json.take('{"tip":')) {
		p.tip = readEntry(json.stringBytes());
		json.expect(',"proof":');
		p.proof = readProof(json);
	} else {
		json.expect('{"first":');
		p.first = json.integer();
		json.expect(',"last":');
		p.last = json.integer();
		json.expect(',"left":');
		p.left = readProof(json);
		json.expect(',"right":');
		p.right = readProof(json);
	}
	json.expect('}');
	json.end();
	return p;
}

class LogCheck {
	// log is of Bundle.logs; checkpoint what checkpointHolds gave; older: checkpoints that the auditor has.
	constructor(log, checkpoint, findings, older) {
		this.log = log;
		this.f = findings;
		this.size = checkpoint.size;
		this.root = checkpoint.root;
		this.origin = checkpoint.origin;
		this.checkpoint = checkpoint;
		this.older = older;
		this.rules = new Rules(this.origin);
		this.controls = []; // entries
		this.nextControl = 0; // of controls: the first that was not passed
		this.last = null; // the entry passed last
		this.run = null;
		this.runs = []; // [first, last]
		this.nRuns = 0;
		this.counts = { entries: 0, payloads: 0, purged: 0, withheld: 0, controls: 0, bytes: 0 };
		this.reasons = Object.fromEntries(WITHHELD.map((r) => [r, 0]));
		this.pending = new Map(); // index -> {salt, entry} of payloads in files/
		this.matches = new Sha256(); // of the indexes of records
		this.records = 0;
		this.gone = []; // [first, last, why]: no payload, and why
		this.nGone = 0;
		this.proven = new Map(); // size -> root, of older trees, by the entries themselves
	}

	entriesStand() {
		return !this.f.failed.has('entries');
	}

	// What `act` refuses is a failure of that check, there.
	judge(check, where, act) {
		this.f.judgeNow(check, where, act);
	}

	// An entry of this log, in a line of `lines`.
	belongs(e, lines) {
		if (e.origin !== this.origin)
			refuse('the entry is of another log, ' + e.origin, lines.where(e.index));
		if (e.index >= this.size)
			refuse('the entry\'s index is not below the checkpoint\'s size', lines.where(e.index));
		const c = this.checkpoint;
		if (c.replaced && e.index < c.stated && e.time > c.replaced)
			this.f.fail('keys', 'the identity that states the log\'s key was replaced before this entry was written',
				lines.where(e.index));
	}

	// All lines; act(line) for each. What is refused there fails `entries`, and ends it.
	eachLine(file, act) {
		const lines = new Lines(file);
		return this.f.judgeNow('entries', { path: file.path }, () => {
			for (let line = lines.next(); line && this.entriesStand(); line = lines.next())
				this.inLine(lines, () => act(line, lines));
			return true;
		});
	}

	inLine(lines, act) {
		try {
			return act();
		} catch (e) {
			if (e instanceof Refused)
				e.where = { ...lines.where(), ...e.where };
			throw e;
		}
	}

	commits(e, salt, payload, where) {
		if (payload.length !== e.size)
			this.f.fail('commitments', 'the payload has ' + payload.length + ' bytes, and its entry says ' + e.size, where);
		else if (!bytesEqual(commitmentOf(salt, payload), e.commitment))
			this.f.fail('commitments', 'the payload is not the one that the entry commits to: it was altered', where);
	}

	readControls() {
		let before = -1;
		this.eachLine(this.log.files['controls.ndjson'], (line, lines) => {
			const c = readControl(line), e = c.entry, where = lines.where(e.index);
			this.belongs(e, lines);
			if (e.index <= before)
				refuse('indexes do not ascend');
			before = e.index;
			this.counts.controls++;
			this.commits(e, c.salt, c.payload, where);
			if (!inclusionHolds(e.index, this.size, e.hash, c.proof, this.root))
				this.f.fail('inclusion', 'the proof does not lead from the control entry to the checkpoint', where);
			const last = this.controls[this.controls.length - 1];
			if (last ? e.ctl !== last.index : e.index !== 0)
				this.f.fail('controls', last ? 'a control entry is missing before this one: its ctl is ' + e.ctl :
					'the first control entry is not entry 0', where);
			this.controls.push(e);
			this.judge('rules', where, () => this.rules.control(e, c.payload));
		});
		this.judge('rules', { path: this.log.path + 'controls.ndjson' }, () => this.rules.settle());
		this.rules.taken ??= [];
		this.rules.shortened ??= [];
	}

	// The next entry of the log that is in the bundle, in whatever file.
	pass(e, where) {
		const last = this.last;
		if (last && e.index === last.index + 1 && !bytesEqual(e.prev, last.hash))
			this.f.fail('chain', 'its prev is not the hash of the entry before it', where);
		if (last && e.time < last.time)
			this.f.fail('chain', 'its time is before that of an earlier entry', where);
		this.last = e;
	}

	// The control entries before index; then the nearest of them is said.
	passControls(index) {
		const path = this.log.path + 'controls.ndjson';
		while (this.nextControl < this.controls.length && this.controls[this.nextControl].index < index) {
			const e = this.controls[this.nextControl++];
			this.pass(e, { path, line: this.nextControl, index: e.index });
		}
		return this.controls[this.nextControl - 1];
	}

	// An entry of records.ndjson, or the tip, among the control entries.
	amongControls(e, where) {
		const nearest = this.passControls(e.index), here = this.controls[this.nextControl];
		const listed = here && here.index === e.index;
		if (e.index > 0 && nearest?.index !== e.ctl)
			this.f.fail('controls', 'the entry says that the nearest control entry before it is ' + e.ctl +
				', which is not so in controls.ndjson', where);
		if ((e.kind !== 'record' || listed) && !(listed && bytesEqual(here.hash, e.hash)))
			this.f.fail('controls', 'this control entry is not in controls.ndjson, or is another one there', where);
		if (listed)
			this.nextControl++;
		this.pass(e, where);
	}

	readRecords() {
		const proofs = new Lines(this.log.files['proofs.ndjson']);
		let before = -1;
		this.nextProof(proofs);
		this.eachLine(this.log.files['records.ndjson'], (line, lines) => {
			const r = readRecord(line), e = r.entry, where = lines.where(e.index);
			this.belongs(e, lines);
			if (e.index <= before)
				refuse('indexes do not ascend');
			before = e.index;
			this.amongControls(e, where);
			this.inRun(e, proofs, where);
			this.take(r, where);
			this.judge('rules', where, () => this.rules.record(e, r.how, r.purgedBy));
			this.onRecord?.(r, where);
		});
		if (this.entriesStand())
			this.endRuns(proofs);
	}

	take(r, where) {
		const e = r.entry, n = this.counts;
		n.entries++;
		if (e.kind === 'record') {
			this.records++;
			this.matches.update(utf8(e.index + '\n'));
		}
		if (r.how !== 'payload') {
			n[r.how]++;
			if (r.reason)
				this.reasons[r.reason]++;
			this.noteGone(e.index, r.how === 'purged' ? 'purged:' + r.purgedBy : r.reason);
			return;
		}
		n.payloads++;
		n.bytes += e.size;
		if (r.file !== undefined)
			this.pending.set(e.index, { salt: r.salt, entry: e, where });
		else
			this.commits(e, r.salt, r.payload, where);
	}

	noteGone(index, why) {
		const last = this.gone[this.gone.length - 1];
		if (last && last[1] === index - 1 && last[2] === why && this.nGone === this.gone.length) {
			last[1] = index;
		} else {
			this.nGone++;
			if (this.gone.length < LISTED)
				this.gone.push([index, index, why]);
		}
	}

	// The next line of proofs.ndjson; format errors fail `entries`.
	nextProof(proofs) {
		this.proof = this.f.judgeNow('entries', { path: proofs.path }, () => {
			const line = proofs.next();
			return line ? this.inLine(proofs, () => readProofLine(line)) : null;
		});
		this.proofWhere = proofs.where();
	}

	inRun(e, proofs, where) {
		let run = this.run;
		if (run && e.index !== run.next)
			this.endRun();
		run = this.run;
		if (!run) {
			run = this.run = { first: e.index, next: e.index, tree: new Tree(), proof: this.proof, where: this.proofWhere };
			this.startRun(run, where);
			if (this.proof && !this.proof.tip)
				this.nextProof(proofs);
		}
		run.tree.add(e.hash);
		run.next = e.index + 1;
		if (run.first === 0)
			for (const c of this.older)
				if (c.size === run.next)
					this.proven.set(c.size, run.tree.root());
	}

	startRun(run, where) {
		const p = run.proof;
		run.proven = p && !p.tip && p.first === run.first && p.last >= p.first && p.last < this.size;
		if (!run.proven) {
			this.f.fail('inclusion', 'proofs.ndjson has no proof for the run of entries that begins here', where);
			return;
		}
		const widths = completeSubtrees(0, p.first);
		if (widths.length !== p.left.length)
			this.f.fail('inclusion', 'the proof of a run does not have the hashes that it must have', run.where);
		widths.forEach((w, i) => p.left[i] && run.tree.add(p.left[i], w));
	}

	endRun() {
		const run = this.run, p = run.proof, last = run.next - 1;
		this.run = null;
		this.nRuns++;
		if (this.runs.length < LISTED || !this.runs.length)
			this.runs.push([run.first, last]);
		this.lastRun = [run.first, last];
		if (!run.proven)
			return;
		if (p.last !== last) {
			this.f.fail('inclusion', 'the proof is of entries ' + p.first + ' to ' + p.last + ', and the run that is here of ' +
				run.first + ' to ' + last, run.where);
			return;
		}
		const widths = completeSubtrees(run.next, this.size);
		widths.forEach((w, i) => p.right[i] && run.tree.add(p.right[i], w));
		if (widths.length !== p.right.length || run.tree.size !== this.size || !bytesEqual(run.tree.root(), this.root))
			this.f.fail('inclusion', 'the proof does not lead from entries ' + run.first + ' to ' + last + ' to the checkpoint', run.where);
	}

	endRuns(proofs) {
		if (this.run)
			this.endRun();
		const p = this.proof, where = this.proofWhere;
		if (!this.entriesStand())
			return;
		if (!p || !p.tip) {
			this.f.fail(p ? 'inclusion' : 'entries', p ? 'a proof of a run of entries that is not here' : 'the line of the tip is missing', where);
			return;
		}
		const e = p.tip, at = { ...where, index: e.index };
		this.judge('entries', at, () => {
			this.belongs(e, proofs);
			if (e.index !== this.size - 1)
				refuse('the tip is not the log\'s last entry');
			if (proofs.next())
				refuse('a line behind the tip\'s', proofs.where());
		});
		if (!inclusionHolds(e.index, this.size, e.hash, p.proof, this.root))
			this.f.fail('inclusion', 'the proof does not lead from the log\'s last entry to the checkpoint', at);
		this.tip(e, at);
	}

	tip(e, where) {
		if (this.last && this.last.index === e.index) {
			if (!bytesEqual(this.last.hash, e.hash))
				this.f.fail('inclusion', 'the tip is another entry than the one of that index in the bundle', where);
		} else {
			this.amongControls(e, where);
		}
		this.passControls(Infinity);
		const last = this.controls[this.controls.length - 1], should = e.kind === 'record' ? e.ctl : e.index;
		if (last?.index !== should)
			this.f.fail('controls', 'the log\'s last entry says that the last control entry is ' + should +
				', and the last one of controls.ndjson is ' + (last ? last.index : 'none'), where);
	}

	readPayloads() {
		const h = new Sha256();
		for (const f of this.log.payloads) {
			const waits = this.pending.get(f.index), source = f.open();
			if (!waits) {
				this.f.fail('commitments', 'no record names this payload', { path: f.path });
				continue;
			}
			this.pending.delete(f.index);
			h.reset().update(COMMITMENT).update(waits.salt);
			for (let p = source.next(); p; p = source.next())
				h.update(p);
			if (f.size !== waits.entry.size || !bytesEqual(h.digest(), waits.entry.commitment))
				this.f.fail('commitments', 'the payload is not the one that the entry commits to', { path: f.path, index: f.index });
		}
		for (const { where } of this.pending.values())
			this.f.fail('commitments', 'the file with its payload is missing', where);
	}

	checkCounts() {
		for (const [name, n] of Object.entries(this.counts))
			if (this.log.said[name] !== n)
				this.f.fail('entries', 'of ' + name + ' there are ' + n + ', and bundle.json says ' + this.log.said[name],
					{ path: 'data/bundle.json' });
	}

	// consistency.ndjson: the proofs by size.
	readConsistency(asked) {
		this.growth = new Map();
		const file = this.log.files['consistency.ndjson'];
		let before = 0;
		if (file)
			this.eachLine(file, (line, lines) => {
				const json = new Json(line, true);
				json.expect('{"from":');
				const from = json.integer();
				json.expect(',"proof":');
				const proof = readProof(json);
				json.expect('}');
				json.end();
				if (from <= before)
					refuse('sizes do not ascend');
				before = from;
				this.growth.set(from, proof);
				if (from > this.size || !consistencyHolds(from, this.size, null, this.root, proof))
					this.f.fail('consistency', 'this is no proof that the log grew out of a tree of that size', lines.where());
			});
		const missing = (asked ?? []).find((n) => !this.growth.has(n));
		if (missing !== undefined)
			this.f.fail('consistency', 'the request named the size ' + missing + ', and there is no line for it',
				{ path: this.log.path + 'consistency.ndjson' });
	}

	// The older checkpoints, which hold: the tree grew out of each.
	checkOlder() {
		for (const c of this.older) {
			const where = { path: c.path };
			const proof = this.growth.get(c.size);
			if (c.size > this.size)
				this.f.fail('consistency', 'the checkpoint that you have is of ' + c.size + ' entries, and the one of the bundle of ' +
					this.size + ': the log was set back', where);
			else if (c.size === this.size ? bytesEqual(c.root, this.root) : proof ?
				consistencyHolds(c.size, this.size, c.root, this.root, proof) :
				this.proven.has(c.size) && bytesEqual(this.proven.get(c.size), c.root))
				continue;
			else if (c.size === this.size || proof || this.proven.has(c.size))
				this.f.fail('consistency', 'the log did not grow out of the checkpoint that you have: its history is another', where);
			else
				this.f.fail('consistency', 'nothing in the bundle shows whether the log grew out of the checkpoint that you have: ' +
					'have it exported again with --since ' + c.size, where);
		}
	}

	check(asked) {
		this.readConsistency(asked);
		this.readControls();
		if (this.entriesStand())
			this.readRecords();
		if (this.entriesStand())
			this.readPayloads();
		if (this.entriesStand())
			this.checkCounts();
		this.checkOlder();
	}
}

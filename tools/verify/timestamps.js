// What authorities say of the time (docs/formats.md section 10): check `timestamps`.

class Timestamps {
	// roots: certificates (readRoots), or null.
	constructor(bundle, trusted, roots) {
		this.bundle = bundle;
		this.trusted = trusted;
		this.roots = roots;
	}

	async check(findings) {
		if (!this.bundle.stamped.length && this.roots)
			findings.fail('timestamps', 'it has no timestamps, and roots of authorities were given', {});
		for (const s of this.bundle.stamped)
			await findings.judge('timestamps', { path: s.checkpoint.path }, () => this.checkOne(s));
	}

	// s: {size, checkpoint, heads, tokens}, files; gets note, first (the earliest stamp), covers (by the log's name), uncovered.
	async checkOne(s) {
		s.uncovered = 0;
		s.covers = new Map();
		s.note = readSmall(s.checkpoint, NOTE_BYTES);
		const note = readNote(s.note), c = note && readCheckpoint(note.text);
		if (!c || c.size !== s.size || c.origin !== this.trusted.name + '/_system')
			refuse('it is no checkpoint of the server\'s _system, of the size in its name');
		s.root = c.root;
		for (const file of s.tokens)
			await this.within({ path: file.path }, async () => {
				const stamp = await stampHolds(readSmall(file, STAMP_BYTES), sha256(s.note), this.roots);
				s.first = !s.first || stamp.time < s.first.time ? stamp : s.first;
				s.unjudged ||= stamp.unjudged;
			});
		await this.readHeads(s);
	}

	async within(where, act) {
		try {
			await act();
		} catch (e) {
			if (e instanceof Refused)
				e.where = { ...where, ...e.where };
			throw e;
		}
	}

	async readHeads(s) {
		const lines = new Lines(s.heads), seen = { last: -1, heads: new Map(), named: new Set(), logs: 0 };
		for (let line = lines.next(); line; line = lines.next()) {
			const o = line.slice();
			await this.within(lines.where(), () => this.readLine(s, jsonDocument(o, true), seen));
		}
		await this.within({ path: s.heads.path }, () => {
			if ([...seen.heads.keys()].some((i) => !seen.named.has(i)))
				refuse('a record has heads that no line names');
			if (seen.logs !== this.bundle.logs.length)
				refuse('it does not have a line for each log');
			if (![...s.covers.values()].some((n) => n > 0))
				refuse('it covers nothing of the bundle');
		});
	}

	async readLine(s, o, seen) {
		if (!(o instanceof Map))
			refuse('a line that is no object');
		if (seen.logs || !o.has('entry'))
			return this.readLog(s, o, seen);
		const { entry, payload } = await receiptHolds(o, this.trusted), said = jsonDocument(payload, false);
		if (entry.origin !== this.trusted.name + '/_system' || !bytesEqual(utf8(o.get('checkpoint')), s.note))
			refuse('it leads to another checkpoint than the one that was timestamped');
		if (entry.index <= seen.last)
			refuse('records are not in ascending order');
		seen.last = entry.index;
		const type = said instanceof Map && entry.kind === 'record' ? said.get('type') : null;
		if (type === 'heads')
			seen.heads.set(entry.index, said.get('heads'));
		else if (type !== 'timestamp')
			refuse('it is neither of heads nor of a timestamp');
		else if (!this.bundle.stamped.some((e) => e.size < s.size && this.isOf(e, said)))
			refuse('it is of no earlier timestamp of this bundle');
		return undefined;
	}

	// Whether a record is of a timestamp of that checkpoint.
	isOf(earlier, said) {
		const token = unbase64(said.get('token')), note = said.get('checkpoint');
		return token !== null && typeof note === 'string' && bytesEqual(utf8(note), earlier.note) &&
			earlier.tokens.some((f) => bytesEqual(readSmall(f, STAMP_BYTES), token));
	}

	readLog(s, o, seen) {
		const log = this.bundle.logs[seen.logs++], isSystem = log?.name === '_system', size = o.get('size');
		if (!log || o.get('log') !== log.name)
			refuse('it is not of the log that comes next, or of none');
		if (membersAre(o, ['log'])) {
			s.covers.set(log.name, 0);
			return;
		}
		const proof = Array.isArray(o.get('proof')) ? o.get('proof').map(unbase64) : [null];
		if (!membersAre(o, isSystem ? ['log', 'size', 'proof'] : ['log', 'size', 'record', 'proof']) || !(isInteger(size) && size > 0) ||
			proof.length > 64 || proof.some((h) => !h || h.length !== 32))
			refuse('it does not follow the format');
		seen.named.add(o.get('record'));
		const heads = seen.heads.get(o.get('record')), head = Array.isArray(heads) && heads.find((h) => h instanceof Map && h.get('log') === log.name &&
			h.get('size') === size), root = isSystem ? size === s.size && s.root : head && unbase64(head.get('root'));
		if (!root || root.length !== 32)
			refuse('no record here has that head of the log');
		const c = log.checkpoint, up = size <= c.size, [from, to] = up ? [size, c.size] : [c.size, size];
		if (!consistencyHolds(from, to, up ? root : c.root, up ? c.root : root, proof))
			refuse('the head that was timestamped and the log\'s checkpoint are not of one history');
		s.covers.set(log.name, size);
	}

	// An entry that is in the bundle.
	entry(log, index) {
		for (const s of this.bundle.stamped)
			s.uncovered += s.covers && index >= (s.covers.get(log) ?? 0) ? 1 : 0;
	}

	// What is proven, of the checkpoint that leaves the fewest entries uncovered: null when there are no timestamps.
	said() {
		const order = (a, b) => a.uncovered - b.uncovered || (a.first.time < b.first.time ? -1 : 1);
		const [best] = this.bundle.stamped.filter((s) => s.first).sort(order);
		return best ? { until: momentText(best.first.until), name: best.first.name, uncovered: best.uncovered, judged: this.roots !== null,
			unjudged: this.bundle.stamped.map((s) => s.unjudged).find(Boolean) ?? '' } : null;
	}
}

function momentText(ns) {
	return new Date(Number(ns / 1000000n)).toISOString().slice(0, 19) + '.' + String(ns % 1000000000n).padStart(9, '0') + 'Z';
}

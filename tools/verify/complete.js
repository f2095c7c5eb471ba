// Whether nothing is left out of what was asked for: check `completeness`.

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

class Completeness {
	constructor(bundle, trusted) {
		this.bundle = bundle;
		this.trusted = trusted;
		this.certificate = bundle.file('data/certificate.search');
		this.isRange = bundle.document.kind === 'range';
	}

	// 'whole': claimed and shown; 'certified': as far as its search certificate shows it; 'scanned': that, and for some
	// entries the server's word alone; 'none': not claimed.
	claim() {
		if (!this.certificate)
			return this.isRange ? 'whole' : 'none';
		return this.looked() ? 'scanned' : 'certified';
	}

	// How many entries no index was shown of.
	looked() {
		return this.statement?.logs.reduce((n, l) => n + l.looked, 0) ?? 0;
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

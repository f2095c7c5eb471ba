// What control entries say, folded in their order, and whether it was allowed (docs/formats.md
// section 1): check `rules`.

const ACTS = ['policy.change', 'hold.release', 'purge', 'retain.shorten'];
const MODES = ['none', 'governance', 'compliance'];
const ON_LOCKS = ['policy', 'hold', 'release', 'extend', 'event', 'purge'];

function textIs(v) {
	return typeof v === 'string';
}

function instantIn(v) {
	return textIs(v) ? instant(v) : null;
}

// A policy's meaning, of a control entry's payload. Members that it does not have are as by default.
function readPolicy(v) {
	const bad = () => refuse('a policy entry does not say what one says');
	if (!(v instanceof Map))
		bad();
	const retain = v.get('retain') ?? new Map(), acts = v.get('dual_control') ?? [];
	const p = { mode: MODES.indexOf(v.get('mode') ?? 'governance'), acts, from: null };
	if (p.mode < 0 || !(retain instanceof Map) || !Array.isArray(acts) || acts.some((a) => !ACTS.includes(a)))
		bad();
	for (const name of ['default', 'min', 'max']) {
		p[name] = retain.has(name) ? duration(retain.get(name)) : undefined;
		if (p[name] === null)
			bad();
	}
	if (v.has('compliance_from')) {
		p.from = instantIn(v.get('compliance_from'));
		if (p.from === null)
			bad();
	}
	return p;
}

function policyAt(p, ns) {
	return p.from !== null && ns >= p.from ? { ...p, mode: 2, from: null } : p;
}

function shorter(was, next) {
	return was !== undefined && (next === undefined || !durationCovers(next, was));
}

// What of it is weaker, or null.
function weaker(was, next) {
	if (next.mode < was.mode)
		return 'another mode';
	if (shorter(was.default, next.default) || shorter(was.min, next.min))
		return 'a shorter retain.default or retain.min';
	if (next.max !== undefined && (was.max === undefined || !durationCovers(next.max, was.max)))
		return 'a shorter retain.max';
	return was.acts.some((a) => !next.acts.includes(a)) ? 'fewer acts under dual control' : null;
}

function twoPrincipals(said) {
	const by = said.get('by'), approved = said.get('approved_by');
	return textIs(by) && textIs(approved) && by !== '' && approved !== '' && by !== approved;
}

// Lists of ranges as one: ascending and apart, of what lies between low and high.
function united(lists, low, high) {
	const all = lists.flat().filter(([a, b]) => a <= high && b >= low).sort((x, y) => x[0] - y[0]), out = [];
	for (const [a, b] of all) {
		const last = out[out.length - 1];
		if (last && a <= last[1] + 1)
			last[1] = Math.max(last[1], b);
		else
			out.push([a, b]);
	}
	return out;
}

class Rules {
	constructor(origin) {
		this.isSystem = origin.endsWith('/_system');
		this.controls = []; // indexes
		this.policy = null;
		this.policyIndex = 0;
		this.lockIndex = 0; // of the last entry on locks
		this.defaults = [];
		this.holds = new Map(); // id -> {ranges: [[…],…] of each entry, open, released}
		this.extends = []; // {ranges, until, shorten}
		this.events = new Map(); // name -> [{index, until}, …]
		this.purges = []; // see purge()
		this.restored = false;
		this.origin = origin;
		this.epoch = -1; // of the last key statement
		this.statements = []; // notes, as bytes
	}

	// The next control entry and its payload's bytes. Refuses what is not allowed.
	control(e, payload) {
		const said = jsonDocument(payload, false), kind = e.kind;
		if (!(said instanceof Map) || (kind !== 'policy' && ON_LOCKS.includes(kind) && said.get('type') !== kind))
			refuse('a control entry\'s payload does not say what one of its kind says');
		if (kind === 'policy')
			this.changePolicy(e, said);
		else if (kind === 'hold')
			this.hold(said);
		else if (kind === 'release')
			this.holdOf(said).released = true;
		else if (kind === 'extend')
			this.extend(e, said);
		else if (kind === 'event')
			this.event(e, said);
		else if (kind === 'purge')
			this.purge(e, said);
		else if (kind === 'restore')
			this.restored = true;
		if (kind === 'key' || kind === 'restore' || e.index === 0)
			this.newKey(e, said);
		this.controls.push(e.index);
		if (ON_LOCKS.includes(kind))
			this.lockIndex = e.index;
	}

	changePolicy(e, said) {
		const next = readPolicy(said.get('policy')), now = instant(e.time);
		const was = this.policy && policyAt(this.policy, now);
		this.policy = next;
		this.policyIndex = e.index;
		if (next.default !== undefined)
			this.defaults.push(next.default);
		const what = was && was.mode === 2 ? weaker(was, policyAt(next, now)) : null;
		if (what)
			refuse('a policy entry is weaker than the one before, though compliance had begun: ' + what);
	}

	newKey(e, said) {
		const note = textIs(said.get('key_statement')) ? readNote(utf8(said.get('key_statement'))) : null;
		const s = note && readStatement(note.text);
		if (!s || s.vkey.name !== this.origin || s.firstSize !== e.index + 1 || s.epoch <= this.epoch)
			refuse('a control entry that names the log\'s key has no key statement that can stand there');
		this.epoch = s.epoch;
		this.statements.push(utf8(said.get('key_statement')));
	}

	holdOf(said) {
		const id = said.get('hold');
		if (!textIs(id) || id === '')
			refuse('a hold or release entry names no hold');
		if (!this.holds.has(id))
			this.holds.set(id, { ranges: [], open: null, released: false });
		return this.holds.get(id);
	}

	hold(said) {
		const h = this.holdOf(said), ranges = rangesOf(said.get('ranges')), open = said.get('open_from');
		if (!ranges || (open !== undefined && !isInteger(open)))
			refuse('a hold entry does not say what one says');
		h.ranges.push(ranges);
		h.open = open ?? null;
	}

	extend(e, said) {
		const ranges = rangesOf(said.get('ranges')), until = instantIn(said.get('until')), shorten = said.get('shorten');
		if (!ranges || until === null || (shorten !== undefined && typeof shorten !== 'boolean'))
			refuse('an extend entry does not say what one says');
		this.extends.push({ ranges, until, shorten: shorten === true });
		if (!shorten)
			return;
		if (this.policy && policyAt(this.policy, instant(e.time)).mode === 2)
			refuse('locks were shortened after compliance had begun');
		if (!twoPrincipals(said))
			refuse('locks were shortened without the approval of a second principal');
	}

	event(e, said) {
		const name = said.get('event'), at = instantIn(said.get('at')), until = instantIn(said.get('until'));
		if (!textIs(name) || at === null || until === null)
			refuse('an event entry does not say what one says');
		this.events.set(name, [...this.events.get(name) ?? [], { index: e.index, until }]);
	}

	purge(e, said) {
		const ranges = rangesOf(said.get('ranges')), root = unbase64(said.get('root')), count = said.get('count');
		const n = ranges ? ranges.reduce((sum, [a, b]) => sum + b - a + 1, 0) : 0;
		if (!n || count !== n || !root || root.length !== 32)
			refuse('a purge entry does not say what went');
		if (ranges[ranges.length - 1][1] >= e.index)
			refuse('a purge entry names records that come after it');
		if (this.isSystem)
			refuse('records of _system were purged, which is never allowed');
		if (this.controls.some((c) => rangeWith(ranges, c)))
			refuse('a purge entry names a control entry');
		const p = { index: e.index, time: e.time, ranges, count, root, clock: null, restored: said.has('restored'), seen: 0,
			tree: new Tree() };
		this.allowed(said, p);
		// what kept these records then, and nothing else, is looked at for each of them
		const low = ranges[0][0], high = ranges[ranges.length - 1][1];
		const kept = [...this.holds.values()].filter((h) => !h.released);
		p.held = united(kept.flatMap((h) => h.open === null ? h.ranges : [...h.ranges, [[h.open, Infinity]]]), low, high);
		p.extends = this.extends.filter((x) => x.ranges.some(([a, b]) => a <= high && b >= low));
		this.purges.push(p);
	}

	allowed(said, p) {
		if (p.restored) {
			if (!this.restored)
				refuse('a purge says that a restore did it again, and there was none');
			return;
		}
		const clock = said.get('clock'), by = said.get('allowed_by');
		const evidence = clock instanceof Map ? instantIn(clock.get('evidence')) : null;
		const lock = clock instanceof Map ? instantIn(clock.get('lock')) : null;
		if (evidence === null || lock === null || !isInteger(said.get('policy')) || !isInteger(by))
			refuse('a purge does not say by what it was allowed');
		p.clock = evidence < lock ? evidence : lock;
		if (said.get('policy') !== this.policyIndex)
			refuse('a purge names another policy than the one that was in force');
		if (by < this.lockIndex || !this.controls.includes(by))
			refuse('a purge was not judged by all entries on locks before it');
		if (this.policy && this.policy.acts.includes('purge') && !twoPrincipals(said))
			refuse('the policy in force asked for a second principal to approve a purge, and none did');
	}

	// Once all control entries are there: no record is in two purges.
	settle() {
		this.taken = this.purges.flatMap((p) => p.ranges.map((r) => [r[0], r[1], p])).sort((a, b) => a[0] - b[0]);
		for (let i = 1; i < this.taken.length; i++)
			if (this.taken[i][0] <= this.taken[i - 1][1])
				refuse('record ' + this.taken[i][0] + ' was purged twice');
		this.shortened = this.extends.filter((x) => x.shorten).map((x) => x.ranges);
	}

	// The purge entry that took the record, or undefined.
	purgeOf(index) {
		return rangeWith(this.taken, index)?.[2];
	}

	// An entry of records.ndjson; how is 'payload', 'purged' (by the entry purgedBy) or 'withheld'.
	record(e, how, purgedBy) {
		if ((e.mode === 'compliance' || e.event) && this.shortened.some((r) => rangeWith(r, e.index)))
			refuse('the record\'s lock was shortened, which may not be in compliance mode, or where an event ends it');
		const p = this.purgeOf(e.index);
		if (!p) {
			if (how === 'purged')
				refuse('it is said to be purged, and no purge entry names it');
			return;
		}
		if (how !== 'purged' || purgedBy !== p.index)
			refuse('purge entry ' + p.index + ' took its payload, and the bundle says otherwise');
		p.tree.add(e.hash);
		if (++p.seen === p.count && !bytesEqual(p.tree.root(), p.root))
			refuse('the root in purge entry ' + p.index + ' is not that of the records that it names');
		if (!p.restored)
			this.wasFree(e, p);
	}

	wasFree(e, p) {
		if (rangeWith(p.held, e.index))
			refuse('it was under a legal hold when it was purged');
		let until = e.retainUntil ? instant(e.retainUntil) : 0n, said = 0n, fixed = false;
		if (e.event) {
			const ends = (this.events.get(e.event) ?? []).filter((v) => v.index > e.index && v.index < p.index);
			if (!ends.length)
				refuse('it was purged while it waited for its event');
			until = ends.reduce((m, v) => v.until > m ? v.until : m, 0n);
		}
		for (const x of p.extends) {
			if (!rangeWith(x.ranges, e.index))
				continue;
			said = x.shorten || x.until > said ? x.until : said;
			fixed ||= x.shorten;
		}
		const end = fixed || said > until ? said : until;
		if (p.clock < end)
			refuse('it was purged before its lock ended');
	}
}

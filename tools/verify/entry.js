// Entries, instants and durations (docs/formats.md section 1).

const KINDS = ['record', 'policy', 'hold', 'release', 'extend', 'event', 'purge', 'key', 'restore'];
const NO_HASH = sha256(new Uint8Array(0));
const LEAF = new Uint8Array(1);
const COMMITMENT = utf8('stele-payload-1\n');
const DAY_NS = 86400n * 1000000000n;
const LAST_NS = BigInt(Date.UTC(2262, 0, 1)) * 1000000n - 1n;

// Nanoseconds since 1970, or null when the text is no instant. Instants compare as their texts do.
function instant(text) {
	const m = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z$/.exec(text);
	if (!m)
		return null;
	const ms = Date.parse(m[1] + 'Z');
	if (Number.isNaN(ms) || new Date(ms).toISOString() !== m[1] + '.000Z')
		return null;
	const ns = BigInt(ms) * 1000000n + BigInt(m[2]);
	return ns >= 0n && ns <= LAST_NS ? ns : null;
}

function entryPattern() {
	const s = '(?:[ !#-\\[\\]-~]|\\\\["\\\\])+', i = '(?:0|[1-9][0-9]{0,15})', b = '[A-Za-z0-9+/]{43}=';
	const t = '[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z';
	return new RegExp(`^\\{"v":1,"origin":"(${s})","index":(${i}),"kind":"([a-z]+)","ctl":(${i}),"time":"(${t})",` +
		`"prev":"(${b})","commitment":"(${b})","size":(${i}),"media_type":"(${s})","writer":"(${s})"` +
		`(?:(?:,"retain_until":"(${t})"|,"event":"(${s})"),"mode":"(governance|compliance)")?\\}$`);
}

const ENTRY = entryPattern();
const TCHAR = "[a-z0-9!#$%&'*+.^_`|~-]+";
const MEDIA_TYPE = new RegExp(`^${TCHAR}/${TCHAR}(; charset=[A-Za-z0-9!#$%&'*+.^_\`|~-]+)?$`);
const ORIGIN = /^[!-*,-.0-~]{1,127}\/[a-z0-9_][a-z0-9._-]{0,62}$/;

function unescaped(text) {
	return text.includes('\\') ? text.replace(/\\(.)/g, '$1') : text;
}

// An entry from its bytes, which it keeps the hash of. Refuses what is none.
function readEntry(bytes) {
	const text = bytes.length <= 1023 ? asciiText(bytes) : '';
	const m = ENTRY.exec(text);
	if (!m) {
		const v = /^\{"v":(0|[1-9][0-9]*)[,}]/.exec(text);
		refuse(v && v[1] !== '1' ? 'an entry of version ' + v[1] + ', which this page does not know' :
			'an entry that does not follow the grammar');
	}
	const e = {
		origin: unescaped(m[1]), index: integer(m[2]), kind: m[3], ctl: integer(m[4]), time: m[5],
		prev: unbase64(m[6]),
		commitment: unbase64(m[7]), size: integer(m[8]), mediaType: unescaped(m[9]), writer: unescaped(m[10]),
		retainUntil: m[11], event: m[12] === undefined ? undefined : unescaped(m[12]), mode: m[13],
		hash: sha256(LEAF, bytes),
	};
	const wrong = !ORIGIN.test(e.origin) || e.origin.length > 191 ? 'its origin' :
		Number.isNaN(e.index) || Number.isNaN(e.ctl) || Number.isNaN(e.size) ? 'a number' :
			!KINDS.includes(e.kind) ? 'its kind' :
				(e.index === 0 ? e.ctl !== 0 || e.kind !== 'policy' || !bytesEqual(e.prev, NO_HASH) : e.ctl >= e.index) ?
					'its ctl, or what the first entry must be' :
					instantOf(e.time) === null || (e.retainUntil && instant(e.retainUntil) === null) ? 'a time' :
						!e.prev || !e.commitment ? 'a hash' :
							e.mediaType.length > 127 || !MEDIA_TYPE.test(e.mediaType) ? 'its media type' :
								e.writer.length > 63 || (e.event && e.event.length > 63) ? 'its writer or event' :
									e.kind !== 'record' && e.mode ? 'its lock: control entries have none' : null;
	if (wrong)
		refuse('an entry that does not follow the grammar: ' + wrong);
	return e;
}

// The last second's day and time, which many entries share, is not looked at again.
let instantKnown = '';

function instantOf(text) {
	if (text.slice(0, 19) === instantKnown)
		return text;
	if (instant(text) === null)
		return null;
	instantKnown = text.slice(0, 19);
	return text;
}


function commitmentOf(salt, payload) {
	return sha256(COMMITMENT, salt, payload);
}

const SHORT_UNITS = { y: [12, 0], mo: [1, 0], d: [0, 86400], h: [0, 3600], m: [0, 60], s: [0, 1] };

function bounded(d) {
	return d.months <= 3600 && d.ns <= LAST_NS ? d : null;
}

// A duration as {months, ns}, or null (7y, 1mo, 90d, …; ISO 8601).
function duration(text) {
	const n = '(0|[1-9][0-9]{0,17})';
	let m = new RegExp(`^${n}(y|mo|d|h|m|s)$`).exec(text);
	if (m) {
		const [months, seconds] = SHORT_UNITS[m[2]];
		return bounded({ months: Number(m[1]) * months, ns: BigInt(m[1]) * BigInt(seconds) * 1000000000n });
	}
	m = new RegExp(`^P(?:${n}W|(?:${n}Y)?(?:${n}M)?(?:${n}D)?(T(?=.)(?:${n}H)?(?:${n}M)?(?:${n}S)?)?)$`).exec(text);
	if (!m || text === 'P')
		return null;
	const [, w, y, mo, d, , h, min, s] = m.map((v) => v ?? 0);
	const seconds = BigInt(w) * 604800n + BigInt(d) * 86400n + BigInt(h) * 3600n + BigInt(min) * 60n + BigInt(s);
	return bounded({ months: Number(y) * 12 + Number(mo), ns: seconds * 1000000000n });
}

const DAY_MS = 86400000;

// Days since 1970, calendar months later; a day that a month lacks becomes the first of the next.
function monthsLater(days, months) {
	const date = new Date(days * DAY_MS), day = date.getUTCDate();
	const month = date.getUTCFullYear() * 12 + date.getUTCMonth() + months, year = Math.floor(month / 12);
	const end = new Date(0);
	end.setUTCFullYear(year, month % 12, day);
	if (end.getUTCDate() !== day)
		end.setUTCDate(1);
	return end.getTime() / DAY_MS;
}

const monthSpans = new Map();

// The fewest and the most days that so many months have, wherever they start: [fewest, most].
function spanOfMonths(months) {
	if (!monthSpans.has(months)) {
		let fewest = Infinity, most = 0;
		for (let day = 0; day < Number(LAST_NS / DAY_NS); day++) {
			const n = monthsLater(day, months) - day;
			fewest = Math.min(fewest, n);
			most = Math.max(most, n);
		}
		monthSpans.set(months, [fewest, most]);
	}
	return monthSpans.get(months);
}

// Whether a is at least as long as b, wherever both start.
function durationCovers(a, b) {
	if (a.months >= b.months)
		return BigInt(spanOfMonths(a.months - b.months)[0]) * DAY_NS + a.ns >= b.ns;
	return a.ns >= b.ns + BigInt(spanOfMonths(b.months - a.months)[1]) * DAY_NS;
}

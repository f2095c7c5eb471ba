// Filters (docs/queries.md): as much as it takes to ask an index, and to know the canonical text.

const FILTER_BYTES = 65536, FILTER_TERMS = 1000, FILTER_DEPTH = 32, PATH_NAMES = 32, FIGURE_POINT = 1000000;
const FIELDS = ['time', 'receive_time', 'writer', 'actor', 'action', 'resource', 'outcome', 'source_ip', 'trace_id', 'event_id',
	'event_type', 'severity'];
const ANY_FIELDS = ['actor', 'action', 'resource', 'outcome', 'source_ip', 'event_type', 'event_id'];
const KEYWORDS = ['AND', 'OR', 'NOT'];
const MEMBER = /[A-Za-z0-9_\-@$#/\u0080-\uffff]+/y;
const VALUE = /[^\x00-\x20()"',=<>!\\]+/y;

function isFieldName(name) {
	return name === 'any' || FIELDS.includes(name);
}

function isTimeField(name) {
	return name === 'time' || name === 'receive_time';
}

class FilterReader {
	constructor(text) {
		this.text = text;
		this.at = this.depth = this.terms = 0;
	}

	bad(words) {
		refuse('its filter is none: ' + words + ' (character ' + (this.at + 1) + ')');
	}

	peek() {
		return this.text[this.at] ?? '';
	}

	blanks() {
		while (/[ \t\r\n]/.test(this.peek()))
			this.at++;
	}

	match(pattern) {
		pattern.lastIndex = this.at;
		return pattern.exec(this.text)?.[0] ?? '';
	}

	keyword(word) {
		if (!this.text.startsWith(word, this.at) || !/^([ \t\r\n(]|$)/.test(this.text.slice(this.at + word.length, this.at + word.length + 1)))
			return false;
		this.at += word.length;
		this.blanks();
		return true;
	}

	deeper(read) {
		if (++this.depth > FILTER_DEPTH)
			this.bad('too deep');
		const found = read();
		this.depth--;
		return found;
	}

	filter() {
		this.blanks();
		const found = this.at === this.text.length ? { kind: 'all', parts: [] } : this.and();
		if (this.at < this.text.length)
			this.bad('expected AND, OR or the end');
		return found;
	}

	and() {
		return this.list('and', 'AND', () => this.list('or', 'OR', () => this.not()));
	}

	list(kind, word, next) {
		const parts = [next()];
		this.blanks();
		while (this.keyword(word)) {
			parts.push(next());
			this.blanks();
		}
		return parts.length === 1 ? parts[0] : { kind, parts: parts.flatMap((p) => p.kind === kind ? p.parts : [p]) };
	}

	not() {
		let negated = this.keyword('NOT');
		if (!negated && this.peek() === '-') {
			negated = true;
			this.at++;
			this.blanks();
		}
		const read = () => this.peek() === '(' ? this.parentheses() : this.term();
		if (!negated)
			return read();
		const inner = this.deeper(read);
		return inner.kind === 'not' ? inner.parts[0] : { kind: 'not', parts: [inner] };
	}

	parentheses() {
		return this.deeper(() => {
			this.at++;
			this.blanks();
			const found = this.and();
			if (this.peek() !== ')')
				this.bad('expected a )');
			this.at++;
			return found;
		});
	}

	isQuote() {
		return this.peek() === '"' || this.peek() === '\'';
	}

	// A string, and whether it ends with a * that is none of its characters.
	quoted(star) {
		const quote = this.text[this.at++];
		let out = '', prefix = false;
		for (;;) {
			const c = this.text[this.at++];
			if (c === undefined || c < ' ')
				this.bad('a string without an end, or with a control character');
			if (c === quote)
				return [out, prefix];
			if (prefix)
				this.bad('a * that is not at the end');
			if (c === '*' && star)
				prefix = true;
			else
				out += c === '\\' ? this.escape() : c;
		}
	}

	escape() {
		const c = this.text[this.at++] ?? ' ', i = '"\'\\/*bfnrt'.indexOf(c);
		if (i >= 0)
			return '"\'\\/*\b\f\n\r\t'[i];
		const m = c === 'u' && /^(?:[0-9a-fA-F]{4}\\u[0-9a-fA-F]{4}|[0-9a-fA-F]{4})/.exec(this.text.slice(this.at));
		const units = m ? m[0].split('\\u').map((h) => parseInt(h, 16)) : [];
		const isHigh = (u) => u >= 0xd800 && u < 0xdc00, isLow = (u) => u >= 0xdc00 && u < 0xe000;
		if (!m || isLow(units[0]) || (isHigh(units[0]) && !isLow(units[1] ?? 0)))
			this.bad('an escape that is none');
		this.at += isHigh(units[0]) ? 10 : 4;
		return String.fromCharCode(...(isHigh(units[0]) ? units : units.slice(0, 1)));
	}

	name(first) {
		if (this.isQuote())
			return this.quoted(false)[0];
		const name = this.match(MEMBER);
		if (name === '' || (first && (name[0] === '-' || KEYWORDS.includes(name))) || /^[0-9]+$/.test(name))
			this.bad('expected a name');
		this.at += name.length;
		return name;
	}

	term() {
		if (++this.terms > FILTER_TERMS)
			this.bad('too many terms');
		const quoted = this.isQuote(), path = [this.name(true)];
		while (this.peek() === '.') {
			this.at++;
			path.push(this.name(false));
		}
		if (path.length > PATH_NAMES)
			this.bad('too many names in a path');
		this.blanks();
		const op = this.match(/!=|<=|>=|[=<>:]/y);
		if (!op)
			this.bad('expected an operator');
		this.at += op.length;
		this.blanks();
		const field = !quoted && path.length === 1 && isFieldName(path[0]) ? path[0] : null;
		return this.settled({ kind: 'term', parts: [], field, path, op, ...this.literal() });
	}

	literal() {
		if (this.isQuote()) {
			const [text, prefix] = this.quoted(true);
			return { text, prefix, quoted: true };
		}
		const word = this.match(VALUE);
		if (word === '' || KEYWORDS.includes(word) || word.slice(0, -1).includes('*'))
			this.bad('expected a value');
		this.at += word.length;
		const prefix = word.endsWith('*');
		return { text: prefix ? word.slice(0, -1) : word, prefix, quoted: false };
	}

	// What the literal can be read as; refuses what does not go together.
	settled(t) {
		const whole = !t.prefix, orders = t.op[0] === '<' || t.op[0] === '>';
		t.figure = whole ? readFigure(t.text) : null;
		t.moment = whole ? readMoment(t.text) : null;
		t.word = whole && !t.quoted && ['true', 'false', 'null'].includes(t.text) ? t.text : '';
		t.quoted ||= !t.figure && !t.word;
		t.network = null;
		if (t.figure && Math.abs(t.figure.point) > FIGURE_POINT)
			this.bad('a number with too large an exponent');
		if (isTimeField(t.field)) {
			t.moment ??= t.figure && figureMoment(t.figure);
			if (t.moment === null || t.op === ':')
				this.bad('expected a time');
		} else if (orders && (t.prefix || t.word || t.field === 'source_ip' || t.field === 'any')) {
			this.bad('these have no order');
		} else if (whole && (t.field === 'source_ip' || t.field === 'any')) {
			t.network = readNetwork(t.text);
		}
		return t;
	}
}

function quotedText(text) {
	return '"' + text.replace(/["\\*]/g, '\\$&').replace(/[\x00-\x1f]/g, (c) => {
		const i = '\b\f\n\r\t'.indexOf(c);
		return '\\' + (i >= 0 ? 'bfnrt'[i] : 'u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
	}) + '"';
}

function memberText(name) {
	MEMBER.lastIndex = 0;
	const plain = MEMBER.exec(name)?.[0] === name && !/^([0-9]+$|-)/.test(name) && !KEYWORDS.includes(name);
	return plain ? name : quotedText(name);
}

function termText(t) {
	const left = t.field ?? (t.path.length === 1 && isFieldName(t.path[0]) ? quotedText(t.path[0]) : t.path.map(memberText).join('.'));
	const quoted = t.quoted ? quotedText(t.text) : t.text;
	const right = t.prefix && t.text === '' && t.op === ':' ? '*' : t.prefix ? quoted.slice(0, -1) + '*"' : quoted;
	return left + (t.op === ':' ? ':' : ' ' + t.op + ' ') + right;
}

function filterText(f, inside) {
	if (f.kind === 'all')
		return '';
	if (f.kind === 'term')
		return termText(f);
	if (f.kind === 'not')
		return 'NOT ' + filterText(f.parts[0], true);
	const text = f.parts.map((p) => filterText(p, true)).join(' ' + f.kind.toUpperCase() + ' ');
	return inside ? '(' + text + ')' : text;
}

function filterDepth(f) {
	return f.parts.length ? 1 + Math.max(...f.parts.map(filterDepth)) : 0;
}

// A filter from its canonical text; all others are refused.
function readFilter(text) {
	if (utf8(text).length > FILTER_BYTES)
		refuse('its filter is too long');
	const f = new FilterReader(text).filter();
	if (filterDepth(f) > FILTER_DEPTH || filterText(f) !== text)
		refuse('its filter is not in its canonical text');
	return f;
}

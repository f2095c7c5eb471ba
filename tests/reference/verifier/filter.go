package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Filters (docs/queries.md, Filters): as much as it takes to ask an index, and to know the canonical text.

const (
	filterBytes = 65536
	filterTerms = 1000
	filterDepth = 32
	pathNames   = 32
)

var (
	fieldNames = []string{"time", "receive_time", "writer", "actor", "action", "resource", "outcome", "source_ip", "trace_id", "event_id",
		"event_type", "severity"}
	anyFields    = []string{"actor", "action", "resource", "outcome", "source_ip", "event_type", "event_id"}
	nameGrammar  = regexp.MustCompile(`^[A-Za-z0-9_\-@$#/\x{80}-\x{10ffff}]+`)
	wordGrammar  = regexp.MustCompile(`^[^\x00-\x20()"',=<>!\\]+`)
	digitGrammar = regexp.MustCompile(`^[0-9]+$`)
)

func isField(name string) bool {
	for _, f := range fieldNames {
		if f == name {
			return true
		}
	}
	return name == "any"
}

func isKeyword(name string) bool { return name == "AND" || name == "OR" || name == "NOT" }

// filter is a part of one: "all", "and", "or", "not" or "term".
type filter struct {
	kind  string
	parts []*filter
	field string   // of a term; "": path
	path  []string // of a term
	op    string
	literal
}

type filterReader struct {
	text         string
	at           int
	depth, terms int
}

// parseFilter reads one that is in its canonical text.
func parseFilter(text string) (*filter, error) {
	if len(text) > filterBytes || !utf8.ValidString(text) {
		return nil, errors.New("a filter that is too long, or not UTF-8")
	}
	r := &filterReader{text: text}
	r.blanks()
	f, err := &filter{kind: "all"}, error(nil)
	if r.at < len(text) {
		if f, err = r.and(); err != nil {
			return nil, fmt.Errorf("a filter that is none: at byte %d: %v", r.at, err)
		}
	}
	if r.at < len(text) || f.deep() > filterDepth || f.String() != text {
		return nil, errors.New("a filter that is not in its canonical text")
	}
	return f, nil
}

func (f *filter) deep() int {
	most := 0
	for _, p := range f.parts {
		if d := p.deep() + 1; d > most {
			most = d
		}
	}
	return most
}

func (r *filterReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *filterReader) blanks() {
	for strings.IndexByte(" \t\r\n", r.peek()) >= 0 && r.at < len(r.text) {
		r.at++
	}
}

func (r *filterReader) keyword(word string) bool {
	rest := r.text[r.at:]
	if !strings.HasPrefix(rest, word) || len(rest) > len(word) && strings.IndexByte(" \t\r\n(", rest[len(word)]) < 0 {
		return false
	}
	r.at += len(word)
	r.blanks()
	return true
}

func (r *filterReader) and() (*filter, error) {
	return r.list("and", "AND", func() (*filter, error) { return r.list("or", "OR", r.not) })
}

func (r *filterReader) list(kind, word string, next func() (*filter, error)) (*filter, error) {
	one, err := next()
	if err != nil {
		return nil, err
	}
	r.blanks()
	all := &filter{kind: kind}
	add := func(f *filter) {
		if f.kind == kind {
			all.parts = append(all.parts, f.parts...)
		} else {
			all.parts = append(all.parts, f)
		}
	}
	if !r.keyword(word) {
		return one, nil
	}
	add(one)
	for again := true; again; again = r.keyword(word) {
		f, err := next()
		if err != nil {
			return nil, err
		}
		add(f)
		r.blanks()
	}
	return all, nil
}

func (r *filterReader) not() (*filter, error) {
	negated := r.keyword("NOT")
	if !negated && r.peek() == '-' {
		negated = true
		r.at++
		r.blanks()
	}
	if negated {
		if r.depth++; r.depth > filterDepth {
			return nil, errors.New("too deep")
		}
	}
	read := r.term
	if r.peek() == '(' {
		read = r.parentheses
	}
	f, err := read()
	if err != nil || !negated {
		return f, err
	}
	r.depth--
	if f.kind == "not" {
		return f.parts[0], nil
	}
	return &filter{kind: "not", parts: []*filter{f}}, nil
}

func (r *filterReader) parentheses() (*filter, error) {
	if r.depth++; r.depth > filterDepth {
		return nil, errors.New("too deep")
	}
	r.at++
	r.blanks()
	f, err := r.and()
	if err == nil && r.peek() != ')' {
		err = errors.New("no )")
	}
	r.at++
	r.depth--
	return f, err
}

// quoted reads a string; star says that a * at its end is none of its characters.
func (r *filterReader) quoted(star bool) (text string, prefix bool, err error) {
	quote, out := r.peek(), []byte{}
	for r.at++; r.at < len(r.text); {
		c := r.text[r.at]
		r.at++
		switch {
		case c == quote:
			return string(out), prefix, nil
		case prefix:
			return "", false, errors.New("a * that is not at the end")
		case c == '*' && star:
			prefix = true
		case c == '\\':
			if out, err = r.escape(out); err != nil {
				return "", false, err
			}
		case c < 0x20:
			return "", false, errors.New("a control character")
		default:
			out = append(out, c)
		}
	}
	return "", false, errors.New("a string without an end")
}

func (r *filterReader) escape(out []byte) ([]byte, error) {
	c := r.peek()
	r.at++
	if i := strings.IndexByte("\"'\\/*bfnrt", c); i >= 0 && c != 0 {
		return append(out, "\"'\\/*\b\f\n\r\t"[i]), nil
	}
	hex4 := func() (v rune, ok bool) {
		if r.at+4 > len(r.text) {
			return 0, false
		}
		n, err := fmt.Sscanf(r.text[r.at:r.at+4], "%04x", &v)
		ok = n == 1 && err == nil && regexp.MustCompile(`^[0-9a-fA-F]{4}$`).MatchString(r.text[r.at:r.at+4])
		r.at += 4
		return v, ok
	}
	v, ok := rune(0), c == 'u'
	if ok {
		v, ok = hex4()
	}
	if ok && v >= 0xd800 && v <= 0xdfff {
		low := rune(0)
		ok = v < 0xdc00 && strings.HasPrefix(r.text[r.at:], `\u`)
		r.at += 2
		if ok {
			low, ok = hex4()
		}
		ok = ok && low >= 0xdc00 && low <= 0xdfff
		v = 0x10000 + (v&0x3ff)<<10 + low&0x3ff
	}
	if !ok {
		return nil, errors.New("an escape that is none")
	}
	return append(out, string(v)...), nil
}

func (r *filterReader) isQuote() bool { return r.peek() == '"' || r.peek() == '\'' }

func (r *filterReader) name(first bool) (string, error) {
	if r.isQuote() {
		text, _, err := r.quoted(false)
		return text, err
	}
	name := nameGrammar.FindString(r.text[r.at:])
	if name == "" || first && (name[0] == '-' || isKeyword(name)) || digitGrammar.MatchString(name) {
		return "", errors.New("no name")
	}
	r.at += len(name)
	return name, nil
}

func (r *filterReader) term() (*filter, error) {
	if r.terms++; r.terms > filterTerms {
		return nil, errors.New("too many terms")
	}
	f, quoted := &filter{kind: "term"}, r.isQuote()
	for {
		name, err := r.name(len(f.path) == 0)
		if err != nil {
			return nil, err
		}
		if f.path = append(f.path, name); len(f.path) > pathNames {
			return nil, errors.New("too many names in a path")
		}
		if r.peek() != '.' {
			break
		}
		r.at++
	}
	if !quoted && len(f.path) == 1 && isField(f.path[0]) {
		f.field = f.path[0]
	}
	r.blanks()
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">", ":"} {
		if f.op == "" && strings.HasPrefix(r.text[r.at:], op) {
			f.op = op
		}
	}
	if f.op == "" {
		return nil, errors.New("no operator")
	}
	r.at += len(f.op)
	r.blanks()
	return f, r.value(f)
}

func (r *filterReader) value(f *filter) error {
	l := &f.literal
	if r.isQuote() {
		l.quoted = true
		text, prefix, err := r.quoted(true)
		if err != nil {
			return err
		}
		l.text, l.prefix = text, prefix
		return f.settle()
	}
	word := wordGrammar.FindString(r.text[r.at:])
	if word == "" || isKeyword(word) || strings.Contains(word[:len(word)-1], "*") {
		return errors.New("no value")
	}
	r.at += len(word)
	l.text = strings.TrimSuffix(word, "*")
	l.prefix = l.text != word
	return f.settle()
}

// settle finds out what the literal can be read as, and refuses what does not go together.
func (f *filter) settle() error {
	l := &f.literal
	orders := strings.IndexByte("<>", f.op[0]) >= 0
	if l.prefix {
		l.quoted = true
	} else {
		l.number = parseDecimal(l.text)
		l.instant, l.isInstant = instantOfText(l.text)
		if !l.quoted && (l.text == "true" || l.text == "false" || l.text == "null") {
			l.word = l.text
		}
		l.quoted = l.quoted || l.number == nil && l.word == ""
	}
	if l.number != nil && (l.number.point > 1000000 || l.number.point < -1000000) {
		return errors.New("a number whose exponent is too large")
	}
	switch f.field {
	case "time", "receive_time":
		if !l.isInstant && l.number != nil {
			l.instant, l.isInstant = l.number.instant()
		}
		if !l.isInstant || f.op == ":" {
			return errors.New("no time")
		}
	case "source_ip", "any":
		if orders {
			return errors.New("no order of addresses")
		}
		if !l.prefix {
			l.network, l.isNetwork = parseNetwork(l.text)
		}
	}
	if f.field != "time" && f.field != "receive_time" && orders && (l.prefix || l.word != "") {
		return errors.New("no order of this value")
	}
	return nil
}

// --- the canonical text ----------------------------------------------------------

func quote(text string) string {
	var out strings.Builder
	out.WriteByte('"')
	for i := 0; i < len(text); i++ {
		c := text[i]
		if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
			out.WriteString(`\` + "bfnrt"[at:at+1])
		} else if c == '"' || c == '\\' || c == '*' {
			out.WriteString(`\` + string(rune(c)))
		} else if c < 0x20 {
			fmt.Fprintf(&out, `\u%04x`, c)
		} else {
			out.WriteByte(c)
		}
	}
	return out.String() + `"`
}

func nameText(name string) string {
	if nameGrammar.FindString(name) == name && name != "" && !digitGrammar.MatchString(name) && name[0] != '-' && !isKeyword(name) {
		return name
	}
	return quote(name)
}

func (f *filter) termText() string {
	left := f.field
	if left == "" && len(f.path) == 1 && isField(f.path[0]) {
		left = quote(f.path[0])
	} else if left == "" {
		names := []string{}
		for _, n := range f.path {
			names = append(names, nameText(n))
		}
		left = strings.Join(names, ".")
	}
	op := " " + f.op + " "
	if f.op == ":" {
		op = ":"
	}
	right := f.text
	if f.prefix && f.text == "" && f.op == ":" {
		right = "*"
	} else if f.quoted {
		right = quote(f.text)
		if f.prefix {
			right = right[:len(right)-1] + `*"`
		}
	}
	return left + op + right
}

func (f *filter) String() string {
	switch f.kind {
	case "all":
		return ""
	case "term":
		return f.termText()
	case "not":
		return "NOT " + f.parts[0].inside()
	}
	texts := []string{}
	for _, p := range f.parts {
		texts = append(texts, p.inside())
	}
	return strings.Join(texts, " "+strings.ToUpper(f.kind)+" ")
}

func (f *filter) inside() string {
	if f.kind == "and" || f.kind == "or" {
		return "(" + f.String() + ")"
	}
	return f.String()
}

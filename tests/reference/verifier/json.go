package main

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// node is a JSON value: string, int64 (a number), bool, nil, []node, or object.
type node interface{}

type member struct {
	name  string
	value node
}

type object []member

func (o object) get(name string) (node, bool) {
	for _, m := range o {
		if m.name == name {
			return m.value, true
		}
	}
	return nil, false
}

func (o object) text(name string) string {
	v, _ := o.get(name)
	s, _ := v.(string)
	return s
}

// number is the member's, -1 when it is none.
func (o object) number(name string) int64 {
	v, _ := o.get(name)
	if n, ok := v.(int64); ok {
		return n
	}
	return -1
}

func (o object) has(name string) bool {
	_, ok := o.get(name)
	return ok
}

// inOrder says whether the members are exactly those: each of names stands there in that order, those behind '?' or not.
func (o object) inOrder(names ...string) bool {
	i := 0
	for _, n := range names {
		optional := n[0] == '?'
		if optional {
			n = n[1:]
		}
		if i < len(o) && o[i].name == n {
			i++
		} else if !optional {
			return false
		}
	}
	return i == len(o)
}

type jsonReader struct {
	b     []byte
	i     int
	depth int
}

var errJSON = errors.New("not compact JSON")

const safe = 1 << 53

// parseJSON reads one compact document: no white space, no duplicate members, no lone surrogates; integers below 2^53.
func parseJSON(b []byte) (node, error) {
	if !utf8.Valid(b) {
		return nil, errors.New("not UTF-8")
	}
	r := &jsonReader{b: b}
	v, err := r.value()
	if err == nil && r.i != len(b) {
		err = errJSON
	}
	return v, err
}

func parseObject(b []byte) (object, error) {
	v, err := parseJSON(b)
	if err != nil {
		return nil, err
	}
	if o, ok := v.(object); ok {
		return o, nil
	}
	return nil, errors.New("not a JSON object")
}

func (r *jsonReader) peek() byte {
	if r.i < len(r.b) {
		return r.b[r.i]
	}
	return 0
}

func (r *jsonReader) word(w string, v node) (node, error) {
	if r.i+len(w) <= len(r.b) && string(r.b[r.i:r.i+len(w)]) == w {
		r.i += len(w)
		return v, nil
	}
	return nil, errJSON
}

func (r *jsonReader) value() (node, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > 64 {
		return nil, errors.New("JSON too deep")
	}
	switch r.peek() {
	case '{':
		return r.object()
	case '[':
		return r.array()
	case '"':
		return r.str()
	case 't':
		return r.word("true", true)
	case 'f':
		return r.word("false", false)
	case 'n':
		return r.word("null", nil)
	}
	return r.number()
}

func (r *jsonReader) number() (node, error) {
	begin := r.i
	for r.peek() >= '0' && r.peek() <= '9' {
		r.i++
	}
	n, ok := parseInt(string(r.b[begin:r.i]))
	if !ok {
		return nil, errors.New("not an integer below 2^53")
	}
	return n, nil
}

// parseInt reads '0' | [1-9][0-9]*, below 2^53.
func parseInt(s string) (int64, bool) {
	if s == "" || len(s) > 16 || s[0] == '0' && s != "0" {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n < safe
}

func (r *jsonReader) object() (node, error) {
	r.i++
	o := object{}
	if r.peek() == '}' {
		r.i++
		return o, nil
	}
	seen := map[string]bool{}
	for {
		if r.peek() != '"' {
			return nil, errJSON
		}
		name, err := r.str()
		if err != nil {
			return nil, err
		}
		if seen[name.(string)] {
			return nil, fmt.Errorf("duplicate member %q", name)
		}
		seen[name.(string)] = true
		if r.peek() != ':' {
			return nil, errJSON
		}
		r.i++
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		o = append(o, member{name.(string), v})
		switch r.peek() {
		case ',':
			r.i++
		case '}':
			r.i++
			return o, nil
		default:
			return nil, errJSON
		}
	}
}

func (r *jsonReader) array() (node, error) {
	r.i++
	list := []node{}
	if r.peek() == ']' {
		r.i++
		return list, nil
	}
	for {
		v, err := r.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch r.peek() {
		case ',':
			r.i++
		case ']':
			r.i++
			return list, nil
		default:
			return nil, errJSON
		}
	}
}

func (r *jsonReader) hex4() (rune, bool) {
	if r.i+4 > len(r.b) {
		return 0, false
	}
	n := rune(0)
	for _, c := range r.b[r.i : r.i+4] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	r.i += 4
	return n, true
}

func (r *jsonReader) unicode() (rune, error) {
	u, ok := r.hex4()
	if !ok || u >= 0xDC00 && u < 0xE000 {
		return 0, errors.New("a bad \\u or a lone surrogate")
	}
	if u >= 0xD800 && u < 0xDC00 {
		if r.i+2 > len(r.b) || r.b[r.i] != '\\' || r.b[r.i+1] != 'u' {
			return 0, errors.New("a lone surrogate")
		}
		r.i += 2
		low, ok := r.hex4()
		if !ok || low < 0xDC00 || low >= 0xE000 {
			return 0, errors.New("a lone surrogate")
		}
		u = 0x10000 + (u-0xD800)<<10 + low - 0xDC00
	}
	return u, nil
}

const escapes = "\"\"\\\\//b\bf\fn\nr\rt\t"

func (r *jsonReader) str() (node, error) {
	r.i++
	out := []byte{}
	for r.i < len(r.b) {
		c := r.b[r.i]
		r.i++
		if c == '"' {
			return string(out), nil
		}
		if c < 0x20 {
			return nil, errors.New("a control character in a JSON string")
		}
		if c != '\\' {
			out = append(out, c)
			continue
		}
		c = r.peek()
		r.i++
		if c == 'u' {
			u, err := r.unicode()
			if err != nil {
				return nil, err
			}
			out = append(out, string(u)...)
			continue
		}
		known := false
		for k := 0; k < len(escapes); k += 2 {
			if escapes[k] == c {
				out, known = append(out, escapes[k+1]), true
			}
		}
		if !known {
			return nil, errors.New("an unknown escape")
		}
	}
	return nil, errJSON
}

// same says whether two values are one, members in the same order.
func same(a, b node) bool {
	switch x := a.(type) {
	case object:
		y, ok := b.(object)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if x[i].name != y[i].name || !same(x[i].value, y[i].value) {
				return false
			}
		}
		return true
	case []node:
		y, ok := b.([]node)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !same(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	switch b.(type) {
	case object, []node:
		return false
	}
	return a == b
}

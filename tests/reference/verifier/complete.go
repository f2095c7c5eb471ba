package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sort"
	"strconv"
	"strings"
)

// checkRequest holds a request against the members that section 10 names.
func checkRequest(o object) error {
	if !o.inOrder("kind", "logs", "?first", "?last", "?received_from", "?received_to", "?from", "?to", "?filter", "?records", "?hold",
		"?matter", "?since", "?certify", "?reason") {
		return errors.New("the request has other members, or in another order")
	}
	if k := o.text("kind"); k != "range" && k != "selection" {
		return errors.New("the request is of no kind")
	}
	v, _ := o.get("logs")
	list, ok := v.([]node)
	for _, x := range list {
		name, isText := x.(string)
		ok = ok && isText && folderGrammar.MatchString(name)
	}
	for _, m := range o[2:] {
		good := true
		switch m.name {
		case "first", "last":
			_, good = m.value.(int64)
		case "received_from", "received_to":
			good = isTime(o.text(m.name))
		case "records":
			logs, isObject := m.value.(object)
			good = isObject
			for _, x := range logs {
				_, fine := spansOf(logs, x.name)
				good = good && fine
			}
		case "since":
			_, good = m.value.(object)
		case "certify":
			_, good = m.value.(bool)
		default:
			_, good = m.value.(string)
		}
		ok = ok && good
	}
	if !ok {
		return errors.New("a member of the request is not what it has to be")
	}
	return nil
}

// spanCheck holds the records of a log against what a range has to be.
type spanCheck struct {
	l             *logCheck
	active        bool // the bundle is a range
	byTime        bool
	filtered      bool // indexes and times do not tell what was asked for
	listed        bool
	asked         []span // of the request's records
	lo, hi        int64
	from, to      string
	first, last   int64 // what is here; -1: nothing
	before, after int
}

func newSpan(l *logCheck) *spanCheck {
	q := l.doc.request
	s := &spanCheck{l: l, active: l.doc.kind == "range", first: -1, last: -1, hi: l.cp.size - 1}
	s.from, s.to = q.text("received_from"), q.text("received_to")
	s.byTime = s.from != "" || s.to != ""
	s.filtered = q.has("filter") || q.has("hold") || q.has("from") || q.has("to")
	if v, there := q.get("records"); there {
		s.listed = true
		s.asked, _ = spansOf(v.(object), l.sum.log)
	}
	if q.has("first") {
		s.lo = q.number("first")
	}
	if q.has("last") && q.number("last") < s.hi {
		s.hi = q.number("last")
	}
	return s
}

func (s *spanCheck) record(where place, e *entry, state, reason string) {
	if !s.active {
		return
	}
	fail := func(format string, args ...interface{}) { s.l.fail(checkCompleteness, where, format, args...) }
	if s.first < 0 {
		s.first = e.index
	} else if e.index != s.last+1 {
		fail("entries %d to %d are left out of the range", s.last+1, e.index-1)
	}
	s.last = e.index
	beside := false
	if s.byTime {
		switch {
		case s.from != "" && e.time < s.from:
			s.before++
			beside = true
		case s.to != "" && e.time >= s.to:
			s.after++
			beside = true
		}
	} else if e.index == s.lo-1 || e.index == s.hi+1 {
		beside = true
		if state == "payload" && e.kind == "record" {
			fail("a payload beside the range that the request says")
		}
	}
	if reason != "not_requested" || beside {
		return
	}
	switch {
	case s.listed && within(s.asked, e.index) && !s.filtered:
		fail("not_requested, and the request names it")
	case !s.listed && !s.filtered:
		fail("not_requested, and it is in what was asked for")
	}
}

func (s *spanCheck) finish() {
	if !s.active {
		return
	}
	where := place{s.l.path("records.ndjson"), 0, s.last}
	fail := func(format string, args ...interface{}) { s.l.fail(checkCompleteness, where, format, args...) }
	switch {
	case s.byTime && s.first < 0:
		fail("a range that shows nothing")
	case s.byTime:
		if s.from == "" && s.first != 0 || s.to == "" && s.last != s.l.cp.size-1 {
			fail("it does not reach the log's end on the side that is open")
		}
		if s.from != "" && s.before == 0 && s.first != 0 || s.to != "" && s.after == 0 && s.last != s.l.cp.size-1 {
			fail("no entry beside the range shows that nothing is left out")
		}
		if s.before > 1 || s.after > 1 {
			fail("more than one entry beside the range")
		}
	case s.lo > s.hi:
		if s.first >= 0 {
			fail("entries where the request names none")
		}
	case s.first != s.lo && s.first != s.lo-1 || s.last != s.hi && s.last != s.hi+1 || s.last < s.lo || s.first > s.hi:
		fail("the run is %d to %d, and the request says %d to %d", s.first, s.last, s.lo, s.hi)
	}
}

// matchList is the digest of the indexes of records, as a search's statement has it.
type matchList struct {
	h     hash.Hash
	count int64
}

func (m *matchList) add(e *entry) {
	if e.kind != "record" {
		return
	}
	if m.h == nil {
		m.h = sha256.New()
	}
	m.h.Write([]byte(strconv.FormatInt(e.index, 10) + "\n"))
	m.count++
}

func (m *matchList) digest() []byte {
	if m.h == nil {
		return emptyRoot
	}
	return m.h.Sum(nil)
}

// completeness is check 13, but for what spanCheck found.
func (b *bundle) completeness() {
	fail := func(format string, args ...interface{}) {
		b.fail(checkCompleteness, at("data/bundle.json"), format, args...)
	}
	if b.doc.request.text("kind") != b.doc.kind {
		fail("a %s, and the request says %s", b.doc.kind, b.doc.request.text("kind"))
	}
	v, _ := b.doc.request.get("logs")
	asked := []string{}
	for _, x := range v.([]node) {
		asked = append(asked, x.(string))
	}
	sort.Strings(asked)
	here := []string{}
	for _, l := range b.doc.logs {
		here = append(here, l.log)
	}
	if strings.Join(asked, "/") != strings.Join(here, "/") {
		fail("the logs are not those of the request")
	}
	if b.files["data/certificate.search"] != nil {
		if err := b.certificate(); err != nil {
			b.fail(checkCompleteness, at("data/certificate.search"), "%v", err)
		}
	} else if b.doc.kind == "selection" {
		b.note("completeness is not claimed: a selection without a search certificate")
		if v, _ := b.doc.request.get("certify"); v == true {
			fail("the request asked for a search certificate, and there is none")
		}
	}
}

// --- custody ---------------------------------------------------------------------

func (b *bundle) custody() {
	path := "data/custody.ndjson"
	count, last := 0, int64(safe)
	err := b.lines(path, lineLimit, func(n int, line []byte) error {
		o, err := parseObject(line)
		if err != nil {
			return err
		}
		e, said, err := b.receipt(o)
		if err != nil {
			return err
		}
		if count++; count > 1001 {
			return errors.New("more than 1,000 earlier exports")
		}
		if n == 1 {
			return b.begun(e, said)
		}
		if said.text("type") != "export.finish" || e.index >= last {
			return errors.New("not an earlier export.finish, newest first")
		}
		last = e.index
		return nil
	})
	if err != nil {
		b.fail(checkCustody, err.place, "%s", err.reason)
	} else if count == 0 {
		b.fail(checkCustody, at(path), "it is empty")
	}
}

func (b *bundle) begun(e *entry, said object) error {
	if said.text("type") != "export.begin" || said.text("export") != b.export {
		return errors.New("the first line is not the beginning of this export")
	}
	request, _ := said.get("request")
	if !same(request, node(b.doc.request)) {
		return errors.New("the request is not that of bundle.json")
	}
	if e.time != b.doc.begun {
		return errors.New("its time is not that of bundle.json")
	}
	if b.doc.reason != b.doc.request.text("reason") {
		return errors.New("the reason is not that of the request")
	}
	by, _ := said.get("by")
	if who, ok := by.(object); ok && who.text("principal") != b.doc.requester {
		return errors.New("the requester is not that of bundle.json")
	}
	return nil
}

// receipt checks one of a record of `_system` (section 5), and gives its entry and payload.
func (b *bundle) receipt(o object) (*entry, object, error) {
	e, err := parseEntry(o.text("entry"))
	if err != nil {
		return nil, nil, err
	}
	if e.origin != b.trusted.name+"/_system" || e.kind != "record" {
		return nil, nil, errors.New("not a record of _system")
	}
	if o.has("log") && o.text("log") != "_system" || o.has("origin") && o.text("origin") != e.origin ||
		o.has("index") && o.number("index") != e.index || o.has("time") && o.text("time") != e.time {
		return nil, nil, errors.New("log, origin, index or time are not the entry's")
	}
	cp, err := parseCheckpoint([]byte(o.text("checkpoint")))
	if err != nil {
		return nil, nil, err
	}
	notes := append([][]byte{}, b.notes...)
	identities, err := texts(o, "identities", 64)
	if err != nil {
		return nil, nil, err
	}
	r, err := buildRow(b.trusted, append(notes, identities...))
	if err != nil {
		return nil, nil, err
	}
	keys, err := texts(o, "keys", 1024)
	if err != nil {
		return nil, nil, err
	}
	statements := []*statement{}
	for _, k := range keys {
		s, err := parseStatement(k, r)
		if err != nil {
			return nil, nil, err
		}
		statements = append(statements, s)
	}
	if cp.origin != e.origin {
		return nil, nil, errors.New("a checkpoint of another log")
	}
	s, err := cp.opened(statements)
	if err != nil {
		return nil, nil, err
	}
	if until := r[s.by].until; until != "" && e.time > until && e.index < s.firstSize {
		return nil, nil, errors.New("its key's statement is younger than its identity's end")
	}
	proof, err := hashes(o, "proof", 64)
	if err != nil {
		return nil, nil, err
	}
	if !verifyInclusion(e.index, cp.size, e.hash, proof, cp.root) {
		return nil, nil, errors.New("its proof does not lead to the checkpoint's root")
	}
	salt, ok := unbase64N(o.text("salt"), 16)
	sum, n, _ := commitmentOf(salt, strings.NewReader(o.text("payload")))
	if !ok || !o.has("payload") || n != e.size || !bytes.Equal(sum, e.commitment) {
		return nil, nil, errors.New("salt and payload are not what the entry commits to")
	}
	said, err := parseObject([]byte(o.text("payload")))
	return e, said, err
}

func texts(o object, name string, limit int) ([][]byte, error) {
	v, there := o.get(name)
	list, ok := v.([]node)
	if there && !ok || len(list) > limit {
		return nil, fmt.Errorf("%s is not a list, or too long", name)
	}
	out := [][]byte{}
	for _, x := range list {
		s, ok := x.(string)
		if !ok {
			return nil, fmt.Errorf("%s has what is no text", name)
		}
		out = append(out, []byte(s))
	}
	return out, nil
}

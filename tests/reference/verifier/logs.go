package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	lineLimit = 64 << 20
	large     = 65536
)

// control is a control entry with what it says.
type control struct {
	*entry
	said object
}

type runProof struct {
	first, last int64
	left, right [][]byte
	line        int
}

// logCheck checks what a bundle has of one log.
type logCheck struct {
	*bundle
	folder, origin string
	sum            summary
	statements     []*statement
	cp             *checkpoint
	speaks         *statement
	controls       []control
	tip            *entry
	runs           []runProof
	rules          *rules
	shown          *entry // the newest that the chain was held against
	shownRuns      []span // of records.ndjson
	nextControl    int
	stopped        bool // the format failed: what follows would say nothing

	// of records.ndjson
	run      sequence
	runAt    int // of runs
	count    summary
	prefix   growing          // the log from entry 0 on, as long as the records are it
	roots    map[int64][]byte // of sizes that somebody asks for
	span     *spanCheck       // what a range has to be
	matches  matchList        // indexes of records, for certificates
	bins     []string         // paths in files/ that no line named yet
	lastSeen *entry
}

func (l *logCheck) path(name string) string { return "data/" + l.folder + "/" + name }

func (l *logCheck) check() {
	l.keys()
	if l.cp == nil {
		return
	}
	if !l.readControls() || !l.readProofs() {
		return
	}
	l.rules = newRules(l)
	l.roots = map[int64][]byte{}
	l.span = newSpan(l)
	for _, s := range l.since {
		if s.origin == l.origin {
			l.roots[s.size] = nil
		}
	}
	for _, p := range l.paths {
		if strings.HasPrefix(p, l.path("files/")) {
			l.bins = append(l.bins, p)
		}
	}
	if l.readRecords() {
		l.consistency()
		l.rules.finish()
		l.span.finish()
	}
}

// --- keys ------------------------------------------------------------------------

func (l *logCheck) keys() {
	path := l.path("keys.txt")
	err := l.lines(path, 256<<10, func(n int, line []byte) error {
		if bytes.HasPrefix(line, []byte("identity ")) {
			return nil
		}
		if !bytes.HasPrefix(line, []byte("key ")) || len(l.statements) == 1024 {
			return errors.New("neither `identity` nor `key`, or too many")
		}
		raw, err := unbase64(string(line[4:]))
		if err != nil {
			return err
		}
		s, err := parseStatement(raw, l.row)
		if err == nil && s.key.name != l.origin {
			err = fmt.Errorf("a statement about %s", s.key.name)
		}
		l.statements = append(l.statements, s)
		return err
	})
	if err != nil {
		l.fail(checkKeys, err.place, "%s", err.reason)
		return
	}
	fail := func(format string, args ...interface{}) { l.fail(checkKeys, at(l.path("checkpoint")), format, args...) }
	body, e := l.a.all(l.files[l.path("checkpoint")], 128<<10)
	if e != nil {
		fail("%v", e)
		return
	}
	cp, e := parseCheckpoint(body)
	if e != nil {
		fail("%v", e)
		return
	}
	if cp.origin != l.origin {
		fail("the origin is %s, not %s", cp.origin, l.origin)
		return
	}
	if l.speaks, e = cp.opened(l.statements); e != nil {
		fail("%v", e)
		return
	}
	if cp.size != l.sum.size {
		fail("its size is %d, and bundle.json says %d", cp.size, l.sum.size)
		return
	}
	l.cp = cp
}

// --- reading ---------------------------------------------------------------------

// ndjson calls f with each line as an object; a line that is none, or that f refuses, fails `entries`.
func (l *logCheck) ndjson(name string, f func(where place, o object) error) bool {
	path := l.path(name)
	err := l.lines(path, lineLimit, func(n int, line []byte) error {
		o, err := parseObject(line)
		if err != nil {
			return err
		}
		return f(place{path, n, -1}, o)
	})
	if err != nil {
		l.fail(checkEntries, err.place, "%s", err.reason)
		l.stopped = true
	}
	return err == nil
}

// entryOf reads the member `name` as an entry of this log below the size.
func (l *logCheck) entryOf(o object, name string) (*entry, error) {
	e, err := parseEntry(o.text(name))
	if err != nil {
		return nil, err
	}
	if e.origin != l.origin {
		return nil, fmt.Errorf("an entry of %s", e.origin)
	}
	if e.index >= l.cp.size {
		return nil, fmt.Errorf("entry %d is not below the size %d", e.index, l.cp.size)
	}
	return e, nil
}

func hashes(o object, name string, limit int) ([][]byte, error) {
	v, _ := o.get(name)
	list, ok := v.([]node)
	if !ok || len(list) > limit {
		return nil, fmt.Errorf("%s is not a list of hashes", name)
	}
	out := make([][]byte, 0, len(list))
	for _, x := range list {
		s, _ := x.(string)
		h, ok := unbase64N(s, 32)
		if !ok {
			return nil, fmt.Errorf("%s has what is no hash", name)
		}
		out = append(out, h)
	}
	return out, nil
}

func commitmentOf(salt []byte, payload io.Reader) ([]byte, int64, error) {
	h := sha256.New()
	h.Write([]byte("stele-payload-1\n"))
	h.Write(salt)
	n, err := io.Copy(h, payload)
	return h.Sum(nil), n, err
}

func (l *logCheck) commitment(where place, e *entry, salt []byte, payload io.Reader) {
	where.index = e.index
	sum, n, err := commitmentOf(salt, payload)
	if err != nil || n != e.size || !bytes.Equal(sum, e.commitment) {
		l.fail(checkCommitments, where, "salt and payload are not what the entry commits to")
	}
}

func (l *logCheck) readControls() bool {
	ok := l.ndjson("controls.ndjson", func(where place, o object) error {
		if !o.inOrder("entry", "salt", "payload", "proof") {
			return errors.New("its members are not those of a control entry's line")
		}
		e, err := l.entryOf(o, "entry")
		if err != nil {
			return err
		}
		if e.kind == "record" {
			return errors.New("a record among the control entries")
		}
		if n := len(l.controls); n > 0 && l.controls[n-1].index >= e.index {
			return errors.New("indexes do not ascend")
		}
		proof, err := hashes(o, "proof", 64)
		if err != nil {
			return err
		}
		salt, ok := unbase64N(o.text("salt"), 16)
		payload, isText := o.get("payload")
		text, isText2 := payload.(string)
		if !ok || !isText || !isText2 {
			return errors.New("no salt or no payload")
		}
		l.commitment(where, e, salt, strings.NewReader(text))
		where.index = e.index
		if !verifyInclusion(e.index, l.cp.size, e.hash, proof, l.cp.root) {
			l.fail(checkInclusion, where, "the proof does not lead to the checkpoint's root")
		}
		said, err := parseObject([]byte(text))
		if err != nil {
			l.fail(checkRules, where, "what a control entry says: %v", err)
		}
		l.controls = append(l.controls, control{e, said})
		return nil
	})
	if ok && int64(len(l.controls)) != l.sum.controls {
		l.fail(checkEntries, at(l.path("controls.ndjson")), "%d lines, and bundle.json says %d", len(l.controls), l.sum.controls)
	}
	if ok && (len(l.controls) == 0 || l.controls[0].index != 0) {
		l.fail(checkControls, at(l.path("controls.ndjson")), "entry 0 is missing")
	}
	return ok
}

func (l *logCheck) readProofs() bool {
	path := l.path("proofs.ndjson")
	line := 0
	ok := l.ndjson("proofs.ndjson", func(where place, o object) error {
		line++
		if l.tip != nil {
			return errors.New("a line behind the tip's")
		}
		if o.inOrder("tip", "proof") {
			e, err := l.entryOf(o, "tip")
			if err != nil {
				return err
			}
			if e.index != l.cp.size-1 {
				return errors.New("the tip is not the log's last entry")
			}
			proof, err := hashes(o, "proof", 64)
			if err != nil {
				return err
			}
			l.tip = e
			if !verifyInclusion(e.index, l.cp.size, e.hash, proof, l.cp.root) {
				l.fail(checkInclusion, place{path, line, e.index}, "the tip's proof does not lead to the checkpoint's root")
			}
			return nil
		}
		if !o.inOrder("first", "last", "left", "right") {
			return errors.New("neither a run nor the tip")
		}
		r := runProof{first: o.number("first"), last: o.number("last"), line: line}
		if n := len(l.runs); r.first < 0 || r.last < r.first || r.last >= l.cp.size || n > 0 && l.runs[n-1].last+1 >= r.first {
			return errors.New("runs do not ascend, or touch, or are not below the size")
		}
		var err error
		if r.left, err = hashes(o, "left", 64); err != nil {
			return err
		}
		if r.right, err = hashes(o, "right", 128); err != nil {
			return err
		}
		l.runs = append(l.runs, r)
		return nil
	})
	if ok && l.tip == nil {
		l.fail(checkEntries, at(path), "no line of the tip")
		l.stopped = true
	}
	return ok && l.tip != nil
}

// --- the chain and the control entries -------------------------------------------

// show holds an entry against the one before it in the bundle, and against the control entries.
func (l *logCheck) show(where place, e *entry) {
	where.index = e.index
	nearest := int64(0)
	for l.nextControl < len(l.controls) && l.controls[l.nextControl].index < e.index {
		l.nextControl++
	}
	if l.nextControl > 0 {
		nearest = l.controls[l.nextControl-1].index
	}
	if e.ctl != nearest {
		l.fail(checkControls, where, "ctl of entry %d is %d, and the nearest control entry here is %d", e.index, e.ctl, nearest)
	}
	if e.kind != "record" && (l.nextControl == len(l.controls) || l.controls[l.nextControl].raw != e.raw) {
		l.fail(checkControls, where, "the control entry %d is not in controls.ndjson", e.index)
	}
	if p := l.shown; p != nil {
		switch {
		case p.index == e.index && p.raw != e.raw:
			l.fail(checkInclusion, where, "two entries %d", e.index)
		case p.index+1 == e.index && !bytes.Equal(p.hash, e.prev):
			l.fail(checkChain, where, "prev is not the hash of entry %d", p.index)
		}
		if e.time < p.time {
			l.fail(checkChain, where, "its time is before that of entry %d", p.index)
		}
	}
	if i := l.identityOf(); i.until != "" && e.time > i.until && e.index < l.speaks.firstSize {
		l.fail(checkKeys, where, "the key's statement is younger than an entry that is younger than its identity's end")
	}
	l.shown = e
}

func (l *logCheck) identityOf() identity { return l.row[l.speaks.by] }

// showUpTo shows the control entries below an index.
func (l *logCheck) showUpTo(index int64) {
	for i := l.nextControl; i < len(l.controls) && l.controls[i].index < index; i++ {
		if l.shown == nil || l.controls[i].index > l.shown.index {
			l.show(place{l.path("controls.ndjson"), i + 1, 0}, l.controls[i].entry)
		}
	}
}

// --- records ---------------------------------------------------------------------

func (l *logCheck) readRecords() bool {
	ok := l.ndjson("records.ndjson", l.record)
	if !ok {
		return false
	}
	l.endRun()
	if l.runAt != len(l.runs) {
		l.fail(checkInclusion, place{l.path("proofs.ndjson"), l.runs[l.runAt].line, -1}, "a run that is not in records.ndjson")
	}
	l.showUpTo(l.cp.size - 1)
	if l.shown == nil || l.shown.index <= l.tip.index {
		l.show(at(l.path("proofs.ndjson")), l.tip)
	}
	if len(l.bins) != 0 {
		l.fail(checkCommitments, at(l.bins[0]), "no line names this file")
	}
	c, s := l.count, l.sum
	if c.entries != s.entries || c.payloads != s.payloads || c.purged != s.purged || c.withheld != s.withheld || c.payloadBytes != s.payloadBytes {
		l.fail(checkEntries, at(l.path("records.ndjson")), "counts are not those of bundle.json")
	}
	return true
}

func (l *logCheck) record(where place, o object) error {
	e, err := l.entryOf(o, "entry")
	if err != nil {
		return err
	}
	if l.lastSeen != nil && l.lastSeen.index >= e.index {
		return errors.New("indexes do not ascend")
	}
	where.index = e.index
	if l.lastSeen != nil && l.lastSeen.index+1 != e.index {
		l.endRun()
	}
	if len(l.run) == 0 {
		l.beginRun(where, e)
	}
	l.run.add(subtree{e.index, 0, e.hash})
	l.showUpTo(e.index)
	l.show(where, e)
	l.lastSeen = e
	l.count.entries++
	if l.prefix.count == e.index {
		l.prefix.leaf(e.hash)
		if _, asked := l.roots[l.prefix.count]; asked {
			l.roots[l.prefix.count] = l.prefix.seq.root()
		}
	}
	state, reason, err := l.payload(where, e, o)
	if err != nil {
		return err
	}
	l.rules.record(where, e, state, o.number("purged"))
	l.span.record(where, e, state, reason)
	l.matches.add(e)
	l.showRun(e.index)
	return nil
}

// payload checks the rest of a line: what became of its payload.
func (l *logCheck) payload(where place, e *entry, o object) (state, reason string, err error) {
	switch {
	case o.inOrder("entry", "purged") && o.number("purged") >= 0:
		l.count.purged++
		state = "purged"
	case o.inOrder("entry", "withheld"):
		l.count.withheld++
		state, reason = "withheld", o.text("withheld")
		switch reason {
		case "not_requested", "not_permitted", "restricted", "unreadable":
		default:
			return "", "", errors.New("an unknown reason to withhold")
		}
	default:
		l.count.payloads++
		l.count.payloadBytes += e.size
		return "payload", "", l.present(where, e, o)
	}
	if e.kind != "record" {
		return "", "", errors.New("a control entry without its payload")
	}
	return state, reason, nil
}

func (l *logCheck) present(where place, e *entry, o object) error {
	salt, ok := unbase64N(o.text("salt"), 16)
	if !ok || len(o) != 3 || o[1].name != "salt" {
		return errors.New("its members are not those of a record's line")
	}
	text, isText := o[2].value.(string)
	if !isText {
		return errors.New("its members are not those of a record's line")
	}
	var payload io.Reader
	switch o[2].name {
	case "payload":
		payload = strings.NewReader(text)
	case "payload_b64":
		raw, err := unbase64(text)
		if err != nil || utf8.Valid(raw) {
			return errors.New("payload_b64 is not base64, or is UTF-8")
		}
		payload, text = bytes.NewReader(raw), string(raw)
	case "file":
		if text != fmt.Sprintf("%015d.bin", e.index) || e.size <= large {
			return errors.New("the file is another's, or the payload is short enough for the line")
		}
		path := l.path("files/" + text)
		if len(l.bins) == 0 || l.bins[0] != path {
			l.fail(checkCommitments, where, "the next file is not %s", text)
			return nil
		}
		l.bins = l.bins[1:]
		payload, _ = l.a.open(l.files[path])
		l.commitment(where, e, salt, payload)
		return nil
	default:
		return errors.New("its members are not those of a record's line")
	}
	if len(text) > large {
		return errors.New("a payload of more than 65,536 bytes in a line")
	}
	l.commitment(where, e, salt, payload)
	return nil
}

func (l *logCheck) beginRun(where place, e *entry) {
	if l.runAt == len(l.runs) || l.runs[l.runAt].first != e.index {
		l.fail(checkInclusion, where, "no proof of a run that begins here")
		return
	}
	r := l.runs[l.runAt]
	if !l.run.cover(0, r.first, r.left) {
		l.fail(checkInclusion, place{l.path("proofs.ndjson"), r.line, -1}, "not the hashes before the run")
	}
}

func (l *logCheck) endRun() {
	if l.lastSeen == nil {
		return
	}
	whole := l.run
	l.run = nil
	if l.runAt == len(l.runs) || l.runs[l.runAt].last != l.lastSeen.index {
		l.fail(checkInclusion, place{l.path("proofs.ndjson"), 0, l.lastSeen.index}, "no proof of a run that ends here")
		return
	}
	r := l.runs[l.runAt]
	l.runAt++
	where := place{l.path("proofs.ndjson"), r.line, -1}
	if !whole.cover(r.last+1, l.cp.size, r.right) {
		l.fail(checkInclusion, where, "not the hashes behind the run")
	} else if !bytes.Equal(whole.root(), l.cp.root) {
		l.fail(checkInclusion, where, "the run does not lead to the checkpoint's root")
	}
}

// --- consistency -----------------------------------------------------------------

func (l *logCheck) consistency() {
	proofs := map[int64][][]byte{}
	if l.files[l.path("consistency.ndjson")] != nil {
		last := int64(0)
		l.ndjson("consistency.ndjson", func(where place, o object) error {
			from := o.number("from")
			proof, err := hashes(o, "proof", 128)
			if err != nil || !o.inOrder("from", "proof") || from <= last {
				return errors.New("not a consistency proof, or not ascending")
			}
			if last = from; from > l.cp.size || len(proof) != consistencyLength(from, l.cp.size) {
				l.fail(checkConsistency, where, "not a proof from the size %d", from)
			}
			proofs[from] = proof
			return nil
		})
	}
	for _, s := range l.since {
		if s.origin != l.origin {
			continue
		}
		where := at(l.path("consistency.ndjson"))
		if _, err := s.opened(l.statements); err != nil {
			l.fail(checkConsistency, where, "the older checkpoint: %v", err)
			continue
		}
		proof, there := proofs[s.size]
		root := l.roots[s.size]
		switch {
		case s.size > l.cp.size:
			l.fail(checkConsistency, where, "the checkpoint at hand has %d entries, and this one %d: a rollback", s.size, l.cp.size)
		case s.size == l.cp.size:
			if !bytes.Equal(s.root, l.cp.root) {
				l.fail(checkConsistency, where, "another root at the same size: a fork")
			}
		case there && verifyConsistency(s.size, l.cp.size, s.root, l.cp.root, proof):
		case root != nil:
			if !bytes.Equal(root, s.root) {
				l.fail(checkConsistency, where, "the entries do not lead to the root at hand: a fork")
			}
		case there:
			l.fail(checkConsistency, where, "the tree did not grow out of the one at hand")
		default:
			l.fail(checkConsistency, where, "nothing shows that it grew out of the size %d: export with since %s:%d", s.size, l.sum.log, s.size)
		}
	}
}

// sinceLeft refuses older checkpoints of logs that are not here.
func (b *bundle) sinceLeft() {
	for _, s := range b.since {
		found := false
		for _, l := range b.logs {
			found = found || l.origin == s.origin
		}
		if !found {
			b.fail(checkConsistency, at(""), "the older checkpoint is of %s, which is not here", s.origin)
		}
	}
}

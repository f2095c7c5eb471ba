package main

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// stamped is a checkpoint of `_system` with its timestamps (section 10).
type stamped struct {
	size   int64
	path   string // without .checkpoint
	tokens []string
	note   []byte
	first  *stamp
	covers []int64 // of each log: the size up to which it is covered
}

const (
	stampedMost = 16
	stampedAt   = "data/timestamps/"
)

var stampedGrammar = regexp.MustCompile(`^data/timestamps/([0-9]{15})\.checkpoint$`)

// layoutTimestamps takes the files of timestamps/ from the i-th path on; it gives the path behind them.
func (b *bundle) layoutTimestamps(i int) (int, error) {
	for i < len(b.paths) && strings.HasPrefix(b.paths[i], stampedAt) {
		m := stampedGrammar.FindStringSubmatch(b.paths[i])
		if m == nil || len(b.stamped) == stampedMost {
			return i, fmt.Errorf("%q is no file of the next checkpoint of timestamps/", b.paths[i])
		}
		s := &stamped{path: stampedAt + m[1]}
		fmt.Sscanf(m[1], "%d", &s.size)
		if s.size == 0 || len(b.stamped) > 0 && s.size <= b.stamped[len(b.stamped)-1].size {
			return i, fmt.Errorf("%q is not in its place", b.paths[i])
		}
		if i++; i == len(b.paths) || b.paths[i] != s.path+".ndjson" {
			return i, fmt.Errorf("%q is missing", s.path+".ndjson")
		}
		i++
		for k := 1; k <= 8 && i < len(b.paths); k++ {
			if b.paths[i] == fmt.Sprintf("%s-%d.tsr", s.path, k) {
				s.tokens = append(s.tokens, b.paths[i])
				i++
			}
		}
		if len(s.tokens) == 0 {
			return i, fmt.Errorf("there is no timestamp of %q", s.path)
		}
		b.stamped = append(b.stamped, s)
	}
	return i, nil
}

// timestamps is check 13.
func (b *bundle) timestamps() {
	if len(b.stamped) == 0 {
		b.note("there are no timestamps: when the records came to be is the server's word")
		if b.roots != nil {
			b.fail(checkTimestamps, at(""), "it has no timestamps, and roots of authorities were given")
		}
		return
	}
	for i, s := range b.stamped {
		if err := b.stampedNote(s); err != nil {
			b.fail(checkTimestamps, at(s.path+".checkpoint"), "%v", err)
			return
		}
		imprint := sha256.Sum256(s.note)
		for _, path := range s.tokens {
			raw, err := b.a.all(b.files[path], timestampBytes)
			var said *stamp
			if err == nil {
				said, err = checkToken(raw, imprint[:], b.roots)
			}
			if err != nil {
				b.fail(checkTimestamps, at(path), "%v", err)
				return
			}
			if s.first == nil || said.gen.Before(s.first.gen) {
				s.first = said
			}
		}
		c := &coverCheck{b: b, s: s, earlier: b.stamped[:i], heads: map[int64]object{}, named: map[int64]bool{}}
		err := b.lines(s.path+".ndjson", lineLimit, c.line)
		if err != nil {
			b.fail(checkTimestamps, err.place, "%s", err.reason)
		} else if err := c.end(); err != nil {
			b.fail(checkTimestamps, at(s.path+".ndjson"), "%v", err)
		}
	}
	if b.first[checkTimestamps] == nil {
		b.sayTimestamps()
	}
}

func (b *bundle) stampedNote(s *stamped) error {
	var err error
	if s.note, err = b.a.all(b.files[s.path+".checkpoint"], 128<<10); err != nil {
		return err
	}
	cp, err := parseCheckpoint(s.note)
	if err == nil && (cp.origin != b.trusted.name+"/_system" || cp.size != s.size) {
		err = errors.New("it is no checkpoint of the server's _system, of the size in its name")
	}
	return err
}

// coverCheck is one SIZE.ndjson: receipts, then a line for each log.
type coverCheck struct {
	b       *bundle
	s       *stamped
	earlier []*stamped
	heads   map[int64]object // by the record's index
	named   map[int64]bool
	last    int64 // of the receipts, 1 + index
	logs    int   // lines of logs so far
	covers  bool
}

func (c *coverCheck) line(_ int, line []byte) error {
	o, err := parseObject(line)
	if err != nil {
		return err
	}
	if c.logs == 0 && o.has("entry") {
		return c.receipt(o)
	}
	return c.log(o)
}

func (c *coverCheck) receipt(o object) error {
	e, said, err := c.b.receipt(o)
	if err != nil {
		return err
	}
	if o.text("checkpoint") != string(c.s.note) {
		return errors.New("it leads to another checkpoint than the one that was timestamped")
	}
	if e.index < c.last {
		return errors.New("records are not in ascending order")
	}
	c.last = e.index + 1
	switch said.text("type") {
	case "heads":
		c.heads[e.index] = said
		return nil
	case "timestamp":
		return c.renewed(said)
	}
	return errors.New("it is neither of heads nor of a timestamp")
}

// renewed: the record is of a timestamp of this bundle, of a smaller size.
func (c *coverCheck) renewed(said object) error {
	for _, s := range c.earlier {
		for _, path := range s.tokens {
			raw, err := c.b.a.all(c.b.files[path], timestampBytes)
			if err == nil && said.text("checkpoint") == string(s.note) && said.text("token") == base64.StdEncoding.EncodeToString(raw) {
				return nil
			}
		}
	}
	return errors.New("it is of no earlier timestamp of this bundle")
}

func (c *coverCheck) log(o object) error {
	if c.logs == len(c.b.logs) {
		return errors.New("it has more lines than the bundle has logs")
	}
	l := c.b.logs[c.logs]
	c.logs++
	if o.text("log") != l.sum.log {
		return errors.New("it is not of the log that comes next")
	}
	size := o.number("size")
	var root []byte
	switch {
	case o.inOrder("log"):
		c.s.covers = append(c.s.covers, 0)
		return nil
	case l.sum.log == "_system" && o.inOrder("log", "size", "proof") && size == c.s.size:
		cp, _ := parseCheckpoint(c.s.note)
		root = cp.root
	case l.sum.log != "_system" && o.inOrder("log", "size", "record", "proof"):
		c.named[o.number("record")] = true
		if root = headOf(c.heads[o.number("record")], l.sum.log, size); root == nil {
			return errors.New("no record here has that head of the log")
		}
	default:
		return errors.New("it does not follow the format")
	}
	proof, err := hashes(o, "proof", 64)
	if err != nil {
		return err
	}
	if l.cp == nil {
		return errors.New("the log has no checkpoint")
	}
	from, to, old, now := size, l.cp.size, root, l.cp.root
	if from > to {
		from, to, old, now = to, from, now, old
	}
	if !verifyConsistency(from, to, old, now, proof) || len(proof) != lengthOrNone(from, to) {
		return errors.New("the head that was timestamped and the log's checkpoint are not of one history")
	}
	c.s.covers, c.covers = append(c.s.covers, size), true
	return nil
}

func lengthOrNone(from, to int64) int {
	if from == to {
		return 0
	}
	return consistencyLength(from, to)
}

// headOf is the root of that head in a heads record, nil when it has none.
func headOf(said object, log string, size int64) []byte {
	v, _ := said.get("heads")
	list, _ := v.([]node)
	for _, x := range list {
		h, _ := x.(object)
		if h.text("log") == log && h.number("size") == size {
			root, _ := unbase64N(h.text("root"), 32)
			return root
		}
	}
	return nil
}

func (c *coverCheck) end() error {
	for index := range c.heads {
		if !c.named[index] {
			return errors.New("a record has heads that no line names")
		}
	}
	if c.logs != len(c.b.logs) {
		return errors.New("it does not have a line for each log")
	}
	if !c.covers {
		return errors.New("it covers nothing of the bundle")
	}
	return nil
}

// sayTimestamps tells what is proven, of the checkpoint that leaves the fewest entries uncovered.
func (b *bundle) sayTimestamps() {
	var best *stamped
	fewest, all := int64(0), int64(0)
	for _, l := range b.logs {
		all += l.sum.entries
	}
	for _, s := range b.stamped {
		left := int64(0)
		for i, l := range b.logs {
			left += l.shownFrom(s.covers[i])
		}
		if best == nil || left < fewest || left == fewest && s.first.gen.Before(best.first.gen) {
			best, fewest = s, left
		}
	}
	text := fmt.Sprintf("%d of %d entries existed no later than %s according to %s", all-fewest, all,
		best.first.when.UTC().Format("2006-01-02T15:04:05.000000000Z"), best.first.name)
	if fewest > 0 {
		text += fmt.Sprintf("; %d are younger than what was timestamped", fewest)
	}
	if b.roots == nil {
		text += "; nobody has judged that authority: give its root (-tsa-ca)"
	}
	b.note("%s", text)
}

// shownFrom is how many entries of records.ndjson have that index or a later one.
func (l *logCheck) shownFrom(index int64) int64 {
	n := int64(0)
	for _, r := range l.shownRuns {
		if r[1] < index {
			continue
		}
		first := r[0]
		if first < index {
			first = index
		}
		n += r[1] - first + 1
	}
	return n
}

func (l *logCheck) showRun(index int64) {
	if n := len(l.shownRuns); n > 0 && l.shownRuns[n-1][1] == index-1 {
		l.shownRuns[n-1][1] = index
		return
	}
	l.shownRuns = append(l.shownRuns, span{index, index})
}

package main

import (
	"bytes"
	"fmt"
	"sort"
)

type span [2]int64

// spansOf reads a member as ranges: in order and apart from each other.
func spansOf(o object, name string) ([]span, bool) {
	v, _ := o.get(name)
	list, ok := v.([]node)
	out := make([]span, 0, len(list))
	for _, x := range list {
		pair, _ := x.([]node)
		if len(pair) != 2 {
			return nil, false
		}
		first, ok1 := pair[0].(int64)
		last, ok2 := pair[1].(int64)
		if !ok1 || !ok2 || last < first || len(out) > 0 && out[len(out)-1][1] >= first {
			return nil, false
		}
		out = append(out, span{first, last})
	}
	return out, ok
}

func within(list []span, i int64) bool {
	k := sort.Search(len(list), func(k int) bool { return list[k][1] >= i })
	return k < len(list) && list[k][0] <= i
}

type extension struct {
	index     int64
	ranges    []span
	until     string
	shortens  bool
	placeLine int
}

type eventEntry struct {
	index       int64
	name, until string
}

// holding is what a hold covers after one of its entries.
type holding struct {
	index    int64
	ranges   []span
	openFrom int64 // -1: none
	release  bool
	id       string
}

type purgeEntry struct {
	index, count int64
	line         int
	ranges       []span
	root         []byte
	restored     bool
	allowedBy    int64
	instant      string
	tree         growing
}

// rules judge what the control entries say (check 11).
type rules struct {
	l        *logCheck
	policies []*policy
	extends  []extension
	events   []eventEntry
	holdings []holding
	purges   []*purgeEntry
	covered  []span // of all purges, ascending
	by       []*purgeEntry
}

func (r *rules) where(i int) place {
	return place{r.l.path("controls.ndjson"), i + 1, r.l.controls[i].index}
}

func newRules(l *logCheck) *rules {
	r := &rules{l: l}
	for i, c := range l.controls {
		if err := r.take(i, c); err != nil {
			l.fail(checkRules, r.where(i), "%s: %v", c.kind, err)
		}
	}
	type pair struct {
		s span
		p *purgeEntry
	}
	all := []pair{}
	for _, p := range r.purges {
		for _, s := range p.ranges {
			all = append(all, pair{s, p})
		}
	}
	sort.Slice(all, func(a, b int) bool { return all[a].s[0] < all[b].s[0] })
	for i, x := range all {
		if i > 0 && all[i-1].s[1] >= x.s[0] {
			l.fail(checkRules, place{l.path("controls.ndjson"), x.p.line, x.p.index}, "a record is in two purges")
			continue
		}
		r.covered, r.by = append(r.covered, x.s), append(r.by, x.p)
	}
	for i, c := range l.controls {
		if p := r.purgeOf(c.index); p != nil {
			l.fail(checkRules, r.where(i), "the control entry %d is in a purge", c.index)
		}
	}
	return r
}

func (r *rules) purgeOf(i int64) *purgeEntry {
	k := sort.Search(len(r.covered), func(k int) bool { return r.covered[k][1] >= i })
	if k < len(r.covered) && r.covered[k][0] <= i {
		return r.by[k]
	}
	return nil
}

func (r *rules) policyBelow(index int64) *policy {
	var found *policy
	for _, p := range r.policies {
		if p.index < index {
			found = p
		}
	}
	return found
}

func (r *rules) take(i int, c control) error {
	o := c.said
	typed := func() error {
		if o.text("type") != c.kind {
			return fmt.Errorf("its type is %q", o.text("type"))
		}
		return nil
	}
	switch c.kind {
	case "policy":
		return r.policy(c)
	case "extend":
		if err := typed(); err != nil {
			return err
		}
		return r.extend(i, c)
	case "event":
		if o.text("event") == "" || !isTime(o.text("until")) || !isTime(o.text("at")) || o.text("until") < o.text("at") {
			return fmt.Errorf("event, at or until is missing or none")
		}
		r.events = append(r.events, eventEntry{c.index, o.text("event"), o.text("until")})
		return typed()
	case "hold":
		ranges, ok := spansOf(o, "ranges")
		if !ok || o.text("hold") == "" || o.has("open_from") && o.number("open_from") < 0 {
			return fmt.Errorf("its ranges or its id are none")
		}
		r.holdings = append(r.holdings, holding{c.index, ranges, o.number("open_from"), false, o.text("hold")})
		return typed()
	case "release":
		if o.text("hold") == "" {
			return fmt.Errorf("it has no hold")
		}
		r.holdings = append(r.holdings, holding{c.index, nil, -1, true, o.text("hold")})
		return typed()
	case "purge":
		if err := typed(); err != nil {
			return err
		}
		return r.purge(i, c)
	}
	return r.keyEntry(c) // key, restore
}

// keyEntry holds the statement of an entry against the one that signed the checkpoint.
func (r *rules) keyEntry(c control) error {
	s, err := parseStatement([]byte(c.said.text("key_statement")), r.l.row)
	if err != nil {
		return err
	}
	if s.key.name != r.l.origin || s.firstSize != c.index+1 {
		return fmt.Errorf("its statement is not of this log from the size %d on", c.index+1)
	}
	if s.by < 0 {
		return nil // of an identity that nothing ties to the trusted one
	}
	best := r.l.speaks
	if s.epoch > best.epoch || s.epoch == best.epoch && s.key.text != best.key.text {
		return fmt.Errorf("by the epoch %d, another key than the checkpoint's speaks for its size", s.epoch)
	}
	return nil
}

func (r *rules) policy(c control) error {
	p, ok := readPolicy(c.index, c.said)
	if !ok {
		return fmt.Errorf("it cannot be read")
	}
	before := r.policyBelow(c.index)
	r.policies = append(r.policies, p)
	if before != nil && before.inCompliance(c.time) {
		if what := before.weaker(p, c.time); what != "" {
			return fmt.Errorf("weaker than the one before, in compliance: %s", what)
		}
	}
	if c.index == 0 {
		return r.keyEntry(c)
	}
	return nil
}

func second(o object) bool {
	return o.text("approved_by") != "" && o.text("approved_by") != o.text("by")
}

func (r *rules) extend(i int, c control) error {
	o := c.said
	ranges, ok := spansOf(o, "ranges")
	short, there := o.get("shorten")
	if !ok || !isTime(o.text("until")) || there && short != true {
		return fmt.Errorf("its ranges or until are none")
	}
	r.extends = append(r.extends, extension{c.index, ranges, o.text("until"), there, i + 1})
	if !there {
		return nil
	}
	if !second(o) {
		return fmt.Errorf("it shortens, and no second principal approved it")
	}
	if p := r.policyBelow(c.index); p != nil && p.inCompliance(c.time) {
		return fmt.Errorf("it shortens, in compliance")
	}
	return nil
}

func (r *rules) purge(i int, c control) error {
	o := c.said
	p := &purgeEntry{index: c.index, line: i + 1, count: o.number("count"), restored: o.has("restored")}
	var ok, ok2 bool
	p.ranges, ok = spansOf(o, "ranges")
	p.root, ok2 = unbase64N(o.text("root"), 32)
	if !ok || !ok2 || len(p.ranges) == 0 || p.ranges[len(p.ranges)-1][1] >= c.index {
		return fmt.Errorf("its ranges or its root are none")
	}
	r.purges = append(r.purges, p)
	count := int64(0)
	for _, s := range p.ranges {
		count += s[1] - s[0] + 1
	}
	if count != p.count {
		return fmt.Errorf("its count is %d, and its ranges have %d", p.count, count)
	}
	if p.restored {
		after := false
		for _, x := range r.l.controls[:i] {
			after = after || x.kind == "restore"
		}
		if !after {
			return fmt.Errorf("restored, and no restore entry is before it")
		}
		v, _ := o.get("restored")
		if x, ok := v.(object); !ok || x.number("entry") < 0 {
			return fmt.Errorf("restored is none")
		}
		return nil
	}
	v, _ := o.get("clock")
	clock, _ := v.(object)
	p.allowedBy = o.number("allowed_by")
	if !isTime(clock.text("evidence")) || !isTime(clock.text("lock")) || p.allowedBy < 0 || p.allowedBy >= c.index {
		return fmt.Errorf("clock or allowed_by is none")
	}
	if p.instant = clock.text("evidence"); clock.text("lock") < p.instant {
		p.instant = clock.text("lock")
	}
	return r.allowed(p, c)
}

// allowed judges all of a purge entry but the locks of its records.
func (r *rules) allowed(p *purgeEntry, c control) error {
	found := false
	for _, x := range r.l.controls {
		found = found || x.index == p.allowedBy
		if x.index > p.allowedBy && x.index < c.index && x.kind != "key" && x.kind != "restore" {
			return fmt.Errorf("allowed_by is %d, and the %s entry %d came between", p.allowedBy, x.kind, x.index)
		}
	}
	force := r.policyBelow(c.index)
	if !found || force == nil || c.said.number("policy") != force.index {
		return fmt.Errorf("policy or allowed_by is not the index of the entry that it has to be")
	}
	if force.dual["purge"] && !second(c.said) {
		return fmt.Errorf("the policy asks for a second principal")
	}
	return nil
}

// record judges a line of records.ndjson: what was purged, and what was shortened.
func (r *rules) record(where place, e *entry, state string, purged int64) {
	fail := func(format string, args ...interface{}) { r.l.fail(checkRules, where, format, args...) }
	for _, x := range r.extends {
		if x.shortens && e.kind == "record" && within(x.ranges, e.index) && (e.mode == "compliance" || e.event != "") {
			fail("entry %d shortens the lock of a record in compliance mode or with an event", x.index)
		}
	}
	p := r.purgeOf(e.index)
	if p == nil {
		if state == "purged" {
			fail("no purge entry covers it")
		}
		return
	}
	if state != "purged" || purged != p.index {
		fail("the purge entry %d covers it, and the line says otherwise", p.index)
		return
	}
	p.tree.leaf(e.hash)
	if p.restored {
		return
	}
	if until, locked := r.lock(e, p.allowedBy); locked && (until == "" || p.instant < until) {
		fail("purged by entry %d while it was locked until %q", p.index, until)
	}
	if hold := r.held(e.index, p.allowedBy); hold != "" {
		fail("purged by entry %d under the hold %s", p.index, hold)
	}
}

// lock is until when a record is locked by the entries up to one; "": an event is waited for.
func (r *rules) lock(e *entry, upTo int64) (until string, locked bool) {
	until, locked = e.retainUntil, e.mode != ""
	later := func(a, b string) string {
		if a < b {
			return b
		}
		return a
	}
	extended, came := "", ""
	for _, x := range r.extends {
		if x.index <= e.index || x.index > upTo || !within(x.ranges, e.index) {
			continue
		}
		if x.shortens {
			until, extended = x.until, x.until
		} else {
			until, extended = later(until, x.until), later(extended, x.until)
		}
		locked = true
	}
	if e.event == "" {
		return until, locked
	}
	for _, x := range r.events {
		if x.index > e.index && x.index <= upTo && x.name == e.event {
			came = later(came, x.until)
		}
	}
	if came == "" {
		return "", true
	}
	return later(came, extended), true
}

// held names a hold that covers a record by the entries up to one, "" when none does.
func (r *rules) held(i, upTo int64) string {
	closed, open, released := map[string]bool{}, map[string]int64{}, map[string]bool{}
	for _, h := range r.holdings {
		if h.index > upTo {
			break
		}
		if h.release {
			released[h.id] = true
			continue
		}
		closed[h.id] = closed[h.id] || within(h.ranges, i)
		open[h.id] = h.openFrom
	}
	for id := range open {
		if !released[id] && (closed[id] || open[id] >= 0 && i >= open[id]) {
			return id
		}
	}
	return ""
}

// finish checks the roots of those purges whose records are all here.
func (r *rules) finish() {
	for _, p := range r.purges {
		if p.tree.count == p.count && !bytes.Equal(p.tree.seq.root(), p.root) {
			r.l.fail(checkRules, place{r.l.path("controls.ndjson"), p.line, p.index}, "the root of the purge is not that of its records")
		}
	}
}

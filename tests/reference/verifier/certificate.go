package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// searched is what a search's statement says of a log.
type searched struct {
	origin                                                           string
	size, scanned, matched, unparsed, purged, restricted, unreadable int64
	root, matches, mapping                                           []byte
	filter                                                           *filter
	records, looked, may                                             int64 // of the evidence's parts: see counts
}

const certificateLimit = 13 << 20

// certificate checks the search certificate (section 9), and holds it against the bundle.
func (b *bundle) certificate() error {
	body, err := b.a.all(b.files["data/certificate.search"], certificateLimit)
	if err != nil {
		return err
	}
	cut := bytes.Index(body, []byte("\n\n"))
	if cut < 0 {
		return errors.New("no statement")
	}
	evidence := body[:cut+1]
	n, err := parseNote(body[cut+2:])
	if err != nil || len(n.sigs) != 1 {
		return errors.New("its statement is not a note with one signature")
	}
	signer, logs, err := b.readSearch(n, evidence)
	if err != nil {
		return err
	}
	if len(logs) != len(b.logs) {
		return errors.New("it is of other logs")
	}
	c := &certificateReader{b: b, lines: strings.Split(strings.TrimSuffix(string(evidence), "\n"), "\n")}
	return c.read(n, signer, logs)
}

// lineReader takes `name value` lines one by one; the first that is another breaks it.
type lineReader struct {
	lines []string
	bad   bool
}

func (r *lineReader) next(name string) string {
	if r.bad || len(r.lines) == 0 || !strings.HasPrefix(r.lines[0], name+" ") {
		r.bad = true
		return ""
	}
	v := r.lines[0][len(name)+1:]
	r.lines = r.lines[1:]
	return v
}

func (r *lineReader) number(name string) int64 {
	n, ok := parseInt(r.next(name))
	r.bad = r.bad || !ok
	return n
}

func (r *lineReader) digest(name string) []byte {
	h, ok := unbase64N(r.next(name), 32)
	r.bad = r.bad || !ok
	return h
}

func (b *bundle) readSearch(n *signedNote, evidence []byte) (signer string, logs []*searched, err error) {
	r := &lineReader{lines: strings.Split(strings.TrimSuffix(n.text, "\n"), "\n")}
	if len(r.lines) < 8 || r.lines[0] != "stele search v1" {
		return "", nil, errors.New("its statement is none of a search")
	}
	signer, r.lines = r.lines[1], r.lines[2:]
	when := r.next("time")
	filter, q := r.next("filter"), b.doc.request
	if filter != q.text("filter") && !q.has("from") && !q.has("to") && !q.has("hold") && !q.has("records") {
		return "", nil, errors.New("its filter is not that of the request")
	}
	asked, err := parseFilter(filter)
	if err != nil {
		return "", nil, err
	}
	mapping := r.digest("mapping")
	for !r.bad && len(r.lines) > 2 {
		s := &searched{mapping: mapping, filter: asked, origin: r.next("log"), size: r.number("size"), root: r.digest("root"), scanned: r.number("scanned"),
			matched: r.number("matched"), unparsed: r.number("unparsed"), purged: r.number("purged"), restricted: r.number("restricted"),
			unreadable: r.number("unreadable"), matches: r.digest("matches")}
		if len(logs) > 0 && logs[len(logs)-1].origin >= s.origin || s.size == 0 {
			r.bad = true
		}
		logs = append(logs, s)
	}
	length, sum := r.number("evidence_bytes"), r.digest("evidence")
	if r.bad || len(r.lines) != 0 || !isTime(when) || len(logs) == 0 || len(logs) > 64 {
		return "", nil, errors.New("its statement does not follow the format")
	}
	have := sha256.Sum256(evidence)
	if length != int64(len(evidence)) || !bytes.Equal(sum, have[:]) {
		return "", nil, errors.New("its statement is of other evidence")
	}
	return signer, logs, nil
}

type certificateReader struct {
	b     *bundle
	lines []string
}

// take gives what follows the name of the next line, word by word, when it is of that name.
func (c *certificateReader) take(name string) (words []string, there bool, err error) {
	if len(c.lines) == 0 || c.lines[0] != name && !strings.HasPrefix(c.lines[0], name+" ") {
		return nil, false, nil
	}
	rest := c.lines[0][len(name):]
	c.lines = c.lines[1:]
	if rest == "" {
		return nil, true, nil
	}
	words = strings.Split(rest[1:], " ")
	for _, w := range words {
		if w == "" {
			err = fmt.Errorf("a line %s that does not follow the grammar", name)
		}
	}
	return words, true, err
}

func (c *certificateReader) bytes(name string) ([]byte, bool, error) {
	words, there, err := c.take(name)
	if !there || err != nil {
		return nil, there, err
	}
	if len(words) != 1 {
		return nil, true, fmt.Errorf("a line %s that does not follow the grammar", name)
	}
	raw, err := unbase64(words[0])
	return raw, true, err
}

func (c *certificateReader) hashes(name string) ([][]byte, error) {
	words, there, err := c.take(name)
	if err == nil && !there {
		err = fmt.Errorf("no line %q", name)
	}
	out := [][]byte{}
	for _, s := range words {
		h, ok := unbase64N(s, 32)
		if !ok || len(out) == 64 {
			return nil, fmt.Errorf("%s has what is no hash", name)
		}
		out = append(out, h)
	}
	return out, err
}

func (c *certificateReader) read(n *signedNote, signer string, logs []*searched) error {
	if len(c.lines) == 0 || c.lines[0] != "stele search evidence v1" {
		return errors.New("not the evidence of a search")
	}
	c.lines = c.lines[1:]
	notes := append([][]byte{}, c.b.notes...)
	for raw, there, err := c.bytes("identity"); there; raw, there, err = c.bytes("identity") {
		if err != nil {
			return err
		}
		notes = append(notes, raw)
	}
	r, err := buildRow(c.b.trusted, notes)
	if err != nil {
		return err
	}
	var key *vkey
	for i, s := range logs {
		if key, err = c.log(s, r, c.b.logs[i]); err != nil {
			return fmt.Errorf("%s: %v", s.origin, err)
		}
	}
	if len(c.lines) != 0 {
		return errors.New("lines behind its evidence")
	}
	if len(logs) == 1 {
		if signer != logs[0].origin {
			return errors.New("it is signed under another name than the log's")
		}
		return n.signedBy(key)
	}
	if signer != c.b.trusted.name {
		return errors.New("it is signed under another name than the server's")
	}
	_, err = r.signer(n)
	return err
}

// log reads the evidence of one log, and holds the statement against the bundle's log; it gives the checkpoint's key.
func (c *certificateReader) log(s *searched, r row, l *logCheck) (*vkey, error) {
	if v, _, err := c.take("log"); err != nil || len(v) != 1 || v[0] != s.origin || l.origin != s.origin {
		return nil, errors.New("the logs are not the same")
	}
	statements := []*statement{}
	for raw, there, err := c.bytes("key"); there; raw, there, err = c.bytes("key") {
		if err != nil {
			return nil, err
		}
		st, err := parseStatement(raw, r)
		if err != nil {
			return nil, err
		}
		if statements = append(statements, st); len(statements) > 64 {
			return nil, errors.New("more than 64 key statements")
		}
	}
	raw, there, err := c.bytes("checkpoint")
	if !there || err != nil {
		return nil, errors.New("no checkpoint")
	}
	cp, err := parseCheckpoint(raw)
	if err != nil {
		return nil, err
	}
	speaks, err := cp.opened(statements)
	if err != nil {
		return nil, err
	}
	grown, err := c.hashes("grown")
	if err != nil || cp.origin != s.origin || !verifyConsistency(s.size, cp.size, s.root, cp.root, grown) {
		return nil, errors.New("the searched tree did not grow into the checkpoint's")
	}
	if err := c.parts(s, statements, cp); err != nil {
		return nil, err
	}
	if l.cp == nil || s.size != l.cp.size || !bytes.Equal(s.root, l.cp.root) {
		return nil, errors.New("it is of another size or root than the bundle's checkpoint")
	}
	if s.scanned != s.size-l.sum.controls {
		return nil, errors.New("it counts other records than the log has")
	}
	if s.matched != l.matches.count || !bytes.Equal(s.matches, l.matches.digest()) {
		return nil, errors.New("its matches are not the records of this bundle")
	}
	return speaks.key, s.counts()
}

// counts are step 8.
func (s *searched) counts() error {
	if s.unreadable > 0 {
		return errors.New("entries were unreadable: the search is not complete")
	}
	if s.records > s.scanned+s.unreadable || s.scanned > s.records+s.looked || s.matched+s.unparsed+s.purged+s.restricted > s.scanned ||
		s.matched+s.unparsed+s.purged > s.may+s.looked {
		return errors.New("its counts cannot be")
	}
	return nil
}

// part is a segment whose index is shown, or a run that was scanned.
type part struct {
	first, size   int64    // size: of the tree that ends with it
	may, controls ordinals // nil of a run
}

// parts follow each other up to the size.
func (c *certificateReader) parts(s *searched, statements []*statement, cp *checkpoint) error {
	next, found := int64(0), newFoundList()
	for {
		p, err := c.part(s, next, statements, cp)
		if err != nil {
			return err
		}
		if p == nil {
			break
		}
		words, there, err := c.take("matched")
		if !there || err != nil {
			return errors.New("a part without its line of matches")
		}
		before := p.size
		if before > s.size { // the last segment may go beyond it
			before = s.size
		}
		if err := found.add(words, p, before); err != nil {
			return err
		}
		if p.may == nil {
			s.looked += before - p.first
		} else {
			s.records += before - p.first - p.controls.countBefore(before-p.first)
			s.may += p.may.countBefore(before - p.first)
		}
		next = p.size
	}
	if next < s.size {
		return errors.New("its parts do not reach the size that was searched")
	}
	if found.count != s.matched || !bytes.Equal(found.hash.Sum(nil), s.matches) {
		return errors.New("its list of matches is not the one that was signed")
	}
	return nil
}

// part reads the next one, which begins at that entry: nil when there is none.
func (c *certificateReader) part(s *searched, next int64, statements []*statement, cp *checkpoint) (*part, error) {
	words, there, err := c.take("scanned")
	if err != nil {
		return nil, err
	}
	if there {
		if len(words) != 2 {
			return nil, errors.New("a part that does not follow the grammar")
		}
		first, ok := parseInt(words[0])
		last, ok2 := parseInt(words[1])
		if !ok || !ok2 || first != next || last < first || last >= s.size {
			return nil, errors.New("parts that do not follow each other")
		}
		return &part{first: first, size: last + 1}, nil
	}
	raw, there, err := c.bytes("segment")
	if err != nil || !there {
		return nil, err
	}
	if next >= s.size {
		return nil, errors.New("a segment beyond what was searched")
	}
	return c.segment(raw, s, next, statements, cp)
}

// foundList is what was found, in the parts so far.
type foundList struct {
	hash  hash.Hash
	count int64
}

func newFoundList() *foundList { return &foundList{hash: sha256.New()} }

// add takes the matches of a part, which ends before `before`.
func (m *foundList) add(words []string, p *part, before int64) error {
	last := p.first - 2
	for _, x := range words {
		ends := strings.Split(x, "-")
		first, ok := parseInt(ends[0])
		end, ok2 := parseInt(ends[len(ends)-1])
		if !ok || !ok2 || len(ends) > 2 || len(ends) == 2 && end <= first || first <= last+1 || end >= before {
			return errors.New("its matches do not follow the format")
		}
		for i := first; i <= end; i++ {
			if p.may != nil && (!p.may.has(i-p.first) || p.controls.has(i-p.first)) {
				return fmt.Errorf("record %d is said to match, and its segment's index says that it does not", i)
			}
			fmt.Fprintf(m.hash, "%d\n", i)
			m.count++
		}
		last = end
	}
	return nil
}

// index reads what is shown of a segment's index, and holds it against the root that the manifest signs.
func (c *certificateReader) index(s *searched, m *manifestSaid) (*shownIndex, error) {
	raw, there, err := c.bytes("head")
	if !there || err != nil {
		return nil, errors.New("a segment without its head")
	}
	head, err := parseHead(raw, m.count)
	if err != nil {
		return nil, err
	}
	proof, err := c.hashes("proof")
	if err != nil {
		return nil, err
	}
	pages := int64(len(head.lowest))
	if !verifyInclusion(pages, pages+1, leafHash(raw), proof, m.termsRoot) {
		return nil, errors.New("a head that is not in its manifest's terms_root")
	}
	if !bytes.Equal(head.mapping, s.mapping) {
		return nil, errors.New("a head of another mapping")
	}
	x := &shownIndex{indexHead: head, pages: map[int64][]pageEntry{}, pageUsed: map[int64]bool{}, postingUsed: map[int64]bool{}}
	if err := c.pages(x, m.termsRoot); err != nil {
		return nil, err
	}
	for raw, there, err := c.bytes("posting"); there; raw, there, err = c.bytes("posting") {
		if x.postings = append(x.postings, raw); err != nil || len(x.postings) > lookupsMost {
			return nil, errors.New("too many postings, or what is none")
		}
	}
	return x, nil
}

func (c *certificateReader) pages(x *shownIndex, root []byte) error {
	last := int64(-1)
	for {
		words, there, err := c.take("page")
		if err != nil {
			return err
		}
		if !there {
			return nil
		}
		if len(words) != 2 || len(x.pages) == lookupsMost {
			return errors.New("too many pages, or what is none")
		}
		number, ok := parseInt(words[0])
		raw, err := unbase64(words[1])
		if !ok || err != nil || number <= last {
			return errors.New("pages do not ascend, or are none")
		}
		proof, err := c.hashes("proof")
		if err != nil {
			return err
		}
		if !verifyInclusion(number, int64(len(x.lowest))+1, leafHash(raw), proof, root) {
			return fmt.Errorf("page %d is not in its manifest's terms_root", number)
		}
		if x.pages[number], err = x.parsePage(raw, number); err != nil {
			return err
		}
		last = number
	}
}

// segment checks a manifest and what is shown of its index, of which it asks the filter.
func (c *certificateReader) segment(raw []byte, s *searched, next int64, statements []*statement, cp *checkpoint) (*part, error) {
	n, err := parseNote(raw)
	if err != nil {
		return nil, err
	}
	m, err := parseManifest(n.text)
	if err != nil {
		return nil, err
	}
	if m.origin != s.origin || m.first != next {
		return nil, errors.New("a manifest of another log, or not of the next part")
	}
	size := m.first + m.count
	speaks, err := speaker(statements, s.origin, size)
	if err != nil {
		return nil, err
	}
	signed := false
	for _, st := range statements {
		if st.by < 0 || st.key.name != s.origin || st.epoch < speaks.epoch {
			continue
		}
		if err := n.signedBy(st.key); err == nil {
			signed = true
		} else if err != errUnsigned {
			return nil, err
		}
	}
	grown, err := c.hashes("grown")
	if !signed || err != nil || !verifyConsistency(size, cp.size, m.root, cp.root, grown) {
		return nil, errors.New("a manifest that is not signed, or whose tree did not grow into the checkpoint's")
	}
	x, err := c.index(s, m)
	if err != nil {
		return nil, err
	}
	may, err := x.mayMatch(s.filter)
	return &part{m.first, size, may, x.controls}, err
}

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/bits"
	"strings"
)

// searched is what a search's statement says of a log.
type searched struct {
	origin                                                           string
	size, scanned, matched, unparsed, purged, restricted, unreadable int64
	root, matches, mapping                                           []byte
	records, looked                                                  int64 // of the evidence's parts

}

const certificateLimit = 13 << 20

// certificate checks the search certificate (section 9) but for what its notes say, and holds it against the bundle.
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
	mapping := r.digest("mapping")
	for !r.bad && len(r.lines) > 2 {
		s := &searched{mapping: mapping, origin: r.next("log"), size: r.number("size"), root: r.digest("root"), scanned: r.number("scanned"),
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

func (c *certificateReader) take(name string) (string, bool) {
	if len(c.lines) == 0 || c.lines[0] != name && !strings.HasPrefix(c.lines[0], name+" ") {
		return "", false
	}
	v := strings.TrimPrefix(c.lines[0][len(name):], " ")
	c.lines = c.lines[1:]
	return v, true
}

func (c *certificateReader) bytes(name string) ([]byte, bool, error) {
	v, there := c.take(name)
	if !there {
		return nil, false, nil
	}
	raw, err := unbase64(v)
	if err == nil && len(raw) == 0 {
		err = errors.New("empty bytes")
	}
	return raw, true, err
}

func (c *certificateReader) hashes(name string) ([][]byte, error) {
	v, there := c.take(name)
	if !there {
		return nil, fmt.Errorf("no line %q", name)
	}
	out := [][]byte{}
	for _, s := range strings.Fields(v) {
		h, ok := unbase64N(s, 32)
		if !ok || len(out) == 64 {
			return nil, fmt.Errorf("%s has what is no hash", name)
		}
		out = append(out, h)
	}
	return out, nil
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
	if v, ok := c.take("log"); !ok || v != s.origin || l.origin != s.origin {
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
		statements = append(statements, st)
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
	if s.matched != l.matches.count || !bytes.Equal(s.matches, l.matches.digest()) {
		return nil, errors.New("its matches are not the records of this bundle")
	}
	return speaks.key, s.counts()
}

// counts are step 8, but for what needs the index.
func (s *searched) counts() error {
	if s.unreadable > 0 {
		return errors.New("entries were unreadable: the search is not complete")
	}
	if s.records > s.scanned+s.unreadable || s.scanned > s.records+s.looked || s.matched+s.unparsed+s.purged+s.restricted > s.scanned {
		return errors.New("its counts cannot be")
	}
	return nil
}

// parts follow each other up to the size; of segments the index is not asked here.
func (c *certificateReader) parts(s *searched, statements []*statement, cp *checkpoint) error {
	next, found := int64(0), newFoundList()
	for {
		from := next
		if v, ok := c.take("scanned"); ok {
			var first, last int64
			if n, err := fmt.Sscanf(v, "%d %d", &first, &last); n != 2 || err != nil || fmt.Sprintf("%d %d", first, last) != v ||
				first != next || last < first || last >= s.size {
				return errors.New("parts that do not follow each other")
			}
			s.looked += last - first + 1
			next = last + 1
		} else {
			raw, there, err := c.bytes("segment")
			if err != nil {
				return err
			}
			if !there {
				break
			}
			if next, err = c.segment(raw, s, next, statements, cp); err != nil {
				return err
			}
		}
		v, ok := c.take("matched")
		if !ok {
			return errors.New("a part without its line of matches")
		}
		before := next
		if before > s.size { // the last segment may go beyond it
			before = s.size
		}
		if err := found.add(v, from, before); err != nil {
			return err
		}
	}
	if next < s.size {
		return errors.New("its parts do not reach the size that was searched")
	}
	if found.count != s.matched || !bytes.Equal(found.hash.Sum(nil), s.matches) {
		return errors.New("its list of matches is not the one that was signed")
	}
	return nil
}

// foundList is what was found, in the parts so far.
type foundList struct {
	hash  hash.Hash
	count int64
}

func newFoundList() *foundList { return &foundList{hash: sha256.New()} }

// add takes the matches of a part, the entries from `from` to before `before`.
func (m *foundList) add(v string, from, before int64) error {
	last := from - 2
	for _, x := range strings.Fields(v) {
		part := strings.Split(x, "-")
		first, ok := parseInt(part[0])
		end, ok2 := parseInt(part[len(part)-1])
		if !ok || !ok2 || len(part) > 2 || len(part) == 2 && end <= first || first <= last+1 || end >= before {
			return errors.New("its matches do not follow the format")
		}
		for i := first; i <= end; i++ {
			fmt.Fprintf(m.hash, "%d\n", i)
			m.count++
		}
		last = end
	}
	return nil
}

// index checks that head and pages are in the root that the manifest signs, and the head's mapping.
func (c *certificateReader) index(s *searched, root []byte) error {
	head, there, err := c.bytes("head")
	if !there || err != nil {
		return errors.New("a segment without its head")
	}
	if len(head) < 65 || head[0] != 1 || !bytes.Equal(head[33:65], s.mapping) {
		return errors.New("a head of another version or mapping")
	}
	proof, err := c.hashes("proof")
	if err != nil {
		return err
	}
	// The head is the last leaf: all of its siblings are to its left, one for each bit of the number of pages.
	top := leafHash(head)
	for _, p := range proof {
		top = nodeHash(p, top)
	}
	if !bytes.Equal(top, root) {
		return errors.New("a head that is not in its manifest's terms_root")
	}
	last := int64(-1)
	for v, ok := c.take("page"); ok; v, ok = c.take("page") {
		part := strings.Split(v, " ")
		number, isNumber := parseInt(part[0])
		if len(part) != 2 || !isNumber || number <= last {
			return errors.New("pages do not ascend, or are none")
		}
		page, err := unbase64(part[1])
		if err != nil {
			return err
		}
		path, err := c.hashes("proof")
		if err != nil {
			return err
		}
		if !inSomeTree(number, leafHash(page), path, root, len(proof)) {
			return fmt.Errorf("page %d is not in its manifest's terms_root", number)
		}
		last = number
	}
	for v, ok := c.take("posting"); ok; v, ok = c.take("posting") {
		if _, err := unbase64(v); err != nil {
			return err
		}
	}
	return nil
}

// inSomeTree says whether a page is in the tree; how many pages there are only the head's list tells, of which the number of bits is known.
func inSomeTree(number int64, leaf []byte, path [][]byte, root []byte, ones int) bool {
	for pages := number + 1; pages < 1<<20 && len(path) <= 20; pages++ {
		if bits.OnesCount64(uint64(pages)) == ones && inclusionLength(number, pages+1) == len(path) &&
			verifyInclusion(number, pages+1, leaf, path, root) {
			return true
		}
	}
	return false
}

// segment checks a manifest, and that the parts of the index that are shown are what it signs.
func (c *certificateReader) segment(raw []byte, s *searched, next int64, statements []*statement, cp *checkpoint) (int64, error) {
	n, err := parseNote(raw)
	if err != nil {
		return 0, err
	}
	m := map[string]string{}
	lines := strings.Split(n.text, "\n")
	for _, line := range lines[2:] {
		part := strings.SplitN(line, " ", 2)
		if len(part) == 2 {
			m[part[0]] = part[1]
		}
	}
	first, ok1 := parseInt(m["first"])
	count, ok2 := parseInt(m["count"])
	size, ok3 := parseInt(m["size"])
	root, ok4 := unbase64N(m["root"], 32)
	if !ok1 || !ok2 || !ok3 || !ok4 || lines[0] != "stele segment v1" || lines[1] != s.origin || first != next || count == 0 || size != first+count {
		return 0, errors.New("a manifest that is none, of another log, or not of the next part")
	}
	speaks, err := speaker(statements, s.origin, size)
	if err != nil {
		return 0, err
	}
	signed := false
	for _, st := range statements {
		signed = signed || st.by >= 0 && st.epoch >= speaks.epoch && n.signedBy(st.key) == nil
	}
	grown, err := c.hashes("grown")
	if !signed || err != nil || !verifyConsistency(size, cp.size, root, cp.root, grown) {
		return 0, errors.New("a manifest that is not signed, or whose tree did not grow into the checkpoint's")
	}
	termsRoot, ok := unbase64N(m["terms_root"], 32)
	if !ok {
		return 0, errors.New("a manifest without terms_root")
	}
	if err := c.index(s, termsRoot); err != nil {
		return 0, err
	}
	end := size
	if end > s.size {
		end = s.size
	}
	s.looked += end - first // how many of them are records only the index tells
	c.b.note("search certificate: the indexes of segments are in their manifests, but were not asked the filter (section 9, steps 5 to 8)")
	return size, nil
}

package main

import (
	"errors"
	"regexp"
	"strings"
)

// manifestSaid is what a segment manifest (section 6) says that a certificate's checks need.
type manifestSaid struct {
	origin          string
	first, count    int64
	root, termsRoot []byte
}

var (
	replacesGrammar = regexp.MustCompile(`^(?:0|[1-9][0-9]*)-[1-9][0-9]*\.[1-9][0-9]*$`)
	softwareGrammar = regexp.MustCompile(`^[!-~]+$`)
)

func parseManifest(text string) (*manifestSaid, error) {
	r := &lineReader{lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	if len(r.lines) < 4 || r.lines[0] != "stele segment v1" {
		return nil, errors.New("no segment manifest")
	}
	m := &manifestSaid{origin: r.lines[1]}
	r.lines = r.lines[2:]
	check := func(ok bool) { r.bad = r.bad || !ok }
	peek := func(name string) bool { return !r.bad && len(r.lines) > 0 && strings.HasPrefix(r.lines[0], name+" ") }
	check(originGrammar.MatchString(m.origin))
	r.number("log")
	m.first, m.count = r.number("first"), r.number("count")
	check(m.first%tileEntries == 0 && m.count > 0 && m.count <= countMost)
	generation := r.number("generation")
	check(generation > 0 && generation < 1<<32)
	for peek("replaces") {
		check(replacesGrammar.MatchString(r.next("replaces")))
	}
	r.digest("prev")
	r.digest("last")
	check(r.number("size") == m.first+m.count)
	m.root = r.digest("root")
	check(r.number("ctl") < m.first+m.count)
	from := r.next("from")
	to := r.next("to")
	check(isTime(from) && isTime(to) && from <= to)
	r.number("payload_bytes")
	if peek("purged") {
		n := r.number("purged")
		check(n > 0 && n <= m.count)
	}
	check(r.number("data_key") > 0)
	check(r.number("file_bytes") > 0)
	for _, name := range []string{"file", "blocks", "columns", "index", "tiles", "dict", "keys", "terms"} {
		r.digest(name)
	}
	m.termsRoot = r.digest("terms_root")
	check(softwareGrammar.MatchString(r.next("software")))
	if r.bad || len(r.lines) != 0 {
		return nil, errors.New("a segment manifest that does not follow the format")
	}
	return m, nil
}

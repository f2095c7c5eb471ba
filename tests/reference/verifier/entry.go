package main

import (
	"errors"
	"regexp"
	"strings"
	"time"
)

// entry is one that follows the grammar of section 1.
type entry struct {
	raw         string
	origin      string
	index, ctl  int64
	kind, time  string
	prev        []byte
	commitment  []byte
	size        int64
	retainUntil string // "" when there is none
	event, mode string
	hash        []byte
}

const (
	grammarStr  = `((?:[ !#-\[\]-~]|\\"|\\\\)+)`
	grammarInt  = `(0|[1-9][0-9]{0,15})`
	grammarB64  = `([A-Za-z0-9+/]{43}=)`
	grammarTime = `([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z)`
)

var (
	entryGrammar = regexp.MustCompile(`^\{"v":1,"origin":"` + grammarStr + `","index":` + grammarInt +
		`,"kind":"(record|policy|hold|release|extend|event|purge|key|restore)","ctl":` + grammarInt + `,"time":"` + grammarTime +
		`","prev":"` + grammarB64 + `","commitment":"` + grammarB64 + `","size":` + grammarInt + `,"media_type":"` + grammarStr +
		`","writer":"` + grammarStr + `"(?:,"retain_until":"` + grammarTime + `","mode":"(governance|compliance)"|,"event":"` + grammarStr +
		`","mode":"(governance|compliance)")?\}$`)
	originGrammar = regexp.MustCompile(`^[!-*,-.0-~]{1,127}/[a-z0-9_][a-z0-9._-]{0,62}$`)
	mediaGrammar  = regexp.MustCompile(`^[!-~]+/[!-~]+(; charset=.+)?$`)
	unescape      = strings.NewReplacer(`\"`, `"`, `\\`, `\`)
)

// isTime says whether s is an instant as entries spell it.
func isTime(s string) bool {
	if len(s) != 30 || s[19] != '.' || s[29] != 'Z' || s < "1970" || s >= "2262" {
		return false
	}
	for _, c := range []byte(s[20:29]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	t, err := time.Parse("2006-01-02T15:04:05", s[:19])
	return err == nil && t.Format("2006-01-02T15:04:05") == s[:19]
}

func parseEntry(raw string) (*entry, error) {
	if len(raw) > 1023 {
		return nil, errors.New("an entry of more than 1023 bytes")
	}
	m := entryGrammar.FindStringSubmatch(raw)
	if m == nil {
		return nil, errors.New("not an entry: the grammar")
	}
	e := &entry{raw: raw, origin: unescape.Replace(m[1]), kind: m[3], time: m[5], retainUntil: m[11],
		event: unescape.Replace(m[13]), mode: m[12] + m[14]}
	var ok [6]bool
	e.index, ok[0] = parseInt(m[2])
	e.ctl, ok[1] = parseInt(m[4])
	e.size, ok[2] = parseInt(m[8])
	e.prev, ok[3] = unbase64N(m[6], 32)
	e.commitment, ok[4] = unbase64N(m[7], 32)
	ok[5] = isTime(e.time) && (e.retainUntil == "" || isTime(e.retainUntil))
	for _, good := range ok {
		if !good {
			return nil, errors.New("not an entry: a number, base64 or instant")
		}
	}
	media, writer := unescape.Replace(m[9]), unescape.Replace(m[10])
	if len(e.origin) > 191 || !originGrammar.MatchString(e.origin) || len(media) > 127 || len(writer) > 63 || len(e.event) > 63 ||
		!mediaGrammar.MatchString(media) {
		return nil, errors.New("not an entry: a text")
	}
	if e.kind != "record" && e.mode != "" {
		return nil, errors.New("a control entry with a lock")
	}
	if e.index == 0 && (e.kind != "policy" || e.ctl != 0) || e.index > 0 && e.ctl >= e.index {
		return nil, errors.New("not an entry: kind or ctl of its index")
	}
	e.hash = leafHash([]byte(raw))
	return e, nil
}

package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unbase64 decodes strictly: no white space, with padding, spare bits zero.
func unbase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("not base64")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}

func unbase64N(s string, n int) ([]byte, bool) {
	b, err := unbase64(s)
	return b, err == nil && len(b) == n
}

// vkey is a verifier key (section 2) of type 0x01.
type vkey struct {
	text, name string
	id         [4]byte
	public     ed25519.PublicKey
}

func parseVkey(text string) (*vkey, error) {
	part := strings.SplitN(text, "+", 3)
	if len(part) != 3 || !goodName(part[0]) || len(part[1]) != 8 || strings.ToLower(part[1]) != part[1] {
		return nil, errors.New("not a verifier key")
	}
	id, err := hex.DecodeString(part[1])
	key, ok := unbase64N(part[2], 33)
	if err != nil || !ok || key[0] != 1 {
		return nil, errors.New("not an Ed25519 verifier key")
	}
	h := sha256.Sum256(append([]byte(part[0]+"\n"), key...))
	if !bytes.Equal(h[:4], id) {
		return nil, errors.New("the key ID of a verifier key is not its own")
	}
	k := &vkey{text: text, name: part[0], public: key[1:]}
	copy(k.id[:], id)
	return k, nil
}

func goodName(name string) bool {
	for _, c := range name {
		if unicode.IsSpace(c) || c == '+' {
			return false
		}
	}
	return name != "" && utf8.ValidString(name)
}

type signature struct {
	name string
	id   [4]byte
	data []byte
}

// signedNote is a note that was not checked yet.
type signedNote struct {
	text string
	sigs []signature
}

func parseNote(b []byte) (*signedNote, error) {
	if len(b) > 128*1024 || !utf8.Valid(b) {
		return nil, errors.New("not a note: too long, or not UTF-8")
	}
	for _, c := range b {
		if c < 0x20 && c != '\n' || c == 0x7f {
			return nil, errors.New("not a note: control characters")
		}
	}
	s := string(b)
	cut := strings.LastIndex(s, "\n\n")
	if cut < 0 || !strings.HasSuffix(s, "\n") || cut+2 == len(s) {
		return nil, errors.New("not a note: no signatures")
	}
	n := &signedNote{text: s[:cut+1]}
	for _, line := range strings.Split(strings.TrimSuffix(s[cut+2:], "\n"), "\n") {
		part := strings.Split(line, " ")
		if len(part) != 3 || part[0] != "\u2014" || !goodName(part[1]) {
			return nil, errors.New("not a note: a bad signature line")
		}
		raw, err := unbase64(part[2])
		if err != nil || len(raw) < 5 {
			return nil, errors.New("not a note: a bad signature")
		}
		sig := signature{name: part[1], data: raw[4:]}
		copy(sig.id[:], raw)
		n.sigs = append(n.sigs, sig)
	}
	if len(n.sigs) > 64 {
		return nil, errors.New("more than 64 signatures")
	}
	return n, nil
}

var errUnsigned = errors.New("not signed by a known key")

// signedBy finds whether k signed it: errUnsigned when not at all, another error when its signature is bad.
func (n *signedNote) signedBy(k *vkey) error {
	found := errUnsigned
	for _, s := range n.sigs {
		if s.name == k.name && s.id == k.id {
			if len(s.data) != ed25519.SignatureSize || !ed25519.Verify(k.public, []byte(n.text), s.data) {
				return fmt.Errorf("a bad signature by %s", k.name)
			}
			found = nil
		}
	}
	return found
}

// linesOf gives the text's lines when it begins with head and has n more of them.
func (n *signedNote) linesOf(head string, count int) ([]string, bool) {
	lines := strings.Split(strings.TrimSuffix(n.text, "\n"), "\n")
	if len(lines) != count+1 || lines[0] != head {
		return nil, false
	}
	return lines[1:], true
}

// --- successions -----------------------------------------------------------------

type successionNote struct {
	text     string
	old, new *vkey
	number   int64
	when     string
}

func parseSuccession(b []byte) (*successionNote, *signedNote, error) {
	n, err := parseNote(b)
	if err != nil {
		return nil, nil, err
	}
	l, ok := n.linesOf("stele identity v1", 4)
	if !ok {
		return nil, nil, errors.New("not a succession note")
	}
	s := &successionNote{text: n.text, when: l[3]}
	s.old, err = parseVkey(l[0])
	if err == nil {
		s.new, err = parseVkey(l[1])
	}
	if err != nil {
		return nil, nil, err
	}
	s.number, ok = parseInt(l[2])
	if !ok || s.number == 0 || !isTime(l[3]) || s.old.name != s.new.name || s.old.id == s.new.id {
		return nil, nil, errors.New("not a succession note")
	}
	return s, n, nil
}

// identity is one of the row; until is when it was replaced, "" when that is not known.
type identity struct {
	key   *vkey
	until string
}

// row is the trusted identity and those that succession notes tie to it, oldest first.
type row []identity

// buildRow follows all notes at hand, in both directions.
func buildRow(trusted *vkey, notes [][]byte) (row, error) {
	alone := row{{trusted, ""}}
	all := map[string]*successionNote{}
	for _, b := range notes {
		s, n, err := parseSuccession(b)
		if err != nil {
			return alone, err
		}
		if s.old.name != trusted.name {
			continue
		}
		if n.signedBy(s.old) != nil || n.signedBy(s.new) != nil {
			return alone, errors.New("a succession note that is not signed by both keys")
		}
		all[s.text] = s
	}
	if len(all) > 64 {
		return alone, errors.New("more than 64 succession notes")
	}
	byNumber, byOld, byNew := map[int64]*successionNote{}, map[string]*successionNote{}, map[string]*successionNote{}
	for _, s := range all {
		if byNumber[s.number] != nil || byOld[s.old.text] != nil || byNew[s.new.text] != nil {
			return alone, errors.New("succession notes that contradict each other")
		}
		byNumber[s.number], byOld[s.old.text], byNew[s.new.text] = s, s, s
	}
	for _, s := range all {
		if next := byNumber[s.number+1]; next != nil && (next.old.text != s.new.text || next.when <= s.when) {
			return alone, errors.New("succession notes that are not of one row")
		}
		if next := byOld[s.new.text]; next != nil && next.number != s.number+1 {
			return alone, errors.New("succession notes that are not of one row")
		}
		for _, o := range all {
			if o.number > s.number && (o.when <= s.when || o.new.text == s.old.text) {
				return alone, errors.New("succession notes that are not of one row")
			}
		}
	}
	r := alone
	for s := byNew[r[0].key.text]; s != nil; s = byNew[r[0].key.text] {
		r = append(row{{s.old, s.when}}, r...)
	}
	for s := byOld[r[len(r)-1].key.text]; s != nil; s = byOld[r[len(r)-1].key.text] {
		r[len(r)-1].until = s.when
		r = append(r, identity{s.new, ""})
	}
	return r, nil
}

// signer finds which identity of the row signed the note: its place, -1 and an error when none did.
func (r row) signer(n *signedNote) (int, error) {
	for i := range r {
		err := n.signedBy(r[i].key)
		if err == nil {
			return i, nil
		}
		if err != errUnsigned {
			return -1, err
		}
	}
	return -1, errUnsigned
}

// --- key statements and checkpoints ----------------------------------------------

type statement struct {
	key              *vkey
	epoch, firstSize int64
	by               int // place in the row; -1: nobody of it
}

func parseStatement(b []byte, r row) (*statement, error) {
	n, err := parseNote(b)
	if err != nil {
		return nil, err
	}
	l, ok := n.linesOf("stele key v1", 3)
	if !ok {
		return nil, errors.New("not a key statement")
	}
	s := &statement{}
	if s.key, err = parseVkey(l[0]); err != nil {
		return nil, err
	}
	var ok2 bool
	s.epoch, ok = parseInt(l[1])
	s.firstSize, ok2 = parseInt(l[2])
	if !ok || !ok2 || s.firstSize == 0 {
		return nil, errors.New("not a key statement")
	}
	s.by, err = r.signer(n)
	if err != nil && err != errUnsigned {
		return nil, err
	}
	return s, nil
}

// speaker finds the statement whose key speaks for a tree of that size of the origin.
func speaker(all []*statement, origin string, size int64) (*statement, error) {
	epochs := map[int64]*statement{}
	var best *statement
	for _, s := range all {
		if s.by < 0 || s.key.name != origin {
			continue
		}
		if o := epochs[s.epoch]; o != nil && o.key.text != s.key.text {
			return nil, fmt.Errorf("two keys of %s for the epoch %d", origin, s.epoch)
		}
		epochs[s.epoch] = s
		if s.firstSize <= size && (best == nil || s.epoch > best.epoch) {
			best = s
		}
	}
	for _, s := range all {
		for _, o := range all {
			if s.by >= 0 && o.by > s.by && s.key.name == origin && o.key.name == origin && s.epoch > o.epoch {
				return nil, errors.New("an earlier identity states a later epoch than a later identity")
			}
		}
	}
	if best == nil {
		return nil, errors.New("no key statement that counts speaks for this size")
	}
	return best, nil
}

type checkpoint struct {
	origin string
	size   int64
	root   []byte
	note   *signedNote
}

func parseCheckpoint(b []byte) (*checkpoint, error) {
	n, err := parseNote(b)
	if err != nil {
		return nil, err
	}
	l := strings.Split(strings.TrimSuffix(n.text, "\n"), "\n")
	if len(l) < 3 {
		return nil, errors.New("not a checkpoint")
	}
	c := &checkpoint{origin: l[0], note: n}
	var ok, ok2 bool
	c.size, ok = parseInt(l[1])
	c.root, ok2 = unbase64N(l[2], 32)
	if !ok || !ok2 || c.size == 0 || !goodName(c.origin) {
		return nil, errors.New("not a checkpoint")
	}
	for _, more := range l[3:] {
		if more == "" {
			return nil, errors.New("not a checkpoint: an empty line")
		}
	}
	return c, nil
}

// opened checks a checkpoint (section 5, steps 3 to 5) and says which statement names its key.
func (c *checkpoint) opened(all []*statement) (*statement, error) {
	s, err := speaker(all, c.origin, c.size)
	if err != nil {
		return nil, err
	}
	return s, c.note.signedBy(s.key)
}

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Heads, pages and postings of a segment's index (section 9).

const (
	tileEntries = 256
	blindBytes  = 16
	spareBits   = 2
	gapOrder    = 2
	runDigits   = 6
	lookupsMost = 2048
	countMost   = 1 << 28
)

// ordinals are a set of a segment's records.
type ordinals []uint64

func newOrdinals(count int64) ordinals { return make(ordinals, (count+63)/64) }

func (o ordinals) add(from, before int64) {
	for i := from; i < before; i++ {
		o[i/64] |= 1 << (i % 64)
	}
}

func (o ordinals) has(i int64) bool { return o[i/64]>>(i%64)&1 == 1 }

func (o ordinals) join(p ordinals) {
	for i := range o {
		o[i] |= p[i]
	}
}

func (o ordinals) meet(p ordinals) {
	for i := range o {
		o[i] &= p[i]
	}
}

func (o ordinals) countBefore(before int64) int64 {
	n := 0
	for i, w := range o {
		if left := before - int64(i)*64; left < 64 {
			if left <= 0 {
				break
			}
			w &= 1<<left - 1
		}
		n += bits.OnesCount64(w)
	}
	return int64(n)
}

// --- bits ------------------------------------------------------------------------

type bitReader struct {
	in  []byte
	at  int
	bad bool
}

func (r *bitReader) take(n int) uint64 {
	v := uint64(0)
	for i := 0; i < n; i++ {
		if r.at >= len(r.in)*8 {
			r.bad = true
			return 0
		}
		v |= uint64(r.in[r.at/8]>>(r.at%8)&1) << i
		r.at++
	}
	return v
}

func (r *bitReader) code(k int) uint64 {
	m := 0
	for r.take(1) == 0 {
		if m++; r.bad || m+k >= 48 {
			r.bad = true
			return 0
		}
	}
	if m+k >= 48 {
		r.bad = true
		return 0
	}
	q := 1<<m | r.take(m)
	return (q-1)<<k | r.take(k)
}

// ended says whether less than 8 bits are left, all zero.
func (r *bitReader) ended() bool {
	left := len(r.in)*8 - r.at
	return !r.bad && left < 8 && r.take(left) == 0
}

// posting reads one of a segment of so many records; the set is nil when it is of no interest.
func (r *bitReader) posting(count int64, set ordinals) bool {
	others, n, k, low := r.take(1) == 1, r.code(0), int(r.take(5)), int64(0)
	if r.bad || k > 27 || n > uint64(count) {
		return false
	}
	for ; n > 0; n-- {
		ordinal := low + int64(r.code(k))
		if r.bad || ordinal >= count {
			return false
		}
		if set != nil && others {
			set.add(low, ordinal)
		} else if set != nil {
			set.add(ordinal, ordinal+1)
		}
		low = ordinal + 1
	}
	if set != nil && others {
		set.add(low, count)
	}
	return true
}

// runs reads one run of records, or several.
func (r *bitReader) runs(several bool, count int64, set ordinals) bool {
	n := uint64(1)
	if several {
		n = r.code(0) + 2
	}
	if r.bad || n > 1<<runDigits {
		return false
	}
	length := int64(1) << (runDigits - bits.Len64(n-1))
	all := (count + length - 1) / length
	k, low := bits.Len64(uint64(all)/(n+1))-1, int64(0)
	if k < 0 {
		k = 0
	}
	for ; n > 0; n-- {
		number := low
		if several {
			number += int64(r.code(k))
		} else {
			number = int64(r.take(bits.Len64(uint64(all - 1))))
		}
		if r.bad || number >= all {
			return false
		}
		end := (number + 1) * length
		if end > count {
			end = count
		}
		if set != nil {
			set.add(number*length, end)
		}
		low = number + 1
	}
	return true
}

// --- the head --------------------------------------------------------------------

type tile struct{ first, last, earliest, latest int64 }

type indexHead struct {
	salt, mapping    []byte
	count            int64
	digestBits       int
	tiles            []tile
	unsure, controls ordinals
	lowest           []uint64 // of each page
}

// byteReader takes varints; what is none breaks it.
type byteReader struct {
	in  []byte
	bad bool
}

func (r *byteReader) bytes(n int) []byte {
	if n > len(r.in) {
		r.bad = true
		return make([]byte, n)
	}
	b := r.in[:n]
	r.in = r.in[n:]
	return b
}

func (r *byteReader) varint(most uint64) uint64 {
	v := uint64(0)
	for shift := 0; shift < 64; shift += 7 {
		c := r.bytes(1)[0]
		if r.bad || shift == 63 && c > 1 || c == 0 && shift > 0 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			r.bad = r.bad || v > most
			return v
		}
	}
	r.bad = true
	return 0
}

// later is a time so much after another.
func (r *byteReader) later(from int64, signed bool) int64 {
	d := int64(0)
	if signed {
		v := r.varint(math.MaxUint64)
		d = int64(v>>1) ^ -int64(v&1)
	} else {
		d = int64(r.varint(math.MaxInt64))
	}
	if d > 0 && from > math.MaxInt64-d || d < 0 && from < math.MinInt64-d {
		r.bad = true
	}
	return from + d
}

func (r *byteReader) set(count int64) ordinals {
	set, b := newOrdinals(count), &bitReader{in: r.in}
	if !b.posting(count, set) {
		r.bad = true
	}
	r.bytes((b.at + 7) / 8)
	return set
}

func parseHead(raw []byte, count int64) (*indexHead, error) {
	r := &byteReader{in: raw}
	bad := errors.New("a head that does not follow the format")
	version := r.bytes(1)[0]
	h := &indexHead{salt: r.bytes(32), mapping: r.bytes(32), count: int64(r.varint(countMost))}
	terms := r.varint(1 << 39)
	h.digestBits = int(r.bytes(1)[0])
	if r.bad || version != 2 || h.count != count || h.digestBits != bits.Len64(terms)+spareBits {
		return nil, bad
	}
	before := int64(0)
	for i := int64(0); i < count && !r.bad; i += tileEntries {
		t := tile{first: r.later(before, true)}
		t.last = r.later(t.first, false)
		t.earliest = r.later(t.first, true)
		t.latest = r.later(t.earliest, false)
		before = t.last
		h.tiles = append(h.tiles, t)
	}
	h.unsure, h.controls = r.set(count), r.set(count)
	pages, at, lowest := r.varint(1<<39), uint64(0), uint64(0)
	for i := uint64(0); i < pages && !r.bad; i++ {
		at += r.varint(1 << 48)
		size, step := r.varint(1<<20), r.varint(1<<h.digestBits)
		at, lowest = at+size, lowest+step
		if size < 40 || at >= 1<<48 || (step == 0) != (i == 0) || lowest >= 1<<h.digestBits {
			r.bad = true
		}
		h.lowest = append(h.lowest, lowest)
	}
	if r.bad || len(r.in) != 0 || (pages == 0) != (terms == 0) {
		return nil, bad
	}
	return h, nil
}

// digest is where a term would be in the table.
func (h *indexHead) digest(field, text string) uint64 {
	if field == "trace_id" || field == "event_id" {
		field = "id"
	}
	sum := sha256.Sum256([]byte("stele-term-1\n" + string(h.salt) + field + "\n" + text))
	return binary.BigEndian.Uint64(sum[:]) >> (64 - h.digestBits)
}

// pageOf is the number of the page that would have a digest.
func (h *indexHead) pageOf(digest uint64) int64 {
	n := int64(0)
	for n+1 < int64(len(h.lowest)) && h.lowest[n+1] <= digest {
		n++
	}
	return n
}

// --- a page ----------------------------------------------------------------------

// pageEntry is a term's: where its records stand in the page, or the hash of the posting that has them.
type pageEntry struct {
	digest uint64
	at     bitReader
	hash   []byte
}

func (h *indexHead) parsePage(raw []byte, number int64) ([]pageEntry, error) {
	bad := fmt.Errorf("page %d does not follow the format, or is another", number)
	if number >= int64(len(h.lowest)) || len(raw) < blindBytes+18 {
		return nil, bad
	}
	next := uint64(1) << h.digestBits
	if number+1 < int64(len(h.lowest)) {
		next = h.lowest[number+1]
	}
	raw = raw[blindBytes:]
	low, entries := binary.LittleEndian.Uint64(raw), int(binary.LittleEndian.Uint16(raw[16:]))
	if low != h.lowest[number] || binary.LittleEndian.Uint64(raw[8:]) != next || entries == 0 {
		return nil, bad
	}
	r, all := &bitReader{in: raw[18:]}, []pageEntry{}
	for ; entries > 0; entries-- {
		e := pageEntry{digest: low + r.code(gapOrder)}
		e.at = *r
		hash, ok := r.entry(h.count, nil)
		if e.digest >= next || !ok {
			return nil, bad
		}
		e.hash = hash
		low = e.digest + 1
		all = append(all, e)
	}
	if !r.ended() {
		return nil, bad
	}
	return all, nil
}

// entry reads what follows a digest: its records, into the set unless that is nil, or the hash of their posting.
func (r *bitReader) entry(count int64, set ordinals) (hash []byte, ok bool) {
	if r.take(1) == 0 {
		return nil, r.runs(false, count, set)
	}
	if r.take(1) == 0 {
		return nil, r.runs(true, count, set)
	}
	if r.take(1) == 0 {
		return nil, r.posting(count, set)
	}
	r.take(48)
	r.take(32)
	for i := 0; i < 32; i++ {
		hash = append(hash, byte(r.take(8)))
	}
	return hash, !r.bad
}

// --- asking ----------------------------------------------------------------------

// shownIndex is what a certificate shows of one.
type shownIndex struct {
	*indexHead
	pages                 map[int64][]pageEntry
	postings              [][]byte
	pageUsed, postingUsed map[int64]bool
}

// lookups is how many an index would take for it.
func (f *filter) lookups() int {
	sum := 0
	switch {
	case f.kind == "and" || f.kind == "or":
		for _, p := range f.parts {
			n := p.lookups()
			if n == 0 && f.kind == "or" {
				return 0
			}
			sum += n
		}
	case f.kind != "term" || f.field == "":
	case isTimeBound(f.field):
		if f.op != "!=" {
			sum = 1
		}
	case f.op != "=" && f.op != ":":
	case f.field == "any":
		sum = 2 * len(anyFields)
	default:
		sum = 2
	}
	return sum
}

// ask gives the records that the filter's index finds; nil when there is nothing to go by.
func (x *shownIndex) ask(f *filter) (ordinals, error) {
	switch {
	case f.kind == "and":
		return x.askAnd(f)
	case f.kind == "or":
		all := newOrdinals(x.count)
		for _, p := range f.parts {
			set, err := x.ask(p)
			if set == nil || err != nil {
				return nil, err
			}
			all.join(set)
		}
		return all, nil
	case f.lookups() == 0:
		return nil, nil
	case isTimeBound(f.field):
		return x.askTime(f), nil
	}
	texts := f.terms()
	if len(texts) == 0 {
		return nil, nil
	}
	fields, all := []string{f.field}, newOrdinals(x.count)
	if f.field == "any" {
		fields = anyFields
	}
	for _, field := range fields {
		for _, text := range texts {
			if err := x.find(field, text, all); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (x *shownIndex) askAnd(f *filter) (ordinals, error) {
	var all ordinals
	for _, p := range f.parts {
		if all != nil && all.countBefore(x.count) == 0 {
			break
		}
		set, err := x.ask(p)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = set
		} else if set != nil {
			all.meet(set)
		}
	}
	return all, nil
}

func (x *shownIndex) askTime(f *filter) ordinals {
	all := newOrdinals(x.count)
	for i, t := range x.tiles {
		from, to, at := t.first, t.last, f.instant
		if f.field == "time" {
			from, to = t.earliest, t.latest
		}
		fits := map[string]bool{"<": from < at, "<=": from <= at, ">": to > at, ">=": to >= at, "=": from <= at && at <= to}
		if fits[f.op] {
			before := int64(i+1) * tileEntries
			if before > x.count {
				before = x.count
			}
			all.add(int64(i)*tileEntries, before)
		}
	}
	return all
}

// find adds the records that the index has under a term.
func (x *shownIndex) find(field, text string, all ordinals) error {
	if len(x.lowest) == 0 {
		return nil
	}
	digest := x.digest(field, text)
	number := x.pageOf(digest)
	entries, shown := x.pages[number]
	if !shown {
		return fmt.Errorf("page %d of an index, on which a term is or would be, is not shown", number)
	}
	x.pageUsed[number] = true
	for _, e := range entries {
		if e.digest != digest {
			continue
		}
		if e.hash == nil {
			e.at.entry(x.count, all)
			return nil
		}
		return x.posting(e.hash, all)
	}
	return nil
}

func (x *shownIndex) posting(hash []byte, all ordinals) error {
	for i, raw := range x.postings {
		if sum := sha256.Sum256(raw); !bytes.Equal(sum[:], hash) {
			continue
		}
		x.postingUsed[int64(i)] = true
		if len(raw) < blindBytes {
			return errors.New("a posting that is none")
		}
		r := &bitReader{in: raw[blindBytes:]}
		if !r.posting(x.count, all) || !r.ended() {
			return errors.New("a posting that is none")
		}
		return nil
	}
	return errors.New("a posting that is not shown")
}

// mayMatch asks the filter: the records that may match.
func (x *shownIndex) mayMatch(f *filter) (ordinals, error) {
	if n := f.lookups(); n == 0 || n > lookupsMost {
		return nil, errors.New("an index is shown that the filter cannot be asked of")
	}
	set, err := x.ask(f)
	if err != nil {
		return nil, err
	}
	if set == nil {
		return nil, errors.New("an index is shown that the filter cannot be asked of")
	}
	if len(x.pageUsed) != len(x.pages) || len(x.postingUsed) != len(x.postings) {
		return nil, errors.New("a page or a posting is shown without need")
	}
	set.join(x.unsure)
	return set, nil
}

func isTimeBound(field string) bool { return field == "time" || field == "receive_time" }

package main

import (
	"bytes"
	"crypto/sha256"
)

func leafHash(entry []byte) []byte {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(entry)
	return h.Sum(nil)
}

func nodeHash(l, r []byte) []byte {
	h := sha256.New()
	h.Write([]byte{1})
	h.Write(l)
	h.Write(r)
	return h.Sum(nil)
}

var emptyRoot = sha256.New().Sum(nil)

// verifyInclusion is RFC 9162 section 2.1.3.2.
func verifyInclusion(index, size int64, leaf []byte, proof [][]byte, root []byte) bool {
	if index < 0 || index >= size {
		return false
	}
	fn, sn, r := index, size-1, leaf
	for _, p := range proof {
		if sn == 0 {
			return false
		}
		if fn&1 == 1 || fn == sn {
			r = nodeHash(p, r)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			r = nodeHash(r, p)
		}
		fn, sn = fn>>1, sn>>1
	}
	return sn == 0 && bytes.Equal(r, root)
}

// verifyConsistency is RFC 9162 section 2.1.4.2.
func verifyConsistency(from, to int64, old, root []byte, proof [][]byte) bool {
	if from <= 0 || from > to {
		return false
	}
	if from == to {
		return len(proof) == 0 && bytes.Equal(old, root)
	}
	if from&(from-1) == 0 {
		proof = append([][]byte{old}, proof...)
	}
	if len(proof) == 0 {
		return false
	}
	fn, sn := from-1, to-1
	for fn&1 == 1 {
		fn, sn = fn>>1, sn>>1
	}
	fr, sr := proof[0], proof[0]
	for _, c := range proof[1:] {
		if sn == 0 {
			return false
		}
		if fn&1 == 1 || fn == sn {
			fr, sr = nodeHash(c, fr), nodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn, sn = fn>>1, sn>>1
			}
		} else {
			sr = nodeHash(sr, c)
		}
		fn, sn = fn>>1, sn>>1
	}
	return sn == 0 && bytes.Equal(fr, old) && bytes.Equal(sr, root)
}

// inclusionLength is how many hashes the inclusion proof of a leaf has.
func inclusionLength(index, size int64) int {
	count := 0
	for last := size - 1; last > 0; index, last = index>>1, last>>1 {
		if index&1 == 1 || index < last {
			count++
		}
	}
	return count
}

// consistencyLength is how many hashes the proof from one size to another has.
func consistencyLength(from, to int64) int {
	count, whole := 0, true
	for from != to {
		k := int64(1)
		for k*2 < to {
			k *= 2
		}
		count++
		if from <= k {
			to = k
		} else {
			from, to, whole = from-k, to-k, false
		}
	}
	if !whole {
		count++
	}
	return count
}

// subtree is a complete one: 1<<level leaves from begin on.
type subtree struct {
	begin int64
	level uint
	hash  []byte
}

// sequence puts complete subtrees beside each other, from left to right; halves of a complete one become one.
type sequence []subtree

func (s *sequence) add(t subtree) {
	q := append(*s, t)
	for len(q) >= 2 {
		a, b := q[len(q)-2], q[len(q)-1]
		if a.level != b.level || a.begin>>(a.level+1)<<(a.level+1) != a.begin {
			break
		}
		q = append(q[:len(q)-2], subtree{a.begin, a.level + 1, nodeHash(a.hash, b.hash)})
	}
	*s = q
}

// cover adds the largest complete subtrees of [begin, end), whose roots these are: false when they are not as many.
func (s *sequence) cover(begin, end int64, hashes [][]byte) bool {
	for begin < end {
		level := uint(0)
		for begin&(1<<level) == 0 && begin+(2<<level) <= end {
			level++
		}
		if len(hashes) == 0 {
			return false
		}
		s.add(subtree{begin, level, hashes[0]})
		begin, hashes = begin+(1<<level), hashes[1:]
	}
	return len(hashes) == 0
}

// root folds what remains from the right.
func (s sequence) root() []byte {
	if len(s) == 0 {
		return emptyRoot
	}
	r := s[len(s)-1].hash
	for i := len(s) - 2; i >= 0; i-- {
		r = nodeHash(s[i].hash, r)
	}
	return r
}

// growing is the tree over leaves that come one by one.
type growing struct {
	count int64
	seq   sequence
}

func (g *growing) leaf(h []byte) {
	g.seq.add(subtree{g.count, 0, h})
	g.count++
}

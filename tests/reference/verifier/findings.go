// An independent verifier of evidence bundles, written from docs/formats.md alone (section 10, and what it refers to).
//
//	go build -o verifier tests/reference/verifier/*.go
//	./verifier -key identity.vkey [-since older-checkpoint]… [-tsa-ca roots.pem] [-json] BUNDLE.zip…
//
// It exits 0, 1, 2 or 3 as section 10 says; of several bundles the worst counts. Witnesses are not looked at.
package main

import "fmt"

// The checks of section 10, in their order.
const (
	checkArchive = iota
	checkManifest
	checkSignature
	checkKeys
	checkEntries
	checkChain
	checkCommitments
	checkInclusion
	checkConsistency
	checkControls
	checkRules
	checkCustody
	checkTimestamps
	checkCompleteness
	checks
)

var checkNames = [checks]string{"archive", "manifest", "signature", "keys", "entries", "chain", "commitments",
	"inclusion", "consistency", "controls", "rules", "custody", "timestamps", "completeness"}

// A place in a bundle; line counts from 1, 0 is none; index is -1 when it is about no entry.
type place struct {
	path  string
	line  int
	index int64
}

func at(path string) place { return place{path, 0, -1} }

// failure says what does not hold, and where.
type failure struct {
	check int
	place
	reason string
}

// findings keep the first failure of each check: the lowest check's is the verdict.
type findings struct {
	first   [checks]*failure
	remarks []string // what was not checked
}

func (f *findings) fail(check int, p place, format string, args ...interface{}) {
	if f.first[check] == nil {
		f.first[check] = &failure{check, p, fmt.Sprintf(format, args...)}
	}
}

func (f *findings) verdict() *failure {
	for _, x := range f.first {
		if x != nil {
			return x
		}
	}
	return nil
}

func (f *findings) note(format string, args ...interface{}) {
	text := fmt.Sprintf(format, args...)
	for _, n := range f.remarks {
		if n == text {
			return
		}
	}
	f.remarks = append(f.remarks, text)
}

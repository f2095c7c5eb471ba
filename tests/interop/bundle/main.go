// A stranger's look into an unpacked evidence bundle: it knows golang.org/x/mod/sumdb and how stele
// lays JSON lines out, and nothing else of stele.
//
//	bundle FOLDER LOG VKEY...
//	bundle -proof FILE ENTRY VKEY
//
// For each folder data/LOG and its log's verifier key: note opens the checkpoint; the hashes of all
// records make tlog's tree, whose root is the checkpoint's (the bundle is a range of the whole log);
// tlog.CheckRecord holds the proofs of all control entries and of the last entry; tlog.CheckTree holds
// consistency.ndjson. The second form holds a C2SP tlog-proof of an entry. Prints what it held, and
// exits 1 at the first thing that does not hold.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const lineBytes = 16 << 20

// A line of any of the .ndjson files.
type line struct {
	Entry, Tip string
	From       int64
	Proof      []tlog.Hash
}

// tree opens a checkpoint.
func tree(message []byte, vkey string) (tlog.Tree, error) {
	var t tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return t, err
	}
	signed, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return t, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return t, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), signed.Text)
	}
	if t.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return t, err
	}
	t.Hash, err = tlog.ParseHash(lines[2])
	return t, err
}

// each gives a function the lines of a file.
func each(path string, visit func(l line) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, lineBytes)
	for scanner.Scan() {
		var l line
		if err := json.Unmarshal(scanner.Bytes(), &l); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := visit(l); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return scanner.Err()
}

// stored is tlog's way to keep a tree.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, i := range indexes {
		if i >= int64(len(s)) {
			return nil, errors.New("no such hash")
		}
		all = append(all, s[i])
	}
	return all, nil
}

// grow hashes all records into a tree.
func grow(folder string) (stored, int64, error) {
	var hashes stored
	var n int64
	err := each(filepath.Join(folder, "records.ndjson"), func(l line) error {
		more, err := tlog.StoredHashes(n, []byte(l.Entry), hashes)
		hashes = append(hashes, more...)
		n++
		return err
	})
	return hashes, n, err
}

// record holds an entry's inclusion proof.
func record(t tlog.Tree, entry string, proof []tlog.Hash) error {
	var e struct{ Index int64 }
	if err := json.Unmarshal([]byte(entry), &e); err != nil {
		return err
	}
	if err := tlog.CheckRecord(proof, t.N, t.Hash, e.Index, tlog.RecordHash([]byte(entry))); err != nil {
		return fmt.Errorf("entry %d: %w", e.Index, err)
	}
	return nil
}

func log(folder, vkey string) error {
	message, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return err
	}
	t, err := tree(message, vkey)
	if err != nil {
		return err
	}
	hashes, n, err := grow(folder)
	if err != nil {
		return err
	}
	root, err := tlog.TreeHash(n, hashes)
	if err != nil {
		return err
	}
	if n != t.N || root != t.Hash {
		return fmt.Errorf("%d records have the root %v, and the checkpoint says %d, %v", n, root, t.N, t.Hash)
	}
	proofs, growths := 0, 0
	err = each(filepath.Join(folder, "controls.ndjson"), func(l line) error {
		proofs++
		return record(t, l.Entry, l.Proof)
	})
	if err != nil {
		return err
	}
	err = each(filepath.Join(folder, "proofs.ndjson"), func(l line) error {
		if l.Tip == "" { // a run: its roots are no proof that tlog knows
			return nil
		}
		proofs++
		return record(t, l.Tip, l.Proof)
	})
	if err != nil {
		return err
	}
	err = each(filepath.Join(folder, "consistency.ndjson"), func(l line) error {
		growths++
		older, err := tlog.TreeHash(l.From, hashes)
		if err != nil {
			return err
		}
		return tlog.CheckTree(l.Proof, t.N, t.Hash, l.From, older)
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Printf("%s: %d records, %d proofs, %d growths\n", filepath.Base(folder), n, proofs, growths)
	return nil
}

// proof holds a C2SP tlog-proof v1 of an entry.
func proof(path, entryPath, vkey string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryPath)
	if err != nil {
		return err
	}
	head, message, found := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	at := len(lines)
	for i, l := range lines {
		if strings.HasPrefix(l, "index ") {
			at = i
			break
		}
	}
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" || at == len(lines) {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[at], "index "), 10, 64)
	if err != nil {
		return err
	}
	var hashes []tlog.Hash
	for _, l := range lines[at+1:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			return err
		}
		hashes = append(hashes, h)
	}
	t, err := tree(message, vkey)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(hashes, t.N, t.Hash, index, tlog.RecordHash(entry)); err != nil {
		return err
	}
	fmt.Printf("entry %d of %d\n", index, t.N)
	return nil
}

func run(arguments []string) error {
	if len(arguments) == 4 && arguments[0] == "-proof" {
		return proof(arguments[1], arguments[2], arguments[3])
	}
	if len(arguments) < 3 || len(arguments)%2 == 0 {
		return errors.New("usage: bundle FOLDER LOG VKEY... | bundle -proof FILE ENTRY VKEY")
	}
	for i := 1; i < len(arguments); i += 2 {
		if err := log(filepath.Join(arguments[0], "data", arguments[i]), arguments[i+1]); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A stranger's client: it knows C2SP tlog-tiles and golang.org/x/mod/sumdb, and
// nothing of stele.
//
// In each round it fetches a checkpoint, verifies its signature, verifies that
// the tree of the round before is a prefix of this one, and verifies every new
// entry's inclusion; in the last round every entry's, from the first. All hashes
// come from tiles over HTTP, authenticated by tlog.TileHashReader.
//
//	interop -server URL -log LOG -vkey VKEY [-token TOKEN] [-rounds N] [-pause D]
//
// It prints a line for each round and exits 1 at the first thing that does not
// hold.
package main

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

var errNotFound = errors.New("not found")

// A source fetches from one log, and remembers the tiles that proved good.
type source struct {
	base  string
	token string
	tiles map[string][]byte
}

func (s *source) get(path string) ([]byte, error) {
	request, err := http.NewRequest("GET", s.base+path, nil)
	if err != nil {
		return nil, err
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusNotFound:
		return nil, fmt.Errorf("GET %s: %w", path, errNotFound)
	}
	return nil, fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
}

// path is the tile's path in a tlog-tiles log: sumdb's, without the height, and
// with entries where sumdb has data.
func path(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return "/tile/" + strings.Replace(p, "data/", "entries/", 1)
}

// getTile fetches a tile, or the full one in a partial one's place.
func (s *source) getTile(t tlog.Tile) ([]byte, error) {
	data, err := s.get(path(t))
	if errors.Is(err, errNotFound) && t.W < tileWidth {
		t.W = tileWidth
		data, err = s.get(path(t))
	}
	return data, err
}

// The interface that tlog.TileHashReader asks for.

func (s *source) Height() int { return tileHeight }

func (s *source) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, known := s.tiles[path(t)]
		if !known {
			var err error
			if data, err = s.getTile(t); err != nil {
				return nil, err
			}
			if want := t.W * tlog.HashSize; len(data) < want {
				return nil, fmt.Errorf("%s: %d bytes, want %d", path(t), len(data), want)
			}
			data = data[:t.W*tlog.HashSize]
		}
		all = append(all, data)
	}
	return all, nil
}

func (s *source) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, t := range tiles {
		s.tiles[path(t)] = data[i]
	}
}

// checkpoint fetches the log's checkpoint and verifies it.
func (s *source) checkpoint(verifier note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	message, err := s.get("/checkpoint")
	if err != nil {
		return tree, err
	}
	signed, err := note.Open(message, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s: %q", verifier.Name(), signed.Text)
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// entries fetches the entries of bundle n in a tree of that size.
func (s *source) entries(n, size int64) ([][]byte, error) {
	t := tlog.Tile{H: tileHeight, L: -1, N: n, W: tileWidth}
	if left := size - n*tileWidth; left < tileWidth {
		t.W = int(left)
	}
	data, err := s.getTile(t)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for len(all) < t.W {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s: cut off after %d entries", path(t), len(all))
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		all, data = append(all, data[2:end]), data[end:]
	}
	return all, nil
}

// verifyEntries verifies the inclusion of all entries from first on.
func (s *source) verifyEntries(tree tlog.Tree, first int64) error {
	reader := tlog.TileHashReader(tree, s)
	for n := first / tileWidth; n*tileWidth < tree.N; n++ {
		bundle, err := s.entries(n, tree.N)
		if err != nil {
			return err
		}
		for i, entry := range bundle {
			index := n*tileWidth + int64(i)
			if index < first {
				continue
			}
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
			if err != nil {
				return fmt.Errorf("entry %d: %w", index, err)
			}
		}
	}
	return nil
}

// verifyGrowth verifies that the newer tree begins with the older one.
func (s *source) verifyGrowth(older, newer tlog.Tree) error {
	if newer.N < older.N {
		return fmt.Errorf("the log shrank from %d to %d", older.N, newer.N)
	}
	proof, err := tlog.ProveTree(newer.N, older.N, tlog.TileHashReader(newer, s))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, newer.N, newer.Hash, older.N, older.Hash)
}

func run(s *source, verifier note.Verifier, rounds int, pause time.Duration) error {
	var last tlog.Tree
	for round := 1; round <= rounds; round++ {
		tree, err := s.checkpoint(verifier)
		if err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		if last.N > 0 {
			if err := s.verifyGrowth(last, tree); err != nil {
				return fmt.Errorf("from %d to %d: %w", last.N, tree.N, err)
			}
		}
		first := last.N
		if round == rounds {
			first = 0
		}
		if err := s.verifyEntries(tree, first); err != nil {
			return err
		}
		fmt.Printf("size %d: signature, growth from %d and entries from %d verified\n",
			tree.N, last.N, first)
		last = tree
		time.Sleep(pause)
	}
	return nil
}

func main() {
	server := flag.String("server", "", "http://HOST:PORT")
	log := flag.String("log", "", "the log's name")
	vkey := flag.String("vkey", "", "the log's verifier key")
	token := flag.String("token", "", "a bearer token")
	rounds := flag.Int("rounds", 1, "how often to fetch a checkpoint")
	pause := flag.Duration("pause", 100*time.Millisecond, "between rounds")
	flag.Parse()

	verifier, err := note.NewVerifier(*vkey)
	if err == nil {
		s := &source{*server + "/logs/" + *log, *token, map[string][]byte{}}
		err = run(s, verifier, *rounds, *pause)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

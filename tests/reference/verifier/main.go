package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// result is what -json prints.
type result struct {
	File    string   `json:"file"`
	Verdict string   `json:"verdict"`
	Check   string   `json:"check,omitempty"`
	Path    string   `json:"path,omitempty"`
	Line    int      `json:"line,omitempty"`
	Index   *int64   `json:"index,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

func usage(format string, args ...interface{}) int {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	return 3
}

// readRoots reads the certificates that an auditor trusts, PEM; nil when there is no such file.
func readRoots(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New(name + ": there is no certificate in it")
	}
	return roots, nil
}

func verify(file, keyFile, rootsFile string, sinceFiles []string) (result, int) {
	res := result{File: file, Verdict: "unreadable"}
	text, err := os.ReadFile(keyFile)
	if err != nil {
		res.Reason = err.Error()
		return res, 3
	}
	trusted, err := parseVkey(strings.TrimSpace(string(text)))
	if err != nil {
		res.Reason = keyFile + ": " + err.Error()
		return res, 3
	}
	b := &bundle{findings: &findings{}, trusted: trusted}
	if b.roots, err = readRoots(rootsFile); err != nil {
		res.Reason = err.Error()
		return res, 3
	}
	for _, name := range sinceFiles {
		body, err := os.ReadFile(name)
		if err == nil {
			var c *checkpoint
			c, err = parseCheckpoint(body)
			b.since = append(b.since, c)
		}
		if err != nil {
			res.Reason = name + ": " + err.Error()
			return res, 3
		}
	}
	f, err := os.Open(file)
	if err != nil {
		res.Reason = err.Error()
		return res, 3
	}
	defer f.Close()
	if b.a, err = openArchive(f); err != nil {
		b.fail(checkArchive, at(""), "%v", err)
	} else {
		b.run()
	}
	res.Notes = b.remarks
	x := b.verdict()
	if x == nil {
		res.Verdict = "valid"
		return res, 0
	}
	res.Verdict, res.Check, res.Path, res.Line, res.Reason = "invalid", checkNames[x.check], x.path, x.line, x.reason
	if x.index >= 0 {
		res.Index = &x.index
	}
	if x.check == checkCompleteness {
		res.Verdict = "incomplete"
		return res, 2
	}
	return res, 1
}

func main() {
	var since list
	key := flag.String("key", "", "file with the trusted identity's verifier key")
	roots := flag.String("tsa-ca", "", "file with roots of timestamp authorities, PEM")
	asJSON := flag.Bool("json", false, "a JSON object a line for each bundle")
	flag.Var(&since, "since", "file with an older checkpoint; any number of times")
	flag.Parse()
	if *key == "" || flag.NArg() == 0 {
		os.Exit(usage("usage: verifier -key FILE [-since FILE]… [-tsa-ca FILE] [-json] BUNDLE.zip…"))
	}
	worst, rank := 0, [4]int{0, 2, 1, 3}
	for _, file := range flag.Args() {
		res, status := verify(file, *key, *roots, since)
		if rank[status] > rank[worst] {
			worst = status
		}
		if *asJSON {
			out, err := json.Marshal(res)
			if err != nil {
				os.Exit(usage("%v", err))
			}
			fmt.Println(string(out))
			continue
		}
		fmt.Printf("%s: %s", file, res.Verdict)
		if res.Reason != "" {
			fmt.Printf(": %s: %s:%d: %s", res.Check, res.Path, res.Line, res.Reason)
		}
		fmt.Println()
		for _, n := range res.Notes {
			fmt.Println("  " + n)
		}
	}
	os.Exit(worst)
}

package main

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
)

// bundle is an archive whose files have their places.
type bundle struct {
	*findings
	a       *archive
	trusted *vkey
	export  string
	paths   []string // without the folder, in the archive's order
	files   map[string]*entryFile
	folders []string // of the logs, in order
	since   []*checkpoint
	row     row
	notes   [][]byte // succession notes of all keys.txt
	doc     document
	logs    []*logCheck
	stamped []*stamped
	roots   *x509.CertPool // of timestamp authorities; nil: nobody judges them
}

// summary is what bundle.json says of a log.
type summary struct {
	log                                                               string
	size, entries, payloads, purged, withheld, controls, payloadBytes int64
}

type document struct {
	export, server, kind, requester, begun, reason string
	request                                        object
	logs                                           []summary
}

var (
	exportGrammar = regexp.MustCompile(`^x-[a-z2-7]{10}$`)
	folderGrammar = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]{0,62}$`)
	oddGrammar    = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
	binGrammar    = regexp.MustCompile(`^[0-9]{15}\.bin$`)
)

// logOf is the log whose folder this is.
func logOf(folder string) (string, bool) {
	log, tilde := folder, false
	if len(folder) > 2 && folder[0] == '~' && folder[len(folder)-1] == '~' {
		log, tilde = folder[1:len(folder)-1], true
	}
	odd := log == "bundle.json" || log == "custody.ndjson" || log == "certificate.search" || log == "timestamps" || strings.HasSuffix(log, ".") ||
		oddGrammar.MatchString(log)
	return log, folderGrammar.MatchString(log) && odd == tilde
}

// layout checks the names, their order, and that none is missing.
func (b *bundle) layout() error {
	b.files = map[string]*entryFile{}
	for _, e := range b.a.files {
		cut := strings.IndexByte(e.name, '/')
		if cut < 0 || !strings.HasPrefix(e.name, "stele-") || !exportGrammar.MatchString(e.name[6:cut]) {
			return fmt.Errorf("%q is not in a folder stele-ID/", e.name)
		}
		if b.export != "" && b.export != e.name[6:cut] {
			return fmt.Errorf("%q is in another folder", e.name)
		}
		b.export = e.name[6:cut]
		b.paths = append(b.paths, e.name[cut+1:])
		b.files[e.name[cut+1:]] = e
	}
	i := 0
	take := func(path string) bool {
		if i < len(b.paths) && b.paths[i] == path {
			i++
			return true
		}
		return false
	}
	wrong := func(path string) error {
		if i < len(b.paths) {
			return fmt.Errorf("%q stands where %q has to", b.paths[i], path)
		}
		return fmt.Errorf("%q is missing", path)
	}
	for _, p := range []string{"bagit.txt", "data/bundle.json", "data/custody.ndjson"} {
		if !take(p) {
			return wrong(p)
		}
	}
	take("data/certificate.search")
	i, err := b.layoutTimestamps(i)
	if err != nil {
		return err
	}
	last := ""
	for i < len(b.paths) && strings.HasPrefix(b.paths[i], "data/") {
		folder := strings.SplitN(b.paths[i][5:], "/", 2)[0]
		log, ok := logOf(folder)
		if !ok || log <= last {
			return fmt.Errorf("%q is no file of the next log", b.paths[i])
		}
		last = log
		b.folders = append(b.folders, folder)
		for _, p := range []string{"checkpoint", "keys.txt", "?consistency.ndjson", "controls.ndjson", "proofs.ndjson", "records.ndjson", "records.csv"} {
			path := "data/" + folder + "/" + strings.TrimPrefix(p, "?")
			if !take(path) && p[0] != '?' {
				return wrong(path)
			}
		}
		bins, before := "data/"+folder+"/files/", ""
		for i < len(b.paths) && strings.HasPrefix(b.paths[i], bins) {
			name := b.paths[i][len(bins):]
			if !binGrammar.MatchString(name) || name <= before {
				return fmt.Errorf("%q is not the next of files/", b.paths[i])
			}
			before = name
			i++
		}
	}
	for _, p := range []string{"README.txt", "certificate.html", "verify.html", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt", "signature"} {
		if !take(p) {
			return wrong(p)
		}
	}
	if i != len(b.paths) {
		return fmt.Errorf("%q is too many", b.paths[i])
	}
	return nil
}

const (
	tagLimit = 1 << 20
	docLimit = 16 << 20
)

// manifests checks the strict bag.
func (b *bundle) manifests() {
	fail := func(path, format string, args ...interface{}) { b.fail(checkManifest, at(path), format, args...) }
	body, err := b.a.all(b.files["bagit.txt"], tagLimit)
	if err != nil || string(body) != "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n" {
		fail("bagit.txt", "not BagIt 1.0 in UTF-8")
	}
	var data, tags []string
	bytes := int64(0)
	for _, p := range b.paths {
		switch {
		case strings.HasPrefix(p, "data/"):
			data = append(data, p)
			bytes += b.files[p].size
		case p != "tagmanifest-sha256.txt" && p != "signature":
			tags = append(tags, p)
		}
	}
	b.manifest("manifest-sha256.txt", data)
	b.manifest("tagmanifest-sha256.txt", tags)
	info, err := b.a.all(b.files["bag-info.txt"], tagLimit)
	if err != nil || len(info) == 0 || info[len(info)-1] != '\n' {
		fail("bag-info.txt", "not lines")
		return
	}
	want := map[string]string{"Payload-Oxum": fmt.Sprintf("%d.%d", bytes, len(data)), "External-Identifier": b.export}
	for i, line := range strings.Split(strings.TrimSuffix(string(info), "\n"), "\n") {
		part := strings.SplitN(line, ": ", 2)
		if len(part) != 2 || part[0] == "" || strings.ContainsAny(part[0], " \t:") {
			b.fail(checkManifest, place{"bag-info.txt", i + 1, -1}, "not `Label: value`")
			continue
		}
		if v, ok := want[part[0]]; ok {
			if v != part[1] {
				b.fail(checkManifest, place{"bag-info.txt", i + 1, -1}, "%s is %s, not %s", part[0], v, part[1])
			}
			want[part[0]] = "once only"
			delete(want, part[0])
		} else if part[0] == "Payload-Oxum" || part[0] == "External-Identifier" {
			b.fail(checkManifest, place{"bag-info.txt", i + 1, -1}, "%s a second time", part[0])
		}
	}
	if len(want) != 0 {
		fail("bag-info.txt", "no Payload-Oxum or no External-Identifier")
	}
}

// manifest holds one against the digests of exactly those files.
func (b *bundle) manifest(name string, paths []string) {
	sort.Strings(paths)
	i := 0
	err := b.lines(name, 512, func(n int, line []byte) error {
		if i == len(paths) {
			return errors.New("more files than there are")
		}
		digest := b.files[paths[i]].sha256
		if want := hex.EncodeToString(digest[:]) + "  " + paths[i]; string(line) != want {
			return fmt.Errorf("not the line of %s", paths[i])
		}
		i++
		return nil
	})
	if err != nil {
		b.fail(checkManifest, err.place, "%s", err.reason)
	} else if i != len(paths) {
		b.fail(checkManifest, at(name), "%s is not listed", paths[i])
	}
}

// lines calls f with each line of a file, without its \n.
func (b *bundle) lines(path string, limit int, f func(n int, line []byte) error) *failure {
	r, _ := b.a.open(b.files[path])
	in := bufio.NewReaderSize(r, 1<<16)
	long := []byte{}
	for n := 1; ; n++ {
		long = long[:0]
		part, err := in.ReadSlice('\n')
		for err == bufio.ErrBufferFull && len(long) < limit {
			long = append(long, part...)
			part, err = in.ReadSlice('\n')
		}
		if err == io.EOF && len(long) == 0 && len(part) == 0 {
			return nil
		}
		where := place{path, n, -1}
		if err != nil {
			return &failure{0, where, "a line without an end, or too long"}
		}
		if len(long) > 0 {
			long = append(long, part...)
			part = long
		}
		if err := f(n, part[:len(part)-1]); err != nil {
			return &failure{0, where, err.Error()}
		}
	}
}

// successions reads the succession notes of all keys.txt.
func (b *bundle) successions() {
	seen := map[string]bool{}
	for _, folder := range b.folders {
		path := "data/" + folder + "/keys.txt"
		count := 0
		err := b.lines(path, 256<<10, func(n int, line []byte) error {
			if !bytes.HasPrefix(line, []byte("identity ")) {
				return nil
			}
			raw, err := unbase64(string(line[9:]))
			if count++; err != nil || count > 64 {
				return errors.New("not base64, or more than 64 identities")
			}
			if !seen[string(raw)] {
				seen[string(raw)] = true
				b.notes = append(b.notes, raw)
			}
			return nil
		})
		if err != nil {
			b.fail(checkKeys, err.place, "%s", err.reason)
		}
	}
	var err error
	if b.row, err = buildRow(b.trusted, b.notes); err != nil {
		b.fail(checkSignature, at("keys.txt"), "%v", err)
	}
}

// signature checks the note over tagmanifest-sha256.txt.
func (b *bundle) signature() {
	fail := func(format string, args ...interface{}) { b.fail(checkSignature, at("signature"), format, args...) }
	body, err := b.a.all(b.files["signature"], 128<<10)
	if err != nil {
		fail("%v", err)
		return
	}
	n, err := parseNote(body)
	if err != nil {
		fail("%v", err)
		return
	}
	l, ok := n.linesOf("stele bundle v1", 4)
	if !ok || len(n.sigs) != 1 || !isTime(l[2]) {
		fail("not a bundle's signature")
		return
	}
	if l[0] != b.trusted.name {
		fail("of the server %s, and the trusted key is of %s", l[0], b.trusted.name)
	}
	if l[1] != b.export {
		fail("of the export %s, and this is %s", l[1], b.export)
	}
	digest, ok := unbase64N(l[3], 32)
	tags := b.files["tagmanifest-sha256.txt"].sha256
	if !ok || !bytes.Equal(digest, tags[:]) {
		fail("it signs another tagmanifest-sha256.txt")
	}
	if _, err := b.row.signer(n); err != nil {
		fail("%v", err)
	}
}

// document reads bundle.json.
func (b *bundle) document() bool {
	path := "data/bundle.json"
	body, err := b.a.all(b.files[path], docLimit)
	if err == nil && (len(body) == 0 || body[len(body)-1] != '\n') {
		err = errors.New("not one line")
	}
	var o object
	if err == nil {
		o, err = parseObject(body[:len(body)-1])
	}
	if err == nil {
		err = b.doc.read(o)
	}
	if err == nil && b.doc.export != b.export {
		err = errors.New("of another export than the folder's name says")
	}
	if err == nil && len(b.doc.logs) != len(b.folders) {
		err = errors.New("not as many logs as folders")
	}
	for i := 0; err == nil && i < len(b.folders); i++ {
		if log, _ := logOf(b.folders[i]); log != b.doc.logs[i].log {
			err = fmt.Errorf("the log %s where the folder is %s", b.doc.logs[i].log, b.folders[i])
		}
	}
	if err != nil {
		b.fail(checkEntries, place{path, 1, -1}, "%v", err)
	}
	return err == nil
}

func (d *document) read(o object) error {
	if !o.inOrder("v", "export", "server", "kind", "request", "requester", "reason", "begun", "software", "logs") {
		return errors.New("its members are not those of a bundle.json")
	}
	if o.number("v") != 1 {
		return errors.New("another version")
	}
	d.export, d.server, d.kind = o.text("export"), o.text("server"), o.text("kind")
	d.requester, d.begun, d.reason = o.text("requester"), o.text("begun"), o.text("reason")
	request, _ := o.get("request")
	software, _ := o.get("software")
	logs, _ := o.get("logs")
	sw, ok := software.(object)
	var ok2, ok3 bool
	d.request, ok2 = request.(object)
	list, ok3 := logs.([]node)
	if !ok || !ok2 || !ok3 || !sw.inOrder("version", "sha256") || d.kind != "range" && d.kind != "selection" || !isTime(d.begun) || d.requester == "" {
		return errors.New("a member of bundle.json is not what it has to be")
	}
	if err := checkRequest(d.request); err != nil {
		return err
	}
	for _, v := range list {
		l, ok := v.(object)
		if !ok || !l.inOrder("log", "size", "entries", "payloads", "purged", "withheld", "controls", "bytes") {
			return errors.New("a log of bundle.json has other members")
		}
		for _, m := range l[1:] {
			if _, ok := m.value.(int64); !ok {
				return errors.New("a count of bundle.json is no number")
			}
		}
		d.logs = append(d.logs, summary{l.text("log"), l.number("size"), l.number("entries"), l.number("payloads"), l.number("purged"),
			l.number("withheld"), l.number("controls"), l.number("bytes")})
	}
	return nil
}

// run does all checks, and reports into the findings.
func (b *bundle) run() {
	if err := b.layout(); err != nil {
		b.fail(checkArchive, at(""), "%v", err)
		return
	}
	b.manifests()
	b.successions()
	b.signature()
	if b.verdict() != nil || !b.document() {
		return
	}
	if b.doc.server != b.trusted.name {
		b.fail(checkKeys, at("data/bundle.json"), "server is %s, and the trusted key is of %s", b.doc.server, b.trusted.name)
	}
	for i, folder := range b.folders {
		l := &logCheck{bundle: b, folder: folder, sum: b.doc.logs[i], origin: b.trusted.name + "/" + b.doc.logs[i].log}
		b.logs = append(b.logs, l)
		l.check()
	}
	b.sinceLeft()
	b.custody()
	b.timestamps()
	b.completeness()
}

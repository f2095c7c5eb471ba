package main

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

const (
	top       = 0xFFFFFFFF
	maxFiles  = 1000000
	maxName   = 255
	endBytes  = 22
	zip64End  = 56
	locator   = 20
	localSize = 30
)

// entryFile is one file of the archive.
type entryFile struct {
	name         string
	method       uint16
	crc          uint32
	packed, size int64
	offset, data int64 // of the local header, of its data
	sha256       [32]byte
}

// archive is a strict ZIP (section 10).
type archive struct {
	f     *os.File
	size  int64
	files []*entryFile
}

var le = binary.LittleEndian

func (a *archive) read(offset int64, n int64) ([]byte, error) {
	if offset < 0 || n < 0 || offset > a.size-n {
		return nil, errors.New("the archive is truncated")
	}
	b := make([]byte, n)
	_, err := io.ReadFull(io.NewSectionReader(a.f, offset, n), b)
	return b, err
}

// ends finds the central directory: how many files, its size, where.
func (a *archive) ends() (count, size, offset int64, err error) {
	end, err := a.read(a.size-endBytes, endBytes)
	if err != nil {
		return 0, 0, 0, err
	}
	if le.Uint32(end) != 0x06054b50 || le.Uint16(end[20:]) != 0 {
		return 0, 0, 0, errors.New("the last 22 bytes are no end record without comment")
	}
	count, size, offset = int64(le.Uint16(end[10:])), int64(le.Uint32(end[12:])), int64(le.Uint32(end[16:]))
	if le.Uint32(end[4:]) != 0 || le.Uint16(end[8:]) != le.Uint16(end[10:]) {
		return 0, 0, 0, errors.New("more than one disk")
	}
	last := a.size - endBytes
	if count == 0xFFFF || size == top || offset == top {
		count, size, offset, err = a.ends64(count, size, offset)
		last -= zip64End + locator
	}
	if err == nil && offset+size != last {
		err = errors.New("the central directory does not end where the end record begins")
	}
	return count, size, offset, err
}

func (a *archive) ends64(count, size, offset int64) (int64, int64, int64, error) {
	b, err := a.read(a.size-endBytes-locator-zip64End, zip64End+locator)
	if err != nil {
		return 0, 0, 0, err
	}
	where := uint64(a.size - endBytes - locator - zip64End)
	l := b[zip64End:]
	if le.Uint32(l) != 0x07064b50 || le.Uint32(l[4:]) != 0 || le.Uint64(l[8:]) != where || le.Uint32(l[16:]) != 1 {
		return 0, 0, 0, errors.New("bad ZIP64 locator")
	}
	if le.Uint32(b) != 0x06064b50 || le.Uint64(b[4:]) != zip64End-12 || le.Uint16(b[12:]) != 0x032d ||
		le.Uint16(b[14:]) != 45 || le.Uint64(b[16:]) != 0 || le.Uint64(b[24:]) != le.Uint64(b[32:]) {
		return 0, 0, 0, errors.New("bad ZIP64 end record")
	}
	n, s, o := le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	if n > maxFiles || s > uint64(a.size) || o > uint64(a.size) {
		return 0, 0, 0, errors.New("bad ZIP64 end record")
	}
	fits := func(short, long, limit int64) bool {
		return long < limit && short == long || long >= limit && short == limit
	}
	if !fits(count, int64(n), 0xFFFF) || !fits(size, int64(s), top) || !fits(offset, int64(o), top) {
		return 0, 0, 0, errors.New("the end record and ZIP64's disagree")
	}
	return int64(n), int64(s), int64(o), nil
}

// openArchive reads the directory and every file: structure, sizes, CRC-32 and SHA-256.
func openArchive(f *os.File) (*archive, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	a := &archive{f: f, size: info.Size()}
	count, size, offset, err := a.ends()
	if err != nil {
		return nil, err
	}
	if count > maxFiles {
		return nil, errors.New("more than 1,000,000 files")
	}
	if offset < 0 || offset > a.size {
		return nil, errors.New("the central directory is outside of the file")
	}
	r := bufio.NewReaderSize(io.NewSectionReader(f, offset, size), 1<<16)
	at, names := int64(0), map[string]bool{}
	for i := int64(0); i < count; i++ {
		e, used, err := a.central(r, at)
		if err != nil {
			return nil, fmt.Errorf("file %d of the directory: %v", i, err)
		}
		if names[e.name] {
			return nil, fmt.Errorf("two files are named %s", e.name)
		}
		names[e.name] = true
		size -= used
		if err := a.local(e); err != nil {
			return nil, fmt.Errorf("%s: %v", e.name, err)
		}
		at = e.data + e.packed
		if at > offset {
			return nil, fmt.Errorf("%s goes into the directory", e.name)
		}
		a.files = append(a.files, e)
	}
	if size != 0 || at != offset {
		return nil, errors.New("a gap before or in the central directory")
	}
	for _, e := range a.files {
		if err := a.digest(e); err != nil {
			return nil, fmt.Errorf("%s: %v", e.name, err)
		}
	}
	return a, nil
}

// central reads one header of the directory of a file that has to begin at `at`.
func (a *archive) central(r io.Reader, at int64) (*entryFile, int64, error) {
	h := make([]byte, 46)
	if _, err := io.ReadFull(r, h); err != nil {
		return nil, 0, errors.New("the directory is too short")
	}
	names, extras := int64(le.Uint16(h[28:])), int64(le.Uint16(h[30:]))
	if le.Uint32(h) != 0x02014b50 || le.Uint16(h[32:]) != 0 || names == 0 || names > maxName {
		return nil, 0, errors.New("a bad header")
	}
	rest := make([]byte, names+extras)
	if _, err := io.ReadFull(r, rest); err != nil {
		return nil, 0, errors.New("the directory is too short")
	}
	e := &entryFile{name: string(rest[:names]), method: le.Uint16(h[10:]), crc: le.Uint32(h[16:]),
		packed: int64(le.Uint32(h[20:])), size: int64(le.Uint32(h[24:])), offset: int64(le.Uint32(h[42:]))}
	version, extra := uint16(20), rest[names:]
	if len(extra) != 0 {
		if len(extra) != 28 || le.Uint16(extra) != 1 || le.Uint16(extra[2:]) != 24 || e.packed != top || e.size != top || e.offset != top {
			return nil, 0, errors.New("an extra field that is not ZIP64's")
		}
		size, packed, offset := le.Uint64(extra[4:]), le.Uint64(extra[12:]), le.Uint64(extra[20:])
		if size < top && packed < top && offset < top {
			return nil, 0, errors.New("ZIP64 where it is not needed")
		}
		if packed > uint64(a.size) || size >= 1<<62 || offset > uint64(a.size) {
			return nil, 0, errors.New("sizes beyond the file")
		}
		e.size, e.packed, e.offset, version = int64(size), int64(packed), int64(offset), 45
	} else if e.packed == top || e.size == top || e.offset == top {
		return nil, 0, errors.New("no ZIP64 where it is needed")
	}
	if le.Uint16(h[4:]) != 0x0314 || le.Uint16(h[6:]) != version || le.Uint16(h[8:]) != 0 || le.Uint16(h[12:]) != 0 ||
		le.Uint16(h[14:]) != 0x21 || le.Uint16(h[34:]) != 0 || le.Uint16(h[36:]) != 0 || le.Uint32(h[38:]) != 0x81240000 {
		return nil, 0, errors.New("version, flags, time, disk or attributes are not the ones")
	}
	if e.method != 0 && e.method != 8 || e.method == 0 && e.packed != e.size {
		return nil, 0, errors.New("neither stored nor deflated")
	}
	if e.offset != at {
		return nil, 0, errors.New("it does not begin where the one before ends")
	}
	return e, 46 + names + extras, nil
}

// local holds the local header against the directory's.
func (a *archive) local(e *entryFile) error {
	h, err := a.read(e.offset, localSize)
	if err != nil {
		return err
	}
	big := e.size >= top || e.packed >= top || e.offset >= top
	extras, version, packed, size := int64(0), uint16(20), uint32(e.packed), uint32(e.size)
	if big {
		extras, version, packed, size = 20, 45, top, top
	}
	if le.Uint32(h) != 0x04034b50 || le.Uint16(h[4:]) != version || le.Uint16(h[6:]) != 0 || le.Uint16(h[8:]) != e.method ||
		le.Uint16(h[10:]) != 0 || le.Uint16(h[12:]) != 0x21 || le.Uint32(h[14:]) != e.crc || le.Uint32(h[18:]) != packed ||
		le.Uint32(h[22:]) != size || int(le.Uint16(h[26:])) != len(e.name) || int64(le.Uint16(h[28:])) != extras {
		return errors.New("the local header is not that of the directory")
	}
	rest, err := a.read(e.offset+localSize, int64(len(e.name))+extras)
	if err != nil {
		return err
	}
	extra := rest[len(e.name):]
	if string(rest[:len(e.name)]) != e.name {
		return errors.New("another name in the local header")
	}
	if big && (le.Uint16(extra) != 1 || le.Uint16(extra[2:]) != 16 || le.Uint64(extra[4:]) != uint64(e.size) || le.Uint64(extra[12:]) != uint64(e.packed)) {
		return errors.New("other ZIP64 sizes in the local header")
	}
	e.data = e.offset + localSize + int64(len(rest))
	return nil
}

// counted says how many bytes flate took; it reads byte by byte, so none too many.
type counted struct {
	r *bufio.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

func (c *counted) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

// open gives a file's plain bytes.
func (a *archive) open(e *entryFile) (io.Reader, *counted) {
	c := &counted{r: bufio.NewReaderSize(io.NewSectionReader(a.f, e.data, e.packed), 1<<16)}
	if e.method == 0 {
		return c, c
	}
	return flate.NewReader(c), c
}

func (a *archive) digest(e *entryFile) error {
	r, c := a.open(e)
	crc, sha := crc32.NewIEEE(), sha256.New()
	n, err := io.Copy(io.MultiWriter(crc, sha), io.LimitReader(r, e.size))
	if err != nil || n != e.size {
		return errors.New("its data does not unpack to its size")
	}
	if more, err := r.Read(make([]byte, 1)); more != 0 || err != io.EOF {
		return errors.New("its data unpacks to more than its size")
	}
	if c.n != e.packed {
		return errors.New("bytes behind its last block")
	}
	if crc.Sum32() != e.crc {
		return errors.New("its CRC-32 is another")
	}
	copy(e.sha256[:], sha.Sum(nil))
	return nil
}

// all reads a whole file of at most limit bytes.
func (a *archive) all(e *entryFile, limit int64) ([]byte, error) {
	if e.size > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	r, _ := a.open(e)
	return io.ReadAll(r)
}

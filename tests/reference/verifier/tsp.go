package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // of ESSCertID alone
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"time"
)

// Timestamps: RFC 3161, RFC 5652 and RFC 5816 as far as section 10, check 13 goes.

const (
	timestampBytes = 65536
	accuracyMost   = 86400
)

// stamp is what a token says, once it holds.
type stamp struct {
	when        time.Time // genTime and its accuracy
	gen         time.Time
	name        string
	certificate *x509.Certificate
}

var (
	oidSigned     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidInfo       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidType       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidDigest     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidNamed      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidNamed2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidUse        = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidStamps     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidCommonName = asn1.ObjectIdentifier{2, 5, 4, 3}
	digests       = map[string]crypto.Hash{"2.16.840.1.101.3.4.2.1": crypto.SHA256, "2.16.840.1.101.3.4.2.2": crypto.SHA384,
		"2.16.840.1.101.3.4.2.3": crypto.SHA512}
	// of RSA and of ECDSA: the digest that the algorithm names, 0 when it names none
	signaturesRSA = map[string]crypto.Hash{"1.2.840.113549.1.1.1": 0, "1.2.840.113549.1.1.11": crypto.SHA256,
		"1.2.840.113549.1.1.12": crypto.SHA384, "1.2.840.113549.1.1.13": crypto.SHA512}
	signaturesEC = map[string]crypto.Hash{"1.2.840.10045.2.1": 0, "1.2.840.10045.4.3.2": crypto.SHA256,
		"1.2.840.10045.4.3.3": crypto.SHA384, "1.2.840.10045.4.3.4": crypto.SHA512}
	timeOfStamp = regexp.MustCompile(`^[0-9]{14}(\.[0-9]{1,9})?Z$`)
)

// derReader takes values one by one; the first that is not as it has to be breaks it.
type derReader struct {
	rest []byte
	bad  bool
}

// next takes a value of that class and tag; content is what is in it, whole what it is all of.
func (r *derReader) next(class, tag int) (content, whole []byte) {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(r.rest, &v)
	if r.bad || err != nil || v.Class != class || v.Tag != tag {
		r.bad = true
		return nil, nil
	}
	r.rest = rest
	return v.Bytes, v.FullBytes
}

func (r *derReader) in(class, tag int) *derReader {
	content, _ := r.next(class, tag)
	return &derReader{content, r.bad}
}

// is says whether such a value comes next.
func (r *derReader) is(class, tag int) bool {
	var v asn1.RawValue
	_, err := asn1.Unmarshal(r.rest, &v)
	return !r.bad && err == nil && v.Class == class && v.Tag == tag
}

func (r *derReader) sequence() *derReader { return r.in(asn1.ClassUniversal, asn1.TagSequence) }
func (r *derReader) set() *derReader      { return r.in(asn1.ClassUniversal, asn1.TagSet) }
func (r *derReader) tagged(n int) *derReader {
	return r.in(asn1.ClassContextSpecific, n)
}

func (r *derReader) octets() []byte {
	b, _ := r.next(asn1.ClassUniversal, asn1.TagOctetString)
	return b
}

func (r *derReader) integer() *big.Int {
	n := new(big.Int)
	_, whole := r.next(asn1.ClassUniversal, asn1.TagInteger)
	if _, err := asn1.Unmarshal(whole, &n); err != nil {
		r.bad = true
		return new(big.Int)
	}
	return n
}

func (r *derReader) oid() asn1.ObjectIdentifier {
	var id asn1.ObjectIdentifier
	_, whole := r.next(asn1.ClassUniversal, asn1.TagOID)
	if _, err := asn1.Unmarshal(whole, &id); err != nil {
		r.bad = true
	}
	return id
}

// algorithm takes an AlgorithmIdentifier, whose parameters mean nothing here.
func (r *derReader) algorithm() asn1.ObjectIdentifier { return r.sequence().oid() }

func (r *derReader) ended() bool { return !r.bad && len(r.rest) == 0 }

// token is a TimeStampResp taken apart.
type token struct {
	info, imprint         []byte
	imprintBy             asn1.ObjectIdentifier
	gen                   time.Time
	accuracy              time.Duration
	certificates          []*x509.Certificate
	issuer                []byte
	serial                *big.Int
	digest, signatureBy   asn1.ObjectIdentifier
	attributes, signature []byte // attributes: as they are signed
	said                  map[string]*derReader
}

func parseToken(raw []byte) (*token, error) {
	none := errors.New("it is no TimeStampResp of RFC 3161, or something follows it")
	all := &derReader{rest: raw}
	response := all.sequence()
	if !all.ended() || len(raw) > timestampBytes {
		return nil, none
	}
	status := response.sequence().integer()
	if !status.IsInt64() || status.Int64() != 0 && status.Int64() != 1 {
		return nil, errors.New("the authority did not grant it")
	}
	content := response.sequence()
	if !content.oid().Equal(oidSigned) {
		return nil, errors.New("there is no token in it")
	}
	wrapped := content.tagged(0)
	signed := wrapped.sequence()
	signed.integer()
	signed.set()
	inner := signed.sequence()
	if !inner.oid().Equal(oidInfo) {
		return nil, errors.New("there is no token in it")
	}
	box := inner.tagged(0)
	t := &token{info: box.octets()}
	if response.bad || content.bad || wrapped.bad || !box.ended() || !inner.ended() || !response.ended() || !content.ended() || !wrapped.ended() {
		return nil, none
	}
	if err := t.readInfo(); err != nil {
		return nil, err
	}
	return t, t.readSigned(signed)
}

func (t *token) readInfo() error {
	none := errors.New("its TSTInfo does not follow the format")
	all := &derReader{rest: t.info}
	info := all.sequence()
	if v := info.integer(); v.Cmp(big.NewInt(1)) != 0 {
		return errors.New("its token is of another version than 1")
	}
	info.oid()
	imprint := info.sequence()
	t.imprintBy, t.imprint = imprint.algorithm(), imprint.octets()
	if serial := info.integer(); serial.Sign() < 0 || serial.BitLen() > 256 {
		return errors.New("its serial number is none: at most 32 bytes")
	}
	text, _ := info.next(asn1.ClassUniversal, asn1.TagGeneralizedTime)
	if info.bad || imprint.bad || !all.ended() {
		return none
	}
	var err error
	if !timeOfStamp.Match(text) {
		return errors.New("its genTime is no instant")
	}
	if t.gen, err = time.Parse("20060102150405Z", string(text)); err != nil || t.gen.Year() < 1970 || t.gen.Year() > 2261 {
		return errors.New("its genTime is no instant")
	}
	if info.is(asn1.ClassUniversal, asn1.TagSequence) {
		if t.accuracy, err = readAccuracy(info.sequence()); err != nil {
			return err
		}
	}
	if info.is(asn1.ClassUniversal, asn1.TagBoolean) {
		info.next(asn1.ClassUniversal, asn1.TagBoolean)
	}
	if info.is(asn1.ClassUniversal, asn1.TagInteger) {
		info.integer()
	}
	for n := 0; n < 2; n++ {
		if info.is(asn1.ClassContextSpecific, n) {
			info.tagged(n)
		}
	}
	if !info.ended() {
		return none
	}
	return nil
}

func readAccuracy(r *derReader) (time.Duration, error) {
	sum := time.Duration(0)
	take := func(n *big.Int, most int64, unit time.Duration) {
		if n.Sign() < 0 || n.Cmp(big.NewInt(most)) > 0 {
			r.bad = true
			return
		}
		sum += time.Duration(n.Int64()) * unit
	}
	if r.is(asn1.ClassUniversal, asn1.TagInteger) {
		take(r.integer(), accuracyMost, time.Second)
	}
	for i, unit := range []time.Duration{time.Millisecond, time.Microsecond} {
		if r.is(asn1.ClassContextSpecific, i) {
			content, _ := r.next(asn1.ClassContextSpecific, i)
			if len(content) == 0 || content[0] >= 0x80 {
				r.bad = true
			}
			take(new(big.Int).SetBytes(content), 999, unit)
		}
	}
	if !r.ended() {
		return 0, errors.New("its accuracy is none: at most a day")
	}
	return sum, nil
}

// readSigned takes what follows the content: certificates, and the one signer.
func (t *token) readSigned(signed *derReader) error {
	if signed.is(asn1.ClassContextSpecific, 0) {
		for list := signed.tagged(0); len(list.rest) > 0; {
			_, whole := list.next(asn1.ClassUniversal, asn1.TagSequence)
			c, err := x509.ParseCertificate(whole)
			if err != nil {
				return fmt.Errorf("a certificate in it: %v", err)
			}
			t.certificates = append(t.certificates, c)
		}
	}
	if signed.is(asn1.ClassContextSpecific, 1) {
		signed.tagged(1)
	}
	signers := signed.set()
	s := signers.sequence()
	if signed.bad || !signed.ended() || !signers.ended() {
		return errors.New("its token has another number of signatures than one")
	}
	s.integer()
	who := s.sequence()
	_, t.issuer = who.next(asn1.ClassUniversal, asn1.TagSequence)
	t.serial = who.integer()
	t.digest = s.algorithm()
	attributes, whole := s.next(asn1.ClassContextSpecific, 0)
	t.signatureBy = s.algorithm()
	t.signature = s.octets()
	if s.is(asn1.ClassContextSpecific, 1) {
		s.tagged(1)
	}
	if s.bad || who.bad || !s.ended() {
		return errors.New("its signer does not follow the format, or has no signed attributes")
	}
	t.attributes = append([]byte{0x31}, whole[1:]...)
	t.said = map[string]*derReader{}
	for r := (&derReader{rest: attributes}); len(r.rest) > 0; {
		a := r.sequence()
		id, values := a.oid().String(), a.set()
		if r.bad || a.bad || !a.ended() || t.said[id] != nil {
			return errors.New("its signed attributes do not follow the format")
		}
		t.said[id] = values
	}
	return nil
}

// attribute is the one value of a signed attribute; broken when there is none.
func (t *token) attribute(id asn1.ObjectIdentifier) *derReader {
	if v := t.said[id.String()]; v != nil {
		return &derReader{v.rest, v.bad}
	}
	return &derReader{bad: true}
}

// checkToken holds a TimeStampResp of the SHA-256 given; with roots a chain has to lead to one of them.
func checkToken(raw, imprint []byte, roots *x509.CertPool) (*stamp, error) {
	t, err := parseToken(raw)
	if err != nil {
		return nil, err
	}
	if digests[t.imprintBy.String()] != crypto.SHA256 || !bytes.Equal(t.imprint, imprint) {
		return nil, errors.New("it is a timestamp of something else: the imprint differs")
	}
	var signer *x509.Certificate
	for _, c := range t.certificates {
		if bytes.Equal(c.RawIssuer, t.issuer) && c.SerialNumber.Cmp(t.serial) == 0 {
			signer = c
		}
	}
	if signer == nil {
		return nil, errors.New("the certificate of its signer is not in it")
	}
	if err := t.signedBy(signer); err != nil {
		return nil, err
	}
	if err := t.names(signer); err != nil {
		return nil, err
	}
	if err := mayStamp(signer); err != nil {
		return nil, err
	}
	if t.gen.Before(signer.NotBefore) || t.gen.After(signer.NotAfter) {
		return nil, errors.New("its certificate was not valid at that time")
	}
	if roots != nil {
		between := x509.NewCertPool()
		for _, c := range t.certificates {
			between.AddCert(c)
		}
		_, err := signer.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: t.gen,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}})
		if err != nil {
			return nil, fmt.Errorf("its certificate leads to none of the roots: %v", err)
		}
	}
	return &stamp{t.gen.Add(t.accuracy), t.gen, commonName(signer), signer}, nil
}

func hashOf(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

func (t *token) signedBy(signer *x509.Certificate) error {
	digest, named := digests[t.digest.String()], crypto.Hash(0)
	if kind := t.attribute(oidType); !kind.oid().Equal(oidInfo) || !kind.ended() {
		return errors.New("its signature is not over what a timestamp signs")
	}
	message := t.attribute(oidDigest)
	said := message.octets()
	if digest == 0 {
		return errors.New("its signature is over no SHA-256, SHA-384 or SHA-512")
	}
	if !message.ended() || !bytes.Equal(said, hashOf(digest, t.info)) {
		return errors.New("its signature does not hold: the message digest is another")
	}
	sum, good, known := hashOf(digest, t.attributes), false, false
	switch key := signer.PublicKey.(type) {
	case *rsa.PublicKey:
		named, known = signaturesRSA[t.signatureBy.String()]
		known = known && key.N.BitLen() >= 2048 && key.N.BitLen() <= 8192
		good = known && rsa.VerifyPKCS1v15(key, digest, sum, t.signature) == nil
	case *ecdsa.PublicKey:
		named, known = signaturesEC[t.signatureBy.String()]
		size := key.Curve.Params().BitSize
		known = known && (size == 256 || size == 384 || size == 521)
		good = known && ecdsa.VerifyASN1(key, sum, t.signature)
	}
	if !known || named != 0 && named != digest {
		return errors.New("its signature is of a kind, or by a key too short, that is not taken")
	}
	if !good {
		return errors.New("its signature does not hold")
	}
	return nil
}

// names checks the attribute that names the signer's certificate, in either form.
func (t *token) names(signer *x509.Certificate) error {
	bad := errors.New("its signature names another certificate, or none")
	if t.said[oidNamed.String()] == nil && t.said[oidNamed2.String()] == nil {
		return bad
	}
	for _, id := range []asn1.ObjectIdentifier{oidNamed, oidNamed2} {
		if t.said[id.String()] == nil {
			continue
		}
		value := t.attribute(id)
		list := value.sequence().sequence()
		if !value.ended() || list.bad || len(list.rest) == 0 {
			return bad
		}
		for first := true; len(list.rest) > 0; first = false {
			one, hash := list.sequence(), crypto.SHA1
			if id.Equal(oidNamed2) {
				hash = crypto.SHA256
				if one.is(asn1.ClassUniversal, asn1.TagSequence) {
					hash = digests[one.algorithm().String()]
				}
			}
			sum := one.octets()
			if one.bad || list.bad || hash == 0 || !t.isNamed(signer, first, hash, sum, one) {
				return bad
			}
		}
	}
	return nil
}

// isNamed says whether the hash, and the issuer and serial number behind it, are the signer's; or, further back, any certificate's.
func (t *token) isNamed(signer *x509.Certificate, first bool, hash crypto.Hash, sum []byte, rest *derReader) bool {
	all := t.certificates
	if first {
		all = []*x509.Certificate{signer}
	}
	for _, c := range all {
		if !bytes.Equal(hashOf(hash, c.Raw), sum) {
			continue
		}
		if len(rest.rest) == 0 {
			return true
		}
		who := rest.sequence()
		names := who.sequence().tagged(4)
		_, issuer := names.next(asn1.ClassUniversal, asn1.TagSequence)
		serial := who.integer()
		return rest.ended() && who.ended() && !names.bad && bytes.Equal(issuer, c.RawIssuer) && serial.Cmp(c.SerialNumber) == 0
	}
	return false
}

// mayStamp says whether a certificate is for timestamps alone.
func mayStamp(c *x509.Certificate) error {
	stamps, signs := false, true
	for _, e := range c.Extensions {
		switch {
		case e.Id.Equal(oidUse):
			var uses []asn1.ObjectIdentifier
			rest, err := asn1.Unmarshal(e.Value, &uses)
			stamps = e.Critical && err == nil && len(rest) == 0 && len(uses) == 1 && uses[0].Equal(oidStamps)
		case e.Id.Equal(oidKeyUsage):
			signs = c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
		}
	}
	if !stamps || !signs {
		return errors.New("its certificate is not one for timestamps alone (critical extended key usage)")
	}
	return nil
}

func commonName(c *x509.Certificate) string {
	for _, n := range c.Subject.Names {
		if text, ok := n.Value.(string); ok && n.Type.Equal(oidCommonName) {
			return text
		}
	}
	return "an authority without a name"
}

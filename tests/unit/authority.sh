#!/bin/sh
# Timestamp authorities of a test, in the folder given: what tests/unit/test_tsp.c reads. Tokens are of `data`.
set -e
cd "$1"
printf 'some checkpoint\n' >data
printf 'another\n' >other
cat >ca.cnf <<EOF
[req]
distinguished_name = name
[name]
[ca]
default_ca = x
[x]
database = index
serial = number
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[good]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[mild]
extendedKeyUsage = timeStamping
[both]
extendedKeyUsage = critical,timeStamping,clientAuth
[wrong]
extendedKeyUsage = critical,clientAuth
keyUsage = critical,digitalSignature
[none]
keyUsage = critical,digitalSignature
[crypt]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,keyEncipherment
EOF
: >index
echo 1000 >number
req() { openssl req -new -newkey "$2" $3 -nodes -keyout "$1.key" -subj "/CN=$1" -out "$1.csr" -config ca.cnf 2>/dev/null; }
root() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$1" -days 3650 -out "$1.pem" -config ca.cnf \
		-extensions root 2>/dev/null
}
sign() { # NAME EXTENSIONS START END
	openssl ca -batch -config ca.cnf -cert root.pem -keyfile root.key -in "$1.csr" -out "$1.pem" -notext -extensions "$2" \
		-startdate "$3" -enddate "$4" 2>/dev/null
}
root root
root stranger
for name in rsa mild both wrong none crypt past future; do req $name rsa:2048; done
req weak rsa:1024
req ec ec "-pkeyopt ec_paramgen_curve:P-384"
req odd ec "-pkeyopt ec_paramgen_curve:secp256k1"
from=20200101000000Z
to=20450101000000Z
for name in rsa ec weak odd; do sign $name good $from $to; done
for name in mild both wrong none crypt; do sign $name $name $from $to; done
sign past good 20200101000000Z 20210101000000Z
sign future good 20440101000000Z 20450101000000Z
cat >tsa.cnf <<EOF
[tsa]
default_tsa = t
[t]
serial = serial
default_policy = 1.2.3.4
digests = sha256,sha384
accuracy = secs:1,millisecs:500
EOF
echo 01 >serial
reply() { # NAME DIGEST OUT MORE
	openssl ts -reply -config tsa.cnf -signer "$1.pem" -inkey "$1.key" "-$2" -queryfile query -out "$3" $4 $5 2>/dev/null
}
# The nonce is in a request that comes from the test.
reply rsa sha256 rsa.tsr "-chain root.pem"
reply rsa sha512 rsa512.tsr
reply ec sha384 ec.tsr
openssl ts -query -data other -sha256 -cert -out query.other 2>/dev/null
openssl ts -reply -config tsa.cnf -signer rsa.pem -inkey rsa.key -sha256 -queryfile query.other -out other.tsr 2>/dev/null
openssl ts -query -data data -sha384 -cert -out query.384 2>/dev/null
openssl ts -reply -config tsa.cnf -signer rsa.pem -inkey rsa.key -sha256 -queryfile query.384 -out imprint384.tsr 2>/dev/null
openssl ts -query -data data -sha1 -cert -out query.1 2>/dev/null
openssl ts -reply -config tsa.cnf -signer rsa.pem -inkey rsa.key -sha256 -queryfile query.1 -out rejected.tsr 2>/dev/null
openssl ts -query -data data -sha256 -out query.bare 2>/dev/null
openssl ts -reply -config tsa.cnf -signer rsa.pem -inkey rsa.key -sha256 -queryfile query.bare -out bare.tsr 2>/dev/null
# What `openssl ts` will not sign: the TSTInfo of a good one, by others. The test wraps these.
openssl ts -reply -in rsa.tsr -token_out -out token 2>/dev/null
openssl cms -verify -noverify -inform DER -in token -out info 2>/dev/null
cms() { # SIGNER OUT TYPE MORE
	openssl cms -sign -binary -in info -nodetach -outform DER -signer "$1.pem" -inkey "$1.key" -econtent_type "$3" -out "$2" $4 $5 2>/dev/null
}
stamp=1.2.840.113549.1.9.16.1.4
for name in rsa mild both wrong none crypt past future weak odd; do cms $name $name.cms $stamp "-cades -md sha256"; done
cms rsa unnamed.cms $stamp "-md sha256"
cms rsa sha1.cms $stamp "-cades -md sha1"
cms rsa data.cms 1.2.840.113549.1.7.1 "-cades -md sha256"
cms rsa nocerts.cms $stamp "-cades -nocerts"
cms rsa two.cms $stamp "-cades -signer ec.pem -inkey ec.key"

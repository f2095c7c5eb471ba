"""Certificates for tests: an authority that issues, revokes and lists, by openssl(1)."""
import shutil
import subprocess
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

OPENSSL = shutil.which("openssl")
LOCAL = "IP:127.0.0.1,DNS:localhost"

CONFIG = """
[ca]
default_ca = a
[a]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 1
policy = p
unique_subject = no
[p]
commonName = supplied
"""

LEAF = """basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = {usage}
subjectAltName = {names}
"""

CA = """basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


def needed():
    """For setUpModule: skips the tests where there is no openssl(1)."""
    if not OPENSSL:
        raise unittest.SkipTest("openssl(1) is not installed: no certificates to test with")


def openssl(*arguments, cwd=None):
    run = subprocess.run([OPENSSL, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                         check=False)
    assert run.returncode == 0, f"openssl {arguments}: {run.stderr}"
    return run.stdout


def stamp(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def make_key(path, kind=("EC", "ec_paramgen_curve:P-256")):
    openssl("genpkey", "-algorithm", kind[0], "-pkeyopt", kind[1], "-out", path)


class Authority:
    """One CA, in a folder of its own; ca.pem is its certificate, chain.pem that and what issued
    it, but for the root."""

    def __init__(self, folder, name, parent=None):
        self.folder = Path(folder) / name
        self.folder.mkdir()
        self.name, self.parent, self.made = name, parent, 0
        (self.folder / "ca.cnf").write_text(CONFIG)
        (self.folder / "index.txt").touch()
        (self.folder / "serial").write_text("1000\n")
        (self.folder / "ca.ext").write_text(CA)
        make_key(self.folder / "ca.key")
        self._request("ca.key", f"/CN={name}")
        signer = parent or self
        extra = () if parent else ("-selfsign", "-keyfile", "ca.key")
        signer.sign(self.folder / "request.pem", self.folder / "ca.ext", self.folder / "ca.pem",
                    -1, 30, *extra)
        self.pem = self.folder / "ca.pem"

    def _request(self, key, subject):
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", "request.pem",
                "-config", "/dev/null", cwd=self.folder)

    def sign(self, request, extensions, out, begin, end, *extra):
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-in", request, "-out", out,
                "-extfile", extensions, "-startdate", stamp(begin), "-enddate", stamp(end), *extra,
                cwd=self.folder)

    def issue(self, subject, names=LOCAL, begin=-1, end=1, usage="serverAuth,clientAuth",
              kind=("EC", "ec_paramgen_curve:P-256")):
        """(certificate with its chain, key): files, of a leaf valid between two days from now."""
        self.made += 1
        stem = self.folder / f"leaf{self.made}"
        certificate, key = stem.with_suffix(".pem"), stem.with_suffix(".key")
        make_key(key, kind)
        self._request(key, f"/CN={subject}")
        (self.folder / "leaf.ext").write_text(LEAF.format(usage=usage, names=names))
        self.sign("request.pem", "leaf.ext", certificate, begin, end)
        if self.parent:
            certificate.write_text(certificate.read_text() + self.pem.read_text())
        return certificate, key

    def revoke(self, certificate):
        openssl("ca", "-config", "ca.cnf", "-revoke", certificate, cwd=self.folder)

    def crl(self, out, seconds=86400):
        """Writes the revocation list of now, with a time for its next update."""
        openssl("ca", "-config", "ca.cnf", "-gencrl", "-crlsec", seconds, "-out", out,
                cwd=self.folder)
        return out

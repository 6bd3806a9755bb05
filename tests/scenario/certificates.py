"""Certificates for the scenarios, by the openssl program: an authority, and parties with keys."""

import hashlib
import subprocess

from process import clean_env


def openssl(*argv, data=None):
    done = subprocess.run(["openssl", *map(str, argv)], input=data, capture_output=True, env=clean_env(), check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Party:
    """A key and its certificate; signed by an issuer or by itself."""

    def __init__(self, directory, name, issuer=None, subject_alt_name=None, days=2, authority=False):
        self.key, self.certificate = directory / f"{name}.key", directory / f"{name}.pem"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        self.key.chmod(0o600)
        request = openssl("req", "-new", "-key", self.key, "-subj", f"/CN={name}")
        extensions = directory / f"{name}.ext"
        extensions.write_text(f"basicConstraints = CA:{'TRUE' if authority else 'FALSE'}\n"
                              + (f"subjectAltName = {subject_alt_name}\n" if subject_alt_name else ""))
        signer = ["-CA", issuer.certificate, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else ["-key", self.key]
        openssl("x509", "-req", *signer, "-days", days, "-extfile", extensions, "-out", self.certificate, data=request)

    @property
    def both(self):
        """A file with the certificate and the key."""
        path = self.certificate.with_suffix(".both.pem")
        path.write_text(self.certificate.read_text() + self.key.read_text())
        path.chmod(0o600)
        return path

    @property
    def hash(self):
        """What pins name: SHA-256 of the SubjectPublicKeyInfo."""
        public = openssl("x509", "-in", self.certificate, "-noout", "-pubkey")
        return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", data=public)).hexdigest()

    @property
    def source(self):
        return f"key:{self.hash}"


def party_of(directory, name):
    """Whoever has name.key and name.pem there."""
    party = Party.__new__(Party)
    party.key, party.certificate = directory / f"{name}.key", directory / f"{name}.pem"
    return party

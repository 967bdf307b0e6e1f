"""A real IMAP server on loopback for tests and benchmarks: Dovecot, with an account of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

DOVECOT = shutil.which("dovecot", path=f"/usr/sbin:{os.environ.get('PATH', '')}")
USABLE = DOVECOT is not None and os.geteuid() == 0
WHY = "no IMAP server here (apt-get install dovecot-imapd), or not root, as it wants to be"
PASSWORD = "s3cret-of-imap"  # of a server that lives for a test
NOBODY = 65534


@dataclass
class MailServer:
    """The account ada@example.com, whose mail is Maildirs below `home`/Maildir."""

    folder: Path
    port: int
    tls_port: int
    authority: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        return {"BULKLOAD_SOURCE_PASSWORD": PASSWORD, "SSL_CERT_FILE": str(self.authority)}

    def address(self, folder: str = "", port: int | None = None) -> str:
        return f"imap://ada%40example.com@127.0.0.1:{port or self.port}/{folder}".rstrip("/")

    def deliver(self, messages: list[bytes], folder: str = "") -> None:
        """Into a folder, as its name is on the disk (modified UTF-7, dots), flags unset."""
        box = self.home / "Maildir" / (f".{folder}" if folder else "")
        for place in ("cur", "new", "tmp"):
            (box / place).mkdir(parents=True, exist_ok=True)
        now = time.time_ns()
        for number, message in enumerate(messages):
            (box / "new" / f"{now + number}.M{number}.host").write_bytes(message)
        for path in (self.home, *self.home.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def mail_server(most: int = 10) -> Iterator[MailServer]:
    """`most`: connections that one account may have."""
    assert DOVECOT is not None
    # A short path, as that of a socket may not be long.
    folder = Path(tempfile.mkdtemp(prefix="bulkload-imap-", dir="/tmp"))
    folder.chmod(0o755)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server = MailServer(folder, _free(), _free(), folder / "ca.pem")
    server.deliver([])
    (folder / "dovecot.conf").write_text(f"""
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
disable_plaintext_auth = no
mail_max_userip_connections = {most}
mail_location = maildir:{folder}/home/Maildir
mail_fsync = never
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={NOBODY} gid={NOBODY} home={folder}/home
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Muell {{
    special_use = \\Junk
    auto = create
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {server.port}
  }}
  inet_listener imaps {{
    port = {server.tls_port}
    ssl = yes
  }}
}}
service stats {{
  chroot =
}}
""")
    command = [DOVECOT, "-F", "-c", str(folder / "dovecot.conf")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", server.port)):
                break
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)

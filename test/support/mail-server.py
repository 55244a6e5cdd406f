"""A real mail server for tests, by aiosmtpd: one JSON argument {dir, tls, cert, key, user, password}; prints its port. Mail ends up in DIR/new (Maildir).
`tls`: "plain", "starttls" (asked for before anything else) or "tls". With `user` nobody sends without a login. While DIR/refuse is there, its content is the answer to every mail.
DIR/dialogue has a line for each mail: whether it came over TLS, and who had logged in."""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import SMTP, AuthResult

options = json.loads(sys.argv[1])
folder = options["dir"]
tls = None
if options["tls"] != "plain":
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options["cert"], options["key"])


class Keep(Mailbox):
    async def handle_DATA(self, server, session, envelope):
        try:
            with open(os.path.join(folder, "refuse"), encoding="ascii") as refusal:
                return refusal.read().strip()
        except FileNotFoundError:
            pass
        with open(os.path.join(folder, "dialogue"), "a", encoding="utf8") as dialogue:
            login = session.auth_data.login.decode() if session.auth_data else ""
            dialogue.write(f"tls={'no' if session.ssl is None and options['tls'] != 'tls' else 'yes'} login={login} to={','.join(envelope.rcpt_tos)}\n")
        return await super().handle_DATA(server, session, envelope)


def authenticate(server, session, envelope, mechanism, data):
    good = data.login.decode() == options["user"] and data.password.decode() == options["password"]
    return AuthResult(success=good, handled=False, auth_data=data)


def protocol():
    auth = {"authenticator": authenticate, "auth_required": True, "auth_require_tls": options["tls"] == "starttls"} if options.get("user") else {}
    start = {"tls_context": tls, "require_starttls": True} if options["tls"] == "starttls" else {}
    return SMTP(Keep(folder), hostname="mail.test", **auth, **start)


async def main():
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls if options["tls"] == "tls" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())

"""A mail server for system tests: it keeps what came, offers TLS and logins as it is told, and fails as it is told.

    with MailServer(context, login=("shop", "secret")) as m:    # STARTTLS; MailServer(context, implicit=True): from the first byte
        m.replies["RCPT"] = ["550 5.1.1 No such user"]           # the next answers to a verb, one each
        m.mails                                                  # [{"from", "to": […], "data", "tls", "user"}]
"""
import base64
import email
import email.policy
import pathlib
import socketserver
import ssl
import subprocess
import threading


def certificate(folder, host="localhost"):
    """(context of a server, file of the certificate that is its own authority)."""
    folder = pathlib.Path(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2",
                    "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, str(folder / "cert.pem")


class MailServer:
    def __init__(self, context=None, implicit=False, login=None):
        self.context, self.implicit, self.login = context, implicit, login
        self.replies = {}
        self.mails, self.logins, self.talk = [], [], []
        self.silence = None  # an Event: say nothing until it is set
        self.lock = threading.Lock()
        mail_server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    Session(mail_server, self).run()
                except (OSError, ssl.SSLError):
                    pass  # a client that gives up is what some tests are about

        class Tcp(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass

        self.server = Tcp(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"{'smtps' if implicit else 'smtp'}://localhost:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def parsed(self):
        """What came, as Python's parser understands it."""
        with self.lock:
            return [email.message_from_bytes(m["data"], policy=email.policy.default) for m in self.mails]

    def reply_to(self, verb, usual):
        with self.lock:
            queued = self.replies.get(verb)
            return queued.pop(0) if queued else usual


class Session:
    def __init__(self, server, handler):
        self.server, self.socket = server, handler.request
        self.is_tls = False
        if server.implicit:
            self.secure()
        self.file = self.socket.makefile("rb")
        self.user, self.sender, self.to = None, None, []

    def secure(self):
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)
        self.is_tls = True

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def line(self):
        return self.file.readline().rstrip(b"\r\n").decode()

    def run(self):
        if self.server.silence:
            self.server.silence.wait(120)
            return
        self.say("220 test ESMTP")
        while True:
            line = self.line()
            if not line:
                return
            verb = line.split(" ")[0].upper()
            with self.server.lock:
                self.server.talk.append(("tls " if self.is_tls else "plain ") + line)
            if verb == "QUIT":
                self.say("221 bye")
                return
            getattr(self, "on_" + verb.lower(), self.on_other)(line)

    def on_other(self, line):
        self.say("502 no such command")

    def on_ehlo(self, line):
        can = ["test"]
        if self.server.context and not self.is_tls:
            can.append("STARTTLS")
        if self.server.login:
            can.append("AUTH PLAIN")
        for i, word in enumerate(can):
            self.say(f"250{'-' if i < len(can) - 1 else ' '}{word}")

    def on_starttls(self, line):
        self.say("220 go on")
        self.secure()
        self.file = self.socket.makefile("rb")

    def on_auth(self, line):
        words = line.split(" ")
        if len(words) < 3:
            self.say("334 ")
            words = [*words, self.line()]
        _, user, password = base64.b64decode(words[2]).decode().split("\0")
        with self.server.lock:
            self.server.logins.append((user, password, self.is_tls))
        is_good = (user, password) == self.server.login
        self.user = user if is_good else None
        self.say(self.server.reply_to("AUTH", "235 welcome" if is_good else "535 5.7.8 Authentication failed"))

    def on_mail(self, line):
        self.sender, self.to = line[len("MAIL FROM:"):].split(" ")[0].strip("<>"), []
        is_known = self.user or not self.server.login
        self.say(self.server.reply_to("MAIL", "250 ok" if is_known else "530 5.7.0 Authentication required"))

    def on_rcpt(self, line):
        reply = self.server.reply_to("RCPT", "250 ok")
        if reply.startswith("250"):
            self.to.append(line[len("RCPT TO:"):].strip("<>"))
        self.say(reply)

    def on_data(self, line):
        reply = self.server.reply_to("DATA", "354 go on")
        self.say(reply)
        if not reply.startswith("354"):
            return
        lines = []
        while (raw := self.file.readline()) not in (b".\r\n", b""):
            lines.append(raw[1:] if raw.startswith(b".") else raw)
        reply = self.server.reply_to(".", "250 taken")
        if reply.startswith("250"):
            with self.server.lock:
                self.server.mails.append({"from": self.sender, "to": self.to, "data": b"".join(lines), "tls": self.is_tls,
                                          "user": self.user})
        self.say(reply)

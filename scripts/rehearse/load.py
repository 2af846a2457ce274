"""Readers, writers and somebody who shares and takes it back, and what became of what they asked."""

import http.client
import json
import threading
import time
from contextlib import contextmanager

PAUSE = 0.02
# The server closes a connection on which nothing has been asked for five seconds.
IDLE = 2.0
TIMEOUT = 30


def reading(name):
    return {
        "resourceType": "Observation", "status": "final", "subject": {"reference": "Patient/amina"},
        "identifier": [{"system": "http://rehearsal.test/name", "value": name}],
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Heart rate"}]},
        "effectiveDateTime": "2026-01-05T08:00:00Z",
        "valueQuantity": {"value": 70, "unit": "beats/minute", "system": "http://unitsofmeasure.org", "code": "/min"},
    }


def consent(status, identity=None):
    coded = lambda system, code: {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}
    return {
        "resourceType": "Consent", **({"id": identity} if identity else {}), "status": status,
        "scope": coded("consentscope", "patient-privacy"), "category": [coded("v3-ActCode", "INFA")],
        "patient": {"reference": "Patient/amina"}, "dateTime": "2026-01-01", "policyRule": coded("v3-ActCode", "OPTIN"),
        "provision": {
            "type": "permit",
            "actor": [{"role": coded("v3-ParticipationType", "IRCP"), "reference": {"reference": "RelatedPerson/yusuf"}}],
            "action": [coded("consentaction", "access")],
            "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
        },
    }


class Client:
    """One client with a connection that it keeps, as long as the server does."""

    def __init__(self, port, token):
        self.port, self.token, self.connection = port, token, None
        # What the server calls the last request, which its log has too.
        self.request = None
        self.used = 0.0

    def ask(self, method, path, body=None):
        """The status (0 where the connection ended), the answer, and how long it took."""
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = "application/fhir+json"
            body = json.dumps(body)
        start = time.monotonic()
        if start - self.used > IDLE:
            self.close()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
            self.request = answer.headers.get("x-request-id")
            if answer.will_close:
                self.close()
            self.used = time.monotonic()
            return answer.status, text, self.used - start
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, b"", time.monotonic() - start

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Load:
    """Asks until it is stopped."""

    def __init__(self, ports, tokens, shared, sharing, busy=(503,), dropped=False):
        self.ports, self.tokens, self.shared, self.sharing = ports, tokens, shared, sharing
        # What tells a client to come again, and whether connections may end without an answer.
        self.busy, self.dropped = set(busy), dropped
        self.lock, self.over, self.goes_on = threading.Lock(), threading.Event(), threading.Event()
        self.goes_on.set()
        self.under_way = 0
        self.written, self.unknown, self.reads = [], [], []
        self.wrong, self.longest, self.answered = [], 0.0, 0
        self.successes = []
        self.threads = []

    def start(self):
        work = []
        for number, port in enumerate(self.ports):
            work += [(self.write, port, f"{number}-{writer}") for writer in range(2)]
            work += [(self.read, port, f"{number}-{reader}") for reader in range(2)]
        work.append((self.share, self.ports[0], "sharing"))
        for function, *arguments in work:
            thread = threading.Thread(target=function, args=arguments, daemon=True)
            thread.start()
            self.threads.append(thread)
        return self

    @contextmanager
    def turn(self):
        """Around what one client asks in one go."""
        while True:
            self.goes_on.wait()
            with self.lock:
                if self.goes_on.is_set():
                    self.under_way += 1
                    break
        try:
            yield
        finally:
            with self.lock:
                self.under_way -= 1

    def pause(self):
        """Nobody asks from now on, and all that was asked is answered."""
        self.goes_on.clear()
        while self.under_way:
            time.sleep(0.01)

    def go_on(self):
        self.goes_on.set()

    def stop(self):
        self.over.set()
        self.go_on()
        for thread in self.threads:
            thread.join(TIMEOUT + 5)

    def note(self, what, status, text, took, good):
        """Whether it was done."""
        done = status in good
        with self.lock:
            self.longest = max(self.longest, took)
            if done:
                self.answered += 1
                self.successes.append(time.monotonic())
            elif not (status in self.busy or (status == 0 and self.dropped)):
                self.wrong.append(f"{what}: {status} {text[:200].decode(errors='replace')}")
        return done

    def write(self, port, name):
        client = Client(port, self.tokens["amina"])
        for number in range(1_000_000):
            if self.over.is_set():
                return
            one = f"w-{name}-{number}"
            with self.turn():
                status, text, took = client.ask("POST", "/fhir/Observation", reading(one))
                done = self.note("write", status, text, took, {201})
                with self.lock:
                    (self.written if done else self.unknown).append(one)
            time.sleep(PAUSE)

    def read(self, port, _name):
        client = Client(port, self.tokens["amina"])
        for number in range(1_000_000):
            if self.over.is_set():
                return
            path = f"/fhir/Observation/{self.shared}" if number % 4 else "/fhir/Observation?patient=amina&_count=5"
            with self.turn():
                status, text, took = client.ask("GET", path)
                if self.note("read", status, text, took, {200}):
                    with self.lock:
                        self.reads.append(client.request)
            time.sleep(PAUSE)

    def share(self, port, _name):
        """Shares and takes it back; once that has been answered, nobody is let in on any node."""
        patient = Client(port, self.tokens["amina"])
        others = [Client(other, self.tokens["yusuf"]) for other in self.ports]
        for number in range(1_000_000):
            if self.over.is_set():
                return
            with self.turn():
                self.share_once(patient, others, "active" if number % 2 else "inactive")
            time.sleep(PAUSE * 2)

    def share_once(self, patient, others, status):
        code, text, took = patient.ask("PUT", f"/fhir/Consent/{self.sharing}", consent(status, self.sharing))
        if self.note("sharing", code, text, took, {200, 201}):
            for other in others:
                seen, text, took = other.ask("GET", f"/fhir/Observation/{self.shared}")
                expected = {200} if status == "active" else {403, 404}
                self.note(f"{status} sharing seen", seen, text, took, expected)

    def mark(self):
        """What has been acknowledged so far."""
        with self.lock:
            return len(self.written), len(self.reads)

    def give_up_since(self, mark):
        """What has been acknowledged since is not asked for: somebody has given it up on purpose."""
        with self.lock:
            written, reads = mark
            given_up = self.written[written:]
            del self.written[written:], self.reads[reads:]
            return given_up

    def succeeds_after(self, moment):
        """Whether anything has been done since."""
        with self.lock:
            return any(success > moment for success in self.successes[-50:])

    def first_after(self, moment):
        with self.lock:
            return next((success for success in self.successes if success > moment), None)

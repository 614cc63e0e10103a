# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests/run does once everything is installed: builds, runs the unit tests (GoogleTest, through
meson) and the tests with real servers and clients (tests/real/test_*.py), checks the rules of the
house (tests/lint.py), and counts.

Builds: build-tests (AddressSanitizer and UBSan) for everything, build-tsan (ThreadSanitizer) for the
unit tests of what is threaded, build-plain for what tests run thousands of times."""

import argparse
import concurrent.futures
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

import lint

TOP = Path(__file__).resolve().parents[1]
REAL = TOP / "tests" / "real"
#: What tests/real takes from build-plain: the harness the first, test_hardening the others.
PLAIN = ("tests/tools/sync-account", "daemon/posternd", "ui/posternctl/posternctl", "ui/window/postern")
#: Unit tests that are worth a second run under ThreadSanitizer: meson test names.
THREADED = ("cache", "net", "relay", "serve-imap", "search", "queue")
#: What of these takes long there, and has one thread only or the same threads as other tests: GoogleTest's names.
ONE_THREAD = ("CacheModel.*", "CacheDamage.*", "CacheKill.*", "CacheStress.*", "FilterTest.*",
              "LargeTest.*", "TextTest.FindsWhat*", "TextTest.RareWords*", "TextTest.Texts*",
              "TextTest.Subjects*", "TextTest.AKill*", "EveryStep.*")
#: How many files of real servers run at once: they wait more than they work.
REAL_JOBS = 4
#: The files that take longest start first, so that all end together.
LONG_FIRST = ("test_every_step", "test_exactly_once", "test_submission", "test_returns", "test_oauth", "test_set_aside",
              "test_connections", "test_sent")
FILE_TIMEOUT = 900
#: Inputs for each parser that is fuzzed.
FUZZ_RUNS = "2000"
#: Seconds for one test; a class that needs more says so with `time_limit`.
TEST_TIMEOUT = 300
#: So many of the tests that took longest are named at the end.
SLOWEST = 15
BUILDS = {
    "build-tests": ["-Db_sanitize=address,undefined", "-Db_lundef=false"],
    "build-plain": ["--buildtype=debugoptimized"],
    "build-tsan": ["-Db_sanitize=thread", "-Db_lundef=false"],
}


class Tally:
    """What passed and what didn't, over all kinds of tests."""

    def __init__(self):
        self.passed = 0
        self.skipped = []
        self.failures = []
        self.seconds = {}

    def add(self, name, outcome, text=""):
        if outcome == "passed":
            self.passed += 1
        elif outcome == "skipped":
            self.skipped.append((name, text))
        else:
            self.failures.append((name, text))

    def write(self, path):
        """As lines that read() takes: one for what passed, and one for each test that didn't."""
        with open(path, "w", encoding="utf-8") as file:
            for name, outcome, text in [*(("", "passed", ""),) * self.passed,
                                        *((name, "skipped", text) for name, text in self.skipped),
                                        *((name, "failed", text) for name, text in self.failures)]:
                file.write(json.dumps([name, outcome, text]) + "\n")

    def join(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failures += other.failures

    def read(self, path, where=""):
        """Adds what another run has written; its names get `where` before them."""
        for line in Path(path).read_text("utf-8").splitlines():
            name, outcome, text = json.loads(line)
            self.add(where + name, outcome, text)

    def report(self):
        for name in sorted(self.seconds, key=self.seconds.get, reverse=True)[:SLOWEST]:
            print(f"slow: {name}: {self.seconds[name]:.0f} s")
        for name, reason in self.skipped:
            print(f"skipped: {name}: {reason}")
        for name, text in self.failures:
            print(f"\n==== FAILED: {name}\n{text.rstrip()}")
        if self.failures:
            print("\nFailed:")
            for name, _ in self.failures:
                print(f"    {name}")
        print(f"{self.passed} passed, {len(self.failures)} failed", flush=True)


def say(text):
    print(text, flush=True)


# Building

def build(name, targets=()):
    """Sets up and builds a build directory; returns the output if that failed."""
    directory = TOP / name
    if not (directory / "build.ninja").exists():
        done = run(["meson", "setup", "--werror", str(directory), *BUILDS[name]])
        if done.returncode:
            return done.stdout
    done = run(["ninja", "-C", str(directory), *targets])
    return done.stdout if done.returncode else None


def run(command, **options):
    return subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", **options)


# Unit tests

def unit_tests(name, only, wanted, tally, without=()):
    """Runs meson's tests of a build directory; `only` names some of them, `wanted` filters cases, and
    those that match `without` aren't run."""
    directory = TOP / name
    listed = json.loads(run(["meson", "introspect", "--tests", str(directory)]).stdout)
    chosen = {test["name"]: test for test in listed
              if only is None or test["name"] in only}
    if not chosen:
        return
    label = " (ThreadSanitizer)" if name == "build-tsan" else ""
    with tempfile.TemporaryDirectory() as reports:
        environment = dict(os.environ, GTEST_OUTPUT=f"xml:{reports}/",
                           UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
                           TSAN_OPTIONS=f"second_deadlock_stack=1:suppressions={TOP}/tests/tsan.supp",
                           # GLib's own pools hide from sanitizers who owns what.
                           G_DEBUG="fatal-criticals", G_SLICE="always-malloc")
        if wanted or without:
            environment["GTEST_FILTER"] = ":".join(f"*{word}*" for word in wanted) + \
                "-" + ":".join(without)
        log = directory / "meson-logs" / "testlog.json"
        log.unlink(missing_ok=True)
        run(["meson", "test", "-C", str(directory), "--no-rebuild", "--num-processes", "4",
             "--timeout-multiplier", "6", *chosen], env=environment)
        for line in log.read_text().splitlines() if log.exists() else ():
            entry = json.loads(line)
            test_name = entry["name"].split(" / ")[-1]
            program = Path(chosen[test_name]["cmd"][0]).name if test_name in chosen else test_name
            count_unit_test(test_name + label, entry, Path(reports) / f"{program}.xml", wanted, tally)


def count_unit_test(name, entry, report, wanted, tally):
    said = entry.get("stdout", "")[-6000:] + entry.get("stderr", "")[-6000:]
    if report.exists():
        for case in xml.etree.ElementTree.parse(report).iter("testcase"):
            if case.get("status") == "notrun":
                continue
            problems = [failure.get("message", "") for failure in case.iter("failure")]
            outcome = "failed" if problems else "passed"
            if case.find("skipped") is not None:
                outcome = "skipped"
            tally.add(f"{name}: {case.get('classname')}.{case.get('name')}", outcome,
                      "\n".join(problems))
        if entry["result"] not in ("OK", "FAIL"):
            tally.add(name, "failed", f"{entry['result']}\n{said}")
        elif entry["result"] == "FAIL" and not any(failed.startswith(name + ":")
                                                   for failed, _ in tally.failures):
            tally.add(name, "failed", said)
    elif not wanted or any(word in name for word in wanted) or entry["result"] != "OK":
        outcomes = {"OK": "passed", "SKIP": "skipped"}
        tally.add(name, outcomes.get(entry["result"], "failed"), f"{entry['result']}\n{said}")


# Tests with real servers: each file in a process of its own

class Overdue(Exception):
    """A test took too long; its traceback says where it was."""


def backtraces():
    """What the threads of this process's daemons are doing, where there is a debugger to say so."""
    if not shutil.which("gdb"):
        return
    listed = run(["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())]).stdout
    for pid, name in (line.split(None, 1) for line in listed.splitlines()):
        if name.startswith(("posternd", "posternctl", "sync-account")):
            say(f"---- {name} {pid}")
            say(run(["gdb", "-p", pid, "-batch", "-ex", "thread apply all bt 20"]).stdout[-6000:])


class Alarm:
    """Raises Overdue in the main thread when a test takes longer than it may: it fails with the stack
    of where it waits, and the file's other tests still run."""

    def __init__(self):
        self.factor = 4 if os.environ.get("POSTERN_LONG") else 1
        self.seconds = 0
        signal.signal(signal.SIGALRM, self.ring)

    def start(self, test):
        self.seconds = self.factor * getattr(test, "time_limit", TEST_TIMEOUT)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def stop(self):
        signal.setitimer(signal.ITIMER_REAL, 0)

    def ring(self, *_):
        say(f"still running after {self.seconds} s; all threads:")
        faulthandler.dump_traceback(all_threads=True)
        backtraces()
        raise Overdue(f"still running after {self.seconds} s")


class Recorder(unittest.TestResult):
    """Writes the outcome of each test to a file as it ends, so that a crash loses nothing."""

    def __init__(self, path):
        super().__init__()
        self.file = open(path, "a", encoding="utf-8")
        self.problems = {}
        self.alarm = Alarm()

    def startTest(self, test):
        super().startTest(test)
        self.write(test, "started", "")
        self.alarm.start(test)

    def addError(self, test, err):
        super().addError(test, err)
        if isinstance(test, unittest.TestCase):
            self.note(test, err)
        else:
            self.write(test, "failed", self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.note(test, err, str(subtest))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.write(test, "skipped", reason)

    def note(self, test, err, what=""):
        text = self._exc_info_to_string(err, test)
        self.problems.setdefault(test.id(), []).append(f"{what}\n{text}".strip())

    def stopTest(self, test):
        self.alarm.stop()
        super().stopTest(test)
        if test.id() in self.problems:
            self.write(test, "failed", "\n\n".join(self.problems[test.id()]))
        elif not any(test is skipped for skipped, _ in self.skipped):
            self.write(test, "passed", "")

    def write(self, test, outcome, text):
        name = test.id() if hasattr(test, "id") else str(test)
        self.file.write(json.dumps([name, outcome, text, time.time()]) + "\n")
        self.file.flush()


def run_file(path, report, wanted):
    """Runs one test file in this process (started by real_tests)."""
    sys.path.insert(0, str(REAL))
    sys.dont_write_bytecode = True
    loader = unittest.TestLoader()
    if wanted:
        loader.testNamePatterns = [f"*{word}*" for word in wanted]
    suite = loader.loadTestsFromName(Path(path).stem)
    # What hangs outside of a test, in setUpClass say, leaves its stack as well.
    faulthandler.dump_traceback_later(file_timeout() - 15)
    suite.run(Recorder(report))
    # Threads of a test's own servers may still wait for connections.
    sys.stdout.flush()
    os._exit(0)


def real_tests(wanted, tally):
    files = sorted(REAL.glob("test_*.py"),
                   key=lambda path: (path.stem not in LONG_FIRST, path.stem))
    if wanted and set(wanted) <= {path.stem for path in files}:
        files = [path for path in files if path.stem in wanted]
    with tempfile.TemporaryDirectory() as reports, \
            concurrent.futures.ThreadPoolExecutor(REAL_JOBS) as pool:
        jobs = [pool.submit(real_file, path, Path(reports) / f"{path.stem}.jsonl", wanted)
                for path in files]
        for job in jobs:
            results, seconds = job.result()
            tally.seconds.update(seconds)
            for name, outcome, text in results:
                tally.add(name, outcome, text)


def real_file(path, report, wanted):
    """Runs one file; returns [(test, outcome, text)], and how long each test took."""
    if wanted and any(word == path.stem or word == path.name for word in wanted):
        wanted = []
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", POSTERN_BUILD=os.environ.get(
        "POSTERN_BUILD", str(TOP / "build-tests")))
    environment.setdefault("POSTERN_PATIENCE", "4")
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, str(TOP / "tests" / "runner.py"), "--file", str(path), "--report",
             str(report), *wanted], cwd=REAL, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            process.wait(file_timeout())
            ended = "" if process.returncode == 0 else f"ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"still running after {file_timeout()} s"
        end_group(process)
        output.seek(0)
        said = output.read().decode(errors="replace")
    return outcomes(path, report, ended, said, time.monotonic() - started)


def file_timeout():
    return FILE_TIMEOUT * (4 if os.environ.get("POSTERN_LONG") else 1)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def outcomes(path, report, ended, said, seconds):
    lines = [json.loads(line) for line in report.read_text().splitlines()] \
        if report.exists() else []
    finished = [(name, outcome, text) for name, outcome, text, _ in lines if outcome != "started"]
    begun = {name: when for name, outcome, _, when in lines if outcome == "started"}
    took = {name: when - begun[name] for name, _, _, when in lines if name in begun}
    names = {name for name, _, _ in finished}
    for name, outcome, _, _ in lines:
        if outcome == "started" and name not in names:
            finished.append((name, "failed", f"{path.name} {ended}\n{said[-8000:]}"))
            ended = ""
    if ended:
        finished.append((path.stem, "failed", f"{path.name} {ended}\n{said[-8000:]}"))
    finished = [(name, outcome, text + (f"\n---- {path.name} printed:\n{said[-12000:]}"
                                        if outcome == "failed" and said else ""))
                for name, outcome, text in finished]
    if finished:
        bad = sum(outcome == "failed" for _, outcome, _ in finished)
        say(f"  {path.name}: {sum(o == 'passed' for _, o, _ in finished)} passed, {bad} failed "
            f"({seconds:.0f} s)")
    return finished, took


def main():
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds Postern and tests it.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only tests with NAME in their name")
    parser.add_argument("--long", action="store_true", help="more rounds, more kills, more mail")
    parser.add_argument("--unit", action="store_true", help="the unit tests only")
    parser.add_argument("--real", action="store_true", help="the tests with real servers only")
    parser.add_argument("--lint", action="store_true", help="the rules of the house only")
    parser.add_argument("--elsewhere", action="store_true", help="on another Debian only: tests/elsewhere")
    # For tests/elsewhere: one build without sanitizers, and a file for what came out.
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--results", help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("--report", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.file:
        run_file(options.file, options.report, options.names)
    if options.long:
        os.environ["POSTERN_LONG"] = "1"

    tally = Tally()
    started = time.monotonic()
    if options.elsewhere:
        elsewhere_tests(options, tally)
    else:
        run_build(options, tally)
    say(f"({time.monotonic() - started:.0f} s)")
    if options.results:
        tally.write(options.results)
    tally.report()
    return 1 if tally.failures or not tally.passed else 0


def run_build(options, tally):
    name = "build-plain" if options.plain else "build-tests"
    say(f"Building {'without sanitizers' if options.plain else 'with AddressSanitizer and UBSan'} …")
    problem = build(name)
    if problem:
        tally.add("build", "failed", problem[-8000:])
    elif options.plain:
        plain_tests(options, tally)
    else:
        run_tests(options, tally)


def plain_tests(options, tally):
    os.environ["POSTERN_BUILD"] = str(TOP / "build-plain")
    if options.unit:
        unit_tests("build-plain", None, options.names, tally)
    else:
        real_tests(options.names, tally)


def run_tests(options, tally):
    every = not (options.unit or options.real or options.lint)
    if options.lint or (every and not options.names):
        say("Rules of the house …")
        lint.run(tally, options.names)
    if every or options.unit:
        say("Unit tests …")
        unit_tests("build-tests", None, options.names, tally)
        if not options.names:
            thread_tests(tally)
    if every and not options.names:
        fuzz_round(tally)
    if every or options.real:
        problem = build("build-plain", PLAIN)
        if problem:
            tally.add("build without sanitizers", "failed", problem[-8000:])
        say("Tests with real servers and clients …")
        real_tests(options.names, tally)
    if every and not options.names:
        elsewhere_tests(options, tally)


def fuzz_round(tally):
    """A few thousand inputs, the same each time, that the seeds are made into."""
    say("Fuzzing a little …")
    done = run([str(TOP / "tests" / "fuzz" / "run"), "--runs", FUZZ_RUNS])
    if done.returncode == 77:
        tally.add("fuzzing", "skipped", done.stdout.strip())
    else:
        tally.add("fuzzing", "failed" if done.returncode else "passed", done.stdout[-8000:])


# On other systems

#: What tests/run tests besides this machine, and with --long.
ELSEWHERE = ("trixie",)
ELSEWHERE_LONG = ("trixie", "trixie:i386", "trixie:s390x")


def elsewhere_tests(options, tally):
    for where in ELSEWHERE_LONG if options.long else ELSEWHERE:
        with tempfile.NamedTemporaryFile() as results:
            done = subprocess.run([sys.executable, str(TOP / "tests" / "elsewhere"), "--results", results.name,
                                   *(["--long"] if options.long else []), where],
                                  stdin=subprocess.DEVNULL)
            if Path(results.name).stat().st_size:
                tally.read(results.name)
            else:
                tally.add(f"tests/elsewhere {where}", "failed", f"ended with {done.returncode}")


def thread_tests(tally):
    say("Building with ThreadSanitizer …")
    problem = build("build-tsan", [f"tests/unit/test-{name}" for name in THREADED])
    if problem:
        tally.add("build with ThreadSanitizer", "failed", problem[-8000:])
        return
    say("Unit tests of threaded parts …")
    unit_tests("build-tsan", THREADED, [], tally, ONE_THREAD)


if __name__ == "__main__":
    sys.exit(main())

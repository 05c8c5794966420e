"""The fault campaign: `cd tests && python -m faults.campaign [--moments 100] [--verb NAME]`.

Kills each verb with SIGKILL, SIGTERM and SIGINT at seeded moments, odd seeds within half a second
of a record, and goes on with it. Prints counts, and of each failure the seed that repeats it.
"""

import argparse
import os
import pickle
import sys
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path

from extension.tiny_model import save, trained
from faults.processes import warm
from faults.trial import SIGNALS, Outcome, Undisturbed, strike, undisturbed
from faults.verbs import VERBS, Materials, Verb

_TRIES = 5


def materials(folder: Path, *, steps: int = 150) -> Materials:
    """A model of seconds, and forty short texts."""
    text = folder / "text"
    text.mkdir(parents=True)
    for number in range(40):
        lines = [f"line {number * line % 17} of file {number}\n" for line in range(40)]
        (text / f"file{number}.txt").write_text("".join(lines))
    return Materials(save(trained(steps), folder / "model"), text)


def _share(
    verb: Verb, given: Materials, usual: Undisturbed, folder: Path,
    jobs: list[tuple[int, int, bool]],
) -> list[Outcome]:  # fmt: skip
    """One worker's trials."""
    outcomes = []
    for sign, seed, anew in jobs:
        for again in range(_TRIES):
            number = seed + 10_000 * again
            place = folder / f"{verb.name}-{SIGNALS[sign].name}-{number}-{anew}"
            outcome = strike(verb, given, usual, place, SIGNALS[sign], number, anew=anew)
            # Too late for a strike: at another moment. After a record that is the last, it is not.
            if outcome.struck != "late" or number % 2 or outcome.wrong:
                break
        outcomes.append(outcome)
    return outcomes


def _print(verb: Verb, outcomes: list[Outcome], seconds: float) -> None:
    for sign in SIGNALS:
        of = [outcome for outcome in outcomes if outcome.signal == sign.name]
        struck = Counter(outcome.struck for outcome in of)
        print(
            f"{verb.name:8} {sign.name:8} {len(of)} trials: {struck['record']} within half a "
            f"second of a record, {struck['before']} elsewhere, {struck['late']} after its end; "
            f"{sum(o.resumed for o in of)} resumed, {sum(bool(o.wrong) for o in of)} wrong"
        )
    for outcome in outcomes:
        if outcome.wrong:
            print(f"  seed {outcome.seed}, {outcome.signal}: {'; '.join(outcome.wrong)}")
    print(f"{verb.name:8} {seconds:.0f} s", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--anew", type=int, default=2, help="started anew, of each signal")
    parser.add_argument("--verb", choices=[verb.name for verb in VERBS])
    parser.add_argument("--at-a-time", type=int, default=2)
    given = parser.parse_args()
    wrong = total = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warm()
        made = get_context("fork")
        with made.Pool(1) as pool:  # training starts threads, and who forks must have none
            things = pool.apply(materials, (folder / "materials",))
        for verb in VERBS:
            if given.verb not in (None, verb.name):
                continue
            start = time.monotonic()
            usual = undisturbed(verb, things, folder / verb.name)
            seeds = range(given.first, given.first + given.moments)
            jobs = [(s, seed, False) for seed in seeds for s in range(len(SIGNALS))]
            anew = range(given.first, given.first + given.anew)
            jobs += [(s, seed, True) for seed in anew for s in range(len(SIGNALS))]
            outcomes = _at_once(verb, things, usual, folder, jobs, given.at_a_time)
            _print(verb, outcomes, time.monotonic() - start)
            total += len(outcomes)
            wrong += sum(bool(outcome.wrong) for outcome in outcomes)
    print(f"{total} trials, {wrong} wrong")
    return int(wrong > 0)


def _at_once(
    verb: Verb, things: Materials, usual: Undisturbed, folder: Path,
    jobs: list[tuple[int, int, bool]], count: int,
) -> list[Outcome]:  # fmt: skip
    """By worker processes that are forked before there is any thread, and may have children."""
    found = []
    for worker in range(count):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                outcomes = _share(verb, things, usual, folder, jobs[worker::count])
                (folder / f"{verb.name}.{worker}").write_bytes(pickle.dumps(outcomes))
                status = 0
            except BaseException as error:
                print(f"the campaign itself: {error!r}", file=sys.stderr, flush=True)
            finally:
                os._exit(status)
        found.append(pid)
    for pid in found:
        os.waitpid(pid, 0)
    return [
        outcome
        for worker in range(count)
        for outcome in pickle.loads((folder / f"{verb.name}.{worker}").read_bytes())
    ]


if __name__ == "__main__":
    sys.exit(main())

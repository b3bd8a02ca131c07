"""A reducer program that goes wrong in the way its argument names. It needs no library, so that it starts at once."""

import json
import os
import signal
import sys
import time

HELLO = {"hello": "nixfleet-reducer", "version": 1, "name": "misbehaves"}


def say(line):
    sys.stdout.write(line if isinstance(line, str) else json.dumps(line))
    sys.stdout.write("\n")
    sys.stdout.flush()


def results(batch):
    """Every event is refused."""
    return [{"error": "IllegalForState"} for _ in batch["cases"]]


def hang():
    """Sleep for a minute; whoever reads the file that is named, if one is, is told our number first."""
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as file:
            file.write(str(os.getpid()))
    time.sleep(60)


def main(how):
    if how == "hangs at once":
        hang()
    if how == "dies at once":
        sys.exit("cannot find my configuration")
    if how == "says something else first":
        say("Welcome to my reducer \x1b[31mv2")
    if how == "writes much to standard error":
        sys.stderr.write("much\n" * 200_000)
        sys.stderr.flush()
    if how == "leaves a child behind":
        if os.fork() == 0:
            time.sleep(60)
        print(os.getpid(), file=sys.stderr, flush=True)
    greeting = sys.stdin.readline()
    assert json.loads(greeting) == {"hello": "nixfleet-reducer", "version": 1}
    match how:
        case "wrong version":
            say(HELLO | {"version": 2})
        case "another hello":
            say(HELLO | {"hello": "good morning"})
        case "greets with a list":
            say([1])
        case _:
            say(HELLO)
    for line in sys.stdin:
        batch = json.loads(line)
        answer = {"id": batch["id"], "results": results(batch)}
        match how:
            case "hangs":
                hang()
            case "hangs later" if batch["id"] > 20:
                hang()
            case "hangs in the middle of a line":
                sys.stdout.write(json.dumps(answer)[:10])
                sys.stdout.flush()
                time.sleep(60)
            case "does not read":
                time.sleep(60)
            case "dies":
                sys.exit("\x1b]0;title\x07 out of ideas")
            case "dies in the middle of a line":
                sys.stdout.write(json.dumps(answer)[:10])
                sys.stdout.flush()
                os._exit(3)
            case "is killed":
                os.kill(os.getpid(), signal.SIGTERM)
            case "closes its output":
                os.close(1)
                time.sleep(60)
            case "garbage":
                say("\x1b[2Jno JSON \x00")
            case "no text":
                sys.stdout.buffer.write(b"\xff\xfe\n")
                sys.stdout.buffer.flush()
            case "nested deep":
                say('{"id":1,"results":[' + "[" * 100_000 + "]" * 100_000 + "]}")
            case "wrong id":
                say(answer | {"id": batch["id"] + 1})
            case "too few results":
                say(answer | {"results": answer["results"][1:]})
            case "too many results":
                say(answer | {"results": [*answer["results"], {}]})
            case "no results":
                say({"id": batch["id"]})
            case "an empty line":
                say("")
            case "a huge line":
                while True:
                    sys.stdout.write("x" * 1_000_000)
            case "two answers":
                say(answer)
                say(answer)
            case _:
                say(answer)


main(sys.argv[1])

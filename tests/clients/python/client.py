"""Drives the stock Python client against a cluster: `client.py PD[,PD…] raw|txn|bank [seconds]`.

Prints `ok NAME` or `FAIL NAME: why` for each check; the exit code is 1 when one failed. The client has no time to live, no
compare and swap, and no options of the commit: those are the other clients' checks.
"""

import asyncio
import os
import random
import sys
import time

from tikv_client.asynchronous import RawClient, TransactionClient

CHECK_SECONDS = 90
ACCOUNTS = 24
BALANCE = 1_000
TELLERS = 4


class Wrong(Exception):
    pass


def want(what, got, expected):
    if got != expected:
        raise Wrong(f"{what}: got {str(got)[:200]}, expected {str(expected)[:200]}")


def prefix(name):
    """Of this run's keys: the driver may give the stamp, to split regions inside."""
    return f"{name}-{os.environ.get('SKEIN_STAMP') or time.time_ns()}-"


def names(start, count):
    return [f"{start}{i:05d}".encode() for i in range(count)]


def pairs_of(found):
    """Pairs as the client gives them: tuples, or objects with key and value."""
    return [tuple(pair) if isinstance(pair, (tuple, list)) else (pair.key, pair.value) for pair in found]


async def patiently(what, seconds=60):
    """Repeats what another transaction, or harm to the cluster, is in the way of."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return await what()
        except Wrong:
            raise
        except Exception:
            if time.monotonic() > ends:
                raise
            await asyncio.sleep(0.05)


async def raw_checks(endpoints):
    client = await RawClient.connect(endpoints)
    p = prefix("raw-py")

    def name(text):
        return (p + text).encode()

    async def single():
        await client.put(name("a"), b"1")
        want("first", await client.get(name("a")), b"1")
        await client.put(name("a"), b"2")
        want("second", await client.get(name("a")), b"2")
        await client.delete(name("a"))
        want("deleted", await client.get(name("a")), None)

    async def large():
        value = bytes(i * 31 % 256 for i in range(1 << 20))
        key = name("bin") + b"\x00\xff\x00\x01"
        await client.put(key, value)
        want("the value", await client.get(key) == value, True)

    async def batches():
        keys = names(p + "batch-", 1500)
        await client.batch_put({key: b"v" + key for key in keys})
        found = dict(pairs_of(await client.batch_get(keys + [name("nothing")])))
        want("values", found, {key: b"v" + key for key in keys})
        await client.batch_delete(keys[:700])
        want("keys left", len(await client.scan_keys(name("batch-"), name("batch."), 5000)), 800)

    async def scans():
        keys = names(p + "scan-", 300)
        await client.batch_put({key: key for key in keys})
        want("a range", pairs_of(await client.scan(keys[10], keys[20], 100)), [(key, key) for key in keys[10:20]])
        want("its end included", len(await client.scan(keys[10], keys[20], 100, include_end=True)), 11)
        want("its start excluded", len(await client.scan(keys[10], keys[20], 100, include_start=False)), 9)
        want("a limit", list(await client.scan_keys(keys[0], name("scan."), 7)), keys[:7])

    async def delete_range():
        keys = names(p + "range-", 600)
        await client.batch_put({key: key for key in keys})
        await client.delete_range(keys[100], keys[500])
        left = list(await client.scan_keys(name("range-"), name("range."), 1000))
        want("keys left", left, keys[:100] + keys[500:])

    async def families():
        await client.put(name("cf"), b"default")
        await client.put(name("cf"), b"write", cf="write")
        want("default", await client.get(name("cf")), b"default")
        await client.delete(name("cf"))
        want("write stays", await client.get(name("cf"), cf="write"), b"write")
        await client.delete(name("cf"), cf="write")

    return [
        ("put, get, overwrite, delete", single),
        ("binary keys and a value of 1 MiB", large),
        ("batch put, get and delete over regions", batches),
        ("scans", scans),
        ("delete range", delete_range),
        ("column families are separate", families),
    ]


async def txn_checks(endpoints):
    client = await TransactionClient.connect(endpoints)
    other = await TransactionClient.connect(endpoints)
    p = prefix("txn-py")

    def name(text):
        return (p + text).encode()

    async def put(client, values, pessimistic=False):
        txn = await client.begin(pessimistic=pessimistic)
        for key, value in values.items():
            await txn.put(key, value)
        await txn.commit()

    async def read(client, key):
        snapshot = client.snapshot(await client.current_timestamp(), pessimistic=False)
        return await snapshot.get(key)

    async def commits():
        for pessimistic in (False, True):
            key = name(f"commit-{pessimistic}")
            await put(client, {key: b"1", key + b"2": b"2"}, pessimistic)
            want("one", await read(other, key), b"1")
            want("two", await read(other, key + b"2"), b"2")

    async def own_writes():
        txn = await client.begin(pessimistic=False)
        await txn.put(name("own-1"), b"1")
        await txn.put(name("own-2"), b"2")
        await txn.delete(name("own-1"))
        want("deleted", await txn.get(name("own-1")), None)
        want("a scan", pairs_of(await txn.scan(name("own-"), name("own."), 10)), [(name("own-2"), b"2")])
        want("there", await txn.key_exists(name("own-2")), True)
        await txn.rollback()
        want("rolled back", await read(other, name("own-2")), None)

    async def many():
        keys = names(p + "many-", 10_000)
        before = await client.current_timestamp()
        for i in range(0, len(keys), 2_000):
            await put(client, {key: b"v" + key for key in keys[i : i + 2_000]})
        snapshot = other.snapshot(await other.current_timestamp(), pessimistic=False)
        found = pairs_of(await snapshot.scan(name("many-"), name("many."), 20_000))
        want("all", found == [(key, b"v" + key) for key in keys], True)
        want("some", len(await snapshot.batch_get(keys[100:1_100])), 1_000)
        want("before", await other.snapshot(before, pessimistic=False).get(keys[777]), None)

    async def conflict():
        txn = await client.begin(pessimistic=False)
        await txn.put(name("conflict"), b"late")
        await put(other, {name("conflict"): b"early"})
        try:
            await txn.commit()
        except Exception:
            want("the first one's", await read(client, name("conflict")), b"early")
            return
        raise Wrong("the later commit was not refused")

    async def insert():
        await put(client, {name("insert"): b"1"})
        txn = await client.begin(pessimistic=False)
        refused = False
        try:
            await txn.insert(name("insert"), b"2")
            await txn.commit()
        except Exception:
            refused = True
        want("a second insert is refused", refused, True)
        want("the first one's", await read(other, name("insert")), b"1")

    async def counter():
        await put(client, {name("count"): b"0"})

        async def add(each):
            async def once():
                txn = await each.begin(pessimistic=True)
                try:
                    value = await txn.get_for_update(name("count"))
                    await txn.put(name("count"), str(int(value) + 1).encode())
                    await txn.commit()
                except Exception:
                    try:
                        await txn.rollback()
                    except Exception:
                        pass
                    raise

            for _ in range(25):
                await patiently(once)

        await asyncio.gather(*(add(each) for each in (client, other, client, other)))
        want("the count", await read(client, name("count")), b"100")

    async def deadlock():
        one, two = await client.begin(pessimistic=True), await other.begin(pessimistic=True)
        await one.lock_keys([name("dead-a")])
        await two.lock_keys([name("dead-b")])

        async def lock(txn, key):
            try:
                await txn.lock_keys([key])
                return None
            except Exception as error:
                return error
            finally:
                await txn.rollback()

        refused = [error for error in await asyncio.gather(lock(one, name("dead-b")), lock(two, name("dead-a"))) if error]
        want("one at least is refused", len(refused) >= 1, True)
        want("it is called a deadlock", "deadlock" in str(refused[0]).lower(), True)

    async def abandoned():
        await put(client, {name("left"): b"old"})
        child = await asyncio.create_subprocess_exec(sys.executable, __file__, ",".join(endpoints), "abandon", (p + "left"))
        want("the child that dies with its lock", await child.wait(), 9)

        async def overwrite():
            await put(other, {name("left"): b"new"})

        await patiently(overwrite)
        want("after", await read(client, name("left")), b"new")

    async def locked_reads():
        await put(client, {name("for-update-1"): b"1", name("for-update-2"): b"2"})
        txn = await client.begin(pessimistic=True)
        found = dict(pairs_of(await txn.batch_get_for_update([name("for-update-1"), name("for-update-2"), name("for-update-3")])))
        want("those that are there", found, {name("for-update-1"): b"1", name("for-update-2"): b"2"})
        await txn.put(name("for-update-1"), b"3")
        await txn.commit()
        want("after", await read(other, name("for-update-1")), b"3")
        await put(other, {name("for-update-2"): b"free"})

    async def history():
        at = []
        for i in range(4):
            await put(client, {name("history"): str(i).encode()})
            at.append(await client.current_timestamp())
        for i, timestamp in enumerate(at):
            want("history", await other.snapshot(timestamp, pessimistic=False).get(name("history")), str(i).encode())

    return [
        ("commits, optimistic and pessimistic", commits),
        ("a transaction sees its own writes", own_writes),
        ("10 000 keys over many regions", many),
        ("an optimistic conflict is found at commit", conflict),
        ("an insert of what is there is refused", insert),
        ("100 increments under pessimistic locks lose none", counter),
        ("a deadlock is found", deadlock),
        ("the lock of a process that died is taken away", abandoned),
        ("reads that lock", locked_reads),
        ("history reads", history),
    ]


async def bank_checks(endpoints, seconds):
    client = await TransactionClient.connect(endpoints)
    auditor = await TransactionClient.connect(endpoints)
    p = prefix("bank-py")
    keys = names(p + "account-", ACCOUNTS)

    async def transfer(entry, pick):
        pessimistic = pick.random() < 0.5
        txn = await client.begin(pessimistic=pessimistic)
        try:
            source, target = sorted(pick.sample(keys, 2)) if pessimistic else pick.sample(keys, 2)
            amount = pick.randrange(-50, 50)
            get = txn.get_for_update if pessimistic else txn.get
            a, b = int(await get(source)), int(await get(target))
            await txn.put(source, str(a - amount).encode())
            await txn.put(target, str(b + amount).encode())
            await txn.put(entry, str(amount).encode())
        except Exception:
            try:
                await txn.rollback()
            except Exception:
                pass
            raise
        await txn.commit()

    async def balances():
        snapshot = auditor.snapshot(await auditor.current_timestamp(), pessimistic=False)
        return [int(value) for _, value in pairs_of(await snapshot.scan(keys[0], (p + "account.").encode(), 1_000))]

    async def bank():
        async def open_accounts():
            txn = await client.begin(pessimistic=False)
            for key in keys:
                await txn.put(key, str(BALANCE).encode())
            await txn.commit()

        await patiently(open_accounts)
        print("started", flush=True)
        ends = time.monotonic() + seconds
        acknowledged, refused, audits = set(), 0, 0

        async def tell(number):
            nonlocal refused
            pick = random.Random(number)
            count = 0
            while time.monotonic() < ends:
                count += 1
                entry = f"{p}journal-{number}-{count:06d}".encode()
                try:
                    await asyncio.wait_for(transfer(entry, pick), 20)
                    acknowledged.add(entry)
                except Exception:
                    refused += 1
                    await asyncio.sleep(0.01)

        async def audit():
            nonlocal audits
            while time.monotonic() < ends:
                try:
                    found = await asyncio.wait_for(balances(), 30)
                except Exception:
                    await asyncio.sleep(0.01)
                    continue
                want("accounts in a snapshot", len(found), ACCOUNTS)
                want("the sum of a snapshot", sum(found), ACCOUNTS * BALANCE)
                audits += 1

        await asyncio.gather(audit(), *(tell(number) for number in range(TELLERS)))
        found = await patiently(balances)
        want("the last sum", sum(found), ACCOUNTS * BALANCE)

        async def journal():
            snapshot = auditor.snapshot(await auditor.current_timestamp(), pessimistic=False)
            return set(await snapshot.scan_keys((p + "journal-").encode(), (p + "journal.").encode(), 1_000_000))

        missing = acknowledged - await patiently(journal)
        want("acknowledged transfers that are lost", len(missing), 0)
        want("transfers and audits were made", len(acknowledged) > 0 and audits > 0, True)
        print(f"# {len(acknowledged)} transfers, {audits} audits, {refused} refused")

    return [("the sum of all accounts, under transfers", bank)]


async def abandon(endpoints, key):
    client = await TransactionClient.connect(endpoints)
    txn = await client.begin(pessimistic=True)
    await txn.lock_keys([key.encode()])
    os._exit(9)


async def main(endpoints, suite, rest):
    seconds = int(rest[0]) if rest and suite == "bank" else 10
    if suite == "abandon":
        await abandon(endpoints, rest[0])
    try:
        if suite == "raw":
            checks = await raw_checks(endpoints)
        elif suite == "txn":
            checks = await txn_checks(endpoints)
        elif suite == "bank":
            checks = await bank_checks(endpoints, seconds)
        else:
            print(f"unknown suite {suite}", file=sys.stderr)
            return 2
    except Exception as error:
        print(f"FAIL connect: {' '.join(str(error).split())}")
        return 1
    failed = 0
    for what, check in checks:
        try:
            await asyncio.wait_for(check(), CHECK_SECONDS + (seconds if suite == "bank" else 0))
            print(f"ok {what}", flush=True)
        except BaseException as error:  # a panic inside the client is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            failed += 1
            print(f"FAIL {what}: {type(error).__name__} {' '.join(str(error).split())[:500]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    status = asyncio.run(main(sys.argv[1].split(","), sys.argv[2], sys.argv[3:]))
    sys.stdout.flush()
    os._exit(status)  # the client's threads are not to delay the end

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.tikv.common.BytePairWrapper;
import org.tikv.common.ByteWrapper;
import org.tikv.common.TiConfiguration;
import org.tikv.common.TiSession;
import org.tikv.common.exception.RawCASConflictException;
import org.tikv.common.util.ConcreteBackOffer;
import org.tikv.common.util.ScanOption;
import org.tikv.kvproto.Kvrpcpb;
import org.tikv.raw.RawKVClient;
import org.tikv.shade.com.google.protobuf.ByteString;
import org.tikv.txn.KVClient;
import org.tikv.txn.TwoPhaseCommitter;

/**
 * Drives the stock Java client against a cluster: {@code java Client PD[,PD…] raw|txn|bank [seconds]}. Prints {@code ok NAME} or
 * {@code FAIL NAME: why} for each check; the exit code is 1 when one failed. The client has optimistic two-phase commit only, no
 * reverse scan and no column families: those are the other clients' checks.
 */
public final class Client {
  private static final int CHECK_SECONDS = 90;
  private static final int ACCOUNTS = 24;
  private static final int BALANCE = 1_000;
  private static final int TELLERS = 4;
  private static final ExecutorService threads =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task);
            thread.setDaemon(true);
            return thread;
          });
  private static boolean failed = false;

  private interface Check {
    void run() throws Exception;
  }

  public static void main(String[] args) {
    if (args.length < 2) {
      System.err.println("usage: Client PD[,PD...] raw|txn|bank [seconds]");
      System.exit(2);
    }
    int seconds = args.length > 2 ? Integer.parseInt(args[2]) : 10;
    try {
      switch (args[1]) {
        case "raw":
          raw(args[0]);
          break;
        case "txn":
          txn(args[0]);
          break;
        case "bank":
          bank(args[0], seconds);
          break;
        default:
          throw new IllegalArgumentException("unknown suite " + args[1]);
      }
    } catch (Throwable why) {
      failed = true;
      System.out.println("FAIL connect: " + text(why));
    }
    System.out.flush();
    Runtime.getRuntime().halt(failed ? 1 : 0); // the client's threads are not to delay the end
  }

  private static void check(String name, int seconds, Check what) {
    Future<?> done =
        threads.submit(
            () -> {
              what.run();
              return null;
            });
    try {
      done.get(seconds, TimeUnit.SECONDS);
      System.out.println("ok " + name);
    } catch (Exception why) {
      done.cancel(true);
      failed = true;
      System.out.println("FAIL " + name + ": " + text(why.getCause() == null ? why : why.getCause()));
    }
  }

  private static String text(Throwable why) {
    String all = why.toString() + (why.getCause() == null ? "" : " / " + why.getCause());
    all = all.replaceAll("\\s+", " ");
    return all.substring(0, Math.min(all.length(), 500));
  }

  private static void want(String what, Object got, Object expected) {
    if (!got.equals(expected)) throw new IllegalStateException(what + ": got " + got + ", expected " + expected);
  }

  /** Of this run's keys: the driver may give the stamp, to split regions inside. */
  private static String prefix(String name) {
    String stamp = System.getenv("SKEIN_STAMP");
    return name + "-" + (stamp == null ? String.valueOf(System.nanoTime()) : stamp) + "-";
  }

  private static ByteString b(String text) {
    return ByteString.copyFromUtf8(text);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static List<String> names(String prefix, int count) {
    List<String> list = new ArrayList<>();
    for (int i = 0; i < count; i++) list.add(String.format("%s%05d", prefix, i));
    return list;
  }

  /** Repeats what another transaction, or harm to the cluster, is in the way of. */
  private static <T> T patiently(Callable<T> what) throws Exception {
    long ends = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
    for (; ; ) {
      try {
        return what.call();
      } catch (Exception why) {
        if (System.nanoTime() > ends) throw why;
        Thread.sleep(50);
      }
    }
  }

  // ── raw ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
  private static void raw(String endpoints) throws Exception {
    RawKVClient client = TiSession.create(TiConfiguration.createRawDefault(endpoints)).createRawClient();
    TiConfiguration atomicConfig = TiConfiguration.createRawDefault(endpoints);
    atomicConfig.setEnableAtomicForCAS(true);
    RawKVClient atomic = TiSession.create(atomicConfig).createRawClient();
    String p = prefix("raw-java");

    check(
        "put, get, overwrite, delete",
        CHECK_SECONDS,
        () -> {
          client.put(b(p + "a"), b("1"));
          want("first", client.get(b(p + "a")), Optional.of(b("1")));
          client.put(b(p + "a"), b("2"));
          want("second", client.get(b(p + "a")), Optional.of(b("2")));
          client.delete(b(p + "a"));
          want("deleted", client.get(b(p + "a")), Optional.empty());
        });
    check(
        "binary keys and a value of 1 MiB",
        CHECK_SECONDS,
        () -> {
          byte[] value = new byte[1 << 20];
          for (int i = 0; i < value.length; i++) value[i] = (byte) (i * 31);
          ByteString key = b(p + "bin").concat(ByteString.copyFrom(new byte[] {0, -1, 0, 1}));
          client.put(key, ByteString.copyFrom(value));
          want("the value", client.get(key).map(got -> Arrays.equals(got.toByteArray(), value)), Optional.of(true));
        });
    check(
        "batch put, get and delete over regions",
        CHECK_SECONDS,
        () -> {
          Map<ByteString, ByteString> pairs = new LinkedHashMap<>();
          List<ByteString> keys = new ArrayList<>();
          for (String key : names(p + "batch-", 1500)) {
            keys.add(b(key));
            pairs.put(b(key), b("v" + key));
          }
          // the client's own threads get in each other's way when a store is slow: it throws, and the caller repeats
          patiently(
              () -> {
                client.batchPut(pairs);
                return null;
              });
          List<ByteString> asked = new ArrayList<>(keys);
          asked.add(b(p + "nothing"));
          Map<ByteString, ByteString> found = new LinkedHashMap<>();
          for (Kvrpcpb.KvPair pair : patiently(() -> client.batchGet(asked))) found.put(pair.getKey(), pair.getValue());
          want("pairs", found.equals(pairs), true);
          patiently(
              () -> {
                client.batchDelete(keys.subList(0, 700));
                return null;
              });
          want("keys left", client.scan(b(p + "batch-"), b(p + "batch."), 5000).size(), 800);
        });
    check(
        "scans, limits and keys only",
        CHECK_SECONDS,
        () -> {
          Map<ByteString, ByteString> pairs = new LinkedHashMap<>();
          List<String> keys = names(p + "scan-", 300);
          for (String key : keys) pairs.put(b(key), b(key));
          client.batchPut(pairs);
          List<Kvrpcpb.KvPair> up = client.scan(b(keys.get(10)), b(keys.get(20)));
          want("a range", up.size(), 10);
          for (int i = 0; i < 10; i++) want("a pair", List.of(up.get(i).getKey(), up.get(i).getValue()), List.of(b(keys.get(10 + i)), b(keys.get(10 + i))));
          want("a limit", client.scan(b(keys.get(0)), 7).size(), 7);
          want("a prefix", client.scanPrefix(b(p + "scan-")).size(), 300);
          for (Kvrpcpb.KvPair pair : client.scan(b(keys.get(0)), b(keys.get(5)), true)) want("no value", pair.getValue().isEmpty(), true);
        });
    check(
        "delete range",
        CHECK_SECONDS,
        () -> {
          Map<ByteString, ByteString> pairs = new LinkedHashMap<>();
          List<String> keys = names(p + "range-", 600);
          for (String key : keys) pairs.put(b(key), b(key));
          client.batchPut(pairs);
          client.deleteRange(b(keys.get(100)), b(keys.get(500)));
          want("keys left", client.scanPrefix(b(p + "range-")).size(), 200);
        });
    check(
        "time to live",
        CHECK_SECONDS,
        () -> {
          client.put(b(p + "ttl"), b("x"), 2);
          long left = client.getKeyTTL(b(p + "ttl")).orElse(-1L);
          want("some of 2 s are left", left == 1 || left == 2, true);
          client.put(b(p + "ever"), b("x"));
          want("for ever", client.getKeyTTL(b(p + "ever")), Optional.of(0L));
          while (client.get(b(p + "ttl")).isPresent()) Thread.sleep(100);
        });
    check(
        "compare and set",
        CHECK_SECONDS,
        () -> {
          want("created", atomic.putIfAbsent(b(p + "cas"), b("1")), Optional.empty());
          want("created again", atomic.putIfAbsent(b(p + "cas"), b("2")), Optional.of(b("1")));
          atomic.compareAndSet(b(p + "cas"), Optional.of(b("1")), b("2"));
          try {
            atomic.compareAndSet(b(p + "cas"), Optional.of(b("1")), b("3"));
            throw new IllegalStateException("a wrong expectation was met");
          } catch (RawCASConflictException expected) {
            want("after", atomic.get(b(p + "cas")), Optional.of(b("2")));
          }
        });
    check(
        "600 increments by 6 clients lose none",
        CHECK_SECONDS,
        () -> {
          atomic.put(b(p + "count"), b("0"));
          // The client repeats a swap whose store is slow, and gives some up by an error of its own: nobody knows what became of those.
          // What was acknowledged is: no number may have been given twice, and none is beyond the last.
          Set<Integer> given = ConcurrentHashMap.newKeySet();
          List<Future<?>> tasks = new ArrayList<>();
          for (int worker = 0; worker < 6; worker++)
            tasks.add(
                threads.submit(
                    () -> {
                      for (int done = 0; done < 100; ) {
                        ByteString old = patiently(() -> atomic.get(b(p + "count"))).orElseThrow(IllegalStateException::new);
                        int next = Integer.parseInt(old.toStringUtf8()) + 1;
                        try {
                          atomic.compareAndSet(b(p + "count"), Optional.of(old), b(String.valueOf(next)));
                        } catch (RuntimeException quickerOrUnknown) {
                          continue;
                        }
                        want("nobody else was given " + next, given.add(next), true);
                        done++;
                      }
                      return null;
                    }));
          for (Future<?> task : tasks) task.get();
          int count = Integer.parseInt(patiently(() -> atomic.get(b(p + "count"))).orElseThrow(IllegalStateException::new).toStringUtf8());
          want("numbers that were given", given.size(), 600);
          want("the count is not behind any of them", count >= Collections.max(given), true);
        });
    check(
        "batch scans, a prefix deleted, batches with a time to live",
        CHECK_SECONDS,
        () -> {
          Map<ByteString, ByteString> pairs = new LinkedHashMap<>();
          List<String> keys = names(p + "many-", 60);
          for (String key : keys) pairs.put(b(key), b("v" + key));
          client.batchPut(pairs, 100);
          long left = client.getKeyTTL(b(keys.get(7))).orElse(-1L);
          want("a batch's time to live", left > 60 && left <= 100, true);
          List<ScanOption> scans = new ArrayList<>();
          for (int from : List.of(0, 20, 40))
            scans.add(ScanOption.newBuilder().setStartKey(b(keys.get(from))).setEndKey(b(keys.get(from + 10))).setLimit(from == 20 ? 4 : 100).build());
          List<List<Kvrpcpb.KvPair>> found = client.batchScan(scans);
          want("of each range", List.of(found.get(0).size(), found.get(1).size(), found.get(2).size()), List.of(10, 4, 10));
          want("a pair", List.of(found.get(2).get(3).getKey(), found.get(2).get(3).getValue()), List.of(b(keys.get(43)), b("v" + keys.get(43))));
          client.deletePrefix(b(p + "many-0001"));
          want("keys left", client.scanPrefix(b(p + "many-")).size(), 50);
        });
  }

  // ── transactions ──────────────────────────────────────────────────────────────────────────────────────────────────────
  /** As of this client's writers: long enough for 10 000 keys on a busy machine. */
  private static final int PATIENCE_MS = 20_000;

  private static long commit(TiSession session, long start, Map<String, String> pairs, boolean secondariesToo) throws Exception {
    return commit(session, start, pairs, secondariesToo, PATIENCE_MS);
  }

  /**
   * Prewrites all, commits the primary; the secondaries only when asked. Gives the commit timestamp. The client repeats a prewrite that
   * meets a newer version until its patience ends, and has no rollback: its locks go with their time, which would be an hour.
   */
  private static long commit(TiSession session, long start, Map<String, String> pairs, boolean secondariesToo, int patienceMs) throws Exception {
    try (TwoPhaseCommitter committer = new TwoPhaseCommitter(session, start, 2L * patienceMs)) {
      List<String> keys = new ArrayList<>(pairs.keySet());
      byte[] primary = bytes(keys.get(0));
      committer.prewritePrimaryKey(ConcreteBackOffer.newCustomBackOff(patienceMs), primary, bytes(pairs.get(keys.get(0))));
      List<BytePairWrapper> rest = new ArrayList<>();
      List<ByteWrapper> names = new ArrayList<>();
      for (String key : keys.subList(1, keys.size())) {
        rest.add(new BytePairWrapper(bytes(key), bytes(pairs.get(key))));
        names.add(new ByteWrapper(bytes(key)));
      }
      if (!rest.isEmpty()) committer.prewriteSecondaryKeys(primary, rest.iterator(), patienceMs);
      long version = session.getTimestamp().getVersion();
      committer.commitPrimaryKey(ConcreteBackOffer.newCustomBackOff(10_000), primary, version);
      if (!secondariesToo || rest.isEmpty()) return version;
      try {
        committer.commitSecondaryKeys(names.iterator(), version, 20_000);
      } catch (Exception readersWillDoIt) {
        // the primary is committed: so is the transaction
      }
      return version;
    }
  }

  private static long now(TiSession session) {
    return session.getTimestamp().getVersion();
  }

  private static String read(KVClient client, String key, long version) throws Exception {
    return client.get(b(key), version).toStringUtf8();
  }

  private static void txn(String endpoints) throws Exception {
    TiSession session = TiSession.create(TiConfiguration.createDefault(endpoints));
    TiSession otherSession = TiSession.create(TiConfiguration.createDefault(endpoints));
    KVClient other = otherSession.createKVClient();
    String p = prefix("txn-java");

    check(
        "commit: 2pc",
        CHECK_SECONDS,
        () -> {
          Map<String, String> pairs = new LinkedHashMap<>();
          pairs.put(p + "a", "1");
          pairs.put(p + "b", "2");
          commit(session, now(session), pairs, true);
          want("a", read(other, p + "a", now(otherSession)), "1");
          want("b", read(other, p + "b", now(otherSession)), "2");
        });
    check(
        "10 000 keys over many regions: split, scan, batch get, history",
        CHECK_SECONDS * 2,
        () -> {
          List<String> keys = names(p + "many-", 10_000);
          List<byte[]> splits = new ArrayList<>();
          for (int i = 1_000; i < keys.size(); i += 1_000) splits.add(bytes(keys.get(i)));
          session.splitRegionAndScatter(splits);
          long before = now(session);
          Map<String, String> pairs = new LinkedHashMap<>();
          for (String key : keys) pairs.put(key, "v");
          commit(session, now(session), pairs, true);
          long at = now(otherSession);
          List<Kvrpcpb.KvPair> found = other.scan(b(p + "many-"), b(p + "many."), at);
          want("keys", found.size(), keys.size());
          for (int i = 0; i < keys.size(); i++) want("a key", found.get(i).getKey().toStringUtf8(), keys.get(i));
          List<ByteString> some = new ArrayList<>();
          for (String key : keys.subList(100, 1_100)) some.add(b(key));
          want("batch get", other.batchGet(ConcreteBackOffer.newCustomBackOff(20_000), some, at).size(), 1_000);
          want("before", read(other, keys.get(777), before), "");
        });
    check(
        "a conflict is refused at prewrite",
        CHECK_SECONDS,
        () -> {
          long start = now(session);
          commit(otherSession, now(otherSession), Map.of(p + "conflict", "early"), true);
          boolean refused = false;
          try {
            commit(session, start, Map.of(p + "conflict", "late"), true, 1_000);
          } catch (Exception expected) {
            refused = true;
          }
          want("refused", refused, true);
          want("the first one's", read(other, p + "conflict", now(otherSession)), "early");
        });
    check(
        "an abandoned lock is rolled back when its time is over",
        CHECK_SECONDS,
        () -> {
          commit(session, now(session), Map.of(p + "left", "old"), true);
          try (TwoPhaseCommitter abandoned = new TwoPhaseCommitter(session, now(session), 2_000)) {
            abandoned.prewritePrimaryKey(ConcreteBackOffer.newCustomBackOff(10_000), bytes(p + "left"), bytes("lost"));
          }
          want("the old value", patiently(() -> read(other, p + "left", now(otherSession))), "old");
          patiently(() -> commit(otherSession, now(otherSession), Map.of(p + "left", "new"), true));
          want("after", read(other, p + "left", now(otherSession)), "new");
        });
    check(
        "secondaries that were left behind by a committed primary are committed by readers",
        CHECK_SECONDS,
        () -> {
          Map<String, String> pairs = new LinkedHashMap<>();
          for (String name : List.of("half", "half/2", "half/3")) pairs.put(p + name, "all");
          commit(session, now(session), pairs, false);
          for (String key : pairs.keySet()) want(key, patiently(() -> read(other, key, now(otherSession))), "all");
        });
    check(
        "history reads",
        CHECK_SECONDS,
        () -> {
          List<Long> at = new ArrayList<>();
          for (int i = 0; i < 4; i++) {
            commit(session, now(session), Map.of(p + "history", String.valueOf(i)), true);
            at.add(now(session));
          }
          for (int i = 0; i < 4; i++) want("history", read(other, p + "history", at.get(i)), String.valueOf(i));
        });
  }

  // ── bank ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
  private static void bank(String endpoints, int seconds) throws Exception {
    TiSession session = TiSession.create(TiConfiguration.createDefault(endpoints));
    TiSession auditSession = TiSession.create(TiConfiguration.createDefault(endpoints));
    KVClient client = session.createKVClient();
    KVClient auditor = auditSession.createKVClient();
    String p = prefix("bank-java");
    List<String> keys = names(p + "account-", ACCOUNTS);
    check(
        "the sum of all accounts, under transfers",
        CHECK_SECONDS + seconds,
        () -> {
          Map<String, String> opened = new LinkedHashMap<>();
          for (String key : keys) opened.put(key, String.valueOf(BALANCE));
          patiently(() -> commit(session, now(session), opened, true));
          AtomicLong ends = new AtomicLong(System.nanoTime() + TimeUnit.SECONDS.toNanos(30));
          Set<String> acknowledged = ConcurrentHashMap.newKeySet();
          AtomicInteger refused = new AtomicInteger();
          List<Future<?>> tasks = new ArrayList<>();
          for (int teller = 0; teller < TELLERS; teller++) {
            int id = teller;
            tasks.add(
                threads.submit(
                    () -> {
                      Random random = new Random(id);
                      for (int count = 0; System.nanoTime() < ends.get(); count++) {
                        String entry = String.format("%sjournal-%d-%06d", p, id, count);
                        try {
                          long start = now(session);
                          int from = random.nextInt(ACCOUNTS);
                          int to = (from + 1 + random.nextInt(ACCOUNTS - 1)) % ACCOUNTS;
                          int amount = random.nextInt(100) - 50;
                          int a = Integer.parseInt(read(client, keys.get(from), start));
                          int c = Integer.parseInt(read(client, keys.get(to), start));
                          Map<String, String> pairs = new LinkedHashMap<>();
                          pairs.put(keys.get(from), String.valueOf(a - amount));
                          pairs.put(keys.get(to), String.valueOf(c + amount));
                          pairs.put(entry, String.valueOf(amount));
                          commit(session, start, pairs, true, 2_500);
                          acknowledged.add(entry);
                        } catch (Exception conflictOrHarm) {
                          refused.incrementAndGet();
                          Thread.sleep(10);
                        }
                      }
                      return null;
                    }));
          }
          // Harm begins when a transfer was made: this client holds its callers for 40 s when a store dies, and then there would be none.
          while (acknowledged.isEmpty() && System.nanoTime() < ends.get()) Thread.sleep(10);
          audit(patiently(() -> auditor.scan(b(keys.get(0)), b(p + "account."), now(auditSession))));
          int audits = 1;
          ends.set(System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds));
          System.out.println("started");
          while (System.nanoTime() < ends.get()) {
            List<Kvrpcpb.KvPair> found;
            try {
              found = auditor.scan(b(keys.get(0)), b(p + "account."), now(auditSession));
            } catch (Exception harm) {
              Thread.sleep(10);
              continue;
            }
            audit(found);
            audits++;
          }
          // one that is held up inside the client, for 40 s at the most, is not waited for: whatever it does keeps the sum
          long patience = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
          for (Future<?> task : tasks)
            try {
              task.get(Math.max(0, patience - System.nanoTime()), TimeUnit.NANOSECONDS);
            } catch (TimeoutException heldUp) {
              System.out.println("# a teller is held up");
            }
          Set<String> missing = new HashSet<>(acknowledged);
          audit(patiently(() -> auditor.scan(b(keys.get(0)), b(p + "account."), now(auditSession))));
          Set<String> journal = new HashSet<>();
          Iterator<Kvrpcpb.KvPair> entries = patiently(() -> auditor.scan(b(p + "journal-"), b(p + "journal."), now(auditSession))).iterator();
          while (entries.hasNext()) journal.add(entries.next().getKey().toStringUtf8());
          missing.removeAll(journal);
          want("acknowledged transfers that are lost", missing.size(), 0);
          want("transfers were made", acknowledged.isEmpty(), false);
          System.out.println("# " + acknowledged.size() + " transfers, " + audits + " audits, " + refused.get() + " refused");
        });
  }

  private static void audit(List<Kvrpcpb.KvPair> found) {
    want("accounts in a snapshot", found.size(), ACCOUNTS);
    int sum = 0;
    for (Kvrpcpb.KvPair pair : found) sum += Integer.parseInt(pair.getValue().toStringUtf8());
    want("the sum of a snapshot", sum, ACCOUNTS * BALANCE);
  }
}

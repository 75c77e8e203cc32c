//! Drives the stock Rust client against a cluster: `skein-client-rust PD[,PD…] raw|txn|bank [seconds]`.
//! Prints `ok NAME` or `FAIL NAME: why` for each check; the exit code is 1 when one failed.

use std::collections::HashSet;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tikv_client::{CheckLevel, ColumnFamily, Key, KvPair, RawClient, TimestampExt, Transaction, TransactionClient, TransactionOptions};

type Outcome = Result<(), String>;

const CHECK: Duration = Duration::from_secs(90);
const ACCOUNTS: usize = 24;
const BALANCE: i64 = 1_000;
const TELLERS: u64 = 4;

fn text(error: impl Debug) -> String {
    let all = format!("{error:?}");
    all.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}

fn want<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> Outcome {
    if got == expected {
        return Ok(());
    }
    Err(format!("{what}: got {}, expected {}", text(got), text(expected)))
}

fn bytes(value: &str) -> Option<Vec<u8>> {
    Some(value.as_bytes().to_vec())
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{prefix}{i:05}")).collect()
}

fn pair(pair: KvPair) -> (Vec<u8>, Vec<u8>) {
    let (key, value): (Key, Vec<u8>) = pair.into();
    (key.into(), value)
}

/// Of this run's keys: the driver may give the stamp, to split regions inside.
fn prefix(name: &str) -> String {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_nanos()).unwrap_or(0).to_string();
    format!("{name}-{}-", std::env::var("SKEIN_STAMP").unwrap_or_else(|_| now()))
}

/// Repeats what another transaction, or harm to the cluster, is in the way of.
async fn patiently<T, F: Future<Output = Result<T, String>>>(mut what: impl FnMut() -> F) -> Result<T, String> {
    let started = Instant::now();
    loop {
        match what().await {
            Ok(value) => return Ok(value),
            Err(why) if started.elapsed() > Duration::from_secs(60) => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

struct Report {
    failed: bool,
}

impl Report {
    async fn check(&mut self, name: &str, limit: Duration, what: impl Future<Output = Outcome> + Send + 'static) {
        // a task of its own: a panic inside the client fails this check only
        let outcome = match tokio::time::timeout(limit, tokio::spawn(what)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(text(panic)),
            Err(_) => Err(format!("not done within {limit:?}")),
        };
        match outcome {
            Ok(()) => println!("ok {name}"),
            Err(why) => {
                self.failed = true;
                println!("FAIL {name}: {why}");
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (Some(endpoints), Some(suite)) = (args.get(1), args.get(2)) else {
        eprintln!("usage: skein-client-rust PD[,PD...] raw|txn|bank [seconds]");
        std::process::exit(2);
    };
    let endpoints: Vec<String> = endpoints.split(',').map(String::from).collect();
    let seconds = args.get(3).and_then(|text| text.parse().ok()).unwrap_or(10);
    let mut report = Report { failed: false };
    let connected = match suite.as_str() {
        "raw" => raw(endpoints, &mut report).await,
        "txn" => txn(endpoints, &mut report).await,
        "bank" => bank(endpoints, seconds, &mut report).await,
        "abandon" => abandon(endpoints, args[3].clone()).await,
        other => Err(format!("unknown suite {other}")),
    };
    if let Err(why) = connected {
        println!("FAIL connect: {why}");
        report.failed = true;
    }
    std::process::exit(i32::from(report.failed));
}

async fn raw(endpoints: Vec<String>, report: &mut Report) -> Outcome {
    let client = RawClient::new(endpoints).await.map_err(text)?;
    let atomic = client.with_atomic_for_cas();
    let p = prefix("raw-rs");

    let (c, key) = (client.clone(), format!("{p}a"));
    report
        .check("put, get, overwrite, delete", CHECK, async move {
            c.put(key.clone(), "1").await.map_err(text)?;
            want("first", c.get(key.clone()).await.map_err(text)?, bytes("1"))?;
            c.put(key.clone(), "2").await.map_err(text)?;
            want("second", c.get(key.clone()).await.map_err(text)?, bytes("2"))?;
            c.delete(key.clone()).await.map_err(text)?;
            want("deleted", c.get(key).await.map_err(text)?, None)
        })
        .await;

    let (c, start) = (client.clone(), format!("{p}bin"));
    report
        .check("binary keys and a value of 1 MiB", CHECK, async move {
            let mut key = start.into_bytes();
            key.extend([0, 255, 0, 1]);
            let value: Vec<u8> = (0..1usize << 20).map(|i| (i * 31) as u8).collect();
            c.put(key.clone(), value.clone()).await.map_err(text)?;
            want("the value", c.get(key).await.map_err(text)? == Some(value), true)
        })
        .await;

    let (c, start) = (client.clone(), format!("{p}batch"));
    report
        .check("batch put, get and delete over regions", CHECK, async move {
            let keys = names(&format!("{start}-"), 1500);
            c.batch_put(keys.iter().map(|key| (key.clone(), format!("v{key}")))).await.map_err(text)?;
            let mut asked = keys.clone();
            asked.push(format!("{start}-nothing"));
            let mut found: Vec<_> = c.batch_get(asked).await.map_err(text)?.into_iter().map(pair).collect();
            found.sort();
            want("pairs", found.len(), 1500)?;
            for (key, (k, v)) in keys.iter().zip(found) {
                want("a pair", (k, v), (key.clone().into_bytes(), format!("v{key}").into_bytes()))?;
            }
            c.batch_delete(keys[..700].to_vec()).await.map_err(text)?;
            want("keys left", c.scan_keys(format!("{start}-")..format!("{start}."), 5000).await.map_err(text)?.len(), 800)
        })
        .await;

    let (c, start) = (client.clone(), format!("{p}scan"));
    report
        .check("scans both ways, batch scan, limits and keys only", CHECK, async move {
            let keys = names(&format!("{start}-"), 300);
            c.batch_put(keys.iter().map(|key| (key.clone(), key.clone()))).await.map_err(text)?;
            let range = || keys[10].clone()..keys[20].clone();
            let up: Vec<_> = c.scan(range(), 100).await.map_err(text)?.into_iter().map(pair).collect();
            let down: Vec<_> = c.scan_reverse(range(), 100).await.map_err(text)?.into_iter().map(pair).collect();
            let expected: Vec<_> = keys[10..20].iter().map(|key| (key.clone().into_bytes(), key.clone().into_bytes())).collect();
            want("up", &up, &expected)?;
            want("down", down, expected.into_iter().rev().collect())?;
            want("a limit", c.scan_keys(keys[0].clone().., 7).await.map_err(text)?.len(), 7)?;
            want("its end included", c.scan(keys[10].clone()..=keys[20].clone(), 100).await.map_err(text)?.len(), 11)?;
            let batch = c.batch_scan([keys[0].clone()..keys[50].clone(), keys[100].clone()..keys[103].clone()], 5).await.map_err(text)?;
            want("batch scan", batch.len(), 8)
        })
        .await;

    let (c, start) = (client.clone(), format!("{p}range"));
    report
        .check("delete range", CHECK, async move {
            let keys = names(&format!("{start}-"), 600);
            c.batch_put(keys.iter().map(|key| (key.clone(), key.clone()))).await.map_err(text)?;
            c.delete_range(keys[100].clone()..keys[500].clone()).await.map_err(text)?;
            want("keys left", c.scan_keys(format!("{start}-")..format!("{start}."), 1000).await.map_err(text)?.len(), 200)
        })
        .await;

    let (c, w, key) = (client.clone(), client.with_cf(ColumnFamily::Write), format!("{p}cf"));
    report
        .check("column families are separate", CHECK, async move {
            c.put(key.clone(), "default").await.map_err(text)?;
            w.put(key.clone(), "write").await.map_err(text)?;
            want("default", c.get(key.clone()).await.map_err(text)?, bytes("default"))?;
            c.delete(key.clone()).await.map_err(text)?;
            want("write stays", w.get(key.clone()).await.map_err(text)?, bytes("write"))?;
            w.delete(key).await.map_err(text)
        })
        .await;

    let (c, key) = (client.clone(), format!("{p}ttl"));
    report
        .check("time to live", CHECK, async move {
            c.put_with_ttl(key.clone(), "x", 2).await.map_err(text)?;
            let left = c.get_key_ttl_secs(key.clone()).await.map_err(text)?;
            want("some of 2 s are left", left.is_some_and(|left| left == 1 || left == 2), true)?;
            c.put(format!("{key}-ever"), "x").await.map_err(text)?;
            want("for ever", c.get_key_ttl_secs(format!("{key}-ever")).await.map_err(text)?, Some(0))?;
            want("absent", c.get_key_ttl_secs(format!("{key}-none")).await.map_err(text)?, None)?;
            let pairs = [(format!("{key}-b1"), "x"), (format!("{key}-b2"), "y")];
            c.batch_put_with_ttl(pairs, [100, 0]).await.map_err(text)?;
            let left = c.get_key_ttl_secs(format!("{key}-b1")).await.map_err(text)?;
            want("one of a batch has its own", left.is_some_and(|left| left > 60 && left <= 100), true)?;
            want("the other has none", c.get_key_ttl_secs(format!("{key}-b2")).await.map_err(text)?, Some(0))?;
            while c.get(key.clone()).await.map_err(text)?.is_some() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(())
        })
        .await;

    let (c, key) = (atomic.clone(), format!("{p}cas"));
    report
        .check("compare and swap", CHECK, async move {
            want("created", c.compare_and_swap(key.clone(), None, "1").await.map_err(text)?, (None, true))?;
            want("created again", c.compare_and_swap(key.clone(), None, "2").await.map_err(text)?, (bytes("1"), false))?;
            want("swapped", c.compare_and_swap(key.clone(), bytes("1"), "2").await.map_err(text)?, (bytes("1"), true))?;
            want("after", c.get(key).await.map_err(text)?, bytes("2"))
        })
        .await;

    let (c, key) = (atomic.clone(), format!("{p}count"));
    report
        .check("600 increments by 6 clients lose none", CHECK, async move {
            c.put(key.clone(), "0").await.map_err(text)?;
            let tasks: Vec<_> = (0..6)
                .map(|_| {
                    let (c, key) = (c.clone(), key.clone());
                    tokio::spawn(async move {
                        let mut done = 0;
                        while done < 100 {
                            let old = c.get(key.clone()).await.map_err(text)?;
                            let next = number(&old)? + 1;
                            let (_, swapped) = c.compare_and_swap(key.clone(), old, next.to_string()).await.map_err(text)?;
                            done += i32::from(swapped);
                        }
                        Outcome::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await.map_err(text)??;
            }
            want("the count", c.get(key).await.map_err(text)?, bytes("600"))
        })
        .await;
    Ok(())
}

fn number(value: &Option<Vec<u8>>) -> Result<i64, String> {
    let value = value.as_ref().ok_or("no value")?;
    String::from_utf8_lossy(value).parse().map_err(text)
}

fn mode(number: u64) -> TransactionOptions {
    let options = if number % 2 == 0 { TransactionOptions::new_optimistic() } else { TransactionOptions::new_pessimistic() };
    let options = options.drop_check(CheckLevel::None);
    match number / 2 % 3 {
        0 => options,
        1 => options.use_async_commit(),
        _ => options.use_async_commit().try_one_pc(),
    }
}

async fn put(client: &TransactionClient, options: TransactionOptions, pairs: &[(String, &str)]) -> Outcome {
    let mut txn = client.begin_with_options(options).await.map_err(text)?;
    for (key, value) in pairs {
        if let Err(why) = txn.put(key.clone(), *value).await {
            let _ = txn.rollback().await;
            return Err(text(why));
        }
    }
    txn.commit().await.map(|_| ()).map_err(text)
}

async fn read(client: &TransactionClient, key: &str) -> Result<Option<Vec<u8>>, String> {
    let now = client.current_timestamp().await.map_err(text)?;
    let mut snapshot = client.snapshot(now, TransactionOptions::new_optimistic());
    snapshot.get(key.to_string()).await.map_err(text)
}

async fn txn(endpoints: Vec<String>, report: &mut Report) -> Outcome {
    let client = Arc::new(TransactionClient::new(endpoints.clone()).await.map_err(text)?);
    let other = Arc::new(TransactionClient::new(endpoints.clone()).await.map_err(text)?);
    let p = prefix("txn-rs");

    for (number, name) in ["2pc", "pessimistic", "async commit", "pessimistic async", "1pc", "pessimistic 1pc"].iter().enumerate() {
        let (c, o, key) = (client.clone(), other.clone(), format!("{p}{name}"));
        report
            .check(&format!("commit: {name}"), CHECK, async move {
                put(&c, mode(number as u64), &[(format!("{key}a"), "1"), (format!("{key}b"), "2")]).await?;
                want("a", read(&o, &format!("{key}a")).await?, bytes("1"))?;
                want("b", read(&o, &format!("{key}b")).await?, bytes("2"))
            })
            .await;
    }

    let (c, o, start) = (client.clone(), other.clone(), format!("{p}many"));
    report
        .check("10 000 keys over many regions: scans both ways, batch get, history", CHECK, async move {
            let keys = names(&format!("{start}-"), 10_000);
            let before = c.current_timestamp().await.map_err(text)?;
            for part in keys.chunks(2_500) {
                put(&c, mode(0), &part.iter().map(|key| (key.clone(), "v")).collect::<Vec<_>>()).await?;
            }
            let found = patiently(|| async {
                let now = o.current_timestamp().await.map_err(text)?;
                let mut snapshot = o.snapshot(now, TransactionOptions::new_optimistic());
                let range = format!("{start}-")..format!("{start}.");
                let up: Vec<Vec<u8>> = snapshot.scan_keys(range.clone(), 20_000).await.map_err(text)?.map(|key| key.into()).collect();
                let down: Vec<Vec<u8>> = snapshot.scan_keys_reverse(range, 20_000).await.map_err(text)?.map(|key| key.into()).collect();
                let some = snapshot.batch_get(keys[100..1_100].to_vec()).await.map_err(text)?.count();
                Ok((up, down, some))
            })
            .await?;
            let mut all: Vec<Vec<u8>> = keys.iter().map(|key| key.clone().into_bytes()).collect();
            want("up", found.0 == all, true)?;
            all.reverse();
            want("down", found.1 == all, true)?;
            want("batch get", found.2, 1_000)?;
            let mut old = o.snapshot(before, TransactionOptions::new_optimistic());
            want("before", old.get(keys[777].clone()).await.map_err(text)?, None)
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}conflict"));
    report
        .check("an optimistic conflict is found at commit", CHECK, async move {
            let mut late = c.begin_with_options(mode(0)).await.map_err(text)?;
            late.put(key.clone(), "late").await.map_err(text)?;
            put(&o, mode(0), &[(key.clone(), "early")]).await?;
            let Err(why) = late.commit().await else { return Err("the later commit was not refused".into()) };
            want("called a conflict", text(why).to_lowercase().contains("conflict"), true)?;
            want("the first one's", read(&c, &key).await?, bytes("early"))
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}insert"));
    report
        .check("an insert of what is there is refused", CHECK, async move {
            put(&c, mode(0), &[(key.clone(), "1")]).await?;
            let mut txn = o.begin_with_options(mode(0)).await.map_err(text)?;
            txn.insert(key.clone(), "2").await.map_err(text)?;
            want("refused", txn.commit().await.is_err(), true)?;
            want("the first one's", read(&c, &key).await?, bytes("1"))
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}batch"));
    report
        .check("reads that lock many keys, and what they gave is written", CHECK, async move {
            put(&c, mode(0), &[(format!("{key}1"), "1"), (format!("{key}2"), "2")]).await?;
            let mut txn = c.begin_with_options(mode(1)).await.map_err(text)?;
            let asked = [format!("{key}1"), format!("{key}2"), format!("{key}3")];
            let found: Vec<_> = txn.batch_get_for_update(asked).await.map_err(text)?.into_iter().map(pair).collect();
            want("those that are there", found.len(), 2)?;
            txn.put(format!("{key}1"), "3").await.map_err(text)?;
            txn.delete(format!("{key}2")).await.map_err(text)?;
            txn.commit().await.map_err(text)?;
            want("written", read(&o, &format!("{key}1")).await?, bytes("3"))?;
            want("deleted", read(&o, &format!("{key}2")).await?, None)
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}count"));
    report
        .check("100 increments under pessimistic locks lose none", CHECK, async move {
            put(&c, mode(0), &[(key.clone(), "0")]).await?;
            let tasks: Vec<_> = [c.clone(), o.clone(), c.clone(), o]
                .into_iter()
                .map(|each| {
                    let key = key.clone();
                    tokio::spawn(async move {
                        for _ in 0..25 {
                            patiently(|| async {
                                let mut txn = each.begin_with_options(mode(1)).await.map_err(text)?;
                                let added = async {
                                    let value = txn.get_for_update(key.clone()).await.map_err(text)?;
                                    txn.put(key.clone(), (number(&value)? + 1).to_string()).await.map_err(text)
                                }
                                .await;
                                if let Err(why) = added {
                                    let _ = txn.rollback().await;
                                    return Err(why);
                                }
                                txn.commit().await.map_err(text)
                            })
                            .await?;
                        }
                        Outcome::Ok(())
                    })
                })
                .collect();
            for task in tasks {
                task.await.map_err(text)??;
            }
            want("the count", read(&c, &key).await?, bytes("100"))
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}dead"));
    report
        .check("a deadlock is found", CHECK, async move {
            let mut one = c.begin_with_options(mode(1)).await.map_err(text)?;
            let mut two = o.begin_with_options(mode(1)).await.map_err(text)?;
            one.lock_keys([format!("{key}a")]).await.map_err(text)?;
            two.lock_keys([format!("{key}b")]).await.map_err(text)?;
            async fn lock(mut txn: Transaction, key: String) -> Option<String> {
                let why = txn.lock_keys([key]).await.err().map(text);
                let _ = txn.rollback().await;
                why
            }
            let first = tokio::spawn(lock(one, format!("{key}b")));
            let second = tokio::spawn(lock(two, format!("{key}a")));
            let refused: Vec<String> = [first.await.map_err(text)?, second.await.map_err(text)?].into_iter().flatten().collect();
            want("one is refused at least", refused.is_empty(), false)?;
            want(&format!("it is called a deadlock ({refused:?})"), refused.iter().any(|why| why.to_lowercase().contains("deadlock: some")), true)
        })
        .await;

    let (c, o, key, pd) = (client.clone(), other.clone(), format!("{p}left"), endpoints.join(","));
    report
        .check("the lock of a process that died is taken away", CHECK, async move {
            put(&c, mode(0), &[(key.clone(), "old")]).await?;
            let program = std::env::current_exe().map_err(text)?;
            let died = tokio::process::Command::new(program).args([&pd, "abandon", &key]).status().await.map_err(text)?;
            want("the child that dies with its lock", died.code(), Some(9))?;
            patiently(|| put(&o, mode(0), std::slice::from_ref(Box::leak(Box::new((key.clone(), "new")))))).await?;
            want("after", read(&c, &key).await?, bytes("new"))
        })
        .await;

    let (c, o, key) = (client.clone(), other.clone(), format!("{p}gc"));
    report
        .check("history reads, heart beats and garbage collection", CHECK, async move {
            let mut at = Vec::new();
            for value in ["0", "1", "2"] {
                put(&c, mode(0), &[(key.clone(), value)]).await?;
                at.push((value, c.current_timestamp().await.map_err(text)?));
            }
            for (value, timestamp) in &at {
                let mut snapshot = o.snapshot(timestamp.clone(), TransactionOptions::new_optimistic());
                want("history", snapshot.get(key.clone()).await.map_err(text)?, bytes(value))?;
            }
            let mut txn = c.begin_with_options(mode(1)).await.map_err(text)?;
            txn.lock_keys([key.clone()]).await.map_err(text)?;
            let left = txn.send_heart_beat().await.map_err(text)?;
            want("a heart beat gives the lock time", left > 0, true)?;
            txn.rollback().await.map_err(text)?;
            let now = c.current_timestamp().await.map_err(text)?;
            let version = now.version();
            c.gc(now).await.map_err(text)?;
            want("the newest stays", read(&o, &key).await?, bytes("2"))?;
            want("timestamps grow", c.current_timestamp().await.map_err(text)?.version() > version, true)
        })
        .await;

    let (c, start) = (client.clone(), format!("{p}destroy"));
    report
        .check("unsafe destroy range", CHECK, async move {
            let keys = names(&format!("{start}-"), 50);
            put(&c, mode(0), &keys.iter().map(|key| (key.clone(), "v")).collect::<Vec<_>>()).await?;
            c.unsafe_destroy_range(format!("{start}-")..format!("{start}.")).await.map_err(text)?;
            want("after", read(&c, &keys[3]).await?, None)
        })
        .await;
    Ok(())
}

async fn abandon(endpoints: Vec<String>, key: String) -> Outcome {
    let client = TransactionClient::new(endpoints).await.map_err(text)?;
    let mut txn = client.begin_with_options(mode(1)).await.map_err(text)?;
    txn.lock_keys([key]).await.map_err(text)?;
    std::process::exit(9)
}

/// A small generator of chance: the crate of that name would be one dependency more.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

async fn transfer(client: &TransactionClient, keys: &[String], entry: &str, chance: &mut Chance) -> Outcome {
    let number = chance.below(6);
    let mut txn = client.begin_with_options(mode(number)).await.map_err(text)?;
    let mut from = chance.below(ACCOUNTS as u64) as usize;
    let mut to = chance.below(ACCOUNTS as u64 - 1) as usize;
    if to >= from {
        to += 1;
    } else if number % 2 == 1 {
        std::mem::swap(&mut from, &mut to); // locks in one order
    }
    let amount = chance.below(100) as i64 - 50;
    let written = async {
        let pessimistic = number % 2 == 1;
        let mut balances = Vec::new();
        for key in [&keys[from], &keys[to]] {
            let value = if pessimistic { txn.get_for_update(key.clone()).await } else { txn.get(key.clone()).await };
            balances.push(number_of(value.map_err(text)?)?);
        }
        txn.put(keys[from].clone(), (balances[0] - amount).to_string()).await.map_err(text)?;
        txn.put(keys[to].clone(), (balances[1] + amount).to_string()).await.map_err(text)?;
        txn.put(entry.to_string(), amount.to_string()).await.map_err(text)
    }
    .await;
    if let Err(why) = written {
        let _ = txn.rollback().await;
        return Err(why);
    }
    txn.commit().await.map(|_| ()).map_err(text)
}

fn number_of(value: Option<Vec<u8>>) -> Result<i64, String> {
    number(&value)
}

async fn balances(client: &TransactionClient, p: &str) -> Result<Vec<i64>, String> {
    let now = client.current_timestamp().await.map_err(text)?;
    let mut snapshot = client.snapshot(now, TransactionOptions::new_optimistic());
    let found = snapshot.scan(format!("{p}account-")..format!("{p}account."), 1_000).await.map_err(text)?;
    found.map(|each| number(&Some(pair(each).1))).collect()
}

async fn bank(endpoints: Vec<String>, seconds: u64, report: &mut Report) -> Outcome {
    let client = Arc::new(TransactionClient::new(endpoints.clone()).await.map_err(text)?);
    let auditor = Arc::new(TransactionClient::new(endpoints).await.map_err(text)?);
    let p = prefix("bank-rs");
    let check = async move {
        let keys = Arc::new(names(&format!("{p}account-"), ACCOUNTS));
        let opened: Vec<(String, String)> = keys.iter().map(|key| (key.clone(), BALANCE.to_string())).collect();
        patiently(|| async {
            let pairs: Vec<(String, &str)> = opened.iter().map(|(key, value)| (key.clone(), value.as_str())).collect();
            put(&client, mode(0), &pairs).await
        })
        .await?;
        println!("started");
        let ends = Instant::now() + Duration::from_secs(seconds);
        let acknowledged = Arc::new(Mutex::new(HashSet::new()));
        let refused = Arc::new(AtomicU64::new(0));
        let mut tasks = Vec::new();
        for teller in 0..TELLERS {
            let (client, keys, acknowledged, refused, p) = (client.clone(), keys.clone(), acknowledged.clone(), refused.clone(), p.clone());
            tasks.push(tokio::spawn(async move {
                let mut chance = Chance(teller + 1);
                let mut count = 0;
                while Instant::now() < ends {
                    count += 1;
                    let entry = format!("{p}journal-{teller}-{count:06}");
                    match tokio::time::timeout(Duration::from_secs(20), transfer(&client, &keys, &entry, &mut chance)).await {
                        Ok(Ok(())) => {
                            acknowledged.lock().map_err(text)?.insert(entry.into_bytes());
                        }
                        _ => {
                            refused.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
                Outcome::Ok(())
            }));
        }
        let mut audits = 0;
        while Instant::now() < ends {
            let Ok(found) = balances(&auditor, &p).await else {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            };
            want("accounts in a snapshot", found.len(), ACCOUNTS)?;
            want("the sum of a snapshot", found.iter().sum::<i64>(), ACCOUNTS as i64 * BALANCE)?;
            audits += 1;
        }
        for task in tasks {
            task.await.map_err(text)??;
        }
        let found = patiently(|| balances(&auditor, &p)).await?;
        let sum = found.iter().sum::<i64>();
        if sum != ACCOUNTS as i64 * BALANCE || found.len() != ACCOUNTS {
            // whether it stays so tells a wrong read from money that is gone
            tokio::time::sleep(Duration::from_secs(8)).await;
            let later = patiently(|| balances(&auditor, &p)).await?;
            let again = later.iter().sum::<i64>();
            return Err(format!("the last sum is {sum} of {} accounts, and 8 s later {again} of {}", found.len(), later.len()));
        }
        let journal: HashSet<Vec<u8>> = patiently(|| async {
            let now = auditor.current_timestamp().await.map_err(text)?;
            let mut snapshot = auditor.snapshot(now, TransactionOptions::new_optimistic());
            let range = format!("{p}journal-")..format!("{p}journal.");
            Ok(snapshot.scan_keys(range, 1_000_000).await.map_err(text)?.map(|key| key.into()).collect())
        })
        .await?;
        let acknowledged = acknowledged.lock().map_err(text)?.clone();
        want("acknowledged transfers that are lost", acknowledged.difference(&journal).count(), 0)?;
        want("transfers and audits were made", !acknowledged.is_empty() && audits > 0, true)?;
        println!("# {} transfers, {audits} audits, {} refused", acknowledged.len(), refused.load(Ordering::Relaxed));
        Ok(())
    };
    report.check("the sum of all accounts, under transfers", CHECK + Duration::from_secs(seconds), check).await;
    Ok(())
}

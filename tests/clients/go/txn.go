package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/pingcap/kvproto/pkg/kvrpcpb"
	tikverr "github.com/tikv/client-go/v2/error"
	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/oracle"
	"github.com/tikv/client-go/v2/tikv"
	"github.com/tikv/client-go/v2/tikvrpc"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
	"github.com/tikv/client-go/v2/util"
)

// session marks the context of a real session: without one the client uses two-phase commit only.
func session(ctx context.Context) context.Context {
	return context.WithValue(ctx, util.SessionID, uint64(1))
}

type mode struct {
	name        string
	pessimistic bool
	async       bool
	onePC       bool
}

var modes = []mode{
	{"2pc", false, false, false},
	{"async_commit", false, true, false},
	{"1pc", false, true, true},
	{"pessimistic", true, false, false},
	{"pessimistic async", true, true, false},
	{"pessimistic 1pc", true, true, true},
}

func begin(client *txnkv.Client, m mode) (*transaction.KVTxn, error) {
	txn, err := client.Begin()
	if err != nil {
		return nil, err
	}
	txn.SetPessimistic(m.pessimistic)
	txn.SetEnableAsyncCommit(m.async)
	txn.SetEnable1PC(m.onePC)
	return txn, nil
}

// lock takes pessimistic locks with a fresh timestamp, as often as a newer version is in the way.
func lock(ctx context.Context, client *txnkv.Client, txn *transaction.KVTxn, names ...[]byte) error {
	for {
		ts, err := client.GetTimestamp(ctx)
		if err != nil {
			return err
		}
		err = txn.LockKeys(ctx, kv.NewLockCtx(ts, kv.LockAlwaysWait, time.Now()), names...)
		if err == nil || !tikverr.IsErrWriteConflict(err) || ctx.Err() != nil {
			return err
		}
	}
}

func put(ctx context.Context, client *txnkv.Client, m mode, pairs ...[]byte) (info transaction.TxnInfo, err error) {
	txn, err := begin(client, m)
	if err != nil {
		return
	}
	if m.pessimistic {
		var names [][]byte
		for i := 0; i < len(pairs); i += 2 {
			names = append(names, pairs[i])
		}
		if err = lock(ctx, client, txn, names...); err != nil {
			return
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if err = txn.Set(pairs[i], pairs[i+1]); err != nil {
			return
		}
	}
	txn.SetCommitCallback(func(text string, _ error) { _ = json.Unmarshal([]byte(text), &info) })
	err = txn.Commit(session(ctx))
	return
}

// read gives nil for an absent key.
func read(ctx context.Context, client *txnkv.Client, name []byte) ([]byte, error) {
	ts, err := client.GetTimestamp(ctx)
	if err != nil {
		return nil, err
	}
	return readAt(ctx, client, name, ts)
}

func readAt(ctx context.Context, client *txnkv.Client, name []byte, ts uint64) ([]byte, error) {
	value, err := client.GetSnapshot(ts).Get(ctx, name)
	if tikverr.IsErrNotFound(err) {
		return nil, nil
	}
	return value, err
}

func txnChecks(endpoints []string) ([]check, error) {
	client, err := txnkv.NewClient(endpoints)
	if err != nil {
		return nil, err
	}
	other, err := txnkv.NewClient(endpoints)
	if err != nil {
		return nil, err
	}
	p := prefix("txn-go")
	name := func(text string) []byte { return b(p + text) }

	var checks []check
	for _, m := range modes {
		m := m
		checks = append(checks, check{"commit: " + m.name, func(ctx context.Context) error {
			a, c := name(m.name+"/a"), name(m.name+"/b")
			info, err := put(ctx, client, m, a, b("1"), c, b("2"))
			if err != nil {
				return err
			}
			expected := map[bool]string{true: "async_commit", false: "2pc"}[m.async]
			if m.onePC {
				expected = "1pc"
			}
			va, err1 := read(ctx, other, a)
			vb, err2 := read(ctx, other, c)
			return first(err1, err2, want("how it was committed", info.TxnCommitMode, expected), wantBytes("a", va, b("1")), wantBytes("b", vb, b("2")))
		}})
	}
	return append(checks,
		check{"10 000 keys over many regions: one transaction, scans both ways, history", func(ctx context.Context) error {
			names := keys(p+"many-", 10_000)
			var splits [][]byte
			for i := 500; i < len(names); i += 500 {
				splits = append(splits, names[i])
			}
			// some of them are boundaries already when the driver has split here
			if regions, err := client.SplitRegions(ctx, splits, false, nil); err != nil || len(regions) < len(splits)/2 {
				return fmt.Errorf("split: %d regions, %v", len(regions), err)
			}
			before, err := client.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			pairs := make([][]byte, 0, 2*len(names))
			for _, each := range names {
				pairs = append(pairs, each, append([]byte("v-"), each...))
			}
			if _, err := put(ctx, client, modes[0], pairs...); err != nil {
				return err
			}
			ts, err := other.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			up, err := other.GetSnapshot(ts).Iter(name("many-"), name("many."))
			if err != nil {
				return err
			}
			count := 0
			for ; up.Valid(); count++ {
				if err := first(wantBytes("up", up.Key(), names[count]), wantBytes("value", up.Value(), pairs[2*count+1]), up.Next()); err != nil {
					return err
				}
			}
			down, err := other.GetSnapshot(ts).IterReverse(name("many."))
			if err != nil {
				return err
			}
			back := len(names)
			for ; back > 0 && down.Valid(); back-- {
				if err := first(wantBytes("down", down.Key(), names[back-1]), down.Next()); err != nil {
					return err
				}
			}
			old, err1 := readAt(ctx, other, names[777], before)
			some, err2 := other.GetSnapshot(ts).BatchGet(ctx, names[3_000:5_000])
			return first(err1, err2, want("keys up", count, len(names)), want("keys left down", back, 0), wantBytes("before", old, nil), want("batch get", len(some), 2_000))
		}},
		check{"an optimistic conflict is found at commit", func(ctx context.Context) error {
			txn, err := begin(client, modes[0])
			if err != nil {
				return err
			}
			if err := txn.Set(name("conflict"), b("late")); err != nil {
				return err
			}
			if _, err := put(ctx, other, modes[0], name("conflict"), b("early")); err != nil {
				return err
			}
			if err := txn.Commit(session(ctx)); !tikverr.IsErrWriteConflict(err) {
				return fmt.Errorf("expected a write conflict, got %v", err)
			}
			value, err := read(ctx, client, name("conflict"))
			return first(err, wantBytes("the first one's", value, b("early")))
		}},
		check{"a rolled back transaction leaves nothing", func(ctx context.Context) error {
			txn, err := begin(client, modes[3])
			if err != nil {
				return err
			}
			if err := first(lock(ctx, client, txn, name("back")), txn.Set(name("back"), b("x")), txn.Rollback()); err != nil {
				return err
			}
			value, err := read(ctx, other, name("back"))
			if err := first(err, wantBytes("after", value, nil)); err != nil {
				return err
			}
			_, err = put(ctx, other, modes[3], name("back"), b("free"))
			return err
		}},
		check{"a pessimistic lock makes others wait, then see what was committed", func(ctx context.Context) error {
			holder, err := begin(client, modes[3])
			if err != nil {
				return err
			}
			if err := first(lock(ctx, client, holder, name("wait")), holder.Set(name("wait"), b("first"))); err != nil {
				return err
			}
			refused, err := begin(other, modes[3])
			if err != nil {
				return err
			}
			ts, err := other.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			err = refused.LockKeys(ctx, kv.NewLockCtx(ts, kv.LockNoWait, time.Now()), name("wait"))
			if !errors.Is(err, tikverr.ErrLockAcquireFailAndNoWaitSet) {
				return fmt.Errorf("without waiting: %v", err)
			}
			err = refused.LockKeys(ctx, kv.NewLockCtx(ts, 300, time.Now()), name("wait"))
			if !errors.Is(err, tikverr.ErrLockWaitTimeout) {
				return fmt.Errorf("after 300 ms: %v", err)
			}
			_ = refused.Rollback()
			waiter, err := begin(other, modes[3])
			if err != nil {
				return err
			}
			locked := make(chan error, 1)
			go func() { locked <- lock(ctx, other, waiter, name("wait")) }()
			select {
			case err := <-locked:
				return fmt.Errorf("the lock was given away while it was held: %v", err)
			case <-time.After(200 * time.Millisecond):
			}
			if err := holder.Commit(session(ctx)); err != nil {
				return err
			}
			if err := <-locked; err != nil {
				return err
			}
			err1 := waiter.Set(name("wait"), b("second"))
			err2 := waiter.Commit(session(ctx))
			value, err3 := read(ctx, client, name("wait"))
			return first(err1, err2, err3, wantBytes("after both", value, b("second")))
		}},
		check{"a deadlock is found and told to one of the two", func(ctx context.Context) error {
			return deadlock(ctx, client, other, name("dead/a"), name("dead/b"))
		}},
		check{"a deadlock over two regions is found, too", func(ctx context.Context) error {
			if _, err := client.SplitRegions(ctx, [][]byte{name("far/m")}, false, nil); err != nil {
				return err
			}
			return deadlock(ctx, client, other, name("far/a"), name("far/z"))
		}},
		check{"an abandoned lock is rolled back when its time is over", func(ctx context.Context) error {
			if _, err := put(ctx, client, modes[0], name("left"), b("old")); err != nil {
				return err
			}
			if _, err := prewriteOnly(ctx, client, false, name("left"), name("left/2")); err != nil {
				return err
			}
			started := time.Now()
			value, err := read(ctx, other, name("left"))
			if err := first(err, wantBytes("the old value", value, b("old"))); err != nil {
				return err
			}
			if waited := time.Since(started); waited > 30*time.Second {
				return fmt.Errorf("it took %s", waited)
			}
			_, err = put(ctx, other, modes[0], name("left"), b("new"), name("left/2"), b("new"))
			return err
		}},
		check{"secondaries that were left behind by a committed primary are committed by readers", func(ctx context.Context) error {
			committer, err := prewriteOnly(ctx, client, false, name("half"), name("half/2"), name("half/3"))
			if err != nil {
				return err
			}
			ts, err := client.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			bo := tikv.NewBackofferWithVars(ctx, 10_000, nil)
			where, err := client.GetRegionCache().LocateKey(bo, name("half"))
			if err != nil {
				return err
			}
			request := tikvrpc.NewRequest(tikvrpc.CmdCommit, &kvrpcpb.CommitRequest{
				StartVersion: committer.GetStartTS(), CommitVersion: ts, Keys: [][]byte{name("half")},
			})
			answer, err := client.SendReq(bo, request, where.Region, 10*time.Second)
			if err != nil {
				return err
			}
			if refused := answer.Resp.(*kvrpcpb.CommitResponse).Error; refused != nil {
				return fmt.Errorf("the primary was not committed: %s", refused)
			}
			for _, each := range []string{"half", "half/2", "half/3"} {
				value, err := read(ctx, other, name(each))
				if err := first(err, wantBytes(each, value, b("left"))); err != nil {
					return err
				}
			}
			return nil
		}},
		check{"an async commit that nobody finished is finished by readers", func(ctx context.Context) error {
			if _, err := prewriteOnly(ctx, client, true, name("async"), name("async/2")); err != nil {
				return err
			}
			one, err1 := read(ctx, other, name("async/2"))
			two, err2 := read(ctx, other, name("async"))
			return first(err1, err2, wantBytes("secondary", one, b("left")), wantBytes("primary", two, b("left")))
		}},
		check{"followers give what was committed before the read, and nothing that comes after it", func(ctx context.Context) error {
			for i := 0; i < 20; i++ {
				value := b(fmt.Sprint(i))
				if _, err := put(ctx, client, modes[i%len(modes)], name("follow"), value, name("follow/2"), value); err != nil {
					return err
				}
				ts, err := other.GetTimestamp(ctx)
				if err != nil {
					return err
				}
				snapshot := other.GetSnapshot(ts)
				snapshot.SetReplicaRead(kv.ReplicaReadFollower)
				got, err1 := snapshot.Get(ctx, name("follow"))
				if _, err := put(ctx, client, modes[(i+2)%len(modes)], name("follow"), b("later"), name("follow/2"), b("later")); err != nil {
					return err
				}
				again := other.GetSnapshot(ts)
				again.SetReplicaRead(kv.ReplicaReadFollower)
				second, err2 := again.BatchGet(ctx, [][]byte{name("follow"), name("follow/2")})
				if err := first(err1, err2, wantBytes("at once", got, value), wantBytes("after the next write", second[string(name("follow/2"))], value)); err != nil {
					return err
				}
			}
			return nil
		}},
		check{"delete range", func(ctx context.Context) error {
			names := keys(p+"range-", 100)
			var pairs [][]byte
			for _, each := range names {
				pairs = append(pairs, each, each)
			}
			if _, err := put(ctx, client, modes[0], pairs...); err != nil {
				return err
			}
			if _, err := client.DeleteRange(ctx, names[10], names[90], 2); err != nil {
				return err
			}
			ts, err := client.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			left, err := client.GetSnapshot(ts).BatchGet(ctx, names)
			return first(err, want("keys left", len(left), 20))
		}},
		check{"history reads, garbage collection and safe points", func(ctx context.Context) error {
			var at []uint64
			for i := 0; i < 4; i++ {
				if _, err := put(ctx, client, modes[0], name("gc"), b(fmt.Sprint(i))); err != nil {
					return err
				}
				ts, err := client.GetTimestamp(ctx)
				if err != nil {
					return err
				}
				at = append(at, ts)
			}
			for i, ts := range at {
				value, err := readAt(ctx, other, name("gc"), ts)
				if err := first(err, wantBytes("history", value, b(fmt.Sprint(i)))); err != nil {
					return err
				}
			}
			if _, err := prewriteOnly(ctx, client, false, name("gc/lock")); err != nil {
				return err
			}
			point, err := client.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			if now, err := client.GC(ctx, point); err != nil || now != point {
				return fmt.Errorf("safe point %d after asking for %d: %w", now, point, err)
			}
			if now, err := client.GC(ctx, point-1); err != nil || now != point {
				return fmt.Errorf("the safe point went back to %d: %w", now, err)
			}
			value, err1 := readAt(ctx, other, name("gc"), point)
			// its lock was resolved by the collection: no wait
			_, err2 := put(ctx, other, modes[0], name("gc/lock"), b("free"))
			lowest, err3 := client.GetPDClient().UpdateServiceGCSafePoint(ctx, "skein-test", 60, point)
			_, err4 := client.GetPDClient().UpdateServiceGCSafePoint(ctx, "skein-test", 0, 0)
			return first(err1, err2, err3, err4, wantBytes("the newest stays", value, b("3")), want("the lowest service's is not above ours", lowest <= point, true))
		}},
		check{"timestamps only grow, over 20 callers", func(ctx context.Context) error {
			var wait sync.WaitGroup
			failures := make(chan error, 20)
			for caller := 0; caller < 20; caller++ {
				wait.Add(1)
				go func() {
					defer wait.Done()
					last := uint64(0)
					for i := 0; i < 500; i++ {
						ts, err := client.GetTimestamp(ctx)
						if err != nil || ts <= last {
							failures <- fmt.Errorf("%d after %d: %v", ts, last, err)
							return
						}
						last = ts
					}
				}()
			}
			wait.Wait()
			select {
			case err := <-failures:
				return err
			default:
			}
			ts, err := client.GetTimestamp(ctx)
			if err != nil {
				return err
			}
			if apart := math.Abs(time.Since(oracle.GetTimeFromTS(ts)).Seconds()); apart > 60 {
				return fmt.Errorf("a timestamp is %.0f s off the clock", apart)
			}
			return nil
		}},
	), nil
}

// prewriteOnly leaves locks of a transaction that nobody will commit.
func prewriteOnly(ctx context.Context, client *txnkv.Client, async bool, names ...[]byte) (transaction.CommitterProbe, error) {
	txn, err := client.Begin()
	if err != nil {
		return transaction.CommitterProbe{}, err
	}
	txn.SetPessimistic(false)
	for _, each := range names {
		if err := txn.Set(each, b("left")); err != nil {
			return transaction.CommitterProbe{}, err
		}
	}
	committer, err := transaction.TxnProbe{KVTxn: txn}.NewCommitter(1)
	if err != nil {
		return committer, err
	}
	if async {
		ts, err := client.GetTimestamp(ctx)
		if err != nil {
			return committer, err
		}
		committer.SetUseAsyncCommit()
		committer.SetMinCommitTS(ts + 1)
		committer.SetMaxCommitTS(ts + uint64(2*time.Second/time.Millisecond)<<18)
	}
	return committer, committer.PrewriteAllMutations(ctx)
}

func deadlock(ctx context.Context, one, two *txnkv.Client, a, c []byte) error {
	t1, err := begin(one, modes[3])
	if err != nil {
		return err
	}
	t2, err := begin(two, modes[3])
	if err != nil {
		return err
	}
	if err := first(lock(ctx, one, t1, a), lock(ctx, two, t2, c)); err != nil {
		return err
	}
	results := make(chan error, 2)
	go func() {
		err := lock(ctx, one, t1, c)
		if err != nil {
			_ = t1.Rollback()
		}
		results <- err
	}()
	go func() {
		err := lock(ctx, two, t2, a)
		if err != nil {
			_ = t2.Rollback()
		}
		results <- err
	}()
	r1, r2 := <-results, <-results
	if r1 == nil {
		r1, r2 = r2, r1
	}
	var dead *tikverr.ErrDeadlock
	if !errors.As(r1, &dead) {
		return fmt.Errorf("expected a deadlock, got %v and %v", r1, r2)
	}
	if r2 != nil && !errors.As(r2, &dead) {
		return fmt.Errorf("the other one failed, too: %v", r2)
	}
	_ = t1.Rollback()
	_ = t2.Rollback()
	return nil
}

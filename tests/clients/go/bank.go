package main

import (
	"context"
	"fmt"
	"math/rand"
	"strconv"
	"sync"
	"time"

	"github.com/tikv/client-go/v2/kv"
	"github.com/tikv/client-go/v2/txnkv"
	"github.com/tikv/client-go/v2/txnkv/transaction"
)

const (
	accounts       = 24
	initialBalance = 1_000
	tellers        = 4
)

// bankChecks moves money between accounts for a while; every snapshot must hold the same sum, and every transfer that was
// acknowledged must be in the journal at the end. Failed calls are repeated: the driver harms the cluster meanwhile.
func bankChecks(endpoints []string, duration time.Duration) ([]check, error) {
	client, err := txnkv.NewClient(endpoints)
	if err != nil {
		return nil, err
	}
	auditor, err := txnkv.NewClient(endpoints)
	if err != nil {
		return nil, err
	}
	p := prefix("bank-go")
	names := keys(p+"account-", accounts)
	return []check{{"the sum of all accounts, under transfers", func(ctx context.Context) error {
		var pairs [][]byte
		for _, each := range names {
			pairs = append(pairs, each, b(strconv.Itoa(initialBalance)))
		}
		var err error
		for try := 0; try < 20; try++ {
			if _, err = put(ctx, client, modes[0], pairs...); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
		fmt.Println("started")
		ends := time.Now().Add(duration)
		var mutex sync.Mutex
		acknowledged := map[string]bool{}
		var wait sync.WaitGroup
		failures := make(chan error, tellers+1)
		refused := map[string]int{}
		for teller := 0; teller < tellers; teller++ {
			wait.Add(1)
			go func(teller int) {
				defer wait.Done()
				random := rand.New(rand.NewSource(int64(teller) + 1))
				for number := 0; time.Now().Before(ends); number++ {
					entry := fmt.Sprintf("%sjournal-%d-%06d", p, teller, number)
					err := transfer(ctx, client, modes[random.Intn(len(modes))], names, entry, random)
					mutex.Lock()
					if err == nil {
						acknowledged[entry] = true
					} else {
						text := oneLine(err)
						refused[text]++
					}
					mutex.Unlock()
				}
			}(teller)
		}
		audits, followed := 0, 0
		wait.Add(1)
		go func() {
			defer wait.Done()
			for tries := 0; time.Now().Before(ends); tries++ {
				byFollowers := tries%4 >= 2
				sum, err := audit(ctx, auditor, p, names, tries%2 == 0, byFollowers)
				if err != nil {
					continue // unreachable for a moment
				}
				audits++
				if byFollowers {
					followed++
				}
				if sum != accounts*initialBalance {
					failures <- fmt.Errorf("a snapshot holds %d instead of %d", sum, accounts*initialBalance)
					return
				}
			}
		}()
		wait.Wait()
		select {
		case err := <-failures:
			return err
		default:
		}
		if audits == 0 || followed == 0 || len(acknowledged) == 0 {
			return fmt.Errorf("%d audits, %d by followers, %d transfers; refused: %v", audits, followed, len(acknowledged), refused)
		}
		for try := 0; ; try++ {
			sum, err := audit(ctx, auditor, p, names, true, false)
			if err == nil && sum != accounts*initialBalance {
				return fmt.Errorf("the last snapshot holds %d", sum)
			}
			var missing int
			if err == nil {
				missing, err = lost(ctx, auditor, p, acknowledged)
			}
			if err == nil && missing > 0 {
				return fmt.Errorf("%d of %d acknowledged transfers are lost", missing, len(acknowledged))
			}
			if err == nil {
				fmt.Printf("# %d transfers, %d audits, %d by followers, %d refused\n", len(acknowledged), audits, followed, total(refused))
				return nil
			}
			if try == 20 {
				return err
			}
		}
	}}}, nil
}

func total(counts map[string]int) (sum int) {
	for _, count := range counts {
		sum += count
	}
	return
}

func transfer(ctx context.Context, client *txnkv.Client, m mode, names [][]byte, entry string, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	txn, err := begin(client, m)
	if err != nil {
		return err
	}
	committed := false
	defer func() {
		if !committed {
			_ = txn.Rollback()
		}
	}()
	from, to := random.Intn(len(names)), random.Intn(len(names)-1)
	if to >= from {
		to++
	}
	if m.pessimistic {
		low, high := from, to
		if low > high {
			low, high = high, low
		}
		if err := lock(ctx, client, txn, names[low], names[high]); err != nil {
			return err
		}
	}
	a, err := balance(ctx, client, txn, m, names[from])
	if err != nil {
		return err
	}
	c, err := balance(ctx, client, txn, m, names[to])
	if err != nil {
		return err
	}
	amount := random.Intn(50)
	err = first(txn.Set(names[from], b(strconv.Itoa(a-amount))), txn.Set(names[to], b(strconv.Itoa(c+amount))), txn.Set(b(entry), b(strconv.Itoa(amount))))
	if err != nil {
		return err
	}
	committed = true // whatever becomes of it
	return txn.Commit(session(ctx))
}

// balance reads under the transaction's lock when it has one: the newest version, not the one of its start.
func balance(ctx context.Context, client *txnkv.Client, txn *transaction.KVTxn, m mode, name []byte) (int, error) {
	var value []byte
	var err error
	if m.pessimistic {
		value, err = read(ctx, client, name)
	} else {
		value, err = txn.Get(ctx, name)
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(value))
}

func audit(ctx context.Context, client *txnkv.Client, p string, names [][]byte, byScan, byFollowers bool) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ts, err := client.GetTimestamp(ctx)
	if err != nil {
		return 0, err
	}
	snapshot := client.GetSnapshot(ts)
	if byFollowers {
		snapshot.SetReplicaRead(kv.ReplicaReadFollower)
	}
	sum, count := 0, 0
	add := func(value []byte) {
		balance, _ := strconv.Atoi(string(value))
		sum += balance
		count++
	}
	if byScan {
		scan, err := snapshot.Iter(b(p+"account-"), b(p+"account."))
		for ; err == nil && scan.Valid(); err = scan.Next() {
			add(scan.Value())
		}
		if err != nil {
			return 0, err
		}
	} else {
		values, err := snapshot.BatchGet(ctx, names)
		if err != nil {
			return 0, err
		}
		for _, value := range values {
			add(value)
		}
	}
	return sum, want("accounts in a snapshot", count, len(names))
}

func lost(ctx context.Context, client *txnkv.Client, p string, acknowledged map[string]bool) (int, error) {
	ts, err := client.GetTimestamp(ctx)
	if err != nil {
		return 0, err
	}
	missing := len(acknowledged)
	scan, err := client.GetSnapshot(ts).Iter(b(p+"journal-"), b(p+"journal."))
	for ; err == nil && scan.Valid(); err = scan.Next() {
		if acknowledged[string(scan.Key())] {
			missing--
		}
	}
	return missing, err
}

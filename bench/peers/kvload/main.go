// kvload puts a key-value store under load and prints what it did as one line of JSON: etcd over its own client, the region
// store over TiKV's. Both are unmodified Go clients, so that neither contender is measured with a slower language.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/pingcap/log"
	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

type store interface {
	put(ctx context.Context, key, value []byte) error
	get(ctx context.Context, key []byte) error
	// Puts when nobody has since the revision, which is what the put before answered; 0 of a key that was never put.
	txn(ctx context.Context, key, value []byte, revision int64) (int64, error)
}

type etcdStore struct{ clients []*clientv3.Client }

func (s etcdStore) of(key []byte) *clientv3.Client { return s.clients[int(key[len(key)-1])%len(s.clients)] }
func (s etcdStore) put(ctx context.Context, key, value []byte) error {
	_, err := s.of(key).Put(ctx, string(key), string(value))
	return err
}
func (s etcdStore) get(ctx context.Context, key []byte) error {
	_, err := s.of(key).Get(ctx, string(key))
	return err
}

func (s etcdStore) txn(ctx context.Context, key, value []byte, revision int64) (int64, error) {
	name := string(key)
	same := clientv3.Compare(clientv3.ModRevision(name), "=", revision)
	answer, err := s.of(key).Txn(ctx).If(same).Then(clientv3.OpPut(name, string(value))).Else(clientv3.OpGet(name)).Commit()
	if err != nil {
		return 0, err
	}
	if answer.Succeeded {
		return answer.Header.Revision, nil
	}
	// What an earlier run left: it is put with the next try.
	pairs := answer.Responses[0].GetResponseRange().Kvs
	if len(pairs) == 0 {
		return 0, nil
	}
	return pairs[0].ModRevision, nil
}

type regionStore struct{ client *rawkv.Client }

func (s regionStore) put(ctx context.Context, key, value []byte) error { return s.client.Put(ctx, key, value) }
func (s regionStore) get(ctx context.Context, key []byte) error {
	_, err := s.client.Get(ctx, key)
	return err
}
func (s regionStore) txn(ctx context.Context, key, value []byte, revision int64) (int64, error) {
	return 0, fmt.Errorf("transactions of the region store are measured over its own client")
}

func main() {
	kind := flag.String("kind", "", "etcd or tikv")
	endpoints := flag.String("endpoints", "", "host:port,…")
	op := flag.String("op", "put", "put, get, or txn: a put on condition, of keys that no other client has")
	clients := flag.Int("clients", 64, "requests under way")
	seconds := flag.Float64("seconds", 5, "of measuring, after a second of warming up")
	valueBytes := flag.Int("value", 256, "bytes of a value")
	keys := flag.Int("keys", 10000, "different keys")
	flag.Parse()
	log.ReplaceGlobals(zap.NewNop(), &log.ZapProperties{})

	target, err := open(*kind, strings.Split(*endpoints, ","))
	if err != nil {
		fail(err)
	}
	ctx := context.Background()
	key := func(n int) []byte { return []byte(fmt.Sprintf("load/%08d", n)) }
	if *op == "get" {
		load(ctx, *keys, *valueBytes, target, key)
	}
	begin := time.Now().Add(time.Second)
	end := begin.Add(time.Duration(*seconds * float64(time.Second)))
	var group sync.WaitGroup
	times := make([][]time.Duration, *clients)
	for n := 0; n < *clients; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			random := rand.New(rand.NewSource(int64(n) + 1))
			value := make([]byte, *valueBytes)
			revisions := map[int]int64{}
			for time.Now().Before(end) {
				random.Read(value)
				started := time.Now()
				var err error
				if *op == "get" {
					err = target.get(ctx, key(random.Intn(*keys)))
				} else if *op == "txn" {
					own := random.Intn(*keys / *clients)*(*clients) + n
					revisions[own], err = target.txn(ctx, key(own), value, revisions[own])
				} else {
					err = target.put(ctx, key(random.Intn(*keys)), value)
				}
				if err != nil {
					fail(err)
				}
				if started.After(begin) {
					times[n] = append(times[n], time.Since(started))
				}
			}
		}(n)
	}
	group.Wait()
	var all []time.Duration
	for _, part := range times {
		all = append(all, part...)
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return float64(all[int(share*float64(len(all)-1))].Microseconds())
	}
	out, _ := json.Marshal(map[string]float64{
		"perSecond": float64(len(all)) / *seconds, "p50us": at(0.5), "p99us": at(0.99),
	})
	fmt.Println(string(out))
}

func load(ctx context.Context, keys, valueBytes int, target store, key func(int) []byte) {
	var group sync.WaitGroup
	for part := 0; part < 64; part++ {
		group.Add(1)
		go func(part int) {
			defer group.Done()
			value := make([]byte, valueBytes)
			for n := part; n < keys; n += 64 {
				rand.Read(value)
				if err := target.put(ctx, key(n), value); err != nil {
					fail(err)
				}
			}
		}(part)
	}
	group.Wait()
}

func open(kind string, endpoints []string) (store, error) {
	if kind == "tikv" {
		client, err := rawkv.NewClient(context.Background(), endpoints, config.Security{})
		return regionStore{client}, err
	}
	// As etcd's own benchmark does: several connections, spread over the members.
	var clients []*clientv3.Client
	for n := 0; n < 6; n++ {
		client, err := clientv3.New(clientv3.Config{
			Endpoints: endpoints[n%len(endpoints) : n%len(endpoints)+1], DialTimeout: 10 * time.Second, DialOptions: []grpc.DialOption{grpc.WithBlock()}, Logger: zap.NewNop(),
		})
		if err != nil {
			return nil, err
		}
		clients = append(clients, client)
	}
	return etcdStore{clients}, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

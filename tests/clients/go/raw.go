package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tikv/client-go/v2/config"
	"github.com/tikv/client-go/v2/rawkv"
)

func rawChecks(endpoints []string) ([]check, error) {
	ctx := context.Background()
	client, err := rawkv.NewClient(ctx, endpoints, config.Security{})
	if err != nil {
		return nil, err
	}
	atomic, err := rawkv.NewClient(ctx, endpoints, config.Security{})
	if err != nil {
		return nil, err
	}
	atomic.SetAtomicForCAS(true)
	p := prefix("raw-go")
	name := func(text string) []byte { return b(p + text) }

	return []check{
		{"put, get, overwrite, delete", func(ctx context.Context) error {
			if err := client.Put(ctx, name("a"), b("1")); err != nil {
				return err
			}
			v1, err1 := client.Get(ctx, name("a"))
			err2 := client.Put(ctx, name("a"), b("2"))
			v2, err3 := client.Get(ctx, name("a"))
			err4 := client.Delete(ctx, name("a"))
			v3, err5 := client.Get(ctx, name("a"))
			return first(err1, err2, err3, err4, err5, wantBytes("first", v1, b("1")), wantBytes("second", v2, b("2")), wantBytes("deleted", v3, nil))
		}},
		{"binary keys and a value of 1 MiB", func(ctx context.Context) error {
			big := make([]byte, 1<<20)
			for i := range big {
				big[i] = byte(i * 31)
			}
			key := append(name("bin"), 0, 255, 0, 1)
			if err := client.Put(ctx, key, big); err != nil {
				return err
			}
			got, err := client.Get(ctx, key)
			if err != nil {
				return err
			}
			return wantBytes("the value", got, big)
		}},
		{"batch put, get and delete over regions", func(ctx context.Context) error {
			names := keys(p+"batch-", 1500)
			values := keys("value-", 1500)
			if err := client.BatchPut(ctx, names, values); err != nil {
				return err
			}
			got, err := client.BatchGet(ctx, append(append([][]byte{}, names...), name("nothing")))
			if err != nil {
				return err
			}
			for i, value := range values {
				if err := wantBytes(string(names[i]), got[i], value); err != nil {
					return err
				}
			}
			if len(got[len(got)-1]) != 0 {
				return fmt.Errorf("an absent key has value %q", got[len(got)-1])
			}
			if err := client.BatchDelete(ctx, names[:700]); err != nil {
				return err
			}
			rest, _, err := client.Scan(ctx, name("batch-"), name("batch."), 5000)
			return first(err, want("keys left", len(rest), 800))
		}},
		{"scans both ways, limits and keys only", func(ctx context.Context) error {
			names := keys(p+"scan-", 300)
			if err := client.BatchPut(ctx, names, names); err != nil {
				return err
			}
			up, upValues, err1 := client.Scan(ctx, names[10], names[20], 100)
			down, downValues, err2 := client.ReverseScan(ctx, names[20], names[10], 100)
			few, _, err3 := client.Scan(ctx, names[0], nil, 7)
			only, none, err4 := client.Scan(ctx, names[0], names[5], 100, rawkv.ScanKeyOnly())
			if err := first(err1, err2, err3, err4, want("up", len(up), 10), want("down", len(down), 10), want("limited", len(few), 7), want("keys only", len(only), 5)); err != nil {
				return err
			}
			for i := range up {
				if err := first(wantBytes("up", up[i], names[10+i]), wantBytes("up value", upValues[i], names[10+i]),
					wantBytes("down", down[i], names[19-i]), wantBytes("down value", downValues[i], names[19-i])); err != nil {
					return err
				}
			}
			for _, value := range none {
				if len(value) != 0 {
					return fmt.Errorf("a scan of keys gave value %q", value)
				}
			}
			return nil
		}},
		{"delete range", func(ctx context.Context) error {
			names := keys(p+"range-", 600)
			if err := client.BatchPut(ctx, names, names); err != nil {
				return err
			}
			if err := client.DeleteRange(ctx, names[100], names[500]); err != nil {
				return err
			}
			left, _, err := client.Scan(ctx, name("range-"), name("range."), 1000)
			return first(err, want("keys left", len(left), 200), wantBytes("the bound stays", left[100], names[500]))
		}},
		{"column families are separate", func(ctx context.Context) error {
			err1 := client.Put(ctx, name("cf"), b("default"))
			err2 := client.Put(ctx, name("cf"), b("write"), rawkv.SetColumnFamily("write"))
			v1, err3 := client.Get(ctx, name("cf"))
			v2, err4 := client.Get(ctx, name("cf"), rawkv.SetColumnFamily("write"))
			err5 := client.Delete(ctx, name("cf"))
			v3, err6 := client.Get(ctx, name("cf"), rawkv.SetColumnFamily("write"))
			err7 := client.Delete(ctx, name("cf"), rawkv.SetColumnFamily("write"))
			return first(err1, err2, err3, err4, err5, err6, err7, wantBytes("default", v1, b("default")), wantBytes("write", v2, b("write")), wantBytes("write stays", v3, b("write")))
		}},
		{"time to live", func(ctx context.Context) error {
			if err := client.PutWithTTL(ctx, name("ttl"), b("x"), 2); err != nil {
				return err
			}
			left, err := client.GetKeyTTL(ctx, name("ttl"))
			if err != nil {
				return err
			}
			if left == nil || *left == 0 || *left > 2 {
				return fmt.Errorf("a key of 2 s has %v left", left)
			}
			if err := client.Put(ctx, name("ttl-ever"), b("x")); err != nil {
				return err
			}
			ever, err1 := client.GetKeyTTL(ctx, name("ttl-ever"))
			none, err2 := client.GetKeyTTL(ctx, name("ttl-none"))
			if err := first(err1, err2); err != nil {
				return err
			}
			if ever == nil || *ever != 0 || none != nil {
				return fmt.Errorf("for ever: %v, absent: %v", ever, none)
			}
			for {
				value, err := client.Get(ctx, name("ttl"))
				if err != nil || value == nil {
					return err
				}
				if ctx.Err() != nil {
					return fmt.Errorf("the key outlived its time")
				}
				time.Sleep(100 * time.Millisecond)
			}
		}},
		{"compare and swap", func(ctx context.Context) error {
			previous, swapped, err := atomic.CompareAndSwap(ctx, name("cas"), nil, b("1"))
			if err := first(err, want("created", swapped, true), wantBytes("nothing before", previous, nil)); err != nil {
				return err
			}
			previous, swapped, err = atomic.CompareAndSwap(ctx, name("cas"), nil, b("2"))
			if err := first(err, want("created again", swapped, false), wantBytes("before", previous, b("1"))); err != nil {
				return err
			}
			previous, swapped, err = atomic.CompareAndSwap(ctx, name("cas"), b("1"), b("2"))
			if err := first(err, want("swapped", swapped, true), wantBytes("before", previous, b("1"))); err != nil {
				return err
			}
			value, err := atomic.Get(ctx, name("cas"))
			return first(err, wantBytes("after", value, b("2")))
		}},
		{"600 increments by 6 clients lose none", func(ctx context.Context) error {
			if err := atomic.Put(ctx, name("count"), b("0")); err != nil {
				return err
			}
			var wait sync.WaitGroup
			failures := make(chan error, 6)
			for worker := 0; worker < 6; worker++ {
				wait.Add(1)
				go func() {
					defer wait.Done()
					for done := 0; done < 100; {
						old, err := atomic.Get(ctx, name("count"))
						if err != nil {
							failures <- err
							return
						}
						var count int
						fmt.Sscanf(string(old), "%d", &count)
						_, swapped, err := atomic.CompareAndSwap(ctx, name("count"), old, b(fmt.Sprint(count+1)))
						if err != nil {
							failures <- err
							return
						}
						if swapped {
							done++
						}
					}
				}()
			}
			wait.Wait()
			select {
			case err := <-failures:
				return err
			default:
			}
			value, err := atomic.Get(ctx, name("count"))
			return first(err, wantBytes("the count", value, b("600")))
		}},
		{"checksum", func(ctx context.Context) error {
			names := keys(p+"sum-", 20)
			if err := client.BatchPut(ctx, names, names); err != nil {
				return err
			}
			sum, err := client.Checksum(ctx, name("sum-"), name("sum."))
			if err != nil {
				return err
			}
			size := uint64(0)
			for _, each := range names {
				size += uint64(2 * len(each))
			}
			again, err := client.Checksum(ctx, name("sum-"), name("sum."))
			if err := first(err, want("keys", sum.TotalKvs, 20), want("bytes", sum.TotalBytes, size), want("twice the same", again.Crc64Xor, sum.Crc64Xor)); err != nil {
				return err
			}
			if err := client.Put(ctx, names[3], b("changed")); err != nil {
				return err
			}
			other, err := client.Checksum(ctx, name("sum-"), name("sum."))
			if err == nil && other.Crc64Xor == sum.Crc64Xor {
				return fmt.Errorf("the checksum does not see a changed value")
			}
			return err
		}},
		{"an empty key is refused by no crash", func(ctx context.Context) error {
			_, err := client.Get(ctx, b(""))
			if err != nil && strings.Contains(err.Error(), "EOF") {
				return err
			}
			return nil
		}},
	}, nil
}

// Drives the stock client-go against a cluster: `skein-client-go PD[,PD…] raw|txn|bank [seconds]`.
// Prints `ok NAME` or `FAIL NAME: why` for each check; the exit code is 1 when one failed.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/pingcap/log"
	"go.uber.org/zap"
)

type check struct {
	name string
	run  func(ctx context.Context) error
}

// checkTimeout ends a check that hangs; the slowest one waits for a lock to expire.
const checkTimeout = 90 * time.Second

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: skein-client-go PD[,PD...] raw|txn|bank [seconds]")
		os.Exit(2)
	}
	// the client logs each retry; standard output is the report
	log.ReplaceGlobals(zap.NewNop(), nil)
	endpoints := strings.Split(os.Args[1], ",")
	seconds := 10
	if len(os.Args) > 3 {
		seconds, _ = strconv.Atoi(os.Args[3])
	}
	var checks []check
	var err error
	switch os.Args[2] {
	case "raw":
		checks, err = rawChecks(endpoints)
	case "txn":
		checks, err = txnChecks(endpoints)
	case "bank":
		checks, err = bankChecks(endpoints, time.Duration(seconds)*time.Second)
	default:
		err = fmt.Errorf("unknown suite %s", os.Args[2])
	}
	if err != nil {
		fmt.Printf("FAIL connect: %s\n", oneLine(err))
		os.Exit(1)
	}
	failed := 0
	for _, c := range checks {
		limit := checkTimeout
		if os.Args[2] == "bank" {
			limit += time.Duration(seconds) * time.Second
		}
		if err := runLimited(c, limit); err != nil {
			failed++
			fmt.Printf("FAIL %s: %s\n", c.name, oneLine(err))
		} else {
			fmt.Printf("ok %s\n", c.name)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func runLimited(c check, limit time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				fmt.Fprintf(os.Stderr, "%s\n", debug.Stack())
				done <- fmt.Errorf("panic: %v", r)
			}
		}()
		done <- c.run(ctx)
	}()
	select {
	case err = <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not done within %s", limit)
	}
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

func want(what string, got, expected any) error {
	if fmt.Sprintf("%v", got) == fmt.Sprintf("%v", expected) {
		return nil
	}
	return fmt.Errorf("%s: got %v, expected %v", what, got, expected)
}

func wantBytes(what string, got, expected []byte) error {
	if bytes.Equal(got, expected) && (got == nil) == (expected == nil) {
		return nil
	}
	return fmt.Errorf("%s: got %q (nil: %t), expected %q (nil: %t)", what, got, got == nil, expected, expected == nil)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prefix of this run's keys: the driver may give the stamp, to split regions inside.
func prefix(name string) string {
	stamp := os.Getenv("SKEIN_STAMP")
	if stamp == "" {
		stamp = strconv.FormatInt(time.Now().UnixNano(), 10)
	}
	return name + "-" + stamp + "-"
}

func b(text string) []byte { return []byte(text) }

func keys(prefix string, count int) [][]byte {
	list := make([][]byte, count)
	for i := range list {
		list[i] = b(fmt.Sprintf("%s%05d", prefix, i))
	}
	return list
}

// Command page serves the status page with made-up days, to look at it: go run ./test/page -day bad. The last quarter
// of an hour is there from the beginning. -list prints the days.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot"
	"github.com/seed-afc6a195/aggregator/pkg/status/snapshot/snapshottest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("page", flag.ContinueOnError)
	address := flags.String("address", "127.0.0.1:0", "where to serve it")
	day := flags.String("day", "bad", "which day it is")
	stranger := flags.Bool("stranger", false, "show what somebody sees who may change nothing")
	list := flags.Bool("list", false, "print the days")
	if err := flags.Parse(args); err != nil {
		return err
	}
	days := map[string]func(began, now time.Time) snapshot.Snapshot{}
	var names []string
	for _, d := range snapshottest.Days() {
		days[d.Name] = d.At
		names = append(names, d.Name)
	}
	if *list {
		_, err := fmt.Fprintln(out, strings.Join(names, "\n"))
		return err
	}
	at, ok := days[*day]
	if !ok {
		return fmt.Errorf("there is no day %q, but %s", *day, strings.Join(names, ", "))
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", *address)
	if err != nil {
		return err
	}
	s := newStage(at, !*stranger)
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	server.RegisterOnShutdown(s.live.Close)
	ended := make(chan error, 1)
	go func() { ended <- s.play(ctx) }()
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if _, err := fmt.Fprintf(out, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}

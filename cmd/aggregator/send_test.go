package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/tinylib/msgp/msgp"

	"github.com/seed-afc6a195/aggregator/cmd/aggregator/internal/flags"
	"github.com/seed-afc6a195/aggregator/internal/sender"
)

// parseSend returns the flags of a command line.
func parseSend(t *testing.T, args ...string) *sendFlags {
	t.Helper()
	f := &sendFlags{Peer: flags.Peer{Getenv: func(string) (string, bool) { return "", false }}}
	cmd := &cobra.Command{}
	f.register(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSendUsage(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ args, want string }{
		{"--mode odd", `--mode "odd": must be packed, forward, message`},
		{"--compress lz4", `--compress "lz4": must be none, gzip, zstd`},
		{"--compress gzip --mode forward", "--compress gzip needs --mode packed"},
		{"--format xml", `--format "xml"`},
		{"--output yaml", `--output "yaml"`},
		{"--address :24224", `--address: address ":24224": no host`},
		{"--tag=", "--tag: must not be empty"},
		{"--connections 0 --pipeline 0 --chunk-events 0", "--pipeline 0: must be 1 to 1000"},
		{"--tags 0", "--tags 0: must be 1 to 1000000"},
		{"--count 1 --size 10", "--size 10: must be"},
		{"--count 0", "give --count or --duration"},
		{"--rate 5", "--rate and --size need --count or --duration"},
		{"--count 5 --rate=-1", "--rate -1"},
		{"--count 5 --format json", "not for made-up events"},
		{"--timeout 0s", "--timeout"},
		{"--shared-key a --shared-key-file b", "give one of them"},
		{"--shared-key-file nowhere", "--shared-key-file: open nowhere"},
		{"--user alice", "--user needs --shared-key"},
		{"--ca-file nowhere", "--ca-file: open nowhere"},
		{"--ca-file " + empty, "holds no PEM certificate"},
		{"--count 5 file", "can't go with files"},
		{"--odd", "unknown flag: --odd"},
		{"--rate fast", "must be a number"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), append([]string{"send"}, strings.Fields(tc.args)...), strings.NewReader(""), &out,
			&errOut)
		if code != exitUsage || !strings.Contains(errOut.String(), tc.want) || out.Len() > 0 {
			t.Errorf("%s: exit code %d, said %q and %q", tc.args, code, &errOut, &out)
		}
	}
}

func TestSendConfig(t *testing.T) {
	dir := t.TempDir()
	keyFile := filepath.Join(dir, "key")
	if err := os.WriteFile(keyFile, []byte("from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"AGGREGATOR_SHARED_KEY": "from env", "AGGREGATOR_PASSWORD": "secret"}[name]
		return v, ok
	}
	for _, tc := range []struct {
		name  string
		args  []string
		env   func(string) (string, bool)
		check func(sender.Config) bool
	}{
		{"defaults", nil, nil, func(c sender.Config) bool {
			return c.Client.Address == "127.0.0.1:24224" && c.Tag == "aggregator.send" && c.Ack && c.Mode == "packed" &&
				c.Compress == "" &&
				c.Client.Login == nil && c.Client.TLS == nil && c.Connections == 1 && c.Pipeline == 1 &&
				c.RetryTimeout == 30*time.Second && c.Client.Timeout == time.Minute
		}},
		{"empty key", []string{"--shared-key="}, nil, func(c sender.Config) bool {
			return c.Client.Login != nil && c.Client.Login.SharedKey == "" &&
				strings.HasSuffix(c.Client.Login.Hostname, "-send")
		}},
		{"key from file", []string{"--shared-key-file", keyFile, "--hostname", "me"}, env, func(c sender.Config) bool {
			return c.Client.Login.SharedKey == "from file" && c.Client.Login.Hostname == "me"
		}},
		{"secrets from the environment", []string{"--user", "alice"}, env, func(c sender.Config) bool {
			return c.Client.Login.SharedKey == "from env" && c.Client.Login.User == "alice" &&
				c.Client.Login.Password == "secret"
		}},
		{"flag before environment", []string{"--shared-key", "k", "--password", "p"}, env, func(c sender.Config) bool {
			return c.Client.Login.SharedKey == "k" && c.Client.Login.Password == "p"
		}},
		{"TLS", []string{"--server-name", "x"}, nil, func(c sender.Config) bool {
			return c.Client.TLS.ServerName == "x" && !c.Client.TLS.InsecureSkipVerify && c.Client.TLS.RootCAs == nil
		}},
		{
			"insecure",
			[]string{"--insecure"},
			nil,
			func(c sender.Config) bool { return c.Client.TLS.InsecureSkipVerify },
		},
		{
			"compressed, without acks",
			[]string{"--compress", "zstd", "--ack=false"},
			nil,
			func(c sender.Config) bool { return c.Compress == "zstd" && !c.Ack },
		},
	} {
		f := parseSend(t, tc.args...)
		if tc.env != nil {
			f.Getenv = tc.env
		}
		err := f.check()
		cfg, err2 := f.config()
		if err != nil || err2 != nil || !tc.check(cfg) {
			t.Errorf("%s: %+v (%v, %v)", tc.name, cfg, err, err2)
		}
	}
}

// TestSend runs the whole command against a server that acks what it gets, once.
func TestSend(t *testing.T) {
	for _, tc := range []struct {
		name, in, out string
		args          []string
		code          int
		says          bool // something on standard error
	}{
		{"lines", "one\n{\"a\":2}\n", "events       2 sent, 2 acknowledged\n", nil, exitOK, false},
		{
			"made up", "", "events       700 sent, 700 acknowledged\n",
			[]string{"--count", "700", "--tag", "x"},
			exitOK, false,
		},
		{
			"bad line", "{}\nno\n", "events       1 sent, 1 acknowledged\n",
			[]string{"--format", "json"},
			exitFailed,
			true,
		},
		{"time missing", "{}\n", "events       1 sent, 1 acknowledged\n", []string{"--time-key", "ts"}, exitOK, true},
		{
			"nobody there", "one\n", "events       0 sent, 0 acknowledged\n",
			[]string{"--address", "127.0.0.1:1", "--retry-timeout", "0"},
			exitFailed, true,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				ackOne(l)
			}()
			var out, errOut bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code := run(ctx, append([]string{"send", "--address", l.Addr().String()}, tc.args...),
				strings.NewReader(tc.in), &out, &errOut)
			l.Close()
			<-ended
			if code != tc.code || !strings.HasPrefix(out.String(), tc.out) || tc.says != (errOut.Len() > 0) ||
				strings.Contains(errOut.String(), "\x1b") {
				t.Errorf("exit code %d, said %q and %q", code, &out, &errOut)
			}
		})
	}
}

// ackOne takes a connection and acks each frame on it.
func ackOne(l net.Listener) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	r := msgp.NewReader(conn)
	for {
		var frame msgp.Raw
		if frame.DecodeMsg(r) != nil {
			return
		}
		rest := []byte(frame)
		_, rest, _ = msgp.ReadArrayHeaderBytes(rest)
		for range 2 {
			rest, _ = msgp.Skip(rest)
		}
		chunk, _, _ := msgp.ReadStringBytes(msgp.Locate("chunk", rest))
		_, _ = conn.Write(msgp.AppendString([]byte("\x81\xa3ack"), chunk))
	}
}

func TestSendPrintsJSON(t *testing.T) {
	f := parseSend(t, "--output", "json")
	var out bytes.Buffer
	if err := f.print(&out, sender.Result{Acked: 5}); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["acked"] != 5.0 {
		t.Errorf("%s (%v)", &out, err)
	}
}

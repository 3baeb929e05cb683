package link

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/seed-afc6a195/aggregator/pkg/buffer"
)

// authority is who issues credentials: an operator's account, and the server that trusts it.
type authority struct {
	t        *testing.T
	operator nkeys.KeyPair
	account  nkeys.KeyPair
	claims   *jwt.AccountClaims
	resolver *server.MemAccResolver
	server   *server.Server
}

func pair(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	key, err := create()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

// newAuthority starts a server that takes nobody without credentials.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	operator, operatorID := pair(t, nkeys.CreateOperator)
	account, accountID := pair(t, nkeys.CreateAccount)
	a := &authority{
		t: t, operator: operator, account: account, claims: jwt.NewAccountClaims(accountID),
		resolver: &server.MemAccResolver{},
	}
	a.publish()
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, NoLog: true, AccountResolver: a.resolver,
		TrustedOperators: []*jwt.OperatorClaims{jwt.NewOperatorClaims(operatorID)},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	a.server = s
	return a
}

// publish signs what the account is now, and returns the text.
func (a *authority) publish() {
	a.t.Helper()
	text, err := a.claims.Encode(a.operator)
	if err == nil {
		err = a.resolver.Store(a.claims.Subject, text)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// issue writes credentials of a new user into the file, and returns the user's name.
func (a *authority) issue(file string) string {
	a.t.Helper()
	user, id := pair(a.t, nkeys.CreateUser)
	text, err := jwt.NewUserClaims(id).Encode(a.account)
	if err != nil {
		a.t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		a.t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(text, seed)
	if err == nil {
		err = os.WriteFile(file, creds, 0o600)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return id
}

// revoke ends the user's connections, and takes none any more.
func (a *authority) revoke(user string) {
	a.t.Helper()
	a.claims.Revoke(user)
	a.publish()
	account, err := a.server.LookupAccount(a.claims.Subject)
	if err != nil {
		a.t.Fatal(err)
	}
	a.server.UpdateAccountClaims(account, a.claims)
}

// A credentials file is read at each connection: once its user was revoked, the new one's is shown.
func TestCredentialsFile(t *testing.T) {
	a := newAuthority(t)
	file := filepath.Join(t.TempDir(), "aggregator.creds")
	first := a.issue(file)
	turned := make(chan struct{}, 100)
	l, err := Dial(&Options{
		Config: &buffer.JetStreamConfig{CredentialsFile: file}, Name: "test", InProcess: a.server,
		Turned: func() { turned <- struct{}{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !l.AwaitConnected(t.Context()) {
		t.Fatal("it is not connected")
	}
	<-turned
	a.revoke(first)
	<-turned
	a.issue(file)
	if !l.AwaitConnected(t.Context()) {
		t.Fatal("it is not connected with the new credentials")
	}
}

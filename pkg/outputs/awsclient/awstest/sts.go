package awstest

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// assumeRole is STS: it hands out keys for as long as they are asked for.
func (s *Server) assumeRole(w http.ResponseWriter, _ *http.Request, body []byte) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("Action") != "AssumeRole" {
		failForm(w, http.StatusBadRequest, "InvalidAction", "only AssumeRole is known")
		return
	}
	seconds, _ := strconv.Atoi(form.Get("DurationSeconds"))
	s.mu.Lock()
	s.roles = append(s.roles, form.Get("RoleArn")+"/"+form.Get("ExternalId"))
	key := fmt.Sprintf("ASIA%04d", len(s.roles))
	expires := s.now().Add(time.Duration(seconds) * time.Second).UTC()
	s.expires[key] = expires
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/xml")
	_, _ = fmt.Fprintf(w,
		`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>`+
			`<AccessKeyId>%s</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token-%s</`+
			`SessionToken><Expiration>%s</Expiration>`+
			`</Credentials></AssumeRoleResult></AssumeRoleResponse>`, key, key, expires.Format(time.RFC3339))
}

// failForm answers with an error as the query protocol has it.
func failForm(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w,
		`<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>%s</Code>`+
			`<Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`, html.EscapeString(code),
		html.EscapeString(message))
}

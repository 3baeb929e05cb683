package parse

import (
	"bytes"

	"github.com/seed-afc6a195/aggregator/pkg/filter/parse/internal/timelayout"
)

// ingressNginx reads the access log of ingress-nginx in its own format, log-format-upstream as the controller ships it:
// nginx's combined format, and behind it what it knows of the servers behind it. Fields have the names of nginx's
// variables, all as text. Those of the servers hold several values where a request was tried again: "61, -".
type ingressNginx struct{}

func (ingressNginx) parse(dst *fields, text []byte) error {
	l := line{dst: dst, rest: text}
	l.word("remote_addr")
	l.dash()
	l.word("remote_user")
	l.between('[', ']', timeField)
	l.request("method", "path", "protocol")
	l.word("status", "body_bytes_sent")
	l.quoted("http_referer", "http_user_agent")
	l.word("request_length", "request_time")
	l.between('[', ']', "proxy_upstream_name")
	l.between('[', ']', "proxy_alternative_upstream_name")
	for _, name := range []string{
		"upstream_addr", "upstream_response_length", "upstream_response_time", "upstream_status",
	} {
		l.list(name)
	}
	l.word("req_id")
	return l.done()
}

// haproxy reads what HAProxy writes with option httplog, with or without what syslog puts before it. Fields have the
// names of HAProxy's documentation, all as text; what is in braces stays one text.
type haproxy struct{}

func (haproxy) parse(dst *fields, text []byte) error {
	// "haproxy[14389]: " and whatever a syslog server puts before it.
	if head, rest, ok := bytes.Cut(text, []byte("]: ")); ok && !bytes.ContainsAny(head, "\"{") {
		text = rest
	}
	l := line{dst: dst, rest: text}
	l.address("client_ip", "client_port")
	l.between('[', ']', timeField)
	l.word("frontend_name")
	l.split("backend_name", "server_name")
	l.split("TR", "Tw", "Tc", "Tr", "Ta")
	l.word("status_code", "bytes_read", "captured_request_cookie", "captured_response_cookie", "termination_state")
	l.split("actconn", "feconn", "beconn", "srv_conn", "retries")
	l.split("srv_queue", "backend_queue")
	for _, name := range []string{"captured_request_headers", "captured_response_headers"} {
		if bytes.HasPrefix(l.rest, []byte(" {")) {
			l.between('{', '}', name)
		}
	}
	l.request("method", "path", "protocol")
	return l.done()
}

// envoy reads Envoy's access log in its default format, and in Istio's. Fields have the names of Envoy's operators in
// lower case, all as text.
type envoy struct{}

func (envoy) parse(dst *fields, text []byte) error {
	l := line{dst: dst, rest: text}
	l.between('[', ']', timeField)
	l.request("method", "path", "protocol")
	l.word("response_code", "response_flags")
	// Istio writes three reasons here, the last of them in quotes; Envoy goes on with four numbers.
	if _, n := timelayout.LeadingInt(bytes.TrimPrefix(l.rest, []byte{' '})); n == 0 {
		l.word("response_code_details", "connection_termination_details")
		l.quoted("upstream_transport_failure_reason")
	}
	l.word("bytes_received", "bytes_sent", "duration", "upstream_service_time")
	l.quoted("x_forwarded_for", "user_agent", "request_id", "authority", "upstream_host")
	if l.more() {
		l.word("upstream_cluster", "upstream_local_address", "downstream_local_address", "downstream_remote_address",
			"requested_server_name", "route_name")
	}
	return l.done()
}

// traefik reads Traefik's access log, in its common format and as JSON. In the common format fields are named as in
// the combined format of nginx; JSON keeps Traefik's own names.
type traefik struct{ json jsonFormat }

func (t *traefik) parse(dst *fields, text []byte) error {
	if len(text) > 0 && text[0] == '{' {
		return t.json.parse(dst, text)
	}
	l := line{dst: dst, rest: text}
	l.word("remote", "host", "user")
	l.between('[', ']', timeField)
	l.request("method", "path", "protocol")
	l.word("code", "size")
	l.quoted("referer", "agent")
	l.word("requests")
	l.quoted("router", "server")
	if word := l.cut("the duration"); l.err == nil {
		ms, ok := bytes.CutSuffix(word, []byte("ms"))
		if !ok || len(ms) == 0 {
			l.missing("the duration in ms")
		} else {
			dst.text("duration_ms", ms)
		}
	}
	return l.done()
}

// alb reads the access log of an Application Load Balancer of AWS. Fields have the names of its documentation, all as
// text. Lines may have more fields than it knows, which are left out as AWS asks for.
type alb struct{}

func (alb) parse(dst *fields, text []byte) error {
	l := line{dst: dst, rest: text}
	l.word("type", timeField, "elb")
	l.address("client_ip", "client_port")
	l.address("target_ip", "target_port")
	l.word("request_processing_time", "target_processing_time", "response_processing_time", "elb_status_code",
		"target_status_code", "received_bytes", "sent_bytes")
	l.request("request_verb", "request_url", "request_proto")
	l.quoted("user_agent")
	l.word("ssl_cipher", "ssl_protocol", "target_group_arn")
	l.quoted("trace_id", "domain_name", "chosen_cert_arn")
	l.word("matched_rule_priority", "request_creation_time")
	l.quoted("actions_executed", "redirect_url", "error_reason")
	// What older balancers lack.
	for _, name := range []string{
		"target_port_list", "target_status_code_list", "classification", "classification_reason",
	} {
		if l.more() {
			l.quoted(name)
		}
	}
	if l.more() {
		l.word("conn_trace_id")
	}
	return l.err
}

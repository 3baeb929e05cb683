package otlptest

import (
	"bytes"
	"errors"
	"fmt"

	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	logs "go.opentelemetry.io/proto/slim/otlp/logs/v1"
)

// sort returns the log records that are taken, and how many are not. The error refuses all. s.mu is held.
func (s *Server) sort(tenant string, all []*logs.ResourceLogs) (taken []Record, rejected int, err error) {
	for _, resource := range all {
		attributes, err := plain(resource.GetResource().GetAttributes())
		if err != nil {
			return nil, 0, err
		}
		for _, scope := range resource.GetScopeLogs() {
			for _, l := range scope.GetLogRecords() {
				err := check(l)
				switch {
				case err != nil:
					return nil, 0, err
				case s.bad != nil && s.bad(l):
					return nil, 0, errors.New("a log record that is not taken")
				case s.reject != nil && s.reject(l):
					rejected++
				default:
					taken = append(taken, Record{tenant, attributes, l})
				}
			}
		}
	}
	return taken, rejected, nil
}

// check returns what of a log record breaks the specification.
func check(l *logs.LogRecord) error {
	switch n, m := len(l.GetTraceId()), len(l.GetSpanId()); {
	case n != 0 && (n != 16 || bytes.Equal(l.GetTraceId(), make([]byte, 16))):
		return fmt.Errorf("a trace id of %d bytes", n)
	case m != 0 && (m != 8 || bytes.Equal(l.GetSpanId(), make([]byte, 8))):
		return fmt.Errorf("a span id of %d bytes", m)
	case l.GetSeverityNumber() < 0 || l.GetSeverityNumber() > 24:
		return fmt.Errorf("a severity of %d", l.GetSeverityNumber())
	}
	if _, err := plain(l.GetAttributes()); err != nil {
		return err
	}
	_, err := Plain(l.GetBody())
	return err
}

// plain returns attributes as a map.
func plain(list []*common.KeyValue) (map[string]any, error) {
	all := map[string]any{}
	for _, kv := range list {
		if _, there := all[kv.GetKey()]; there || kv.GetKey() == "" {
			return nil, fmt.Errorf("the key %q is empty, or there twice", kv.GetKey())
		}
		value, err := Plain(kv.GetValue())
		if err != nil {
			return nil, err
		}
		all[kv.GetKey()] = value
	}
	return all, nil
}

// Attributes returns the attributes of a log record that the server has.
func Attributes(l *logs.LogRecord) map[string]any {
	all, err := plain(l.GetAttributes())
	if err != nil {
		// It was checked.
		panic(err)
	}
	return all
}

// Body returns the body of a log record that the server has.
func Body(l *logs.LogRecord) any {
	body, err := Plain(l.GetBody())
	if err != nil {
		// It was checked.
		panic(err)
	}
	return body
}

// Plain returns a value as string, bool, int64, float64, []any, map[string]any or nil.
func Plain(v *common.AnyValue) (any, error) {
	switch value := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return value.StringValue, nil
	case *common.AnyValue_BoolValue:
		return value.BoolValue, nil
	case *common.AnyValue_IntValue:
		return value.IntValue, nil
	case *common.AnyValue_DoubleValue:
		return value.DoubleValue, nil
	case *common.AnyValue_ArrayValue:
		list := []any{}
		for _, one := range value.ArrayValue.GetValues() {
			item, err := Plain(one)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case *common.AnyValue_KvlistValue:
		return plain(value.KvlistValue.GetValues())
	}
	return nil, nil //nolint:nilnil // there is no value
}

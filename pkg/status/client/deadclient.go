package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// maxDeadReply is how many bytes of a reply.
	maxDeadReply = 256 << 20
	// maxDeadStep is how many bytes of a line of progress.
	maxDeadStep = 1 << 20
)

// DeadLetters asks a running server for its dead letters. It is a DeadStore.
type DeadLetters struct{ Client *Client }

// do sends a request and returns the body of a reply that is no refusal.
func (c DeadLetters) do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	body, err := c.Client.Do(ctx, method, strings.TrimSuffix("dead-letters/"+path, "/"), query)
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return body, err
	}
	switch refused.Code {
	case http.StatusBadRequest:
		return nil, said(ErrDeadRequest, refused.Words)
	case http.StatusConflict:
		return nil, said(ErrDeadBusy, refused.Words)
	case http.StatusNotFound:
		if path != "" && path[0] >= '0' && path[0] <= '9' {
			return nil, said(ErrDeadUnknown, refused.Words)
		}
	}
	return nil, err
}

// said is an error of that kind with the server's words, which begin with the kind's own.
func said(kind error, words string) error {
	words = strings.TrimPrefix(strings.TrimPrefix(words, kind.Error()), ": ")
	if words == "" {
		return kind
	}
	return fmt.Errorf("%w: %s", kind, words)
}

// get reads a reply into v.
func (c DeadLetters) get(ctx context.Context, path string, query url.Values, v any) error {
	body, err := c.do(ctx, http.MethodGet, path, query)
	if err != nil {
		return err
	}
	return decode(body, maxDeadReply, v)
}

// Summary implements DeadStore.
func (c DeadLetters) Summary(ctx context.Context, filter DeadFilter) (summary DeadSummary, err error) {
	return summary, c.get(ctx, "summary", filter.Query(), &summary)
}

// List implements DeadStore.
func (c DeadLetters) List(ctx context.Context, filter DeadFilter, page DeadPage) (list DeadList, err error) {
	q := filter.Query()
	q.Set("after", strconv.FormatUint(page.After, 10))
	q.Set("limit", strconv.Itoa(page.Limit))
	q.Set("newest", strconv.FormatBool(page.Newest))
	q.Set("records", strconv.FormatBool(page.Records))
	return list, c.get(ctx, "", q, &list)
}

// Get implements DeadStore.
func (c DeadLetters) Get(ctx context.Context, id uint64) (letter DeadLetter, err error) {
	return letter, c.get(ctx, strconv.FormatUint(id, 10), nil, &letter)
}

// Retry implements DeadStore.
func (c DeadLetters) Retry(
	ctx context.Context, filter DeadFilter, to string, progress func(DeadResult),
) (DeadResult, error) {
	q := filter.Query()
	if to != "" {
		q.Set("to", to)
	}
	return c.change(ctx, "retry", q, progress)
}

// Purge implements DeadStore.
func (c DeadLetters) Purge(ctx context.Context, filter DeadFilter, progress func(DeadResult)) (DeadResult, error) {
	return c.change(ctx, "purge", filter.Query(), progress)
}

// change asks for a change and follows its steps.
func (c DeadLetters) change(
	ctx context.Context, path string, query url.Values, progress func(DeadResult),
) (result DeadResult, err error) {
	body, err := c.do(ctx, http.MethodPost, path, query)
	if err != nil {
		return result, err
	}
	// Only read from.
	defer func() { _ = body.Close() }()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxDeadStep)
	for lines.Scan() {
		var step DeadStep
		if err := json.Unmarshal(lines.Bytes(), &step); err != nil {
			return result, fmt.Errorf("read the status endpoint's reply: %w", err)
		}
		result = step.DeadResult
		switch {
		case step.Error != "":
			return result, errors.New(step.Error)
		case step.Done:
			return result, nil
		}
		progress(result)
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return result, fmt.Errorf("the status endpoint's reply ended early, what was done so far stays done: %w", err)
}

var _ DeadStore = DeadLetters{}

package s3

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/intent"
)

// doubt is an object that may be complete although its events are sent again.
type doubt struct {
	object
	state doubtState
	// left counts events that did not come again yet.
	left int
}

type doubtState uint8

// The states, ascending by what counts where an event is in several such objects.
const (
	// hidden says that the bucket does not say.
	hidden doubtState = iota
	// unresolved says that the bucket was not asked.
	unresolved
	// present is complete: its events are delivered.
	present
)

// maxDoubts bounds how many objects are in doubt at once; of more, the oldest are forgotten.
const maxDoubts = 2 * intent.MaxRecords

// doubts is the objects in doubt. Safe for concurrent use.
type doubts struct {
	mu    sync.Mutex
	index intent.Index[doubt]
}

// add puts objects in doubt.
func (d *doubts) add(objects ...object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range objects {
		one := &doubt{object: objects[i], state: unresolved, left: objects[i].events}
		d.index.Add(one, one.spans)
		if all := d.index.All(); len(all) > maxDoubts {
			d.remove(all[0])
		}
	}
}

// remove forgets one. The caller holds mu.
func (d *doubts) remove(one *doubt) { d.index.Remove(one, one.spans) }

// about returns for each event the object that may hold it, nil for none; a nil slice where there is
// no doubt about any of them.
func (d *doubts) about(events []event.Event, keys intent.Keys) (about []*doubt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.index.Each(events, keys, func(i int, one *doubt, _ int) {
		if about == nil {
			about = make([]*doubt, len(events))
		}
		if about[i] == nil || about[i].state < one.state {
			about[i] = one
		}
	})
	return about
}

// resolve notes what the bucket says of one.
func (d *doubts) resolve(one *doubt, found presence) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch found {
	case isThere:
		one.state = present
	case notTold:
		one.state = hidden
	case isMissing:
		d.remove(one)
	}
}

// settle notes that the events in present objects are settled and so do not come again. It says which
// they are.
func (d *doubts) settle(about []*doubt) (skip []bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	skip = make([]bool, len(about))
	for i, one := range about {
		if one == nil || one.state != present {
			continue
		}
		skip[i] = true
		if one.left--; one.left == 0 {
			d.remove(one)
		}
	}
	return skip
}

// unresolvedOf returns the objects that the bucket is to be asked about.
func (d *doubts) unresolvedOf(about []*doubt) (ask []*doubt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var last *doubt
	for _, one := range about {
		if one != nil && one != last && one.state == unresolved && !slices.Contains(ask, one) {
			ask = append(ask, one)
		}
		last = one
	}
	return ask
}

// recall finds out which of the events are in complete objects already. about has for each event the
// object that may hold it without the bucket telling, nil for none. After an error nothing is known.
func (o *Output) recall(
	ctx context.Context, events []event.Event, keys intent.Keys,
) (skip []bool, about []*doubt, err error) {
	for {
		about = o.doubts.about(events, keys)
		ask := o.doubts.unresolvedOf(about)
		if len(ask) == 0 {
			break
		}
		for _, one := range ask {
			found, err := o.lookup(ctx, &one.object)
			if err != nil {
				return nil, nil, err
			}
			o.doubts.resolve(one, found)
			o.log.Info().Str("object", one.key).Int("events", one.events).Bool("complete", found == isThere).
				Msg("looked for an object whose upload was not known to have succeeded")
		}
	}
	if about == nil {
		return nil, nil, nil
	}
	return o.doubts.settle(about), about, nil
}

// presence is what a bucket says of an object.
type presence uint8

const (
	isMissing presence = iota
	isThere
	notTold
)

// metaEvents is the metadata with the number of an object's events.
const metaEvents = "events"

// lookup asks whether obj is complete in the bucket.
func (o *Output) lookup(ctx context.Context, obj *object) (presence, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	head, err := o.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.cfg.Bucket, Key: &obj.key})
	if err == nil {
		if head.Metadata[metaEvents] == strconv.Itoa(obj.events) {
			return isThere, nil
		}
		if err := proof(head.ResultMetadata, head.ETag); err != nil {
			return 0, err
		}
		// Somebody else's.
		return isMissing, nil
	}
	switch code(err) {
	case "NotFound", "NoSuchKey":
		return isMissing, nil
	case "Forbidden", "AccessDenied":
	default:
		return 0, err
	}
	// An answer to HEAD has no body, so it does not report whether the credentials or the permission is
	// what is missing. An answer to GET does.
	got, err := o.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &o.cfg.Bucket, Key: &obj.key, Range: aws.String("bytes=0-0"),
	})
	switch {
	case err == nil:
		return notTold, got.Body.Close()
	case code(err) == "NoSuchKey":
		return isMissing, nil
	case code(err) == "AccessDenied":
		o.notice(noticeHidden)
		return notTold, nil
	}
	return 0, err
}

// code returns the service's word for err, "" where it is not the service's.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

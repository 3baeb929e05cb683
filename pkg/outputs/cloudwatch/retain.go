package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
)

// tendAgain is when a group is looked at again whose retention could not be set while events go to it.
const tendAgain = time.Hour

const noticeBlind = "the credentials may not look at log groups (logs:DescribeLogGroups), so one that another run or " +
	"replica has made " +
	"without its retention is not noticed"

// retain sets the retention of a group that has none, whoever made it: a run that was killed before it could, or
// another replica. No stream of it is made before, so that the first failure does not leave it to keep events for ever.
func (m *maker) retain(ctx context.Context, group string) *cause {
	m.mu.Lock()
	_, bare := m.bare[group]
	m.mu.Unlock()
	if !bare && m.isTended(group) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Timeout)
	defer cancel()
	if !bare {
		has, c := m.hasRetention(ctx, group)
		if c != nil || has {
			return c
		}
	}
	_, err := m.api.setRetention(ctx, &logs.PutRetentionPolicyInput{
		LogGroupName: &group, RetentionInDays: aws.Int32(int32(m.cfg.RetentionDays)),
	})
	if gone := new(types.ResourceNotFoundException); err != nil && !errors.As(err, &gone) {
		return problem(fmt.Sprintf("set the retention of log group %s to %d days", group, m.cfg.RetentionDays), err)
	}
	if err == nil {
		m.log.Info().Str("group", group).Int("days", m.cfg.RetentionDays).
			Msg("retention set of a log group that had none")
		m.tend(group, time.Time{})
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.bare, group)
	return nil
}

// hasRetention reports whether nothing is to be done about the group: it has a retention, is not there, or nobody can
// tell.
func (m *maker) hasRetention(ctx context.Context, group string) (bool, *cause) {
	pages := logs.NewDescribeLogGroupsPaginator(m.api, &logs.DescribeLogGroupsInput{LogGroupNamePrefix: &group})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			c := problem("look at the retention of log group "+group, err)
			if c.reason != outputs.ReasonTarget || !isDenied(err) {
				return false, c
			}
			m.tend(group, m.now().Add(tendAgain))
			m.mu.Lock()
			defer m.mu.Unlock()
			if !m.blind {
				m.log.Warn().Str("error", outputs.Public(c.text)).Msg(noticeBlind)
			}
			m.blind = true
			return true, nil
		}
		for i := range page.LogGroups {
			if g := &page.LogGroups[i]; aws.ToString(g.LogGroupName) == group {
				if g.RetentionInDays != nil {
					m.tend(group, time.Time{})
				}
				return g.RetentionInDays != nil, nil
			}
		}
	}
	return true, nil
}

// retainFlowing is retain for a group that events go to already: a failure holds nothing up, and is tried again after a
// while.
func (m *maker) retainFlowing(ctx context.Context, group string) {
	if m.isTended(group) {
		return
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	default:
		// something is made: with the next request, then.
		return
	}
	if c := m.retain(ctx, group); c != nil {
		m.tend(group, m.now().Add(tendAgain))
		m.log.Warn().Str("group", group).Str("error", outputs.Public(c.text)).
			Msg("a log group that events go to has no retention, and it can't be set: it keeps them for ever")
	}
}

// isTended reports whether there is no need to look at the group's retention now.
func (m *maker) isTended(group string) bool {
	if m.cfg.RetentionDays <= 0 || !m.cfg.AutoCreate {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	until, known := m.tended[group]
	return known && (until.IsZero() || m.now().Before(until))
}

// tend notes that the group's retention needs no look until then, or ever.
func (m *maker) tend(group string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.tended) >= maxNames {
		clear(m.tended)
	}
	m.tended[group] = until
}

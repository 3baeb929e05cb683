package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/seed-afc6a195/aggregator/pkg/event"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Connect asks for the log groups of the clusters. Whether events may be put into them, and streams made,
// can't be asked.
func (o *Output) Connect(ctx context.Context, clusters []string) (string, error) {
	groups, known := o.groups(clusters)
	var missing []string
	for _, group := range groups {
		there, err := o.hasGroup(ctx, group, known)
		if err != nil {
			if isDenied(err) {
				return o.found("logs:DescribeLogGroups is not allowed, so log groups could not be checked"), nil
			}
			return "", awsclient.Described(err)
		}
		if known && !there {
			missing = append(missing, group)
		}
	}
	switch {
	case !known:
		return o.found("the names of log groups depend on events, so they could not be checked"), nil
	case len(missing) == 0:
		return o.found("log group " + strings.Join(groups, ", ") + " exists"), nil
	case o.cfg.AutoCreate:
		return o.found("log group " + strings.Join(missing, ", ") + " is made with the first event"), nil
	}
	return "", fmt.Errorf("log group %s is missing, and auto_create is false: create it, or set auto_create",
		strings.Join(missing, ", "))
}

func (o *Output) found(what string) string { return "CloudWatch Logs in " + o.cfg.Region + ": " + what }

func isDenied(err error) bool {
	c := causeOf("", err)
	return c.code == "AccessDeniedException" || c.code == "AccessDenied"
}

// groups returns the log groups that events of clusters go to. known is false, and the groups are what
// their names have in common, where more than the cluster decides.
func (o *Output) groups(clusters []string) (groups []string, known bool) {
	if len(clusters) == 0 {
		clusters = []string{"default"}
	}
	for _, cluster := range clusters {
		with := func(tag string, sec int64) string {
			return string(
				o.names.appendGroup(nil, &event.Event{
					Chunk: &event.Chunk{Cluster: cluster, Tag: tag}, Time: event.Time{Sec: sec}, Record: []byte{0x80},
				}),
			)
		}
		a, b := with("a.a.a.a", 0), with("b.b.b.b", 59_999_999_999)
		if a != b || strings.Contains(o.cfg.LogGroup, "{record") {
			return []string{""}, false
		}
		groups = append(groups, a)
	}
	slices.Sort(groups)
	return slices.Compact(groups), true
}

// hasGroup reports whether there is the log group; where its name is not known, it only asks for any.
func (o *Output) hasGroup(ctx context.Context, group string, known bool) (bool, error) {
	ctx, cancel := o.request(ctx)
	defer cancel()
	in := &logs.DescribeLogGroupsInput{Limit: aws.Int32(1)}
	if known {
		// The group itself comes first: names are in ASCII order.
		in.LogGroupNamePrefix = &group
	}
	out, err := o.api.groups(ctx, in)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(out.LogGroups, func(
		g types.LogGroup,
	) bool {
		return aws.ToString(g.LogGroupName) == group
	}), nil
}

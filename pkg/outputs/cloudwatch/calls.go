package cloudwatch

import (
	"context"

	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// operation is a call of the API.
type operation[In, Out any] func(context.Context, *In, ...func(*logs.Options)) (*Out, error)

// calls are the operations that are used. A field with the SDK's client would keep all of its operations in the binary.
type calls struct {
	putEvents    operation[logs.PutLogEventsInput, logs.PutLogEventsOutput]
	makeStream   operation[logs.CreateLogStreamInput, logs.CreateLogStreamOutput]
	makeGroup    operation[logs.CreateLogGroupInput, logs.CreateLogGroupOutput]
	setRetention operation[logs.PutRetentionPolicyInput, logs.PutRetentionPolicyOutput]
	groups       operation[logs.DescribeLogGroupsInput, logs.DescribeLogGroupsOutput]
}

func callsOf(c *logs.Client) *calls {
	return &calls{
		putEvents: c.PutLogEvents, makeStream: c.CreateLogStream, makeGroup: c.CreateLogGroup,
		setRetention: c.PutRetentionPolicy, groups: c.DescribeLogGroups,
	}
}

// DescribeLogGroups satisfies logs.DescribeLogGroupsAPIClient.
func (c *calls) DescribeLogGroups(
	ctx context.Context, in *logs.DescribeLogGroupsInput, opts ...func(*logs.Options),
) (*logs.DescribeLogGroupsOutput, error) {
	return c.groups(ctx, in, opts...)
}

package s3

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/rs/zerolog"

	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

const (
	// partsAtOnce is of one object; as many, and two more, are in memory.
	partsAtOnce  = 2
	abortTimeout = 5 * time.Second
)

// upload puts one object into the bucket: at once, or in parts where it has more than a part's size. A
// failed upload in parts is aborted, so that its parts are not billed. unknown: the object may be
// complete all the same.
func (o *Output) upload(ctx context.Context, obj *object, b *body) (unknown bool, err error) {
	calls := &calls{Client: o.client, timeout: o.timeout, abort: o.abortTimeout, log: o.log}
	tm := transfermanager.New(calls, func(t *transfermanager.Options) {
		t.PartSizeBytes = int64(o.cfg.PartSize)
		t.MultipartUploadThreshold = t.PartSizeBytes
		t.Concurrency = partsAtOnce
		t.RequestChecksumCalculation = o.checksums
	})
	in := &transfermanager.UploadObjectInput{
		Bucket: &o.cfg.Bucket, Key: &obj.key, Body: b,
		ContentType:  &o.mime,
		StorageClass: types.StorageClass(o.cfg.StorageClass),
		Metadata:     map[string]string{metaEvents: strconv.Itoa(obj.events)},
	}
	if o.cfg.StorageClass == "STANDARD" {
		// The default, which not every store knows by name.
		in.StorageClass = ""
	}
	if o.cfg.Encryption != unset {
		in.ServerSideEncryption = types.ServerSideEncryption(o.cfg.Encryption)
	}
	if o.cfg.KMSKeyID != "" {
		in.SSEKMSKeyID = &o.cfg.KMSKeyID
	}
	if o.cfg.ACL != unset {
		in.ACL = types.ObjectCannedACL(o.cfg.ACL)
	}
	if _, err = tm.UploadObject(ctx, in); err == nil {
		err = calls.incomplete
	}
	return calls.unknown, err
}

// calls is the calls of one upload, each of which takes no longer than the time-out.
type calls struct {
	*s3.Client
	timeout time.Duration
	// abort is the time-out of taking parts back.
	abort time.Duration
	log   zerolog.Logger

	// Set by the calls that make an object, of which there is one.
	// incomplete is why the parts were not put together.
	incomplete error
	// unknown says that the object may be complete although the call failed.
	unknown bool
}

// PutObject makes the object.
func (c *calls) PutObject(
	ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	out, err := c.Client.PutObject(ctx, in, opts...)
	if err == nil {
		err = emptyProof(out.ResultMetadata, out.ETag, out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME,
			out.ChecksumSHA1, out.ChecksumSHA256)
	}
	c.unknown = mayBeDone(err)
	return out, err
}

// CreateMultipartUpload begins an upload in parts.
func (c *calls) CreateMultipartUpload(
	ctx context.Context, in *s3.CreateMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.CreateMultipartUploadOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	out, err := c.Client.CreateMultipartUpload(ctx, in, opts...)
	if err == nil && aws.ToString(out.UploadId) == "" {
		err = lacking(out.ResultMetadata, "an upload id")
	}
	return out, err
}

// UploadPart uploads a part; several may run.
func (c *calls) UploadPart(
	ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options),
) (*s3.UploadPartOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	out, err := c.Client.UploadPart(ctx, in, opts...)
	if err == nil {
		err = emptyProof(out.ResultMetadata, out.ETag)
	}
	return out, err
}

// CompleteMultipartUpload makes the object of its parts. It keeps its error to itself: the SDK's
// manager would print it, beside the log.
func (c *calls) CompleteMultipartUpload(
	ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.CompleteMultipartUploadOutput, error) {
	within, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	out, err := c.Client.CompleteMultipartUpload(within, in, opts...)
	if err == nil {
		if err = proof(out.ResultMetadata, out.ETag); err == nil {
			return out, nil
		}
	}
	c.incomplete, c.unknown = err, mayBeDone(err)
	// Never fails.
	_, _ = c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: in.UploadId,
	})
	return &s3.CompleteMultipartUploadOutput{}, nil
}

// AbortMultipartUpload has the parts removed, also when ctx has ended. Its failure is logged and not
// returned, so that the upload's own is.
func (c *calls) AbortMultipartUpload(
	ctx context.Context, in *s3.AbortMultipartUploadInput, opts ...func(*s3.Options),
) (*s3.AbortMultipartUploadOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.abort)
	defer cancel()
	_, err := c.Client.AbortMultipartUpload(ctx, in, opts...)
	if err != nil && code(err) != "NoSuchUpload" {
		c.log.Warn().Str("object", *in.Key).Str("error", outputs.Public(awsclient.Describe(err))).
			Msg(
				"the parts of a failed upload could not be removed: they are billed until the bucket's lifecycle " +
					"rule for incomplete uploads removes them",
			)
	}
	return &s3.AbortMultipartUploadOutput{}, nil
}

// proof returns nil where the answer to a call, with its metadata, has a sum of what was stored: its ETag or a
// checksum. A page of a proxy may have an ETag too, but of itself.
func proof(of middleware.Metadata, sums ...*string) error {
	if !summed(sums) {
		return lacking(of, "an ETag or a checksum of what was stored")
	}
	if kind := mediaType(of); strings.HasPrefix(strings.ToLower(kind), "text/html") {
		return lacking(of, "what S3 answers with, and is a page")
	}
	return nil
}

// summed reports whether one of the sums is there.
func summed(sums []*string) bool {
	return slices.ContainsFunc(sums, func(sum *string) bool { return aws.ToString(sum) != "" })
}

// emptyProof is proof of an answer that has no body. Nothing is no page, whatever type it is said to have.
func emptyProof(of middleware.Metadata, sums ...*string) error {
	switch r := response(of); {
	case r != nil && r.ContentLength > 0:
		return lacking(of, "what S3 answers with, which has no body")
	case r != nil && r.ContentLength == 0 && summed(sums):
		return nil
	}
	return proof(of, sums...)
}

// lacking returns the error of an answer that lacks what would prove it.
func lacking(of middleware.Metadata, what string) error {
	e := &awsclient.UnprovedError{Status: http.StatusOK, Lacks: what, Kind: mediaType(of)}
	if r := response(of); r != nil {
		e.Status = r.StatusCode
	}
	return e
}

func mediaType(of middleware.Metadata) string {
	if r := response(of); r != nil {
		return r.Header.Get("Content-Type")
	}
	return ""
}

// response returns the answer that the metadata is of, nil where it has none.
func response(of middleware.Metadata) *smithyhttp.Response {
	// The SDK's own are of that type.
	r, _ := awsmiddleware.GetRawResponse(of).(*smithyhttp.Response)
	return r
}

// mayBeDone reports whether a call that failed with err may have taken effect.
func mayBeDone(err error) bool {
	if err == nil {
		return false
	}
	_, status, unknown, _ := awsclient.Classify(err)
	return unknown || status >= http.StatusInternalServerError
}

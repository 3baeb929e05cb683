package s3

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/seed-afc6a195/aggregator/pkg/config/setting"
	"github.com/seed-afc6a195/aggregator/pkg/outputs"
	"github.com/seed-afc6a195/aggregator/pkg/outputs/awsclient"
)

// Config is the settings of an output of type s3.
type Config struct {
	outputs.Common        `yaml:",inline"`
	awsclient.Config      `yaml:",inline"`
	Bucket                string `yaml:"bucket" required:"true" placeholders:"target"`
	Key                   string `yaml:"key" required:"true" placeholders:"other"`
	outputs.MessageConfig `yaml:",inline"`
	Compression           string       `yaml:"compression" default:"zstd" enum:"none|gzip|zstd" help:"of objects"`
	Rotate                Rotate       `yaml:"rotate" help:"when an object is finished"`
	PartSize              setting.Size `yaml:"part_size" default:"8MiB"`
	PathStyle             bool         `yaml:"path_style" default:"false"`
	StorageClass          string       `yaml:"storage_class" default:"STANDARD"`

	Encryption string `yaml:"server_side_encryption" default:"none" enum:"none|AES256|aws:kms|aws:kms:dsse"`
	KMSKeyID   string `yaml:"kms_key_id"`

	ACL string `yaml:"acl" default:"none" enum:"none|private|bucket-owner-read|bucket-owner-full-control"`
}

// Enum implements setting.Enumerated.
func (Config) Enum() map[string][]string {
	return map[string][]string{
		"storage_class": {
			"STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE",
			"REDUCED_REDUNDANCY", "EXPRESS_ONEZONE", "OUTPOSTS",
		},
	}
}

// Help implements setting.Explained.
func (Config) Help() map[string]string {
	return map[string]string{
		"bucket": "the bucket's name, or the ARN of an access point",
		"key": "prefix of objects' names, with placeholders, e.g. {cluster}/%Y/%m/%d/%H/; {index} numbers " +
			"the objects " +
			"of a prefix",
		"part_size": "bytes of a part; a larger object is uploaded in parts. 5MiB to 256MiB",
		"path_style": "true: the bucket's name in the path, not in the host's name, as emulators and " +
			"other stores want it",
		"storage_class":          "of objects",
		"server_side_encryption": "of objects; none: the bucket's own setting",
		"kms_key_id":             "the key of aws:kms, as ARN, id or alias; default: the account's own for S3",
		"acl":                    "canned ACL of objects; none: the bucket's own setting",
	}
}

// Rotate says when an object is finished. An object is made of one batch, which is held in memory
// meanwhile, so these are the batch's limits.
type Rotate struct {
	MaxSize setting.Size  `yaml:"max_size" default:"64MiB" min:"64KiB"`
	MaxAge  time.Duration `yaml:"max_age" default:"5m" min:"1s" help:"since the object was begun"`
}

// Help implements setting.Explained.
func (Rotate) Help() map[string]string {
	return map[string]string{
		"max_size": "bytes of events as they arrived (msgpack), before compression; 256MiB at most, held in " +
			"memory twice",
	}
}

const (
	compressionGzip = "gzip"
	compressionZstd = "zstd"
	// unset is of encryption and ACL.
	unset = "none"

	// minPart is S3's own limit for all parts but the last.
	minPart = 5 << 20
	// maxPart is a few are held in memory.
	maxPart   = 256 << 20
	maxObject = 256 << 20
	// maxEvents bounds the events of an object, whose size and age are to decide.
	maxEvents = 10_000_000
)

// Settings returns the common settings with this destination's defaults: a batch becomes an object
// (one for each prefix in it), and one upload at a time keeps one batch in memory besides the one
// that is gathered. Settings of batch count where they are smaller than those of rotate.
func (c *Config) Settings() outputs.Common {
	s := c.Or(outputs.Common{
		Workers: 1,
		Batch:   outputs.BatchConfig{MaxBytes: c.Rotate.MaxSize, MaxEvents: maxEvents, MaxWait: c.Rotate.MaxAge},
	}).Or(outputs.Defaults())
	s.Batch.MaxBytes = min(s.Batch.MaxBytes, cmp.Or(c.Rotate.MaxSize, s.Batch.MaxBytes))
	s.Batch.MaxWait = min(s.Batch.MaxWait, cmp.Or(c.Rotate.MaxAge, s.Batch.MaxWait))
	return s
}

// Check reports settings that can't work.
func (c *Config) Check(r *setting.Report) {
	c.Common.Check(r)
	c.MessageConfig.Check(r)
	c.Config.Check(r)
	if m := regexp.MustCompile(`^arn:aws[a-z-]*:s3:::([^/]*)`).FindStringSubmatch(c.Bucket); m != nil {
		r.Add("bucket", "write "+cmp.Or(m[1], "the bucket's name"),
			"%q is the ARN of a bucket, and S3 takes only those of access points", c.Bucket)
	} else if strings.HasPrefix(c.Bucket, "arn:") && !regexp.MustCompile(
		`^arn:aws[a-z-]*:s3[a-z-]*:[a-z0-9-]*:[0-9]*:(accesspoint|outpost)[/:].+$`,
	).MatchString(c.Bucket) {
		r.Add("bucket", "write a bucket's name, or the ARN of an access point", "%q is neither", c.Bucket)
	} else if !strings.HasPrefix(c.Bucket, "arn:") && !isBucket(c.Bucket) {
		r.Add("bucket", "write the bucket's name without s3:// and path; what follows goes into key",
			"%q is no name of a bucket", c.Bucket)
	}
	if _, err := parseKey(c.Key); err != nil {
		r.Add("key", "see the example in the documentation", "%v", err)
	} else if p := strings.TrimSuffix(c.Key, "/"); strings.HasPrefix(p, "/") || path.Clean(p) != p ||
		strings.ContainsFunc(p, notPrintable) {
		r.Add("key", "write it like {cluster}/%Y/%m/%d/%H/",
			"%q has a leading or doubled slash, a directory . or .., or control characters", c.Key)
	} else if len(p) > maxPrefix/2 {
		r.Add("key", fmt.Sprintf("write %d bytes or less", maxPrefix/2),
			"a prefix of %d bytes leaves no room for what fills it in", len(p))
	}
	if c.Rotate.MaxSize > maxObject {
		r.Add("rotate.max_size", "write 256MiB or less", "a batch of %s would be held in memory", c.Rotate.MaxSize)
	}
	if c.PartSize < minPart || c.PartSize > maxPart {
		r.Add("part_size", "write 5MiB to 256MiB", "%s is not what S3 takes, or too much to hold in memory", c.PartSize)
	}
	if c.KMSKeyID != "" && !strings.HasPrefix(c.Encryption, "aws:kms") {
		r.Add("kms_key_id", "set server_side_encryption to aws:kms, or remove the key",
			"it is not used by server_side_encryption %s", cmp.Or(c.Encryption, unset))
	}
}

// isBucket reports whether s may name a bucket: 3 to 63 letters, digits, dots, hyphens and, for old ones
// and other stores, capitals and underscores.
func isBucket(s string) bool {
	return len(s) >= 3 && len(s) <= 63 && !strings.ContainsFunc(s, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && r != '.' && r != '-' && r != '_'
	})
}
